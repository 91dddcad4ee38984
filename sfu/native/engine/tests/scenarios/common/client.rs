//! One end of the engine's paths: it seals what it sends and keeps what it can read. It parses with the wire crate only.

use super::{IDS, PASSWORD, Rtp};
use engine::command::SrtpKeys;
use engine::ids::ParticipantId;
use engine::{Path, Time};
use std::collections::HashMap;
use std::net::SocketAddr;
use wire::extended_sequence::SequenceUnwrapper;
use wire::extensions;
use wire::rtcp::{self, RtcpPacket};
use wire::rtp::RtpHeader;
use wire::srtp::{SrtpProfile, SrtpReceiver, SrtpSender};
use wire::stun::{self, OutgoingRequest};

/// An RTP packet as a client received it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReceivedRtp {
    pub at: Time,
    pub header: RtpHeader,
    pub mid: Option<String>,
    /// Without padding.
    pub payload: Vec<u8>,
}

impl ReceivedRtp {
    /// All that a decoder sees of it.
    pub(crate) fn unpadded(&self) -> Self {
        Self {
            header: RtpHeader {
                has_padding: false,
                ..self.header
            },
            ..self.clone()
        }
    }
}

/// What came to a client.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub rtp: Vec<ReceivedRtp>,
    /// (media ssrc, sequence numbers)
    pub nacks: Vec<(u32, Vec<u16>)>,
    pub keyframe_requests: Vec<u32>,
    pub sender_reports: Vec<(Time, u32, rtcp::SenderInfo)>,
    pub feedback_packets: usize,
    pub report_blocks: Vec<rtcp::ReportBlock>,
    pub unreadable: usize,
}

pub(crate) struct Client {
    pub id: ParticipantId,
    pub path: Path,
    pub ufrag: String,
    pub sender: SrtpSender,
    pub receiver: SrtpReceiver,
    pub inbox: Inbox,
    pub transport_sequence_number: u16,
    /// Keeps its consent fresh.
    pub is_checking: bool,
    /// Per SSRC: the rollover counter of what it sends.
    numbers: HashMap<u32, SequenceUnwrapper>,
    transaction: u8,
}

impl Client {
    /// The `index`-th of a harness, and the engine's keys towards it.
    pub(super) fn new(index: usize, profile: SrtpProfile) -> (Self, SrtpKeys) {
        let (key_bytes, salt_bytes) = profile.key_and_salt_bytes();
        let key = |byte: u8| vec![byte ^ index as u8; key_bytes];
        let salt = vec![3; salt_bytes];
        let client = Self {
            id: ParticipantId(index as u64 + 1),
            path: Path {
                socket: 0,
                local: None,
                remote: SocketAddr::from(([127, 0, 0, 1], 20_000 + index as u16)),
            },
            ufrag: format!("uf{index:02}"),
            sender: SrtpSender::new(profile, &key(2), &salt).expect("good key"),
            receiver: SrtpReceiver::new(profile, &key(1), &salt).expect("good key"),
            inbox: Inbox::default(),
            transport_sequence_number: 0,
            is_checking: true,
            numbers: HashMap::new(),
            transaction: 0,
        };
        let keys = SrtpKeys {
            profile,
            local_key: key(1),
            local_salt: salt.clone(),
            remote_key: key(2),
            remote_salt: salt,
        };
        (client, keys)
    }

    /// A binding request that nominates its pair.
    pub(super) fn write_check(&mut self) -> Vec<u8> {
        self.transaction += 1;
        let username = format!("{}:them", self.ufrag);
        let request = OutgoingRequest {
            transaction_id: [self.transaction; 12],
            username: &username,
            password: PASSWORD.as_bytes(),
            priority: 1,
            tie_breaker: 9,
            is_nominating: true,
        };
        let mut datagram = Vec::new();
        stun::write_request(&mut datagram, &request);
        datagram
    }

    /// The packet as the client would send it.
    pub(crate) fn seal(&mut self, packet: &Rtp<'_>) -> Vec<u8> {
        let plain = packet.write(&mut self.transport_sequence_number);
        self.protect(plain)
    }

    pub(super) fn protect(&mut self, mut plain: Vec<u8>) -> Vec<u8> {
        let header = RtpHeader::parse(&plain).expect("own packet");
        let number = self
            .numbers
            .entry(header.ssrc)
            .or_default()
            .unwrap(header.sequence_number);
        // The unwrapper begins one cycle up; SRTP begins at rollover counter 0.
        let packet_index = number - (1 << 16);
        self.sender
            .protect_rtp(
                &mut plain,
                0,
                header.header_bytes,
                header.ssrc,
                packet_index,
            )
            .expect("protect");
        plain
    }

    pub(super) fn receive(&mut self, now: Time, mut datagram: Vec<u8>) {
        match datagram[0] {
            0..=3 => {}
            128..=191 if wire::rtp::is_rtcp(&datagram) => self.receive_rtcp(now, &mut datagram),
            128..=191 => self.receive_rtp(now, &mut datagram),
            first => panic!("neither STUN nor SRTP: {first}"),
        }
    }

    fn receive_rtp(&mut self, now: Time, datagram: &mut [u8]) {
        let header = RtpHeader::parse(datagram).expect("engine sends RTP that parses");
        let result = self.receiver.unprotect_rtp(
            datagram,
            header.header_bytes,
            header.ssrc,
            header.sequence_number,
        );
        let Ok(length) = result else {
            self.inbox.unreadable += 1;
            return;
        };
        let padded = &datagram[header.header_bytes..length];
        let padding = wire::rtp::padding_bytes(header.has_padding, padded);
        let padding = padding.expect("engine sends padding that can be taken off");
        let packet = &datagram[..length - padding];
        let extensions = extensions::parse(packet, &header, &IDS);
        self.inbox.rtp.push(ReceivedRtp {
            at: now,
            header,
            mid: extensions
                .mid
                .map(|mid| String::from_utf8_lossy(mid).into_owned()),
            payload: packet[header.header_bytes..].to_vec(),
        });
    }

    fn receive_rtcp(&mut self, now: Time, datagram: &mut [u8]) {
        let Ok(length) = self.receiver.unprotect_rtcp(datagram) else {
            self.inbox.unreadable += 1;
            return;
        };
        for packet in rtcp::packets(&datagram[..length]) {
            match packet.expect("engine sends RTCP that parses") {
                RtcpPacket::Nack { media_ssrc, pairs } => {
                    self.inbox
                        .nacks
                        .push((media_ssrc, pairs.sequence_numbers().collect()));
                }
                RtcpPacket::PictureLossIndication { media_ssrc } => {
                    self.inbox.keyframe_requests.push(media_ssrc);
                }
                RtcpPacket::SenderReport { ssrc, info, .. } => {
                    self.inbox.sender_reports.push((now, ssrc, info));
                }
                RtcpPacket::ReceiverReport { blocks, .. } => {
                    self.inbox.report_blocks.extend(blocks);
                }
                RtcpPacket::TransportFeedback(_) => self.inbox.feedback_packets += 1,
                _ => {}
            }
        }
    }

    /// Packets received on one SSRC, in order of arrival.
    pub(crate) fn stream(&self, ssrc: u32) -> Vec<&ReceivedRtp> {
        self.inbox
            .rtp
            .iter()
            .filter(|packet| packet.header.ssrc == ssrc)
            .collect()
    }
}

/// Assert that what came on `ssrc` is one endless stream: sequence numbers step by one, timestamps never go back, picture ids
/// step by at most one.
pub(crate) fn assert_continuous(packets: &[&ReceivedRtp]) {
    for pair in packets.windows(2) {
        let (first, second) = (&pair[0].header, &pair[1].header);
        assert_eq!(
            second.sequence_number,
            first.sequence_number.wrapping_add(1),
            "sequence numbers step by one"
        );
        let step = second.timestamp.wrapping_sub(first.timestamp) as i32;
        assert!(step >= 0, "timestamps never go back: {step}");
    }
}
