"""How a bind is prepared, and what its refusal says."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from syncd.core.model import Secret
from syncd.directory.binding import perform, prepare, refused
from syncd.directory.connection import Options, parse_url
from syncd.directory.search import Lost

URL = "ldaps://dc1.corp.example"
SIMPLE = Options(urls=(URL,), base="dc=x", bind_dn="cn=syncd", password=Secret("s3cret"))


def from_ad(data: str) -> dict[str, object]:
    """Give the result of a bind that Active Directory refuses."""
    text = f"80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data {data}, v1db1\0"
    return {"result": 49, "message": text}


@pytest.mark.parametrize(
    ("data", "words", "hint"),
    [
        ("52e", "password is wrong", "directory.bind"),
        ("525", "no such user", "directory.bind.dn"),
        ("530", "at this time", "logon hours"),
        ("531", "from this machine", "workstations"),
        ("532", "password has expired", "not expire"),
        ("533", "account is disabled", "enable"),
        ("701", "account has expired", "expiry"),
        ("773", "must be changed", "without that demand"),
        ("775", "locked out", "unlock"),
        ("80090346", "channel binding", "LdapEnforceChannelBinding"),
    ],
)
def test_what_active_directory_means(data: str, words: str, hint: str) -> None:
    """The code that Active Directory hides in its text is said in words, with what to do; the password is nowhere."""
    bind = prepare(URL, parse_url(URL), SIMPLE)
    error = refused(URL, bind, from_ad(data), SIMPLE)
    assert f"{URL}: bind as cn=syncd: invalid credentials" in error.message
    assert words in error.message
    assert hint in str(error.hint)
    assert error.code == 49
    assert "s3cret" not in str(error) + repr(bind)


def test_other_refusals() -> None:
    """An unknown code keeps the server's text; a demand for signing names the two ways out."""
    bind = prepare(URL, parse_url(URL), SIMPLE)
    assert "data 999" in refused(URL, bind, from_ad("999"), SIMPLE).message
    signing = refused(URL, bind, {"result": 8, "message": "BindSimple: Transport encryption required."}, SIMPLE)
    assert "Transport encryption required" in signing.message
    assert signing.hint == "the server demands signing: use ldaps:// or starttls: true"
    anonymous = Options(urls=(URL,), base="dc=x")
    nobody = prepare(URL, parse_url(URL), anonymous)
    assert "anonymous bind: inappropriate authentication" in refused(URL, nobody, {"result": 48}, anonymous).message


@pytest.mark.parametrize(("name", "place"), [("", "directory.bind"), ("hq", "directories.hq.bind")])
def test_hints_name_the_place_in_the_configuration(name: str, place: str) -> None:
    """Of one directory among several the hint names its section; without a code of Active Directory too."""
    options = replace(SIMPLE, name=name)
    bind = prepare(URL, parse_url(URL), options)
    for result in ({"result": 49, "message": ""}, from_ad("52e")):
        assert refused(URL, bind, result, options).hint == f"check {place}: the DN and the password"
    with pytest.raises(Lost) as caught:
        prepare(URL, parse_url(URL), replace(options, password=None))
    assert caught.value.hint == f"set {place}.password, or leave {place} out"


def test_gssapi_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the optional package the error names the extra that installs it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(Lost) as caught:
        prepare(URL, parse_url(URL), Options(urls=(URL,), base="dc=x", method="gssapi"))
    assert "gssapi is missing" in caught.value.message
    assert caught.value.hint == "pip install 'syncd[kerberos]'"
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert any(one.startswith("gssapi") for one in project["optional-dependencies"]["kerberos"])


def test_gssapi_asks_for_the_ticket_of_the_named_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """The principal is that of `host`, else of the URL; three steps, no password."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: object())
    found = prepare(URL, parse_url(URL), Options(urls=(URL,), base="dc=x", method="gssapi"))
    assert (found.mechanism, found.credentials, found.steps) == ("GSSAPI", ("dc1.corp.example",), 3)
    named = Options(urls=(URL,), base="dc=x", method="gssapi", host="dc1", bind_dn="syncd@CORP")
    other = prepare(URL, parse_url(URL), named)
    assert (other.user, other.password, other.credentials) == ("syncd@CORP", None, ("dc1",))
    assert "syncd@CORP" in other.identity
    refusal = refused(URL, other, {"result": 49, "message": "no"}, named)
    assert "klist" in str(refusal.hint)
    unsigned = refused(URL, other, {"result": 8, "message": "SASL:[GSSAPI]: not allowed if TLS is used."}, named)
    assert "allow_sasl_over_tls" in str(unsigned.hint)


def test_a_missing_ticket_is_said_in_words() -> None:
    """What the Kerberos library raises becomes an error with a hint; anything else stays what it is."""
    missing = type("GSSError", (Exception,), {"__module__": "gssapi.raw.misc"})

    class Connection:
        def __init__(self, error: Exception) -> None:
            self._error = error

        def bind(self, **_: object) -> None:
            raise self._error

    with pytest.raises(Lost, match="bind by Kerberos: No credentials") as caught:
        perform(URL, Connection(missing("No credentials")), SIMPLE)  # type: ignore[arg-type]
    assert "klist" in str(caught.value.hint)
    with pytest.raises(ZeroDivisionError):
        perform(URL, Connection(ZeroDivisionError()), SIMPLE)  # type: ignore[arg-type]


def test_external_needs_tls_and_a_certificate() -> None:
    """Over the wire EXTERNAL stands on the client certificate; over a socket on the user."""
    plain = "ldap://dc1"
    with pytest.raises(Lost, match="needs TLS"):
        prepare(plain, parse_url(plain), Options(urls=(plain,), base="dc=x", method="external", certificate="c"))
    with pytest.raises(Lost, match="none is configured"):
        prepare(URL, parse_url(URL), Options(urls=(URL,), base="dc=x", method="external"))
    options = Options(urls=(), base="dc=x", method="external")
    socket = prepare("ldapi://%2Fx", parse_url("ldapi://%2Fx"), options)
    assert socket.identity == "EXTERNAL by the user of the socket"
    error = refused(URL, socket, {"result": 49, "message": ""}, options)
    assert "olcAuthzRegexp" in str(error.hint)
