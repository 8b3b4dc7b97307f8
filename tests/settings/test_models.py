from __future__ import annotations

import pytest

from tests.settings.configurations import Loader, Steps

ACCOUNT: Steps = ("mappings", 0, "account")
FILE = {"file": "secret"}


RULES: list[tuple[Steps, object, str]] = [
    (("directory", "urls"), [], "must not be empty"),
    (("directory", "urls"), "ldap://x", "must be a list, not a text"),
    (("directory", "urls", 0), "http://ldap.example.org", "must begin with ldap://, ldaps://, ldapi://, ldif://"),
    (("directory", "urls", 0), "ldap://me:pw@ldap.example.org", "must not name a user"),
    (("directory", "urls", 0), 389, "must be a text, not 389"),
    (("directory", "urls", 0), "ldap://ldap.example.org:0", "port from 1 to 65535"),
    (("directory", "urls", 0), "ldap://ldap.example.org:99999", "port from 1 to 65535"),
    (("directory", "urls", 0), "ldap://ldap.example.org/dc=org", "must have no path"),
    (("directory", "urls", 0), "ldif://export.ldif", "three slashes"),
    (("directory", "base"), "example.org", "no '='"),
    (("directory", "base"), "", "must not be empty"),
    (("directory", "page_size"), "many", "must be a whole number above 0, not 'many'"),
    (("directory", "page_size"), 0, "must be a whole number above 0, not 0"),
    (("directory", "page_size"), True, "must be a whole number above 0, not true"),
    (("directory", "page_size"), 1.5, "must be a whole number above 0, not 1.5"),
    (("directory", "timeout", "connect"), 5, "must be a duration such as 500ms, 5s, 30m or 1h, not 5"),
    (("directory", "timeout", "receive"), "0s", "must be longer than nothing"),
    (("directory", "users", "login"), "not an attribute", "must be the name of an LDAP attribute"),
    (("directory", "users", "login"), [], "must be the name of an LDAP attribute"),
    (("directory", "tls", "verify"), "no", "must be true or false, not 'no'"),
    (("directory", "tls", "starttls"), True, "is for ldap:// only"),
    (("directory", "tls", "ca"), "", "must not be empty"),
    (("directory", "bind"), "cn=syncd", "must be a mapping (key: value), not a text"),
    (("directory", "bind"), {"dn": "syncd", "password": FILE}, ""),
    (("directory", "bind"), {"dn": "syncd@ad.example.org,dc=x", "password": FILE}, ""),
    (("openxchange", "database", "url"), "mysql+pymysql://syncd:hush@db/ox", "give it by reference"),
    (("openxchange", "database", "url"), "mysql+pymysql://syncd@db/ox?password=hush", "give it by reference"),
    (("openxchange", "database", "url"), "postgresql://syncd@db/ox", "must begin with mysql+pymysql://"),
    (("openxchange", "database", "url"), "mysql+pymysql://db/ox", "must name a user"),
    (("openxchange", "database", "url"), "mysql+pymysql://syncd@db", "must name a database"),
    (("openxchange", "database", "url"), "sqlite://", "must be sqlite:///PATH"),
    (("openxchange", "database", "tls"), True, "must be a mapping"),
    (("openxchange", "write_with"), "soap", "soap needs openxchange.soap"),
    (("openxchange", "write_with"), "clt", "clt needs openxchange.clt"),
    (("openxchange", "write_with"), "magic", "must be sql, soap or clt, not 'magic'"),
    (("openxchange", "obfuscation"), {"format": "rot13", "key": FILE}, ""),
    (("ledger", "url"), "mysql://x@y/z", "must begin with"),
    (("schedule", "every"), "5s", "must be at least 10s, not 5s"),
    (("schedule", "every"), "often", "must be a duration"),
    (("schedule", "cron"), "* * * *", "must have five fields"),
    (("schedule", "cron"), "61 * * * *", "'61' is no minute"),
    (("schedule", "jitter"), 10, "must be a duration"),
    (("schedule",), {"every": "5m", "cron": "* * * * *"}, "either every or cron, not both"),
    (("limits", "removals", "percent"), 101, "must be a number from 0 to 100, not 101"),
    (("limits", "removals", "floor"), -1, "must be a whole number above -1, not -1"),
    (("limits", "additions"), "all", "must be a whole number"),
    (("http", "listen"), 9469, 'must be "host:port"'),
    (("http", "listen"), "localhost:99999", 'must be "host:port"'),
    (("http", "listen"), "my host:80", "must be a host name"),
    (("log", "format"), "xml", "must be auto, json or console, not 'xml'"),
    (("log", "level"), "loud", "must be debug, info, warning or error, not 'loud'"),
    (("mappings",), [], "must not be empty"),
    (("mappings",), {"a": 1}, "must be a list, not a mapping"),
    (("mappings", 0), "support", "must be a mapping (key: value), not a text"),
    (("mappings", 0, "mailbox"), "support", "must be a mail address"),
    (("mappings", 0, "mailbox"), "a@b@example.org", "must be a mail address"),
    (("mappings", 0, "mailbox"), "a b@example.org", "must be a mail address"),
    (("mappings", 0, "mailbox"), "@example.org", "must be a mail address"),
    (("mappings", 0, "mailbox"), "a@exa_mple.org", "must be a host name"),
    (("mappings", 0, "mailbox"), "a" * 257 + "@example.org", "is 269 characters long, the database holds 256"),
    (("mappings", 0, "context"), 0, "must be a whole number from 1 to 4294967295, not 0"),
    (("mappings", 0, "context"), "1", "must be a whole number from 1 to 4294967295, not '1'"),
    (("mappings", 0, "sources"), [], "must not be empty"),
    (("mappings", 0, "sources", 0), {"group": "cn=x", "filter": "(a=b)"}, "not group and filter together"),
    (("mappings", 0, "sources", 0), {}, "exactly one of group, filter, attribute, ox_group or users"),
    (("mappings", 0, "sources", 0), {"scope": "sub"}, "exactly one of group, filter"),
    (("mappings", 0, "sources", 0, "group"), "support", "no '='"),
    (("mappings", 0, "sources", 0), {"filter": "(uid=*"}, ""),
    (("mappings", 0, "exclude"), [{"group": "support"}], ""),
    (("mappings", 0, "nested"), -1, "must be true, false or a whole number of levels"),
    (("mappings", 0, "nested"), "yes", "must be true, false or a whole number of levels"),
    (("mappings", 0, "existing"), "take", "must be adopt or leave, not 'take'"),
    (("mappings", 0, "extra"), "drop", "must be leave or remove, not 'drop'"),
    (("mappings", 0, "limits", "additions"), -5, "must be a whole number"),
    (("mappings", 0, "limits", "removals", "percent"), "all", "must be a number from 0 to 100"),
    ((*ACCOUNT, "name"), "", "must not be empty"),
    ((*ACCOUNT, "name"), " ", "must not be empty"),
    ((*ACCOUNT, "name"), "a\nb", "must be one line"),
    ((*ACCOUNT, "name"), "n" * 257, "is 257 characters long, the database holds 256"),
    ((*ACCOUNT, "login"), "", "must not be empty"),
    ((*ACCOUNT, "login"), 4711, "must be a text, not 4711; put it in quotes"),
    ((*ACCOUNT, "login"), "l" * 257, "is 257 characters long"),
    ((*ACCOUNT, "personal"), "p" * 65, "is 65 characters long, the database holds 64"),
    ((*ACCOUNT, "reply_to"), "r" * 257, "is 257 characters long"),
    ((*ACCOUNT, "mail", "server"), "bad host", "must be a host name or an IP address, not 'bad host'"),
    ((*ACCOUNT, "mail", "server"), "host:993", "the port has a key of its own"),
    ((*ACCOUNT, "mail", "server"), "under_score.org", "must be a host name"),
    ((*ACCOUNT, "mail", "port"), 70000, "must be a whole number from 1 to 65535, not 70000"),
    ((*ACCOUNT, "mail", "protocol"), "pop3", "must be imap, not 'pop3'"),
    ((*ACCOUNT, "mail", "protocol"), "imaps", "write secure: true"),
    ((*ACCOUNT, "transport", "protocol"), "smtps", "write secure: true"),
    ((*ACCOUNT, "transport", "port"), 0, "must be a whole number from 1 to 65535, not 0"),
    ((*ACCOUNT, "mail"), {"source": "primary"}, ""),
    ((*ACCOUNT, "password"), FILE, "com.openexchange.mail.secondary.passwordSource=user"),
    ((*ACCOUNT, "transport", "password"), FILE, "stored passwords need openxchange.obfuscation"),
    ((*ACCOUNT, "folders", "sent"), "", "must not be empty"),
    ((*ACCOUNT, "folders", "sent"), "s" * 257, "is 257 characters long"),
]


@pytest.mark.parametrize(("path", "value", "words"), RULES)
def test_a_wrong_value_is_one_problem_in_its_line(loader: Loader, path: Steps, value: object, words: str) -> None:
    """Each rule, broken alone, gives one problem that names line, path and what is wanted."""
    problems = loader.problems((path, value))
    assert len(problems) == 1, problems
    if words:
        shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)[1:]
        line = loader.lines.get(path) or 1
        assert problems[0].startswith(f"syncd.yaml:{line}: {shown}: "), problems[0]
        assert words in problems[0]
