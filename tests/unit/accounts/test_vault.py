"""Encryption is bound to its place; hashes need the key; attempts are bound to their browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from signaling.identity.attempts import LIFETIME_S, Attempts
from signaling.secrets import SecretMissing, load_or_create_secret, read_secret
from signaling.vault import Vault, VaultError

vault = Vault(b"k" * 32)
other = Vault(b"o" * 32)


def test_what_is_sealed_is_read_in_its_place_only() -> None:
    sealed = vault.encrypt("123456783", "tax-number:anna")

    assert b"123456783" not in sealed
    assert vault.decrypt(sealed, "tax-number:anna") == "123456783"
    for key, place in ((vault, "tax-number:nikos"), (other, "tax-number:anna")):
        with pytest.raises(VaultError):
            key.decrypt(sealed, place)


@pytest.mark.parametrize("position", [0, 1, 12, 13, -1])
def test_every_altered_byte_is_noticed(position: int) -> None:
    sealed = bytearray(vault.encrypt("123456783", "place"))
    sealed[position] ^= 1
    with pytest.raises(VaultError):
        vault.decrypt(bytes(sealed), "place")


def test_hashes_need_the_key_and_are_told_apart() -> None:
    assert vault.lookup_hash("tax-number", "1") == vault.lookup_hash("tax-number", "1")
    assert vault.lookup_hash("tax-number", "1") != other.lookup_hash("tax-number", "1")
    assert vault.lookup_hash("oidc", "1") != vault.lookup_hash("tax-number", "1")
    assert vault.pseudonym("anna") != vault.lookup_hash("tax-number", "anna")[:32]


def test_attempt_comes_back_to_its_browser_provider_and_time_only() -> None:
    attempts = Attempts(vault)
    stored, cookie = attempts.begin("citizens", "http://own.test/cb", 1000.0)

    assert attempts.finish(cookie, "citizens", stored.state, 1000.0 + LIFETIME_S) == stored
    assert attempts.finish(cookie, "staff", stored.state, 1001.0) is None
    assert attempts.finish(cookie, "citizens", "other", 1001.0) is None
    assert attempts.finish(cookie, "citizens", "", 1001.0) is None
    assert attempts.finish(cookie, "citizens", stored.state, 1001.0 + LIFETIME_S) is None
    assert attempts.finish(cookie[:-4], "citizens", stored.state, 1001.0) is None
    assert attempts.finish("", "citizens", "", 1001.0) is None
    assert Attempts(other).finish(cookie, "citizens", stored.state, 1001.0) is None


def test_pkce_challenge_is_that_of_rfc_7636() -> None:
    stored, _ = Attempts(vault).begin("x", "r", 0.0)
    attempt = stored.attempt
    object.__setattr__(attempt, "verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    # RFC 7636, appendix B.
    assert attempt.challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_made_secret_is_kept_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "key"
    secret = load_or_create_secret(path)
    assert load_or_create_secret(path) == secret
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(SecretMissing, match="open to others"):
        load_or_create_secret(path)


def test_secrets_are_read_by_name(tmp_path: Path) -> None:
    (tmp_path / "smtp").write_text("geheim\n")
    assert read_secret(str(tmp_path), "smtp") == "geheim"
    for folder, name in ((tmp_path, "none"), (tmp_path, "../smtp"), ("", "smtp")):
        with pytest.raises(SecretMissing):
            read_secret(str(folder), name)
