"""A console whose lines nobody steers but us: what others wrote (names, addresses, DNs, errors) comes escaped."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from syncd.cli.options import printable


class Terminal(Console):
    """Prints as its base does, strings escaped; a line made of parts (`Text`) escapes them itself."""

    def print(self, *objects: Any, **how: Any) -> None:
        """Print; arguments as of `rich.console.Console.print`."""
        super().print(*(printable(one) if isinstance(one, str) else one for one in objects), **how)
