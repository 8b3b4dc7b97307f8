"""Which mailboxes `--mailbox` means, also where some are known only to the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
import typer

from syncd.cli.options import named, out, say
from syncd.core.model import Mailbox, MailboxRef
from syncd.errors import SyncdError
from tests.telemetry.reports import mailbox

SUPPORT = "support@example.org"


@dataclass(slots=True, kw_only=True)
class Reconciler:
    patterns: Sequence[object] = ()


@dataclass(slots=True, kw_only=True)
class Instance:
    """As much of `wiring.Instance` as is asked for."""

    mailboxes: Sequence[Mailbox] = (mailbox(SUPPORT, 1), mailbox("sales@example.org", 1))
    reconciler: Reconciler = field(default_factory=Reconciler)


FIXED = Instance()
PATTERNS = Instance(reconciler=Reconciler(patterns=(object(),)))


@pytest.mark.parametrize(
    ("instance", "addresses", "context", "expected"),
    [
        (FIXED, None, None, set()),
        (FIXED, ["Support@Example.org"], None, {(1, SUPPORT)}),
        (FIXED, [SUPPORT], 1, {(1, SUPPORT)}),
        (PATTERNS, None, None, set()),
        (PATTERNS, ["Jobs@example.org"], None, {(0, "jobs@example.org")}),
        (PATTERNS, ["jobs@example.org"], 7, {(7, "jobs@example.org")}),
        (PATTERNS, [SUPPORT], None, {(1, SUPPORT), (0, SUPPORT)}),  # a pattern may have it in other contexts
        (PATTERNS, [SUPPORT], 1, {(1, SUPPORT)}),
        (PATTERNS, [SUPPORT], 2, {(2, SUPPORT)}),
    ],
)
def test_what_is_named(
    instance: Instance, addresses: list[str] | None, context: int | None, expected: set[tuple[int, str]]
) -> None:
    """A mailbox of the configuration is found there; beside patterns an unknown address is left to the run."""
    assert named(instance, addresses, context) == {MailboxRef(*one) for one in expected}  # type: ignore[arg-type]


@pytest.mark.parametrize(("address", "context"), [("jobs@example.org", None), (SUPPORT, 2)])
def test_without_patterns_an_unknown_mailbox_is_refused(address: str, context: int | None) -> None:
    """Where nothing is discovered, a typing error is told before anything is read."""
    with pytest.raises(SyncdError, match="no mapping for"):
        named(FIXED, [address], context)  # type: ignore[arg-type]


@pytest.mark.parametrize("instance", [FIXED, PATTERNS])
def test_a_context_alone_restricts_nothing(instance: Instance) -> None:
    """`--context` without `--mailbox` is an error of use, with patterns too."""
    with pytest.raises(typer.BadParameter):
        named(instance, None, 1)  # type: ignore[arg-type]


def test_an_address_in_several_contexts_needs_one() -> None:
    """Two mappings of one address are told apart by --context, with patterns too."""
    several = Instance(mailboxes=(mailbox(SUPPORT, 1), mailbox(SUPPORT, 2)), reconciler=PATTERNS.reconciler)
    with pytest.raises(SyncdError, match="several contexts"):
        named(several, [SUPPORT], None)  # type: ignore[arg-type]


def test_a_place_in_a_file_is_no_picture(capsys: pytest.CaptureFixture[str]) -> None:
    """`FILE:100:` and other words between colons are written as they are."""
    say("syncd.yaml:100: smile :smile:")
    out().print("syncd.yaml:100: smile :smile:", markup=False)
    assert [*capsys.readouterr()] == ["syncd.yaml:100: smile :smile:\n"] * 2
