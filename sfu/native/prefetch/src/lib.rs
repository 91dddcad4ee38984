//! Ask the processor to load what will be needed soon, so that many slow loads from memory pass at the same time.
//!
//! A server of a thousand calls finds next to nothing of a call in its caches when that call's next packet comes: served one
//! after another, packets would wait for memory dozens of times each. A prefetch is a hint: it reads nothing, changes nothing,
//! and cannot fault, whatever the address. So a step of prefetching reads only what an earlier step has loaded: a look at what
//! is not there yet (even whether an `Option` is `Some`) would wait like the work itself. The only `unsafe` code that the engine's crates lean on.
//!
//! ```
//! let table = vec![0_u64; 1_000];
//! prefetch::prefetch(&table[500]);
//! prefetch::prefetch_slice(&table[500..520]);
//! ```

/// Of every processor we run on.
const LINE_BYTES: usize = 64;
/// LIMIT: lines of one call, those of a large packet; more would push out what was asked for before.
const MAX_LINES: usize = 20;

/// Load the cache lines of `value`, at most 20. What it points to is not loaded.
#[inline]
pub fn prefetch<T>(value: &T) {
    lines(std::ptr::from_ref(value).cast(), size_of::<T>());
}

/// Load the cache lines of the elements of `slice`, at most 20.
#[inline]
pub fn prefetch_slice<T>(slice: &[T]) {
    lines(slice.as_ptr().cast(), size_of_val(slice));
}

/// Load the cache lines of `size_bytes` from byte `start` of the memory of `list` on, filled or not, as far as it has so much;
/// at most 20: what is written into lines that are far away is not done until they have come.
#[inline]
pub fn prefetch_memory(list: &Vec<u8>, start: usize, size_bytes: usize) {
    let rest_bytes = list.capacity().saturating_sub(start);
    lines(
        list.as_ptr().wrapping_add(start),
        size_bytes.min(rest_bytes),
    );
}

#[inline]
fn lines(start: *const u8, size_bytes: usize) {
    if size_bytes == 0 {
        return;
    }
    let first = start as usize % LINE_BYTES;
    let count = (first + size_bytes).div_ceil(LINE_BYTES).min(MAX_LINES);
    for line in 0..count {
        load(start.wrapping_sub(first).wrapping_add(line * LINE_BYTES));
    }
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn load(address: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: PREFETCHT0 is in the base instruction set of x86_64 and never faults, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
}

#[cfg(target_arch = "aarch64")]
#[inline]
fn load(address: *const u8) {
    // SAFETY: PRFM is a hint that never faults, whatever the address; it touches no register, flag or stack.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) address, options(nostack, preserves_flags, readonly));
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline]
fn load(_address: *const u8) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_size_and_place_are_taken_and_left_as_they_were() {
        let bytes: Vec<u8> = (0..=255).cycle().take(5_000).collect();
        for start in 0..70 {
            for size in [0, 1, 63, 64, 65, 1_024, 4_000] {
                prefetch_slice(&bytes[start..start + size]);
            }
        }
        prefetch(&());
        prefetch(&[0_u64; 1_000]);
        prefetch_slice::<u8>(&[]);
        for start in [0, 4_000, 5_000, 50_000] {
            prefetch_memory(&bytes, start, 2_000);
            prefetch_memory(&Vec::with_capacity(300), start, 100);
        }
        assert!(bytes.iter().zip((0..=255).cycle()).all(|(a, b)| *a == b));
    }
}
