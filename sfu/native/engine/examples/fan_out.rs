//! What forwarding costs without the kernel: one camera, N viewers, 1,100-byte packets in bursts, no sockets.
//! `cargo run --release -p engine --example fan_out -- [viewers] [packets per burst] [bursts] [gcm|cm]`

use engine::command::SrtpKeys;
use engine::ids::{Kind, ParticipantId, RoomId};
use engine::media_config::{CodecConfig, PublishConfig, SubscribeConfig};
use engine::{Command, Engine, EngineConfig, NtpClock, Path, Time};
use std::time::{Duration, Instant};
use wire::codec::Codec;
use wire::extensions::{ExtensionIds, ExtensionWriter, Tag};
use wire::rtp::OutgoingHeader;
use wire::srtp::{SrtpProfile, SrtpSender};
use wire::stun::{self, OutgoingRequest};

const PASSWORD: &str = "0123456789abcdefghijklmn";
const PACKET_BYTES: usize = 1_100;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: usize| {
        arguments
            .next()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    let (viewers, burst, bursts) = (number(100), number(10), number(2_000));
    let profile = match arguments.next().as_deref() {
        Some("cm") => SrtpProfile::Aes128CmSha1_80,
        _ => SrtpProfile::AeadAes128Gcm,
    };
    let (mut engine, mut sender) = room(viewers, profile);
    let mut spent = Duration::ZERO;
    let (mut forwarded, mut sequence_number) = (0u64, 0u64);
    for index in 0..bursts {
        let now = Time::from_millis(2_000 + 5 * index as u64);
        let mut packets: Vec<Vec<u8>> = (0..burst)
            .map(|part| {
                let is_first = sequence_number == 0;
                let packet = camera_packet(
                    &mut sender,
                    sequence_number,
                    index,
                    part == 0,
                    part + 1 == burst,
                    is_first,
                );
                sequence_number += 1;
                packet
            })
            .collect();
        let start = Instant::now();
        for packet in &mut packets {
            engine.handle_datagram(now, path(0), packet);
        }
        for transmit in engine.transmits() {
            forwarded += transmit.datagram_bytes.len() as u64;
        }
        engine.clear_transmits();
        engine.handle_timeout(now);
        spent += start.elapsed();
        engine.clear_transmits();
        while engine.poll_event().is_some() {}
    }
    let statistics = engine.statistics();
    println!(
        "{viewers} viewers, {burst} packets a burst, {profile:?}: {:.0} ns per packet out ({} out, {forwarded} datagrams)",
        spent.as_nanos() as f64 / statistics.counters.rtp_packets_forwarded as f64,
        statistics.counters.rtp_packets_forwarded,
    );
    for (reason, count) in engine::DropReason::ALL
        .iter()
        .zip(statistics.drops)
        .filter(|(_, count)| *count > 0)
    {
        println!("  dropped {count}: {}", reason.label());
    }
}

fn path(index: usize) -> Path {
    Path {
        socket: 0,
        remote: ([127, 0, (index >> 8) as u8, index as u8], 5_000).into(),
    }
}

fn tag(text: &str) -> Tag {
    Tag::new(text.as_bytes()).expect("a token")
}

fn room(viewers: usize, profile: SrtpProfile) -> (Engine, SrtpSender) {
    let config = EngineConfig {
        seed: [1; 32],
        clock: NtpClock { ntp_at_zero: 0 },
        is_kep: false,
    };
    let mut engine = Engine::new(&config);
    let now = Time::from_millis(1_000);
    let (key_bytes, salt_bytes) = profile.key_and_salt_bytes();
    let (key, salt) = (vec![1; key_bytes], vec![2; salt_bytes]);
    let extensions = ExtensionIds {
        mid: Some(1),
        transport_sequence_number: Some(2),
        absolute_send_time: Some(3),
        ..ExtensionIds::default()
    };
    let codecs = vec![CodecConfig {
        payload_type: 96,
        codec: Codec::Vp8,
        clock_rate: 90_000,
        rtx_payload_type: Some(97),
        red_payload_type: None,
        format_key: String::new(),
        has_nack: true,
    }];
    let mut command = |command| engine.handle_command(now, command).expect("a good command");
    command(Command::AddRoom { room: RoomId(1) });
    for index in 0..=viewers {
        let participant = ParticipantId(index as u64);
        let ice_ufrag = format!("user{index}");
        command(Command::AddParticipant {
            room: RoomId(1),
            participant,
            ice_ufrag,
            ice_pwd: PASSWORD.into(),
        });
        command(Command::SetRemoteIce {
            participant,
            remote_ufrag: "them".into(),
        });
        let published = PublishConfig {
            mid: tag("c"),
            kind: Kind::Video,
            codecs: codecs.clone(),
            rids: vec![],
            ssrcs: vec![],
            extensions,
        };
        let subscribed = SubscribeConfig {
            mid: tag("v"),
            kind: Kind::Video,
            ssrc: 1_000 + index as u32,
            rtx_ssrc: Some(900_000 + index as u32),
            codecs: codecs.clone(),
            extensions,
        };
        command(Command::SetMedia {
            participant,
            published: if index == 0 { vec![published] } else { vec![] },
            subscribed: vec![subscribed],
        });
        let keys = SrtpKeys {
            profile,
            local_key: key.clone(),
            local_salt: salt.clone(),
            remote_key: key.clone(),
            remote_salt: salt.clone(),
        };
        command(Command::SetSrtpKeys { participant, keys });
        if index > 0 {
            let source = Some((ParticipantId(0), tag("c")));
            command(Command::SetSource {
                participant,
                mid: tag("v"),
                source,
                max_height: 720,
            });
        }
    }
    for index in 0..=viewers {
        let mut datagram = Vec::new();
        let request = OutgoingRequest {
            transaction_id: [0; 12],
            username: &format!("user{index}:them"),
            password: PASSWORD.as_bytes(),
            priority: 1,
            tie_breaker: 1,
            is_nominating: true,
        };
        stun::write_request(&mut datagram, &request);
        engine.handle_datagram(now, path(index), &mut datagram);
    }
    engine.clear_transmits();
    (
        engine,
        SrtpSender::new(profile, &key, &salt).expect("good key"),
    )
}

fn camera_packet(
    sender: &mut SrtpSender,
    number: u64,
    frame: usize,
    starts_frame: bool,
    ends_frame: bool,
    is_keyframe: bool,
) -> Vec<u8> {
    let mut packet = Vec::new();
    let header = OutgoingHeader {
        marker: ends_frame,
        payload_type: 96,
        sequence_number: number as u16,
        timestamp: frame as u32 * 450,
        ssrc: 77,
    };
    header.write(&mut packet, true, false);
    let mut writer = ExtensionWriter::new(&mut packet, false);
    writer.push(1, b"c");
    writer.push(2, &(number as u16).to_be_bytes());
    writer.finish();
    let header_bytes = packet.len();
    // RFC 7741 §4.2: X=1, S as told, PID 0; 15-bit picture id. Then the frame tag with its P bit.
    packet.extend_from_slice(&[
        0x80 | u8::from(starts_frame) << 4,
        0x80,
        0x80 | (frame >> 8) as u8 & 0x7f,
        frame as u8,
    ]);
    packet.push(u8::from(!is_keyframe));
    packet.extend_from_slice(&[0, 0, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02]);
    packet.resize(PACKET_BYTES, 0x5a);
    sender
        .protect_rtp(&mut packet, 0, header_bytes, 77, number)
        .expect("protect");
    packet
}
