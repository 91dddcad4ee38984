//! Where send streams write: the seam between packet making and a transport's protection and batching.

/// Takes finished plain RTP packets for one subscriber. Implemented by the transport (and by tests, which collect).
pub trait RtpSink {
    /// The buffer at whose end the next packet is to be written, and nothing else touched.
    fn buffer(&mut self) -> &mut Vec<u8>;

    /// Number of the next packet for transport-wide congestion control. Take one per packet that carries the extension.
    fn next_transport_sequence_number(&mut self) -> u16;

    /// The packet written since the last call, at `packet.start..` of the buffer, is whole: protect and queue it.
    fn finish(&mut self, packet: WrittenPacket);
}

/// What the transport must know of a packet that was just written.
#[derive(Debug, Clone, Copy)]
pub struct WrittenPacket {
    /// Offset in the buffer of the packet's first byte.
    pub start: usize,
    /// Length of the part that stays in clear: fixed header and extensions.
    pub header_bytes: usize,
    /// SSRC.
    pub ssrc: u32,
    /// 48-bit SRTP packet index: the send stream's extended sequence number.
    pub index: u64,
    /// Taken from `next_transport_sequence_number`, if the packet carries one.
    pub transport_sequence_number: Option<u16>,
    /// RTX or plain retransmission, or padding: counted apart.
    pub is_retransmission: bool,
}
