//! Packing: bytes that are 0 or 1 become the bits of a word, the first byte the lowest bit.

use super::LANES;

#[inline(always)]
pub(super) fn plainly(flags: &[u8; LANES]) -> u64 {
    let mut word = 0;
    for byte in 0..LANES / 8 {
        let mut eight = [0; 8];
        eight.copy_from_slice(&flags[8 * byte..8 * byte + 8]);
        // The multiplication moves the lowest bit of each byte into the highest byte.
        let gathered = u64::from_le_bytes(eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        word |= gathered << (8 * byte);
    }
    word
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn with_avx2(flags: &[u8; LANES]) -> u64 {
    use std::arch::x86_64::{__m256i, _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_slli_epi16};
    let halves = flags.as_chunks::<32>().0.iter().map(|half| {
        // SAFETY: a half is 32 bytes long, and the load need not be aligned.
        #[allow(unsafe_code, reason = "reads by address")]
        let half = unsafe { _mm256_loadu_si256(half.as_ptr().cast::<__m256i>()) };
        // The lowest bit of each byte becomes its highest.
        _mm256_movemask_epi8(_mm256_slli_epi16::<7>(half)) as u32
    });
    halves.rev().fold(0, |word, half| word << 32 | u64::from(half))
}

#[cfg(target_arch = "x86_64")]
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn with_avx512(flags: &[u8; LANES]) -> u64 {
    use std::arch::x86_64::{__m512i, _mm512_loadu_si512, _mm512_test_epi8_mask};
    // SAFETY: the flags are 64 bytes long, and the load need not be aligned.
    #[allow(unsafe_code, reason = "reads by address")]
    let flags = unsafe { _mm512_loadu_si512(flags.as_ptr().cast::<__m512i>()) };
    _mm512_test_epi8_mask(flags, flags)
}
