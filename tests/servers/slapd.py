"""A private OpenLDAP server in a temporary folder, on loopback, with TLS; one database for every test that asks.

The configuration is in cn=config, so databases, limits, access rules and the certificate can be changed while it runs.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import ldap3
import pytest

from tests.servers import require
from tests.servers.certificates import Authority

PASSWORD = "syncd-secret"
_ROOT_PASSWORD = "root-secret"
_SCHEMAS = ("core", "cosine", "inetorgperson", "nis", "dyngroup")
_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
_OVERLAYS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    # the group's entry comes with `member` filled in from its memberURL (slapo-dynlist(5))
    "dynlist": ("olcDynListConfig", {"olcDynListAttrSet": "groupOfURLs memberURL member"}),
    # memberOf of the people is kept when groups change (slapo-memberof(5)); not for entries that slapadd loads
    "memberof": ("olcMemberOfConfig", {"olcMemberOfRefInt": "FALSE"}),
}


class Slapd:
    """A running slapd.

    Attributes:
        ldap, ldaps: URLs with the host name that is in the certificate; `ldap_ip`, `ldaps_ip` with the address.
        ca: path of the certificate authority; `other_ca`: of one that signed nothing here.
    """

    def __init__(self) -> None:
        self._slapd = require.binary("slapd")
        self._slapadd = require.binary("slapadd")
        self.folder = Path(tempfile.mkdtemp(prefix="sl", dir="/tmp"))  # UNIX socket paths are short
        self._authority = Authority(self.folder / "tls")
        self.ca = str(self._authority.certificate)
        self.other_ca = str(Authority(self.folder / "other").certificate)
        self._authority.issue("server", "localhost", "127.0.0.1")
        self._authority.issue("wronghost", "elsewhere.example")
        self.port, self.tls_port = _free_port(), _free_port()
        self.ldap, self.ldaps = f"ldap://localhost:{self.port}", f"ldaps://localhost:{self.tls_port}"
        self.ldap_ip, self.ldaps_ip = f"ldap://127.0.0.1:{self.port}", f"ldaps://127.0.0.1:{self.tls_port}"
        self._numbers = itertools.count(1)
        self._databases = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._configure()
        self.start()

    # ------------------------------------------------------------------ the process

    def start(self) -> None:
        """Start the server and wait until it answers."""
        socket_path = str(self.folder / "ldapi").replace("/", "%2F")
        listeners = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port} ldapi://{socket_path}"
        self.ldapi = f"ldapi://{socket_path}"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._slapd, "-F", str(self.folder / "conf"), "-d", "0", "-h", listeners],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", self.tls_port), 0.5).close()
            except OSError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.02)  # waiting for a server to listen is not waiting for our own code
            else:
                return
        raise RuntimeError(f"slapd did not start: {(self.folder / 'log').read_text()}")

    def stop(self) -> None:
        """Stop the server; its data stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def close(self) -> None:
        """Stop the server and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Slapd:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------ data

    def database(
        self, ldif: str = "", *, overlays: Collection[str] = (), size_limit: int | str = "unlimited"
    ) -> Database:
        """Make a new database with the base entries and the given ones (`SUFFIX` stands for the suffix).

        Old ones are deleted in time: slapd's threads have room for 32 keys, and every mdb database takes one.

        Args:
            ldif: entries.
            overlays: of `dynlist` and `memberof`.
            size_limit: how many entries a search gives; a number ends paged searches too, `size.prtotal` aside.
        """
        if self._databases >= 24:
            self._delete_databases(20)
        self._databases += 1
        suffix = f"dc=t{next(self._numbers)},dc=test"
        folder = self.folder / suffix.replace(",", "_")
        folder.mkdir()
        with self.config() as config:
            _must(
                config,
                config.add(
                    "olcDatabase=mdb,cn=config",
                    ["olcDatabaseConfig", "olcMdbConfig"],
                    {
                        "olcDatabase": "mdb",
                        "olcSuffix": suffix,
                        "olcRootDN": f"cn=admin,{suffix}",
                        "olcRootPW": _ROOT_PASSWORD,
                        "olcDbDirectory": str(folder),
                        "olcDbMaxSize": str(2 << 30),
                        "olcDbNoSync": "TRUE",
                        "olcDbIndex": ["objectClass eq", "entryUUID eq", "cn,uid eq", "member eq"],
                        "olcSizeLimit": str(size_limit),
                        "olcAccess": ["{0}to attrs=userPassword by anonymous auth by * none", "{1}to * by * read"],
                    },
                ),
            )
            wanted = {"syncprov": ("olcSyncProvConfig", {}), **{name: _OVERLAYS[name] for name in overlays}}
            for name, (kind, settings) in wanted.items():
                overlay = f"olcOverlay={name},{_config_dn(config, suffix)}"
                _must(config, config.add(overlay, ["olcOverlayConfig", kind], dict(settings)))
        database = Database(self, suffix)
        database.add(_BASE.format(suffix=suffix, name=suffix[3:].partition(",")[0], password=PASSWORD) + "\n" + ldif)
        return database

    def _delete_databases(self, number: int) -> None:
        oldest = "olcDatabase={1}mdb,cn=config"  # the others' numbers close ranks
        with self.config() as config:
            for _ in range(number):
                config.search(oldest, "(objectClass=olcOverlayConfig)", attributes=["olcOverlay"])
                for entry in reversed(config.response):  # the others' numbers close ranks here too
                    _must(config, config.delete(entry["dn"]))
                _must(config, config.delete(oldest))
        self._databases -= number
        self.stop()  # only a new process forgets the keys
        self.start()

    @contextmanager
    def config(self) -> Iterator[ldap3.Connection]:
        """Give a bound connection for cn=config."""
        server = ldap3.Server("127.0.0.1", port=self.port, get_info=ldap3.NONE)
        connection = ldap3.Connection(server, "cn=config", _ROOT_PASSWORD, auto_bind=True)
        try:
            yield connection
        finally:
            connection.unbind()

    def certificate(self, name: str) -> None:
        """Show another certificate from now on: `server` or `wronghost`."""
        tls = self.folder / "tls"
        with self.config() as config:
            changes = {
                "olcTLSCertificateFile": [(ldap3.MODIFY_REPLACE, [str(tls / f"{name}.crt")])],
                "olcTLSCertificateKeyFile": [(ldap3.MODIFY_REPLACE, [str(tls / f"{name}.key")])],
            }
            _must(config, config.modify("cn=config", changes))

    @contextmanager
    def client_certificate(self, dn: str) -> Iterator[tuple[str, str]]:
        """Take a certificate, and this process over the socket, for an entry; give certificate and key."""
        certificate, key = self._authority.issue("client", "client.example")
        owner = f"gidNumber={os.getgid()}\\+uidNumber={os.getuid()},cn=peercred,cn=external,cn=auth"
        mapped = [f"{{0}}cn=client {dn}", f"{{1}}{owner} {dn}"]
        self._identify(olcTLSVerifyClient=["try"], olcAuthzRegexp=mapped)
        try:
            yield str(certificate), str(key)
        finally:
            self._identify(olcTLSVerifyClient=["never"], olcAuthzRegexp=[])

    def _identify(self, **values: list[str]) -> None:
        with self.config() as config:
            changes = {name: [(ldap3.MODIFY_REPLACE, several)] for name, several in values.items()}
            _must(config, config.modify("cn=config", changes))

    def _configure(self) -> None:
        tls, conf = self.folder / "tls", self.folder / "conf"
        conf.mkdir()
        schemas = "".join(f"include: file:///etc/ldap/schema/{name}.ldif\n" for name in _SCHEMAS)
        text = _CONFIG.format(folder=self.folder, tls=tls, password=_ROOT_PASSWORD, schemas=schemas)
        path = self.folder / "config.ldif"
        path.write_text(text)
        subprocess.run(
            [self._slapadd, "-q", "-n", "0", "-F", str(conf), "-l", str(path)],
            check=True,
            capture_output=True,
        )


class Database:
    """One suffix of a running slapd, with `ou=people`, `ou=groups` and the bind user `cn=syncd`."""

    def __init__(self, server: Slapd, suffix: str) -> None:
        self.server = server
        self.suffix = suffix
        self.people = f"ou=people,{suffix}"
        self.groups = f"ou=groups,{suffix}"
        self.bind_dn = f"cn=syncd,{suffix}"

    def add(self, ldif: str) -> None:
        """Add entries in bulk; `SUFFIX` stands for the suffix."""
        self.run("ldapadd", "-c", text=ldif.replace("SUFFIX", self.suffix))

    def modify(self, ldif: str) -> None:
        """Apply changes written as LDIF; `SUFFIX` stands for the suffix."""
        self.run("ldapmodify", text=ldif.replace("SUFFIX", self.suffix))

    def delete(self, *dns: str) -> None:
        """Delete entries."""
        self.run("ldapdelete", *dns)

    def export(self) -> str:
        """Give the database as LDIF, operational attributes included, as `slapcat` writes it."""
        conf = str(self.server.folder / "conf")
        done = subprocess.run(
            [require.binary("slapcat"), "-F", conf, "-b", self.suffix], check=True, capture_output=True, text=True
        )
        return done.stdout

    def load(self, path: Path) -> None:
        """Load a big file of entries quickly, with the server stopped meanwhile."""
        self.server.stop()
        command = [require.binary("slapadd"), "-q", "-F", str(self.server.folder / "conf"), "-b", self.suffix]
        subprocess.run([*command, "-l", str(path)], check=True, capture_output=True)
        self.server.start()

    def limit(self, **settings: str | list[str]) -> None:
        """Set options of the database while it runs: `limit(olcSizeLimit="500")`."""
        with self.server.config() as config:
            changes: Mapping[str, object] = {
                name: [(ldap3.MODIFY_REPLACE, value if isinstance(value, list) else [value])]
                for name, value in settings.items()
            }
            _must(config, config.modify(_config_dn(config, self.suffix), changes))

    def run(self, tool: str, *arguments: str, text: str = "") -> str:
        """Run a command of ldap-utils as the database's administrator."""
        command = [require.binary(tool), "-x", "-H", self.server.ldap_ip]
        command += ["-D", f"cn=admin,{self.suffix}", "-w", _ROOT_PASSWORD, *arguments]
        environment = {"PATH": _PATH, "LDAPNOINIT": "1", "HOME": os.environ.get("HOME", "/")}
        done = subprocess.run(command, input=text, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise RuntimeError(f"{tool}: {done.stderr}")
        return done.stdout


@pytest.fixture(scope="session")
def slapd() -> Iterator[Slapd]:
    """A running OpenLDAP for all tests; each makes its own database in it."""
    with Slapd() as server:
        yield server


def _config_dn(config: ldap3.Connection, suffix: str) -> str:
    config.search("cn=config", f"(olcSuffix={suffix})", attributes=["olcDatabase"])
    return str(config.response[0]["dn"])


def _must(connection: ldap3.Connection, done: object) -> None:
    if not done:
        raise RuntimeError(str(connection.result))


def _free_port() -> int:
    with socket.socket() as plug:
        plug.bind(("127.0.0.1", 0))
        return int(plug.getsockname()[1])


_CONFIG = """\
dn: cn=config
objectClass: olcGlobal
cn: config
olcPidFile: {folder}/slapd.pid
olcTLSCACertificateFile: {tls}/ca.crt
olcTLSCertificateFile: {tls}/server.crt
olcTLSCertificateKeyFile: {tls}/server.key
olcTLSVerifyClient: never
olcLogLevel: none

dn: cn=module,cn=config
objectClass: olcModuleList
cn: module
olcModulePath: /usr/lib/ldap
olcModuleLoad: back_mdb
olcModuleLoad: syncprov
olcModuleLoad: memberof
olcModuleLoad: dynlist

dn: cn=schema,cn=config
objectClass: olcSchemaConfig
cn: schema

{schemas}
dn: olcDatabase={{-1}}frontend,cn=config
objectClass: olcDatabaseConfig
objectClass: olcFrontendConfig
olcDatabase: {{-1}}frontend
olcSizeLimit: unlimited

dn: olcDatabase={{0}}config,cn=config
objectClass: olcDatabaseConfig
olcDatabase: {{0}}config
olcRootDN: cn=config
olcRootPW: {password}
"""

_BASE = """\
dn: {suffix}
objectClass: dcObject
objectClass: organization
dc: {name}
o: Test

dn: ou=people,{suffix}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{suffix}
objectClass: organizationalUnit
ou: groups

dn: cn=syncd,{suffix}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: syncd
userPassword: {password}
"""
