//! Why a packet was not processed or not forwarded. A closed list: the label of `sfu_packets_dropped_total`.

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $name:ident => $label:literal,)*) => {
        /// Why a packet went no further.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum DropReason { $($(#[$doc])* $name,)* }

        impl DropReason {
            /// Every reason, in the order of their counters.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The metric's label value.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

drop_reasons! {
    /// First byte is no protocol we speak (RFC 7983), or the datagram is empty.
    UnknownProtocol => "unknown_protocol",
    /// STUN that does not parse, or without the attributes ICE needs.
    BadStun => "bad_stun",
    /// STUN for a ufrag nobody here has.
    UnknownUfrag => "unknown_ufrag",
    /// STUN whose MESSAGE-INTEGRITY is wrong.
    BadIntegrity => "bad_integrity",
    /// DTLS or SRTP from a tuple that ICE has not validated.
    UnknownTuple => "unknown_tuple",
    /// A check, however authentic, from a tuple on which another participant was just heard.
    ForeignTuple => "foreign_tuple",
    /// DTLS datagrams faster than the handshake needs, or longer than a datagram may be.
    DtlsLimit => "dtls_limit",
    /// SRTP before the handshake ended.
    NoKeys => "no_keys",
    /// RTP or RTCP that does not parse.
    Malformed => "malformed",
    /// SRTP authentication failed.
    Authentication => "authentication",
    /// SRTP replay, or older than the window.
    Replay => "replay",
    /// An SSRC that no negotiated m-line, mid or rid explains.
    UnknownSsrc => "unknown_ssrc",
    /// An SSRC that belongs to somebody else in the room.
    ForeignSsrc => "foreign_ssrc",
    /// More SSRCs than a participant may use.
    TooManySsrcs => "too_many_ssrcs",
    /// A payload type that was not negotiated.
    UnknownPayloadType => "unknown_payload_type",
    /// The participant lacks the grant to send this.
    NotGranted => "not_granted",
    /// Same packet again.
    Duplicate => "duplicate",
    /// Too late to be of use, older than the cache.
    TooOld => "too_old",
    /// Padding or probe without media.
    PaddingOnly => "padding_only",
    /// The codec's payload header is malformed.
    BadPayload => "bad_payload",
    /// Digital silence, not worth sending.
    Silence => "silence",
    /// Not among the loudest voices.
    NotSelected => "not_selected",
    /// A layer above what the subscriber takes.
    LayerNotWanted => "layer_not_wanted",
    /// The subscriber waits for a keyframe.
    AwaitingKeyframe => "awaiting_keyframe",
    /// The subscriber did not negotiate the codec.
    CodecNotNegotiated => "codec_not_negotiated",
    /// The subscriber's transport is not connected.
    NotConnected => "not_connected",
    /// The subscriber's output buffer is full.
    OutputFull => "output_full",
}
