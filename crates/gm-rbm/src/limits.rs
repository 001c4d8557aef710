//! The largest sizes of exact computations.

/// The most units of a layer that [`Rbm::log_partition`](crate::Rbm::log_partition),
/// [`Rbm::marginals`](crate::Rbm::marginals) and [`Rbm::exact_gradient`](crate::Rbm::exact_gradient) enumerate.
pub const LOG_PARTITION_LIMIT: usize = 30;

/// The most units of a layer that [`Rbm::exact_samples`](crate::Rbm::exact_samples) enumerates. It is smaller, because
/// the probabilities of all states are kept in memory.
pub const SAMPLES_LIMIT: usize = 24;
