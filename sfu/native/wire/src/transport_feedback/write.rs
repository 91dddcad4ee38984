//! Writing of transport-wide feedback: quantise, choose chunks, pack.

use super::{
    DELTA_UNIT_MICROS, ONE_BIT_SYMBOLS, REFERENCE_UNIT_MICROS, RUN_LENGTH_MASK, Symbol,
    TWO_BIT_SYMBOLS,
};

/// LIMIT: size of one written feedback packet, so that with a report, SRTCP, UDP and IPv6 it fits any path.
pub const MAX_PACKET_BYTES: usize = 1_100;

/// RTCP header, two SSRCs and the FCI's fixed part.
const HEADER_BYTES: usize = 20;
/// What a packet of only missing ones can hold: two bytes for each seven symbols at worst.
const MAX_SYMBOLS: usize = (MAX_PACKET_BYTES - HEADER_BYTES) / 2 * TWO_BIT_SYMBOLS as usize;
// Padding to 32 bits then never goes over the limit.
const _: () = assert!(MAX_PACKET_BYTES.is_multiple_of(4));
const _: () = assert!(MAX_SYMBOLS <= RUN_LENGTH_MASK as usize);
const TICKS_PER_REFERENCE: i64 = REFERENCE_UNIT_MICROS / DELTA_UNIT_MICROS;

/// Append one whole RTCP feedback packet of at most [`MAX_PACKET_BYTES`]. `arrivals[i]` is the arrival in µs of
/// `base_sequence_number + i`, `None` if missing; returns how many entries were taken (a delta that does not fit 16 bits,
/// or the size limit, ends the packet early; call again). At least one is taken; of no arrivals nothing is written.
///
/// Arrivals are rounded down to 250 µs, and each delta is between rounded times, so that errors do not add up.
pub fn write(
    out: &mut Vec<u8>,
    sender_ssrc: u32,
    media_ssrc: u32,
    feedback_count: u8,
    base_sequence_number: u16,
    arrivals: &[Option<i64>],
) -> usize {
    let mut buffer = [Symbol::NOT_RECEIVED; MAX_SYMBOLS];
    let first_arrival = arrivals.iter().flatten().next();
    let reference_time =
        first_arrival.map_or(0, |&first| ticks(first).div_euclid(TICKS_PER_REFERENCE));
    let symbols = choose_symbols(&mut buffer, reference_time, arrivals);
    if symbols.is_empty() {
        return 0;
    }
    let start = out.len();
    // RFC 4585 §6.1: RTPFB, FMT 15. P bit and length are filled in at the end.
    out.extend_from_slice(&[0x80 | 15, 205, 0, 0]);
    out.extend_from_slice(&sender_ssrc.to_be_bytes());
    out.extend_from_slice(&media_ssrc.to_be_bytes());
    out.extend_from_slice(&base_sequence_number.to_be_bytes());
    out.extend_from_slice(&(symbols.len() as u16).to_be_bytes());
    // The low 24 bits, as the field wraps.
    out.extend_from_slice(&((reference_time as u32) << 8).to_be_bytes()[..3]);
    out.push(feedback_count);
    write_chunks(out, symbols);
    write_deltas(out, reference_time, &arrivals[..symbols.len()]);
    finish_packet(out, start);
    symbols.len()
}

/// Arrival in units of 250 µs.
fn ticks(arrival_micros: i64) -> i64 {
    arrival_micros.div_euclid(DELTA_UNIT_MICROS)
}

/// Fill `buffer` with a symbol for each arrival that this packet can take.
fn choose_symbols<'a>(
    buffer: &'a mut [u8; MAX_SYMBOLS],
    reference_time: i64,
    arrivals: &[Option<i64>],
) -> &'a [u8] {
    let mut last = reference_time * TICKS_PER_REFERENCE;
    let mut delta_bytes = 0;
    let mut taken = 0;
    for (symbol, arrival) in buffer.iter_mut().zip(arrivals) {
        if let Some(arrival) = arrival {
            let delta = ticks(*arrival) - last;
            last += delta;
            (*symbol, delta_bytes) = if u8::try_from(delta).is_ok() {
                (Symbol::SMALL_DELTA, delta_bytes + 1)
            } else if i16::try_from(delta).is_ok() {
                (Symbol::LARGE_DELTA, delta_bytes + 2)
            } else {
                break;
            };
        }
        // Each chunk but the last covers at least seven symbols: see `write_chunks`.
        let chunk_bytes = (taken + 1_usize).div_ceil(usize::from(TWO_BIT_SYMBOLS)) * 2;
        if HEADER_BYTES + chunk_bytes + delta_bytes > MAX_PACKET_BYTES {
            break;
        }
        taken += 1;
    }
    &buffer[..taken]
}

/// Pack symbols greedily: a run if it is longer than any vector chunk could be, else the widest vector that can hold
/// what comes.
fn write_chunks(out: &mut Vec<u8>, mut symbols: &[u8]) {
    while let Some(&first) = symbols.first() {
        let run = symbols.iter().take_while(|&&s| s == first).count();
        let one_bit_window = &symbols[..symbols.len().min(usize::from(ONE_BIT_SYMBOLS))];
        let fits_one_bit = one_bit_window.iter().all(|&s| s != Symbol::LARGE_DELTA);
        let vector_symbols = if fits_one_bit {
            ONE_BIT_SYMBOLS
        } else {
            TWO_BIT_SYMBOLS
        };
        let (chunk, taken) = if run >= usize::from(vector_symbols) || run == symbols.len() {
            // Fits the field: see the assertion at the constants.
            (u16::from(first) << 13 | run as u16, run)
        } else {
            vector_chunk(symbols, vector_symbols)
        };
        out.extend_from_slice(&chunk.to_be_bytes());
        symbols = &symbols[taken..];
    }
}

/// The vector chunk of up to `capacity` (7 or 14) symbols, and how many it took; unused places are zero.
fn vector_chunk(symbols: &[u8], capacity: u16) -> (u16, usize) {
    let taken = symbols.len().min(usize::from(capacity));
    let (kind, width) = if capacity == ONE_BIT_SYMBOLS {
        (0b10 << 14, 1)
    } else {
        (0b11 << 14, 2)
    };
    let packed = symbols[..taken]
        .iter()
        .fold(0, |packed, &symbol| packed << width | u16::from(symbol));
    let unused = capacity - taken as u16;
    (kind | packed << (unused * width), taken)
}

fn write_deltas(out: &mut Vec<u8>, reference_time: i64, arrivals: &[Option<i64>]) {
    let mut last = reference_time * TICKS_PER_REFERENCE;
    for arrival in arrivals.iter().flatten() {
        let delta = ticks(*arrival) - last;
        last += delta;
        match u8::try_from(delta) {
            Ok(small) => out.push(small),
            Err(_) => out.extend_from_slice(&(delta as i16).to_be_bytes()),
        }
    }
}

/// RFC 3550 §6.4.1: pad to 32 bits under the P bit, the last byte counting the padding; fill in the length.
fn finish_packet(out: &mut Vec<u8>, start: usize) {
    let padding = (out.len() - start).wrapping_neg() % 4;
    if padding > 0 {
        out.resize(out.len() + padding - 1, 0);
        out.push(padding as u8);
        out[start] |= 0x20;
    }
    let words = ((out.len() - start) / 4 - 1) as u16;
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}
