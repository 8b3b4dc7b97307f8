"""How bad input is made: whole texts damaged in a few places, and how many examples are tried.

The short form, part of `make test`, tries the same examples every time. `SYNCD_FUZZ=long`, part of `make campaign`,
tries many more, other ones each time; hypothesis prints what it takes to have a failure again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeVar

import hypothesis
from hypothesis import strategies as st

LONG = os.environ.get("SYNCD_FUZZ") == "long"
_HEALTH = (
    hypothesis.HealthCheck.function_scoped_fixture,
    hypothesis.HealthCheck.too_slow,
    hypothesis.HealthCheck.data_too_large,
)
T = TypeVar("T", str, bytes)


def examples(short: int, long: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Say how many examples a test tries, in the short and in the long form."""
    return hypothesis.settings(
        max_examples=long if LONG else short,
        derandomize=not LONG,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=_HEALTH,
    )


@st.composite
def damaged(draw: st.DrawFn, samples: Sequence[T], tokens: Sequence[T], *, edits: int = 4) -> T:
    """Give one of the samples with some places changed: lines or pieces cut out, doubled, moved, or replaced.

    Args:
        samples: valid texts, or octets.
        tokens: what means something in such a text.
        edits: at most so many changes.
    """
    text = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(1, edits))):
        text = draw(st.sampled_from((_piece, _piece, _line, _end)))(draw, text, tokens)
    return text


def _piece(draw: st.DrawFn, text: T, tokens: Sequence[T]) -> T:
    start = draw(st.integers(0, len(text)))
    end = start + draw(st.sampled_from((0, 0, 1, 1, 2, 5, 20, 200)))
    kinds = st.text(max_size=4) if isinstance(text, str) else st.binary(max_size=4)
    new = draw(st.sampled_from(tokens) | kinds | st.just(text[start:end] * 2))  # type: ignore[arg-type]
    return text[:start] + new + text[end:]  # type: ignore[return-value, operator]


def _line(draw: st.DrawFn, text: T, _tokens: Sequence[T]) -> T:
    lines = text.splitlines(keepends=True)
    if not lines:
        return text
    taken = lines.pop(draw(st.integers(0, len(lines) - 1)))
    for _ in range(draw(st.sampled_from((0, 1, 2)))):
        lines.insert(draw(st.integers(0, len(lines))), taken)
    return text[:0].join(lines)


def _end(draw: st.DrawFn, text: T, _tokens: Sequence[T]) -> T:
    return text[: draw(st.integers(0, len(text)))]
