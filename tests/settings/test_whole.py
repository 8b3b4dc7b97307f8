"""A configuration with everything in it, and what it becomes."""

from __future__ import annotations

import re

import pytest

from syncd.core.address import collation_key
from syncd.core.model import Account, Endpoint, Mailbox, Rule, Source
from syncd.core.patterns import Pattern, Placing, Sieve
from syncd.core.reads import Search
from syncd.core.template import parse
from syncd.settings.loading import Settings
from tests.settings.configurations import CAREFUL, Loader

WHOLE = """\
directories:
  hq:
    kind: ad
    urls: [ldaps://dc1.example.org, ldaps://dc2.example.org]
    base: dc=example,dc=org
    bind: {method: simple, dn: "cn=syncd,dc=example,dc=org", password: {env: PW}}
    tls: {ca: ca.pem}
    users:
      rules:
        - login: "{sAMAccountName:lower}"
        - mail: mail
        - alias: "{proxyAddresses:smtp}"
        - imap_login: "{mail}"
        - id: employeeNumber
    disabled: keep
    expired: remove
    dangling: remove
    must_see: cn=all-staff,dc=example,dc=org
    nesting: server
    page_size: 500
    timeout: {connect: 1s, receive: 2s}
  subsidiary:
    urls: [ldap://ldap.sub.example.org]
    base: dc=sub
    tls: {starttls: true, cert: /etc/syncd/client.pem, key: client.key, verify: false}
    bind: {method: external}
    users: {login: [uid, cn]}
  third:
    kind: openldap
    urls: [ldaps://ldap.example.net]
    base: dc=net
    bind: {method: gssapi, host: real.example.net}
openxchange:
  database: {url: "mysql+pymysql://syncd@db.example.org/oxdatabase_5"}
  configdb: {url: "mysql+pymysql://reader@db.example.org/configdb", password: {env: PW}, tls: {ca: db.pem}}
mappings:
  - mailbox: support@mycompany.com
    directory: hq
    context: 1
    sources:
      - group: cn=support,dc=example,dc=org
      - filter: (a=b)
        directory: subsidiary
      - attribute: "memberOf=cn=support,ou=groups,dc=example,dc=org"
      - ox_group: 0
      - ox_group: sales
      - users: [anna, bernd]
    account: &a {name: A, login: a, mail: {source: primary}}
  - discover:
      filter: "(&(objectClass=groupOfNames)(description=shared-mailbox))"
      match: {cn: "^shared-(?P<team>.+)$"}
      mailbox: "{mail}"
      account: {name: "{displayName|cn} ({team})"}
      include: [{mailbox: "*@mycompany.com"}, {group: "/^cn=shared-/"}]
      exclude: [{mailbox: test*}]
    directory: third
    context: {domain: mail}
    users: {login: uid}
    account: {login: "{mail}", mail: {server: imap.mycompany.com, port: 143}}
    exclude: [{group: "cn=out"}]
  - {mailbox: a@b.org, directory: hq, context: all, sources: [{group: cn=a}], account: *a}
  - {mailbox: b@b.org, directory: hq, context: {mapping: acme.com}, sources: [{ox_group: 3}], account: *a}
  - {mailbox: c@b.org, directory: hq, context: {attribute: oxContext}, sources: [{group: cn=c}], account: *a}
"""


@pytest.fixture
def settings(loader: Loader) -> Settings:
    """Give the whole configuration."""
    return loader.text(WHOLE, PW="hush")


def _mailbox(address: str, **more: object) -> Mailbox:
    """Give a mailbox; what is not said is a plain account with the servers of the user's own, in a context to find."""
    plain = Account(name="A", login="a", mail=None, transport=None)
    usual = {"context": 0, "account": plain, **CAREFUL}
    return Mailbox(address=address, key=collation_key(address), **{**usual, **more})  # type: ignore[arg-type]


def _line(settings: Settings, text: str) -> str:
    """Give file and line of a text."""
    return f"{settings.path}:{WHOLE[: WHOLE.index(text)].count(chr(10)) + 1}"


def test_the_mailbox_that_is_written_down(settings: Settings) -> None:
    """All kinds of sources, in two directories and in Open-Xchange."""
    assert settings.mailboxes() == (
        _mailbox(
            "support@mycompany.com",
            context=1,
            where=_line(settings, "- mailbox: support@"),
            sources=(
                Source(kind="group", value="cn=support,dc=example,dc=org", directory="hq"),
                Source(kind="filter", value="(a=b)", directory="subsidiary"),
                Source(kind="attribute", value="memberOf=cn=support,ou=groups,dc=example,dc=org", directory="hq"),
                Source(kind="ox_group", value="0", context=1),
                Source(kind="ox_group", value="sales", context=1),
                Source(kind="users", value="anna, bernd", logins=("anna", "bernd")),
            ),
        ),
    )


def test_the_mailboxes_that_are_found_out(settings: Settings) -> None:
    """One search, and the three ways to find contexts without one."""
    search, everywhere, named, chosen = settings.patterns()
    rules = (Rule("login", (parse("{uid}"),)),)
    chooser = parse("{mail:domain}")
    assert search == Pattern(
        where=_line(settings, "- discover"),
        mailbox=_mailbox(
            "",
            where=_line(settings, "- discover"),
            account=Account(name="", login="", mail=Endpoint("imap://imap.mycompany.com:143", False), transport=None),
            exclude=(Source(kind="group", value="cn=out", directory="third", rules=rules, chooser=chooser),),
        ),
        placing=Placing(by="members"),
        search=Search(
            "third",
            "(&(objectClass=groupOfNames)(description=shared-mailbox))",
            None,
            "sub",
            ("cn", "displayname", "mail"),
        ),
        address=parse("{mail}"),
        texts={"name": parse("{displayName|cn} ({team})"), "login": parse("{mail}")},
        expression=("cn", re.compile("^shared-(?P<team>.+)$", re.IGNORECASE)),
        include=(Sieve("mailbox", "*@mycompany.com"), Sieve("group", "/^cn=shared-/")),
        exclude=(Sieve("mailbox", "test*"),),
        group=Source(kind="group", value="", directory="third", rules=rules, chooser=chooser),
    )
    assert (everywhere.placing, everywhere.mailbox) == (
        Placing(by="all"),
        _mailbox(
            "a@b.org",
            where=_line(settings, "- {mailbox: a@"),
            sources=(Source(kind="group", value="cn=a", directory="hq"),),
        ),
    )
    assert (named.placing, named.mailbox) == (
        Placing(by="name", name="acme.com"),
        _mailbox("b@b.org", where=_line(settings, "- {mailbox: b@"), sources=(Source(kind="ox_group", value="3"),)),
    )
    [source] = chosen.mailbox.sources
    assert (chosen.placing, source.chooser) == (Placing(by="members"), parse("{oxContext}"))
