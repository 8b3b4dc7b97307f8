from __future__ import annotations

import pytest

from syncd.settings.document import parse, shown


def test_values_are_read_as_yaml_1_2() -> None:
    """`yes`, `on` and `off` are texts, 010 is ten, dates stay text."""
    text = b"a: [yes, on, off, true, 010, 0o17, 0x1F, 1_000, -5, 1.5, .inf, 2001-01-01, ~, '1', \"x\\ty\"]"
    assert parse(text).data == {
        "a": ["yes", "on", "off", True, 10, 15, 31, 1000, -5, 1.5, float("inf"), "2001-01-01", None, "1", "x\ty"]
    }


def test_lines_are_those_of_keys_and_items() -> None:
    """A key's line is where the key stands, an item's where its value begins; the unknown has that of its parent."""
    document = parse(b"# comment\na:\n  b:\n    - c: 1\n\n    - d:\n        e\nf: {g: 1,\n  h: 2}\n")
    assert document.data == {"a": {"b": [{"c": 1}, {"d": "e"}]}, "f": {"g": 1, "h": 2}}
    lines = {
        (): 1,
        ("a",): 2,
        ("a", "b"): 3,
        ("a", "b", 0): 4,
        ("a", "b", 0, "c"): 4,
        ("a", "b", 1): 6,
        ("a", "b", 1, "d"): 6,
    }
    lines |= {
        ("f",): 8,
        ("f", "g"): 8,
        ("f", "h"): 9,
        ("a", "z"): 2,
        ("a", "b", 7): 3,
        ("a", "b", 0, "c", "z"): 4,
        ("z",): 1,
    }
    assert {path: document.line(path) for path in lines} == lines


def test_anchors_aliases_and_merge_keys_are_followed() -> None:
    """What is written once may be used twice; own keys win over merged ones, and lines lead to where it is written."""
    document = parse(b"base: &b\n  x: 1\n  y: 2\none:\n  <<: *b\n  y: 3\ntwo: *b\nthree: {<<: [*b, {z: 4}]}\n")
    assert document.problems == ()
    assert document.data == {
        "base": {"x": 1, "y": 2},
        "one": {"y": 3, "x": 1},
        "two": {"x": 1, "y": 2},
        "three": {"x": 1, "y": 2, "z": 4},
    }
    assert (document.line(("one", "x")), document.line(("one", "y")), document.line(("two", "y"))) == (2, 6, 3)


def test_a_byte_order_mark_is_ignored() -> None:
    """Editors on Windows write one."""
    assert parse(b"\xef\xbb\xbfa: 1").data == {"a": 1}


def test_many_aliases_cost_nothing() -> None:
    """A text that would unfold to billions of values is read in no time, since each node is converted once."""
    text = "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(40))
    assert parse(text.encode()).problems == ()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (b"", 1, "the file is empty"),
        (b"# only a comment\n", 1, "the file is empty"),
        (b"a: 1\nb: \xff\n", 2, "not UTF-8 text; save the file as UTF-8"),
        ("a: ü".encode("utf-16"), 1, "not UTF-8 text"),
        (b"a: 1\nb: \x01\n", 2, "a control character"),
        (b"a: 1\nb:\n\tc: 1\n", 3, "a tab; YAML wants blanks"),
        (b"a: 1\nb: c: d\n", 2, "not valid YAML: mapping values are not allowed here"),
        (b"a: 'x\n", 2, "not valid YAML: found unexpected end of stream"),
        (b"a: 1\nb: *c\n", 2, "an alias without an anchor; a text that begins with * needs quotes"),
        (b"a: 1\n---\nb: 1\n", 2, "a second document"),
        (b"a: 1\nb: @c\n", 2, "not valid YAML: found a character that cannot start any token"),
        (b"a: 1\nb: [c}\n", 2, "not valid YAML: expected ',' or ']', but got '}'"),
        (b"a: 1\nb: &x [*x]\n", 2, "an alias inside its own anchor"),
        (b"a: 1\nb: !thing c\n", 2, "a tag (!...) is not understood"),
        (b"a: !!python/object:os.system {}\n", 1, "a tag (!...) is not understood"),
        (b"a: 1\n? [b]\n: 2\n", 2, "a key must be a text"),
        (b"a: 1\nb: 2\na: 3\n", 3, "this key is given twice, first in line 1"),
        (b"[" * 100_000, 1, "nested too deeply"),
    ],
)
def test_damage_is_one_problem_with_a_line(text: bytes, line: int, words: str) -> None:
    """Whatever is wrong with the file is told in plain words and in its line."""
    document = parse(text)
    (problem,) = document.problems
    assert words in problem.text
    assert (problem.line or document.line(problem.path)) == line


def test_every_repeated_key_is_told() -> None:
    """Several duplicates are several problems, and the first value counts."""
    document = parse(b"a: 1\na: 2\nb:\n  c: 1\n  c: 2\n  c: 3\n")
    assert [(problem.path, problem.line) for problem in document.problems] == [
        (("a",), 2),
        (("b", "c"), 5),
        (("b", "c"), 6),
    ]
    assert document.data == {"a": 1, "b": {"c": 1}}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("mappings", 2, "sources", 0), "mappings[2].sources[0]"),
        (("directory", "bind", "password", "file"), "directory.bind.password.file"),
        (("directory", "bind", "password", "hunter2"), "directory.bind.password"),
        (("openxchange", "obfuscation", "key", "hunter2", "x"), "openxchange.obfuscation.key"),
    ],
)
def test_paths_are_written_as_people_do(path: tuple[str | int, ...], text: str) -> None:
    """Dots and brackets; below a secret only the known keys are shown."""
    assert shown(path) == text
