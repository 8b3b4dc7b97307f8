"""Configurations, whatever they are: `check` tells what is wrong, by file and line, or finds nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from tests.e2e.world import invoke
from tests.fuzz.chance import damaged, examples
from tests.fuzz.names import DNS, FILTERS, TEMPLATES
from tests.settings.configurations import changed, dumped

SAMPLE = (Path(__file__).parent.parent.parent / "config" / "syncd.yaml").read_text()
WHOLE = dumped(changed())[0]
AS_JSON = json.dumps(changed(), indent=1)
TOKENS = (
    *":-{}[],&*!|>'\"#%@`~?\\", "\n", "\n  ", "\n- ", "\t", " ", ": ", "&a ", "*a",
    "<<: *a", "!!str ", "!!binary ", "!x ", "---\n", "...\n", "%YAML 1.1\n", "? ", "|\n", ">-\n", "null", "~", "true",
    "no", "off", "1e999", "-1", ".nan", "0x1f", "0o7", "1_000", "12:30", "2001-01-01", "9" * 400, "5m", "-5m",
    "999999999d", "\ufeff", "\x00", "\x85", "\u2028", "\ud800", "\\ud800", "\\x00", "{mail}", "{", "}}", "/(/",
    "cn=a,", "(a=b", "ldap://", "ldaps://[::1", "mysql://", "mysql+pymysql://a:b@c:99999/d", "sqlite:///",
    "credential", "file", "env", "password", "mappings:\n", "discover:\n", "\r",
)  # fmt: skip


def checked(path: Path, text: str | bytes) -> None:
    """Check a configuration; anything but settings or problems with their lines fails."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    done = invoke("check", "--offline", "-c", str(path))
    assert done.code in {0, 1}, done
    assert "syncd: unexpected" not in done.err, done.err
    assert "Traceback" not in done.err
    if done.code:
        assert done.err, done
        assert all(line.startswith(f"{path}:") or "secret" in line or not line for line in done.err.splitlines()), (
            done.err
        )


@examples(80, 5000)
@given(damaged((SAMPLE, WHOLE, AS_JSON), TOKENS))
def test_damaged_texts(tmp_path: Path, text: str) -> None:
    """A configuration with some places changed, lines moved or its end missing."""
    checked(tmp_path / "syncd.yaml", text)


@examples(40, 3000)
@given(
    st.binary()
    | damaged((SAMPLE.encode(), WHOLE.encode("utf-16")), (b"\xff", b"\xc3", b"\x00", b"\xef\xbb\xbf", b"\n"))
)
def test_octets(tmp_path: Path, octets: bytes) -> None:
    """Octets, and a configuration with some of them in it."""
    checked(tmp_path / "syncd.yaml", octets)


@examples(60, 5000)
@given(st.lists(st.sampled_from(TOKENS) | st.sampled_from(("a", "directory", "urls", "group")), max_size=12))
@example(["["] * 5000)
@example(["{a: "] * 3000)
@example(["- "] * 3000)
def test_tokens(tmp_path: Path, tokens: Sequence[str]) -> None:
    """Texts of nothing but what means something in YAML."""
    checked(tmp_path / "syncd.yaml", "".join(tokens))


@examples(60, 5000)
@given(DNS, FILTERS, TEMPLATES, TEMPLATES, DNS)
def test_names_in_it(tmp_path: Path, dn: str, text: str, login: str, address: str, base: str) -> None:
    """A configuration whose DNs, filters and templates are anything."""
    discover = {"filter": text, "mailbox": address, "base": dn, "account": {"name": login}, "match": {"cn": text}}
    account = changed()["mappings"][0]["account"]
    whole = changed(
        (("directory", "base"), base),
        (("directory", "users"), {"rules": [{"login": login}, {"mail": [address]}]}),
        (("mappings", 0, "sources"), [{"group": dn}, {"filter": text, "base": base}, {"attribute": f"memberOf={dn}"}]),
        (("mappings", 1), {"discover": discover, "context": 1, "account": account}),
    )
    checked(tmp_path / "syncd.yaml", json.dumps(whole))


@examples(40, 3000)
@given(
    damaged(
        (AS_JSON,),
        (*'{}[]:,"\\', "NaN", "Infinity", "-", "1e", "\\u", "\\ud800", "\\u0000", "nul", "//", "\ufeff", "'"),
    )
)
def test_damaged_json(tmp_path: Path, text: str) -> None:
    """JSON is YAML, also where it is broken."""
    checked(tmp_path / "syncd.json", text)
