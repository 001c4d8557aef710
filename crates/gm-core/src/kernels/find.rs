//! The search for the partial sums that samples look up.

use super::{GROUPS, InstructionSet, Lookups, MANY, Places};

/// Finds the partial sums that up to [`super::BLOCK`] samples look up: see [`Lookups`].
pub(crate) fn find(words: &[u64], lookups: &mut Lookups) {
    find_on(InstructionSet::active(), words, lookups);
}

/// [`find`] for a given instruction set, which must be available.
pub(super) fn find_on(set: InstructionSet, words: &[u64], lookups: &mut Lookups) {
    match set {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `InstructionSet::available` found AVX-512 F, and every processor with it has POPCNT.
        #[allow(unsafe_code, reason = "calls a function compiled for detected features")]
        InstructionSet::Avx512 => unsafe { find_by_registers(words, lookups) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `InstructionSet::available` found AVX2, and every processor with it has POPCNT.
        #[allow(unsafe_code, reason = "calls a function compiled for detected features")]
        InstructionSet::Avx2 => unsafe { find_with_popcnt(words, lookups) },
        _ => find_by(words, lookups, one_by_one),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,popcnt")]
fn find_by_registers(words: &[u64], lookups: &mut Lookups) {
    find_by(words, lookups, |word| at_once(word));
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,popcnt")]
fn find_with_popcnt(words: &[u64], lookups: &mut Lookups) {
    find_by(words, lookups, one_by_one);
}

/// The number of groups of four inputs with at least one input that is on.
#[inline(always)]
fn groups(word: u64) -> usize {
    let two = word | word >> 1;
    ((two | two >> 2) & 0x1111_1111_1111_1111).count_ones() as usize
}

/// `places_of` gives the places of fewer than [`MANY`] groups.
#[inline(always)]
fn find_by(words: &[u64], lookups: &mut Lookups, places_of: impl Fn(u64) -> Places) {
    let Lookups { used, runs, order, places } = lookups;
    (*used, *runs) = (0, [0; MANY + 1]);
    let mut sums = 0;
    for &word in words {
        let count = groups(word);
        *used |= word;
        runs[count.min(MANY)] += 1;
        sums += count;
    }
    if sums >= MANY * words.len() {
        // All groups are looked up, so nothing needs to be sorted.
        *runs = [0; MANY + 1];
        runs[MANY] = words.len() as u16;
        return;
    }
    let (mut next, mut first) = ([0; MANY + 1], 0);
    for (next, &count) in next.iter_mut().zip(&*runs) {
        *next = first;
        first += usize::from(count);
    }
    for (sample, &word) in words.iter().enumerate() {
        let count = groups(word).min(MANY);
        let place = &mut next[count];
        order[*place] = sample as u16;
        if count < MANY && count > 0 {
            places[*place] = places_of(word);
        }
        *place += 1;
    }
}

/// The places of the sums that the inputs of a word look up, group by group.
#[inline(always)]
fn one_by_one(word: u64) -> Places {
    let (mut places, mut found) = ([0; GROUPS], 0);
    for group in 0..GROUPS {
        let inputs = (word >> (4 * group)) as u8 & 15;
        // The next place overwrites the place of a group without inputs.
        places[found % GROUPS] = 16 * group as u8 + inputs;
        found += usize::from(inputs != 0);
    }
    let mut words = [0; GROUPS / 8];
    for (word, places) in words.iter_mut().zip(places.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*places);
    }
    Places(words)
}

/// [`one_by_one`] for all groups at once.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn at_once(word: u64) -> Places {
    use std::arch::x86_64::{
        __m128i, _mm512_add_epi32, _mm512_and_si512, _mm512_cvtepi32_epi8, _mm512_mask_set1_epi32,
        _mm512_maskz_compress_epi32, _mm512_set1_epi32, _mm512_setr_epi32, _mm512_srlv_epi32, _mm512_test_epi32_mask,
    };
    let eight_groups_each = _mm512_mask_set1_epi32(_mm512_set1_epi32(word as i32), 0xff00, (word >> 32) as i32);
    let shifts = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
    let inputs = _mm512_and_si512(_mm512_srlv_epi32(eight_groups_each, shifts), _mm512_set1_epi32(15));
    let first = _mm512_setr_epi32(0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240);
    let places = _mm512_add_epi32(first, inputs);
    let found = _mm512_maskz_compress_epi32(_mm512_test_epi32_mask(inputs, inputs), places);
    // SAFETY: both types are sixteen bytes, and any value is valid.
    #[allow(unsafe_code, reason = "the same bytes under another type")]
    Places(unsafe { std::mem::transmute::<__m128i, [u64; GROUPS / 8]>(_mm512_cvtepi32_epi8(found)) })
}
