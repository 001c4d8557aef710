//! The sizes up to which sums over all states are taken.

/// Hidden units that [`Sbn::log_prob`](crate::Sbn::log_prob) enumerates at most.
pub const LOG_PROB_LIMIT: usize = 30;

/// Hidden units whose states [`Sbn::posterior`](crate::Sbn::posterior) and [`Sbn::prior`](crate::Sbn::prior) tabulate
/// at most.
pub const POSTERIOR_LIMIT: usize = 24;

/// Hidden units whose states the exact gradients and bounds hold in memory at once at most.
pub const GRADIENT_LIMIT: usize = 16;

/// Hidden units times draws that [`Sbn::exact_bound`](crate::Sbn::exact_bound) enumerates at most.
pub const BOUND_LIMIT: usize = 26;
