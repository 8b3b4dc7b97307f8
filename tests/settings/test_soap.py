from __future__ import annotations

from typing import Any

import pytest

from syncd.core.model import Secret
from syncd.options import soap_options
from tests.settings.configurations import Loader

URL = "https://ox.example.org/webservices/OXSecondaryAccountService"
FILE = {"file": "admin.secret"}
SOAP: dict[str, Any] = {"url": URL, "login": "oxadmin", "password": FILE}
WRITE = (("openxchange", "write_with"), "soap")


def test_a_login_for_all_and_one_for_a_context(loader: Loader) -> None:
    """The master's login serves every context but those that have their own; nothing else has to be said."""
    (loader.path.parent / "admin.secret").write_text("pw\n")
    (loader.path.parent / "admin.secret").chmod(0o600)
    soap = {**SOAP, "credentials": {7: {"login": "admin7", "password": FILE}}}
    options = soap_options(loader(WRITE, (("openxchange", "soap"), soap)))
    assert options is not None
    assert (options.url, options.endpoint, options.verify, options.ca) == (URL, None, True, None)
    assert (options.connect_timeout, options.receive_timeout) == (5.0, 120.0)
    logins = [options.credentials(context) for context in (1, 7)]
    assert [(one.login, one.password) for one in logins if one] == [("oxadmin", Secret("pw")), ("admin7", Secret("pw"))]


def test_the_section_alone_changes_nothing(loader: Loader) -> None:
    """Without write_with: soap the section is only checked; its secrets are not read."""
    assert soap_options(loader((("openxchange", "soap"), SOAP))) is None


@pytest.mark.parametrize(
    ("soap", "words"),
    [
        ({**SOAP, "url": "ldap://ox"}, "url: must begin with https:// or http://"),
        ({**SOAP, "url": "https://admin@ox/s"}, "url: must not name a user"),
        ({**SOAP, "url": "https://ox.example.org"}, "url: must name the service"),
        ({**SOAP, "url": f"{URL}?x=1"}, "url: must have no ? or # part but ?wsdl"),
        ({**SOAP, "endpoint": "https://ox:0/s"}, "endpoint: "),
        ({"url": URL, "login": "oxadmin"}, "soap: login and password go together"),
        ({"url": URL}, "soap: needs login and password, or credentials by context"),
        ({**SOAP, "credentials": {"one": {"login": "a", "password": FILE}}}, "credentials"),
        ({**SOAP, "credentials": {1: {"login": "a"}}}, "password"),
    ],
)
def test_what_is_wrong_is_one_problem(loader: Loader, soap: object, words: str) -> None:
    """Each rule of the section, broken alone, gives one problem that says what is wanted."""
    problems = loader.problems(WRITE, (("openxchange", "soap"), soap))
    assert len(problems) == 1, problems
    assert words in problems[0]


@pytest.mark.parametrize(
    ("soap", "words"),
    [
        ({**SOAP, "url": URL.replace("https", "http")}, "crosses the network in clear text"),
        ({**SOAP, "endpoint": "http://10.0.0.1/s"}, "crosses the network in clear text"),
        ({**SOAP, "tls": {"verify": False}}, "any certificate is accepted"),
    ],
)
def test_what_is_dangerous_is_a_warning(loader: Loader, soap: object, words: str) -> None:
    """A password that others could read is warned of."""
    [warning] = loader(WRITE, (("openxchange", "soap"), soap)).warnings
    assert words in warning
