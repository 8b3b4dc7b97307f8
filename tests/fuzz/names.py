"""Distinguished names, filters and templates, by their grammar, and by what their grammar forbids."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.fuzz.chance import damaged

PIECES = (
    *"=,+;\"\\<># *(){}|:&!~?/-.@'%\t\n\0", "\\", "\\2", "\\2a", "\\ff", "\\zz", "\\,", "##", "#04", "#0402",
    "#04024869", "oid.", "2.5.4.3", "uid", "cn", "DC", "ß", "İ", "Σ", "ſ", "é", "e\u0301", "\u00a0", "\u200b", "😀",
    "\ud800", "\udcff", "9" * 5000,
)  # fmt: skip
TEXTS = st.text(max_size=6) | st.lists(st.sampled_from(PIECES), max_size=5).map("".join)
TYPES = st.sampled_from(("cn", "uid", "OU", "dc", "oid.2.5.4.3", "2.5.4.11", "userid", "x-y", "", "ä", "1", "a b"))
DNS = (
    st.lists(st.lists(st.builds("{}={}".format, TYPES, TEXTS), max_size=3).map("+".join), max_size=4).map(",".join)
    | TEXTS
    | damaged(("uid=anna,ou=people,dc=example,dc=org", 'cn="Doe, John"+uid=x\\2c,o=#0401ff;c=de '), PIECES)
)

_ATTRIBUTES = st.sampled_from(
    ("uid", "member", "memberUid", "objectClass", "description;lang-de", "1.2.3", "cn:dn:2.5.13.2", ":dn:oid", "", "ä")
)
_RELATIONS = st.sampled_from(("=", ">=", "<=", "~=", ":=", "", "=="))
_ITEMS = st.builds(
    "({}{}{})".format, _ATTRIBUTES, _RELATIONS, TEXTS | st.sampled_from(("*", "a*b", "*a*", "**", "9" * 5000))
)
FILTERS = (
    st.recursive(
        _ITEMS,
        lambda inner: st.builds(
            "({}{})".format, st.sampled_from(("&", "|", "!", "", "&&")), st.lists(inner, max_size=3).map("".join)
        ),
        max_leaves=8,
    )
    | TEXTS
    | damaged(("(&(objectClass=person)(|(uid=a*b)(!(cn=\\2a))(x>=9)))",), PIECES)
    | st.builds(
        lambda sign, depth: f"({sign}" * depth + "(a=b)" + ")" * depth, st.sampled_from("&|!"), st.integers(1, 3000)
    )
)

TEMPLATES = st.lists(
    st.builds(
        "{{{}}}".format,
        st.lists(
            st.sampled_from(("mail", "uid", "|", ":", "localpart", "domain", "lower", "upper", "smtp", "x", " ", "")),
            max_size=6,
        ).map("".join),
    )
    | TEXTS
    | st.sampled_from(("{{", "}}", "{", "}")),
    max_size=5,
).map("".join) | damaged(
    ("{mail:localpart:lower}", "Team {displayName|cn} {{x}}", "{proxyAddresses:smtp}@{dc}"), PIECES
)
VALUES = st.lists(TEXTS | st.sampled_from(("anna@example.org", "SMTP:b@c", "@", "")), max_size=3)
ATTRIBUTES = st.dictionaries(st.sampled_from(("mail", "uid", "cn", "displayname", "proxyaddresses", "dc")), VALUES)
OCTETS = st.binary(max_size=6) | TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass"))
ENTRIES = st.dictionaries(
    st.sampled_from(("uid", "member", "memberuid", "objectclass", "description", "cn", "x", "a")),
    st.lists(OCTETS | st.just(b"9" * 5000), max_size=3),
)
