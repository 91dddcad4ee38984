//! Counts that add up over m-lines, participants and agents, and their difference over a second.

use crate::histogram::Histogram;
use serde::Serialize;

/// One list of names makes the struct, its sum and its difference: none of them can forget a count.
macro_rules! totals {
    (
        counts { $($(#[$count_doc:meta])* $count:ident,)* }
        histograms { $($(#[$histogram_doc:meta])* $histogram:ident,)* }
    ) => {
        /// Counts that add up over m-lines and participants.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
        pub struct Totals {
            $($(#[$count_doc])* pub $count: u64,)*
            $($(#[$histogram_doc])* pub $histogram: Histogram,)*
        }

        impl Totals {
            /// Add `other`.
            pub fn merge(&mut self, other: &Self) {
                $(self.$count += other.$count;)*
                $(self.$histogram.merge(&other.$histogram);)*
            }

            /// What was counted since `earlier`; nothing becomes negative after a reset.
            #[must_use]
            pub fn since(&self, earlier: &Self) -> Self {
                Self {
                    $($count: self.$count.saturating_sub(earlier.$count),)*
                    $($histogram: self.$histogram.since(&earlier.$histogram),)*
                }
            }
        }
    };
}

totals! {
    counts {
        /// RTP packets sent, retransmissions too.
        packets_sent,
        /// Their bytes before SRTP.
        bytes_sent,
        /// Datagrams that the kernel did not take.
        send_failures,
        /// Datagrams that the kernel dropped because the agent read too slowly: never the server's fault.
        receive_overflows,
        /// Keyframes that the server asked for.
        keyframe_requests_received,
        /// Packets that the server asked for again.
        nacks_received,
        /// Transport-wide feedback packets from the server.
        feedback_received,
        /// RTP packets received, retransmissions too.
        packets_received,
        /// Their payload bytes.
        bytes_received,
        /// Retransmissions that filled a gap.
        packets_repaired,
        /// Packets that never came.
        packets_lost,
        /// Packets that came twice: SRTP refused them as replayed.
        packets_duplicate,
        /// Packets that came after a later one of their stream, retransmissions not among them.
        packets_reordered,
        /// Packets that the agent asked for again.
        nacks_sent,
        /// Keyframes that the agent asked for.
        keyframe_requests_sent,
        /// Whole frames: pictures that could be decoded, and sound packets.
        frames,
        /// Frame numbers missing in what one source sent.
        frames_missing,
        /// Frames that came twice.
        frames_duplicate,
        /// Frames that came after a later one.
        frames_reordered,
        /// Lost sound that the redundant block of a later packet (RED) made good.
        frames_recovered,
        /// Frames without a readable mark.
        frames_unmarked,
        /// Frames of another room, of oneself, or of the wrong kind: a security failure.
        frames_wrong_source,
        /// Pictures of somebody else than was wished for on this m-line, or of nobody wished for.
        frames_unwished,
        /// Pictures taller than the layer that was wished for.
        frames_above_wish,
        /// Pictures smaller than the layer that was wished for.
        frames_below_wish,
        /// Times that an m-line changed publisher, track or encoding.
        source_changes,
        /// Times without a new picture for over 200 ms while the publisher sent.
        freezes,
        /// How long those were.
        freeze_us,
        /// Times without sound for over 60 ms while the publisher sent.
        audio_gaps,
        /// How long those were.
        audio_gap_us,
        /// Times that somebody wished for, and not muted, was neither seen nor heard for over 2 s.
        silences,
        /// How long those were, those that go on too.
        silence_us,
        /// Times that decoding stopped until a keyframe.
        decoder_breaks,
        /// Datagrams that did not decrypt or parse.
        unreadable,
        /// Datagrams that the emulated links lost or dropped at their queues' tails.
        emulated_losses,
    }
    histograms {
        /// Mark → kernel had the frame's last packet; sound.
        audio_delay,
        /// The same; pictures.
        video_delay,
        /// A wish → the first picture of whom was wished for.
        first_picture_delay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_differences_undo_each_other() {
        let mut sum = Totals {
            frames: 5,
            ..Totals::default()
        };
        let mut more = Totals {
            frames: 2,
            freezes: 1,
            ..Totals::default()
        };
        more.video_delay.record(70);
        let before = sum.clone();
        sum.merge(&more);

        assert_eq!((sum.frames, sum.freezes), (7, 1));
        assert_eq!(sum.since(&before), more);
        assert_eq!(before.since(&sum).frames, 0);
    }
}
