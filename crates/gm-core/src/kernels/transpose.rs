//! Transposing matrices of numbers, in blocks of eight rows and eight columns.

use super::InstructionSet;

/// Rows and columns of a block.
#[cfg(target_arch = "x86_64")]
const SIDE: usize = 8;

/// Transposes `rows` rows of `columns` numbers: `to[j * to_stride + i] = from[i * from_stride + j]`.
///
/// # Panics
///
/// When a row or a column does not lie in its slice.
pub(crate) fn transpose(from: (&[f32], usize), to: (&mut [f32], usize), (rows, columns): (usize, usize)) {
    transpose_on(InstructionSet::active(), from, to, (rows, columns));
}

/// [`transpose`] for a given instruction set, which must be available.
pub(super) fn transpose_on(
    set: InstructionSet,
    (from, from_stride): (&[f32], usize),
    (to, to_stride): (&mut [f32], usize),
    (rows, columns): (usize, usize),
) {
    if rows == 0 || columns == 0 {
        return;
    }
    assert!((rows - 1) * from_stride + columns <= from.len(), "the rows lie in their slice");
    assert!((columns - 1) * to_stride + rows <= to.len(), "the columns lie in their slice");
    let (whole_rows, whole_columns) = blocks(set, (from, from_stride), (to, to_stride), (rows, columns));
    for i in 0..rows {
        let done = if i < whole_rows { whole_columns } else { 0 };
        for j in done..columns {
            to[j * to_stride + i] = from[i * from_stride + j];
        }
    }
}

/// Rows and columns of a smaller block, for what the large blocks leave over.
#[cfg(target_arch = "x86_64")]
const HALF_SIDE: usize = SIDE / 2;

/// Transposes whole blocks by vector instructions. Returns the number of rows and columns that are done.
#[cfg(target_arch = "x86_64")]
fn blocks(
    set: InstructionSet,
    (from, from_stride): (&[f32], usize),
    (to, to_stride): (&mut [f32], usize),
    (rows, columns): (usize, usize),
) -> (usize, usize) {
    if set == InstructionSet::Portable {
        return (0, 0);
    }
    let (whole_rows, whole_columns) = (rows - rows % SIDE, columns - columns % SIDE);
    for i in (0..whole_rows).step_by(SIDE) {
        for j in (0..whole_columns).step_by(SIDE) {
            let (from, to) = (&from[i * from_stride + j..], &mut to[j * to_stride + i..]);
            // SAFETY: both other sets come with AVX, and the caller has asserted that all rows and columns lie in their
            // slices.
            #[allow(unsafe_code, reason = "shuffles of whole registers, which the compiler does not find by itself")]
            unsafe {
                block(from.as_ptr(), from_stride, to.as_mut_ptr(), to_stride);
            }
        }
    }
    let (rows, columns) = (rows - rows % HALF_SIDE, columns - columns % HALF_SIDE);
    for i in (0..rows).step_by(HALF_SIDE) {
        let done = if i < whole_rows { whole_columns } else { 0 };
        for j in (done..columns).step_by(HALF_SIDE) {
            let (from, to) = (&from[i * from_stride + j..], &mut to[j * to_stride + i..]);
            // SAFETY: as above.
            #[allow(unsafe_code, reason = "shuffles of whole registers, which the compiler does not find by itself")]
            unsafe {
                small_block(from.as_ptr(), from_stride, to.as_mut_ptr(), to_stride);
            }
        }
    }
    (rows, columns)
}

/// No block: other processors have no such instructions here.
#[cfg(not(target_arch = "x86_64"))]
fn blocks(_: InstructionSet, _: (&[f32], usize), _: (&mut [f32], usize), _: (usize, usize)) -> (usize, usize) {
    (0, 0)
}

/// Transposes a block of eight rows and eight columns.
///
/// # Safety
///
/// All addresses that the strides lead to lie in memory that may be read, or written.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
#[allow(unsafe_code, reason = "reads and writes by address")]
unsafe fn block(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
    use std::arch::x86_64::{
        __m256, _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_shuffle_ps, _mm256_storeu_ps, _mm256_unpackhi_ps,
        _mm256_unpacklo_ps,
    };
    // SAFETY: the caller guarantees every address.
    let row: [__m256; SIDE] = std::array::from_fn(|i| unsafe { _mm256_loadu_ps(from.add(i * from_stride)) });
    let [a, b, c, d, e, f, g, h] = row;
    let pairs = [(a, b), (c, d), (e, f), (g, h)].map(|(x, y)| (_mm256_unpacklo_ps(x, y), _mm256_unpackhi_ps(x, y)));
    // Each entry holds four rows of columns 0 and 4, 1 and 5, 2 and 6, or 3 and 7.
    let fours = [(pairs[0], pairs[1]), (pairs[2], pairs[3])].map(|((x, above_x), (y, above_y))| {
        [
            _mm256_shuffle_ps::<0x44>(x, y),
            _mm256_shuffle_ps::<0xee>(x, y),
            _mm256_shuffle_ps::<0x44>(above_x, above_y),
            _mm256_shuffle_ps::<0xee>(above_x, above_y),
        ]
    });
    let [low, high] = fours;
    for (j, (low, high)) in low.into_iter().zip(high).enumerate() {
        // SAFETY: as above.
        unsafe {
            _mm256_storeu_ps(to.add(j * to_stride), _mm256_permute2f128_ps::<0x20>(low, high));
            _mm256_storeu_ps(to.add((j + SIDE / 2) * to_stride), _mm256_permute2f128_ps::<0x31>(low, high));
        }
    }
}

/// Transposes a block of four rows and four columns.
///
/// # Safety
///
/// The same as for [`block`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
#[allow(unsafe_code, reason = "reads and writes by address")]
unsafe fn small_block(from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
    use std::arch::x86_64::{
        __m128, _mm_loadu_ps, _mm_movehl_ps, _mm_movelh_ps, _mm_storeu_ps, _mm_unpackhi_ps, _mm_unpacklo_ps,
    };
    // SAFETY: the caller guarantees every address.
    let row: [__m128; HALF_SIDE] = std::array::from_fn(|i| unsafe { _mm_loadu_ps(from.add(i * from_stride)) });
    let [a, b, c, d] = row;
    let (low, above_low) = (_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
    let (high, above_high) = (_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
    let columns = [
        _mm_movelh_ps(low, high),
        _mm_movehl_ps(high, low),
        _mm_movelh_ps(above_low, above_high),
        _mm_movehl_ps(above_high, above_low),
    ];
    for (j, column) in columns.into_iter().enumerate() {
        // SAFETY: as above.
        unsafe {
            _mm_storeu_ps(to.add(j * to_stride), column);
        }
    }
}
