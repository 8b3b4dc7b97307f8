#!/usr/bin/python3
"""Make a Samba domain off-line: `samba_domain.py SMB_CONF ADMINISTRATORS_PASSWORD LDIF`.

Runs with the system's Python, the only one that has Debian's `samba` package. It is `samba-tool domain provision` less
the access lists of sysvol, which need root and extended attributes, and less DNS. Then the LDIF is loaded in one
transaction: entries, and changes with a changetype. In an entry `clearPassword: TEXT` stands for the password, in a
change `primaryGroupID: NAME` for the group of that name; `#deny ACCOUNT RIGHTS` in a line before an entry denies a
`sAMAccountName` rights on it, written as in SDDL ([MS-DTYP] 2.5.1).
"""

import logging
import re
import sys
from pathlib import Path

import ldb
from samba.auth import system_session
from samba.dsdb import DS_DOMAIN_FUNCTION_2008_R2
from samba.param import LoadParm
from samba.provision import provision
from samba.samdb import SamDB
from samba.sd_utils import SDUtils

_DENIED = re.compile(r"(?m)^#deny (\S+) (.+)\ndn: (.+)$")


def make(settings: LoadParm, path: str, password: str) -> None:
    """Make the empty domain."""
    provision(
        logging.getLogger(),
        system_session(),
        smbconf=path,
        lp=settings,
        realm=settings.get("realm"),
        domain=settings.get("workgroup"),
        hostname=settings.get("netbios name").lower(),
        hostip="127.0.0.1",
        adminpass=password,
        serverrole=settings.get("server role"),
        dom_for_fun_level=DS_DOMAIN_FUNCTION_2008_R2,
        dns_backend="NONE",
        use_rfc2307=True,
        useeadb=True,
        skip_sysvolacl=True,
    )


def load(database: SamDB, text: str) -> None:
    """Add and change what the text says."""
    database.transaction_start()
    for kind, message in database.parse_ldif(text):
        if kind == ldb.CHANGETYPE_MODIFY:
            if "primaryGroupID" in message:
                message["primaryGroupID"] = primary(database, str(message["primaryGroupID"][0]))
            database.modify(message)
            continue
        if "clearPassword" in message:
            quoted = f'"{message["clearPassword"][0]}"'.encode("utf-16-le")  # [MS-ADTS] 3.1.1.3.1.5
            del message["clearPassword"]
            message["unicodePwd"] = ldb.MessageElement(quoted, ldb.FLAG_MOD_ADD, "unicodePwd")
        database.add(message)
    database.transaction_commit()


def primary(database: SamDB, group: str) -> ldb.MessageElement:
    """Give the last part of a group's SID as the value of primaryGroupID."""
    return ldb.MessageElement(sid(database, group).rpartition("-")[2], ldb.FLAG_MOD_REPLACE, "primaryGroupID")


def sid(database: SamDB, account: str) -> str:
    """Give the SID of a user or group."""
    [found] = database.search(expression=f"(sAMAccountName={account})", attrs=["objectSid"])
    text: bytes = database.schema_format_value("objectSid", found["objectSid"][0])
    return text.decode()


def deny(database: SamDB, text: str) -> None:
    """Put what the text denies before all other rights."""
    rights = SDUtils(database)
    for account, what, dn in _DENIED.findall(text):
        granted, _, attribute = what.partition(";")
        kind = "OD" if attribute else "D"
        rights.dacl_add_ace(dn, f"({kind};;{granted};{attribute};;{sid(database, account)})")


def main(path: str, password: str, ldif: str) -> None:
    """Make the domain, load it, deny what is denied."""
    settings = LoadParm()
    settings.load(path)
    make(settings, path, password)
    # In batch mode no record can fail alone, but each costs a fifth: the indexes are not copied for every one.
    session, options = system_session(), ["batch_mode:1"]
    database = SamDB(url=settings.private_path("sam.ldb"), session_info=session, lp=settings, options=options)
    text = Path(ldif).read_text(encoding="utf-8")
    load(database, text)
    deny(database, text)


if __name__ == "__main__":
    main(*sys.argv[1:])
