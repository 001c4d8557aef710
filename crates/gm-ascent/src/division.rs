//! The chains of a checkpoint as those of shards, each of which has an equal part of them.

use std::collections::BTreeMap;

use gm_core::{Result, check_len};

use crate::state::{BitsState, ChainsState, LayerState, LearnerState, count as whole};

impl LearnerState {
    /// Takes the chains, with their numbers, as those of so many shards: all that is named `chains` or `chains.NAME`.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] for chains or numbers that cannot be divided.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_ascent::LearnerState;
    ///
    /// let mut state = LearnerState::default();
    /// state.tensors.insert("chains.betas".into(), vec![1.0, 0.5, 1.0, 0.25]);
    /// let shards = state.take_shards(2)?;
    /// assert_eq!((shards[1].tensors["chains.betas"].as_slice(), state.tensors.len()), (&[1.0, 0.25][..], 0));
    /// state.put_shards(shards);
    /// assert_eq!(state.tensors["chains.betas"], [1.0, 0.5, 1.0, 0.25]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn take_shards(&mut self, shards: usize) -> Result<Vec<Self>> {
        let mut parts = vec![Self::default(); shards];
        divide(of_chains(&mut self.chains), &mut parts, |part| &mut part.chains)?;
        divide(of_chains(&mut self.tensors), &mut parts, |part| &mut part.tensors)?;
        divide(of_chains(&mut self.numbers), &mut parts, |part| &mut part.numbers)?;
        divide(of_chains(&mut self.counts), &mut parts, |part| &mut part.counts)?;
        Ok(parts)
    }

    /// Keeps the chains of shards, one after the other, behind those that are there; see [`take_shards`](Self::take_shards).
    pub fn put_shards(&mut self, shards: impl IntoIterator<Item = Self>) {
        for Self { chains, tensors, numbers, counts, .. } in shards {
            append(&mut self.chains, chains);
            append(&mut self.tensors, tensors);
            append(&mut self.numbers, numbers);
            append(&mut self.counts, counts);
        }
    }
}

/// What can be cut into equal parts and put together again.
trait Parts: Sized {
    /// Equal parts of what has a name.
    fn parts(self, name: &str, count: usize) -> Result<Vec<Self>>;

    /// Adds what follows.
    fn append(&mut self, other: Self);
}

impl<T: Clone> Parts for Vec<T> {
    fn parts(self, name: &str, count: usize) -> Result<Vec<Self>> {
        check_len(SHARDS, name, "numbers", self.len(), self.len() / count * count)?;
        let each = self.len() / count;
        Ok((0..count).map(|part| self[part * each..(part + 1) * each].to_vec()).collect())
    }

    fn append(&mut self, mut other: Self) {
        Vec::append(self, &mut other);
    }
}

impl Parts for ChainsState {
    fn parts(self, name: &str, count: usize) -> Result<Vec<Self>> {
        let mut parts = vec![Self { sweeps: self.sweeps, layers: vec![] }; count];
        for layer in self.layers {
            let layers = layer.parts(name, count)?;
            parts.iter_mut().zip(layers).for_each(|(part, layer)| part.layers.push(layer));
        }
        Ok(parts)
    }

    fn append(&mut self, other: Self) {
        self.layers.iter_mut().zip(other.layers).for_each(|(layer, other)| layer.append(other));
    }
}

impl Parts for LayerState {
    fn parts(self, name: &str, count: usize) -> Result<Vec<Self>> {
        let samples = self.samples() / count as u64 * count as u64;
        check_len(SHARDS, name, "samples", whole(self.samples()), whole(samples))?;
        let samples = samples / count as u64;
        Ok(match self {
            // A word has 64 units of a sample; the words of all samples for the first 64 units come first.
            Self::Bits(BitsState { units, words, .. }) => {
                let each = whole(samples);
                let all = whole(units).div_ceil(64).saturating_mul(each).saturating_mul(count);
                check_len(SHARDS, name, "words", words.len(), all)?;
                let of = |part: usize| {
                    let words = words.chunks((each * count).max(1)).flat_map(|block| &block[part * each..][..each]);
                    Self::Bits(BitsState { units, samples, words: words.copied().collect() })
                };
                (0..count).map(of).collect()
            }
            Self::Reals { units, values } => {
                values.parts(name, count)?.into_iter().map(|values| Self::Reals { units, values }).collect()
            }
        })
    }

    fn append(&mut self, other: Self) {
        match (self, other) {
            (Self::Bits(bits), Self::Bits(other)) => {
                let blocks = |bits: &BitsState| whole(bits.samples).max(1);
                let pairs = bits.words.chunks(blocks(bits)).zip(other.words.chunks(blocks(&other)));
                bits.words = pairs.flat_map(|(left, right)| left.iter().chain(right)).copied().collect();
                bits.samples += other.samples;
            }
            (Self::Reals { values, .. }, Self::Reals { values: other, .. }) => values.extend(other),
            // Chains of one machine have states of one kind.
            _ => {}
        }
    }
}

/// The operation that an error of dividing names.
const SHARDS: &str = "checkpoint";

/// Takes what belongs to chains.
fn of_chains<T>(named: &mut BTreeMap<String, T>) -> BTreeMap<String, T> {
    let belongs = |(name, _): &(String, T)| name == "chains" || name.starts_with("chains.");
    let (own, others) = std::mem::take(named).into_iter().partition(belongs);
    *named = others;
    own
}

fn divide<T: Parts>(
    named: BTreeMap<String, T>,
    parts: &mut [LearnerState],
    of: impl Fn(&mut LearnerState) -> &mut BTreeMap<String, T>,
) -> Result<()> {
    for (name, whole) in named {
        // Chains of a single shard are taken as they are.
        let cut = if parts.len() == 1 { vec![whole] } else { whole.parts(&name, parts.len())? };
        parts.iter_mut().zip(cut).for_each(|(part, piece)| drop(of(part).insert(name.clone(), piece)));
    }
    Ok(())
}

fn append<T: Parts>(to: &mut BTreeMap<String, T>, from: BTreeMap<String, T>) {
    for (name, part) in from {
        match to.get_mut(&name) {
            Some(whole) => whole.append(part),
            None => drop(to.insert(name, part)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::{BitMatrix, Chains, Matrix};

    #[test]
    fn law_chains_of_shards_are_those_of_the_whole_in_parts() {
        let bits = BitMatrix::from_fn(70, 12, |unit, chain| (unit * 7 + chain * 3) % 5 < 2);
        let reals = Matrix::from_fn(2, 12, |unit, chain| (unit * 12 + chain) as f32);
        let chains = Chains { layers: vec![reals.clone().into(), bits.clone().into()], sweeps: 9 };
        let mut state = LearnerState::default();
        state.chains.insert("chains".into(), (&chains).into());
        state.counts.insert("chains.places".into(), (0..12).collect());
        state.counts.insert("stage".into(), vec![1]);
        let whole = state.clone();
        let parts = state.take_shards(4).unwrap();
        assert_eq!(state.counts.keys().collect::<Vec<_>>(), ["stage"]);
        let third = parts[2].clone().take_chains("op", "chains", &[2, 70]).unwrap();
        assert_eq!((third.sweeps, third.layers[1].bits()), (9, &bits.select(&[6, 7, 8])));
        assert_eq!(third.layers[0].to_matrix(), reals.columns(6, 3).into_owned());
        assert_eq!(parts[2].counts["chains.places"], [6, 7, 8]);
        state.put_shards(parts);
        assert_eq!(state, whole);
        let error = state.take_shards(8).unwrap_err().to_string();
        assert_eq!(error, "checkpoint: `chains` has samples 12, expected 8");
    }
}
