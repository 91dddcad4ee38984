//! Any packet as RTP: header, padding, extensions; elements survive being written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::extensions::{ExtensionIds, ExtensionWriter, elements, parse};
use wire::rtp::{OutgoingHeader, RtpHeader, is_rtcp, padding_bytes};

const IDS: ExtensionIds = ExtensionIds {
    mid: Some(1),
    rid: Some(2),
    repaired_rid: Some(3),
    absolute_send_time: Some(4),
    transport_sequence_number: Some(5),
    audio_level: Some(6),
    video_orientation: Some(7),
    playout_delay: Some(8),
    dependency_descriptor: Some(9),
};

fuzz_target!(|packet: &[u8]| {
    is_rtcp(packet);
    let Ok(header) = RtpHeader::parse(packet) else {
        return;
    };
    let payload = &packet[header.header_bytes..];
    if let Ok(padding) = padding_bytes(header.has_padding, payload) {
        assert!(padding <= payload.len());
    }
    let extensions = parse(packet, &header, &IDS);

    let mut written = Vec::new();
    let outgoing = OutgoingHeader {
        marker: header.marker,
        payload_type: header.payload_type,
        sequence_number: header.sequence_number,
        timestamp: header.timestamp,
        ssrc: header.ssrc,
    };
    outgoing.write(&mut written, true, header.has_padding);
    let mut writer = ExtensionWriter::new(&mut written, true);
    for (id, data) in elements(packet, &header) {
        assert!(writer.try_push(id, data).is_some());
    }
    writer.finish();
    let again = RtpHeader::parse(&written).expect("a written header");
    assert_eq!(again.header_bytes, written.len());
    assert_eq!(parse(&written, &again, &IDS), extensions);
});
