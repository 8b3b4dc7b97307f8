"""What is wrong with a mail server or with a login, in the words of the one who has to repair it.

The rule kept here: what a server says is shown without anything that could be a part of the password, or of the form in
which it was sent.
"""

from __future__ import annotations

import base64
import imaplib
import os
import smtplib
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import quote

from syncd.core.logins import Credentials, Server
from syncd.errors import SyncdError

TROUBLE = (OSError, smtplib.SMTPException, imaplib.IMAP4.error, ValueError, TypeError, LookupError)
"""What a connection, or an answer that is none, makes the standard library raise."""
_WINDOW = 6
"""So many characters of a secret in a row are a part of it, and no chance."""
_LENGTH = 200
_NO_CODE = -1
"""What smtplib has for the code of an answer that is none of SMTP."""
ENDED = "the server ended the connection"
_UP = "is the server up, the port right?"


class Unusable(SyncdError):  # noqa: N818 - a state
    """Nobody can log in at a server as it is configured."""


class NoLogin(Unusable):
    """The server asks nobody for a login."""


class Rejected(SyncdError):  # noqa: N818 - a state
    """The server answers, and does not take this login."""


def section(server: Server) -> str:
    """Name the section of the configuration that has the server."""
    return "account.mail" if server.protocol == "imap" else "account.transport"


def unusable(  # noqa: PLR0911 - one return a cause
    server: Server, error: BaseException, seconds: float
) -> Unusable:
    """Translate what happened before a login was shown to the server.

    Args:
        server: the one.
        error: one of TROUBLE.
        seconds: how long was waited, where the time is over.
    """
    where = section(server)
    cause = error.__context__  # smtplib and imaplib tell some errors of the system in words only
    if isinstance(error, smtplib.SMTPServerDisconnected | imaplib.IMAP4.abort) and isinstance(cause, OSError):
        error = cause
    if isinstance(error, ssl.SSLError):
        return _insecure(server, error)
    if isinstance(error, socket.gaierror):
        return Unusable(f"the host name {server.host} is unknown", hint=f"check {where}.server and the name server")
    if isinstance(error, TimeoutError):
        hint = _UP if server.tls == "start" else f"{_UP} One for TLS from the start waits for it: secure: true"
        return Unusable(f"no answer within {seconds:g} s", hint=hint)
    if isinstance(error, smtplib.SMTPServerDisconnected) or str(error).endswith("EOF"):
        return Unusable(ENDED)
    answered = isinstance(error, smtplib.SMTPResponseException) and error.smtp_code != _NO_CODE
    if answered or said(error).startswith("* BYE"):
        return Unusable(f"the server refuses us: {said(error)}")
    if isinstance(error, OSError) and error.errno:
        return Unusable(os.strerror(error.errno).lower(), hint=_UP)
    return Unusable(
        f"{server.protocol.upper()} failed: {said(error)}", hint=f"is {where}.port that of {server.protocol}?"
    )


def _insecure(server: Server, error: ssl.SSLError) -> Unusable:
    if isinstance(error, ssl.SSLCertVerificationError):
        text = error.verify_message or str(error)
        if "mismatch" in text.lower() or "not valid for" in text:
            hint = f"{section(server)}.server must be a name that the certificate has"
            return Unusable(f"the certificate is that of another host: {text.rstrip('.')}", hint=hint)
        return Unusable(f"the certificate is not trusted: {text}", hint="--imap-ca FILE says whom to trust")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Unusable(ENDED)
    hint = "" if server.tls == "starttls" else "for a port that begins without TLS write starttls: true, not secure"
    return Unusable(f"TLS failed: {error.reason or error}", hint=hint)


def said(error: BaseException) -> str:
    """Give what a server said, from an exception of the standard library, in one line."""
    if isinstance(error, smtplib.SMTPResponseException):
        code = "" if error.smtp_code == _NO_CODE else error.smtp_code
        return printable(f"{code} {_text(error.smtp_error)}") or "no text"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return printable(_text(error.args[0])) if error.args else type(error).__name__


def answer(text: str, credentials: Credentials) -> str:
    """Give the server's answer to a login, behind a colon; nothing if it repeats what was shown to the server."""
    squeezed = "".join(text.split()).casefold()
    for form in _forms(credentials):
        part = "".join(form.split()).casefold()
        windows = (part[start : start + _WINDOW] for start in range(max(1, len(part) - _WINDOW + 1)))
        if any(window and window in squeezed for window in windows):
            return ", in words that are not shown since they may hold the password"
    return f": {printable(text)}"


def printable(text: str) -> str:
    """Put a text into one line that paints no terminal, cut short."""
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= _LENGTH else line[: _LENGTH - 1] + "…"


def require_one_line(credentials: Credentials) -> None:
    """Refuse what would end a command, and begin another.

    Raises:
        Rejected: login or password has a line break, or the octet 0 that separates them in SASL PLAIN.
    """
    if any(char in "\0\r\n" for char in credentials.login + credentials.password.reveal()):
        raise Rejected("login or password has a line break or a NUL in it, which cannot be sent")


def plain(credentials: Credentials) -> bytes:
    """Give the message of SASL PLAIN (RFC 4616): no other identity, login, password."""
    return f"\0{credentials.login}\0{credentials.password.reveal()}".encode()


def encoded(message: bytes) -> str:
    """Give it as SASL sends it: Base64 without line breaks."""
    return base64.b64encode(message).decode("ascii")


def _forms(credentials: Credentials) -> Iterator[str]:
    """Give every form in which a server may repeat a password."""
    password = credentials.password.reveal()
    yield password
    yield password.replace("\\", "\\\\").replace('"', '\\"')
    yield repr(password.encode())[2:-1]
    yield password.encode().decode("latin-1")
    yield quote(password, safe="")
    yield encoded(password.encode())
    yield encoded(plain(credentials))


def _text(words: object) -> str:
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)
