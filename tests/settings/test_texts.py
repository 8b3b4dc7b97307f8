from __future__ import annotations

import pytest

from syncd.settings import texts


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("5s", 5), ("1.5s", 1.5), ("30m", 1800), ("1h", 3600), ("2d", 172800), ("0s", 0)],
)
def test_durations_become_seconds(text: str, seconds: float) -> None:
    """A number and a unit give seconds."""
    assert texts.duration()(text) == seconds


@pytest.mark.parametrize(
    "value", ["", "5", "s", "5 s", "-5s", "5S", "1h30m", "1.s", "٥s", "5s\n", 5, True, None, [], "9999999d"]
)
def test_durations_are_refused(value: object) -> None:
    """A number without a unit means nothing certain."""
    with pytest.raises(ValueError, match="must"):
        texts.duration()(value)


@pytest.mark.parametrize(
    ("host", "ascii"),
    [
        ("imap.example.org", "imap.example.org"),
        ("mäil.example.org", "xn--mil-qla.example.org"),
        ("smtp.bücher.example", "smtp.xn--bcher-kva.example"),
        ("IMAP.Example.org", "IMAP.Example.org"),
        ("2001:db8::5", "[2001:db8::5]"),
        ("[2001:db8::5]", "[2001:db8::5]"),
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "localhost"),
        ("a.org.", "a.org."),
        ("straße.de", "strasse.de"),
    ],
)
def test_hosts_are_given_in_ascii(host: str, ascii: str) -> None:  # noqa: A002
    """IDNA 2003 as Java has it (recorded: mäil, bücher), IPv6 in brackets, other letters kept."""
    assert texts.host(host) == ascii


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        "bad host",
        "a_b.org",
        "a:993",
        "a/x",
        "-a.org",
        "a-.org",
        "a..org",
        ".a",
        "a" * 64 + ".org",
        "1.2.3.4.5",
        "256.1.1.1",
        "[x]",
        "http://a",
        "ä" * 70,
        5,
    ],
)
def test_hosts_are_refused(host: object) -> None:
    """What Open-Xchange refuses or garbles never reaches it."""
    with pytest.raises(ValueError, match="must"):
        texts.host(host)


@pytest.mark.parametrize(
    "address",
    ["support@mycompany.com", "Süpport+x@bücher.example", "o'neil/x=y@a.org", "a@localhost", "😀@example.org"],
)
def test_addresses_are_kept_as_written(address: str) -> None:
    """Open-Xchange stores the address unchanged."""
    assert texts.address(address) == address


@pytest.mark.parametrize(
    "address",
    ["", "a", "@", "a@", "@b", "a@b@c", "a b@c.org", " a@c.org", "a@c.org ", "a\u00a0b@c.org", "a@-c", 5, None],
)
def test_addresses_are_refused(address: object) -> None:
    """One @, something on both sides, no blanks."""
    with pytest.raises(ValueError, match="must"):
        texts.address(address)


@pytest.mark.parametrize(
    ("value", "listen"),
    [
        ("127.0.0.1:9469", ("127.0.0.1", 9469)),
        ("[::1]:9469", ("::1", 9469)),
        ("localhost:0", ("localhost", 0)),
        ("off", None),
        (False, None),
    ],
)
def test_listen_is_host_and_port(value: object, listen: tuple[str, int] | None) -> None:
    """Port 0 means any free one."""
    assert texts.listen(value) == listen


@pytest.mark.parametrize("value", ["9469", ":9469", "a:", "::1:9469", "a:99999", "[x]:1", True, 5, "on", "a b:1"])
def test_listen_is_refused(value: object) -> None:
    """Half an address is none."""
    with pytest.raises(ValueError, match="must"):
        texts.listen(value)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("LocalHost.", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("192.0.2.1", False),
        ("::", False),
        ("a.org", False),
        ("", False),
    ],
)
def test_loopback_is_this_machine(host: str, local: bool) -> None:
    """Names are not resolved."""
    assert texts.loopback(host) is local


@pytest.mark.parametrize("blank", ["", "  ", "\t"])
def test_blank_optional_texts_count_as_absent(blank: str) -> None:
    """Open-Xchange stores NULL for a blank personal and reply-to."""
    assert texts.optional(64)(blank) is None


def test_values_are_quoted_short() -> None:
    """A message shows scalars, cut, and of the rest the kind only."""
    assert [texts.quoted(value) for value in (True, "x", 5, {"a": 1}, [1], None)] == [
        "true",
        "'x'",
        "5",
        "a mapping",
        "a list",
        "nothing",
    ]
    assert len(texts.quoted("x" * 1000)) < 70
    assert texts.quoted(10**5000) == "a huge number"


@pytest.mark.parametrize(
    "name", ["cn=syncd,dc=example,dc=org", "syncd@ad.example.org", "CORP\\syncd", "svc syncd@corp"]
)
def test_who_binds_may_be_named_as_active_directory_does(name: str) -> None:
    """A DN, a user principal name and a name with its domain are kept as written."""
    assert texts.bind_name(name) == name


@pytest.mark.parametrize("name", ["syncd", "@corp", "syncd@", "\\syncd", "a@b@c", "syncd@corp,dc=x", ""])
def test_a_name_that_no_server_takes_is_refused(name: str) -> None:
    """A bare login is neither a DN nor a name of Active Directory."""
    with pytest.raises(ValueError, match=r"DN|must|="):
        texts.bind_name(name)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.5, "0.5s"), (10, "10s"), (90, "90s"), (120, "2m"), (5400, "90m"), (3600, "1h"), (34560000, "400d")],
)
def test_durations_are_written_in_their_largest_unit(seconds: float, text: str) -> None:
    """As a person would write them, and read back as the same."""
    assert texts.spoken(seconds) == text
    assert texts.duration(maximum=seconds)(text) == seconds


def test_durations_have_an_end() -> None:
    """What is longer than allowed is told with the longest."""
    with pytest.raises(ValueError, match="must not be longer than 31d, not '745h'"):
        texts.duration(3600, 31 * texts.DAY)("745h")


@pytest.mark.parametrize(("value", "cap"), [(0, 0), (7, 7), ("off", None), (False, None)])
def test_a_cap_is_a_number_or_off(value: object, cap: int | None) -> None:
    """0 is a cap; off and false are none."""
    assert texts.cap(value) == cap
