"""Signatures and keys in minisign's format. The cryptography is libsodium's, through PyNaCl.

Only the kind that minisign writes today: Ed25519 over the BLAKE2b-512 of the message ("ED").
"""

from __future__ import annotations

import base64
import binascii
import getpass
import hashlib
import os
import struct
from dataclasses import dataclass
from typing import Any

_UNTRUSTED = "untrusted comment: "
_TRUSTED = "trusted comment: "


class SignError(Exception):
    """Why something could not be signed or a signature does not hold; for people."""


def _nacl() -> Any:
    try:
        import nacl.signing
    except ImportError:
        raise SignError("signatures need PyNaCl: pip install PyNaCl") from None
    return nacl


def _decode(text: str, size: int, what: str) -> bytes:
    try:
        data = base64.b64decode(text.strip(), validate=True)
    except binascii.Error:
        data = b""
    if len(data) != size:
        raise SignError(f"{what} is damaged, or not minisign's")
    return data


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(8192).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SignError(f"cannot read the key {path}: {error}") from None


# ---- secret keys ----


@dataclass
class SecretKey:
    number: bytes  # eight bytes that name the pair
    seed: bytes  # 32 bytes
    public: bytes  # 32 bytes


def _scrypt(password: bytes, salt: bytes, opslimit: int, memlimit: int) -> bytes:
    """The stream that hides a secret key, with libsodium's choice of scrypt's parameters."""
    opslimit, r = max(opslimit, 32768), 8
    by_operations = opslimit < memlimit // 32
    most = opslimit // (r * 4) if by_operations else memlimit // (r * 128)
    log = 1
    while log < 63 and (1 << log) <= most // 2:
        log += 1
    p = 1 if by_operations else min(opslimit // 4 // (1 << log), 0x3FFFFFFF) // r
    return hashlib.scrypt(password, salt=salt, n=1 << log, r=r, p=max(p, 1), dklen=104, maxmem=2 * memlimit + (1 << 26))


def _checksum(number: bytes, secret: bytes) -> bytes:
    return hashlib.blake2b(b"Ed" + number + secret, digest_size=32).digest()


def read_secret(path: str, password: str | None = None) -> SecretKey:
    """A secret key file of minisign. Asks for the password when there is one and none was given."""
    lines = _lines(path)
    data = _decode(lines[1] if len(lines) > 1 else "", 158, f"the secret key {path}")
    algorithm, kdf, check, salt = data[:2], data[2:4], data[4:6], data[6:38]
    opslimit, memlimit = struct.unpack_from("<QQ", data, 38)
    hidden = data[54:]
    if algorithm != b"Ed" or check != b"B2" or kdf not in (b"Sc", b"\0\0"):
        raise SignError(f"the secret key {path} is of a kind that is not supported")
    if kdf == b"Sc":
        if password is None:
            password = getpass.getpass(f"Password of {path}: ")
        stream = _scrypt(password.encode(), salt, opslimit, memlimit)
        hidden = bytes(a ^ b for a, b in zip(hidden, stream))
    number, secret, checksum = hidden[:8], hidden[8:72], hidden[72:]
    if kdf == b"Sc" and _checksum(number, secret) != checksum:
        raise SignError(f"wrong password for {path}")
    return SecretKey(number, secret[:32], secret[32:])


def new_pair(path: str) -> tuple[str, str]:
    """Make a key pair, PATH.key (secret, without a password, for the owner's eyes) and PATH.pub; -> both names."""
    key = _nacl().signing.SigningKey.generate()
    number, public = os.urandom(8), bytes(key.verify_key)
    secret = bytes(key) + public
    data = b"Ed\0\0B2" + bytes(48) + number + secret + _checksum(number, secret)
    name = number[::-1].hex().upper()
    for end, mode, text in [
        (".key", 0o600, f"{_UNTRUSTED}minisign secret key {name}\n{base64.b64encode(data).decode()}\n"),
        (".pub", 0o644, f"{_UNTRUSTED}minisign public key {name}\n{base64.b64encode(b'Ed' + number + public).decode()}\n"),
    ]:
        handle = os.open(path + end, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "w") as file:
            file.write(text)
    return path + ".key", path + ".pub"


# ---- signing and checking ----


def sign(key: SecretKey, message: bytes, comment: str = "sealed by gossamer") -> bytes:
    """The text of a .minisig file. The same message and key give the same bytes."""
    signer = _nacl().signing.SigningKey(key.seed)
    if bytes(signer.verify_key) != key.public:
        raise SignError("the secret key is damaged: its two halves do not belong together")
    made = signer.sign(hashlib.blake2b(message, digest_size=64).digest()).signature
    overall = signer.sign(made + comment.encode()).signature
    first = base64.b64encode(b"ED" + key.number + made).decode()
    return f"{_UNTRUSTED}signature from gossamer seal\n{first}\n{_TRUSTED}{comment}\n{base64.b64encode(overall).decode()}\n".encode()


def read_public(path: str) -> bytes:
    """The 42 bytes of a public key file, or of its second line given as text."""
    if not os.path.exists(path) and path.startswith("RW"):
        return _decode(path, 42, "the public key")
    lines = _lines(path)
    text = lines[1] if lines and lines[0].startswith(_UNTRUSTED) and len(lines) > 1 else (lines or [""])[0]
    data = _decode(text, 42, f"the public key {path}")
    if data[:2] != b"Ed":
        raise SignError(f"the public key {path} is of a kind that is not supported")
    return data


def verify(public: bytes, message: bytes, signature: bytes) -> str:
    """The trusted comment of a good signature; SignError says why a bad one is bad."""
    nacl = _nacl()
    lines = signature.decode("utf-8", "replace").splitlines()
    if len(lines) != 4 or not lines[0].startswith(_UNTRUSTED) or not lines[2].startswith(_TRUSTED):
        raise SignError("the signature is not in minisign's format")
    made, overall = _decode(lines[1], 74, "the signature"), _decode(lines[3], 64, "the signature")
    if made[:2] != b"ED":
        raise SignError("the signature is not of the kind ED (Ed25519 over BLAKE2b-512)")
    if made[2:10] != public[2:10]:
        raise SignError("the signature was made with another key than the pinned one")
    comment = lines[2][len(_TRUSTED) :]
    import nacl.exceptions

    key = nacl.signing.VerifyKey(public[10:])
    try:
        key.verify(hashlib.blake2b(message, digest_size=64).digest(), made[10:])
    except nacl.exceptions.BadSignatureError:
        raise SignError("the signature does not match the manifest") from None
    try:
        key.verify(made[10:] + comment.encode(), overall)
    except nacl.exceptions.BadSignatureError:
        raise SignError("the signature's trusted comment was changed") from None
    return comment
