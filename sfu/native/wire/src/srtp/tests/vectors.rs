//! Published vectors.

use super::builders::*;
use crate::srtp::counter_mode::CounterModeSession;
use crate::srtp::gcm::GcmSession;
use crate::srtp::key_derivation::{KeyDerivation, PacketKind, Purpose};
use crate::srtp::replay::ReplayWindows;
use crate::srtp::*;
use ring::aead::{AES_128_GCM, AES_256_GCM, UnboundKey};
use zeroize::Zeroizing;

#[test]
fn key_derivation_matches_rfc_3711_b3_and_rfc_6188_7_4() {
    for (key, salt, encryption, session_salt, authentication) in [
        (
            "E1F97A0D3E018BE0D64FA32C06DE4139",
            "0EC675AD498AFEEBB6960B3AABE6",
            "C61E7A93744F39EE10734AFE3FF7A087",
            "30CBBC08863D8C85D49DB34A9AE1",
            "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE\
             E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25\
             6D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2",
        ),
        (
            "F0F04914B513F2763A1B1FA130F10E2998F6F6E43E4309D1E622A0E332B9F1B6",
            "3B04803DE51EE7C96423AB5B78D2",
            "5BA1064E30EC51613CAD926C5A28EF731EC7FB397F70A960653CAF06554CD8C4",
            "FA31791685CA444A9E07C6C64E93",
            "FD9C32D39ED5FBB5A9DC96B30818454D1313DC05",
        ),
    ] {
        let master = KeyDerivation::new(&hex(key), &hex(salt)).expect("lengths fit");
        let (encryption, authentication) = (hex(encryption), hex(authentication));

        let derived = master.derive::<32>(PacketKind::Rtp, Purpose::Encryption);
        assert_eq!(derived[..encryption.len()], encryption);
        let derived = master.derive::<14>(PacketKind::Rtp, Purpose::Salt);
        assert_eq!(derived[..], hex(session_salt));
        let derived = master.derive::<94>(PacketKind::Rtp, Purpose::Authentication);
        assert_eq!(derived[..authentication.len()], authentication);
    }
}

#[test]
fn keystream_matches_rfc_3711_b2() {
    let salt: [u8; 14] = std::array::from_fn(|at| 0xf0 + at as u8);
    let key = hex("2B7E151628AED2A6ABF7158809CF4F3C");
    let session =
        CounterModeSession::new(&key, Zeroizing::new(salt), &[0; 20]).expect("lengths fit");
    let mut keystream = vec![0; 0xff02 * 16];

    session.apply_keystream(&mut keystream, 0, 0);

    for (block, expected) in [
        (0x0000, "E03EAD0935C95E80E166B16DD92B4EB4"),
        (0x0001, "D23513162B02D0F72A43A2FE4A5F97AB"),
        (0x0002, "41E95B3BB0A2E8DD477901E4FCA894C0"),
        (0xfeff, "EC8CDF7398607CB0F2D21675EA9EA1E4"),
        (0xff00, "362B7C3C6773516318A077D7FC5073AE"),
        (0xff01, "6A2CC3787889374FBEB4C81B17BA6C44"),
    ] {
        assert_eq!(keystream[block * 16..][..16], hex(expected), "{block:#x}");
    }
}

/// RFC 7714 §16 and §17 give session keys: these bypass the derivation.
pub(super) fn rfc_7714_session(key_bytes: usize) -> SessionCipher {
    let key: Vec<u8> = (0..key_bytes as u8).collect();
    let algorithm = if key_bytes == 16 {
        &AES_128_GCM
    } else {
        &AES_256_GCM
    };
    let key = UnboundKey::new(algorithm, &key).expect("length fits");
    SessionCipher::Gcm(GcmSession::new(key, Zeroizing::new(*b"Quid pro quo")))
}

fn rfc_7714_ends(key_bytes: usize, next_rtcp_index: u32) -> (SrtpSender, SrtpReceiver) {
    let session = || rfc_7714_session(key_bytes);
    let sender = SrtpSender {
        rtp: session(),
        rtcp: session(),
        next_rtcp_index,
    };
    let receiver = SrtpReceiver {
        rtp: session(),
        rtcp: session(),
        rtp_windows: ReplayWindows::default(),
        rtcp_windows: ReplayWindows::default(),
    };
    (sender, receiver)
}

#[test]
fn rtp_matches_rfc_7714_16() {
    let plain = hex(
        "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
                     69736120 696e2070 61727465 73207472 6573",
    );
    for (key_bytes, protected) in [
        (
            16,
            "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f
             42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
        ),
        (
            32,
            "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3
             b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
        ),
    ] {
        let (mut sender, mut receiver) = rfc_7714_ends(key_bytes, 1);
        let mut packet = plain.clone();

        sender
            .protect_rtp(&mut packet, 0, 12, 0x5501_a0b2, 0xf17b)
            .expect("a valid packet");
        assert_eq!(packet, hex(protected), "{key_bytes}");

        let plain_bytes = receiver.unprotect_rtp(&mut packet, 12, 0x5501_a0b2, 0xf17b);
        assert_eq!(plain_bytes, Ok(plain.len()));
        assert_eq!(packet[..plain.len()], plain);
    }
}

#[test]
fn rtcp_matches_rfc_7714_17() {
    let plain = hex(
        "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
                     deadbeef deadbeef deadbeef deadbeef deadbeef",
    );
    for (key_bytes, protected) in [
        (
            16,
            "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1
             730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4",
        ),
        (
            32,
            "81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1
             110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4",
        ),
    ] {
        let (mut sender, mut receiver) = rfc_7714_ends(key_bytes, 0x5d4);
        let mut packet = plain.clone();

        sender
            .protect_rtcp(&mut packet, 0)
            .expect("a valid compound");
        assert_eq!(packet, hex(protected), "{key_bytes}");

        assert_eq!(receiver.unprotect_rtcp(&mut packet), Ok(plain.len()));
        assert_eq!(packet[..plain.len()], plain);
    }
}
