"""What `syncd check --imap` verifies: that mail servers take the logins which accounts are written with.

Logins are shown to a server one after the other, each once. What is wrong with the server itself is told once for all
of its logins. After some that were refused the others are left: servers lock out who guesses passwords.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from syncd.core.finding import Finding
from syncd.core.logins import Credentials, Server, Trial, Untried
from syncd.mailservers import imap, smtp
from syncd.mailservers.connection import Options
from syncd.mailservers.words import NoLogin, Rejected, Unusable, printable

REFUSALS = 4
"""So many refused logins at one server, and no other is tried there: five of them are where fail2ban locks out."""
_SHOWN = 3
_LOG_IN: Mapping[str, Callable[[Server, Credentials, Options], str]] = {"imap": imap.log_in, "smtp": smtp.log_in}


def findings(trials: Iterable[Trial], untried: Iterable[Untried], options: Options) -> Iterator[Finding]:
    """Try every login, server by server, and tell of each; then of those that cannot be tried."""
    servers: dict[Server, list[Trial]] = defaultdict(list)
    for trial in trials:
        servers[trial.server].append(trial)
    for server, of_this in servers.items():
        yield from _at(server, of_this, options)
    for one in untried:
        yield Finding(ok=True, what=f"logins for {_named(one.mailboxes)}", detail=f"not tried: {one.reason}")


def _at(server: Server, trials: Sequence[Trial], options: Options) -> Iterator[Finding]:
    refused = 0
    for number, trial in enumerate(trials):
        rest = _named(dict.fromkeys(address for one in trials[number:] for address in one.mailboxes))
        if refused == REFUSALS:
            why = f"{refused} logins were refused, and more could get this machine locked out"
            yield Finding(ok=True, what=str(server), detail=f"not tried for {rest}: {why}")
            return
        what = f"{server} as {printable(trial.credentials.login)}"
        whom = _named(trial.mailboxes)
        try:
            protected = _LOG_IN[server.protocol](server, trial.credentials, options)
        except NoLogin as error:
            yield Finding(ok=True, what=str(server), detail=f"not tried for {rest}: {error.message}")
            return
        except Unusable as error:
            detail = f"{error.message}; {_consequence(server, rest)}"
            yield Finding(ok=False, what=str(server), detail=detail, hint=error.hint or "")
            return
        except Rejected as error:
            refused += 1
            detail = f"{error.message}; {_consequence(server, whom) if trial.used else f'stored for {whom}'}"
            yield Finding(ok=False, what=what, detail=detail, hint=error.hint or _advice(trial))
        else:
            yield Finding(ok=True, what=what, detail=f"login taken, {protected}; for {whom}")


def _consequence(server: Server, whom: str) -> str:
    return f"users cannot {'read' if server.protocol == 'imap' else 'send as'} {whom}"


def _advice(trial: Trial) -> str:
    if not trial.used:
        return "correct login and password of account.transport, or leave them out: Open-Xchange uses the account's"
    if trial.server.protocol == "smtp":
        return "Open-Xchange sends with account.login and account.password"
    return "correct account.login or account.password"


def _named(addresses: Iterable[str]) -> str:
    """Name some addresses: `a@x, b@x, c@x and 7 more`."""
    every = [printable(address) for address in addresses]
    more = len(every) - _SHOWN
    return ", ".join(every[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
