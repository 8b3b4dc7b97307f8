"""What is no text, in a directory: told, and nobody else's trouble."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

from syncd.openxchange import playground
from tests.e2e.station import BASE, Station

ADDRESS = "support@mycompany.com"
ACCOUNT = {"name": "Support", "login": "support", "mail": {"server": "imap.example.org", "port": 143}}


def test_names_that_cannot_be_written_stop_nothing(tmp_path: Path) -> None:
    """A login and a member value that are no UTF-8 are reported; the others get the mailbox, and the run tells so."""
    station = Station(tmp_path)
    with station.engine.begin() as connection:
        playground.add_context(connection, 1)
        playground.add_users(connection, 1, [(3, "u3", "u3@mycompany.com")])
    station.configure({"mailbox": ADDRESS, "context": 1, "sources": [{"group": f"cn=a,{BASE}"}], "account": ACCOUNT})
    people = {3: f"uid=u3,{BASE}", 4: f"uid=u4,{BASE}"}
    station.directory(people, {"a": [3, 4]})
    broken = base64.b64encode(b"uid=m\xfcller," + BASE.encode()).decode()
    path = station.files / "directory.ldif"
    text = path.read_text().replace("uid: u4\n", "uid:: bfxsbGVy\n") + f"member:: {broken}\n"
    path.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "syncd", "sync", "-c", str(station.config), "--output", "json"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(one["user"], one["result"]) for one in told["changes"]] == [(3, "applied")]
    assert [one["reason"] for one in told["unresolved"]] == ["no user 'm\\\\xfcller' in context 1"]
    assert len(told["dangling"]) == 1
    assert (1, 3, ADDRESS, True) in station.accounts()
