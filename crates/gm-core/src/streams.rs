//! Keyed random streams: one seed, with an independent ChaCha stream for every purpose and block.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The generator behind every random draw.
///
/// # Examples
///
/// ```
/// use gm_core::{Purpose, Stream, Streams};
/// use rand::RngExt;
///
/// /// The share of heads among a thousand throws.
/// fn heads(mut stream: Stream) -> f64 {
///     (0..1_000).filter(|_| stream.random_bool(0.5)).count() as f64 / 1_000.0
/// }
/// let family = Streams::new(7).fork(Purpose::Test, 0);
/// assert!((heads(family.stream(0)) - 0.5).abs() < 0.1);
/// assert_eq!(heads(family.stream(1)), heads(family.stream(1)));
/// ```
pub type Stream = ChaCha8Rng;

/// The purpose of a family of streams. Different purposes never share random bits.
///
/// # Examples
///
/// ```
/// use gm_core::{Purpose, Streams};
///
/// let streams = Streams::new(7);
/// assert_eq!(streams.fork(Purpose::Chains, 0), Streams::new(7).fork(Purpose::Chains, 0));
/// assert_ne!(streams.fork(Purpose::Chains, 0), streams.fork(Purpose::Data, 0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u64)]
pub enum Purpose {
    /// First values of parameters.
    Initialise = 1,
    /// The order of training examples.
    Shuffle = 2,
    /// Drawing binary pixels from grey levels.
    Binarise = 3,
    /// Hidden states given data (positive phase, contrastive divergence).
    Data = 4,
    /// Persistent chains and samplers.
    Chains = 5,
    /// First states of chains.
    Start = 6,
    /// Annealed importance sampling.
    Anneal = 7,
    /// Exact draws from enumerated distributions.
    Exact = 8,
    /// Units chosen by stochastic estimators.
    Choose = 9,
    /// One layer of a deep model.
    Layer = 10,
    /// Recognition networks and proposals.
    Propose = 11,
    /// Swaps of parallel tempering.
    Swap = 12,
    /// Synthetic data sets.
    Synthesise = 13,
    /// Evaluation.
    Evaluate = 14,
    /// Regularising noise.
    Noise = 15,
    /// Tests and examples.
    Test = 16,
    /// Settings that a sweep tries.
    Search = 17,
    /// A shard of the work, with runs, rows or chains of its own.
    Shard = 18,
}

/// A family of independent random streams, fixed by a seed and a path of purposes.
///
/// A stream has an address: the same seed, path and block give the same bits, in any order and on any thread. To
/// continue a run bit for bit, it is therefore enough to save a sweep counter in the path.
///
/// # Examples
///
/// ```
/// use gm_core::{Purpose, Streams};
/// use rand::Rng;
///
/// let streams = Streams::new(7);
/// let mut a = streams.fork(Purpose::Chains, 3).stream(0);
/// let mut again = Streams::new(7).fork(Purpose::Chains, 3).stream(0);
/// let mut other = streams.fork(Purpose::Chains, 4).stream(0);
/// let first = a.next_u64();
/// assert_eq!(first, again.next_u64());
/// assert_ne!(first, other.next_u64());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streams {
    key: [u8; 32],
}

impl Streams {
    /// The root of all streams of a run.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..24].copy_from_slice(b"gm-core streams1");
        Self { key }
    }

    /// The family below this one for a purpose and an index, such as a step or a layer.
    ///
    /// # Randomness
    ///
    /// The key of the child is 32 bytes of this key's own keystream, at an address that no [`stream`](Self::stream) can
    /// reach.
    #[must_use]
    pub fn fork(&self, purpose: Purpose, index: u64) -> Self {
        let mut named = ChaCha8Rng::from_seed(self.key);
        named.set_stream(FORK | purpose as u64);
        let mut key = [0; 32];
        named.fill_bytes(&mut key);
        let mut indexed = ChaCha8Rng::from_seed(key);
        indexed.set_stream(FORK);
        indexed.set_word_pos(u128::from(index) * 16);
        indexed.fill_bytes(&mut key);
        Self { key }
    }

    /// The stream of one block.
    ///
    /// # Panics
    ///
    /// When `block` is 2^63 or more, in debug builds.
    #[must_use]
    pub fn stream(&self, block: u64) -> Stream {
        debug_assert!(block < FORK, "block {block} collides with the addresses of forks");
        let mut stream = ChaCha8Rng::from_seed(self.key);
        stream.set_stream(block);
        stream
    }
}

const FORK: u64 = 1 << 63;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn stable_first_words_of_a_stream() {
        let mut stream = Streams::new(1).fork(Purpose::Chains, 2).stream(3);
        let words = [stream.next_u64(), stream.next_u64()];
        assert_eq!(words, [STABLE_0, STABLE_1]);
    }

    const STABLE_0: u64 = 8_142_235_742_764_545_315;
    const STABLE_1: u64 = 5_921_820_834_088_572_112;

    #[test]
    fn law_addresses_do_not_collide() {
        let mut seen = HashSet::new();
        let mut count = 0;
        for seed in 0..4 {
            let root = Streams::new(seed);
            for purpose in [Purpose::Initialise, Purpose::Chains, Purpose::Test] {
                for index in [0, 1, 2, 1 << 40] {
                    let family = root.fork(purpose, index);
                    for block in [0, 1, 1 << 33] {
                        seen.insert(family.stream(block).next_u64());
                        seen.insert(family.fork(purpose, index).stream(block).next_u64());
                        count += 2;
                    }
                }
            }
        }
        assert_eq!(seen.len(), count);
    }
}
