//! The sizes up to which sums over all states are taken.

/// Hidden units whose states are tabulated at most: for [`Dbn::log_prob`](crate::Dbn::log_prob) and
/// [`Dbn::exact_gradient`](crate::Dbn::exact_gradient) units of all hidden layers but the top one, for
/// [`Dbn::exact_bound`](crate::Dbn::exact_bound) the same units times draws, for
/// [`Dbn::posterior`](crate::Dbn::posterior) units of all hidden layers.
pub const TABLE_LIMIT: usize = 20;
