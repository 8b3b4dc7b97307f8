from __future__ import annotations

import pytest

from syncd.settings import syntax


@pytest.mark.parametrize(
    "text",
    [
        "(uid=*)",
        "(uid=a*b*c)",
        "(&(a=b)(c=d))",
        "(|(a=b)(!(c=d))(&(e=f)(g=h)))",
        "(cn=Müller)",
        "(cn=a\\28b\\29\\5c\\00)",
        "(a>=5)",
        "(a<=5)",
        "(a~=x)",
        "(cn:caseExactMatch:=Fred)",
        "(cn:=x)",
        "(ou:dn:2.4.6.8.10:=x)",
        "(:2.4.6.8.10:=x)",
        "(:dn:caseIgnoreMatch:=x)",
        "(&)",
        "(|)",
        "(a=)",
        "(2.5.4.3=x)",
        "(cn;lang-de=x)",
        "(memberOf:1.2.840.113556.1.4.1941:=cn=x,dc=y)",
        "(a=b=c)",
        "(!(!(a=b)))",
    ],
)
def test_filters_are_accepted(text: str) -> None:
    """Every form of RFC 4515 passes and stays as it is."""
    assert syntax.ldap_filter(text) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must not be empty"),
        ("uid=x", "stands in parentheses"),
        ("(uid=x", "not closed"),
        ("(&(a=b)(c=d)", "1 parentheses"),
        ("(a=b))", "after the end"),
        ("(a=b)(c=d)", "after the end"),
        ("()", "no attribute"),
        ("(a)", "no attribute"),
        ("(=b)", "no attribute"),
        ("(a b=c)", "no attribute"),
        ("(a=b(c)", "\\28"),
        ("(a=**)", "one asterisk"),
        ("(a=\\)", "\\5c"),
        ("(a=\\zz)", "\\5c"),
        ("(!(a=b)(c=d))", "exactly one"),
        ("(!)", "exactly one"),
        ("(&a=b)", "unexpected 'a'"),
        ("(&(a=b) (c=d))", "unexpected ' '"),
        ("(a:dn=x)", ":="),
        ("(:dn:=x)", ":="),
        ("(((a=b)))", "no attribute"),
        (5, "must be a text"),
        ("(a=b\n)", "one line"),
    ],
)
def test_filters_are_refused(text: object, words: str) -> None:
    """A mistake in a filter is told with its place."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the words are compared below
        syntax.ldap_filter(text)
    assert words in str(caught.value)


@pytest.mark.parametrize("depth", [50, 50_000])
def test_a_filter_that_is_too_deep_is_refused(depth: int) -> None:
    """What the directory could not take apart later is refused here; nesting is counted, not recursed into."""
    text = "(!" * (depth - 1) + "(a=b)" + ")" * (depth - 1)
    if depth == 50:
        assert syntax.ldap_filter(text) == text
        text = f"(&{text})"
    with pytest.raises(ValueError, match="more than 50 parentheses"):
        syntax.ldap_filter(text)


@pytest.mark.parametrize(
    "url",
    [
        "ldap://a.org",
        "ldaps://a.org:636",
        "ldap://[::1]:389/",
        "ldap://127.0.0.1",
        "ldapi:///",
        "ldapi://%2Frun%2Fslapd%2Fldapi",
        "ldif:///var/x.ldif",
    ],
)
def test_directory_urls_are_accepted(url: str) -> None:
    """All four schemes pass as written."""
    assert syntax.directory_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "a.org",
        "ldap:a.org",
        "ldap://",
        "ldap://a b",
        "ldap://a.org?x",
        "ldap://[::1",
        "ldap://a.org:x",
        "ldapi://run",
        "ldif:///",
        "ldif://x/y",
        None,
    ],
)
def test_directory_urls_are_refused(url: object) -> None:
    """What is no URL of a directory is told without quoting it."""
    with pytest.raises(ValueError, match="must") as caught:
        syntax.directory_url(url)
    assert "a.org" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "mysql+pymysql://u@h/d",
        "mariadb+pymysql://u@h:3306/d?charset=utf8mb4",
        "mysql+pymysql://u@/d?unix_socket=/run/x",
        "mysql+pymysql://u@[::1]/d",
        "sqlite:////a/b.db",
        "sqlite:///b.db",
    ],
)
def test_database_urls_are_accepted(url: str) -> None:
    """MySQL, MariaDB and SQLite pass as written."""
    assert syntax.database_url(url) == url


def test_the_other_driver_is_for_open_xchange_only() -> None:
    """A URL may select mysqlclient for a database of Open-Xchange, by the same rules; the ledger's may not."""
    url = "mysql+mysqldb://u@h/d"
    assert syntax.store_url(url) == url
    for wrong in ("mysql+mysqldb://u:p@h/d", "mysql+mysqldb://h/d", "mysql+asyncmy://u@h/d"):
        with pytest.raises(ValueError, match="must"):
            syntax.store_url(wrong)
    with pytest.raises(ValueError, match=r"must begin with mysql\+pymysql://"):
        syntax.database_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://u@h/d",
        "mysql+pymysql://u:p@h/d",
        "mysql+pymysql://u:@h/d",
        "mysql+pymysql://u@h/d?passwd=p",
        "mysql+pymysql://u@h/d?PASSWORD=p",
        "mysql+pymysql://u@/d",
        "mysql+pymysql://u@h:0/d",
        "mysql+pymysql://u@h/d/e",
        "sqlite://x/y",
    ],
)
def test_database_urls_are_refused(url: str) -> None:
    """Passwords, missing parts and other databases are refused."""
    with pytest.raises(ValueError, match="must"):
        syntax.database_url(url)


@pytest.mark.parametrize(
    "line", ["* * * * *", "*/5 0 1 1 0", "0,30 8-18/2 1-31 jan-dec mon-fri", "0 0 * * 7", "0 0 * * SUN", "5/15 * * * *"]
)
def test_cron_lines_are_accepted(line: str) -> None:
    """Numbers, names, lists, ranges and steps pass."""
    assert syntax.cron(line) == line


@pytest.mark.parametrize(
    "line",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "5-3 * * * *",
        "a * * * *",
        "1, * * * *",
        "*-5 * * * *",
        "* * * mon *",
        5,
    ],
)
def test_cron_lines_are_refused(line: object) -> None:
    """What can never fire is refused."""
    with pytest.raises(ValueError, match=r"must|cron line"):
        syntax.cron(line)
