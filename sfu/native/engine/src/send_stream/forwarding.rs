//! The packet path of a send stream: from a source packet to a packet in the sink, or a reason why not.

use super::history::{HAS_MARKER, HAS_MID, IS_EVENED, IS_FILLER, IS_SENT, Place, Sent};
use super::layer_filter::LayerFilter;
use super::number_map::{NumberMap, Skipped};
use super::packet_writer::{Rewrite, frame_number, write_filler, write_packet};
use super::silence::SilenceGate;
use super::source::{Current, PayloadTypes, keeps_red};
use super::units::SendTime;
use super::{Forwarded, SendStream};
use crate::drop_reason::DropReason;
use crate::ids::{EncodingKey, Kind};
use crate::outbox::{RtpSink, WrittenPacket};
use crate::packet::{PacketMeta, SourcePacket};
use crate::time::Time;
use wire::codec::Codec;
use wire::rtp::OutgoingHeader;

impl SendStream {
    /// Rewrite and write one packet of a source.
    ///
    /// # Errors
    /// `DropReason`: it was not forwarded, on purpose. Its number is closed up, or, if later ones were sent already, taken
    /// by a packet of padding, so that the subscriber does not ask for it.
    pub fn handle_packet(
        &mut self,
        now: Time,
        from: EncodingKey,
        packet: SourcePacket<'_>,
        sink: &mut impl RtpSink,
    ) -> Result<Forwarded, DropReason> {
        let mut started = None;
        if self
            .current
            .as_ref()
            .is_none_or(|current| current.encoding != from)
        {
            self.start(from, packet.meta)?;
            started = Some(from);
        }
        self.forward(now, &packet, sink)?;
        Ok(Forwarded {
            started,
            missed_keyframe: packet.meta.info.starts_keyframe && self.lacks_layers(),
        })
    }

    /// A number of the source that will never come here (padding-only packet): close the gap.
    pub fn skip_packet(
        &mut self,
        now: Time,
        from: EncodingKey,
        extended_sequence_number: u64,
        sink: &mut impl RtpSink,
    ) {
        if let Some(current) = self.current.as_ref().filter(|c| c.encoding == from)
            && extended_sequence_number >= current.numbers.first()
        {
            self.leave_out(now, extended_sequence_number, sink);
        }
    }

    /// Make the pending source the current one, if it is `from` and this packet can begin it.
    fn start(&mut self, from: EncodingKey, meta: &PacketMeta) -> Result<(), DropReason> {
        let is_start = match self.config.kind {
            Kind::Audio => true,
            Kind::Video => meta.info.starts_keyframe && meta.info.spatial_layer == 0,
        };
        let Some(pending) = self.pending.as_ref().filter(|p| p.encoding == from) else {
            // A straggler of a source that was left.
            return Err(DropReason::TooOld);
        };
        if !is_start {
            return Err(DropReason::AwaitingKeyframe);
        }
        let types = pending
            .payloads
            .of(meta)
            .ok_or(DropReason::CodecNotNegotiated)?;
        let Some(pending) = self.pending.take() else {
            return Err(DropReason::TooOld);
        };
        let first = meta.extended_sequence_number;
        self.timeline.switch(
            meta.timestamp,
            meta.arrival,
            types.clock_rate,
            pending.clock,
        );
        self.pictures.switch();
        self.eras.begin(from, first);
        self.current = Some(Current {
            encoding: from,
            payloads: pending.payloads,
            numbers: NumberMap::new(first, self.history.end()),
            first_sent: self.history.end(),
            layers: LayerFilter::new(pending.max_spatial, pending.max_temporal),
            silence: SilenceGate::default(),
            is_marker_due: self.config.kind == Kind::Audio,
            next: first,
        });
        Ok(())
    }

    fn forward(
        &mut self,
        now: Time,
        packet: &SourcePacket<'_>,
        sink: &mut impl RtpSink,
    ) -> Result<(), DropReason> {
        let meta = packet.meta;
        let source_number = meta.extended_sequence_number;
        let Some(current) = self.current.as_mut() else {
            return Err(DropReason::TooOld);
        };
        if source_number < current.numbers.first() {
            return Err(DropReason::TooOld);
        }
        let is_newest = source_number >= current.next;
        current.next = current.next.max(source_number + 1);
        let admitted = self.admit(packet, is_newest);
        if admitted.is_err() {
            self.leave_out(now, source_number, sink);
        }
        let (types, payload, picture) = admitted?;
        let number = self.free_number(source_number)?;
        let timestamp = self.timeline.map(meta.timestamp, meta.arrival, is_newest);
        let sent = self.describe(now, packet, types, number, timestamp, picture);
        self.write(now, packet, payload, number, sent, sink);
        Ok(())
    }

    /// Decide whether a packet goes on; with the payload and the picture ids it gets.
    fn admit<'a>(
        &mut self,
        packet: &SourcePacket<'a>,
        is_newest: bool,
    ) -> Result<Admitted<'a>, DropReason> {
        let meta = packet.meta;
        let ids = meta.info.picture.as_ref();
        let current = self.current.as_mut().ok_or(DropReason::TooOld)?;
        let accepted = match self.config.kind {
            Kind::Video => accept_video(current, packet, is_newest),
            Kind::Audio => accept_audio(current, packet, is_newest),
        };
        if let (Err(DropReason::LayerNotWanted), Codec::Vp8, Some(ids)) =
            (&accepted, meta.codec, ids)
        {
            self.pictures.skip(ids);
        }
        let (types, payload) = accepted?;
        let picture = match ids {
            // The frame's beginning was left out: so is the rest.
            Some(ids) => Some(self.pictures.map(ids).ok_or(DropReason::LayerNotWanted)?),
            None => None,
        };
        Ok((types, payload, picture))
    }

    /// The number to send a source packet under, if it was not sent before.
    fn free_number(&mut self, source_number: u64) -> Result<u64, DropReason> {
        let current = self.current.as_mut().ok_or(DropReason::TooOld)?;
        let number = current
            .numbers
            .map(source_number)
            .ok_or(DropReason::TooOld)?;
        match self.history.place(number) {
            Place::Free => Ok(number),
            // Never twice: the SRTP index would repeat.
            Place::Taken => Err(DropReason::Duplicate),
            Place::Forgotten => Err(DropReason::TooOld),
        }
    }

    /// What the history keeps of a packet about to be sent, the transport-wide number apart.
    fn describe(
        &mut self,
        now: Time,
        packet: &SourcePacket<'_>,
        types: PayloadTypes,
        number: u64,
        timestamp: u32,
        picture: Option<(u16, u8)>,
    ) -> Sent {
        let meta = packet.meta;
        let is_in_order = number >= self.history.end();
        let mut has_marker = meta.marker;
        let mut decode_targets = None;
        if let Some(current) = self.current.as_mut() {
            has_marker |= current.layers.ends_picture(&meta.info, meta.timestamp);
            decode_targets = packet
                .decode_targets
                .filter(|targets| targets.count() == meta.targets_field.target_count)
                .and_then(|targets| {
                    let layers = &mut current.layers;
                    layers.active_targets(&meta.info, meta.timestamp, targets)
                });
            if is_in_order {
                has_marker |= std::mem::take(&mut current.is_marker_due);
            }
        }
        let mut era_number = 0;
        if let Some(era) = self.eras.newest_mut() {
            era_number = era.number;
            era.highest = era.highest.max(meta.extended_sequence_number);
            if let Some(source_frame) = frame_number(packet.dependency_descriptor) {
                let next = self.frame_number.wrapping_add(1);
                let offset = *era
                    .frame_number_offset
                    .get_or_insert(next.wrapping_sub(source_frame));
                if is_in_order {
                    self.frame_number = source_frame.wrapping_add(offset);
                }
            }
        }
        let (picture_id, tl0_picture_index) = picture.unwrap_or_default();
        let has_mid = !self.reports.is_acknowledged();
        Sent {
            timestamp,
            source_low: meta.extended_sequence_number as u32,
            departure: SendTime::new(now),
            decode_targets: decode_targets.unwrap_or_default(),
            picture_id,
            tl0_picture_index,
            era: era_number,
            payload_type: keeps_red(meta, types).unwrap_or(types.plain),
            flags: IS_SENT
                | if has_marker { HAS_MARKER } else { 0 }
                | if has_mid { HAS_MID } else { 0 }
                | if packet.is_evened { IS_EVENED } else { 0 },
            ..Sent::default()
        }
    }

    fn write(
        &mut self,
        now: Time,
        packet: &SourcePacket<'_>,
        payload: &[u8],
        number: u64,
        mut sent: Sent,
        sink: &mut impl RtpSink,
    ) {
        let ids = &self.config.extensions;
        let transport_sequence_number = ids
            .transport_sequence_number
            .map(|_| sink.next_transport_sequence_number());
        sent.transport_sequence_number = transport_sequence_number.unwrap_or_default();
        let rewrite = self.rewrite(&sent, number);
        let out = sink.buffer();
        let start = out.len();
        let header_bytes = write_packet(out, &self.config, &rewrite, packet, payload);
        let size_bytes = out.len() - start;
        self.history.insert(number, sent);
        self.budget.earn(size_bytes);
        self.reports.count(now, payload.len());
        sink.finish(WrittenPacket {
            start,
            header_bytes,
            ssrc: self.config.ssrc,
            index: number,
            transport_sequence_number,
            is_retransmission: false,
        });
    }

    /// How a packet is written, or was: a function of the history alone.
    pub(super) fn rewrite(&self, sent: &Sent, number: u64) -> Rewrite {
        let era = self.eras.find(sent.era);
        let red_codec = self
            .config
            .codecs
            .iter()
            .find(|codec| codec.red_payload_type == Some(sent.payload_type));
        Rewrite {
            header: OutgoingHeader {
                marker: sent.flags & HAS_MARKER != 0,
                payload_type: sent.payload_type,
                sequence_number: number as u16,
                timestamp: sent.timestamp,
                ssrc: self.config.ssrc,
            },
            original_sequence_number: None,
            has_mid: sent.flags & HAS_MID != 0,
            is_evened: sent.flags & IS_EVENED != 0,
            sent_at: sent.departure,
            transport_sequence_number: self
                .config
                .extensions
                .transport_sequence_number
                .map(|_| sent.transport_sequence_number),
            picture: Some((sent.picture_id, sent.tl0_picture_index)),
            frame_number_offset: era
                .and_then(|era| era.frame_number_offset)
                .unwrap_or_default(),
            decode_targets: sent.decode_targets,
            block_payload_type: red_codec.map(|codec| codec.payload_type),
        }
    }

    /// A source number that is not forwarded: close the gap, or fill it if it is too late for that.
    fn leave_out(&mut self, now: Time, source_number: u64, sink: &mut impl RtpSink) {
        let Some(current) = self.current.as_mut() else {
            return;
        };
        let Skipped::TooLate(number) = current.numbers.skip(source_number) else {
            return;
        };
        if self.history.place(number) == Place::Free {
            self.send_filler(now, number, sink);
        }
    }

    /// Send padding under a number that nothing else will be sent under.
    pub(super) fn send_filler(&mut self, now: Time, number: u64, sink: &mut impl RtpSink) {
        let Some(era) = self.eras.newest_mut().map(|era| era.number) else {
            return;
        };
        let previous = self.history.end().wrapping_sub(1);
        let payload_type = self
            .history
            .get_mut(previous)
            .map_or(0, |previous| previous.payload_type);
        let sent = Sent {
            timestamp: self.timeline.newest_sent(),
            departure: SendTime::new(now),
            era,
            payload_type,
            flags: IS_SENT | IS_FILLER,
            ..Sent::default()
        };
        let header = self.rewrite(&sent, number).header;
        self.history.insert(number, sent);
        self.reports.count(now, 0);
        let out = sink.buffer();
        let start = out.len();
        let header_bytes = write_filler(out, &header);
        sink.finish(WrittenPacket {
            start,
            header_bytes,
            ssrc: self.config.ssrc,
            index: number,
            transport_sequence_number: None,
            is_retransmission: true,
        });
    }
}

/// Terms, payload, and picture id with TL0PICIDX.
type Admitted<'a> = (PayloadTypes, &'a [u8], Option<(u16, u8)>);
type Accepted<'a> = Result<(PayloadTypes, &'a [u8]), DropReason>;

fn accept_video<'a>(
    current: &mut Current,
    packet: &SourcePacket<'a>,
    is_newest: bool,
) -> Accepted<'a> {
    let meta = packet.meta;
    let types = current
        .payloads
        .of(meta)
        .ok_or(DropReason::CodecNotNegotiated)?;
    if packet.payload.is_empty() {
        return Err(DropReason::PaddingOnly);
    }
    if !current
        .layers
        .accepts(&meta.info, meta.timestamp, is_newest)
    {
        return Err(DropReason::LayerNotWanted);
    }
    Ok((types, packet.payload))
}

fn accept_audio<'a>(
    current: &mut Current,
    packet: &SourcePacket<'a>,
    is_newest: bool,
) -> Accepted<'a> {
    let meta = packet.meta;
    let types = current
        .payloads
        .of(meta)
        .ok_or(DropReason::CodecNotNegotiated)?;
    let payload = choose_payload(packet, types)?;
    // A late packet keeps its place: its number cannot be closed up any more.
    if is_newest && !current.silence.accepts(meta.audio_level, meta.arrival) {
        current.is_marker_due = true;
        return Err(DropReason::Silence);
    }
    Ok((types, payload))
}

/// The payload as the subscriber takes it: RED stays if it negotiated RED, else only its primary block is sent.
pub(super) fn choose_payload<'a>(
    packet: &SourcePacket<'a>,
    types: PayloadTypes,
) -> Result<&'a [u8], DropReason> {
    let payload = match packet.meta.codec {
        Codec::Red => {
            let (_, primary) =
                wire::red::primary(packet.payload).map_err(|_| DropReason::BadPayload)?;
            if types.red.is_some() {
                packet.payload
            } else {
                primary
            }
        }
        _ => packet.payload,
    };
    if payload.is_empty() {
        return Err(DropReason::PaddingOnly);
    }
    Ok(payload)
}
