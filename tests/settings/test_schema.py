from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from syncd.settings import schema
from syncd.settings.document import parse
from syncd.settings.loading import load
from tests.settings.configurations import Loader, Steps, changed

CONFIG = Path(__file__).parents[2] / "config"
SAMPLE = CONFIG / "syncd.yaml"


def validator() -> jsonschema.Draft202012Validator:
    """Give a validator for the schema file."""
    return jsonschema.Draft202012Validator(json.loads((CONFIG / "syncd.schema.json").read_text()))


def test_the_schema_file_is_in_step_with_the_models() -> None:
    """`python -m syncd.settings.schema > config/syncd.schema.json` has been run after the last change."""
    assert (CONFIG / "syncd.schema.json").read_text() == schema.text()
    jsonschema.Draft202012Validator.check_schema(schema.schema())


def test_every_key_has_a_description() -> None:
    """An editor can say what a key is for."""
    found = schema.schema()
    for name, section in {"Configuration": found, **found["$defs"]}.items():
        for key, value in section["properties"].items():
            assert value.get("description", "").endswith("."), f"{name}.{key}"


def test_the_sample_is_valid() -> None:
    """The sample loads without warning, and an editor finds nothing wrong with it."""
    assert load(SAMPLE, environ={}).warnings == ()
    assert list(validator().iter_errors(parse(SAMPLE.read_bytes()).data)) == []


def test_the_sample_shows_every_key() -> None:
    """Every key of every section stands in the sample, a few as a comment."""
    text = SAMPLE.read_text()
    shown: set[tuple[str, str]] = set()
    definitions = {"Configuration": schema.schema(), **schema.schema()["$defs"]}

    def walk(value: Any, described: dict[str, Any]) -> None:
        for part in (described, *described.get("anyOf", ())):
            name = part.get("$ref", "").rpartition("/")[2]
            for item in value if isinstance(value, list) else []:
                walk(item, part.get("items", {}))
            if isinstance(part.get("additionalProperties"), dict):
                for item in value.values() if isinstance(value, dict) else []:
                    walk(item, part["additionalProperties"])
            for key, item in value.items() if name and isinstance(value, dict) else []:
                shown.add((name, key))
                walk(item, definitions[name]["properties"][key])

    walk(parse(SAMPLE.read_bytes()).data, {"$ref": "#/$defs/Configuration"})
    commented = set(re.findall(r"#.*?(?<![\w.])([a-z_]+):\s", text) + re.findall(r"\{([a-z_]+): ", text))
    alternatives = {("SecretRef", "file"), ("SecretRef", "env"), ("Schedule", "cron"), ("Mail", "source")}
    alternatives |= {("Configuration", "directories"), ("Mapping", "directory"), ("Source", "directory")}
    alternatives |= {
        ("Configdb", "pools"),
        ("Configdb", "tls"),
        ("Pools", "login"),
        ("Pools", "password"),
        ("Pools", "tls"),
    }
    alternatives |= {("Bind", "host"), ("DirectoryTls", "cert"), ("DirectoryTls", "key")}
    alternatives |= {("Additions", "percent"), ("Additions", "floor"), ("Additions", "most")}
    missing = schema.keys() - shown
    assert missing <= alternatives | {("Ledger", "password"), ("Ledger", "tls"), ("DatabaseTls", "ca")}
    assert {key for _, key in missing} <= commented


def test_the_sample_says_the_defaults(tmp_path: Path) -> None:
    """Where the sample shows a default, leaving the key out means the same."""
    sample = load(SAMPLE, environ={})
    data: Any = parse(SAMPLE.read_bytes()).data
    for key in ("ledger", "schedule", "limits", "http", "log", "mode", "grace", "history"):
        del data[key]
    data["rollout"] = {}
    for way, keys in {"webhook": ("timeout",), "mail": ("timeout", "secure")}.items():
        del data["notify"][way]["tls"]["verify"]
        for key in keys:
            del data["notify"][way][key]
    policies = (("disabled",), ("expired",), ("dangling",), ("nesting",))
    others = (("kind",), ("bind", "method"), ("timeout",), ("page_size",), ("tls", "starttls"), ("tls", "verify"))
    for path in (*policies, *others):
        holder = data["directory"]
        for step in path[:-1]:
            holder = holder[step]
        del holder[path[-1]]
    del data["openxchange"]["write_with"]
    for key in ("nested", "existing", "extra", "mode", "sensitive"):
        del data["mappings"][0][key]
    del data["mappings"][1]["discover"]["scope"]
    for server in ("mail", "transport"):
        for key in ("protocol", "secure", "starttls"):
            del data["mappings"][0]["account"][server][key]
    (tmp_path / "syncd.yaml").write_text(json.dumps(data))
    assert load(tmp_path / "syncd.yaml", environ={}).model_dump() == sample.model_dump()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("direktory",), {}),
        (("directory", "page_size"), "many"),
        (("directory", "timeout", "connect"), 5),
        (("directory", "urls"), []),
        (("directory", "kind"), "novell"),
        (("directory", "disabled"), "maybe"),
        (("directory", "users", "rules"), []),
        (("directory", "users", "rules"), [{"name": "cn"}]),
        (("mappings", 0, "context"), "some"),
        (("mappings", 0, "context"), {"name": "a", "mapping": "b"}),
        (("mappings", 0, "context"), {"nmae": "a"}),
        (("mappings", 0, "sources", 0), {"users": []}),
        (("mappings", 0, "sources", 0), {"ox_group": -1}),
        (("mappings", 0, "discover"), {"filter": "(a=b)"}),
        (("mappings", 0, "discover"), {"filter": "(a=b)", "mailbox": "mail"}),
        (("http", "listen"), "nowhere"),
        (("openxchange", "write_with"), "magic"),
        (("openxchange", "database", "tls"), True),
        (("mappings", 0, "sources", 0), {"gruop": "x"}),
        (("mappings", 0, "nested"), "yes"),
        (("mappings", 0, "context"), 0),
        (("mappings", 0, "account", "mail", "port"), 70000),
        (("mappings", 0, "account", "personal"), "p" * 65),
        (("mode",), "dry"),
        (("grace",), True),
        (("grace",), {"reads": 0}),
        (("mappings", 0, "grace"), {"read": 2}),
        (("limits", "additions"), "all"),
        (("limits", "additions"), {"percent": 50}),
        (("limits", "removals", "most"), True),
        (("limits", "context"), True),
        (("history", "keep"), "always"),
        (("notify",), {"webhook": {"url": "ftp://x.org"}}),
        (("notify",), {"webhook": {"url": "https://x.org", "headers": {"A": 5}}}),
        (("notify",), {"mail": {"server": "x.org", "port": 25, "from": "a@x.org"}}),
    ],
)
def test_an_editor_sees_simple_mistakes(path: Steps, value: object) -> None:
    """The schema refuses what is wrong with one value or key."""
    assert list(validator().iter_errors(changed((path, value))))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("http", "listen"), "off"),
        (("http", "listen"), "[::1]:80"),
        (("openxchange", "database", "tls"), False),
        (("mappings", 0, "nested"), True),
        (("mappings", 0, "nested"), 3),
        (("directory", "users", "login"), ["uid", "cn"]),
        (("directory", "users"), {"rules": [{"login": "{uid:lower}"}, {"id": ["employeeNumber"]}]}),
        (("mappings", 0, "context"), "all"),
        (("mappings", 0, "context"), {"attribute": "oxContext"}),
        (("mappings", 0, "sources", 0), {"users": ["anna"]}),
        (("mappings", 0, "sources", 0), {"ox_group": 0}),
        (("mappings", 0, "sources", 0), {"ox_group": "sales"}),
        (("mappings", 0, "sources", 0), {"attribute": "memberOf=cn=x"}),
        (("schedule", "every"), "90s"),
        (("mode",), "staging"),
        (("grace",), "off"),
        (("grace",), False),
        (("mappings", 0, "grace"), "off"),
        (("mappings", 0, "grace"), {"minutes": 30}),
        (("limits", "additions"), 5),
        (("limits", "additions"), {"percent": 50, "floor": 20}),
        (("mappings", 0, "limits", "additions"), {"percent": 50, "floor": 20, "most": "off"}),
        (("limits", "removals", "most"), False),
        (("limits", "context"), False),
        (("limits", "context"), {"additions": 7}),
        (("history", "keep"), "forever"),
        (("notify",), {"webhook": {"url": "https://x.org", "headers": {"A": "b", "C": {"env": "D"}}}}),
        (("notify",), {"webhook": {"url": {"env": "D"}}}),
    ],
)
def test_an_editor_accepts_every_form(loader: Loader, path: Steps, value: object) -> None:
    """What the loader accepts, the schema accepts."""
    loader((path, value))
    assert list(validator().iter_errors(changed((path, value)))) == []
