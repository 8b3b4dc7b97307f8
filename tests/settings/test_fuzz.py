from __future__ import annotations

import hypothesis
from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import ConfigurationError
from syncd.settings.loading import Settings
from tests.settings.configurations import VALID, Loader, Steps, changed, dumped

FAST = hypothesis.settings(
    max_examples=100, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["primary", "5m", "a@b.c", "cn=a", "(a=b)"])
)
KEYS = st.sampled_from([key for key in dumped(VALID)[0].split('"') if key.isidentifier()]) | st.text(max_size=6)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
PATHS = sorted(
    dumped(
        changed(
            (("schedule", "every"), "5m"),
            (("http", "listen"), "a:1"),
            (("limits", "additions"), 1),
            (("mappings", 0, "limits", "additions"), 1),
            (("mappings", 0, "nested"), 1),
        )
    )[1],
    key=str,
)


def survives(loader: Loader, text: str | bytes) -> None:
    """Load; any other exception than ConfigurationError is a failure, and each problem begins with file and line."""
    problems: tuple[str, ...] = ()
    try:
        settings = loader.text(text)
    except ConfigurationError as error:
        problems = error.problems or ("none",)
    else:
        assert isinstance(settings, Settings)
        assert settings.mailboxes()
    for problem in problems:
        assert problem.removeprefix(f"{loader.path}:").split(":")[0].isdecimal(), problem


@FAST
@given(st.text() | st.text(alphabet=list("ab:-*&!<>|{}[]'\"#?,% \n\t@~=")) | st.binary())
def test_no_text_breaks_the_loader(loader: Loader, text: str | bytes) -> None:
    """Any bytes give settings or problems."""
    survives(loader, text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))


@FAST
@given(st.sampled_from(PATHS), TREES)
def test_no_value_breaks_the_loader(loader: Loader, path: Steps, value: object) -> None:
    """Any value anywhere in an otherwise valid configuration gives settings or problems."""
    survives(loader, dumped(changed((path, value)))[0])


@FAST
@given(
    st.integers(0, 600),
    st.text(max_size=3) | st.sampled_from(["*a", "&a ", "<<: ", "!!set ", "? ", "- ", "\t", "\n", ": "]),
)
def test_no_typing_mistake_breaks_the_loader(loader: Loader, position: int, text: str) -> None:
    """A valid file with something typed into it gives settings or problems."""
    valid = dumped(VALID)[0]
    survives(loader, (valid[:position] + text + valid[position:]).encode("utf-8", "surrogatepass"))
