"""Names that need quoting somewhere: in DNs, in filters, in SQL, in YAML; and values that a column cannot take."""

from __future__ import annotations

import pytest

from tests.e2e.world import SUPPORT, World, entry

pytestmark = [pytest.mark.slapd, pytest.mark.mariadb]

ODD_RDNS = {
    r"cn=Doe\, John": "a",
    r"cn=plus\+minus": "b",
    r"cn=\"quoted\"": "c",
    r"cn=back\\slash": "d",
    r"cn=\<angle\>": "e",
    r"cn=semi\;colon": "f",
    r"cn=\#hash": "g",
    r"cn=equals\=sign": "h",
    r"cn=\ blank before": "i",
    r"cn=blank after\ ": "j",
    r"cn=Jürgen Müßig": "k",
    r"cn=many   blanks": "l",
    r"cn=two+sn=parts": "m",
    r"cn=(paren)*star": "n",
    r"cn=山田 太郎": "o",
    r"cn=UPPER Case": "p",
    r"cn=per%cent_under": "q",
    r"cn=O'Neil -- \; DROP": "r",
}
OTHER_SPELLINGS = {
    r"CN=DOE\2C john": "a",
    r"cn=PLUS\2bminus": "b",
    r"cn=\22quoted\22": "c",
    r"cn=back\5Cslash": "d",
    r"cn=jürgen MÜSSIG": "",
    r"cn=J\C3\BCrgen m\C3\BC\C3\9Fig": "k",
    r"cn=many blanks": "l",
    r"SN=Parts + CN=Two": "m",
    r"cn=upper  CASE": "p",
}


def odd_people(world: World) -> dict[str, int]:
    """Add a person for each odd name, and a user for each; give the users by RDN."""
    users = {rdn: 100 + number for number, rdn in enumerate(ODD_RDNS)}
    world.people({users[rdn]: f"odd{name}" for rdn, name in ODD_RDNS.items()}, entries=False)
    common = [("objectClass", "inetOrgPerson"), ("sn", "parts")]
    world.ldap.add(
        "".join(
            entry(f"{rdn},{world.ldap.people}", *common, ("uid", f"odd{name}"), *(("cn", value) for value in ("x",)))
            for rdn, name in ODD_RDNS.items()
        )
    )
    return users


def test_members_with_odd_names_get_the_mailbox(world: World) -> None:
    """Separators, quotes, blanks at either end, umlauts and other scripts in a member's DN hide nobody."""
    users = odd_people(world)
    world.group("support", *(f"{rdn},{world.ldap.people}" for rdn in ODD_RDNS))
    done = world.sync()
    assert done.document["dangling"] == []
    assert set(world.users()) == set(users.values())
    assert world.sync().summary == {"unchanged": len(users)}


def test_other_spellings_of_a_name_are_the_same_member(world: World) -> None:
    """Other case, other escapes, other blanks and another order of a multi-valued RDN change nobody's mailbox."""
    users = odd_people(world)
    known = [rdn for rdn, name in ODD_RDNS.items() if name in OTHER_SPELLINGS.values()]
    world.group("support", *(f"{rdn},{world.ldap.people}" for rdn in known))
    world.sync()
    assert set(world.users()) == {users[rdn] for rdn in known}
    before = world.dump()
    spelled = [rdn for rdn, name in OTHER_SPELLINGS.items() if name]
    world.group("support", *(f"{rdn} , {world.ldap.people.upper()}" for rdn in spelled))
    assert world.sync().summary == {"unchanged": len(known)}
    assert world.dump() == before


def test_a_group_with_an_odd_name_is_found(world: World) -> None:
    """The group of a mapping may need quoting as well, and its DN may be written in another spelling."""
    dn = rf"cn=Support\, \"first\" \+ more,{world.ldap.groups}"
    world.ldap.add(entry(dn, ("objectClass", "groupOfNames"), ("cn", "x"), ("member", world.dn("alice"))))
    other = rf"CN=support\2C \22FIRST\22 \2B more, {world.ldap.groups}"
    world.configure(world.mapping(sources=[{"group": other}]))
    assert world.sync().summary == {"create": 1}


def test_logins_that_need_quoting_are_found(world: World) -> None:
    """Quotes, stars, parentheses, backslashes and umlauts in a login find their user, also by `memberUid`."""
    logins = {100: "o'neil", 101: 'quo"te', 102: "star*", 103: "(paren)", 104: "back\\slash", 105: "per%cent"}
    world.people(logins, entries=False)
    world.people({106: "jürgen", 107: "blank name"}, entries=False)
    entries = [
        entry(f"cn=n{user},{world.ldap.people}", ("objectClass", "inetOrgPerson"), ("sn", "x"), ("uid", login))
        for user, login in (logins | {106: "jürgen", 107: "blank name"}).items()
    ]
    members = [("memberUid", login) for login in logins.values()]
    posix = [("objectClass", "posixGroup"), ("cn", "posix"), ("gidNumber", "1"), *members]
    world.ldap.add("".join(entries) + entry(f"cn=posix,{world.ldap.groups}", *posix))
    world.group("support", f"cn=n106,{world.ldap.people}", f"cn=n107,{world.ldap.people}")
    world.configure(world.mapping(sources=[world.source("posix"), world.source("support")]))
    done = world.sync()
    assert (done.document["unresolved"], done.document["dangling"]) == ([], [])
    assert set(world.users()) == set(range(100, 108))


def test_another_case_of_a_login_is_no_user(world: World) -> None:
    """Logins are compared letter by letter, as Open-Xchange does: `Alice` is unresolved, with a hint."""
    world.ldap.modify(f"dn: {world.dn('alice')}\nchangetype: modify\nreplace: uid\nuid: Alice\n")
    world.group("support", "alice")
    [unresolved] = world.sync().document["unresolved"]
    assert unresolved["login"] == "Alice"
    assert "alice" in unresolved["reason"]
    assert world.users() == {}


def test_a_value_too_long_for_its_column_fails_alone(world: World) -> None:
    """An account whose name the database cannot take fails with the reason; other mailboxes are done; exit 5."""
    world.execute("ALTER TABLE user_mail_account MODIFY name varchar(20) NOT NULL")
    world.configure(world.mapping("support", account={"name": "A name of 24 characters."}), world.mapping("sales"))
    world.group("support", "alice")
    world.group("sales", "alice", "bob")
    done = world.sync(code=5)
    [failed] = [one for one in done.document["changes"] if one["result"] == "failed"]
    assert (failed["mailbox"], failed["user"]) == (SUPPORT, 3)
    assert failed["error"] == "name is 24 characters, the column takes 20"
    assert set(world.users("sales@mycompany.com")) == {3, 4}
    assert world.users() == world.claims() == {}


def test_one_broken_account_fails_alone(world: World) -> None:
    """When the database refuses one user's row, the other members of the same batch get theirs; the next retries."""
    world.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON user_transport_account FOR EACH ROW "
        "IF NEW.user = 4 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not him'; END IF"
    )
    world.group("support", "alice", "bob", "carol")
    done = world.sync(code=5)
    assert [one["error"] for one in done.document["changes"] if one["result"] == "failed"] == ["not him"]
    assert set(world.users()) == {3, 5}
    assert world.claims() == world.users()
    world.execute("DROP TRIGGER refuse")
    assert world.sync().summary == {"create": 1, "unchanged": 2}
    assert world.claims() == world.users()
