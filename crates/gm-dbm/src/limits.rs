//! The largest sizes of exact computations.

/// The most units of the even or of the odd layers that [`Dbm::log_partition`](crate::Dbm::log_partition),
/// [`Dbm::marginals`](crate::Dbm::marginals) and [`Dbm::exact_gradient`](crate::Dbm::exact_gradient) enumerate.
pub const LOG_PARTITION_LIMIT: usize = 30;

/// The most units of the even or of the odd hidden layers that [`Dbm::log_prob`](crate::Dbm::log_prob) and
/// [`Dbm::posterior_moments`](crate::Dbm::posterior_moments) enumerate.
pub const LOG_PROB_LIMIT: usize = 30;

/// The most units of the even or of the odd layers that [`Dbm::exact_samples`](crate::Dbm::exact_samples) enumerates.
/// It is smaller, because the probabilities of all states are kept in memory.
pub const SAMPLES_LIMIT: usize = 24;
