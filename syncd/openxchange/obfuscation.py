"""Encrypt and decrypt stored account passwords as Open-Xchange does (ox-facts 3).

OX calls it obfuscation, since every node has the key (`com.openexchange.sessiond.encryptionKey`). There are two
formats: *legacy* until 8.15 (AES-CBC, the same text every time) and *argon2* since 8.16 (AES-GCM, another text every
time). Neither reads the other's. Blank passwords are stored as they are.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import mmh3
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7

from syncd.core.model import Secret

Format = Literal["argon2", "legacy"]
_SEAL_BYTES = 16
_BLANKS = " \t\n\v\f\r\x1c\x1d\x1e\x1f"
"""What Java calls white space, as far as ASCII goes; no-break spaces are encrypted (ox-behaviour 18.10)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obfuscation:
    """Which format the installation uses, and its key."""

    format: Literal["argon2", "legacy", "auto"]
    """auto: that of the stored rows, see `Automatic`."""
    key: Secret


class Obfuscator(Protocol):
    """Encrypt and decrypt with one key."""

    def encrypt(self, plain: str) -> str:
        """Give the text to store; blank text unchanged."""
        ...

    def decrypt(self, text: str) -> str | None:
        """Give the password; None when the text is not of this format or key. Blank text is itself."""
        ...

    def seal(self, ciphertext: str, plain: str) -> bytes:
        """Give a proof (16 bytes) that this ciphertext was verified against this password with this key."""
        ...


def obfuscator(options: Obfuscation) -> Obfuscator:
    """Give the obfuscator of a format."""
    key = options.key.reveal()
    if options.format == "auto":
        return Automatic(key)
    return Argon2(key) if options.format == "argon2" else Legacy(key)


class Legacy:
    """The format until 8.15: AES-128-CBC with a fixed IV, so that equal passwords give equal texts."""

    def __init__(self, key: str) -> None:
        self._seal_key = _seal_key(key, "legacy")
        self._key = hashlib.pbkdf2_hmac("sha1", key.encode(), bytes(range(16)), 1000, 16)

    def encrypt(self, plain: str) -> str:
        """Give the text to store; blank text unchanged."""
        if not plain.strip(_BLANKS):
            return plain
        padder = PKCS7(128).padder()
        encryptor = self._cipher().encryptor()
        padded = padder.update(plain.encode()) + padder.finalize()
        return base64.b64encode(encryptor.update(padded) + encryptor.finalize()).decode()

    def decrypt(self, text: str) -> str | None:
        """Give the password; None when the text is not of this format or key. Blank text is itself."""
        if not text.strip(_BLANKS):
            return text
        try:
            decryptor = self._cipher().decryptor()
            padded = decryptor.update(base64.b64decode(text, validate=True)) + decryptor.finalize()
            unpadder = PKCS7(128).unpadder()
            return (unpadder.update(padded) + unpadder.finalize()).decode()
        except ValueError:  # Base64, block length, padding and UTF-8 errors are all this
            return None

    def seal(self, ciphertext: str, plain: str) -> bytes:
        """Give a proof (16 bytes) that this ciphertext was verified against this password with this key."""
        return _seal(self._seal_key, ciphertext, plain)

    def _cipher(self) -> Cipher[modes.CBC]:
        return Cipher(algorithms.AES(self._key), modes.CBC(bytes(16)))  # the vendor's IV is sixteen zero bytes


class Argon2:
    """The format since 8.16: an Argon2i key per salt, AES-256-GCM with a fresh IV for every text.

    Deriving a key takes some 20 ms, so one salt serves all that an instance encrypts, and keys are kept by salt.
    """

    def __init__(
        self,
        key: str,
        *,
        memory: int = 15360,
        iterations: int = 2,
        lanes: int = 1,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._seal_key = _seal_key(key, "argon2")
        self._passphrase = mmh3.mmh3_x64_128_digest(key.encode(), 0).hex().encode()
        self._parameters = (memory, iterations, lanes)
        self._random = random
        self._salt: bytes | None = None
        self._keys: dict[tuple[bytes, int, int, int], AESGCM] = {}

    def encrypt(self, plain: str) -> str:
        """Give the text to store; blank text unchanged."""
        if not plain.strip(_BLANKS):
            return plain
        if self._salt is None:
            self._salt = self._random(16)
        iv = self._random(12)
        sealed = self._key(self._salt, *self._parameters).encrypt(iv, plain.encode(), None)
        memory, iterations, lanes = self._parameters
        return f"{_b64(iv)}${_b64(self._salt)}${memory}${iterations}${lanes}${_b64(sealed)}"

    def decrypt(self, text: str) -> str | None:
        """Give the password; None when the text is not of this format or key. Blank text is itself."""
        if not text.strip(_BLANKS):
            return text
        try:
            iv, salt, memory, iterations, lanes, sealed = text.split("$")
            parameters = (int(memory), int(iterations), int(lanes))
            if not (8 <= parameters[0] <= 1 << 20 and 1 <= parameters[1] <= 64 and 1 <= parameters[2] <= 16):
                return None  # a damaged text shall not cost gigabytes
            key = self._key(base64.b64decode(salt, validate=True), *parameters)
            plain = key.decrypt(base64.b64decode(iv, validate=True), base64.b64decode(sealed, validate=True), None)
            return plain.decode()
        except (ValueError, InvalidTag, binascii.Error):
            return None

    def seal(self, ciphertext: str, plain: str) -> bytes:
        """Give a proof (16 bytes) that this ciphertext was verified against this password with this key."""
        return _seal(self._seal_key, ciphertext, plain)

    def _key(self, salt: bytes, memory: int, iterations: int, lanes: int) -> AESGCM:
        known = (salt, memory, iterations, lanes)
        if known not in self._keys:
            if len(salt) < 8:
                raise ValueError("salt too short")
            raw = hash_secret_raw(self._passphrase, salt, iterations, memory, lanes, 32, Type.I, version=0x13)
            self._keys[known] = AESGCM(raw)
        return self._keys[known]


class Automatic:
    """The format that the stored rows have; argon2 until somebody has looked at them."""

    def __init__(self, key: str) -> None:
        self.formats: dict[Format, Obfuscator] = {"argon2": Argon2(key), "legacy": Legacy(key)}
        self.format: Format | None = None
        """What `settle` was told; None = nobody has looked yet."""

    def settle(self, format: Format) -> None:  # noqa: A002 - it has this name in the configuration
        """Use a format from now on."""
        self.format = format

    def encrypt(self, plain: str) -> str:
        """Give the text to store; blank text unchanged."""
        return self._current.encrypt(plain)

    def decrypt(self, text: str) -> str | None:
        """Give the password; None when the text is not of the format in use or this key. Blank text is itself."""
        return self._current.decrypt(text)

    def seal(self, ciphertext: str, plain: str) -> bytes:
        """Give a proof (16 bytes) that this ciphertext was verified against this password with this key."""
        return self._current.seal(ciphertext, plain)

    @property
    def _current(self) -> Obfuscator:
        return self.formats[self.format or "argon2"]


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _seal_key(key: str, kind: Format) -> bytes:
    """Give the key of the seals; after an upgrade those of the other format prove nothing (ox-facts 3.3)."""
    return hashlib.sha256(f"syncd seal\0{kind}\0{key}".encode()).digest()


def _seal(key: bytes, ciphertext: str, plain: str) -> bytes:
    """Bind ciphertext and password; the password is in the key, so that the seal gives no quick way to guess it."""
    inner = hmac.digest(key, plain.encode(), "sha256")
    return hmac.digest(inner, ciphertext.encode(), "sha256")[:_SEAL_BYTES]
