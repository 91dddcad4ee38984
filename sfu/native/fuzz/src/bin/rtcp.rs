//! Any bytes as an RTCP compound: every packet, every list to its end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::rtcp::{RtcpPacket, packets, write_nack, write_receiver_report};

fuzz_target!(|compound: &[u8]| {
    let mut count = 0;
    for packet in packets(compound) {
        count += 1;
        let Ok(packet) = packet else {
            break;
        };
        match packet {
            RtcpPacket::SenderReport { blocks, .. } | RtcpPacket::ReceiverReport { blocks, .. } => {
                let blocks: Vec<_> = blocks.collect();
                assert!(blocks.len() <= 31);
                let mut written = Vec::new();
                write_receiver_report(&mut written, 1, &blocks);
                let Some(Ok(RtcpPacket::ReceiverReport { blocks: read, .. })) =
                    packets(&written).next()
                else {
                    panic!("a written report is not read");
                };
                assert_eq!(read.collect::<Vec<_>>(), blocks);
            }
            RtcpPacket::Goodbye { ssrcs } => assert!(ssrcs.count() <= 31),
            RtcpPacket::Nack { pairs, .. } => {
                let numbers: Vec<_> = pairs.sequence_numbers().collect();
                assert!(numbers.len() * 4 <= compound.len() * 17);
                write_nack(&mut Vec::new(), 1, 2, &numbers);
            }
            RtcpPacket::FullIntraRequest { entries } => assert!(entries.count() <= compound.len()),
            RtcpPacket::TransportFeedback(view) => {
                assert_eq!(view.statuses().count(), usize::from(view.status_count));
            }
            _ => {}
        }
    }
    assert!(count <= compound.len() / 4 + 1);
});
