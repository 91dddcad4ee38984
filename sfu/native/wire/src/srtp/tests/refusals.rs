//! What is not opened, and changes nothing.

use super::builders::*;
use super::vectors::rfc_7714_session;
use crate::srtp::replay::ReplayWindows;
use crate::srtp::*;

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
