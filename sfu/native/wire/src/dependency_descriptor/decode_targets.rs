//! Which decode targets are left where layers are dropped, and how a descriptor says so: `active_decode_targets_bitmask`
//! (A.4.2), put into the sender's descriptor without touching anything else of it.

use super::TemplateStructure;

/// LIMIT: decode targets of a structure: 5 bits count them.
pub const MAX_DECODE_TARGETS: usize = 32;

/// Where in a descriptor the bitmask of active decode targets is, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TargetsField {
    /// Offset in bits from the descriptor's beginning.
    pub bit_offset: u16,
    /// Width in bits: the structure's number of decode targets. 0: no descriptor.
    pub target_count: u8,
    /// The sender wrote one.
    pub is_present: bool,
}

/// The layers each decode target of a structure needs, and which targets the sender keeps up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeTargets {
    /// Bit i: the sender sends what target i needs.
    pub active: u32,
    count: u8,
    /// Spatial layer in the high nibble, temporal in the low one.
    layers: [u8; MAX_DECODE_TARGETS],
}

impl DecodeTargets {
    /// Those of a structure, all active.
    pub fn new(structure: &TemplateStructure) -> Self {
        let mut layers = [0; MAX_DECODE_TARGETS];
        for (layer, (spatial, temporal)) in layers.iter_mut().zip(&structure.decode_target_layers) {
            *layer = spatial << 4 | temporal;
        }
        Self {
            active: super::all_targets(structure.decode_target_count),
            count: structure.decode_target_count,
            layers,
        }
    }

    /// How many there are, 1–32.
    pub fn count(&self) -> u8 {
        self.count
    }

    /// The active ones that need no layer above these: what is left of the stream when the layers above are dropped.
    pub fn within(&self, max_spatial_layer: u8, max_temporal_layer: u8) -> u32 {
        let kept = |&(_, &layer): &(usize, &u8)| {
            layer >> 4 <= max_spatial_layer && layer & 0x0f <= max_temporal_layer
        };
        let targets = self.layers.iter().take(self.count.into()).enumerate();
        let mask = targets
            .filter(kept)
            .fold(0, |mask, (index, _)| mask | 1 << index);
        mask & self.active
    }
}

/// Copy `descriptor` into `out` with `mask` as its bitmask of active decode targets, and return its length there; `None` if it
/// does not fit, or `field` is not of this descriptor.
pub fn write_active_decode_targets(
    descriptor: &[u8],
    field: TargetsField,
    mask: u32,
    out: &mut [u8],
) -> Option<usize> {
    let (at, width) = (
        usize::from(field.bit_offset),
        usize::from(field.target_count),
    );
    let source_bits = descriptor.len() * 8;
    let replaced = if field.is_present { width } else { 0 };
    // A descriptor of the mandatory fields alone has none of the flags: they count as zeros.
    let is_short = descriptor.len() == super::MANDATORY_BYTES;
    let is_own = at >= usize::from(super::EXTENDED_FLAGS_END)
        && (1..=MAX_DECODE_TARGETS).contains(&width)
        && (is_short || at + replaced <= source_bits);
    let rest = source_bits.saturating_sub(at + replaced);
    let length = (at + width + rest).div_ceil(8);
    let out = out.get_mut(..length).filter(|_| is_own)?;
    let before = at.div_ceil(8).min(descriptor.len());
    out.fill(0);
    out[..before].copy_from_slice(&descriptor[..before]);
    out[ACTIVE_FLAG_BYTE] |= ACTIVE_FLAG;
    if at % 8 != 0
        && let Some(byte) = out.get_mut(at / 8)
    {
        *byte &= !(0xff >> (at % 8));
    }
    put_bits(out, at, mask, width);
    for done in (0..rest).step_by(8) {
        let taken = (rest - done).min(8);
        let chunk = bits_at(descriptor, at + replaced + done, taken);
        put_bits(out, at + width + done, chunk, taken);
    }
    Some(length)
}

/// `active_decode_targets_present_flag`: the second bit after the mandatory fields.
const ACTIVE_FLAG_BYTE: usize = super::MANDATORY_BYTES;
const ACTIVE_FLAG: u8 = 0x40;

/// At most 8 bits from `position` on, which lie within `bytes`.
fn bits_at(bytes: &[u8], position: usize, count: usize) -> u32 {
    let byte = |index: usize| u32::from(bytes.get(index).copied().unwrap_or_default());
    let both = byte(position / 8) << 8 | byte(position / 8 + 1);
    both >> (16 - position % 8 - count) & ((1 << count) - 1)
}

/// Write the low `count` bits of `value` where zeros are.
fn put_bits(bytes: &mut [u8], position: usize, value: u32, count: usize) {
    let mut left = count;
    let mut at = position;
    while left > 0 {
        let room = 8 - at % 8;
        let taken = room.min(left);
        let chunk = (u64::from(value) >> (left - taken)) as u32 & ((1 << taken) - 1);
        bytes[at / 8] |= (chunk << (room - taken)) as u8;
        left -= taken;
        at += taken;
    }
}
