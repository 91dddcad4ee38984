//! Which of a participant's SSRCs is which encoding of which published m-line.
use crate::drop_reason::DropReason;
use crate::media_config::PublishConfig;
use wire::extensions::{ExtensionIds, Extensions};

/// What an SSRC carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// Index in the participant's published m-lines.
    pub track: u8,
    /// Encoding, 0 lowest.
    pub encoding: u8,
    /// RFC 4588.
    pub is_retransmission: bool,
}

/// LIMIT: SSRCs one participant may use.
pub const MAX_SSRCS: usize = 50;

/// The table of one participant.
#[derive(Debug, Default)]
pub struct SsrcTable {}

impl SsrcTable {
    /// A negotiation's result: bindings of m-lines that stay are kept (their index may move), others dropped.
    pub fn set_media(&mut self, _published: &[PublishConfig]) {
        todo!()
    }
    /// The ids to read extensions with before the m-line is known (BUNDLE: one meaning per id, RFC 8843 §9).
    pub fn extension_ids(&self) -> &ExtensionIds {
        todo!()
    }
    /// What is bound already.
    pub fn get(&self, _ssrc: u32) -> Option<Binding> {
        todo!()
    }
    /// Look up, or bind from what the (authenticated) packet says.
    ///
    /// # Errors
    /// `UnknownSsrc`, `TooManySsrcs`.
    pub fn resolve(
        &mut self,
        _published: &[PublishConfig],
        _ssrc: u32,
        _payload_type: u8,
        _extensions: &Extensions<'_>,
    ) -> Result<Binding, DropReason> {
        todo!()
    }
    /// BYE: the SSRC may be bound anew.
    pub fn remove(&mut self, _ssrc: u32) {
        todo!()
    }
    /// All bound SSRCs.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Binding)> + '_ {
        std::iter::empty()
    }
}
