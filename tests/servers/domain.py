"""What the tests' Active Directory holds, as LDIF; `BASE` stands for the domain's DN."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

PASSWORD = "Syncd-Secret.1"
READER = "svc-syncd"
"""Reads everything; in OU=services."""
BLIND = "svc-blind"
"""Sees that `CN=Hidden Hanna` exists but nothing of her, and not the members of the group `secret`."""
PEOPLE, GROUPS, MOVED = "OU=people,BASE", "OU=groups,BASE", "OU=moved,BASE"
SIZES = (1499, 1500, 1501, 3001)
"""The groups `n1499`, …, with the first so many of the numbered people."""
NUMBERED = max(SIZES)
ODD = {
    "comma": r"CN=Ünal\, Jörg",
    "plus": r"CN=C\+\+ Team (Ext*)",
    "slash": r"CN=a/b \#1 \\ end",
    "german": "CN=Groß Straßer",
}
"""sAMAccountName → RDN."""
STRANGER = "S-1-5-21-1000000001-1000000002-1000000003-1104"
"""SID of somebody in a domain that nobody knows; a member of the group `stranger`."""
_ORDINARY, _DISABLED = "544", "546"
"""userAccountControl: NORMAL_ACCOUNT | PASSWD_NOTREQD; and ACCOUNTDISABLE ([MS-ADTS] 2.2.16)."""
_GLOBAL = "-2147483646"
"""groupType: a global security group ([MS-ADTS] 2.2.12)."""


def user(login: str, dn: str = "", **attributes: str) -> str:
    """Write a user; by default `CN=LOGIN,OU=people,BASE`."""
    values = {
        "objectClass": "user",
        "sAMAccountName": login,
        "userPrincipalName": f"{login}@corp.example.test",
        "userAccountControl": _ORDINARY,
        "mail": f"{login}@example.org",
        **attributes,
    }
    return record(dn or f"CN={login},{PEOPLE}", *values.items())


def group(name: str, members: Iterable[str], **attributes: str) -> str:
    """Write a global group; members are DNs, or logins of people."""
    values = {"objectClass": "group", "sAMAccountName": name, "groupType": _GLOBAL, **attributes}
    return record(cn(name), *values.items(), *(("member", person(member)) for member in members))


def cn(name: str) -> str:
    """Give the DN of a group."""
    return f"CN={name},{GROUPS}"


def person(name: str) -> str:
    """Give the DN of a person by login; a DN is left as it is."""
    if "=" in name:
        return name
    if name in ODD:
        return f"{ODD[name]},{PEOPLE}"
    return f"CN=User {name[1:]},{PEOPLE}" if name[:1] == "u" and name[1:].isdigit() else f"CN={name},{PEOPLE}"


def record(dn: str, *attributes: tuple[str, str]) -> str:
    """Write one entry."""
    return "\n".join([_line("dn", dn), *(_line(name, value) for name, value in attributes)]) + "\n\n"


def everything() -> str:
    """Give the whole data set."""
    return "".join(_everything())


def few() -> str:
    """Give a small data set for another domain."""
    units = [record(dn, ("objectClass", "organizationalUnit")) for dn in (PEOPLE, GROUPS, "OU=services,BASE")]
    reader = user(READER, f"CN={READER},OU=services,BASE", userAccountControl="512", clearPassword=PASSWORD)
    people = [user("gina"), user("hugo"), user("ines", userAccountControl=_DISABLED)]
    return "".join([*units, reader, *people, group("local", ["gina", "ines"])])


def _everything() -> Iterator[str]:
    for dn in (PEOPLE, GROUPS, MOVED, "OU=services,BASE"):
        yield record(dn, ("objectClass", "organizationalUnit"))
    for login in (READER, BLIND):
        yield user(login, f"CN={login},OU=services,BASE", userAccountControl="512", clearPassword=PASSWORD)
    yield from _people()
    for size in SIZES:
        yield group(f"n{size}", (f"u{number}" for number in range(size)))
    yield from _nested()
    yield from _mixed()


def _people() -> Iterator[str]:
    for number in range(NUMBERED):
        yield user(f"u{number}", person(f"u{number}"))
    yield from (user(login, person(login)) for login in ODD)
    yield user("dora", userAccountControl=_DISABLED)
    yield user("emil", accountExpires="116444736000000000")  # 1970, in 100 ns since 1601
    # userPrincipalName and proxyAddresses that differ from the login
    yield record(
        f"CN=Anna Aliasse,{PEOPLE}",
        ("objectClass", "user"),
        ("sAMAccountName", "Anna"),
        ("userPrincipalName", "anna.aliasse@corp.example.test"),
        ("userAccountControl", _ORDINARY),
        ("mail", "a.aliasse@example.org"),
        ("proxyAddresses", "SMTP:a.aliasse@example.org"),
        ("proxyAddresses", "smtp:anna@example.org"),
        ("proxyAddresses", "x400:c=US;a= ;p=Corp;o=Exchange;s=Aliasse;g=Anna;"),
    )
    yield f"#deny {BLIND} RPLCLORC\n" + user("hanna", f"CN=Hidden Hanna,{PEOPLE}")
    yield record(f"CN=Konrad Kontakt,{PEOPLE}", ("objectClass", "contact"), ("mail", "konrad@elsewhere.example"))
    computer = (("objectClass", "computer"), ("sAMAccountName", "PC1$"), ("userAccountControl", "4128"))
    yield record(f"CN=PC1,{PEOPLE}", *computer)


def _nested() -> Iterator[str]:
    yield group("bottom", ["u1", "u2"])
    yield group("left", [cn("bottom"), "u3"])
    yield group("right", [cn("bottom"), "u4"])
    yield group("top", [cn("left"), cn("right"), "u5"])
    yield group("loop-a", ["u6"])
    yield group("loop-b", ["u7", cn("loop-a")])
    yield _also("loop-a", cn("loop-b"))
    yield group("self", ["u8"])
    yield _also("self", cn("self"))
    levels = 25
    yield group(f"deep{levels}", ["u9"])
    for level in range(levels - 1, -1, -1):
        yield group(f"deep{level}", [cn(f"deep{level + 1}")])


def _mixed() -> Iterator[str]:
    people = ["u10", "dora", "emil", f"CN=Konrad Kontakt,{PEOPLE}", f"CN=PC1,{PEOPLE}"]
    yield group("mixed", people)
    yield group("odd", ODD)
    yield group("names", [f"CN=Anna Aliasse,{PEOPLE}"])
    yield group("hidden", ["u11", f"CN=Hidden Hanna,{PEOPLE}"])
    # the attribute `member`, by its schemaIDGUID ([MS-ADA2] 2.44)
    yield f"#deny {BLIND} RP;bf9679c0-0de6-11d0-a285-00aa003049e2\n" + group("secret", ["u12"])
    yield group("empty", [])
    yield group("primary", ["u13", "u14"])
    yield group("around", [cn("primary"), "u15"])
    yield record(person("u13"), ("changetype", "modify"), ("replace", "primaryGroupID"), ("primaryGroupID", "primary"))
    yield group("stranger", ["u16", f"<SID={STRANGER}>"])


def _also(name: str, member: str) -> str:
    return record(cn(name), ("changetype", "modify"), ("add", "member"), ("member", member))


def _line(name: str, value: str) -> str:
    return f"{name}: {value}"  # in base64 BASE could not be replaced; both readers of these texts take UTF-8
