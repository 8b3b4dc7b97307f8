"""The fingerprint of a mapping: what makes it another one, what does not, and that this was decided for every field.

A new field of a configured value has to be added to one of the tables here, with a value that differs.
"""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta

import pytest

from syncd.core.fingerprint import VERSION, edited, fingerprint
from syncd.core.limits import Grace, Limits, Share
from syncd.core.model import Account, Endpoint, Mailbox, Policy, Rule, Secret, Source
from syncd.core.template import attribute, parse
from tests.core.strategies import BARRED, IMAP, SALES, SMTP, SUPPORT, mailbox

READERS = {"": "base dc=example", "hq": "base dc=hq"}
ACCOUNT = Account(
    name="Support",
    login="support",
    mail=IMAP,
    transport=SMTP,
    folders={"sent": "Sent", "trash": "Trash"},
    password=Secret("a"),
)
GROUP = replace(SUPPORT, rules=(Rule("login", (parse("{uid}"),)), Rule("mail", (parse("{mail}"),))))
BOX = mailbox(account=ACCOUNT, sources=(GROUP, SALES), exclude=(BARRED,))

MAILBOX = {
    "key": "other@mycompany.com",
    "context": 2,
    "sources": (GROUP,),
    "exclude": (),
    "existing": "leave",
    "extra": "remove",
    "account": replace(ACCOUNT, login="x"),
}
"""What a mapping means."""
NOT_MAILBOX = {
    "address": "Support@MyCompany.com",  # the same mailbox by its key
    "limits": Limits(removals=Share(percent=1, floor=1)),
    "grace": Grace(reads=5, time=timedelta(hours=1)),
    "sensitive": True,
    "staging": True,
    "choices": {"acme": 1},  # who chooses is in the sources; which contexts there are is nobody's edit
    "where": "file:9",
    "pattern": "file:9",
    "everywhere": True,
    "doubt": "not all are known",
}
"""How careful syncd is with it, where it stands, and what a run found out."""
ACCOUNT_FIELDS: dict[str, object] = {
    "name": "Sales",
    "login": "sales",
    "mail": Endpoint("imap://other:143", False),
    "transport": None,
    "personal": "Support team",
    "reply_to": "noreply@mycompany.com",
    "transport_login": "smtp",
    "folders": {"sent": "Sent"},
    "policy": Policy(login="ignore"),
    "revive": True,
}
NOT_ACCOUNT: dict[str, object] = {"password": Secret("b")}
SOURCE: dict[str, object] = {
    "kind": "filter",
    "value": "cn=other",
    "directory": "hq",
    "rules": (Rule("mail", (parse("{mail}"),)),),
    "chooser": attribute("oxContext"),
    "nested": 0,
    "base": "ou=people",
    "scope": "one",
    "logins": ("anna",),
    "context": 1,
}


def of(box: Mailbox = BOX, readers: dict[str, str] | None = None) -> str:
    """Give the fingerprint of a mailbox."""
    return fingerprint(box, READERS if readers is None else readers)


def names(kind: type) -> set[str]:
    """Name the fields of a value."""
    return {field.name for field in fields(kind)}


def test_every_field_was_decided_about() -> None:
    """Each field of a mailbox, an account, a source and a policy is either part of the fingerprint or left out."""
    assert names(Mailbox) == {*MAILBOX, *NOT_MAILBOX}
    assert names(Account) == {*ACCOUNT_FIELDS, *NOT_ACCOUNT, "transport_password"}
    assert names(Source) == {*SOURCE}


@pytest.mark.parametrize("field", MAILBOX)
def test_what_a_mapping_means_is_in_the_fingerprint(field: str) -> None:
    """Another value of such a field is an edit."""
    assert of(replace(BOX, **{field: MAILBOX[field]})) != of()  # type: ignore[arg-type]


@pytest.mark.parametrize("field", NOT_MAILBOX)
def test_how_careful_one_is_with_it_is_not(field: str) -> None:
    """Limits, waiting, the place in the file and what a run found out are no edit of who has what."""
    other = replace(BOX, **{field: NOT_MAILBOX[field]})  # type: ignore[arg-type]
    assert other != BOX
    assert of(other) == of()


@pytest.mark.parametrize("field", ACCOUNT_FIELDS)
def test_every_attribute_of_the_account_is_in_the_fingerprint(field: str) -> None:
    """Another server, name or policy is an edit."""
    assert of(replace(BOX, account=replace(ACCOUNT, **{field: ACCOUNT_FIELDS[field]}))) != of()  # type: ignore[arg-type]


@pytest.mark.parametrize("policy", sorted(names(Policy)))
@pytest.mark.parametrize("kept", ["create", "enforce", "ignore"])
def test_every_policy_is_in_the_fingerprint(policy: str, kept: str) -> None:
    """Which attributes are kept as configured is an edit, one by one."""
    other = replace(Policy(), **{policy: kept})  # type: ignore[arg-type]
    assert (of(replace(BOX, account=replace(ACCOUNT, policy=other))) == of()) is (other == Policy())


@pytest.mark.parametrize("starttls", [True, False])
def test_starttls_is_in_the_fingerprint(*, starttls: bool) -> None:
    """The same server with and without STARTTLS is another endpoint."""
    assert (of(replace(BOX, account=replace(ACCOUNT, mail=IMAP._replace(starttls=starttls)))) == of()) is not starttls


def test_a_new_password_is_no_edit() -> None:
    """Passwords are changed as a matter of course, and no fingerprint may tell anything about them."""
    assert of(replace(BOX, account=replace(ACCOUNT, password=Secret("b")))) == of()
    two = replace(ACCOUNT, transport_password=Secret("a"))
    assert of(replace(BOX, account=replace(two, transport_password=Secret("b")))) == of(replace(BOX, account=two))


@pytest.mark.parametrize("parts", [{"password": None}, {"transport_password": Secret("a")}])
def test_whether_a_password_is_managed_is_in_the_fingerprint(parts: dict[str, Secret | None]) -> None:
    """That passwords are written at all, or no more, is an edit, for mail and for transport apart."""
    assert of(replace(BOX, account=replace(ACCOUNT, **parts))) != of()  # type: ignore[arg-type]
    other = replace(ACCOUNT, password=None, transport_password=Secret("a"))
    assert of(replace(BOX, account=other)) != of()


@pytest.mark.parametrize("field", SOURCE)
@pytest.mark.parametrize("side", ["sources", "exclude"])
def test_all_of_a_source_is_in_the_fingerprint(field: str, side: str) -> None:
    """Whatever a source says, of members or of excluded ones, decides about accounts."""
    one = replace(GROUP, **{field: SOURCE[field]})  # type: ignore[arg-type]
    assert of(replace(BOX, **{side: (one,)})) != of(replace(BOX, **{side: (GROUP,)}))  # type: ignore[arg-type]


def test_an_excluded_source_is_another_one_than_an_included_one() -> None:
    """Which side a source stands on is an edit."""
    one, two = replace(BOX, sources=(GROUP,), exclude=(SALES,)), replace(BOX, sources=(SALES,), exclude=(GROUP,))
    assert of(one) != of(two)


def test_the_order_of_rules_is_in_the_fingerprint() -> None:
    """Rules are tried in order, so another order may name other users."""
    turned = replace(GROUP, rules=GROUP.rules[::-1])
    assert of(replace(BOX, sources=(turned, SALES))) != of()


def test_the_order_in_the_file_is_not() -> None:
    """Sources, exclusions and folders in another order mean the same."""
    turned = replace(ACCOUNT, folders={"trash": "Trash", "sent": "Sent"})
    box = replace(BOX, exclude=(BARRED, SALES))
    assert of(replace(BOX, sources=(SALES, GROUP), account=turned)) == of()
    assert of(replace(box, exclude=(SALES, BARRED))) == of(box)


@pytest.mark.parametrize("side", ["sources", "exclude"])
def test_how_a_directory_is_read_is_in_the_fingerprint(side: str) -> None:
    """Another base, or another rule for its users, is an edit of every mapping that asks that directory."""
    box = replace(BOX, **{"sources": (GROUP,), "exclude": (), side: (replace(GROUP, directory="hq"),)})  # type: ignore[arg-type]
    assert of(box, {**READERS, "hq": "base dc=other"}) != of(box)
    assert of(box, {**READERS, "lab": "base dc=lab"}) == of(box)


def test_a_directory_that_is_not_asked_does_not_count() -> None:
    """A mapping without a source in a directory is not edited by an edit of it."""
    listed = Source(kind="users", value="anna", logins=("anna",))
    group = Source(kind="ox_group", value="0", context=1)
    box = replace(BOX, sources=(listed, group), exclude=())
    assert of(box, {"": "base dc=other"}) == of(box)
    assert of(BOX, {**READERS, "hq": "base dc=other"}) == of()
    assert of(BOX, {"hq": READERS["hq"], "": "base dc=other"}) != of()


def test_a_fingerprint_tells_which_version_made_it() -> None:
    """It is short enough for the ledger's column, and has nothing readable in it."""
    version, _, digits = of().partition(":")
    assert version == VERSION
    assert len(bytes.fromhex(digits)) == 24
    assert len(of()) <= 64


def test_odd_characters_are_no_error() -> None:
    """Whatever bytes a file name or a DN was read from, there is a fingerprint."""
    assert of(replace(BOX, sources=(replace(GROUP, value="cn=\udcff"),))) != of()


def test_the_text_that_is_hashed_is_that_of_its_version() -> None:
    """Whoever changes how the text is made raises VERSION, and then writes down what comes out here."""
    assert of() == "1:58532cebc65cf09665b97700c75f5c56b51cdf2fa5d1e8e9"


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        pytest.param(None, "1:a", False, id="never seen"),
        pytest.param("1:a", "1:a", False, id="the same"),
        pytest.param("1:a", "1:b", True, id="another"),
        pytest.param("1:a", "2:a", False, id="made by another version"),
        pytest.param("1:a", "2:b", False, id="another, made by another version"),
        pytest.param("10:a", "1:a", False, id="whose number begins alike"),
        pytest.param("1:a", "", False, id="without sources now"),
        pytest.param("", "1:a", False, id="without any before"),
        pytest.param(None, "", False, id="nothing at all"),
    ],
)
def test_a_mapping_is_edited_when_its_fingerprint_is_another(last: str | None, now: str, *, expected: bool) -> None:
    """Only two fingerprints of one version can be compared."""
    assert edited(last, now) is expected
