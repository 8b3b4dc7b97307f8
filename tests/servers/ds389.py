"""A private 389 Directory Server in a temporary folder, on loopback, without systemd and without dscreate.

Its dse.ldif is the package's template, filled in. On: MemberOf, roles, USN, entryUUID where the package has it.
"""

from __future__ import annotations

import base64
import getpass
import hashlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pytest

from syncd.core.model import Secret
from syncd.directory.connection import Options
from tests.servers import require
from tests.servers.certificates import Authority

SUFFIX = "dc=example,dc=test"
PASSWORD = "syncd-secret"
_MANAGER, _MANAGERS_PASSWORD = "cn=Directory Manager", "manager-secret"
_TEMPLATES = Path("/usr/share/dirsrv/data")
_PLUGINS = ("cn=memberof plugin,", "cn=usn,", "cn=roles plugin,")


class Ds389:
    """A running 389 Directory Server with `ou=people`, `ou=groups` and the bind user `cn=syncd`.

    Attributes:
        ldap, ldaps: URLs with the host name that is in the certificate.
        ca: path of the certificate authority.
        uuids: whether entries have an entryUUID, and not only a nsUniqueId.
    """

    def __init__(self) -> None:
        self._program = require.binary("ns-slapd")
        self.folder = Path(tempfile.mkdtemp(prefix="ds", dir="/tmp"))  # UNIX socket paths are short
        self._process: subprocess.Popen[bytes] | None = None
        try:
            # a semaphore in /dev/shm has the name of this folder: one for each instance
            self._conf = self.folder / f"slapd-{self.folder.name}"
            self.port, self.tls_port = _free_port(), _free_port()
            self.ldap, self.ldaps = f"ldap://localhost:{self.port}", f"ldaps://localhost:{self.tls_port}"
            self.base = SUFFIX
            self.people, self.groups = f"ou=people,{SUFFIX}", f"ou=groups,{SUFFIX}"
            self._configure()
            self.start()
            self.add(_BASE)
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with (self.folder / "log" / "stdout").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-D", str(self._conf), "-i", str(self.folder / "run" / "pid"), "-d", "0"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.tls_port), 0.5).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    told = "".join(path.read_text() for path in (self.folder / "log").iterdir())
                    raise RuntimeError(f"ns-slapd did not start: {told[-2000:]}") from None
                time.sleep(0.02)  # waiting for a server to listen is not waiting for our own code
            else:
                return

    def close(self) -> None:
        """End the server and remove its folder.

        At once: an orderly end takes seconds, and pytest-xdist gives its workers ten in all.
        """
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            Path(f"/dev/shm/sem.{self._conf.name}.stats").unlink(missing_ok=True)  # noqa: S108 - where it is
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Ds389:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------ data

    def add(self, ldif: str) -> None:
        """Add entries; `SUFFIX` stands for the suffix."""
        self.run("ldapadd", text=ldif.replace("SUFFIX", SUFFIX))

    def modify(self, ldif: str) -> None:
        """Apply changes written as LDIF; `SUFFIX` stands for the suffix."""
        self.run("ldapmodify", text=ldif.replace("SUFFIX", SUFFIX))

    def delete(self, *dns: str) -> None:
        """Delete entries; `SUFFIX` stands for the suffix."""
        self.run("ldapdelete", *(dn.replace("SUFFIX", SUFFIX) for dn in dns))

    def run(self, tool: str, *arguments: str, text: str = "") -> str:
        """Run a command of ldap-utils as the Directory Manager, whom no limit holds."""
        command = [require.binary(tool), "-x", "-H", f"ldap://127.0.0.1:{self.port}"]
        done = subprocess.run(
            [*command, "-D", _MANAGER, "-w", _MANAGERS_PASSWORD, *arguments],
            input=text, capture_output=True, text=True, check=False,
            env={"PATH": os.environ["PATH"], "LDAPNOINIT": "1"},
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{tool}: {done.stderr}")
        return done.stdout

    def options(self, *urls: str, **more: object) -> Options:
        """Give options: LDAPS unless URLs are given, bound as `cn=syncd`."""
        settings: dict[str, object] = {
            "urls": urls or (self.ldaps,),
            "base": SUFFIX,
            "bind_dn": f"cn=syncd,{SUFFIX}",
            "password": Secret(PASSWORD),
            "ca": self.ca,
            **more,
        }
        return Options(**settings)  # type: ignore[arg-type]

    def size_limit(self, number: int) -> None:
        """End searches of others than the Directory Manager after so many entries; -1 = never."""
        self.modify(f"dn: cn=config\nchangetype: modify\nreplace: nsslapd-sizelimit\nnsslapd-sizelimit: {number}\n")

    # ------------------------------------------------------------------ making it

    def _configure(self) -> None:
        for name in ("log", "db", "bak", "ldif", "run", "lock", "tmp"):
            (self.folder / name).mkdir()
        schema = self._conf / "schema"
        schema.mkdir(parents=True)
        (schema / "99user.ldif").write_text(_SCHEMA)
        shutil.copy(_TEMPLATES / "60nis.ldif", schema)
        self._certificates()
        templates = [(_TEMPLATES / f"template-{name}.ldif").read_text() for name in ("dse", "suffix-db")]
        text = re.sub(r"(?m)^#.*\n", "", "\n".join(templates))
        text = re.sub(r"%(\w+)%", lambda found: self._value(found[1]), text)
        records = [self._record(record) for record in re.split(r"\n\s*\n", text.strip()) if record.strip()]
        self.uuids = any(Path("/usr/lib").glob("*/dirsrv/plugins/libentryuuid-plugin.so"))
        if self.uuids:
            records += _ENTRY_UUID
        (self._conf / "dse.ldif").write_text("\n\n".join(records) + "\n")

    def _certificates(self) -> None:
        authority = Authority(self.folder / "tls")
        self.ca = str(authority.certificate)
        certificate, key = authority.issue("server", "localhost", "127.0.0.1")
        store, bundle = f"sql:{self._conf}", str(self.folder / "tmp" / "server.p12")
        for command in (
            ["certutil", "-N", "-d", store, "--empty-password"],
            ["openssl", "pkcs12", "-export", "-in", str(certificate), "-inkey", str(key), "-name", "Server-Cert",
             "-passout", "pass:", "-out", bundle],
            ["pk12util", "-i", bundle, "-d", store, "-W", "", "-K", ""],
            ["certutil", "-A", "-d", store, "-n", "Test CA", "-t", "CT,,", "-i", self.ca],
        ):  # fmt: skip
            subprocess.run([require.binary(command[0]), *command[1:]], check=True, capture_output=True)

    def _value(self, name: str) -> str:
        folder = str(self.folder)
        salt = os.urandom(8)  # a password in the clear is refused at the start
        hashed = hashlib.sha512(_MANAGERS_PASSWORD.encode() + salt).digest() + salt
        values = {
            "schema_dir": f"{self._conf}/schema", "cert_dir": str(self._conf), "config_dir": str(self._conf),
            "lock_dir": f"{folder}/lock", "tmp_dir": str(self.folder / "tmp"), "ldif_dir": f"{folder}/ldif",
            "bak_dir": f"{folder}/bak", "run_dir": f"{folder}/run", "inst_dir": folder, "log_dir": f"{folder}/log",
            "db_dir": f"{folder}/db", "db_home_dir": f"{folder}/db", "db_lib": "bdb", "fqdn": "localhost",
            "ds_port": str(self.port), "ds_user": getpass.getuser(), "rootdn": _MANAGER,
            "ds_passwd": "{SSHA512}" + base64.b64encode(hashed).decode(),
            "ldapi_enabled": "off", "ldapi": f"{folder}/ldapi", "ldapi_autobind": "off",
            "ds_suffix": SUFFIX, "ds_bename": "userroot",
        }  # fmt: skip
        return values[name]

    def _record(self, record: str) -> str:
        dn = record.partition("\n")[0].lower()
        if any(name in dn for name in _PLUGINS):
            return record.replace("nsslapd-pluginenabled: off", "nsslapd-pluginenabled: on").replace(
                "nsslapd-pluginEnabled: off", "nsslapd-pluginEnabled: on"
            )
        if dn == "dn: cn=config":
            return record + _NETWORK.format(port=self.tls_port)
        if dn == "dn: cn=config,cn=ldbm database,cn=plugins,cn=config":
            return record + _QUICK
        return record


@pytest.fixture(scope="session")
def ds389() -> Iterator[Ds389]:
    """A running 389 Directory Server with base entries; what a test adds it takes away again."""
    with Ds389() as server:
        yield server


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


_NETWORK = """
nsslapd-security: on
nsslapd-secureport: {port}
nsslapd-listenhost: 127.0.0.1
nsslapd-securelistenhost: 127.0.0.1
nsslapd-accesslog-logging-enabled: off"""
_QUICK = """
nsslapd-db-durable-transaction: off
nsslapd-cache-autosize: 0
nsslapd-dbcachesize: 10000000
nsslapd-db-locks: 10000"""
_SCHEMA = """\
dn: cn=schema
objectClass: top
objectClass: ldapSubentry
objectClass: subschema
cn: schema
aci: (target="ldap:///cn=schema")(targetattr !="aci")(version 3.0;acl "all";
  allow (read, search, compare) userdn = "ldap:///anyone";)
"""
_ENTRY_UUID = [
    f"""\
dn: cn={name},cn=plugins,cn=config
objectClass: top
objectClass: nsSlapdPlugin
cn: {name}
nsslapd-pluginDescription: {name}
nsslapd-pluginEnabled: on
nsslapd-pluginId: {name}
nsslapd-pluginInitfunc: {name}_plugin_init
nsslapd-pluginPath: lib{name.replace("_", "-")}-plugin
nsslapd-pluginType: {kind}
nsslapd-pluginVendor: 389 Project
nsslapd-pluginVersion: none"""
    for name, kind in (("entryuuid_syntax", "syntax"), ("entryuuid", "betxnpreoperation"))
]
_BASE = f"""\
dn: SUFFIX
objectClass: top
objectClass: domain
dc: example
aci: (targetattr!="userPassword")(version 3.0; acl "read"; allow (read,search,compare) userdn="ldap:///anyone";)

dn: ou=people,SUFFIX
objectClass: organizationalUnit
ou: people

dn: ou=groups,SUFFIX
objectClass: organizationalUnit
ou: groups

dn: cn=syncd,SUFFIX
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: syncd
userPassword: {PASSWORD}
"""
