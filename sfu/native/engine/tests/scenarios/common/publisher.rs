//! A camera that behaves as a browser's does: it answers NACKs with repairs and PLIs with keyframes.

use super::{Harness, Label, Rtp, VP8_RTX, heights, vp8_descriptor, write_vp8_header};

struct SentMedia {
    sequence_number: u16,
    timestamp: u32,
    marker: bool,
    payload: Vec<u8>,
}

/// A camera with up to three encodings that repairs and refreshes its pictures when asked.
pub(crate) struct Publisher {
    pub(crate) client: usize,
    pub(crate) rids: Vec<&'static str>,
    pub(crate) ssrc_base: u32,
    pub(crate) frame: u32,
    pub(crate) packets_per_frame: u8,
    /// Next sequence number per encoding.
    pub(crate) next: [u16; 3],
    pub(crate) timestamp_base: u32,
    rtx_next: [u16; 3],
    sent: [Vec<SentMedia>; 3],
    keyframe_due: [bool; 3],
    nacks_seen: usize,
    requests_seen: usize,
    pub(crate) keyframes_sent: usize,
    /// Answers to NACKs.
    pub(crate) repairs: usize,
}

impl Publisher {
    pub(crate) fn new(client: usize, rids: &[&'static str]) -> Self {
        Self {
            client,
            rids: rids.to_vec(),
            ssrc_base: 50_000 + client as u32 * 100,
            frame: 0,
            packets_per_frame: 3,
            next: [32_700, 10, 20_000],
            timestamp_base: u32::MAX - 90_000,
            rtx_next: [100; 3],
            sent: Default::default(),
            keyframe_due: [true; 3],
            nacks_seen: 0,
            requests_seen: 0,
            keyframes_sent: 0,
            repairs: 0,
        }
    }

    pub(crate) fn encodings(&self) -> usize {
        self.rids.len().max(1)
    }

    pub(crate) fn ssrc(&self, encoding: usize) -> u32 {
        self.ssrc_base + encoding as u32
    }

    fn rtx_ssrc(&self, encoding: usize) -> u32 {
        self.ssrc_base + 50 + encoding as u32
    }

    /// Begin anew: other SSRCs, other numbers, other timestamps, as after a reload of the encoder.
    pub(crate) fn restart(&mut self) {
        self.ssrc_base += 10;
        self.next = self.next.map(|next| next.wrapping_mul(31).wrapping_add(7));
        self.timestamp_base = self.timestamp_base.wrapping_mul(17);
        self.rtx_next = [500; 3];
        self.sent = Default::default();
        self.keyframe_due = [true; 3];
    }

    /// Read what came back and answer it: keyframes with the next frame, repairs at once.
    pub(crate) fn answer(&mut self, harness: &mut Harness) {
        let inbox = &harness.clients[self.client].inbox;
        let requests = inbox.keyframe_requests[self.requests_seen..].to_vec();
        let nacks = inbox.nacks[self.nacks_seen..].to_vec();
        self.requests_seen += requests.len();
        self.nacks_seen += nacks.len();
        for encoding in 0..self.encodings() {
            self.keyframe_due[encoding] |= requests.contains(&self.ssrc(encoding));
        }
        for (ssrc, numbers) in nacks {
            let Some(encoding) = (0..self.encodings()).find(|index| self.ssrc(*index) == ssrc)
            else {
                continue;
            };
            for number in numbers {
                self.repair(harness, encoding, number);
            }
        }
    }

    fn repair(&mut self, harness: &mut Harness, encoding: usize, number: u16) {
        let found = self.sent[encoding]
            .iter()
            .rev()
            .find(|sent| sent.sequence_number == number);
        let Some(sent) = found else {
            return;
        };
        let mut payload = number.to_be_bytes().to_vec();
        payload.extend_from_slice(&sent.payload);
        let (timestamp, marker) = (sent.timestamp, sent.marker);
        self.repairs += 1;
        harness.send_rtp(
            self.client,
            &Rtp {
                ssrc: self.rtx_ssrc(encoding),
                sequence_number: self.rtx_next[encoding],
                timestamp,
                payload_type: VP8_RTX,
                marker,
                rid: self.rids.get(encoding).copied(),
                payload: &payload,
                ..Rtp::PICTURE
            },
        );
        self.rtx_next[encoding] = self.rtx_next[encoding].wrapping_add(1);
    }

    /// One frame on every encoding in `live`.
    pub(crate) fn send_frame(&mut self, harness: &mut Harness, live: &[usize]) {
        self.answer(harness);
        for &encoding in live {
            let is_keyframe = std::mem::take(&mut self.keyframe_due[encoding]);
            self.keyframes_sent += usize::from(is_keyframe);
            harness.in_batch(|harness| {
                for packet in 0..self.packets_per_frame {
                    self.send_packet(harness, encoding, packet, is_keyframe);
                }
            });
        }
        self.frame += 1;
    }

    fn send_packet(
        &mut self,
        harness: &mut Harness,
        encoding: usize,
        packet: u8,
        is_keyframe: bool,
    ) {
        let payload = self.payload(encoding, packet, is_keyframe);
        let timestamp = self
            .timestamp_base
            .wrapping_add(self.frame.wrapping_mul(3_600));
        let marker = packet + 1 == self.packets_per_frame;
        let sequence_number = self.next[encoding];
        self.next[encoding] = sequence_number.wrapping_add(1);
        harness.send_rtp(
            self.client,
            &Rtp {
                ssrc: self.ssrc(encoding),
                sequence_number,
                timestamp,
                marker,
                rid: self.rids.get(encoding).copied(),
                payload: &payload,
                ..Rtp::PICTURE
            },
        );
        let sent = &mut self.sent[encoding];
        sent.push(SentMedia {
            sequence_number,
            timestamp,
            marker,
            payload,
        });
        if sent.len() > 2_000 {
            sent.drain(..1_000);
        }
    }

    fn payload(&self, encoding: usize, packet: u8, is_keyframe: bool) -> Vec<u8> {
        let picture_id = self.frame as u16 & 0x7fff;
        let mut payload = vp8_descriptor(picture_id, packet == 0);
        if packet == 0 {
            let height = heights(&self.rids)[encoding];
            write_vp8_header(&mut payload, is_keyframe.then_some(height));
        }
        // As browsers cut it: of about one length, the longer ones last.
        let longer = packet >= self.packets_per_frame.div_ceil(2);
        payload.resize(100 + usize::from(longer), 0x55);
        let label = Label {
            publisher: self.client as u8,
            encoding: encoding as u8,
            frame: self.frame,
            packet,
            packets: self.packets_per_frame,
        };
        label.write(&mut payload);
        payload
    }
}
