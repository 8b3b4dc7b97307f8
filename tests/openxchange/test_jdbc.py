"""Which server a JDBC URL means."""

from __future__ import annotations

import pytest

from syncd.openxchange.jdbc import server_of

KNOWN = {
    "jdbc:mysql://localhost": ("localhost", 3306),
    "jdbc:mysql://": ("localhost", 3306),
    "jdbc:mysql:///oxdatabase": ("localhost", 3306),
    " jdbc:mysql://DB1.example.org ": ("db1.example.org", 3306),
    "jdbc:mysql://db1:3307": ("db1", 3307),
    "jdbc:mysql://db1:3307/?useUnicode=true&characterEncoding=UTF-8": ("db1", 3307),
    "jdbc:mysql://db1/?user=a@b:c": ("db1", 3306),
    "jdbc:mariadb://10.0.0.1:3306/configdb": ("10.0.0.1", 3306),
    "jdbc:mysql://[2001:db8::5]:3307/": ("2001:db8::5", 3307),
    "jdbc:mysql://[::1]": ("::1", 3306),
    "jdbc:mysql://login:secret@db1:3307/": ("db1", 3307),
    "jdbc:mysql://one:1,two:2/db": ("one", 1),
    "jdbc:mysql:replication://one,two:2/db?x=y": ("one", 3306),
    "jdbc:mysql:loadbalance://one:1,two:2": ("one", 1),
    "jdbc:mariadb:sequential://one:1,two:2/": ("one", 1),
    "jdbc:mysql://address=(host=one)(port=1)/db": ("one", 1),
    "jdbc:mysql://address=(protocol=tcp)(host=[::1])(port=1),two": ("::1", 1),
    "jdbc:mysql:replication://address=(host=r)(type=replica),address=(host=w)(port=2)(type=source)/": ("w", 2),
    "jdbc:mysql:replication://address=(type=slave)(host=r),address=(type=MASTER)(host=w)/": ("w", 3306),
    "jdbc:mysql://(host=one,port=1,key=x),(host=two,port=2)/db": ("one", 1),
    "jdbc:mysql://(host=r),(host=w, type=source)": ("w", 3306),
}
UNKNOWN = (
    "",
    "mysql://db1",
    "jdbc:postgresql://db1/x",
    "jdbc:mysql+srv://db1",
    "jdbc:mysql://db1:0/",
    "jdbc:mysql://db1:65536/",
    "jdbc:mysql://db1:port/",
    "jdbc:mysql://a b/",
    "jdbc:mysql://login:hush@[one,two]/",
    "jdbc:mysql://address=(host=one)(port=x)/",
)


@pytest.mark.parametrize("url", KNOWN)
def test_the_server_that_takes_writes(url: str) -> None:
    """Every form names its server; of several the one marked as source, else the first."""
    assert tuple(server_of(url)) == KNOWN[url]


@pytest.mark.parametrize("url", UNKNOWN)
def test_other_urls(url: str) -> None:
    """What is none of these forms is refused, without repeating what may hold a password."""
    with pytest.raises(ValueError, match="JDBC URL") as refused:
        server_of(url)
    assert "hush" not in str(refused.value)
