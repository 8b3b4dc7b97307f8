from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from syncd.core.address import collation_key
from syncd.core.limits import Grace, Limits, Share
from syncd.core.model import Account, Endpoint, Mailbox, Source
from tests.settings.configurations import CAREFUL, MISSING, Loader, Steps

ACCOUNT: Steps = ("mappings", 0, "account")


def test_a_small_mapping_gives_the_core_s_defaults(loader: Loader) -> None:
    """The mailbox of the smallest mapping is the one that the core would make itself, but more careful."""
    settings = loader()
    assert settings.mailboxes() == (
        Mailbox(
            address="support@mycompany.com",
            key=collation_key("support@mycompany.com"),
            context=1,
            account=Account(
                name="Support",
                login="support@mycompany.com",
                mail=Endpoint("imap://imap.mycompany.com:143", False),
                transport=Endpoint("smtp://smtp.mycompany.com:25", False),
            ),
            sources=(Source(kind="group", value="cn=support,ou=groups,dc=example,dc=org"),),
            where=settings.where("mappings", 0),
            **CAREFUL,
        ),
    )


def test_everything_that_a_mapping_says_arrives(loader: Loader) -> None:
    """Each key has its place in the core's value."""
    (mailbox,) = loader(
        (("mappings", 0, "sources"), [{"group": "cn=A"}, {"filter": "(a=b)", "base": "dc=x", "scope": "one"}]),
        (("mappings", 0, "exclude"), [{"filter": "(c=d)"}]),
        (("mappings", 0, "nested"), 2),
        (("mappings", 0, "existing"), "leave"),
        (("mappings", 0, "extra"), "remove"),
        (
            ("mappings", 0, "limits"),
            {"removals": {"percent": 5, "floor": 6}, "additions": 7, "updates": {"percent": 8, "floor": 9, "most": 10}},
        ),
        (("mappings", 0, "grace"), {"reads": 3, "minutes": 4}),
        (("mappings", 0, "sensitive"), True),
        (("mappings", 0, "mode"), "staging"),
        ((*ACCOUNT, "personal"), "Us"),
        ((*ACCOUNT, "reply_to"), "us@a.org"),
        ((*ACCOUNT, "transport", "login"), "tl"),
        ((*ACCOUNT, "folders"), {"sent": "INBOX/Sent", "confirmed_ham": "ham"}),
    ).mailboxes()
    assert mailbox.sources == (
        Source(kind="group", value="cn=A", nested=2),
        Source(kind="filter", value="(a=b)", nested=2, base="dc=x", scope="one"),
    )
    assert mailbox.exclude == (Source(kind="filter", value="(c=d)", nested=2),)
    assert (mailbox.existing, mailbox.extra) == ("leave", "remove")
    assert mailbox.limits == Limits(
        removals=Share(percent=5, floor=6, most=200),
        additions=Share(percent=0, floor=7),
        updates=Share(percent=8, floor=9, most=10),
    )
    assert mailbox.grace == Grace(reads=3, time=timedelta(minutes=4))
    assert (mailbox.sensitive, mailbox.staging) == (True, True)
    assert (mailbox.account.personal, mailbox.account.reply_to, mailbox.account.transport_login) == (
        "Us",
        "us@a.org",
        "tl",
    )
    assert mailbox.account.folders == {"sent": "INBOX/Sent", "confirmed_ham": "ham"}


@pytest.mark.parametrize(("nested", "levels"), [(True, 1000), (False, 0), (5, 5), (0, 0)])
def test_nesting_is_a_number_of_levels(loader: Loader, nested: object, levels: int) -> None:
    """true means as many levels as there may be, false none."""
    assert loader((("mappings", 0, "nested"), nested)).mailboxes()[0].sources[0].nested == levels


@pytest.mark.parametrize(
    ("mail", "endpoint"),
    [
        ({"server": "imap.a.org", "port": 993, "secure": True}, Endpoint("imaps://imap.a.org:993", False)),
        ({"server": "imap.a.org", "port": 143, "starttls": True}, Endpoint("imap://imap.a.org:143", True)),
        ({"server": "mäil.example.org", "port": 143}, Endpoint("imap://xn--mil-qla.example.org:143", False)),
        ({"server": "2001:db8::5", "port": 993, "secure": True}, Endpoint("imaps://[2001:db8::5]:993", False)),
        ({"server": "[::1]", "port": 143}, Endpoint("imap://[::1]:143", False)),
    ],
)
def test_urls_are_built_as_open_xchange_does(loader: Loader, mail: dict[str, Any], endpoint: Endpoint) -> None:
    """Protocol, s if secure, ASCII host, brackets, always a port (recorded by the golden cases of IDN and IPv6)."""
    account = loader(((*ACCOUNT, "mail"), mail), ((*ACCOUNT, "transport"), mail)).mailboxes()[0].account
    assert account.mail == endpoint
    assert account.transport == endpoint._replace(url=endpoint.url.replace("imap", "smtp", 1))


def test_without_a_transport_an_account_receives_only(loader: Loader) -> None:
    """No transport row will be written."""
    assert loader(((*ACCOUNT, "transport"), MISSING)).mailboxes()[0].account.transport is None
    assert loader(((*ACCOUNT, "transport"), None)).mailboxes()[0].account.transport is None


@pytest.mark.parametrize(
    ("source", "mail", "transport"),
    [
        ("primary", None, None),
        ("localhost", Endpoint("imap://localhost:143", True), Endpoint("smtp://localhost:25", True)),
    ],
)
def test_a_source_brings_mail_and_transport(loader: Loader, source: str, mail: object, transport: object) -> None:
    """primary is decided at creation, localhost is what Open-Xchange writes for it."""
    account = (
        loader(((*ACCOUNT, "mail"), {"source": source}), ((*ACCOUNT, "transport"), MISSING)).mailboxes()[0].account
    )
    assert (account.mail, account.transport, account.primary) == (mail, transport, mail is None)


@pytest.mark.parametrize("key", ["personal", "reply_to"])
def test_blank_texts_are_absent(loader: Loader, key: str) -> None:
    """A blank personal or reply-to is stored as NULL by Open-Xchange, so it is none here."""
    assert getattr(loader(((*ACCOUNT, key), "  ")).mailboxes()[0].account, key) is None
