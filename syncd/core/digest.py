"""The fingerprint of a mailbox's changes: what `approve` names, and the same for the same changes at any time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from syncd.core.changes import Adoption, Change
from syncd.core.model import Fields


def digest(context: int, mailbox: str, changes: Iterable[Change], adopted: Iterable[Adoption]) -> str:
    """Give the SHA-256 of the canonical, sorted changes of one mailbox, without passwords, as `sha256:…`."""
    start = _canonical([context, mailbox])[:-1]
    fields: dict[tuple[Fields | None, Fields | None], str] = {}  # few kinds of change, made for thousands of users
    lines = []
    for change in changes:
        kind = (change.old, change.new)
        text = fields.get(kind) or fields.setdefault(kind, _canonical(_new_fields(change)))
        lines.append(f'{start},{change.user},"{change.op}",{text}]')
    lines += [f'{start},{adoption.user},"adopt",{{}}]' for adoption in adopted]
    lines = lines or [f"{start}]"]  # plans without any change have to be told apart too: one may be held and approved
    return "sha256:" + hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _new_fields(change: Change) -> dict[str, object]:
    return {name: new for name, (_, new) in change.changed().items() if name != "password"}
