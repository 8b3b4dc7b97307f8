"""Check the syntax of small languages that stand in the configuration: LDAP filters, URLs, cron lines.

Only the syntax: what a filter finds is the directory's business, when a cron line fires is the daemon's. Functions
are as in `texts`: they give the value or raise ValueError with a sentence. A URL is never quoted in it (somebody may
have put a password there).
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote, urlsplit

from syncd.settings import texts

_ITEM = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9-]*(?:;[A-Za-z0-9-]+)*|[0-9]+(?:\.[0-9]+)+)?"  # attribute with options, or OID
    r"(?::dn)?(?::[A-Za-z0-9.-]+)?"  # extensible match: DN flag and matching rule
    r"(=|~=|>=|<=|:=)"
)
_DEPTH = 50
"""Levels of parentheses in a filter, as the directory reads them (`syncd.directory.request`)."""
_DIRECTORY = ("ldap", "ldaps", "ldapi", "ldif")
_DATABASE = ("mysql+pymysql", "mariadb+pymysql", "sqlite")
_STORE = (*_DATABASE, "mysql+mysqldb", "mariadb+mysqldb")
_CRON = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
_NAMES = {
    "month": ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"),
    "weekday": ("mon", "tue", "wed", "thu", "fri", "sat", "sun"),
}


def ldap_filter(value: object) -> str:
    """Accept an LDAP filter (RFC 4515), such as `(&(objectClass=person)(ou=sales))`."""
    text = texts.text(value)
    if not text.startswith("("):
        raise ValueError("an LDAP filter stands in parentheses: (attribute=value)")
    depth, position = 0, 0
    operands: list[int] = []  # how many filters each open (& | ! has so far
    operators: list[str] = []
    while position < len(text):
        char = text[position]
        if char == "(" and text[position + 1 : position + 2] in {"&", "|", "!"}:
            operators.append(text[position + 1])
            if len(operators) >= _DEPTH:
                raise ValueError(f"more than {_DEPTH} parentheses within each other, at position {position}")
            operands.append(0)
            position += 2
        elif char == "(":
            position = _item(text, position)
            depth = _counted(operands)
        elif char == ")" and operators:
            if operators[-1] == "!" and operands[-1] != 1:
                raise ValueError(f"(! takes exactly one filter, at position {position} of the filter")
            operators.pop()
            operands.pop()
            position += 1
            depth = _counted(operands)
        else:
            raise ValueError(f"unexpected {char!r} at position {position} of the filter")
        if depth and position < len(text):
            raise ValueError(f"text after the end of the filter, at position {position}")
    if operators:
        raise ValueError(f"{len(operators)} parentheses of the filter are not closed")
    return text


def _counted(operands: list[int]) -> int:
    """Count a finished filter as an operand of the one around it; 1 when there is none around it."""
    if not operands:
        return 1
    operands[-1] += 1
    return 0


def _item(text: str, start: int) -> int:
    """Check `(attribute=value)` from `start`; give the position after it."""
    match = _ITEM.match(text, start + 1)
    if match is None or match.start(1) == start + 1:
        raise ValueError(f"no attribute and comparison after position {start} of the filter")
    extended = ":" in text[start + 1 : match.start(1)]
    if (extended and match[1] != ":=") or (match[1] == ":=" and text[start + 1 : match.start(1)] == ":dn"):
        raise ValueError(f"a matching rule after position {start} of the filter goes with :=")
    end = text.find(")", match.end())
    if end < 0:
        raise ValueError(f"the parenthesis at position {start} of the filter is not closed")
    value = text[match.end() : end]
    if len(value) > 1 and not value.strip("*"):
        raise ValueError(f"one asterisk asks whether there is a value, several mean nothing, after position {start}")
    if "(" in value:
        raise ValueError(f"a parenthesis within a value is written \\28, after position {start} of the filter")
    if re.search(r"\\(?![0-9A-Fa-f]{2})", value):
        raise ValueError(f"a backslash is written \\5c, after position {start} of the filter")
    return end + 1


def directory_url(value: object) -> str:
    """Accept `ldap[s]://host[:port]`, `ldapi://%2Fpath`, or `ldif:///path`."""
    url = _split(value)
    if url.scheme not in _DIRECTORY:
        raise ValueError(f"must begin with {', '.join(f'{scheme}://' for scheme in _DIRECTORY)}")
    if "@" in url.netloc:
        raise ValueError("must not name a user; give it by directory.bind")
    if url.query or url.fragment:
        raise ValueError("must have no ? or # part; base and filters have keys of their own")
    if url.scheme == "ldif":
        if url.netloc or len(url.path) < 2:
            raise ValueError("must be ldif:///PATH, with three slashes and an absolute path")
    elif url.path not in {"", "/"}:
        raise ValueError("must have no path; the search base has a key of its own")
    elif url.scheme == "ldapi":
        if url.netloc and not unquote(url.netloc).startswith("/"):
            raise ValueError("must be ldapi:///, or have the socket's path written with %2F for each slash")
    else:
        _server(url)
    return str(value)


def database_url(value: object) -> str:
    """Accept a SQLAlchemy URL for MySQL, MariaDB or SQLite, without a password in it."""
    return _database_url(value, _DATABASE)


def store_url(value: object) -> str:
    """Accept the same for a database of Open-Xchange, which may be reached by mysqlclient, too (`mysql+mysqldb://`)."""
    return _database_url(value, _STORE)


def _database_url(value: object, schemes: tuple[str, ...]) -> str:
    url = _split(value)
    if url.scheme not in schemes:
        known = " or ".join(f"{scheme}://" for scheme in schemes)
        raise ValueError(f"must begin with {known}")
    if ":" in url.netloc.rpartition("@")[0] or re.search(r"(?i)passw(or)?d=", url.query):
        raise ValueError("must not contain a password; give it by reference: password: {file: PATH}")
    if url.scheme == "sqlite":
        if url.netloc or len(url.path) < 2:
            raise ValueError("must be sqlite:///PATH; with an absolute path there are four slashes")
        return str(value)
    if not url.username:
        raise ValueError("must name a user: mysql+pymysql://user@host/database")
    if len(url.path) < 2 or "/" in url.path[1:]:
        raise ValueError("must name a database: mysql+pymysql://user@host/database")
    if "unix_socket=" not in url.query:
        _server(url)
    return str(value)


def service_url(value: object) -> str:
    """Accept `http[s]://host[:port]/path`, with or without `?wsdl`, without a user in it."""
    url = _split(value)
    if url.scheme not in {"http", "https"}:
        raise ValueError("must begin with https:// or http://")
    if "@" in url.netloc:
        raise ValueError("must not name a user; give it by login and password")
    if url.query.lower() not in {"", "wsdl"} or url.fragment:
        raise ValueError("must have no ? or # part but ?wsdl")
    if url.path in {"", "/"}:
        raise ValueError("must name the service: https://host/webservices/OXSecondaryAccountService")
    _server(url)
    return str(value)


def webhook_url(value: object) -> str:
    """Accept `https://host[:port]/path?query`; http:// only to this machine."""
    url = _split(value)
    if url.scheme not in {"http", "https"}:
        raise ValueError("must begin with https:// (http:// only on this machine)")
    if "@" in url.netloc:
        raise ValueError("must not name a user; give an Authorization header by reference")
    if url.fragment:
        raise ValueError("must have no # part")
    _server(url)
    if url.scheme == "http" and not texts.loopback(url.hostname or ""):
        raise ValueError("must begin with https://; http:// is for this machine only")
    return str(value)


def header(value: object) -> str:
    """Accept the text of an HTTP header (RFC 9110 section 5.5, without obs-text); it is never quoted."""
    if not isinstance(value, str):
        raise ValueError("must be a text in quotes, or a reference to a secret")  # noqa: TRY004 - as everywhere here
    if not value.isascii() or not value.isprintable() or not value.strip():
        raise ValueError("must be printable ASCII text in one line")
    return value


def rmi_url(value: object) -> str:
    """Accept `rmi://host[:port]/`; give it with the slash at its end, which the tools want."""
    url = _split(value)
    if url.scheme != "rmi":
        raise ValueError("must begin with rmi://")
    if "@" in url.netloc:
        raise ValueError("must not name a user; give it by admin and password")
    if url.path not in {"", "/"} or url.query or url.fragment:
        raise ValueError("must end after host and port: rmi://host:1099/")
    _server(url)
    return f"rmi://{url.netloc}/"


def _split(value: object) -> SplitResult:
    """Cut a URL into its parts."""
    text = texts.text(value)
    if re.search(r"\s", text):
        raise ValueError("must be a URL without blanks")
    try:
        url = urlsplit(text)
    except ValueError:
        raise ValueError("must be a URL; an IPv6 address stands in brackets") from None
    if "://" not in text:
        raise ValueError("must be a URL, scheme://...")
    return url


def _server(url: SplitResult) -> None:
    """Check host and port of a URL."""
    try:
        port = url.port
        texts.ascii_host(url.hostname or "")
    except ValueError:
        raise ValueError("must have a valid host, and a port from 1 to 65535 if any, after the ://") from None
    if port == 0:
        raise ValueError("must have a port from 1 to 65535")


def cron(value: object) -> str:
    """Accept the five fields of a cron line: minute, hour, day, month, weekday."""
    text = texts.text(value)
    fields = text.split()
    if len(fields) != len(_CRON):
        raise ValueError(f"must have five fields (minute hour day month weekday), not {len(fields)}")
    for field, (name, low, high) in zip(fields, _CRON, strict=True):
        if not all(_cron_part(part, name, low, high) for part in field.split(",")):
            raise ValueError(f"{texts.quoted(field)} is no {name} of a cron line ({low} to {high}, *, a-b, */n, a,b)")
    return " ".join(fields)


def _cron_part(part: str, name: str, low: int, high: int) -> bool:
    match = re.fullmatch(r"(\*|[0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?(?:/([0-9]{1,2}))?", part.lower())
    if match is None or (match[3] and int(match[3]) == 0) or (match[1] == "*" and match[2]):
        return False
    known = _NAMES.get(name, ())
    ends = [known.index(end) + low if end in known else int(end) if end.isdecimal() else -1
            for end in (match[1], match[2]) if end and end != "*"]  # fmt: skip
    return all(low <= end <= high for end in ends) and ends == sorted(ends)
