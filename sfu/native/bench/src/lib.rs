//! Rooms made by commands alone: one camera and many viewers here, calls of two in `calls`. What the benches of the engine
//! share.
#![forbid(unsafe_code)]

pub mod calls;

use engine::Command;
use engine::command::SrtpKeys;
use engine::ids::{Kind, ParticipantId, RoomId};
use engine::media_config::{CodecConfig, PublishConfig, SubscribeConfig};
use wire::codec::Codec;
use wire::extensions::{ExtensionIds, ExtensionWriter, Tag};
use wire::rtp::OutgoingHeader;
use wire::srtp::{SrtpProfile, SrtpSender};
use wire::stun::{self, OutgoingRequest};

/// Size of a camera packet before SRTP.
pub const PACKET_BYTES: usize = 1_100;
const PASSWORD: &str = "0123456789abcdefghijklmn";
const CAMERA_SSRC: u32 = 77;

fn tag(text: &str) -> Tag {
    Tag::new(text.as_bytes()).unwrap_or_default()
}

fn keys(profile: SrtpProfile) -> SrtpKeys {
    let (key_bytes, salt_bytes) = profile.key_and_salt_bytes();
    SrtpKeys {
        profile,
        local_key: vec![1; key_bytes],
        local_salt: vec![2; salt_bytes],
        remote_key: vec![1; key_bytes],
        remote_salt: vec![2; salt_bytes],
    }
}

/// Commands that make the room: participant 0 publishes, participants 1 to `viewers` watch it.
pub fn room_commands(viewers: usize, profile: SrtpProfile) -> Vec<Command> {
    let room = RoomId(1);
    let mut commands = vec![Command::AddRoom { room }];
    for index in 0..=viewers {
        let participant = ParticipantId(index as u64);
        let ice_ufrag = format!("user{index}");
        let published = if index == 0 { vec![camera()] } else { vec![] };
        commands.extend([
            Command::AddParticipant {
                room,
                participant,
                ice_ufrag,
                ice_pwd: PASSWORD.into(),
            },
            Command::SetRemoteIce {
                participant,
                remote_ufrag: "them".into(),
            },
            Command::SetMedia {
                participant,
                published,
                subscribed: vec![video_line(index)],
            },
            Command::SetSrtpKeys {
                participant,
                keys: keys(profile),
            },
        ]);
        if index == 0 {
            commands.push(Command::SetForwarding {
                participant,
                mid: tag("c"),
                is_allowed: true,
            });
        } else {
            let source = Some((ParticipantId(0), tag("c")));
            commands.push(Command::SetSource {
                participant,
                mid: tag("v"),
                source,
                max_height: 720,
            });
        }
    }
    commands
}

/// The binding request by which participant `index` nominates the path it comes over.
pub fn binding_request(index: usize) -> Vec<u8> {
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
    datagram
}

/// The camera: makes protected packets of `PACKET_BYTES` in frames.
pub struct CameraSource {
    sender: SrtpSender,
    number: u64,
    frame: u32,
}

impl CameraSource {
    /// A camera under the keys of `room_commands`.
    pub fn new(profile: SrtpProfile) -> Option<Self> {
        let keys = keys(profile);
        let sender = SrtpSender::new(profile, &keys.remote_key, &keys.remote_salt).ok()?;
        Some(Self {
            sender,
            number: 0,
            frame: 0,
        })
    }

    /// One frame of `packets` packets; a keyframe every hundredth frame, the first included.
    pub fn frame(&mut self, packets: usize) -> Vec<Vec<u8>> {
        let is_keyframe = self.frame.is_multiple_of(100);
        let frame = (0..packets)
            .map(|part| self.packet(part == 0, part + 1 == packets, is_keyframe))
            .collect();
        self.frame += 1;
        frame
    }

    fn packet(&mut self, starts_frame: bool, ends_frame: bool, is_keyframe: bool) -> Vec<u8> {
        let mut packet = Vec::with_capacity(PACKET_BYTES + 16);
        let header = OutgoingHeader {
            marker: ends_frame,
            payload_type: 96,
            sequence_number: self.number as u16,
            timestamp: self.frame * 3_000,
            ssrc: CAMERA_SSRC,
        };
        header.write(&mut packet, true, false);
        let mut writer = ExtensionWriter::new(&mut packet, false);
        writer.push(1, b"c");
        writer.push(2, &(self.number as u16).to_be_bytes());
        writer.finish();
        let header_bytes = packet.len();
        // RFC 7741 §4.2: X=1, S as told, PID 0; 15-bit picture id. Then the frame tag with its P bit.
        let [_, _, high, low] = self.frame.to_be_bytes();
        packet.extend_from_slice(&[
            0x80 | u8::from(starts_frame) << 4,
            0x80,
            0x80 | high & 0x7f,
            low,
        ]);
        packet.extend_from_slice(&[
            u8::from(!is_keyframe),
            0,
            0,
            0x9d,
            0x01,
            0x2a,
            0x00,
            0x05,
            0xd0,
            0x02,
        ]);
        packet.resize(PACKET_BYTES, 0x5a);
        // Fresh keys and a growing index: protection cannot fail before 2^48 packets.
        let _ = self
            .sender
            .protect_rtp(&mut packet, 0, header_bytes, CAMERA_SSRC, self.number);
        self.number += 1;
        packet
    }
}

fn extensions() -> ExtensionIds {
    ExtensionIds {
        mid: Some(1),
        transport_sequence_number: Some(2),
        absolute_send_time: Some(3),
        ..ExtensionIds::default()
    }
}

fn vp8() -> Vec<CodecConfig> {
    vec![CodecConfig {
        payload_type: 96,
        codec: Codec::Vp8,
        clock_rate: 90_000,
        rtx_payload_type: Some(97),
        red_payload_type: None,
        format_key: String::new(),
        has_nack: true,
    }]
}

fn camera() -> PublishConfig {
    PublishConfig {
        mid: tag("c"),
        kind: Kind::Video,
        codecs: vp8(),
        rids: vec![],
        ssrcs: vec![],
        extensions: extensions(),
    }
}

fn video_line(index: usize) -> SubscribeConfig {
    SubscribeConfig {
        mid: tag("v"),
        kind: Kind::Video,
        ssrc: 1_000 + index as u32,
        rtx_ssrc: Some(900_000 + index as u32),
        codecs: vp8(),
        extensions: extensions(),
    }
}
