//! The sizes up to which sums over all states are taken.

/// Units of the even or of the odd layers that [`Dbm::log_partition`](crate::Dbm::log_partition) and
/// [`Dbm::marginals`](crate::Dbm::marginals) enumerate at most.
pub const LOG_PARTITION_LIMIT: usize = 30;

/// Units of the even or of the odd hidden layers that [`Dbm::log_prob`](crate::Dbm::log_prob) and
/// [`Dbm::posterior_moments`](crate::Dbm::posterior_moments) enumerate at most.
pub const LOG_PROB_LIMIT: usize = 30;

/// Units of the even or of the odd layers that [`Dbm::exact_samples`](crate::Dbm::exact_samples) enumerates at most, because it
/// keeps the probabilities of all states.
pub const SAMPLES_LIMIT: usize = 24;
