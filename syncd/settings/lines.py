"""Write values as lines of a configuration file, so that they can be pasted into one."""

from __future__ import annotations

import io


def lines(value: object) -> str:
    """Give plain values (dict, list, str, int, float, bool, None) as YAML 1.2, in their order, as `load` reads it.

    Short values stand in one line; a text that YAML would take for something else is quoted.

    >>> print(lines({"mappings": [{"mailbox": "a@example.org", "context": 1}]}), end="")
    mappings:
      - mailbox: a@example.org
        context: 1
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - 40 ms that `syncd --help` need not pay

    yaml = YAML()
    yaml.width = 1_000_000
    yaml.representer.ignore_aliases = lambda _value: True  # what stands in several places is written in each
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    yaml.dump(value, text)
    return text.getvalue()
