//! Which datagrams can leave as one message: generic segmentation offload, `UDP_SEGMENT` of `man 7 udp`.

use std::io;

/// LIMIT: the kernel's `UDP_MAX_SEGMENTS` before Linux 6.9; newer ones take 128, which gains nothing below 65,507 bytes.
pub(crate) const MAX_SEGMENTS: usize = 64;
/// LIMIT: the largest UDP payload over IPv4 (65,535 less the IP and UDP headers); IPv6 would take 20 more.
pub(crate) const MAX_MESSAGE_BYTES: usize = 65_507;
/// Refusals without a success between them, after which the socket stops trying.
const MAX_REFUSALS_IN_A_ROW: u8 = 8;

/// Datagrams for one remote that leave in one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run<'a> {
    /// Their bytes, back to back.
    pub(crate) contents: &'a [u8],
    /// Length of each but the last, which may be shorter.
    pub(crate) datagram_bytes: u16,
    /// How many.
    pub(crate) datagrams: u16,
}

/// Cut `contents` into runs: as many equal datagrams as fit, and one shorter that ends the run.
/// With `is_gso_on` false each datagram is its own run.
pub(crate) fn runs<'a>(
    contents: &'a [u8],
    datagram_bytes: &'a [u16],
    is_gso_on: bool,
) -> impl Iterator<Item = Run<'a>> {
    let mut contents = contents;
    let mut sizes = datagram_bytes;
    let max_segments = if is_gso_on { MAX_SEGMENTS } else { 1 };
    std::iter::from_fn(move || {
        let first = *sizes.first()?;
        let (datagrams, bytes) = measure(sizes, max_segments);
        // INVARIANT of `Transmit`: the sizes add up to the contents; if not, nothing more is sent.
        let (run, rest) = contents.split_at_checked(bytes)?;
        contents = rest;
        sizes = &sizes[datagrams..];
        Some(Run {
            contents: run,
            datagram_bytes: first,
            datagrams: datagrams as u16,
        })
    })
}

/// Number and total bytes of the datagrams that form the first run of `sizes`, which is not empty.
fn measure(sizes: &[u16], max_segments: usize) -> (usize, usize) {
    let first = usize::from(sizes[0]);
    let mut datagrams = 1;
    let mut bytes = first;
    for size in sizes
        .iter()
        .take(max_segments)
        .skip(1)
        .map(|s| usize::from(*s))
    {
        if size > first || size == 0 || bytes + size > MAX_MESSAGE_BYTES {
            break;
        }
        datagrams += 1;
        bytes += size;
        if size < first {
            break;
        }
    }
    (datagrams, bytes)
}

/// Whether a socket still uses GSO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct GsoState {
    is_on: bool,
    refusals_in_a_row: u8,
}

impl GsoState {
    pub(crate) const fn new(is_on: bool) -> Self {
        Self {
            is_on,
            refusals_in_a_row: 0,
        }
    }

    pub(crate) const fn is_on(self) -> bool {
        self.is_on
    }

    /// True if the error may be GSO's fault: the run is then sent singly.
    pub(crate) fn is_refusal(error: &io::Error) -> bool {
        matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL))
    }

    /// Note a refused message. EIO: the device has no checksum offload, so GSO is off for good. EINVAL can also mean that
    /// one destination's path MTU is below the segment (whoever can lower it must not slow the others), so GSO goes off only
    /// when nothing else gets through.
    pub(crate) fn note_refusal(&mut self, error: &io::Error) {
        self.refusals_in_a_row = self.refusals_in_a_row.saturating_add(1);
        if error.raw_os_error() == Some(libc::EIO)
            || self.refusals_in_a_row >= MAX_REFUSALS_IN_A_ROW
        {
            self.is_on = false;
        }
    }

    /// Note a GSO message that the kernel took.
    pub(crate) fn note_success(&mut self) {
        self.refusals_in_a_row = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(sizes: &[u16], is_gso_on: bool) -> Vec<(u16, u16, usize)> {
        let contents = vec![0; sizes.iter().map(|s| usize::from(*s)).sum()];
        runs(&contents, sizes, is_gso_on)
            .map(|run| (run.datagrams, run.datagram_bytes, run.contents.len()))
            .collect()
    }

    #[test]
    fn runs_are_equal_datagrams_and_one_shorter_at_the_end() {
        for (sizes, expected) in [
            (vec![], vec![]),
            (vec![5], vec![(1, 5, 5)]),
            (vec![5, 5, 5], vec![(3, 5, 15)]),
            (vec![5, 5, 3, 5], vec![(3, 5, 13), (1, 5, 5)]),
            (vec![3, 5, 5], vec![(1, 3, 3), (2, 5, 10)]),
            (vec![5, 4, 3], vec![(2, 5, 9), (1, 3, 3)]),
            (vec![5, 0, 5], vec![(1, 5, 5), (1, 0, 0), (1, 5, 5)]),
        ] {
            assert_eq!(shapes(&sizes, true), expected, "{sizes:?}");
        }
    }

    #[test]
    fn a_run_keeps_the_kernels_limits() {
        assert_eq!(shapes(&[100; 65], true), [(64, 100, 6_400), (1, 100, 100)]);
        // 59 × 1,100 = 64,900 bytes; a sixtieth would be 66,000.
        assert_eq!(
            shapes(&[1_100; 64], true),
            [(59, 1_100, 64_900), (5, 1_100, 5_500)]
        );
        assert_eq!(shapes(&[65_507, 1], true), [(1, 65_507, 65_507), (1, 1, 1)]);
    }

    #[test]
    fn without_gso_every_datagram_is_alone() {
        assert_eq!(shapes(&[5, 5, 3], false), [(1, 5, 5), (1, 5, 5), (1, 3, 3)]);
    }

    #[test]
    fn sizes_beyond_the_contents_send_nothing_more() {
        assert_eq!(runs(&[0; 10], &[5, 7, 5], true).count(), 1);
    }

    #[test]
    fn gso_ends_at_once_on_eio_and_only_after_many_einval() {
        let mut state = GsoState::new(true);
        state.note_refusal(&io::Error::from_raw_os_error(libc::EIO));
        assert!(!state.is_on());
        let mut state = GsoState::new(true);
        for _ in 0..7 {
            state.note_refusal(&io::Error::from_raw_os_error(libc::EINVAL));
        }
        state.note_success();
        assert!(state.is_on());
        for _ in 0..8 {
            state.note_refusal(&io::Error::from_raw_os_error(libc::EINVAL));
        }
        assert!(!state.is_on());
    }
}
