"""What `explain` found, as JSON and as people read it; what the words mean is in `core.standing` and `core.explain`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from syncd.cli.document import proof_of
from syncd.cli.text import held_lines, proof_line, say_line
from syncd.core.explain import Act, Explanation, Fate, Said, Stored
from syncd.core.model import Claim
from syncd.core.roll import Mention
from syncd.core.standing import WANTED, Attempt, Case, Standing, pinned_text
from syncd.explain import Answer

VERBS = {
    "create": "get it",
    "update": "have it repaired",
    "delete": "lose it",
    "adopt": "have it adopted",
    "forget": "have the claim on it ended",
}
"""What becomes of the person when something is done."""
FATES = {
    Fate.PLANNED: ", and will {} at the next run",
    Fate.HELD: ", and would {}, but that is held",
    Fate.WITHHELD: ", and would {}, but that is withheld",
    Fate.WAITING: ", and will {}, but not yet",
    Fate.CONFLICT: ", and cannot {}: a conflict",
    Fate.IDLE: ", and would {}, but nothing is applied now",
}
WIDTH = 14
"""Of the column with the names of the links."""
FEW = 3
"""So many contexts are told what the person was taken for there."""
STYLES = {Standing.MEMBER: "green", Standing.PINNED: "green", Standing.STRANGER: "", Standing.UNREAD: "bold red"}


# --------------------------------------------------------------------------- JSON


def document(answer: Answer) -> dict[str, Any]:
    """Give an answer as values that JSON can hold: keys may be added, the ones here stay."""
    return {
        "asked": answer.asked,
        "taken": list(answer.taken),
        "explanations": [_explanation(one) for one in answer.found],
        "mailboxes": [_case(case) for case in _cases(answer)],
        "others": answer.others,
        "problems": list(answer.problems),
        "undiscovered": list(answer.undiscovered),
    }


def _explanation(one: Explanation) -> dict[str, Any]:
    judgement = one.case.judgement
    return {
        "mailbox": one.case.mailbox.address,
        "context": one.case.mailbox.context,
        "user": one.user,
        "login": one.login,
        "taken": one.taken,
        "standing": one.standing.value,
        "reason": one.reason,
        "entry": one.entry.dn if one.entry else None,
        "sources": [_said(said) for said in one.said],
        "identity": [
            {"rule": str(attempt.rule), "values": list(attempt.values), "users": list(attempt.users)}
            for attempt in one.attempts
        ],
        "accounts": [_stored(stored) for stored in one.stored],
        "claim": _claim(one, one.claim) if one.claim else None,
        "pin": {
            "keep": one.pin.keep,
            "until": one.pin.until.isoformat() if one.pin.until else None,
            "by": one.pin.by,
        }
        if one.pin
        else None,
        "next": [_act(act, judgement.held_digest if judgement else None) for act in one.acts],
        "summary": headline(one),
        "steps": [{"step": name, "text": text} for name, text in chain(one)],
    }


def _said(said: Said) -> dict[str, Any]:
    return {
        "source": str(said.source),
        "excludes": said.excludes,
        "where": said.where or None,
        "complete": said.read is not None and said.read.complete,
        "mentions": [
            {
                "kind": one.kind,
                "member": one.written,
                "id": one.member.id if one.member else None,
                "path": list(one.member.path) if one.member else [],
                "primary": one.primary,
                "user": one.user,
            }
            for one in said.mentions
        ],
    }


def _stored(stored: Stored) -> dict[str, Any]:
    account = stored.account
    return {
        "account": account.id,
        "role": stored.role,
        "address": account.address,
        "login": account.fields.login,
        "mail": account.fields.mail_url,
        "transport": account.fields.transport_url,
        "differs": {name: [old, new] for name, (old, new) in stored.differs.items()},
        "drift": stored.drift or None,
    }


def _claim(one: Explanation, claim: Claim) -> dict[str, Any]:
    since = one.case.claimed.get(claim.user)
    return {
        "account": claim.account,
        "held": claim.held,
        "since": since.isoformat() if since else None,
        "member": claim.dn,
        "id": claim.member,
        "login": claim.login,
    }


def _act(act: Act, digest: str | None) -> dict[str, Any]:
    return {
        "op": act.op,
        "result": act.fate.value,
        "reason": act.reason,
        "account": act.account,
        "fields": {name: [old, new] for name, (old, new) in act.fields.items()},
        "since": act.since.isoformat() if act.since else None,
        "digest": digest if act.fate is Fate.HELD else None,
        "objections": [{"limit": one.limit, "message": one.message} for one in act.objections],
    }


def _case(case: Case) -> dict[str, Any]:
    mailbox, plan = case.mailbox, case.judgement.plan if case.judgement else None
    return {
        "mailbox": mailbox.address,
        "context": mailbox.context,
        "where": mailbox.where or None,
        "found": case.found or None,
        "orphaned": case.gone,
        "complete": plan is not None and plan.complete,
        "reasons": list(plan.reasons) if plan else [],
        "idle": case.judgement.idle if case.judgement else "",
        "sources": [
            {
                "source": str(source),
                "excludes": excludes,
                "where": case.lines.get((source, excludes)),
                "proof": proof_of(case.reads[source].proof),
            }
            for source, excludes in _sources(case)
        ],
    }


# --------------------------------------------------------------------------- text


def show(answer: Answer, console: Console, *, config: str, whole: bool) -> None:
    """Print an answer.

    Args:
        answer: what was found.
        console: where to.
        config: the configuration file as a shell takes it, for the commands that are named.
        whole: print every link of the chain; else one line for each explanation.
    """
    for number, one in enumerate(answer.found):
        if whole and number:
            say_line(console, Text(""))
        say_line(console, Text(headline(one), style=f"bold {_style(one)}".strip() if whole else _style(one)))
        if whole:
            for line in _links(one, config):
                say_line(console, line)
    if not whole:
        for taken in answer.taken[:FEW]:
            say_line(console, Text(taken, style="dim"))
    if answer.others:
        text = f"{answer.others} more {'mailbox' if answer.others == 1 else 'mailboxes'}: in none of their sources"
        say_line(console, Text(text, style="dim"))
    for line in _around(answer):
        say_line(console, line)


def _around(answer: Answer) -> Iterator[Text]:
    """Tell what was read, and what is not known."""
    yield from (Text(f"! not all mailboxes are known: {one}", style="bold red") for one in answer.undiscovered)
    yield from (Text(f"? {problem}", style="yellow") for problem in answer.problems)
    yield from _proofs(answer)


def _links(one: Explanation, config: str) -> Iterator[Text]:
    for name, text in chain(one):
        yield Text(f"  {name:{WIDTH}}{text}")
    yield from held_lines(dict.fromkeys(text.message for act in one.acts for text in act.objections), config)


def _proofs(answer: Answer) -> Iterator[Text]:
    """Say of each source what its read consists of, and why it is not complete."""
    told: dict[str, None] = {}
    for case in _cases(answer):
        for source, _ in _sources(case):
            read = case.reads[source]
            told[f"read {proof_line(str(source), read.proof)}"] = None
            told.update(dict.fromkeys(f"! not read completely: {reason}" for reason in read.reasons))
    for line in told:
        yield Text(line, style="bold red" if line.startswith("!") else "dim")


def _cases(answer: Answer) -> Sequence[Case]:
    """Give the mailboxes that the answer is about; all that were asked for where it is about nobody."""
    named = {one.case.mailbox.ref for one in answer.found}
    return [case for case in answer.cases if case.mailbox.ref in named] if named or answer.others else answer.cases


def _sources(case: Case) -> list[tuple[Any, bool]]:
    both = ((source, False) for source in case.mailbox.sources), ((source, True) for source in case.mailbox.exclude)
    return [pair for pairs in both for pair in pairs if pair[0] in case.reads]


def _style(one: Explanation) -> str:
    if any(act.fate is not Fate.PLANNED for act in one.acts):
        return "yellow"
    return STYLES.get(one.standing, "yellow")


# --------------------------------------------------------------------------- words


def headline(one: Explanation) -> str:
    """Say in one line whether a person has a mailbox, what becomes of it, and why."""
    where = f"{one.case.mailbox.address} (context {one.case.mailbox.context})"
    return f"{one.name}, {where}: {_has(one)}{_fates(one.acts)}: {one.reason}"


def _has(one: Explanation) -> str:
    roles = {stored.role for stored in one.stored}
    if "ours" in roles:
        return "has it" if one.acts or one.standing not in WANTED else "has it, as configured"
    if roles:
        names = {"not ours": "an account that is not ours", "own": "an own account", "primary": "the primary account"}
        return f"has {' and '.join(text for role, text in names.items() if role in roles)} with this address"
    return "does not have it" + (", although it is claimed" if one.claim else "")


def _fates(acts: Sequence[Act]) -> str:
    """Continue a sentence with what becomes of the person, what has the same fate together."""
    return "".join(
        FATES[fate].format(" and ".join(VERBS.get(act.op, act.op) for act in acts if act.fate is fate))
        for fate in dict.fromkeys(act.fate for act in acts)
    )


def chain(one: Explanation) -> Iterator[tuple[str, str]]:
    """Give the links from the line of the configuration to what the next run does, each with its name."""
    yield "mailbox", _mailbox(one.case)
    if one.taken:
        yield "asked for", one.taken
    for said in one.said:
        yield from _source(said)
    if one.entry is not None:
        yield "entry", f"{one.entry.dn} (id {one.entry.id})"
    for attempt in one.attempts:
        yield "identity", _attempt(attempt)
    yield "user", f"{one.name} in context {one.case.mailbox.context}" if one.user is not None else "nobody"
    if one.pin is not None:
        yield "pin", pinned_text(one.pin)
    yield "why", one.reason
    if one.user is not None:
        yield from (("account", _account(stored)) for stored in one.stored)
        if not one.stored:
            yield "account", "none with this address"
        yield "claim", _claimed(one)
    for act in one.acts:
        since = f" (since {act.since:%F %H:%M} UTC)" if act.since else ""
        yield "next run", f"{act.op} {act.fate.value}: {act.reason}{since}"
    if not one.acts:
        yield "next run", "nothing is to be done" if one.standing is not Standing.UNREAD else "it is looked at again"


def _mailbox(case: Case) -> str:
    mailbox = case.mailbox
    text = f"{mailbox.address} in context {mailbox.context}"
    if mailbox.where:
        text += f", by the mapping at {mailbox.where}"
    if case.found:
        text += f", a pattern: its search found {case.found}"
    elif mailbox.pattern:
        text += ", a pattern"
    marks = [word for word, marked in (("sensitive", mailbox.sensitive), ("staging", mailbox.staging)) if marked]
    return text + (f" ({', '.join(marks)})" if marks else "")


def _source(said: Said) -> Iterator[tuple[str, str]]:
    name = "excluding" if said.excludes else "source"
    where = f" ({said.where})" if said.where else ""
    if not said.mentions:
        partial = said.read is not None and not said.read.complete
        yield name, f"{said.source}{where}: not in it" + (", as far as it was read" if partial else "")
    for one in said.mentions:
        yield name, f"{said.source}{where}: {_mention(one)}"
        if one.member is not None:
            yield from (("through", step) for step in one.member.path[1:])
            if one.primary:
                yield "through", "the primary group of the entry, which does not list it"


def _mention(one: Mention) -> str:
    words = {"member": "has", "disabled": "has, disabled or expired,", "dangling": "lists, without an entry,"}
    return f"{words[one.kind]} {one.written}"


def _attempt(attempt: Attempt) -> str:
    if not attempt.values:
        return f"{attempt.rule}: the entry has no value for it, or it may not be read"
    values = " and ".join(map(repr, attempt.values))
    users = " and ".join(f"user {user}" for user in attempt.users)
    return f"{attempt.rule}: {values} {'is' if len(attempt.values) == 1 else 'are'} {users or 'nobody'}"


def _account(stored: Stored) -> str:
    account = stored.account
    servers = [account.fields.mail_url, account.fields.transport_url or "no server for sending"]
    text = f"{account.id}, {stored.role}: login {account.fields.login}, {', '.join(servers)}"
    differs = ", ".join(f"{name} {_value(old)} → {_value(new)}" for name, (old, new) in stored.differs.items())
    return text + (f"; differs: {differs}" if differs else "") + (f"; drift: {stored.drift}" if stored.drift else "")


def _value(value: object) -> str:
    return "none" if value is None else repr(value)


def _claimed(one: Explanation) -> str:
    claim = one.claim
    if claim is None:
        return "none: nothing of this user is ours"
    since = one.case.claimed.get(claim.user)
    text = f"account {claim.account} is ours" if claim.held else f"account {claim.account} was announced, not confirmed"
    text += f" since {since:%F %H:%M} UTC" if since else ""
    return text + (f", from {claim.dn} (id {claim.member})" if claim.member else "")
