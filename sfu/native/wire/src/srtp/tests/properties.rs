//! Whatever is protected is opened; whatever comes is survived.

use super::builders::*;
use proptest::prelude::*;

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
