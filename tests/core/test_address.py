"""Addresses compare as the database compares them."""

from __future__ import annotations

import itertools
import random

import pytest

from syncd.core.address import collation_key, letters
from tests.servers.mariadb import MariaDb

BASIC_PLANE = [chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000]


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        ("Support@Example.org", "support@example.ORG", True),
        ("dépôt@example.org", "depot@example.org", True),
        ("depo\u0302t@example.org", "depôt@example.org", True),
        ("straße@example.org", "strasse@example.org", True),
        ("a@example.org  ", "a@example.org", True),
        ("a@example.org\u00a0", "a@example.org", True),
        ("a\u0007@example.org", "a@example.org", True),
        ("😀@example.org", "😎@example.org", True),
        (" a@example.org", "a@example.org", False),
        ("a@example.org\t", "a@example.org", False),
        ("a-b@example.org", "ab@example.org", False),
        ("日@example.org", "本@example.org", False),
    ],
)
def test_examples(a: str, b: str, equal: bool) -> None:
    """Case, accents, trailing blanks, control characters and which emoji do not count; all else does."""
    assert (collation_key(a) == collation_key(b)) is equal


def test_plain_addresses_are_their_own_key() -> None:
    """The key of a plain address is readable, and the fast path gives what the table gives."""
    assert collation_key("Support@MyCompany.com") == "support@mycompany.com"
    for char in map(chr, range(128)):
        text = f"x{char}y"
        assert collation_key(text) + collation_key("é") == collation_key(text + "é")


def test_letters() -> None:
    """Letter case, trailing blanks and the way an accent is composed do not count; accents do."""
    assert letters("SUPPORT@example.org ") == letters("support@EXAMPLE.org")
    assert letters("depo\u0302t@example.org") == letters("DEPÔT@example.org")
    assert letters("depôt@example.org") != letters("depot@example.org")


@pytest.mark.mariadb
def test_all_characters_as_the_database(mariadb: MariaDb) -> None:
    """Two characters of the basic plane have one key exactly when the collation holds them for equal."""
    by_weight: dict[str, set[str]] = {}
    with mariadb.connect() as connection, connection.cursor() as cursor:
        for start in range(0, len(BASIC_PLANE), 4000):
            chars = BASIC_PLANE[start : start + 4000]
            one = "HEX(WEIGHT_STRING(_utf8mb4 %s COLLATE utf8mb4_unicode_ci))"
            cursor.execute("SELECT " + ",".join([one] * len(chars)), chars)
            for char, weight in zip(chars, cursor.fetchone() or (), strict=True):
                units = [weight[at : at + 4] for at in range(0, len(weight), 4)]
                while units and units[-1] == "0209":  # the weight of a blank
                    units.pop()
                by_weight.setdefault("".join(units), set()).add(collation_key(char))
    assert [keys for keys in by_weight.values() if len(keys) != 1] == []
    assert len(set().union(*by_weight.values())) == len(by_weight)


@pytest.mark.mariadb
def test_random_texts_as_the_database(mariadb: MariaDb) -> None:
    """Random texts, alike and not, compare in Python as in the database."""
    dice = random.Random(2)  # noqa: S311 - the same texts every time
    alphabet = ["a", "A", "ä", "a\u0308", "ß", "ss", "ſ", " ", "\u00a0", "\u0001", "\t", "@", ".", "ﬁ", "fi", "😀", "𐀀"]
    alphabet += ["日", "한", "ᄒ", "Ĳ", "ij", "㍿", "½", "1", "\u200d", *dice.sample(BASIC_PLANE, 30)]
    texts = ["".join(dice.choices(alphabet, k=dice.randrange(1, 4))) for _ in range(90)]
    pairs = list(itertools.combinations(texts, 2))
    with mariadb.connect() as connection, connection.cursor() as cursor:
        one = "_utf8mb4 %s = _utf8mb4 %s COLLATE utf8mb4_unicode_ci"
        for start in range(0, len(pairs), 1000):
            some = pairs[start : start + 1000]
            cursor.execute("SELECT " + ",".join([one] * len(some)), list(itertools.chain(*some)))
            answers = [bool(answer) for answer in cursor.fetchone() or ()]
            assert answers == [collation_key(a) == collation_key(b) for a, b in some]
