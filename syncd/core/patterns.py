"""Mappings that stand for mailboxes not known before a run: found by a search, or in contexts that the run finds out.

`Pattern` is such a mapping. `described` makes mailboxes of what a search found, `placed` puts a mailbox into its
contexts. What a template cannot give is a problem in words, never an error: it stops that one mailbox alone.

| the mailbox's address, in a search's result        | outcome                                                       |
|----------------------------------------------------|---------------------------------------------------------------|
| exactly one value that is an address               | that mailbox                                                  |
| no value, several values, or no address            | a problem: not managed, nothing is done to its accounts       |
| the same as of another entry of any search         | a problem for each of them: not managed until it is clear     |
| the same as of a mapping that names it             | the mapping counts; a problem tells of the other              |

While a search is not complete, a second entry with the address may be hidden: nobody is removed then (`Mailbox.doubt`).

The rows from the last to the first: a mapping that names an address settles it, whatever is found.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import translate
from typing import Literal, NamedTuple

from syncd.core.address import collation_key
from syncd.core.changes import MailboxPlan
from syncd.core.model import Account, Contexts, Mailbox, MailboxRef, Source
from syncd.core.reads import Discovery, Found, Search
from syncd.core.template import Template

_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+").fullmatch
MAX_ADDRESS = 256
"""Characters that the column `primary_addr` holds (ox-facts 1.1)."""


class Sieve(NamedTuple):
    """A condition on what a search found."""

    on: Literal["mailbox", "group"]
    """The address, or the DN and each value of `cn` of the group."""
    text: str
    """A glob for the whole (`support-*`), or a regular expression for any part, between slashes (`/^s[a-z]+$/`).

    Letter case does not matter.
    """

    def may_let_through(self, addresses: Sequence[str], found: Found) -> bool:
        """Tell whether it fits any of the addresses, or may: where there is none nobody can know."""
        return (self.on == "mailbox" and not addresses) or any(self._fitting(addresses, found))

    def surely_lets_through(self, addresses: Sequence[str], found: Found) -> bool:
        """Tell whether it fits all of the addresses, of which there is one; the DN or any `cn` of the group."""
        fitting = list(self._fitting(addresses, found))
        return all(fitting) and bool(fitting) if self.on == "mailbox" else any(fitting)

    def _fitting(self, addresses: Sequence[str], found: Found) -> Iterator[bool]:
        expression = self.expression()
        matches = expression.search if self._slashed else expression.fullmatch
        texts = addresses if self.on == "mailbox" else (found.dn, *found.attributes.get("cn", ()))
        return (matches(text) is not None for text in texts)

    def expression(self) -> re.Pattern[str]:
        """Compile it.

        Raises:
            re.error: it is no regular expression.
        """
        return re.compile(self.text[1:-1] if self._slashed else translate(self.text), re.IGNORECASE)

    @property
    def _slashed(self) -> bool:
        return len(self.text) > 1 and self.text[0] == self.text[-1] == "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """How the contexts of a mailbox are found out.

    name: the one context with a name or login mapping; members: each member's entry names its own (`Source.chooser`);
    all: every context, for the members who have a user there.
    """

    by: Literal["name", "members", "all"]
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A mapping that stands for several mailboxes, or for one in contexts that are found out by each run."""

    where: str
    """`file:line` of the mapping, for messages."""
    mailbox: Mailbox
    """What all of them have in common; address, texts of the account and context are replaced."""
    placing: Placing | None = None
    """None = the context of `mailbox`."""
    search: Search | None = None
    """None = the address of `mailbox`."""
    address: Template | None = None
    """Of a search: what gives the address."""
    texts: Mapping[str, Template] = field(default_factory=dict)
    """Of a search: name, login, personal, reply_to, transport_login of the account, where templates give them."""
    expression: tuple[str, re.Pattern[str]] | None = None
    """Of a search: an attribute (lower case) and what must match one of its values; named groups are attributes too."""
    include: tuple[Sieve, ...] = ()
    """What fits any of them counts; empty = everything does."""
    exclude: tuple[Sieve, ...] = ()
    group: Source | None = None
    """Of a search: the source that every entry found is, but for its DN."""

    def source(self, found: Found) -> Source | None:
        """Give the source that an entry found stands for."""
        return None if self.group is None else replace(self.group, value=found.dn)


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What the searches gave."""

    mailboxes: tuple[tuple[Pattern, Mailbox], ...] = ()
    """With the pattern that places them."""
    problems: tuple[str, ...] = ()
    known: frozenset[str] = frozenset()
    """Keys of addresses that were found and are not managed because of a problem: they did not leave."""


def sources(patterns: Iterable[Pattern], discoveries: Mapping[Search, Discovery]) -> list[Source]:
    """Give the sources of everything that the searches found and that is let through by expression and sieves."""
    return [
        source
        for pattern in patterns
        for found in _found(pattern, discoveries)
        if (source := pattern.source(found)) is not None
        if _fits(pattern, found)
    ]


def described(
    patterns: Sequence[Pattern], discoveries: Mapping[Search, Discovery], fixed: Collection[str]
) -> Described:
    """Make mailboxes, not yet placed in contexts, of patterns and of what their searches found.

    Args:
        patterns: all of them; one without a search gives its own mailbox.
        discoveries: by search.
        fixed: keys of the addresses of mappings that name them.
    """
    made = [(pattern, pattern.mailbox) for pattern in patterns if pattern.search is None]
    named = {*fixed, *(mailbox.key for _, mailbox in made)}
    problems: list[str] = []
    entries: dict[str, list[tuple[Pattern, Mailbox, Found]]] = defaultdict(list)
    known: set[str] = set()
    for pattern in patterns:
        for found in _found(pattern, discoveries):
            if not _fits(pattern, found):
                continue
            mailbox, problem, keys = _mailbox(pattern, found)
            if mailbox is not None and mailbox.key in named:
                problems.append(
                    f"{pattern.where}: {found.dn}: {mailbox.address} has a mapping of its own, which counts"
                )
            elif mailbox is not None:
                entries[mailbox.key].append((pattern, mailbox, found))
            else:
                problems.append(f"{pattern.where}: {found.dn}: {problem}")
                known |= keys
    whole = all(discovery.complete for discovery in discoveries.values())
    doubt = "" if whole else "not all mailboxes are known, so that another group may have its address too"
    for key, several in entries.items():
        pattern, mailbox, _ = several[0]
        if len(several) > 1:
            names = " and ".join(sorted(one.dn for _, _, one in several))
            problems.append(f"{pattern.where}: {mailbox.address} is described by {names}; by none until one is left")
            known.add(key)
        else:
            made.append((pattern, replace(mailbox, doubt=doubt)))
    return Described(mailboxes=tuple(made), problems=tuple(problems), known=frozenset(known - named))


def placed(
    pattern: Pattern, mailbox: Mailbox, contexts: Contexts, named: Collection[str], claimed: Collection[int]
) -> tuple[list[Mailbox], str]:
    """Put a mailbox into its contexts; give it once for each, and what is wrong.

    Args:
        pattern: where it comes from.
        mailbox: one of `described`.
        contexts: those that exist.
        named: what its members say of their contexts (`Member.contexts`).
        claimed: the contexts in which it has claims: there its accounts may have to go.
    """
    placing = pattern.placing
    if placing is None:
        return [mailbox], ""
    if placing.by == "name":
        context = contexts.names.get(collation_key(placing.name))
        if context is None:
            return [], f"{pattern.where}: {mailbox.address}: there is no context {placing.name!r}"
        return [_in(mailbox, context, pattern)], ""
    if placing.by == "all":
        everywhere = sorted(contexts.ids | frozenset(claimed))
        return [replace(_in(mailbox, context, pattern), everywhere=True) for context in everywhere], ""
    chosen = {contexts.names.get(collation_key(name)) for name in named} - {None}
    ids = sorted({context for context in chosen if context is not None} | frozenset(claimed))
    problem = "" if ids else f"{pattern.where}: {mailbox.address}: no member names a context that exists"
    return [replace(_in(mailbox, context, pattern), choices=contexts.names) for context in ids], problem


def told_once(plans: Mapping[MailboxRef, MailboxPlan]) -> dict[MailboxRef, MailboxPlan]:
    """Tell of an unresolved member of a mailbox in many contexts once, and only if no context resolves it.

    The plans protect its accounts all the same: this is about what is shown.
    """
    families: dict[tuple[str, str], list[MailboxRef]] = defaultdict(list)
    for ref, plan in plans.items():
        if plan.mailbox.everywhere or plan.mailbox.choices is not None:
            families[plan.mailbox.pattern, ref.key].append(ref)
    told = dict(plans)
    for refs in families.values():
        counts = Counter(member for ref in refs for member in {notice.member for notice in plans[ref].unresolved})
        for ref in refs:
            plan = plans[ref]
            kept = tuple(
                notice
                for notice in plan.unresolved
                if (counts[notice.member] == len(refs) and ref == min(refs))
                or (counts[notice.member] < len(refs) and not plan.mailbox.everywhere)
            )
            if kept != plan.unresolved:
                told[ref] = replace(plan, unresolved=kept)
    return told


def _found(pattern: Pattern, discoveries: Mapping[Search, Discovery]) -> Sequence[Found]:
    return () if pattern.search is None or pattern.search not in discoveries else discoveries[pattern.search].found


def _fits(pattern: Pattern, found: Found) -> bool:
    """Tell whether the expression matches and the sieves let the entry through.

    An entry without an address, or with several, is not dropped in silence by a sieve on addresses: it has a problem.
    """
    if pattern.expression is not None and _attributes(pattern, found) is None:
        return False
    addresses = _addresses(pattern, found)
    if pattern.include and not any(sieve.may_let_through(addresses, found) for sieve in pattern.include):
        return False
    return not any(sieve.surely_lets_through(addresses, found) for sieve in pattern.exclude)


def _attributes(pattern: Pattern, found: Found) -> Mapping[str, Sequence[str]] | None:
    """Give the attributes with the named groups of the expression; None where it matches no value.

    Servers sort values as they like, so what matches several values gives several.
    """
    if pattern.expression is None:
        return found.attributes
    name, expression = pattern.expression
    matches = [match for value in found.attributes.get(name, ()) if (match := expression.search(value))]
    if not matches:
        return None
    groups: dict[str, dict[str, None]] = defaultdict(dict)
    for key, text in (pair for match in matches for pair in match.groupdict().items() if pair[1]):
        groups[key.lower()][text] = None
    return {**found.attributes, **{key: tuple(texts) for key, texts in groups.items()}}


def _addresses(pattern: Pattern, found: Found) -> tuple[str, ...]:
    attributes = _attributes(pattern, found)
    return () if pattern.address is None or attributes is None else pattern.address.values(attributes)


def _mailbox(pattern: Pattern, found: Found) -> tuple[Mailbox | None, str, frozenset[str]]:
    """Give the mailbox that an entry describes, or what is wrong and the keys of its addresses, as far as known."""
    addresses = _addresses(pattern, found)
    if len(addresses) != 1:
        what = "gives nothing" if not addresses else f"gives several values: {', '.join(addresses)}"
        return None, f"mailbox {pattern.address} {what}", frozenset(map(collation_key, addresses))
    [address] = addresses
    if not _ADDRESS(address) or len(address) > MAX_ADDRESS or not address.isprintable():
        return None, f"mailbox {pattern.address} gives {address!r}, which is no address", frozenset()
    key = collation_key(address)
    texts: dict[str, str] = {}
    for name, template in pattern.texts.items():
        values = template.values(_attributes(pattern, found) or {})
        if len(values) != 1:
            what = "nothing" if not values else f"several values: {', '.join(values)}"
            return None, f"{address}: account.{name} {template} gives {what}", frozenset((key,))
        texts[name] = values[0]
    if problem := _too_long(texts):
        return None, f"{address}: {problem}", frozenset((key,))
    source = pattern.source(found)
    prototype = pattern.mailbox
    account: Account = replace(prototype.account, **texts)  # type: ignore[arg-type] # all of them are texts
    own = (source,) if source is not None else ()
    named = replace(
        prototype, address=address, key=key, account=account, sources=(*own, *prototype.sources), pattern=pattern.where
    )
    return named, "", frozenset((key,))


_LENGTHS = {"name": 256, "login": 256, "personal": 64, "reply_to": 256, "transport_login": 256}
"""Characters that the columns hold (ox-facts 1.1)."""


def _too_long(texts: Mapping[str, str]) -> str:
    for name, text in texts.items():
        if len(text) > _LENGTHS[name]:
            return f"account.{name} {text[:40]!r}… has {len(text)} characters; the column holds {_LENGTHS[name]}"
    return ""


def _in(mailbox: Mailbox, context: int, pattern: Pattern) -> Mailbox:
    """Give a mailbox in a context, its sources too where they are groups of Open-Xchange."""
    return replace(
        mailbox,
        context=context,
        sources=tuple(_source_in(mailbox.sources, context)),
        exclude=tuple(_source_in(mailbox.exclude, context)),
        pattern=pattern.where,
    )


def _source_in(sources: Iterable[Source], context: int) -> Iterator[Source]:
    for source in sources:
        yield replace(source, context=context) if source.kind == "ox_group" else source
