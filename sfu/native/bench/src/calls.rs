//! Calls of two, each a kep room: both publish sound and picture and get the other's.

use crate::{binding_request, extensions, keys, tag, vp8};
use engine::Command;
use engine::ids::{Kind, ParticipantId, RoomId};
use engine::media_config::{CodecConfig, PublishConfig, SubscribeConfig};
use std::time::Duration;
use wire::codec::Codec;
use wire::extensions::{ExtensionIds, ExtensionWriter};
use wire::rtp::OutgoingHeader;
use wire::srtp::{SrtpProfile, SrtpSender};

/// What a client sends repeats in time like this: five sound packets and two pictures of two packets each.
pub const CYCLE: Duration = Duration::from_millis(100);
/// Packets of one client in a cycle.
pub const PACKETS_PER_CYCLE: usize = SOUNDS.len() + 2 * PICTURES.len();
/// When in a cycle sound leaves, in ms.
const SOUNDS: [u64; 5] = [0, 20, 40, 60, 80];
/// When in a cycle pictures leave, in ms.
const PICTURES: [u64; 2] = [7, 57];
const SOUND_BYTES: usize = 120;
/// Payload bytes of the two packets of a picture: 640 kbit/s at 20 pictures a second.
const PICTURE_BYTES: [usize; 2] = [1_100, 900];
const LEVEL_EXTENSION: u8 = 4;
const SOUND_SSRC: u32 = 10;
const PICTURE_SSRC: u32 = 20;

/// Commands that make `calls` rooms; participants `2 n` and `2 n + 1` are in room `n`.
pub fn call_commands(calls: usize, profile: SrtpProfile) -> Vec<Command> {
    let mut commands = Vec::new();
    for index in 0..calls * 2 {
        let room = RoomId(index as u64 / 2);
        let participant = ParticipantId(index as u64);
        if index.is_multiple_of(2) {
            commands.push(Command::AddRoom { room });
        }
        commands.extend([
            Command::AddParticipant {
                room,
                participant,
                ice_ufrag: format!("user{index}"),
                ice_pwd: crate::PASSWORD.into(),
            },
            Command::SetRemoteIce {
                participant,
                remote_ufrag: "them".into(),
            },
            Command::SetMedia {
                participant,
                published: vec![microphone(index), picture(index)],
                subscribed: vec![
                    // One for each voice that a room carries.
                    line("s", Kind::Audio, 100_000, index),
                    line("t", Kind::Audio, 200_000, index),
                    line("u", Kind::Audio, 300_000, index),
                    line("p", Kind::Video, 400_000, index),
                ],
            },
            Command::SetSrtpKeys {
                participant,
                keys: keys(profile),
            },
        ]);
        commands.extend(["a", "c"].map(|mid| Command::SetForwarding {
            participant,
            mid: tag(mid),
            is_allowed: true,
        }));
    }
    // Who is watched must be there.
    commands.extend((0..calls as u64 * 2).map(|index| Command::SetSource {
        participant: ParticipantId(index),
        mid: tag("p"),
        source: Some((ParticipantId(index ^ 1), tag("c"))),
        max_height: 720,
    }));
    commands
}

/// The request that connects participant `index`.
pub fn call_request(index: usize) -> Vec<u8> {
    binding_request(index)
}

/// One client of a call: makes protected packets.
pub struct Client {
    sender: SrtpSender,
    index: u32,
    sounds: u64,
    picture_packets: u64,
    pictures: u32,
    transport_number: u16,
}

/// What a client sends at an instant of its cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// One packet.
    Sound,
    /// Two.
    Picture,
}

/// What a client sends in each cycle, and when.
fn schedule() -> impl Iterator<Item = (Duration, Sending)> {
    let sounds = SOUNDS.map(|at| (Duration::from_millis(at), Sending::Sound));
    let pictures = PICTURES.map(|at| (Duration::from_millis(at), Sending::Picture));
    sounds.into_iter().chain(pictures)
}

/// What all clients send in a cycle, in order of time; they are out of step with one another.
pub fn shuffled_cycle(clients: usize) -> Vec<(Duration, usize, Sending)> {
    let mut cycle = Vec::new();
    for client in 0..clients {
        // Multiples of the golden ratio: evenly spread, without order.
        let phase = CYCLE.mul_f64((client as f64 * 0.618_034).fract());
        for (at, what) in schedule() {
            let nanos = (at + phase).as_nanos() % CYCLE.as_nanos();
            cycle.push((Duration::from_nanos(nanos as u64), client, what));
        }
    }
    cycle.sort_unstable_by_key(|(at, client, _)| (*at, *client));
    cycle
}

impl Client {
    /// Participant `index` under the keys of `call_commands`.
    pub fn new(index: usize, profile: SrtpProfile) -> Option<Self> {
        let keys = keys(profile);
        let sender = SrtpSender::new(profile, &keys.remote_key, &keys.remote_salt).ok()?;
        Some(Self {
            sender,
            index: index as u32,
            sounds: 0,
            picture_packets: 0,
            pictures: 0,
            transport_number: 0,
        })
    }

    /// Call `send` with each packet.
    pub fn make(&mut self, what: Sending, mut send: impl FnMut(&mut Vec<u8>)) {
        match what {
            Sending::Sound => {
                let header = OutgoingHeader {
                    marker: false,
                    payload_type: 111,
                    sequence_number: self.sounds as u16,
                    timestamp: self.sounds as u32 * 960,
                    ssrc: ssrc(SOUND_SSRC, self.index),
                };
                self.sounds += 1;
                send(&mut self.protected(&header, b"a", &[0x5a; SOUND_BYTES], self.sounds - 1));
            }
            Sending::Picture => {
                for (part, bytes) in PICTURE_BYTES.into_iter().enumerate() {
                    send(&mut self.picture_packet(part, bytes));
                }
                self.pictures += 1;
            }
        }
    }

    fn picture_packet(&mut self, part: usize, bytes: usize) -> Vec<u8> {
        let header = OutgoingHeader {
            marker: part + 1 == PICTURE_BYTES.len(),
            payload_type: 96,
            sequence_number: self.picture_packets as u16,
            timestamp: self.pictures * 4_500,
            ssrc: ssrc(PICTURE_SSRC, self.index),
        };
        // RFC 7741 §4.2 as in `CameraSource`; a keyframe every two hundredth picture.
        let [_, _, high, low] = self.pictures.to_be_bytes();
        let mut payload = vec![
            0x80 | u8::from(part == 0) << 4,
            0x80,
            0x80 | high & 0x7f,
            low,
        ];
        let is_keyframe = self.pictures.is_multiple_of(200);
        let frame_tag = [
            u8::from(!is_keyframe),
            0,
            0,
            0x9d,
            0x01,
            0x2a,
            0x80,
            0x02,
            0x68,
            0x01,
        ];
        payload.extend_from_slice(&frame_tag);
        payload.resize(bytes, 0x5a);
        self.picture_packets += 1;
        self.protected(&header, b"c", &payload, self.picture_packets - 1)
    }

    fn protected(
        &mut self,
        header: &OutgoingHeader,
        mid: &[u8],
        payload: &[u8],
        number: u64,
    ) -> Vec<u8> {
        let mut packet = Vec::with_capacity(payload.len() + 64);
        header.write(&mut packet, true, false);
        let mut writer = ExtensionWriter::new(&mut packet, false);
        writer.push(1, mid);
        writer.push(2, &self.transport_number.to_be_bytes());
        if mid == b"a" {
            // RFC 6464: voice at −30 dBov.
            writer.push(LEVEL_EXTENSION, &[0x80 + 30]);
        }
        writer.finish();
        self.transport_number = self.transport_number.wrapping_add(1);
        let header_bytes = packet.len();
        packet.extend_from_slice(payload);
        // Fresh keys and a growing index: protection cannot fail before 2^48 packets.
        let _ = self
            .sender
            .protect_rtp(&mut packet, 0, header_bytes, header.ssrc, number);
        packet
    }
}

fn ssrc(base: u32, index: u32) -> u32 {
    base << 24 | index
}

fn call_extensions() -> ExtensionIds {
    ExtensionIds {
        audio_level: Some(LEVEL_EXTENSION),
        ..extensions()
    }
}

fn opus() -> Vec<CodecConfig> {
    vec![CodecConfig {
        payload_type: 111,
        codec: Codec::Opus,
        clock_rate: 48_000,
        rtx_payload_type: None,
        red_payload_type: None,
        format_key: String::new(),
        has_nack: false,
    }]
}

fn microphone(index: usize) -> PublishConfig {
    PublishConfig {
        mid: tag("a"),
        kind: Kind::Audio,
        codecs: opus(),
        rids: vec![],
        ssrcs: vec![(ssrc(SOUND_SSRC, index as u32), None)],
        extensions: call_extensions(),
    }
}

fn picture(index: usize) -> PublishConfig {
    PublishConfig {
        mid: tag("c"),
        kind: Kind::Video,
        codecs: vp8(),
        rids: vec![],
        ssrcs: vec![(ssrc(PICTURE_SSRC, index as u32), None)],
        extensions: call_extensions(),
    }
}

fn line(mid: &str, kind: Kind, base: u32, index: usize) -> SubscribeConfig {
    SubscribeConfig {
        mid: tag(mid),
        kind,
        ssrc: base + index as u32,
        rtx_ssrc: (kind == Kind::Video).then_some(900_000 + index as u32),
        codecs: if kind == Kind::Video { vp8() } else { opus() },
        extensions: call_extensions(),
    }
}
