"""The fingerprint of a mapping: equal as long as it means the same, so that an edit is noticed as what it is.

What decides about members and accounts is in it; limits, the place in the file and passwords are not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from syncd.core.model import Mailbox, Source

VERSION = "1"
"""Rises whenever the text that is hashed is made in another way."""


def fingerprint(mailbox: Mailbox, readers: Mapping[str, str]) -> str:
    """Give `VERSION:` and the SHA-256, in hexadecimal and cut, of what a mapping says of a mailbox.

    Args:
        mailbox: as configured.
        readers: how each directory's entries are read (base, rules, policies), as text by name of the directory.
    """
    account = mailbox.account
    told = replace(
        account,
        folders=dict(sorted(account.folders.items())),
        password=None,
        transport_password=None,
    )
    managed = account.password is not None, account.transport_password is not None
    read = sorted({(one.directory, readers.get(one.directory, "")) for one in _all(mailbox) if one.from_directory})
    parts = (mailbox.ref, mailbox.existing, mailbox.extra, _named(mailbox.sources), _named(mailbox.exclude), read)
    text = repr((parts, told, managed))
    return f"{VERSION}:{hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest()[:48]}"


def edited(last: str | None, now: str) -> bool:
    """Tell whether a mapping was edited; fingerprints that two versions of syncd made cannot be compared."""
    return last is not None and last != now and last.partition(":")[0] == now.partition(":")[0]


def _all(mailbox: Mailbox) -> tuple[Source, ...]:
    return (*mailbox.sources, *mailbox.exclude)


def _named(sources: tuple[Source, ...]) -> list[str]:
    """Show sources by all that they say, in an order that does not depend on the file's."""
    return sorted(
        repr(
            (
                *(source.kind, source.value, source.directory, source.nested, source.base, source.scope, source.logins),
                *(source.context, str(source.chooser), [str(rule) for rule in source.rules]),
            )
        )
        for source in sources
    )
