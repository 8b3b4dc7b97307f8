"""What becomes of members that another directory holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from syncd.core.model import Rule, Source
from syncd.core.reads import Cause, Member, Proof, SourceRead
from syncd.core.template import attribute
from syncd.directory.foreign import Expansion, Foreign, Inquiry, holder
from syncd.directory.kinds import Server

A, B, C = "S-1-5-21-1-1-1", "S-1-5-21-2-2-2", "S-1-5-21-3-3-3"
SERVERS = {
    "a": Server("ad", ("dc=a",), A, "cn=syncd"),
    "b": Server("ad", ("dc=b", "dc=deep,dc=a"), B, "cn=syncd"),
    "c": Server("openldap", ("dc=c",), None, "cn=syncd"),
}
TOP = Source(kind="group", value="cn=top,dc=a", directory="a")
RULES = (Rule("login", (attribute("uid"),)),)


def member(name: str, *path: str) -> Member:
    """Make a member."""
    return Member(f"id-{name}", f"cn={name}", f"cn={name}", ((name,),), path, RULES)


def foreign(sid: str, *path: str, cause: Cause = "foreign") -> Foreign:
    """Make a foreign member; its reason is what the read of its source has."""
    return Foreign(sid, f"cn={sid},cn=ForeignSecurityPrincipals,dc=a", path or (TOP.value,), f"{sid}?", cause)


def person(name: str, *, disabled: bool = False) -> SourceRead:
    """Make the answer for a person."""
    found = {f"id-{name}": member(name)}
    return SourceRead(
        source=TOP, members={} if disabled else found, disabled=found if disabled else {}, complete=True,
        proof=Proof(server="ldap://b", identity="cn=b", values={"disabled" if disabled else "user": 1}),
    )  # fmt: skip


def group(dn: str, *people: str, reasons: tuple[str, ...] = (), causes: tuple[Cause, ...] = ()) -> SourceRead:
    """Make the answer for a group."""
    return SourceRead(
        source=TOP, members={f"id-{name}": member(name, dn) for name in people}, complete=not reasons,
        reasons=reasons, causes=frozenset(causes), dangling={"cn=gone": "cn=gone"},
        proof=Proof(server="ldap://b", identity="cn=b", groups=1, values={"user": len(people), "not found": 1}),
    )  # fmt: skip


ABSENT = SourceRead(source=TOP, members={}, complete=False, reasons=("not found",), causes=frozenset(("missing",)))


def first(*strangers: Foreign, source: Source = TOP) -> Expansion:
    """Make what directory `a` read: anna, and the strangers."""
    read = SourceRead(
        source=source,
        members={"id-anna": member("anna", source.value)},
        complete=False,
        reasons=tuple(one.reason for one in strangers),
        causes=frozenset(one.cause for one in strangers),
        proof=Proof(server="ldap://a", identity="cn=a", groups=1, values={"user": 1, "foreign": len(strangers)}),
    )
    return Expansion({source: read}, {source: strangers})


def settled(
    expansion: Expansion,
    answers: Mapping[str, SourceRead],
    deeper: Mapping[str, tuple[Foreign, ...]] | None = None,
    source: Source = TOP,
) -> SourceRead:
    """Let an inquiry ask until it has no question left; answers and their foreign members are by name."""
    inquiry = Inquiry("a", source, expansion)
    for _ in range(40):
        questions = inquiry.ask(SERVERS)
        if not questions:
            return inquiry.read()
        replies: dict[str, Expansion] = {}
        for asked, _listed in questions:
            reply = replies.setdefault(asked.directory, Expansion({}, {}))
            if asked.value in answers:
                reply.reads[asked] = answers[asked.value]
                reply.foreign[asked] = (deeper or {}).get(asked.value, ())
        inquiry.answer(replies)
    raise AssertionError("it never ends")


def paths(read: SourceRead) -> dict[str, tuple[str, ...]]:
    """Give the path of every member by login."""
    return {one.names[0][0]: one.path for one in read.members.values()}


def test_a_person_of_another_directory_is_a_member() -> None:
    """The person comes with the path to the group that lists it, nothing is left to complain of; the proof says so."""
    found = settled(first(foreign(f"{B}-7")), {f"<SID={B}-7>": person("bert")})
    assert paths(found) == {"anna": (TOP.value,), "bert": (TOP.value,)}
    assert found.complete
    assert found.reasons == ()
    assert found.causes == frozenset()
    assert found.proof.values == {"user": 2}
    assert found.proof.server == "ldap://a ldap://b"
    assert found.proof.identity == "cn=a; cn=b"


def test_a_disabled_person_of_another_directory_is_disabled() -> None:
    """What the other directory holds for disabled is not a member, and is told as such."""
    found = settled(first(foreign(f"{B}-7")), {f"<SID={B}-7>": person("bert", disabled=True)})
    assert list(paths(found)) == ["anna"]
    assert list(found.disabled) == ["id-bert"]
    assert found.complete
    assert found.proof.values == {"user": 1, "disabled": 1}


def test_a_group_of_another_directory_is_expanded_there() -> None:
    """Its members are members by way of it; what hangs loose there, and what is unknown there, counts here."""
    answer = group("cn=team,dc=b", "bert", "carl", reasons=("ldap://b: cut",), causes=("limit",))
    found = settled(first(foreign(f"{B}-8")), {f"<SID={B}-8>": answer})
    assert paths(found)["carl"] == (TOP.value, "cn=team,dc=b")
    assert found.reasons == ("ldap://b: cut",)
    assert not found.complete
    assert found.causes == {"limit"}
    assert found.dangling == {"cn=gone": "cn=gone"}
    assert found.proof.groups == 2
    assert found.proof.values == {"user": 3, "group": 1, "not found": 1}


@pytest.mark.parametrize("answers", [{}, {f"<SID={B}-7>": ABSENT}])
def test_who_is_not_found_there_stays_unresolved(answers: Mapping[str, SourceRead]) -> None:
    """A directory that did not answer, or does not know the SID, leaves the source incomplete: nobody is gone."""
    found = settled(first(foreign(f"{B}-7")), answers)
    assert found.reasons == (f"{B}-7?",)
    assert found.causes == {"foreign"}
    assert not found.complete
    assert found.proof.values == {"user": 1, "foreign": 1}


def test_one_of_two_strangers_resolved_leaves_the_cause() -> None:
    """The reason of the one who is known goes, that of the other and the cause stay."""
    found = settled(first(foreign(f"{B}-7"), foreign("S-1-5-11")), {f"<SID={B}-7>": person("bert")})
    assert found.reasons == ("S-1-5-11?",)
    assert found.causes == {"foreign"}


def test_strangers_of_strangers_and_cycles() -> None:
    """A group there may list somebody here, and itself in a circle; everybody is found, once, by a shortest path."""
    answers = {
        f"<SID={B}-8>": group("cn=team,dc=b", "bert"),
        f"<SID={A}-9>": group("cn=back,dc=a", "carl"),
    }
    deeper = {
        f"<SID={B}-8>": (foreign(f"{A}-9", "cn=team,dc=b"),),
        f"<SID={A}-9>": (foreign(f"{B}-8", "cn=back,dc=a"), foreign(f"{A}-1", "cn=back,dc=a")),
    }
    found = settled(first(foreign(f"{B}-8")), answers, deeper)
    assert paths(found)["carl"] == (TOP.value, "cn=team,dc=b", "cn=back,dc=a")
    assert found.complete


def test_the_depth_limit_holds_across_directories() -> None:
    """A group that lies too deep is not read, wherever it is; without nesting it is left out and noted."""
    answers = {f"<SID={B}-8>": group("cn=team,dc=b", "bert"), f"<SID={B}-7>": person("carl")}
    flat = Source(kind="group", value="cn=top,dc=a", directory="a", nested=0)
    strangers = (foreign(f"{B}-8"), foreign(f"{B}-7"))
    found = settled(first(*strangers, source=flat), answers, source=flat)
    assert list(paths(found)) == ["anna", "carl"]
    assert found.complete
    assert "not followed" in found.notes[0]
    one = Source(kind="group", value="cn=top,dc=a", directory="a", nested=1)
    far = (foreign(f"{B}-8", "cn=top,dc=a", "cn=in,dc=a"),)
    found = settled(first(*far, source=one), answers, source=one)
    assert list(paths(found)) == ["anna"]
    assert "deeper than 1 levels" in found.reasons[0]
    assert found.causes == {"depth"}


def test_who_holds_a_member() -> None:
    """A SID belongs to the domain that it begins with, a DN to the longest naming context; never to who lists it."""
    assert holder(foreign(f"{B}-7"), SERVERS, "a") == "b"
    assert holder(foreign(f"{B}-7"), SERVERS, "b") is None
    assert holder(foreign(f"{C}-7"), SERVERS, "a") is None
    assert holder(foreign("S-1-5-11"), SERVERS, "a") is None
    assert holder(foreign(f"{B}2-7"), SERVERS, "a") is None

    def named(dn: str) -> Foreign:
        return Foreign(None, dn, ("cn=top",), "?", "outside")

    assert holder(named("CN=x, DC=c"), SERVERS, "a") == "c"
    assert holder(named("cn=x,dc=deep,dc=a"), SERVERS, "c") == "b"
    assert holder(named("cn=x,dc=elsewhere"), SERVERS, "a") is None
    assert holder(named("cn=x,dc=xc"), SERVERS, "a") is None
    assert named("cn=x").name == "cn=x"


def test_a_reason_keeps_its_cause_though_another_of_that_cause_is_settled() -> None:
    """What is incomplete always says by what cause."""
    read = replace(first(foreign(f"{B}-1")).reads[TOP], reasons=(f"{B}-1?", "another"), causes=frozenset(("foreign",)))
    inquiry = Inquiry("a", TOP, Expansion({TOP: read}, {TOP: (foreign(f"{B}-1"),)}))
    [asked] = inquiry.ask(SERVERS)
    inquiry.answer({"b": Expansion({asked.source: person("bert")}, {})})
    assert (inquiry.read().reasons, inquiry.read().causes) == (("another",), {"foreign"})
