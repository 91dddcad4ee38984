//! Picture size from an H.264 sequence parameter set (ITU-T H.264 §7.3.2.1.1), cropping applied.

/// §7.4.2.1.1: at most 255 frames in a picture order count cycle.
const MAX_ORDER_COUNT_CYCLE: u32 = 255;
/// LIMIT: 65,535 pixels, the width of our size fields, is 4,096 macroblocks.
const MAX_MACROBLOCKS: u32 = 4096;
/// Profiles whose SPS carries chroma format and scaling lists (§7.3.2.1.1).
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// Return width and height in pixels from an SPS without its NAL header, `None` if it is cut or out of range.
pub(super) fn read_resolution(sps: &[u8]) -> Option<(u16, u16)> {
    let mut reader = RbspReader::new(sps);
    let profile = reader.bits(8)?;
    reader.bits(16)?; // constraint flags, level
    reader.unsigned()?; // seq_parameter_set_id
    let chroma = if HIGH_PROFILES.contains(&profile) {
        read_chroma_and_scaling(&mut reader)?
    } else {
        Chroma::Yuv420
    };
    reader.unsigned()?; // log2_max_frame_num_minus4
    skip_order_count(&mut reader)?;
    reader.unsigned()?; // max_num_ref_frames
    reader.flag()?; // gaps_in_frame_num_value_allowed_flag
    let width_macroblocks = reader.unsigned()?.checked_add(1)?;
    let height_units = reader.unsigned()?.checked_add(1)?;
    if width_macroblocks > MAX_MACROBLOCKS || height_units > MAX_MACROBLOCKS {
        return None;
    }
    let is_frame_only = reader.flag()?;
    if !is_frame_only {
        reader.flag()?; // mb_adaptive_frame_field_flag
    }
    reader.flag()?; // direct_8x8_inference_flag
    let field_factor = if is_frame_only { 1 } else { 2 };
    let (mut crop_width, mut crop_height) = (0, 0);
    if reader.flag()? {
        let (unit_x, unit_y) = chroma.crop_units();
        crop_width = crop(&mut reader, unit_x)?;
        crop_height = crop(&mut reader, unit_y * field_factor)?;
    }
    let width = (width_macroblocks * 16).checked_sub(crop_width)?;
    let height = (height_units * 16 * field_factor).checked_sub(crop_height)?;
    if width == 0 || height == 0 {
        return None;
    }
    Some((width.try_into().ok()?, height.try_into().ok()?))
}

#[derive(Clone, Copy)]
enum Chroma {
    MonochromeOrSeparate,
    Yuv420,
    Yuv422,
    Yuv444,
}

impl Chroma {
    /// §7.4.2.1.1 `CropUnitX`, `CropUnitY` for frames.
    fn crop_units(self) -> (u32, u32) {
        match self {
            Self::Yuv420 => (2, 2),
            Self::Yuv422 => (2, 1),
            Self::MonochromeOrSeparate | Self::Yuv444 => (1, 1),
        }
    }
}

fn read_chroma_and_scaling(reader: &mut RbspReader) -> Option<Chroma> {
    let format = reader.unsigned()?;
    let chroma = match format {
        0 => Chroma::MonochromeOrSeparate,
        1 => Chroma::Yuv420,
        2 => Chroma::Yuv422,
        3 if reader.flag()? => Chroma::MonochromeOrSeparate,
        3 => Chroma::Yuv444,
        _ => return None,
    };
    reader.unsigned()?; // bit_depth_luma_minus8
    reader.unsigned()?; // bit_depth_chroma_minus8
    reader.flag()?; // qpprime_y_zero_transform_bypass_flag
    if reader.flag()? {
        let lists = if format == 3 { 12 } else { 8 };
        for list in 0..lists {
            if reader.flag()? {
                skip_scaling_list(reader, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(chroma)
}

fn skip_scaling_list(reader: &mut RbspReader, size: usize) -> Option<()> {
    let (mut last, mut next) = (8i32, 8i32);
    for _ in 0..size {
        if next != 0 {
            let delta = reader.signed()?;
            next = last.wrapping_add(delta).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

fn skip_order_count(reader: &mut RbspReader) -> Option<()> {
    match reader.unsigned()? {
        0 => {
            reader.unsigned()?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            reader.flag()?; // delta_pic_order_always_zero_flag
            reader.signed()?; // offset_for_non_ref_pic
            reader.signed()?; // offset_for_top_to_bottom_field
            let cycle = reader.unsigned()?;
            if cycle > MAX_ORDER_COUNT_CYCLE {
                return None;
            }
            for _ in 0..cycle {
                reader.signed()?;
            }
        }
        2 => {}
        _ => return None,
    }
    Some(())
}

fn crop(reader: &mut RbspReader, unit: u32) -> Option<u32> {
    let before = reader.unsigned()?;
    before.checked_add(reader.unsigned()?)?.checked_mul(unit)
}

/// Reads bits of a NAL unit, passing over emulation prevention bytes (00 00 03, §7.3.1).
struct RbspReader<'a> {
    bytes: &'a [u8],
    next: usize,
    current: u8,
    bits_left: u8,
    zeros: u8,
}

impl<'a> RbspReader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            next: 0,
            current: 0,
            bits_left: 0,
            zeros: 0,
        }
    }

    fn flag(&mut self) -> Option<bool> {
        if self.bits_left == 0 {
            self.current = self.next_byte()?;
            self.bits_left = 8;
        }
        self.bits_left -= 1;
        Some(self.current >> self.bits_left & 1 == 1)
    }

    fn next_byte(&mut self) -> Option<u8> {
        let mut byte = *self.bytes.get(self.next)?;
        self.next += 1;
        if self.zeros >= 2 && byte == 3 {
            self.zeros = 0;
            byte = *self.bytes.get(self.next)?;
            self.next += 1;
        }
        self.zeros = if byte == 0 {
            self.zeros.saturating_add(1)
        } else {
            0
        };
        Some(byte)
    }

    fn bits(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.flag()?);
        }
        Some(value)
    }

    /// ue(v), §9.1: at most 31 leading zeros.
    fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some(((1u32 << zeros) - 1).wrapping_add(self.bits(zeros)?))
    }

    /// se(v), §9.1.1.
    fn signed(&mut self) -> Option<i32> {
        let code = i64::from(self.unsigned()?);
        let magnitude = (code + 1) / 2;
        Some(if code % 2 == 1 { magnitude } else { -magnitude } as i32)
    }
}
