"""A private Samba, as an Active Directory domain controller that serves LDAP alone.

Samba's LDAP ports are fixed, so every instance has a loopback address of its own, and needs the right to listen on 389
and 636 there. Bare Samba keeps none of the limits of Windows: `limits` puts them in front.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import ldap3
import pytest

from syncd.core.model import Secret
from syncd.directory.connection import Options
from tests.servers import domain, require
from tests.servers.certificates import Authority
from tests.servers.limits import Limits

ADMINISTRATOR = "Administrator"
ADMINISTRATORS_PASSWORD = "Admin-Secret.1"
_LIBRARY = Path(__file__).with_name("samba_domain.py")
_PYTHON = "/usr/bin/python3"  # Debian's, which has the package `samba`; isolated, since this module is named so too


class Samba:
    """A running domain controller.

    Attributes:
        base: DN of the domain.
        address: its loopback address; `ldap` and `ldaps` are URLs with it.
        host: the name in its certificate and its Kerberos principal.
        ca: path of the certificate authority.
    """

    def __init__(self, realm: str, ldif: str) -> None:
        """Make the domain, load the entries (`BASE` stands for its DN), start the server."""
        self._program = require.binary("samba")
        self.folder = Path(tempfile.mkdtemp(prefix="ad", dir="/tmp"))  # UNIX socket paths are short
        try:
            self.realm = realm
            self.base = ",".join(f"DC={part}" for part in realm.split("."))
            self.address = _address()
            self.host = f"dc1.{realm}"
            self.ldap, self.ldaps = f"ldap://{self.address}", f"ldaps://{self.address}"
            authority = Authority(self.folder / "tls")
            self.ca = str(authority.certificate)
            self.certificate = authority.issue("server", self.host, "localhost", "127.0.0.1", self.address)
            self._process: subprocess.Popen[bytes] | None = None
            self._make(ldif)
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with (self.folder / "log.samba").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-i", f"--configfile={self.folder / 'smb.conf'}", "-M", "single", "--debug-stdout",
                 "--no-process-group"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection((self.address, 636), 0.5).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"samba did not start: {(self.folder / 'log.samba').read_text()}") from None
                time.sleep(0.02)  # waiting for a server to listen is not waiting for our own code
            else:
                return

    def stop(self) -> None:
        """End the server with all that it started; its data stays."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End the server and remove its folder."""
        if getattr(self, "_process", None) is not None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Samba:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ------------------------------------------------------------------ data

    def dn(self, name: str) -> str:
        """Give the DN of a group, or of what `BASE` ends."""
        return (name if "=" in name else domain.cn(name)).replace("BASE", self.base)

    def modify(self, ldif: str) -> None:
        """Apply changes, or add entries that have no changetype; `BASE` stands for the domain's DN."""
        self.run("ldapmodify", "-a", text=ldif.replace("BASE", self.base))

    def run(self, tool: str, *arguments: str, text: str = "") -> str:
        """Run a command of ldap-utils as the administrator."""
        return self.client(tool, self.ldaps, *arguments, text=text)

    def client(self, tool: str, url: str, *arguments: str, text: str = "", who: str = "") -> str:
        """Run a command of ldap-utils against a URL as an account that reads, by default the administrator."""
        password = domain.PASSWORD if who else ADMINISTRATORS_PASSWORD
        command = [require.binary(tool), "-x", "-H", url, "-D", f"{who or ADMINISTRATOR}@{self.realm}"]
        environment = {"PATH": os.environ["PATH"], "LDAPCONF": str(self.folder / "ldap.conf")}
        done = subprocess.run(
            [*command, "-w", password, *arguments],
            input=text, capture_output=True, text=True, env=environment, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{tool}: {done.stderr}")
        return done.stdout

    def values(self, dn: str, attribute: str) -> list[str]:
        """Give the values of one entry's attribute, the way ldap3 shows them with the server's schema."""
        tls = ldap3.Tls(ca_certs_file=self.ca)
        server = ldap3.Server(self.address, use_ssl=True, tls=tls, get_info=ldap3.SCHEMA)
        name = f"{ADMINISTRATOR}@{self.realm}"
        connection = ldap3.Connection(server, name, ADMINISTRATORS_PASSWORD, auto_bind=True)
        try:
            connection.search(dn.replace("BASE", self.base), "(objectClass=*)", ldap3.BASE, attributes=[attribute])
            return [str(value) for value in connection.entries[0][attribute].values]
        finally:
            connection.unbind()

    def options(self, *urls: str, who: str = domain.READER, **more: object) -> Options:
        """Give options: LDAPS unless URLs are given, bound as an account that reads."""
        settings: dict[str, object] = {
            "urls": urls or (self.ldaps,),
            "base": self.base,
            "bind_dn": f"CN={who},OU=services,{self.base}",
            "password": Secret(domain.PASSWORD),
            "ca": self.ca,
            **more,
        }
        return Options(**settings)  # type: ignore[arg-type]

    def limits(self, **settings: int) -> Limits:
        """Give a proxy with the limits of Windows before this server."""
        return Limits(self.address, self.ca, self.certificate, **settings)

    # ------------------------------------------------------------------ making it

    def _make(self, ldif: str) -> None:
        for name in ("private", "state", "cache", "lock", "pid", "sock", "log"):
            (self.folder / name).mkdir(mode=0o700)
        settings, entries = self.folder / "smb.conf", self.folder / "entries.ldif"
        settings.write_text(_CONFIGURATION.format(self=self, domain=self.realm.partition(".")[0].upper()))
        entries.write_text(ldif.replace("BASE", self.base))
        (self.folder / "ldap.conf").write_text(f"TLS_CACERT {self.ca}\n")
        done = subprocess.run(
            [_PYTHON, "-I", str(_LIBRARY), str(settings), ADMINISTRATORS_PASSWORD, str(entries)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"the domain could not be made: {done.stderr[-2000:]}")


@pytest.fixture(scope="session")
def samba() -> Iterator[Samba]:
    """A domain controller of corp.example.test with the data set of `domain`; what a test adds it takes away again."""
    with Samba("corp.example.test", domain.everything()) as server:
        yield server


@pytest.fixture(scope="session")
def subsidiary() -> Iterator[Samba]:
    """A domain controller of another domain, sub.example.test, with three people."""
    with Samba("sub.example.test", domain.few()) as server:
        yield server


def _address() -> str:
    """Give a loopback address on which 389 and 636 can be listened on; else skip, or fail in CI."""
    for _ in range(50):
        address = f"127.{random.randint(20, 250)}.{random.randint(1, 250)}.{random.randint(1, 250)}"  # noqa: S311
        try:
            for port in (389, 636):
                socket.create_server((address, port)).close()
        except PermissionError:
            require.missing("the right to listen on port 389")
        except OSError:
            continue
        return address
    raise RuntimeError("no free loopback address")


_CONFIGURATION = """\
[global]
  netbios name = dc1
  realm = {self.realm}
  workgroup = {domain}
  server role = active directory domain controller
  server services = ldap
  dcerpc endpoint servers =
  interfaces = {self.address}/8
  bind interfaces only = yes
  private dir = {self.folder}/private
  state directory = {self.folder}/state
  cache directory = {self.folder}/cache
  lock directory = {self.folder}/lock
  pid directory = {self.folder}/pid
  ncalrpc dir = {self.folder}/sock/np
  winbindd socket directory = {self.folder}/sock/wb
  ntp signd socket directory = {self.folder}/sock/ntp
  binddns dir = {self.folder}/sock/dns
  usershare path =
  log file = {self.folder}/log/log.%m
  log level = 0
  tls enabled = yes
  tls cafile = {self.ca}
  tls certfile = {self.certificate[0]}
  tls keyfile = {self.certificate[1]}
  tls verify peer = no_check
  # as Windows with "LDAP server signing requirements": no password in the clear
  ldap server require strong auth = yes
  ldb:nosync = true
  tdb:no_fsync = true
  dreplsrv:periodic_startup_interval = 3600
[sysvol]
  path = {self.folder}/state/sysvol
  read only = no
[netlogon]
  path = {self.folder}/state/sysvol/scripts
  read only = no
"""
