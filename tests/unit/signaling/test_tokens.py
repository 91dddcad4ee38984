"""Only the exact token passes: the matrix of known JWT attacks, and the one-time rule."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from sfu.values import Role
from signaling.clock import Instant
from signaling.errors import ErrorCode, RequestError
from signaling.tokens import (
    MAX_LIFETIME_S,
    TokenGate,
    TokenKey,
    clean_display_name,
    load_or_create_key,
)

NOW = Instant(monotonic_s=0.0, wall_s=1_800_000_000.0)
OKP = OKPKey.generate_key("Ed25519")
KEY = TokenKey(OKP)
CLAIMS: dict[str, Any] = {
    "iss": "synedrion",
    "aud": "synedrion-rooms",
    "sub": "person-1",
    "jti": "a" * 22,
    "iat": NOW.wall_s,
    "nbf": NOW.wall_s,
    "exp": NOW.wall_s + 300,
    "room": "council-room",
    "name": "Άννα",
    "role": "member",
}
HEADER = {"alg": "Ed25519", "typ": "room+jwt", "kid": KEY.key_id}


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed(claims: dict[str, Any], header: dict[str, Any] | None = None, key: OKPKey = OKP) -> str:
    """Sign by hand, so that nothing refuses on the way in."""
    text = f"{encoded(header or HEADER)}.{encoded(claims)}"
    signature = key.private_key.sign(text.encode())  # type: ignore[union-attr]
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def hmac_signed(secret: bytes) -> str:
    text = f"{encoded({**HEADER, 'alg': 'HS256'})}.{encoded(CLAIMS)}"
    signature = hmac.digest(secret, text.encode(), hashlib.sha256)
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in CLAIMS.items() if key != name}


def code_of(token: str, now: Instant = NOW) -> str:
    with pytest.raises(RequestError) as refused:
        KEY.verify(token, now)
    return refused.value.code


def test_exact_token_passes() -> None:
    claims = KEY.verify(signed(CLAIMS), NOW)

    assert (claims.room, claims.role, claims.display_name) == ("council-room", Role.MEMBER, "Άννα")
    assert (claims.subject, claims.token_id) == ("person-1", "a" * 22)


def test_minted_token_passes_until_it_expires() -> None:
    token = KEY.mint(room="r", subject="s", display_name="  Ά  β ", role=Role.CHAIR,
                     token_id="t" * 22, now=NOW)  # fmt: skip

    assert KEY.verify(token, NOW).display_name == "Ά β"
    assert KEY.verify(token, Instant(0.0, NOW.wall_s + 304)).role is Role.CHAIR
    assert code_of(token, Instant(0.0, NOW.wall_s + 305.1)) == ErrorCode.TOKEN_EXPIRED


FORGED = {
    "alg none": f"{encoded({**HEADER, 'alg': 'none'})}.{encoded(CLAIMS)}.",
    "alg none with signature": signed(CLAIMS, {**HEADER, "alg": "none"}),
    "hmac keyed with the public key": hmac_signed(OKP.as_pem(private=False)),
    "hmac keyed with the raw public key": hmac_signed(base64.urlsafe_b64decode(
        OKP.as_dict(private=False)["x"] + "=")),  # type: ignore[operator]
    "joserfc's own hmac": jwt.encode({"alg": "HS256"}, CLAIMS, OctKey.import_key("k" * 32)),
    "deprecated algorithm name": signed(CLAIMS, {**HEADER, "alg": "EdDSA"}),
    "algorithm in other case": signed(CLAIMS, {**HEADER, "alg": "ed25519"}),
    "other key": signed(CLAIMS, key=OKPKey.generate_key("Ed25519")),
    "other kid": signed(CLAIMS, {**HEADER, "kid": "other"}),
    "no kid": signed(CLAIMS, {"alg": "Ed25519", "typ": "room+jwt"}),
    "embedded key": signed(CLAIMS, {**HEADER, "jwk": OKP.as_dict(private=False)}),
    "key address": signed(CLAIMS, {**HEADER, "jku": "https://evil.test/keys"}),
    "crit": signed(CLAIMS, {**HEADER, "crit": ["exp"]}),
    "unknown crit": signed(CLAIMS, {**HEADER, "crit": ["b64"], "b64": False}),
    "plain typ": signed(CLAIMS, {**HEADER, "typ": "JWT"}),
    "header is a list": f"{encoded([1])}.{encoded(CLAIMS)}.AAAA",
    "header is no json": f"AAAA.{encoded(CLAIMS)}.AAAA",
    "two parts": "a.b",
    "four parts": signed(CLAIMS) + ".x",
    "padding": signed(CLAIMS) + "=",
    "newline": signed(CLAIMS) + "\n",
    "empty": "",
    "100 KB": "a" * 50_000 + "." + "a" * 50_000 + ".a",
    "too large by name": signed({**CLAIMS, "name": "x" * 3000}),
}  # fmt: skip


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED.keys())
def test_forged_token_is_refused(token: str) -> None:
    assert code_of(token) == ErrorCode.BAD_TOKEN


ALTERED = {
    "other issuer": {"iss": "elsewhere"},
    "issuer that contains ours": {"iss": "synedrion.evil.test"},
    "part of our issuer": {"iss": "syn"},
    "issuer list": {"iss": ["synedrion"]},
    "other audience": {"aud": "synedrion"},
    "audience list": {"aud": ["synedrion-rooms"]},
    "not valid yet": {"nbf": NOW.wall_s + 60},
    "issued in the future": {"iat": NOW.wall_s + 60, "exp": NOW.wall_s + 90},
    "too long a life": {"exp": NOW.wall_s + MAX_LIFETIME_S + 1},
    "expiry before issue": {"exp": NOW.wall_s - 1},
    "expiry is text": {"exp": str(NOW.wall_s + 60)},
    "expiry is true": {"exp": True},
    "expiry is infinite": {"exp": float("inf")},
    "expiry is nan": {"exp": float("nan")},
    "expiry is negative": {"exp": -1},
    "any room": {"room": "*"},
    "room pattern": {"room": "council-.*"},
    "room with newline": {"room": "council-room\n"},
    "room list": {"room": ["council-room"]},
    "upper-case room": {"room": "Council-Room"},
    "no such role": {"role": "admin"},
    "role list": {"role": ["chair"]},
    "empty name": {"name": ""},
    "long name": {"name": "x" * 65},
    "reordering name": {"name": "a\u202eb"},
    "name with newline": {"name": "a\nb"},
    "subject number": {"sub": 1},
    "subject with control": {"sub": "a\x00"},
    "short id": {"jti": "a"},
    "extra claim": {"admin": True},
}


@pytest.mark.parametrize("change", ALTERED.values(), ids=ALTERED.keys())
def test_signed_but_wrong_claims_are_refused(change: dict[str, Any]) -> None:
    assert code_of(signed({**CLAIMS, **change})) == ErrorCode.BAD_TOKEN


@pytest.mark.parametrize("name", CLAIMS)
def test_every_claim_is_required(name: str) -> None:
    assert code_of(signed(without(name))) == ErrorCode.BAD_TOKEN


@given(st.integers(min_value=0), st.integers(min_value=0, max_value=255))
def test_any_changed_character_is_refused(position: int, value: int) -> None:
    token = signed(CLAIMS)
    position %= len(token)
    changed = token[:position] + chr(value) + token[position + 1 :]

    if changed != token and not _same_signature_bits(token, changed):
        assert code_of(changed) == ErrorCode.BAD_TOKEN


def _same_signature_bits(token: str, changed: str) -> bool:
    """The last character of 64 bytes in base64 has four bits that mean nothing (RFC 4648 §3.5)."""
    if token[:-1] != changed[:-1]:
        return False
    try:
        return base64.urlsafe_b64decode(changed.split(".")[2] + "==") == base64.urlsafe_b64decode(
            token.split(".")[2] + "=="
        )
    except ValueError:
        return False


def mint(gate_key: TokenKey, now: Instant, number: int = 1, subject: str = "s") -> str:
    return gate_key.mint(room="r", subject=subject, display_name="n", role=Role.MEMBER,
                         token_id=f"{number:022d}", now=now)  # fmt: skip


def refusal(gate: TokenGate, token: str, now: Instant) -> str:
    with pytest.raises(RequestError) as refused:
        gate.redeem(token, now)
    return refused.value.code


def test_token_from_before_a_restart_is_refused() -> None:
    gate = TokenGate(KEY, started=Instant(0.0, NOW.wall_s + 1))

    assert refusal(gate, mint(KEY, NOW), NOW) == ErrorCode.TOKEN_EXPIRED


def test_memory_of_used_tokens_is_bounded_and_forgets_the_expired() -> None:
    gate = TokenGate(KEY, started=NOW, capacity=2)
    tokens = [mint(KEY, NOW, number) for number in range(3)]
    gate.redeem(tokens[0], NOW)
    gate.redeem(tokens[1], NOW)

    assert refusal(gate, tokens[2], NOW) == ErrorCode.ROOM_UNAVAILABLE
    later = Instant(0.0, NOW.wall_s + 310)
    gate.redeem(mint(KEY, later, 9), later)


def test_removed_person_needs_a_newer_token() -> None:
    gate = TokenGate(KEY, started=NOW)
    older = mint(KEY, NOW, 1, "noisy")
    later = Instant(0.0, NOW.wall_s + 10)
    gate.remember_removal("r", "noisy", later)

    assert refusal(gate, older, later) == ErrorCode.NOT_ALLOWED
    after = Instant(0.0, NOW.wall_s + 11)
    assert gate.redeem(mint(KEY, after, 2, "noisy"), after).subject == "noisy"
    assert gate.redeem(mint(KEY, NOW, 3, "other"), later).subject == "other"


def test_key_is_made_once_and_readable_by_us_only(tmp_path: Path) -> None:
    path = tmp_path / "data" / "key.pem"

    first, second = load_or_create_key(path), load_or_create_key(path)

    assert first.key_id == second.key_id
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["key.pem"]


def test_key_open_to_others_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    load_or_create_key(path)
    path.chmod(0o644)

    with pytest.raises(ValueError, match="chmod 600"):
        load_or_create_key(path)


def test_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("nothing")
    path.chmod(0o600)

    with pytest.raises(ValueError, match="not an Ed25519 private key"):
        load_or_create_key(path)


@given(st.text(max_size=80))
def test_clean_names_are_stable_and_have_no_control_characters(name: str) -> None:
    try:
        cleaned = clean_display_name(name)
    except ValueError:
        return
    assert clean_display_name(cleaned) == cleaned
    assert 1 <= len(cleaned) <= 64
    assert cleaned.isprintable()
