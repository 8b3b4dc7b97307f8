"""From the options of a command line to what an account is, or what changes about it.

| endpoint options                                    | servers of the new account                                 |
|-----------------------------------------------------|------------------------------------------------------------|
| --mail-endpoint-source primary or localhost         | those, mail and transport; server options are ignored      |
| none, or no source, and all five of the mail server | as given; without --transport-server it can receive only   |
| the same and --transport-endpoint-source localhost  | mail as given, transport of this machine                   |
| a transport source that does not fit                | refused: OX takes both from one place (ox-facts 2.6)       |
| nothing about the mail server                       | as the accounts that exist have it                         |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from syncd.byhand.asking import Exit, HandError
from syncd.cli.account_options import FOLDERS, MAIL, Given, absent
from syncd.core.model import Account, Endpoint, Secret
from syncd.openxchange.edit import AccountChange, ServerChange
from syncd.openxchange.urls import Server
from syncd.settings.mailboxes import LOCALHOST
from syncd.settings.texts import ascii_host

_SOURCES = ("primary", "localhost", "none")
_PORTS = range(1, 65536)
_PROTOCOLS = {"mail": "imap", "transport": "smtp"}


def incomplete(given: Given) -> list[str]:
    """Name what an account cannot be made without, and was not given; in the words of the vendor's tool."""
    missing = [name for name in ("login", "name") if name not in given]
    if not missing and (servers := _missing_servers(given)):
        missing = [f"mail-endpoint-source OR {','.join(servers)}"]
    return missing


def new_account(given: Given, template: Account | None) -> Account:
    """Give the account that is to be made.

    Args:
        given: the command line.
        template: what counts where nothing was given; None = nothing does.

    Raises:
        HandError: an option is missing, or a value cannot be.
    """
    if template is None:
        if missing := incomplete(given):
            raise absent(missing)
        template = Account(name="", login="", mail=None, transport=None)
    elif any(name in given for name in MAIL) and (servers := _missing_servers(given)):
        raise absent([f"mail-endpoint-source OR {','.join(servers)}"])
    for name in ("name", "login"):
        if not given.get(name, getattr(template, name)).strip():
            raise HandError(f"--{name} must not be empty", code=Exit.INVALID)
    mail, transport = _endpoints(given, template)
    return replace(
        template,
        name=given.get("name", template.name),
        login=given.get("login", template.login),
        personal=given.get("personal", template.personal),
        reply_to=given.get("reply-to", template.reply_to),
        mail=mail,
        transport=transport,
        transport_login=given.get("transport-login", template.transport_login),
        password=_password(given, "password", template.password),
        transport_password=_password(given, "transport-password", template.transport_password),
        folders={**template.folders, **_folders(given)},
    )


def ignored(given: Given) -> list[str]:
    """Name the server options that count for nothing beside a source (the tool ignores them without a word)."""
    if _source(given, "mail-endpoint-source") in {None, "none"}:
        return []
    servers = (*MAIL, *(name.replace("mail", "transport", 1) for name in MAIL))
    return [name for name in servers if name in given]


def change(given: Given) -> AccountChange:
    """Give what an update changes; what is not given stays.

    Raises:
        HandError: a value cannot be.
    """
    if "name" in given and not given["name"].strip():
        raise HandError("ACC-0016 Categories=USER_INPUT Message='Invalid mail account name: '", code=Exit.STORAGE)
    return AccountChange(
        name=given.get("name"),
        personal=given.get("personal"),
        reply_to=given.get("reply-to"),
        mail=_server_change(given, "mail", ""),
        transport=_server_change(given, "transport", "transport-"),
        folders=_folders(given),
    )


def _server_change(given: Given, part: str, credentials: str) -> ServerChange:
    login, password = f"{credentials}login", f"{credentials}password"
    return ServerChange(
        host=_host(given, part) if given.get(f"{part}-server", "").strip() else None,
        port=_port(given, part),
        protocol=_protocol(given, part),
        secure=given.flag(f"{part}-secure"),
        starttls=given.flag(f"{part}-starttls"),
        login=given.get(login),
        password=Secret(given[password]) if password in given else None,
    )


def _folders(given: Given) -> dict[str, str]:
    return {kind.replace("-", "_"): given[f"{kind}-fullname"] for kind in FOLDERS if f"{kind}-fullname" in given}


def _password(given: Given, name: str, otherwise: Secret | None) -> Secret | None:
    if name not in given:
        return otherwise
    return Secret(given[name]) if given[name] else None


# --------------------------------------------------------------------------- servers


def _source(given: Given, name: str) -> str | None:
    if name not in given:
        return None
    source = given[name].strip().lower()
    if source not in _SOURCES:
        raise HandError(f"--{name} is {', '.join(_SOURCES)}, not {given[name]!r}", code=Exit.VALUE)
    return source


def _missing_servers(given: Given) -> Sequence[str]:
    if _source(given, "mail-endpoint-source") in {"primary", "localhost"}:
        return ()
    return [name for name in MAIL if name not in given]


def _endpoints(given: Given, template: Account) -> tuple[Endpoint | None, Endpoint | None]:
    """Give mail and transport server by the table above."""
    source, wanted = (_source(given, f"{part}-endpoint-source") for part in ("mail", "transport"))
    named = source is not None or any(name in given for name in MAIL)
    if source in {"primary", "localhost"}:
        if wanted not in {None, source}:
            raise _unfit(wanted, f"with --mail-endpoint-source {source}")
        return (None, None) if source == "primary" else LOCALHOST
    if not named and template.mail is None:
        if wanted not in {None, "primary"} or "transport-server" in given:
            raise _unfit(wanted, "where the servers are copied from the user's primary account")
        return None, None
    mail = _given_endpoint(given, "mail") if named else template.mail
    if wanted == "primary":
        raise _unfit(wanted, "unless the mail server is taken from there, too")
    if wanted == "localhost":
        return mail, LOCALHOST[1]
    if given.get("transport-server", "").strip():
        return mail, _given_endpoint(given, "transport")
    return mail, None if named or wanted == "none" else template.transport


def _unfit(wanted: str | None, where: str) -> HandError:
    text = f"the transport cannot be taken from elsewhere ({wanted or 'options'}) {where}"
    return HandError(text, code=Exit.VALUE, hint="Open-Xchange takes both servers from one place")


def _given_endpoint(given: Given, part: str) -> Endpoint:
    port = _port(given, part)
    if port is None:
        raise absent([f"{part}-port"])
    protocol = _protocol(given, part) or _PROTOCOLS[part]
    server = Server(protocol, bool(given.flag(f"{part}-secure")), _host(given, part), port)
    return Endpoint(str(server), bool(given.flag(f"{part}-starttls")))


def _host(given: Given, part: str) -> str:
    try:
        return ascii_host(given[f"{part}-server"])
    except ValueError:
        raise HandError(f"Invalid host name: {given[f'{part}-server']}", code=Exit.STORAGE) from None


def _port(given: Given, part: str) -> int | None:
    port = given.number(f"{part}-port")
    if port is not None and port not in _PORTS:
        raise HandError(f"--{part}-port is a number from 1 to 65535, not {port}", code=Exit.VALUE)
    return port


def _protocol(given: Given, part: str) -> str | None:
    if f"{part}-protocol" not in given:
        return None
    protocol, only = given[f"{part}-protocol"].lower(), _PROTOCOLS[part]
    if protocol != only:
        code = Exit.STORAGE  # what the tool ends with where a protocol would change
        raise HandError(f"--{part}-protocol is {only}, not {protocol!r}", code=code)
    return protocol
