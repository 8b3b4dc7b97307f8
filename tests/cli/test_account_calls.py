"""The account commands leave the rows that were recorded of calls of the vendor's service, but for what is named here.

Every recorded create, update and delete by SOAP that was not recorded as a command line, too (`test_account_recorded`),
is made as one with the same content, and written by SQL. Compared are all rows, and whether it was done at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import pytest

from syncd.cli import account_scripts
from tests.cli.test_account_recorded import Stage, stage
from tests.standins import replay

__all__ = ["stage"]
TOOLS = {case["name"] for case in replay.lines("tools.jsonl")}
CASES: dict[str, dict[str, Any]] = {
    case["name"]: case
    for case in replay.lines("soap.jsonl")
    if case.get("operation") in {"create", "update", "delete"} and case["name"] not in TOOLS
}
OPTIONS = {
    "primaryAddress": "primary-address",
    "mailStartTls": "mail-starttls",
    "transportStartTls": "transport-starttls",
}
"""Elements whose option is not their name with hyphens."""

Instead = Literal["skipped", "done", "refused", "gap", "others"]
"""What we do: nothing, as there is nothing to do; what the service did not do; nothing, as it cannot be right; nothing
but taking an id; other rows (which tests of their own are about)."""
_LOGIN = "by SQL nobody logs in to the middleware"
_PORT = "there is no such port"
_EMPTY = "no account can work with it"
_THERE = "who has the account already is skipped"
_HALF = "half a server is none"
_SOURCES = "Open-Xchange takes both servers from one place; what does not fit is refused, not ignored"
_PROTOCOL = "secondary accounts are IMAP accounts"
_GAP = "an id is reserved first, and lost"
_OWN = "only secondary accounts are changed or deleted"
_EACH = "each account's URL is completed from its own row"
DEVIATIONS: Mapping[str, tuple[Instead, str]] = {
    "create-admin-other-case": ("done", _LOGIN),
    "create-auth-missing": ("done", _LOGIN),
    "create-blank-name": ("refused", _EMPTY),
    "create-blank-primaryAddress": ("refused", _EMPTY),
    "create-dup-other-case": ("skipped", _THERE),
    "create-dup-primary-source-with-server": ("done", "a server beside a source is ignored, and a warning says so"),
    "create-dup-server-secure-same-port": ("done", "the address tells accounts apart, not server and login"),
    "create-dup-trailing-blank": ("skipped", _THERE),
    "create-length-draftsFullname-257": ("gap", _GAP),
    "create-length-login-257": ("gap", _GAP),
    "create-length-mailServer-250": ("gap", _GAP),
    "create-length-password-330": ("gap", _GAP),
    "create-length-personal-65": ("gap", _GAP),
    "create-length-primaryAddress-257": ("gap", _GAP),
    "create-length-replyTo-257": ("gap", _GAP),
    "create-length-sentFullname-257": ("gap", _GAP),
    "create-length-transportLogin-257": ("gap", _GAP),
    "create-localhost-transport-source-primary": ("refused", _SOURCES),
    "create-none-transport-minimal": ("refused", _HALF),
    "create-only-server": ("refused", _HALF),
    "create-password-L-400": ("gap", _GAP),
    "create-password-L-empty-blank": ("others", "an empty password is none"),
    "create-port-0": ("refused", _PORT),
    "create-primary-with-transport-fields": ("refused", _SOURCES),
    "create-protocol-imaps": ("refused", _PROTOCOL),
    "create-protocol-pop3": ("refused", _PROTOCOL),
    "create-protocol-uppercase": ("others", "protocols are written in small letters"),
    "create-server-and-secure": ("refused", _HALF),
    "create-two-rows-present": ("skipped", _THERE),
    "create-user-guest": ("refused", "a guest gets no mailbox"),
    "delete-primary-account": ("skipped", _OWN),
    "update-data-missing": ("skipped", "nothing is asked, so nothing is done"),
    "update-no-transport-row-login": ("refused", "no transport row is written in part"),
    "update-no-transport-row-server": ("refused", "no transport row is written in part"),
    "update-partial-url-several-users": ("others", _EACH),
    "update-partial-url-several-users-server": ("others", _EACH),
    "update-port-70000": ("refused", _PORT),
    "update-port-zero": ("refused", _PORT),
    "update-primary-account": ("skipped", _OWN),
    "update-private-account": ("skipped", _OWN),
    "update-two-rows": ("done", "accounts are told apart by their ids"),
}
"""Cases in which we do otherwise on purpose, each with its reason."""


def words(case: Mapping[str, Any]) -> Iterator[str]:
    """Give a recorded call as the words of a command line; elements that are nil are not set."""
    arguments = case["arguments"]
    if "primaryAddress" in arguments:
        yield f"--primary-address={arguments['primaryAddress']}"
    if arguments.get("context"):
        yield f"--contextid={arguments['context']['id']}"
    for kind in ("users", "groups"):
        ids = [str(one["id"]) for one in arguments.get(kind) or () if one and one.get("id") is not None]
        if ids:
            yield f"--{kind}={','.join(ids)}"
    for element, value in (arguments.get("accountDataOnCreate") or arguments.get("accountDataUpdate") or {}).items():
        if value is not None:
            name = OPTIONS.get(element) or "".join(
                f"-{letter.lower()}" if letter.isupper() else letter for letter in element
            )
            yield f"--{name}={str(value).lower() if isinstance(value, bool) else value}"


@pytest.mark.parametrize("name", CASES)
def test_recorded_calls(stage: Stage, name: str) -> None:
    """A recorded call, made as a command line, leaves the recorded rows, or those of a named deviation."""
    case = CASES[name]
    recorded, before = stage.prepare(case)
    code = account_scripts.run(case["operation"], [*words(case), "--config", str(stage.config(case))])
    instead = DEVIATIONS[name][0] if name in DEVIATIONS else None
    done = case["status"] == 200 if instead in {None, "gap", "others"} else instead != "refused"
    assert (code == 0) == done
    rows = replay.read(stage.engine)
    if instead is None:
        replay.compare(case, before, rows, replay.state_after(case, recorded))
    elif instead in {"skipped", "refused", "gap"}:
        for row in recorded["sequence_mail_service"].values():
            row["id"] += instead == "gap" and row["cid"] == 10
        replay.compare({}, before, rows, recorded)
    else:
        with pytest.raises(AssertionError):  # no deviation any more
            replay.compare(case, before, rows, replay.state_after(case, recorded))


def test_deviations_are_of_cases() -> None:
    """Every deviation is of a recorded call; with the command lines, all creates, updates and deletes are played."""
    assert DEVIATIONS.keys() <= CASES.keys()
    assert len(CASES) == 148
