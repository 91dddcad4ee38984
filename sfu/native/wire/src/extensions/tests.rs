use super::*;
use crate::rtp::{FIXED_HEADER_BYTES, OutgoingHeader};
use proptest::prelude::*;

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

fn fixed_header() -> Vec<u8> {
    let mut packet = Vec::new();
    let header = OutgoingHeader {
        marker: false,
        payload_type: 96,
        sequence_number: 65_535,
        timestamp: 1,
        ssrc: 2,
    };
    header.write(&mut packet, true, false);
    packet
}

/// A packet whose extension block is `profile` over `elements` as they stand (a multiple of four bytes).
fn packet_with(profile: u16, elements: &[u8]) -> Vec<u8> {
    let mut packet = fixed_header();
    packet.extend_from_slice(&profile.to_be_bytes());
    packet.extend_from_slice(&((elements.len() / 4) as u16).to_be_bytes());
    packet.extend_from_slice(elements);
    packet
}

fn parsed(packet: &[u8]) -> Extensions<'_> {
    let header = RtpHeader::parse(packet).expect("a well-formed header");
    parse(packet, &header, &IDS)
}

#[test]
fn tag_takes_tokens_of_one_to_sixteen_bytes() {
    for (text, accepted) in [
        (&b"0"[..], true),
        (b"hi", true),
        (b"0123456789abcdef", true),
        (b"a-b_c.d!~", true),
        (b"", false),
        (b"0123456789abcdefg", false),
        (b"a b", false),
        (b"a:b", false),
        (b"a;b", false),
        (b"a\0", false),
        (b"\xce\xb1", false),
        (b"a@b", false),
    ] {
        assert_eq!(Tag::new(text).is_some(), accepted, "{text:?}");
    }
}

#[test]
fn tag_gives_back_its_text_and_compares_by_it() {
    let tag = Tag::new(b"hi").unwrap();

    assert_eq!(tag.as_bytes(), b"hi");
    assert_eq!(tag.as_str(), "hi");
    assert_eq!(format!("{tag:?}"), "\"hi\"");
    assert_eq!(Some(tag), Tag::new(b"hi"));
    assert_ne!(Some(tag), Tag::new(b"hi0"));
    assert_eq!(Tag::default().as_str(), "");
}

#[test]
fn written_blocks_are_read_back_in_both_forms() {
    for two_byte in [false, true] {
        let mut packet = fixed_header();
        let mut writer = ExtensionWriter::new(&mut packet, two_byte);
        writer.push(1, b"mid");
        writer.push(2, b"h");
        writer.push(3, b"q");
        let send_time_offset = writer.push(4, &[0x12, 0x34, 0x56]);
        writer.push(5, &[0xff, 0xfe]);
        writer.push(6, &[0x9e]);
        writer.push(7, &[1]);
        writer.push(8, &[0x12, 0x34, 0x56]);
        writer.push(9, &[0xc0, 0, 1, 9]);
        writer.finish();
        packet.extend_from_slice(b"payload");

        let header = RtpHeader::parse(&packet).unwrap();
        assert_eq!(&packet[header.header_bytes..], b"payload");
        assert_eq!(
            packet[send_time_offset..send_time_offset + 3],
            [0x12, 0x34, 0x56]
        );
        assert_eq!(
            parse(&packet, &header, &IDS),
            Extensions {
                mid: Some(b"mid"),
                rid: Some(b"h"),
                repaired_rid: Some(b"q"),
                absolute_send_time: Some(0x12_3456),
                transport_sequence_number: Some(0xfffe),
                audio_level: Some(AudioLevel {
                    minus_dbov: 30,
                    is_voice: true
                }),
                video_orientation: Some(1),
                playout_delay: Some((0x123, 0x456)),
                dependency_descriptor: Some(&[0xc0, 0, 1, 9]),
            },
            "two_byte: {two_byte}"
        );
        assert_eq!(
            parse(&packet, &header, &ExtensionIds::default()),
            Extensions::default()
        );
    }
}

#[test]
fn elements_a_form_cannot_hold_are_left_out() {
    for (two_byte, id, bytes, is_held) in [
        (false, 1, 1, true),
        (false, 14, 16, true),
        (false, 0, 1, false),
        (false, 15, 1, false),
        (false, 1, 0, false),
        (false, 1, 17, false),
        (true, 15, 17, true),
        (true, 255, 255, true),
        (true, 1, 0, true),
        (true, 0, 1, false),
        (true, 1, 256, false),
    ] {
        let mut out = Vec::new();
        let mut writer = ExtensionWriter::new(&mut out, two_byte);
        let data = vec![7; bytes];
        let offset = writer.try_push(id, &data);
        let again = writer.push(1, &[9]);
        writer.finish();

        assert_eq!(offset.is_some(), is_held, "{two_byte} {id} {bytes}");
        assert_eq!(out[again], 9);
        assert_eq!(out.len() % 4, 0);
    }
}

#[test]
fn empty_block_is_a_preamble_alone() {
    let mut out = vec![1, 2, 3, 4];
    ExtensionWriter::new(&mut out, false).finish();

    assert_eq!(out, [1, 2, 3, 4, 0xbe, 0xde, 0, 0]);
}

#[test]
fn padding_between_elements_is_skipped() {
    let one_byte = packet_with(0xbede, &[0x10, b'a', 0, 0, 0x61, 0x85, 0, 0, 0x70, 3, 0, 0]);
    let two_byte = packet_with(0x1003, &[1, 1, b'a', 0, 0, 6, 2, 0x85, 0, 7, 1, 3]);

    for packet in [one_byte, two_byte] {
        let extensions = parsed(&packet);
        assert_eq!(extensions.mid, Some(&b"a"[..]));
        assert_eq!(extensions.audio_level.map(AudioLevel::to_byte), Some(0x85));
        assert_eq!(extensions.video_orientation, Some(3));
    }
}

#[test]
fn scan_stops_where_it_must_and_keeps_what_came_before() {
    for (name, profile, elements) in [
        ("id 15", 0xbede, &[0x10, b'a', 0xf0, 0, 0x70, 3, 0, 0][..]),
        (
            "id 0 with a length",
            0xbede,
            &[0x10, b'a', 0x01, 0, 0x70, 3, 0, 0],
        ),
        ("data past the end", 0xbede, &[0x10, b'a', 0x75, 3]),
        ("data past the end", 0x1000, &[1, 1, b'a', 7, 4, 3, 3, 3]),
        ("no length byte", 0x1000, &[1, 1, b'a', 7]),
    ] {
        let packet = packet_with(profile, elements);
        let extensions = parsed(&packet);
        assert_eq!(extensions.mid, Some(&b"a"[..]), "{name}");
        assert_eq!(extensions.video_orientation, None, "{name}");
    }
}

#[test]
fn known_elements_of_a_wrong_size_are_skipped() {
    let packet = packet_with(0xbede, &[0x41, 1, 2, 0x50, 1, 0x83, 1, 2, 3, 4, 0x10, b'a']);

    let extensions = parsed(&packet);

    assert_eq!(
        extensions,
        Extensions {
            mid: Some(b"a"),
            ..Extensions::default()
        }
    );
}

#[test]
fn other_profiles_and_a_header_of_another_packet_give_nothing() {
    let foreign = packet_with(0xabcd, &[0x10, b'a', 0, 0]);
    assert_eq!(parsed(&foreign), Extensions::default());

    let packet = packet_with(0xbede, &[0x10, b'a', 0, 0]);
    let header = RtpHeader::parse(&packet).unwrap();
    for length in 0..packet.len() {
        assert_eq!(
            parse(&packet[..length], &header, &IDS),
            Extensions::default()
        );
    }
}

proptest! {
    #[test]
    fn any_elements_parse_without_panic(
        one_byte: bool,
        elements in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let padded = elements.len() / 4 * 4;
        let profile = if one_byte { 0xbede } else { 0x1000 };
        let packet = packet_with(profile, &elements[..padded]);
        let header = RtpHeader::parse(&packet).unwrap();

        parse(&packet, &header, &IDS);

        for (id, data) in super::elements(&packet, &header) {
            prop_assert!(id != 0 && !data.is_empty());
        }
    }

    #[test]
    fn written_elements_are_read_back_in_order(
        two_byte: bool,
        written in prop::collection::vec((1u8..=14, prop::collection::vec(any::<u8>(), 1..=16)), 0..14),
    ) {
        let mut packet = fixed_header();
        let mut writer = ExtensionWriter::new(&mut packet, two_byte);
        for (id, data) in &written {
            let offset = writer.push(*id, data);
            prop_assert!(offset > FIXED_HEADER_BYTES);
        }
        writer.finish();

        let header = RtpHeader::parse(&packet).unwrap();
        prop_assert_eq!(header.header_bytes, packet.len());
        let read: Vec<_> = elements(&packet, &header)
            .map(|(id, data)| (id, data.to_vec()))
            .collect();
        prop_assert_eq!(read, written);
    }
}
