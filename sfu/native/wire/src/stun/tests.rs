use super::*;
use proptest::prelude::*;

// RFC 5769 §2.1–2.3, short-term credentials.
const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";
const TRANSACTION_ID: [u8; 12] = *b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";
const SAMPLE_REQUEST: &[u8] = b"\
    \x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
    \x80\x22\x00\x10STUN test client\
    \x00\x24\x00\x04\x6e\x00\x01\xff\
    \x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
    \x00\x06\x00\x09evtj:h6vY\x20\x20\x20\
    \x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\
    \x80\x28\x00\x04\xe5\x7a\x3b\xcf";
const SAMPLE_IPV4_RESPONSE: &[u8] = b"\
    \x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
    \x80\x22\x00\x0btest vector\x20\
    \x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43\
    \x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b\xe7\xd7\
    \x80\x28\x00\x04\xc0\x7d\x4c\x96";
const SAMPLE_IPV6_RESPONSE: &[u8] = b"\
    \x01\x01\x00\x48\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
    \x80\x22\x00\x0btest vector\x20\
    \x00\x20\x00\x14\x00\x02\xa1\x47\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9\
    \x00\x08\x00\x14\xa3\x82\x95\x4e\x4b\xe6\x7b\xf1\x17\x84\xc9\x7c\x82\x92\xc2\x75\xbf\xe3\xed\x41\
    \x80\x28\x00\x04\xc8\xfb\x0b\x4c";

fn request(datagram: &[u8]) -> BindingRequest<'_> {
    match parse(datagram) {
        Ok(StunMessage::Request(request)) => request,
        other => panic!("not a request: {other:?}"),
    }
}

/// A message of `attributes`; where MESSAGE-INTEGRITY or FINGERPRINT has an empty value it gets the right one.
fn message(message_type: u16, attributes: &[Attribute]) -> Vec<u8> {
    let value_bytes = |&(kind, value): &Attribute| match (kind, value) {
        (MESSAGE_INTEGRITY, []) => 20,
        (FINGERPRINT, []) => 4,
        _ => value.len().next_multiple_of(4),
    };
    let length: usize = attributes.iter().map(|a| 4 + value_bytes(a)).sum();
    let mut out = message_type.to_be_bytes().to_vec();
    out.extend_from_slice(&(length as u16).to_be_bytes());
    out.extend_from_slice(&MAGIC_COOKIE.to_be_bytes());
    out.extend_from_slice(&TRANSACTION_ID);
    for &(kind, value) in attributes {
        let value = match (kind, value) {
            (MESSAGE_INTEGRITY, []) => {
                let mac = integrity(&out, out.len(), PASSWORD).unwrap();
                mac.finalize().into_bytes().to_vec()
            }
            (FINGERPRINT, []) => fingerprint::of(&out).to_be_bytes().to_vec(),
            _ => value.to_vec(),
        };
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&(value.len() as u16).to_be_bytes());
        out.extend_from_slice(&value);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    assert_eq!(out.len(), HEADER_BYTES + length);
    out
}

/// Make the fingerprint at the end right again after a change before it.
fn refresh_fingerprint(datagram: &mut [u8]) {
    let covered = datagram.len() - 8;
    let value = fingerprint::of(&datagram[..covered]);
    datagram[covered + 4..].copy_from_slice(&value.to_be_bytes());
}

type Attribute<'a> = (u16, &'a [u8]);

const USER: Attribute = (USERNAME, b"ours:them");
const PRIO: Attribute = (PRIORITY, &[0x6e, 0, 1, 0xff]);
const LEAD: Attribute = (ICE_CONTROLLING, &[1; 8]);
const MAC: Attribute = (MESSAGE_INTEGRITY, &[]);
const SUM: Attribute = (FINGERPRINT, &[]);

#[test]
fn rfc_5769_sample_request_parses_and_is_authentic() {
    let request = request(SAMPLE_REQUEST);

    assert_eq!(request.transaction_id, TRANSACTION_ID);
    assert_eq!(request.local_ufrag, "evtj");
    assert_eq!(request.remote_ufrag, "h6vY");
    assert_eq!(request.priority, 0x6e00_01ff);
    assert!(!request.is_nominating);
    assert_eq!(request.role, Some((false, 0x932f_f9b1_5126_3b36)));
    assert!(request.verify(PASSWORD));
    assert!(!request.verify(b"VOkJxbRl1RmTxUk/WvJxBu"));
    assert!(!request.verify(b""));
}

#[test]
fn rfc_5769_sample_responses_parse_and_are_authentic() {
    for (datagram, address) in [
        (SAMPLE_IPV4_RESPONSE, "192.0.2.1:32853"),
        (
            SAMPLE_IPV6_RESPONSE,
            "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
        ),
    ] {
        assert!(matches!(
            parse(datagram),
            Ok(StunMessage::Response {
                is_success: true,
                transaction_id: TRANSACTION_ID
            })
        ));
        assert_eq!(mapped_address(datagram), Some(address.parse().unwrap()));
        assert!(verify_integrity(datagram, PASSWORD));
        assert!(!verify_integrity(datagram, b"other"));
    }
}

#[test]
fn written_mapped_addresses_are_the_rfc_5769_bytes() {
    for (sample, address) in [
        (SAMPLE_IPV4_RESPONSE, "192.0.2.1:32853"),
        (SAMPLE_IPV4_RESPONSE, "[::ffff:192.0.2.1]:32853"),
        (
            SAMPLE_IPV6_RESPONSE,
            "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
        ),
    ] {
        let mut out = vec![0xee; 3];
        write_success(
            &mut out,
            &TRANSACTION_ID,
            address.parse().unwrap(),
            PASSWORD,
        );
        let written = &out[3..];

        let software_bytes = 16;
        let sample_value = &sample[HEADER_BYTES + software_bytes..sample.len() - 32];
        assert_eq!(&written[HEADER_BYTES..written.len() - 32], sample_value);
        assert!(verify_integrity(written, PASSWORD));
        assert!(matches!(
            parse(written),
            Ok(StunMessage::Response {
                is_success: true,
                ..
            })
        ));
    }
}

#[test]
fn written_errors_are_authentic_and_name_the_code() {
    for code in [400, 487, 699] {
        let mut out = Vec::new();
        write_error(&mut out, &TRANSACTION_ID, code, PASSWORD);

        let (kind, value, _) = Attributes::new(&out).flatten().next().unwrap();
        assert_eq!(kind, ERROR_CODE);
        assert_eq!(u16::from(value[2]) * 100 + u16::from(value[3]), code);
        assert!(verify_integrity(&out, PASSWORD));
        assert!(matches!(
            parse(&out),
            Ok(StunMessage::Response {
                is_success: false,
                transaction_id: TRANSACTION_ID
            })
        ));
        assert_eq!(mapped_address(&out), None);
    }
}

#[test]
fn written_requests_are_read_back() {
    for is_nominating in [false, true] {
        let mut out = Vec::new();
        let outgoing = OutgoingRequest {
            transaction_id: [7; 12],
            username: "server+frag/1:cl",
            password: PASSWORD,
            priority: 1_853_824_767,
            tie_breaker: u64::MAX - 1,
            is_nominating,
        };
        write_request(&mut out, &outgoing);

        let request = request(&out);
        assert_eq!(request.transaction_id, [7; 12]);
        assert_eq!(request.local_ufrag, "server+frag/1");
        assert_eq!(request.remote_ufrag, "cl");
        assert_eq!(request.priority, 1_853_824_767);
        assert_eq!(request.is_nominating, is_nominating);
        assert_eq!(request.role, Some((true, u64::MAX - 1)));
        assert!(request.verify(PASSWORD));
        assert!(!request.verify(b"wrong"));
    }
}

#[test]
fn indications_need_no_attributes_but_right_ones() {
    assert!(matches!(
        parse(&message(BINDING_INDICATION, &[])),
        Ok(StunMessage::Indication)
    ));
    assert!(matches!(
        parse(&message(BINDING_INDICATION, &[SUM])),
        Ok(StunMessage::Indication)
    ));
    assert!(parse(&message(BINDING_INDICATION, &[(FINGERPRINT, &[0; 4])])).is_err());
}

#[test]
fn test_messages_are_accepted_before_they_are_spoilt() {
    let datagram = message(BINDING_REQUEST, &[USER, PRIO, LEAD, MAC, SUM]);
    assert!(request(&datagram).verify(PASSWORD));
    // An unknown attribute that may be ignored, and the nominating flag.
    let datagram = message(
        BINDING_REQUEST,
        &[
            (0xc057, b"abc"),
            USER,
            PRIO,
            LEAD,
            (USE_CANDIDATE, b""),
            MAC,
            SUM,
        ],
    );
    assert!(request(&datagram).is_nominating);
    assert!(request(&datagram).verify(PASSWORD));
}

#[test]
fn malformed_requests_are_refused() {
    let long_name = [b"a:".to_vec(), vec![b'b'; 507]].concat();
    let long_ufrag = [vec![b'a'; 257], b":b".to_vec()].concat();
    let cases: &[(&str, &[Attribute])] = &[
        ("no username", &[PRIO, LEAD, MAC, SUM]),
        ("no priority", &[USER, LEAD, MAC, SUM]),
        ("no integrity", &[USER, PRIO, LEAD, SUM]),
        ("no fingerprint", &[USER, PRIO, LEAD, MAC]),
        ("nothing", &[]),
        ("two usernames", &[USER, USER, PRIO, LEAD, MAC, SUM]),
        ("two priorities", &[USER, PRIO, PRIO, LEAD, MAC, SUM]),
        ("two roles alike", &[USER, PRIO, LEAD, LEAD, MAC, SUM]),
        (
            "two roles",
            &[USER, PRIO, LEAD, (ICE_CONTROLLED, &[1; 8]), MAC, SUM],
        ),
        ("two integrities", &[USER, PRIO, LEAD, MAC, MAC, SUM]),
        ("two fingerprints", &[USER, PRIO, LEAD, MAC, SUM, SUM]),
        ("attribute after integrity", &[USER, PRIO, MAC, LEAD, SUM]),
        (
            "optional attribute after integrity",
            &[USER, PRIO, MAC, (0xc057, b"abc"), SUM],
        ),
        (
            "attribute after fingerprint",
            &[USER, PRIO, MAC, SUM, (0x8022, b"late")],
        ),
        ("fingerprint before integrity", &[USER, PRIO, SUM, MAC]),
        (
            "unknown required attribute",
            &[USER, PRIO, LEAD, (0x7fff, b""), MAC, SUM],
        ),
        (
            "a response's attribute",
            &[USER, PRIO, (XOR_MAPPED_ADDRESS, &[0; 8]), MAC, SUM],
        ),
        (
            "wrong fingerprint",
            &[USER, PRIO, LEAD, MAC, (FINGERPRINT, &[1, 2, 3, 4])],
        ),
        (
            "fingerprint of 3 bytes",
            &[USER, PRIO, LEAD, MAC, (FINGERPRINT, &[1, 2, 3])],
        ),
        (
            "integrity of 19 bytes",
            &[USER, PRIO, LEAD, (MESSAGE_INTEGRITY, &[1; 19]), SUM],
        ),
        (
            "integrity of 32 bytes",
            &[USER, PRIO, LEAD, (MESSAGE_INTEGRITY, &[1; 32]), SUM],
        ),
        (
            "priority of 3 bytes",
            &[USER, (PRIORITY, &[1; 3]), LEAD, MAC, SUM],
        ),
        (
            "priority of 5 bytes",
            &[USER, (PRIORITY, &[1; 5]), LEAD, MAC, SUM],
        ),
        (
            "tie-breaker of 4 bytes",
            &[USER, PRIO, (ICE_CONTROLLING, &[1; 4]), MAC, SUM],
        ),
        (
            "nomination with a value",
            &[USER, PRIO, LEAD, (USE_CANDIDATE, &[1]), MAC, SUM],
        ),
        (
            "username without a colon",
            &[(USERNAME, b"ours"), PRIO, LEAD, MAC, SUM],
        ),
        (
            "no local ufrag",
            &[(USERNAME, b":them"), PRIO, LEAD, MAC, SUM],
        ),
        (
            "no remote ufrag",
            &[(USERNAME, b"ours:"), PRIO, LEAD, MAC, SUM],
        ),
        ("empty username", &[(USERNAME, b""), PRIO, LEAD, MAC, SUM]),
        (
            "username not UTF-8",
            &[(USERNAME, b"\xff:b"), PRIO, LEAD, MAC, SUM],
        ),
        (
            "username of 509 bytes",
            &[(USERNAME, &long_name), PRIO, LEAD, MAC, SUM],
        ),
        (
            "ufrag of 257 bytes",
            &[(USERNAME, &long_ufrag), PRIO, LEAD, MAC, SUM],
        ),
    ];
    for (name, attributes) in cases {
        let datagram = message(BINDING_REQUEST, attributes);
        assert!(parse(&datagram).is_err(), "{name}");
    }
}

#[test]
fn messages_of_other_kinds_are_refused() {
    let good = message(BINDING_REQUEST, &[USER, PRIO, LEAD, MAC, SUM]);
    for (name, offset, byte) in [
        ("top bits set", 0, 0x40),
        ("top bits set", 0, 0x80),
        ("another method", 1, 0x03),
        ("another class", 1, 0x20),
        ("wrong cookie", 4, 0x20),
        ("wrong cookie", 7, 0x43),
        ("length not a multiple of 4", 3, good[3] + 1),
        ("length a word short", 3, good[3] - 4),
        ("length a word long", 3, good[3] + 4),
        ("length far too long", 2, 0xff),
    ] {
        let mut datagram = good.clone();
        datagram[offset] = byte;
        refresh_fingerprint(&mut datagram);
        assert!(parse(&datagram).is_err(), "{name}");
    }
}

#[test]
fn wrong_attribute_lengths_are_refused() {
    let good = message(BINDING_REQUEST, &[USER, PRIO, LEAD, MAC, SUM]);
    let attributes: Vec<usize> = Attributes::new(&good)
        .map(|attribute| attribute.unwrap().2)
        .collect();
    for offset in attributes {
        for length in [1, 24, 40, 0x100, 0xffff_u16] {
            let mut datagram = good.clone();
            datagram[offset + 2..offset + 4].copy_from_slice(&length.to_be_bytes());
            refresh_fingerprint(&mut datagram);
            assert!(parse(&datagram).is_err(), "{length} at {offset}");
        }
    }
}

#[test]
fn truncated_or_lengthened_samples_are_refused() {
    for sample in [SAMPLE_REQUEST, SAMPLE_IPV4_RESPONSE, SAMPLE_IPV6_RESPONSE] {
        for length in 0..sample.len() {
            assert!(parse(&sample[..length]).is_err(), "{length} bytes");
            mapped_address(&sample[..length]);
            // The same with a length field that tells the truth.
            if length >= HEADER_BYTES {
                let mut cut = sample[..length].to_vec();
                let told = ((length - HEADER_BYTES) as u16).to_be_bytes();
                cut[2..4].copy_from_slice(&told);
                let is_request = sample == SAMPLE_REQUEST;
                assert!(parse(&cut).is_err() || !is_request, "{length} bytes");
                assert!(!verify_integrity(&cut, PASSWORD) || length == sample.len() - 8);
            }
        }
        for extra in 1..=5 {
            let mut longer = sample.to_vec();
            longer.resize(sample.len() + extra, 0);
            assert!(parse(&longer).is_err(), "{extra} more");
        }
    }
}

#[test]
fn any_flipped_bit_is_refused_or_not_authentic() {
    for bit in 0..SAMPLE_REQUEST.len() * 8 {
        let mut datagram = SAMPLE_REQUEST.to_vec();
        datagram[bit / 8] ^= 1 << (bit % 8);
        assert!(parse(&datagram).is_err(), "bit {bit}");

        // The attacker knows how to compute a fingerprint, but not the password.
        refresh_fingerprint(&mut datagram);
        if let Ok(StunMessage::Request(request)) = parse(&datagram) {
            let is_fingerprint = bit / 8 >= SAMPLE_REQUEST.len() - 8;
            assert!(is_fingerprint || !request.verify(PASSWORD), "bit {bit}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
        mapped_address(&bytes);
        verify_integrity(&bytes, PASSWORD);
    }

    #[test]
    fn any_attributes_are_parsed_without_panic(
        message_type in prop::sample::select(vec![BINDING_REQUEST, BINDING_SUCCESS, BINDING_ERROR]),
        attributes in prop::collection::vec(
            (
                prop::sample::select(vec![
                    USERNAME, PRIORITY, ICE_CONTROLLED, ICE_CONTROLLING, USE_CANDIDATE,
                    XOR_MAPPED_ADDRESS, MESSAGE_INTEGRITY, FINGERPRINT, 0x8022,
                ]),
                prop::collection::vec(any::<u8>(), 0..24),
            ),
            0..8,
        ),
    ) {
        let attributes: Vec<_> = attributes.iter().map(|(kind, value)| (*kind, &value[..])).collect();
        let datagram = message(message_type, &attributes);
        mapped_address(&datagram);
        verify_integrity(&datagram, PASSWORD);
        if let Ok(StunMessage::Request(request)) = parse(&datagram) {
            request.verify(PASSWORD);
        }
    }

    #[test]
    fn mapped_addresses_are_read_back(v4: u32, v6: u128, port: u16, transaction_id: [u8; 12]) {
        for ip in [IpAddr::from(Ipv4Addr::from_bits(v4)), Ipv6Addr::from_bits(v6).into()] {
            let mut out = Vec::new();
            write_success(&mut out, &transaction_id, SocketAddr::new(ip, port), PASSWORD);
            prop_assert_eq!(
                mapped_address(&out),
                Some(SocketAddr::new(ip.to_canonical(), port))
            );
            prop_assert!(verify_integrity(&out, PASSWORD));
        }
    }
}
