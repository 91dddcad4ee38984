//! Which of the 2^48 indices a sequence number is of.

use super::builders::*;
use crate::srtp::*;

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
