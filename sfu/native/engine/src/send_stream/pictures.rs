//! VP8 and VP9 picture ids and TL0PICIDX that go on over all sources of a send stream.

use super::number_map::NumberMap;
use wire::codec::PictureIds;

/// The ids of the current source.
#[derive(Debug)]
struct SourcePictures {
    numbers: NumberMap,
    highest: u64,
    is_15_bit: bool,
    tl0_offset: u8,
}

/// The ids.
#[derive(Debug)]
pub(super) struct Pictures {
    source: Option<SourcePictures>,
    /// Highest sent, unwrapped.
    highest_sent: u64,
    tl0_sent: u8,
}

impl Pictures {
    /// The first picture gets the ids after these.
    pub(super) fn new(picture_id: u16, tl0_picture_index: u8) -> Self {
        Self {
            source: None,
            highest_sent: WRAP + u64::from(picture_id),
            tl0_sent: tl0_picture_index,
        }
    }

    /// A new source begins with the next packet.
    pub(super) fn switch(&mut self) {
        self.source = None;
    }

    /// Drop a whole picture on purpose: it takes no id. VP8 only: VP9 refers to pictures by differences of ids.
    pub(super) fn skip(&mut self, ids: &PictureIds) {
        if let Some(source) = &mut self.source {
            let picture = source.unwrap(ids);
            source.numbers.skip(picture);
        }
    }

    /// The picture id and TL0PICIDX to send; `None` if the picture was dropped or is too old to tell.
    pub(super) fn map(&mut self, ids: &PictureIds) -> Option<(u16, u8)> {
        let tl0 = ids.tl0_picture_index.map_or(0, |(index, _)| index);
        if self
            .source
            .as_ref()
            .is_none_or(|source| source.is_15_bit != ids.is_15_bit)
        {
            let first = WRAP + u64::from(ids.picture_id);
            self.source = Some(SourcePictures {
                numbers: NumberMap::new(first, self.highest_sent + 1),
                highest: first,
                is_15_bit: ids.is_15_bit,
                tl0_offset: self.tl0_sent.wrapping_add(1).wrapping_sub(tl0),
            });
        }
        let source = self.source.as_mut()?;
        let picture = source.unwrap(ids);
        let sent = source.numbers.map(picture)?;
        let tl0_sent = tl0.wrapping_add(source.tl0_offset);
        if sent >= self.highest_sent {
            self.highest_sent = sent;
            if ids.tl0_picture_index.is_some() {
                self.tl0_sent = tl0_sent;
            }
        }
        Some(((sent & 0x7fff) as u16, tl0_sent))
    }
}

impl SourcePictures {
    /// Unwrap 7 or 15 bits to the value nearest to the highest.
    fn unwrap(&mut self, ids: &PictureIds) -> u64 {
        let span: u64 = if self.is_15_bit { 1 << 15 } else { 1 << 7 };
        let ahead = u64::from(ids.picture_id).wrapping_sub(self.highest) & (span - 1);
        if ahead < span / 2 {
            self.highest += ahead;
            self.highest
        } else {
            self.highest + ahead - span
        }
    }
}

/// Room below the first number, so that none gets negative; a multiple of both widths' spans.
const WRAP: u64 = 1 << 16;
