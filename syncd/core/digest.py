"""The fingerprint of a mailbox's changes: what `approve` names, and the same for the same changes at any time.

A digest is made of one line for each change; `items` names these lines one by one, so that what was approved can be
told from what came later. Claims that would end without a change are named too, but are in no digest. A mailbox whose
address is written in other letter case is the same one: what a person said of its changes still counts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from syncd.core.address import letters
from syncd.core.changes import Adoption, Change
from syncd.core.model import Fields

ITEM = 16
"""Hexadecimal digits that name one change among those of one mailbox: 64 bits."""


def digest(context: int, mailbox: str, changes: Iterable[Change], adopted: Iterable[Adoption]) -> str:
    """Give the SHA-256 of the canonical, sorted changes of one mailbox, without passwords, as `sha256:…`."""
    lines = _lines(context, mailbox, changes, adopted)
    lines = lines or [f"{_start(context, mailbox)}]"]  # plans without any change have to be told apart too
    return "sha256:" + hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def items(
    context: int,
    mailbox: str,
    changes: Iterable[Change],
    adopted: Iterable[Adoption],
    forgotten: Iterable[int] = (),
) -> frozenset[str]:
    """Name each change and adoption of one mailbox by what its line in the digest says, and each claim that ends."""
    start = _start(context, mailbox)
    ending = (f'{start},{user},"forget",{{}}]' for user in forgotten)
    return frozenset(map(_name, (*_lines(context, mailbox, changes, adopted), *ending)))


def item(context: int, mailbox: str, change: Change | Adoption) -> str:
    """Name one change or adoption as `items` does."""
    one = ((change,), ()) if isinstance(change, Change) else ((), (change,))
    return _name(*_lines(context, mailbox, *one))


def _lines(context: int, mailbox: str, changes: Iterable[Change], adopted: Iterable[Adoption]) -> list[str]:
    start = _start(context, mailbox)
    fields: dict[tuple[Fields | None, Fields | None], str] = {}  # few kinds of change, made for thousands of users
    lines = []
    for change in changes:
        kind = (change.old, change.new)
        text = fields.get(kind) or fields.setdefault(kind, _canonical(_new_fields(change)))
        lines.append(f'{start},{change.user},"{change.op}",{text}]')
    lines += [f'{start},{adoption.user},"adopt",{{}}]' for adoption in adopted]
    return lines


def _start(context: int, mailbox: str) -> str:
    return _canonical([context, letters(mailbox)])[:-1]


def _name(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()[:ITEM]


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _new_fields(change: Change) -> dict[str, object]:
    if change.new is None:
        return {}  # a removal is the same one whatever became of the account meanwhile
    return {name: new for name, (_, new) in change.changed().items() if name != "password"}
