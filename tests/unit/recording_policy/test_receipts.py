"""The parts of a receipt: signatures without any package, Merkle paths, the sandbox statement."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from recording_policy import verify
from recording_policy.merkle import path_of, root_of
from recording_policy.sandbox import REQUIRED_PROHIBITIONS, faults_of
from recording_policy.verify import LogIsWrong, hash_of, root_by_path
from tests.support.statements import whole_statement

RFC_8032 = [  # §7.1, tests 1 to 3
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("key", "text", "signature"), RFC_8032)
def test_own_arithmetic_agrees_with_the_rfc(key: str, text: str, signature: str) -> None:
    public, message, signed = (bytes.fromhex(each) for each in (key, text, signature))

    assert verify._verify_ed25519(public, signed, message)
    assert not verify._verify_ed25519(public, signed, message + b"x")
    for position in (0, 31, 32, 63):
        altered = bytearray(signed)
        altered[position] ^= 1
        assert not verify._verify_ed25519(public, bytes(altered), message)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100), st.integers(0, 95))
def test_own_arithmetic_agrees_with_the_package(seed: bytes, text: bytes, flipped: int) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    key, signature = private.public_key().public_bytes_raw(), bytearray(private.sign(text))
    assert verify._verify_ed25519(key, bytes(signature), text)
    altered = bytearray(key + signature)
    altered[flipped] ^= 0x10
    key, signature = bytes(altered[:32]), altered[32:]

    own = verify._verify_ed25519(key, bytes(signature), text)
    assert own == verify.verify_ed25519(key, bytes(signature), text)
    assert not own


@pytest.mark.parametrize(
    ("key", "signature"),
    [(b"", b""), (b"\xff" * 32, b"\0" * 64), (b"\0" * 32, b"\xff" * 64), (b"\1" * 31, b"\1" * 64)],
)
def test_what_is_no_key_or_signature_is_refused(key: bytes, signature: bytes) -> None:
    assert not verify._verify_ed25519(key, signature, b"text")
    assert not verify.verify_ed25519(key, signature, b"text")


def hashes(count: int) -> list[str]:
    return [hash_of(str(number).encode()) for number in range(count)]


@pytest.mark.parametrize("count", [*range(1, 20), 63, 64, 65, 200])
def test_path_of_every_entry_leads_to_the_root_and_no_other(count: int) -> None:
    every = hashes(count)
    root = root_of(every)
    for index, each in enumerate(every):
        path = path_of(index, every)
        assert root_by_path(each, index, count, path) == root
        assert root_by_path("0" * 64, index, count, path) != root
        for wrong in (path[:-1], [*path, root]):
            if wrong != path:
                with pytest.raises(LogIsWrong):
                    root_by_path(each, index, count, wrong)


def test_root_of_another_order_or_number_is_another() -> None:
    every = hashes(5)
    roots = {root_of(each) for each in (every, every[::-1], every[:4], [*every, every[-1]], [])}
    assert len(roots) == 5


def test_whole_statement_has_no_fault() -> None:
    assert faults_of(whole_statement()) == []
    assert faults_of(None) == ["no statement"]


@pytest.mark.parametrize("name", sorted(REQUIRED_PROHIBITIONS))
@pytest.mark.parametrize(
    "spoil",
    [
        lambda probes, name: {key: value for key, value in probes.items() if key != name},
        lambda probes, name: {**probes, name: {}},
        lambda probes, name: {**probes, name: {"one": "EPERM", "other": "done"}},
        lambda probes, name: {**probes, name: {"one": "ENOENT"}},
    ],
    ids=["absent", "empty", "one done", "other errno"],
)
def test_statement_that_misses_a_prohibition_has_a_fault(
    name: str, spoil: Callable[[dict[str, Any], str], dict[str, Any]]
) -> None:
    whole = whole_statement()
    spoiled = dataclasses.replace(whole, probes=spoil(whole.probes, name))

    assert [fault for fault in faults_of(spoiled) if fault.startswith(f"{name}:")]


@pytest.mark.parametrize(
    "change",
    [
        {"landlock_abi": 5}, {"landlock_files": 0}, {"landlock_tcp": 1}, {"landlock_scopes": 2},
        {"seccomp_mode": 0}, {"seccomp_mode": 1}, {"seccomp_filter": ""}, {"code": "x" * 64},
        {"native": "e" * 63}, {"limits": {}}, {"limits": {"file size": [0, 0]}},
        {"limits": {"file size": [0, 1], "core size": [0, 0]}},
    ],
    ids=str,
)  # fmt: skip
def test_statement_with_a_weaker_layer_has_a_fault(change: dict[str, Any]) -> None:
    assert faults_of(dataclasses.replace(whole_statement(), **change)) != []
