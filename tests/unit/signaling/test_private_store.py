"""What stands beside the chain: pseudonyms that can be forgotten, secrets that expire."""

from __future__ import annotations

from pathlib import Path

import pytest

from recording_policy.audit import AuditUnwritable
from signaling.audit.private_store import CallPlaces, OpenedCall, Place, PrivateStore
from signaling.vault import Vault

PLACES = CallPlaces([Place(10, ""), Place(20, "actor")], closing=30, statement=5)


def store_in(folder: Path, secret: bytes = bytes(32)) -> PrivateStore:
    return PrivateStore(folder / "private.sqlite3", Vault(secret))


def test_pseudonym_is_kept_over_restarts_and_says_nothing_of_the_person(tmp_path: Path) -> None:
    first = store_in(tmp_path)
    actor, other = first.pseudonym("maria"), first.pseudonym("nikos")
    first.close()
    again = store_in(tmp_path)

    assert again.pseudonym("maria") == actor != other and len(actor) == 32
    assert b"maria" not in (tmp_path / "private.sqlite3").read_bytes()
    again.close()


def test_key_of_another_vault_is_refused_not_replaced(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.pseudonym("maria")
    with store._writing() as connection:
        connection.execute("UPDATE actor_keys SET key = zeroblob(80)")

    with pytest.raises(AuditUnwritable, match="another key"):
        store.pseudonym("maria")
    store.close()


def test_secret_opens_one_receipt_until_it_expires(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.keep_secret(b"digest", "call", "actor", expires_ms=1000)
    assert store.receipt_of(b"digest", 999) == ("call", "actor", None)
    store.keep_call("call", PLACES, expires_ms=1000)

    assert store.receipt_of(b"digest", 999) == ("call", "actor", PLACES)
    assert store.receipt_of(b"digest", 1000) is None
    assert store.receipt_of(b"other", 999) is None
    store.forget_expired(1000)
    assert store.receipt_of(b"digest", 999) is None
    store.close()


def test_open_call_is_open_until_it_is_closed(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    opened = OpenedCall("call", "room", "kep", opened=100, statement=50)
    store.keep_open(opened)
    assert store.open_calls("kep") == [opened] and store.open_calls("other") == []
    store.keep_call("call", PLACES, expires_ms=1)

    assert store.open_calls("kep") == []
    store.close()


def test_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "private.sqlite3").write_bytes(b"this is no database, whatever its name says" * 50)
    with pytest.raises(AuditUnwritable, match=r"private\.sqlite3"):
        store_in(tmp_path).pseudonym("maria")
    with pytest.raises(AuditUnwritable, match="nowhere"):
        store_in(tmp_path / "nowhere").pseudonym("maria")
