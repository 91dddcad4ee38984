"""Secrets by name: one file each in a folder of the operator's, or made in the data folder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

SECRET_BYTES = 32
MAX_SECRET_BYTES = 4096


class SecretMissing(Exception):
    """A secret cannot be read; the text says which and the remedy, never its value."""


def read_secret(folder: str, name: str) -> str:
    """Return the secret `name` of the folder, without the line end.

    Raises:
        SecretMissing: see above.
    """
    if not folder:
        raise SecretMissing(f'secret "{name}": set secrets_folder and put a file {name} there')
    path = Path(folder) / name
    if path.name != name:
        raise SecretMissing(f'secret "{name}": a name is no path')
    try:
        text = path.read_bytes()[:MAX_SECRET_BYTES].decode().rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SecretMissing(f"{path}: cannot be read: {type(error).__name__}") from error
    if not text:
        raise SecretMissing(f"{path}: is empty")
    return text


def load_or_create_secret(path: Path) -> bytes:
    """Return the 256-bit secret in `path`; make it at the first start, readable by us only.

    Raises:
        SecretMissing: it cannot be read or made, is open to others, or is no such secret.
    """
    try:
        return _load(path)
    except FileNotFoundError:
        pass
    try:
        _create(path)
        return _load(path)
    except OSError as error:
        raise SecretMissing(f"{path}: cannot be made: {error.strerror}") from error


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Written beside and linked into place: of two processes that start together, one wins whole.
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(SECRET_BYTES) + "\n")
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()


def _load(path: Path) -> bytes:
    try:
        if path.stat().st_mode & 0o077:
            raise SecretMissing(f"{path} is open to others: chmod 600 it")
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise SecretMissing(f"{path}: cannot be read: {type(error).__name__}") from error
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise SecretMissing(f"{path}: is not {SECRET_BYTES} bytes in hexadecimal")
    return secret
