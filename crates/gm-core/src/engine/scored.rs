//! Scores and log-probabilities of the states of a layer, in the pass that forms the inputs or draws the states.

use rayon::prelude::*;

use super::activations::Activations;
use super::draw::{draw_block, visited};
use super::layer::LayerUpdate;
use super::panel::padded;
use super::rows::with_rows;
use crate::bits::BitMatrix;
use crate::kernels::{self, LANES, Row};
use crate::streams::Streams;

impl LayerUpdate<'_> {
    /// The scores x - logistic(a) of given states x with the inputs a of the layer, and log Ber(x; logistic(a)) of each
    /// sample: the bits of [`inputs`](Self::inputs) followed by [`Activations::score`].
    ///
    /// # Shapes
    ///
    /// `states` is x, `[units, samples]`.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Coupling, LayerUpdate, Matrix};
    ///
    /// let up = Coupling::up(&Matrix::from_element(1, 1, 0.0));
    /// let on = BitMatrix::from_fn(1, 1, |_, _| true);
    /// let (scores, log_prob) = LayerUpdate::new(&[0.0]).given(&up, &on).score(&on);
    /// assert_eq!(scores.get(0, 0), 0.5);
    /// assert!((log_prob[0] + 2.0_f64.ln()).abs() < 1e-12);
    /// ```
    #[must_use]
    pub fn score(&self, states: &BitMatrix) -> (Activations, Vec<f64>) {
        assert_eq!((states.units(), states.samples()), (self.bias.len(), self.samples()), "shape of the states");
        let (given, mut out) = (self.given_states(), Activations::unset(states.units(), states.samples()));
        let log_prob = out.visit_scored(|panel, first, rows, log_probs| {
            self.inputs_of_block(&given, panel, first, rows);
            kernels::score(rows, &states.word(panel)[first..][..rows.len()], states.mask(panel), log_probs);
        });
        (out, log_prob)
    }
}

impl Activations {
    /// `copies` draws of each sample from the means logistic(a) of its inputs a, with their scores x - logistic(a) and
    /// log Ber(x; logistic(a)). Draws of the same sample are neighbours, and share one exponential for each unit.
    ///
    /// # Shapes
    ///
    /// All results have `copies` times as many samples.
    ///
    /// # Randomness
    ///
    /// As [`sample_into`](Self::sample_into).
    ///
    /// # Panics
    ///
    /// When `copies` is 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Activations, Streams};
    ///
    /// let inputs = Activations::repeated(&[0.0, 40.0], 10);
    /// let (x, scores, log_prob) = inputs.draw_scored(3, &Streams::new(1));
    /// assert_eq!((x.samples(), x.unit_counts()[1]), (30, 30));
    /// assert_eq!(scores.get(0, 29), if x.get(0, 29) { 0.5 } else { -0.5 });
    /// assert!((log_prob[29] + 2.0_f64.ln()).abs() < 1e-12);
    /// ```
    #[must_use]
    pub fn draw_scored(&self, copies: usize, streams: &Streams) -> (BitMatrix, Self, Vec<f64>) {
        let mut x = BitMatrix::zeros(self.units, copies * self.samples);
        let (scores, log_prob) = self.scored(copies, &mut x, Some(streams));
        (x, scores, log_prob)
    }

    /// [`score`](Self::score) where neighbouring states have the inputs of the same sample.
    ///
    /// # Shapes
    ///
    /// `states` is `[units, copies samples]` for some number of copies.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Activations, BitMatrix};
    ///
    /// let states = BitMatrix::from_fn(1, 2, |_, sample| sample == 1);
    /// let (scores, log_prob) = Activations::repeated(&[0.0], 1).score_shared(&states);
    /// assert_eq!(scores.to_matrix().as_slice(), [-0.5, 0.5]);
    /// assert_eq!(log_prob[0], log_prob[1]);
    /// ```
    #[must_use]
    pub fn score_shared(&self, states: &BitMatrix) -> (Self, Vec<f64>) {
        let copies = states.samples().checked_div(self.samples).unwrap_or(1);
        assert_eq!((states.units(), states.samples()), (self.units, copies * self.samples), "shape of the states");
        self.scored(copies, &mut states.clone(), None)
    }

    /// The scores of states, which are drawn first if there are streams.
    fn scored(&self, copies: usize, x: &mut BitMatrix, streams: Option<&Streams>) -> (Self, Vec<f64>) {
        assert!(copies > 0, "a state for each sample");
        let (samples, block) = (x.samples(), visited(self.units));
        let masks: Vec<u64> = (0..x.words_per_sample()).map(|panel| x.mask(panel)).collect();
        let mut out = Self::unset(self.units, samples);
        let mut terms = vec![0.0; masks.len() * samples];
        let panels = out.rows.par_chunks_mut(padded(samples).max(1)).zip(x.words_mut().par_chunks_mut(samples.max(1)));
        let panels = panels.zip(terms.par_chunks_mut(samples.max(1))).enumerate();
        panels.for_each(|(panel, ((rows, words), log_probs))| {
            let blocks = rows[..samples].par_chunks_mut(block).zip(words.par_chunks_mut(block));
            let blocks = blocks.zip(log_probs.par_chunks_mut(block)).enumerate();
            blocks.for_each(|(number, ((rows, words), log_probs))| {
                let (first, mask) = (number * block, masks[panel]);
                let inputs = &self.panel(panel)[first / copies..=(first + rows.len() - 1) / copies];
                let shared = (first % copies, copies);
                let mut logs = vec![0.0; inputs.len()];
                means_of_copies(inputs, (mask, &mut logs), shared, rows);
                if let Some(streams) = streams {
                    draw_block(rows, mask, words, streams, first, panel);
                }
                kernels::score_means((inputs, &logs), shared, (words, mask), rows, log_probs);
            });
        });
        (out, sum_of_panels(&terms, samples))
    }

    /// Visits blocks of rows, `visit(panel, first sample, rows, terms)`, and adds up the terms of each sample.
    pub(super) fn visit_scored(&mut self, visit: impl Fn(usize, usize, &mut [Row], &mut [f64]) + Sync) -> Vec<f64> {
        let (samples, block) = (self.samples, visited(self.units));
        let mut terms = vec![0.0; self.units.div_ceil(LANES) * samples];
        let panels = self.rows.par_chunks_mut(padded(samples).max(1)).zip(terms.par_chunks_mut(samples.max(1)));
        panels.enumerate().for_each(|(panel, (rows, terms))| {
            let blocks = rows[..samples].par_chunks_mut(block).zip(terms.par_chunks_mut(block)).enumerate();
            blocks.for_each(|(number, (rows, terms))| visit(panel, number * block, rows, terms));
        });
        sum_of_panels(&terms, samples)
    }
}

/// The means of rows, of which `copies` neighbours share their inputs, beginning with the copy of number `first`, and
/// what [`kernels::means`] finds in `logs`.
fn means_of_copies(inputs: &[Row], (mask, logs): (u64, &mut [f64]), (first, copies): (usize, usize), rows: &mut [Row]) {
    if copies == 1 {
        return kernels::means(inputs, mask, rows, logs);
    }
    with_rows(inputs.len(), |means| {
        kernels::means(inputs, mask, means, logs);
        for (s, row) in rows.iter_mut().enumerate() {
            row.clone_from(&means[(first + s) / copies]);
        }
    });
}

/// The sums over panels.
fn sum_of_panels(terms: &[f64], samples: usize) -> Vec<f64> {
    let mut sums = vec![0.0; samples];
    terms.chunks(samples.max(1)).for_each(|terms| sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term));
    sums
}

#[cfg(test)]
mod tests {
    use super::super::tests::{states, weights};
    use super::*;
    use crate::engine::Coupling;

    fn bits(values: &Activations) -> Vec<u32> {
        values.to_matrix().iter().map(|x| x.to_bits()).collect()
    }

    #[test]
    fn stable_scores_in_one_pass_have_the_bits_of_two() {
        for (units, samples) in [(1, 1), (70, 300), (200, 37), (290, 600)] {
            let (below, x) = (states(90, samples), states(units, samples));
            let (up, bias) = (Coupling::up(&(weights(90, units) * 0.2)), vec![0.3; units]);
            let update = LayerUpdate::new(&bias).given(&up, &below);
            let mut scores = update.inputs();
            let log_prob = scores.score(&x);
            let found = update.score(&x);
            assert_eq!((bits(&found.0), found.1), (bits(&scores), log_prob.clone()));
            let shared = update.inputs().score_shared(&x);
            assert_eq!((bits(&shared.0), shared.1), (bits(&scores), log_prob));
        }
    }

    #[test]
    fn stable_draws_with_scores_have_the_bits_of_draws_and_scores() {
        for (samples, copies) in [(1, 1), (100, 5), (300, 1), (37, 20)] {
            let (below, bias, streams) = (states(90, samples), vec![-0.3; 130], Streams::new(3));
            let up = Coupling::up(&(weights(90, 130) * 0.2));
            let inputs = LayerUpdate::new(&bias).given(&up, &below).inputs();
            let copied: Vec<usize> = (0..copies * samples).map(|s| s / copies).collect();
            let mut scores = inputs.select(&copied);
            let mut drawn = BitMatrix::zeros(130, copied.len());
            scores.sample_tempered_into(1.0, &[0.0; 130], &mut drawn, &streams);
            let log_prob = scores.score(&drawn);
            let (x, found, log) = inputs.draw_scored(copies, &streams);
            assert_eq!((x, bits(&found), log), (drawn, bits(&scores), log_prob));
        }
    }
}
