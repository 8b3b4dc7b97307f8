from __future__ import annotations

import hypothesis
from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import ConfigurationError
from syncd.settings import caution
from syncd.settings.loading import Settings
from syncd.settings.mailboxes import rules
from tests.settings.configurations import VALID, Loader, Steps, changed, dumped

FAST = hypothesis.settings(
    max_examples=100, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
WORDS = [
    "primary",
    "5m",
    "a@b.c",
    "cn=a",
    "(a=b)",
    "all",
    "{mail}",
    "{mail:domain}",
    "{",
    "/(/",
    "a=b",
    "external",
    "off",
    "forever",
    "staging",
    "1d",
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS)
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
DISCOVER = {
    "filter": "(a=b)",
    "match": {"cn": "x(?P<y>.)"},
    "mailbox": "{mail}",
    "account": {"name": "{cn}", "transport": {"login": "{y}"}},
    "include": [{"mailbox": "*"}],
    "exclude": [{"group": "/x/"}],
}
SHARE = {"percent": 5, "floor": 1, "most": 7}
WIDE = (
    (("directory", "users"), {"rules": [{"login": "uid"}, {"id": ["a", "{b|c:lower}"]}]}),
    (("mappings", 1), {**VALID["mappings"][0], "discover": DISCOVER, "context": {"attribute": "x"}, "users": {}}),
    (("mappings", 1, "mailbox"), None),
    (("mappings", 1, "sources"), [{"ox_group": 0}, {"users": ["a"]}, {"attribute": "a=b", "base": "cn=x"}]),
    (("mappings", 1, "directory"), None),
    (("directory", "bind"), {"method": "gssapi", "host": "a.org", "dn": None}),
    (("directory", "must_see"), "cn=x"),
    (("openxchange", "configdb"), {"url": "sqlite:////tmp/x"}),
    (("mode",), "live"),
    (("limits",), {"window": "1d", "additions": SHARE, "context": {"removals": SHARE, "additions": 5}}),
    (("limits", "sensitive"), {"additions": {"most": 5}}),
    (("mappings", 1, "limits"), {"removals": {"most": "off"}, "additions": {"floor": 2}}),
    (("mappings", 1, "grace"), {"reads": 2}),
    (("mappings", 0, "sensitive"), True),
    (("grace",), {"minutes": 5}),
    (("rollout",), {"mailboxes": 1, "wait": "1m"}),
    (("max_changes_per_minute",), 5),
    (("history",), {"keep": "forever"}),
    (("notify",), {"webhook": {"url": "https://a.org", "headers": {"A": "b", "C": {"env": "D"}}}}),
    (
        ("notify", "mail"),
        {"server": "a.org", "port": 25, "starttls": True, "from": "a@b.c", "to": ["a@b.c"], "login": "a"},
    ),
    (("notify", "mail", "password"), {"file": "x"}),
)
WIDE_PATHS = sorted(dumped(changed(*WIDE))[1], key=str)


def survives(loader: Loader, text: str | bytes) -> None:
    """Load; any other exception than ConfigurationError is a failure, and each problem begins with file and line."""
    problems: tuple[str, ...] = ()
    try:
        settings = loader.text(text)
    except ConfigurationError as error:
        problems = error.problems or ("none",)
    else:
        assert isinstance(settings, Settings)
        assert settings.mailboxes() or settings.patterns()
        assert caution.ceilings(settings).removals_per_run >= 0
        assert [caution.approval(settings), caution.rollout(settings), caution.keep(settings)]
        assert [rules(directory.users) for directory in settings.directories().values()]
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
@given(st.sampled_from(WIDE_PATHS), TREES)
def test_no_value_breaks_the_loader_of_patterns(loader: Loader, path: Steps, value: object) -> None:
    """The same for a configuration that leaves mailboxes and contexts to be found out."""
    survives(loader, dumped(changed(*WIDE, (path, value)))[0])


def test_the_wide_configuration_is_valid(loader: Loader) -> None:
    """What is fuzzed has nothing wrong to begin with."""
    survives(loader, dumped(changed(*WIDE))[0])
    assert len(loader(*WIDE).patterns()) == 1


@FAST
@given(
    st.integers(0, 600),
    st.text(max_size=3) | st.sampled_from(["*a", "&a ", "<<: ", "!!set ", "? ", "- ", "\t", "\n", ": "]),
)
def test_no_typing_mistake_breaks_the_loader(loader: Loader, position: int, text: str) -> None:
    """A valid file with something typed into it gives settings or problems."""
    valid = dumped(VALID)[0]
    survives(loader, (valid[:position] + text + valid[position:]).encode("utf-8", "surrogatepass"))
