"""Keeps Ed25519 keys of people: who signs a verdict that travels, and whose signature is believed.

A private key is a file that somebody names, in PEM or in OpenSSH's form, and of which nobody else may read a
byte. No key is ever made without being asked for.
"""

import base64
import hashlib
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MOST = 1 << 16
_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)
_SSH = re.compile(rb"^ssh-ed25519 [A-Za-z0-9+/=]+", re.MULTILINE)


class KeyFault(Exception):
    """Says that a key cannot be used; the message names the file and the remedy."""


def make_key(path: Path) -> Path:
    """Write a new private key, for its owner only, and beside it its public key, whose path is returned.

    Raises:
        KeyFault: one of the files is there already, or cannot be written.
    """
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key, public = Ed25519PrivateKey.generate(), path.with_name(path.name + ".pub")
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    if os.path.lexists(public):
        raise KeyFault(f"{public}: is there already; a key is never replaced: name another file")
    _write_new(path, private, 0o600)
    _write_new(public, public_pem(key.public_key()), 0o644)
    return public


def _write_new(path: Path, data: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        number = os.open(path, flags, mode)
    except FileExistsError:
        raise KeyFault(f"{path}: is there already; a key is never replaced: name another file") from None
    except OSError as error:
        raise KeyFault(f"{path}: cannot be written: {error.strerror}") from error
    with os.fdopen(number, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(number)


def private_key(path: Path) -> "Ed25519PrivateKey":
    """Returns the private key in a file.

    Raises:
        KeyFault: it is not an Ed25519 key, a link, locked by a passphrase, or open to others.
    """
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    data, mode = _read(path)
    if mode & 0o077:
        raise KeyFault(f"{path}: others may read it (mode {mode & 0o777:o}): `chmod 600 {path}`")
    load: Any = form.load_ssh_private_key if b"OPENSSH PRIVATE" in data else form.load_pem_private_key
    try:
        key = load(data, password=None)
    except TypeError as error:
        remedy = f"`openssl pkey -in {path} -out FILE` writes one without, for this machine"
        raise KeyFault(f"{path}: is locked by a passphrase; {remedy}") from error
    except Exception as error:  # the library has no common class for what is no key
        raise KeyFault(f"{path}: is no private key; {_how()}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFault(f"{path}: is a {type(key).__name__}, not an Ed25519 key; {_how()}")
    return key


def public_keys(path: Path) -> list["Ed25519PublicKey"]:
    """Returns the public keys in a file: PEM blocks, or lines that begin with ``ssh-ed25519``.

    Raises:
        KeyFault: it holds none.
    """
    data, _ = _read(path, follow=True)
    found = [_public(one, path) for one in [*_PEM.findall(data), *_SSH.findall(data)]]
    if not found:
        raise KeyFault(f"{path}: holds no Ed25519 public key (PEM, or a line that begins with ssh-ed25519)")
    return found


def _public(data: bytes, path: Path) -> "Ed25519PublicKey":
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    load: Any = form.load_ssh_public_key if data.startswith(b"ssh-") else form.load_pem_public_key
    try:
        key = load(data)
    except Exception as error:  # the library has no common class for what is no key
        raise KeyFault(f"{path}: is no public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise KeyFault(f"{path}: is a {type(key).__name__}, not an Ed25519 key")
    return key


def public_pem(key: "Ed25519PublicKey") -> bytes:
    """Returns a public key as PEM."""
    from cryptography.hazmat.primitives import serialization as form

    return key.public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo)


def fingerprint(key: "Ed25519PublicKey") -> str:
    """Returns what a person compares, as ``ssh-keygen -l`` prints it: ``SHA256:`` and 43 characters."""
    from cryptography.hazmat.primitives import serialization as form

    line = key.public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH).split()[1]
    return "SHA256:" + base64.b64encode(hashlib.sha256(base64.b64decode(line)).digest()).decode().rstrip("=")


def _read(path: Path, *, follow: bool = False) -> tuple[bytes, int]:
    try:
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    except OSError as error:
        why = "is a symbolic link: name the file itself" if path.is_symlink() else error.strerror
        raise KeyFault(f"{path}: {why}; {_how()}") from error
    with os.fdopen(number, "rb") as file:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            raise KeyFault(f"{path}: is no regular file")
        return file.read(MOST), status.st_mode


def _how() -> str:
    return "`blut verdict keygen FILE` makes one, and so does `openssl genpkey -algorithm ed25519 -out FILE`"
