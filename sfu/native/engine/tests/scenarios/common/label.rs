//! What every payload of a publisher says of itself.

/// Bytes at the end of every payload that tell where it comes from; the engine never touches them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Label {
    pub(crate) publisher: u8,
    pub(crate) encoding: u8,
    pub(crate) frame: u32,
    pub(crate) packet: u8,
    pub(crate) packets: u8,
}

impl Label {
    const BYTES: usize = 8;

    pub(crate) fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.publisher, self.encoding]);
        out.extend_from_slice(&self.frame.to_be_bytes());
        out.extend_from_slice(&[self.packet, self.packets]);
    }

    pub(super) fn source(self) -> (u8, u8) {
        (self.publisher, self.encoding)
    }

    pub(crate) fn read(payload: &[u8]) -> Self {
        let at = payload.len() - Self::BYTES;
        let bytes = &payload[at..];
        Self {
            publisher: bytes[0],
            encoding: bytes[1],
            frame: u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]),
            packet: bytes[6],
            packets: bytes[7],
        }
    }
}
