//! Published vectors, round trips, tampering, replay, rollover.

use proptest::prelude::*;
use ring::aead::{AES_128_GCM, AES_256_GCM, UnboundKey};
use zeroize::Zeroizing;

use super::counter_mode::CounterModeSession;
use super::gcm::GcmSession;
use super::key_derivation::{KeyDerivation, PacketKind, Purpose};
use super::replay::ReplayWindows;
use super::*;

const PROFILES: [SrtpProfile; 3] = [
    SrtpProfile::AeadAes128Gcm,
    SrtpProfile::AeadAes256Gcm,
    SrtpProfile::Aes128CmSha1_80,
];
const SSRC: u32 = 0xcafe_babe;
const KEY: [u8; 32] = [0x5a; 32];
const SALT: [u8; 14] = [0xa5; 14];

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|character| character.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

fn pair(profile: SrtpProfile) -> (SrtpSender, SrtpReceiver) {
    let (key_bytes, salt_bytes) = profile.key_and_salt_bytes();
    let (key, salt) = (&KEY[..key_bytes], &SALT[..salt_bytes]);
    (
        SrtpSender::new(profile, key, salt).expect("lengths fit"),
        SrtpReceiver::new(profile, key, salt).expect("lengths fit"),
    )
}

fn rtp_packet(ssrc: u32, sequence_number: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0x60];
    packet.extend_from_slice(&sequence_number.to_be_bytes());
    packet.extend_from_slice(&[1, 2, 3, 4]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

fn rtcp_packet(ssrc: u32, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(body);
    packet
}

fn protected_rtp(sender: &mut SrtpSender, index: u64) -> Vec<u8> {
    let mut packet = rtp_packet(SSRC, index as u16, b"payload of a packet");
    sender
        .protect_rtp(&mut packet, 0, 12, SSRC, index)
        .expect("a valid packet");
    packet
}

fn open(
    receiver: &mut SrtpReceiver,
    packet: &[u8],
    sequence_number: u16,
) -> Result<usize, SrtpError> {
    receiver.unprotect_rtp(&mut packet.to_vec(), 12, SSRC, sequence_number)
}

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
fn rfc_7714_session(key_bytes: usize) -> SessionCipher {
    let key: Vec<u8> = (0..key_bytes as u8).collect();
    let algorithm = if key_bytes == 16 {
        &AES_128_GCM
    } else {
        &AES_256_GCM
    };
    let key = UnboundKey::new(algorithm, &key).expect("length fits");
    SessionCipher::Gcm(GcmSession::new(key, Zeroizing::new(*b"Quid pro quo")))
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
        let mut sender = SrtpSender {
            rtp: rfc_7714_session(key_bytes),
            rtcp: rfc_7714_session(key_bytes),
            next_rtcp_index: 1,
        };
        let mut receiver = SrtpReceiver {
            rtp: rfc_7714_session(key_bytes),
            rtcp: rfc_7714_session(key_bytes),
            rtp_windows: ReplayWindows::default(),
            rtcp_windows: ReplayWindows::default(),
        };
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
        let mut sender = SrtpSender {
            rtp: rfc_7714_session(key_bytes),
            rtcp: rfc_7714_session(key_bytes),
            next_rtcp_index: 0x5d4,
        };
        let mut receiver = SrtpReceiver {
            rtp: rfc_7714_session(key_bytes),
            rtcp: rfc_7714_session(key_bytes),
            rtp_windows: ReplayWindows::default(),
            rtcp_windows: ReplayWindows::default(),
        };
        let mut packet = plain.clone();

        sender
            .protect_rtcp(&mut packet, 0)
            .expect("a valid compound");
        assert_eq!(packet, hex(protected), "{key_bytes}");

        assert_eq!(receiver.unprotect_rtcp(&mut packet), Ok(plain.len()));
        assert_eq!(packet[..plain.len()], plain);
    }
}

#[test]
fn unencrypted_rtcp_is_refused_although_its_tag_is_right() {
    // RFC 7714 §17.3: authenticated, E flag clear.
    let mut packet = hex(
        "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
                          deadbeef deadbeef deadbeef deadbeef deadbeef 841dd968 3dd78ec9 2ae58790
                          125f62b3 000005d4",
    );
    let mut receiver = SrtpReceiver {
        rtp: rfc_7714_session(16),
        rtcp: rfc_7714_session(16),
        rtp_windows: ReplayWindows::default(),
        rtcp_windows: ReplayWindows::default(),
    };

    assert_eq!(
        receiver.unprotect_rtcp(&mut packet),
        Err(SrtpError::Malformed)
    );
}

#[test]
fn every_tampered_byte_fails_authentication_and_changes_nothing() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let packet = protected_rtp(&mut sender, 7);
        let mut compound = rtcp_packet(SSRC, b"sixteen bytes...");
        sender.protect_rtcp(&mut compound, 0).expect("valid");

        for position in 0..packet.len() {
            let mut tampered = packet.clone();
            tampered[position] ^= 0x40;
            let result = receiver.unprotect_rtp(&mut tampered, 12, SSRC, 7);
            assert_eq!(
                result,
                Err(SrtpError::Authentication),
                "{profile:?} {position}"
            );
        }
        for position in 0..compound.len() {
            let mut tampered = compound.clone();
            tampered[position] ^= 0x40;
            let result = receiver.unprotect_rtcp(&mut tampered);
            assert_eq!(
                result,
                Err(SrtpError::Authentication),
                "{profile:?} {position}"
            );
        }

        assert_eq!(open(&mut receiver, &packet, 7), Ok(12 + 19));
        assert_eq!(receiver.unprotect_rtcp(&mut compound), Ok(8 + 16));
    }
}

#[test]
fn rollover_survives_loss_and_reordering() {
    const WRAP: u64 = 1 << 16;
    for profile in PROFILES {
        for indices in [
            &[65534, WRAP, WRAP + 2, WRAP + 1, 65535, WRAP + 3][..],
            &[
                65535,
                WRAP,
                65533,
                WRAP + 40_000 - 10_000,
                WRAP + 60_000,
                2 * WRAP + 5,
            ],
            &[1, 2, 40_000, 3 + 39_000, WRAP + 3],
            &[40_000, WRAP + 1, WRAP],
        ] {
            let (mut sender, mut receiver) = pair(profile);
            for &index in indices {
                let packet = protected_rtp(&mut sender, index);
                let result = open(&mut receiver, &packet, index as u16);
                assert!(
                    result.is_ok(),
                    "{profile:?} {indices:?} at {index}: {result:?}"
                );
            }
        }
    }
}

#[test]
fn rollover_counter_grows_once_whatever_the_order() {
    const WRAP: u64 = 1 << 16;
    let (mut sender, mut receiver) = pair(SrtpProfile::AeadAes128Gcm);
    let mut counters = Vec::new();
    for index in [65534, WRAP, WRAP + 2, WRAP + 1, 65535] {
        let packet = protected_rtp(&mut sender, index);
        open(&mut receiver, &packet, index as u16).expect("genuine");
        let window = receiver.rtp_windows.get_mut(SSRC).expect("known");
        counters.push(window.highest() >> 16);
    }

    assert_eq!(counters, [0, 1, 1, 1, 1]);
}

#[test]
fn packets_of_another_rollover_are_refused() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        for index in [(1 << 16) + 7, (1 << 32) + 7, (1 << 47) + 7] {
            let packet = protected_rtp(&mut sender, index);
            assert_eq!(
                open(&mut receiver, &packet, 7),
                Err(SrtpError::Authentication),
                "{profile:?} {index:#x}"
            );
        }
    }
}

#[test]
fn forged_packets_do_not_move_the_rollover_counter() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let first = protected_rtp(&mut sender, 1);
        open(&mut receiver, &first, 1).expect("genuine");

        for forged in [65535u16, 40_000, 32_770, 2, 500] {
            let packet = rtp_packet(SSRC, forged, &[0; 40]);
            let result = open(&mut receiver, &packet, forged);
            assert_eq!(result, Err(SrtpError::Authentication));
        }

        let second = protected_rtp(&mut sender, 2);
        assert!(open(&mut receiver, &second, 2).is_ok());
    }
}

#[test]
fn twenty_wraps_with_loss_keep_the_index() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let mut index = 100;
        while index < 20 << 16 {
            let packet = protected_rtp(&mut sender, index);
            assert!(
                open(&mut receiver, &packet, index as u16).is_ok(),
                "{index}"
            );
            index += 1 + index % 1999;
        }
    }
}

#[test]
fn replayed_and_old_packets_are_refused() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let packets: Vec<_> = (0..=REPLAY_WINDOW + 1)
            .map(|index| protected_rtp(&mut sender, 65_000 + index))
            .collect();
        let sequence = |at: usize| (65_000 + at) as u16;

        for at in [0, 3, 2, packets.len() - 1] {
            assert!(open(&mut receiver, &packets[at], sequence(at)).is_ok());
        }

        for (at, expected) in [
            (packets.len() - 1, Err(SrtpError::Replay)),
            (0, Err(SrtpError::Replay)),
            (1, Err(SrtpError::Replay)), // never seen, but too old
            (2, Err(SrtpError::Replay)),
            (4, Ok(12 + 19)),
            (4, Err(SrtpError::Replay)),
        ] {
            assert_eq!(
                open(&mut receiver, &packets[at], sequence(at)),
                expected,
                "{at}"
            );
        }
    }
}

#[test]
fn replayed_rtcp_is_refused_per_ssrc() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let mut compounds = Vec::new();
        for ssrc in [1, 2, 1, 2] {
            let mut compound = rtcp_packet(ssrc, b"body");
            sender.protect_rtcp(&mut compound, 0).expect("valid");
            compounds.push(compound);
        }

        for at in [3, 0, 2, 1] {
            assert_eq!(receiver.unprotect_rtcp(&mut compounds[at].clone()), Ok(12));
        }
        for compound in &mut compounds {
            assert_eq!(receiver.unprotect_rtcp(compound), Err(SrtpError::Replay));
        }
    }
}

#[test]
fn ssrcs_are_bounded_and_made_by_authenticated_packets_only() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        for ssrc in 0..2 * MAX_SSRCS as u32 {
            let mut forged = rtp_packet(ssrc, 1, &[0; 40]);
            let result = receiver.unprotect_rtp(&mut forged, 12, ssrc, 1);
            assert_eq!(result, Err(SrtpError::Authentication));
            let mut forged = rtcp_packet(ssrc, &[0xff; 40]);
            assert_eq!(
                receiver.unprotect_rtcp(&mut forged),
                Err(SrtpError::Authentication)
            );
        }

        let mut open_one = |ssrc: u32, index: u64| {
            let mut packet = rtp_packet(ssrc, index as u16, b"x");
            sender
                .protect_rtp(&mut packet, 0, 12, ssrc, index)
                .expect("valid");
            let rtp = receiver.unprotect_rtp(&mut packet, 12, ssrc, index as u16);
            let mut compound = rtcp_packet(ssrc, b"");
            sender.protect_rtcp(&mut compound, 0).expect("valid");
            (rtp, receiver.unprotect_rtcp(&mut compound))
        };
        for ssrc in 0..MAX_SSRCS as u32 {
            assert_eq!(open_one(ssrc, 1), (Ok(13), Ok(8)));
        }
        let refused = Err(SrtpError::TooManySsrcs);
        assert_eq!(open_one(MAX_SSRCS as u32, 1), (refused, refused));
        assert_eq!(open_one(5, 2), (Ok(13), Ok(8)), "known ones go on");
    }
}

#[test]
fn exhausted_keys_refuse() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let last = (1 << 48) - 1;
        let mut packet = rtp_packet(SSRC, 0, b"x");
        assert_eq!(
            sender.protect_rtp(&mut packet, 0, 12, SSRC, last + 1),
            Err(SrtpError::KeyExhausted)
        );
        assert_eq!(packet.len(), 13, "nothing appended");
        assert_eq!(sender.protect_rtp(&mut packet, 0, 12, SSRC, last), Ok(()));

        receiver.rtp_windows.accept(SSRC, last);
        assert_eq!(
            open(&mut receiver, &[0x80; 60], 0),
            Err(SrtpError::KeyExhausted)
        );

        sender.next_rtcp_index = (1 << 31) - 1;
        let mut compound = rtcp_packet(SSRC, b"body");
        assert_eq!(sender.protect_rtcp(&mut compound, 0), Ok(()));
        assert_eq!(receiver.unprotect_rtcp(&mut compound), Ok(12));
        assert_eq!(
            sender.protect_rtcp(&mut compound, 0),
            Err(SrtpError::KeyExhausted)
        );
    }
}

#[test]
fn wrong_key_lengths_are_refused() {
    for profile in PROFILES {
        let (key_bytes, salt_bytes) = profile.key_and_salt_bytes();
        for (key, salt) in [
            (key_bytes - 1, salt_bytes),
            (key_bytes, salt_bytes - 1),
            (0, 0),
        ] {
            assert!(SrtpSender::new(profile, &KEY[..key], &SALT[..salt]).is_err());
            assert!(SrtpReceiver::new(profile, &KEY[..key], &SALT[..salt]).is_err());
        }
    }
}

#[test]
fn short_packets_are_malformed() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = pair(profile);
        let overhead = profile.rtp_overhead_bytes();
        for length in 0..12 + overhead {
            let mut packet = vec![0x80; length];
            let result = receiver.unprotect_rtp(&mut packet, 12, SSRC, 1);
            assert_eq!(result, Err(SrtpError::Malformed), "{profile:?} {length}");
        }
        for length in 0..8 + overhead + 4 {
            let result = receiver.unprotect_rtcp(&mut vec![0xff; length]);
            assert_eq!(result, Err(SrtpError::Malformed), "{profile:?} {length}");
        }
        for length in 0..8 {
            let result = sender.protect_rtcp(&mut vec![0x80; length], 0);
            assert_eq!(result, Err(SrtpError::Malformed));
        }
        for (length, start, header_bytes) in [(11, 0, 11), (20, 0, 21), (20, 9, 12), (20, 21, 0)] {
            let mut packet = vec![0x80; length];
            let result = sender.protect_rtp(&mut packet, start, header_bytes, SSRC, 1);
            assert_eq!(result, Err(SrtpError::Malformed));
            assert_eq!(packet.len(), length);
        }
    }
}

fn any_profile() -> impl Strategy<Value = SrtpProfile> {
    (0..PROFILES.len()).prop_map(|at| PROFILES[at])
}

proptest! {
    #[test]
    fn what_is_protected_is_opened_unchanged(
        profile in any_profile(),
        ssrc: u32,
        sequence_number: u16,
        header_bytes in 12usize..80,
        payload in prop::collection::vec(any::<u8>(), 0..1400),
        before in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let (mut sender, mut receiver) = pair(profile);
        let mut plain = rtp_packet(ssrc, sequence_number, &vec![0x11; header_bytes - 12]);
        plain.extend_from_slice(&payload);
        let mut buffer = before.clone();
        buffer.extend_from_slice(&plain);

        sender.protect_rtp(&mut buffer, before.len(), header_bytes, ssrc, sequence_number.into())?;
        prop_assert_eq!(&buffer[..before.len()], &before[..]);
        prop_assert_eq!(&buffer[before.len()..][..header_bytes], &plain[..header_bytes]);
        let packet = &mut buffer[before.len()..];
        prop_assert_eq!(packet.len(), plain.len() + profile.rtp_overhead_bytes());
        let plain_bytes = receiver.unprotect_rtp(packet, header_bytes, ssrc, sequence_number)?;

        prop_assert_eq!(&packet[..plain_bytes], &plain[..]);
    }

    #[test]
    fn protected_rtcp_is_opened_unchanged(
        profile in any_profile(),
        ssrc: u32,
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..5),
    ) {
        let (mut sender, mut receiver) = pair(profile);
        for body in bodies {
            let plain = rtcp_packet(ssrc, &body);
            let mut buffer = vec![1, 2, 3];
            buffer.extend_from_slice(&plain);

            sender.protect_rtcp(&mut buffer, 3)?;
            let plain_bytes = receiver.unprotect_rtcp(&mut buffer[3..])?;

            prop_assert_eq!(&buffer[3..][..plain_bytes], &plain[..]);
        }
    }

    #[test]
    fn no_input_panics_the_receiver(
        profile in any_profile(),
        mut packet in prop::collection::vec(any::<u8>(), 0..100),
        header_bytes in 0usize..120,
        ssrc: u32,
        sequence_number: u16,
    ) {
        let (_, mut receiver) = pair(profile);

        prop_assert!(receiver.unprotect_rtp(&mut packet, header_bytes, ssrc, sequence_number).is_err());
        prop_assert!(receiver.unprotect_rtcp(&mut packet).is_err());
    }
}
