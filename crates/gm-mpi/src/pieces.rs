//! Messages in pieces, since an MPI library may count no more than 2^31 - 1 numbers in one.

/// Calls `each` for the pieces of two messages of at most `most` numbers, as often as the longer one needs.
///
/// The two processes of a swap see the same number of pieces, since each sends what the other receives.
pub(crate) fn swapped<E>(
    out: &[f32],
    into: &mut [f32],
    most: usize,
    mut each: impl FnMut(&[f32], &mut [f32]) -> Result<(), E>,
) -> Result<(), E> {
    for first in (0..out.len().max(into.len())).step_by(most) {
        let (sent, received) = (first.min(out.len()), first.min(into.len()));
        let ends = ((first + most).min(out.len()), (first + most).min(into.len()));
        each(&out[sent..ends.0.max(sent)], &mut into[received..ends.1.max(received)])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_both_processes_of_a_swap_see_pieces_of_equal_lengths() {
        let lengths = |out: usize, into: usize| {
            let mut seen = vec![];
            swapped(&vec![1.0; out], &mut vec![0.0; into], 3, |out, into| {
                seen.push((out.len(), into.len()));
                Ok::<(), ()>(())
            })
            .unwrap();
            seen
        };
        assert_eq!(lengths(7, 6), [(3, 3), (3, 3), (1, 0)]);
        assert_eq!(lengths(6, 7), [(3, 3), (3, 3), (0, 1)]);
        assert_eq!(lengths(1, 0), [(1, 0)]);
        assert_eq!(lengths(0, 0), []);
    }

    #[test]
    fn table_pieces_cover_a_message_in_order() {
        let (out, mut into) = ((0..10).map(|i| i as f32).collect::<Vec<_>>(), [0.0; 10]);
        swapped(&out, &mut into, 4, |out, into| {
            into.copy_from_slice(out);
            Ok::<(), ()>(())
        })
        .unwrap();
        assert_eq!(out, into);
        assert_eq!(swapped(&out, &mut into, 4, |_, _| Err("lost")), Err("lost"));
    }
}
