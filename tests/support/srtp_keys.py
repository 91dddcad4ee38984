"""The SRTP keys of a peer's transport, as a search of the other side's memory needs them."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.support.aiortc_peer import AiortcPeer

LABELS = {"rtp key": 0, "rtcp key": 3}
"""RFC 3711 §4.3.1."""


def srtp_keys(peer: AiortcPeer) -> dict[str, bytes]:
    """Return master and session keys of both directions, by what they are."""
    transport: Any = peer.connection.getTransceivers()[0].sender.transport
    chosen = transport._ssl.get_selected_srtp_profile()
    profile = next(each for each in transport._srtp_profiles if each.openssl_profile == chosen)
    key_size, salt_size = profile.key_length, profile.salt_length
    material = transport._ssl.export_keying_material(
        b"EXTRACTOR-dtls_srtp", 2 * (key_size + salt_size)
    )
    keys = {"client": material[:key_size], "server": material[key_size : 2 * key_size]}
    salts = {
        "client": material[2 * key_size :][:salt_size],
        "server": material[2 * key_size + salt_size :],
    }
    found = {f"{side} master key": key for side, key in keys.items()}
    for side, key in keys.items():
        for name, label in LABELS.items():
            found[f"{side} {name}"] = derive(key, salts[side], label)
    return found


def derive(key: bytes, salt: bytes, label: int) -> bytes:
    """Return the session key (RFC 3711 §4.3.3 with AES-CM; RFC 7714 §11: a salt of 12 bytes is padded)."""
    value = int.from_bytes(salt.ljust(14, b"\0"), "big") ^ (label << 48)
    counter = (value << 16).to_bytes(16, "big")
    encryptor = Cipher(algorithms.AES(key), modes.CTR(counter)).encryptor()
    return encryptor.update(b"\0" * len(key))
