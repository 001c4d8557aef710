//! The sizes up to which sums over all states are taken.

/// Units of a layer that [`Rbm::log_partition`](crate::Rbm::log_partition), [`Rbm::marginals`](crate::Rbm::marginals) and
/// [`Rbm::exact_gradient`](crate::Rbm::exact_gradient) enumerate at most.
pub const LOG_PARTITION_LIMIT: usize = 30;

/// Units of a layer that [`Rbm::exact_samples`](crate::Rbm::exact_samples) enumerates at most, because it keeps the probabilities
/// of all states.
pub const SAMPLES_LIMIT: usize = 24;
