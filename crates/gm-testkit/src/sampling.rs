//! Exact draws from enumerated distributions.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The generator of a test, from its seed.
///
/// # Examples
///
/// ```
/// use rand::Rng;
///
/// assert_eq!(gm_testkit::rng(3).next_u64(), gm_testkit::rng(3).next_u64());
/// ```
#[must_use]
pub fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// A distribution over 0, 1, ..., n - 1. Draws invert its cumulative sums.
///
/// # Examples
///
/// ```
/// use gm_testkit::{Categorical, rng};
///
/// let sure = Categorical::new(&[0.0, 1.0, 0.0]);
/// assert_eq!(sure.draw(&mut rng(1)), 1);
/// ```
#[derive(Clone, Debug)]
pub struct Categorical {
    cumulative: Vec<f64>,
}

impl Categorical {
    /// The distribution proportional to the given weights.
    ///
    /// # Panics
    ///
    /// When the weights do not have a positive, finite sum.
    #[must_use]
    pub fn new(weights: &[f64]) -> Self {
        let mut sum = 0.0;
        let cumulative: Vec<f64> = weights
            .iter()
            .map(|&w| {
                sum += w;
                sum
            })
            .collect();
        assert!(sum > 0.0 && sum.is_finite(), "weights sum to {sum}");
        Self { cumulative }
    }

    /// One draw.
    ///
    /// # Randomness
    ///
    /// One `f64` of 53 bits.
    ///
    /// # Panics
    ///
    /// Never, because a distribution has at least one cell.
    pub fn draw(&self, rng: &mut impl Rng) -> usize {
        let total = self.cumulative.last().expect("a positive sum has a term");
        let u = rng.random::<f64>() * total;
        // The product may be rounded up to the total itself, which is past the last cell.
        self.cumulative.partition_point(|&c| c <= u).min(self.cumulative.len() - 1)
    }
}
