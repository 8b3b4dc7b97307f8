"""Exports, whatever they are: a plan that is JSON, or a reason in it why something was not read."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.e2e.world import COMMAND, invoke
from tests.fuzz.chance import damaged, examples

PERSON = """\
dn: uid={uid},ou=people,dc=mycompany,dc=com
objectClass: top
objectClass: inetOrgPerson
entryUUID: 00000000-0000-0000-0000-{uid}
uid: {uid}
cn: Person {uid}
mail: {uid}@mycompany.com
description:: w6Q=
memberOf: cn=support,ou=groups,dc=mycompany,dc=com

"""
GROUPS = """\
dn: cn=support,ou=groups,dc=mycompany,dc=com
objectClass: groupOfNames
entryUUID: 11111111-0000-0000-0000-000000000000
cn: support
description: shared-mailbox
mail: support@mycompany.com
member: uid=alice,ou=people,dc=mycompany,dc=com
member: uid=bob,ou=people,
 dc=mycompany,dc=com
member: cn=team,ou=groups,dc=mycompany,dc=com

dn: cn=team,ou=groups,dc=mycompany,dc=com
objectClass: groupOfUniqueNames
entryUUID: 22222222-0000-0000-0000-000000000000
cn: team
uniqueMember: uid=carol,ou=people,dc=mycompany,dc=com#'0101'B
uniqueMember: cn=support,ou=groups,dc=mycompany,dc=com

dn: cn=old,ou=groups,dc=mycompany,dc=com
objectClass: posixGroup
entryUUID: 33333333-0000-0000-0000-000000000000
cn: old
gidNumber: 500
memberUid: dave
memberUid: nobody

dn: cn=all,ou=groups,dc=mycompany,dc=com
objectClass: groupOfURLs
entryUUID: 44444444-0000-0000-0000-000000000000
cn: all
memberURL: ldap:///ou=people,dc=mycompany,dc=com??one?(uid=*)

"""
EXPORT = ("version: 1\n\ndn: dc=mycompany,dc=com\nobjectClass: domain\ndc: mycompany\n\n" + "".join(
    PERSON.format(uid=uid) for uid in ("alice", "bob", "carol", "dave")
) + GROUPS).encode()  # fmt: skip
TOKENS = (
    b"\n\n", b"\n ", b"\r\n", b": ", b":: ", b":< file:///etc/passwd\n", b"dn: ", b"\ndn:: /w==\n",
    b"changetype: delete\n", b"-\n", b"#", b"search: 2\nresult: 4 Size limit exceeded\n", b"\xff", b"\x00",
    b"\xed\xa0\x80", b"\xef\xbb\xbf", b",", b"=", b"\\", b"\\2c", b'"', b"+", b";", b"<", b"uid", b"member",
    b"objectClass", b"entryUUID: x\n", b"uid:\n", b"cn: \n", b"member: \n", b"member: x\n", b"member: dc=com\n",
    b"member: cn=support,ou=groups,dc=mycompany,dc=com\n", b"memberURL: ldap:///??sub?(\n", b"memberURL: http://x\n",
    b"gidNumber: " + b"9" * 5000 + b"\n", b"mail: @\n", b"userAccountControl: x\n", b"nsAccountLock: TRUE\n",
    b"objectClass: groupOfURLs\n", b"member;range=0-1: x\n", b"\xf0\x9f\x98\x80",
)  # fmt: skip
CONFIGURATION = """\
directory:
  urls: [ldif://{folder}/directory.ldif]
  base: dc=mycompany,dc=com
  users:
    rules: [{{login: uid}}, {{mail: "{{mail:lower}}"}}, {{id: employeeNumber}}]
openxchange: {{database: {{url: "sqlite:///{folder}/openxchange.db"}}}}
ledger: {{url: "sqlite:///{folder}/ledger.db"}}
mappings:
  - mailbox: support@mycompany.com
    context: 1
    sources: [{{group: "cn=support,ou=groups,dc=mycompany,dc=com"}}, {{filter: "(|(uid=d*)(gidNumber>=5))"}}]
    exclude: [{{group: "cn=old,ou=groups,dc=mycompany,dc=com"}}]
    account: &account {{name: Support, login: support, mail: {{source: primary}}}}
  - mailbox: all@mycompany.com
    context: {{attribute: cn}}
    sources:
      - group: cn=all,ou=groups,dc=mycompany,dc=com
      - attribute: memberOf=cn=support,ou=groups,dc=mycompany,dc=com
    account: *account
  - discover:
      filter: (cn=*)
      match: {{cn: "^(?P<team>.+)$"}}
      mailbox: "{{cn}}@{{dc|cn}}"
      account: {{name: "{{team}}"}}
    context: 1
    account: *account
"""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a playground with a configuration that asks for much."""
    folder = tmp_path_factory.mktemp("exports")
    subprocess.run([COMMAND, "demo", str(folder / "demo")], check=True, capture_output=True)
    path = folder / "demo" / "syncd.yaml"
    path.write_text(CONFIGURATION.format(folder=path.parent))
    return path


def survives(config: Path, command: str, export: bytes) -> None:
    """Run a command on an export; anything but JSON and an exit code of the contract fails."""
    (config.parent / "directory.ldif").write_bytes(export)
    done = invoke(command, "--output", "json", "-c", str(config))
    assert "syncd: unexpected" not in done.err, done.err
    assert done.code in {0, 1, 4, 5}, done
    if done.code == 1:
        assert done.err.startswith("syncd: ") or json.loads(done.out)["errors"], done
        return
    document = json.loads(done.out)
    json.dumps(document, ensure_ascii=False).encode()  # no octets in it that are no text
    assert {one["mailbox"] for one in document["mailboxes"]} >= {"support@mycompany.com"}


def test_the_sample_is_read(config: Path) -> None:
    """What is damaged below has nothing wrong to begin with."""
    (config.parent / "directory.ldif").write_bytes(EXPORT)
    done = invoke("plan", "--output", "json", "-c", str(config))
    assert done.code == 0, done.err
    assert all(one["complete"] for one in done.document["mailboxes"])


@examples(40, 4000)
@given(damaged((EXPORT,), TOKENS, edits=6) | st.binary())
def test_plans(config: Path, export: bytes) -> None:
    """A plan is made of any export."""
    survives(config, "plan", export)


@examples(20, 2000)
@given(damaged((EXPORT,), TOKENS, edits=6))
def test_runs(config: Path, export: bytes) -> None:
    """A run survives any export, and what the runs before it made of theirs."""
    survives(config, "sync", export)
