"""The digest of a plan: what it depends on, and what it does not."""

from __future__ import annotations

from itertools import permutations

import pytest

from syncd.core.changes import Change, Op
from syncd.core.digest import digest
from tests.core.planning import (
    IN,
    OTHER,
    planned,
)
from tests.core.strategies import (
    ADDRESS,
    RIGHT,
    WRONG,
)


def change(op: Op = Op.UPDATE, **parts: object) -> Change:
    """Give an update of user 4."""
    given: dict[str, object] = {
        "context": 1,
        "user": 4,
        "login": "berta",
        "mailbox": ADDRESS,
        "account": 20,
        "old": WRONG,
        "new": RIGHT,
    }
    return Change(op=op, **(given | parts))  # type: ignore[arg-type]


CREATE = change(Op.CREATE, user=5, account=None, old=None)
DELETE = change(Op.DELETE, user=6, new=None, old=RIGHT)


def test_a_digest_names_its_algorithm() -> None:
    """A digest is `sha256:` and 64 hexadecimal digits."""
    name, _, digits = digest(1, ADDRESS, [change()], []).partition(":")
    assert (name, len(bytes.fromhex(digits))) == ("sha256", 32)


def test_a_digest_does_not_depend_on_the_order() -> None:
    """Changes sorted in any way have one digest."""
    digests = {digest(1, ADDRESS, order, []) for order in permutations([change(), CREATE, DELETE])}
    assert len(digests) == 1


@pytest.mark.parametrize(
    "parts",
    [
        {"path": ("elsewhere",)},
        {"reason": "another"},
        {"login": "renamed"},
        {"dn": "uid=x"},
        {"member": "id"},
        {"account": 21},
        {"password": True},
    ],
    ids=lambda parts: next(iter(parts)),
)
def test_a_digest_has_nothing_in_it_that_changes_by_itself(parts: dict[str, object]) -> None:
    """Path, reason, login, member, id and password are no part of a digest."""
    assert digest(1, ADDRESS, [change(**parts)], []) == digest(1, ADDRESS, [change()], [])


def test_a_digest_differs_where_a_change_differs() -> None:
    """Context, mailbox, user, operation, new fields, number of changes, and adoption each make another digest."""
    adoption = planned(IN, [OTHER]).adopted[0]
    digests = [
        digest(1, ADDRESS, [change()], []),
        digest(2, ADDRESS, [change()], []),
        digest(1, "other@mycompany.com", [change()], []),
        digest(1, ADDRESS, [change(user=5)], []),
        digest(1, ADDRESS, [change(Op.CREATE)], []),
        digest(1, ADDRESS, [change(new=RIGHT._replace(mail_url="imap://third:143"))], []),
        digest(1, ADDRESS, [change(new=RIGHT._replace(login="x"))], []),
        digest(1, ADDRESS, [change(), CREATE], []),
        digest(1, ADDRESS, [change()], [adoption]),
        digest(1, ADDRESS, [change()], [adoption._replace(user=5)]),
        digest(1, ADDRESS, [], [adoption]),
        digest(1, ADDRESS, [], []),
        digest(2, ADDRESS, [], []),
        digest(1, "other@mycompany.com", [], []),
    ]
    assert len(set(digests)) == len(digests)
