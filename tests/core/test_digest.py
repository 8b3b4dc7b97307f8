"""The digest of a plan: what it depends on, and what it does not."""

from __future__ import annotations

import hashlib
import json
from itertools import permutations

import pytest

from syncd.core.changes import Change, Op
from syncd.core.digest import digest, item, items
from syncd.core.model import Fields
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


# --------------------------------------------------------------------------- what it is made of


def test_a_digest_is_that_of_the_lines_it_is_made_of() -> None:
    """Whoever knows the changes can compute it: SHA-256 of one line of JSON for each, sorted."""
    adoption = planned(IN, [OTHER]).adopted[0]
    fields = "".join(
        f',"{name}":{json.dumps(value)}'
        for name, value in sorted(RIGHT._asdict().items())
        if value is not None and name not in {"login", "mail_starttls"}
    )
    start = f'[1,"{ADDRESS}"'
    create = f'{start},5,"create",{{"login":"{RIGHT.login}","mail_starttls":false{fields}}}]'
    lines = [
        f'{start},4,"update",{{"mail_url":"{RIGHT.mail_url}"}}]',
        create,
        f'{start},6,"delete",{{}}]',
        f'{start},4,"adopt",{{}}]',
    ]
    text = "\n".join(sorted(lines)).encode()
    assert digest(1, ADDRESS, [change(), CREATE, DELETE], [adoption]) == f"sha256:{hashlib.sha256(text).hexdigest()}"
    nothing = hashlib.sha256(f"{start}]".encode()).hexdigest()
    assert digest(1, ADDRESS, [], []) == f"sha256:{nothing}"
    names = {hashlib.sha256(line.encode()).hexdigest()[:16] for line in lines}
    assert items(1, ADDRESS, [change(), CREATE, DELETE], [adoption]) == names


def test_a_digest_is_what_it_was() -> None:
    """Digests that persons wrote down, and approvals that the ledger keeps, outlive a new version of syncd."""
    assert digest(1, ADDRESS, [change(), DELETE], []) == (
        "sha256:c2812502955c277a98f7a275af488fc7390103b3361b0262db0587988da6c9e6"
    )
    assert item(1, ADDRESS, change()) == "29edec43cbbecef9"


def test_the_letter_case_of_the_address_makes_no_other_digest() -> None:
    """Who edits it in the configuration releases nothing that was rejected, and voids no approval."""
    shouted = ADDRESS.upper()
    assert digest(1, shouted, [change(), DELETE], []) == digest(1, ADDRESS, [change(), DELETE], [])
    assert items(1, shouted, [change(), DELETE], [], [7]) == items(1, ADDRESS, [change(), DELETE], [], [7])


# --------------------------------------------------------------------------- one by one


def test_each_change_has_a_name_of_its_own() -> None:
    """The names of all changes and adoptions together are those of each by itself."""
    adoption = planned(IN, [OTHER]).adopted[0]
    some = [change(), CREATE, DELETE]
    named = {item(1, ADDRESS, one) for one in (*some, adoption)}
    assert len(named) == 4
    assert items(1, ADDRESS, some, [adoption]) == named
    assert items(1, ADDRESS, some[:2], []) < named
    assert items(1, ADDRESS, [], []) == frozenset()


def test_a_name_depends_on_what_a_digest_depends_on() -> None:
    """Context, mailbox, user, operation and new fields make another name; what changes by itself does not."""
    names = [
        item(1, ADDRESS, change()),
        item(2, ADDRESS, change()),
        item(1, "other@mycompany.com", change()),
        item(1, ADDRESS, change(user=5)),
        item(1, ADDRESS, change(Op.CREATE)),
        item(1, ADDRESS, change(new=RIGHT._replace(login="x"))),
    ]
    assert len(set(names)) == len(names)
    same = change(path=("x",), reason="y", login="z", dn="uid=x", member="m", account=9, password=True)
    assert item(1, ADDRESS, same) == names[0]


@pytest.mark.parametrize("old", [WRONG, RIGHT._replace(failing="off"), RIGHT._replace(transport_url=None)])
def test_a_removal_is_the_same_whatever_became_of_the_account(old: Fields) -> None:
    """What was approved to go may have failed logins, or other servers, when it goes."""
    other = change(Op.DELETE, user=6, new=None, old=old)
    assert item(1, ADDRESS, other) == item(1, ADDRESS, DELETE)
    assert digest(1, ADDRESS, [other], []) == digest(1, ADDRESS, [DELETE], [])


def test_many_changes_of_one_kind_are_told_apart_by_their_users() -> None:
    """Equal fields of many users make as many names, and different fields of equal users too."""
    many = [change(user=user, new=RIGHT._replace(login=login)) for user in range(50) for login in ("a", "b")]
    assert len(items(1, ADDRESS, many, [])) == 100
    assert digest(1, ADDRESS, many, []) != digest(1, ADDRESS, many[1:], [])


def test_claims_that_end_are_named_apart() -> None:
    """The end of a claim has a name of its own for each mailbox, context and user, unlike that of any change."""
    ends = [items(1, "a@x.org", (), (), [4]), items(1, "b@x.org", (), (), [4]), items(2, "a@x.org", (), (), [4])]
    assert len(frozenset().union(*ends, items(1, "a@x.org", (), (), [5]))) == 4
    removal = Change(op=Op.DELETE, context=1, user=4, login="", mailbox="a@x.org", account=1)
    assert items(1, "a@x.org", [removal], (), [4]) == items(1, "a@x.org", [removal], ()) | ends[0]
    assert not ends[0] & items(1, "a@x.org", [removal], ())
