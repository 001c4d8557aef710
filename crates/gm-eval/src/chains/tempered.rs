//! Chains of RBMs at several temperatures.

use gm_core::{Chains, Clamp, Matrix, StepInfo, Streams, even_temperatures};
use gm_rbm::{Rbm, Replicas, Sampler};

use super::given::{check_clamp, rbm_clamp, with_classes, with_given};
use super::rbm::check_classes;
use super::{ModelChains, PART};
use crate::error::Result;

/// Chains of an RBM by parallel tempering, free or with given visible units.
///
/// The temperatures adapt towards equal shares of accepted swaps until [`settle`](ModelChains::settle).
///
/// # Examples
///
/// ```
/// use gm_core::{Stack, Streams};
/// use gm_eval::{ModelChains, TemperedChains};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let mut chains = TemperedChains::new(&rbm, 10, 3, &Streams::new(1))?;
/// chains.advance(40);
/// chains.settle();
/// chains.advance(20);
/// assert_eq!(chains.states().shape(), (4, 10)); // at the model's own temperature
/// assert_eq!(chains.swaps(), Some(vec![1.0, 1.0])); // all states have the same energy
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Debug)]
pub struct TemperedChains {
    sampler: Sampler,
    replicas: Replicas,
    /// Given states of all replicas.
    clamp: Option<Clamp>,
    /// The chains at the model's own temperature.
    coldest: Chains,
    /// Whether the temperatures are final.
    settled: bool,
    streams: Streams,
}

/// Sweeps between two changes of the temperatures, and the rate of these changes.
const MOVE_EVERY: usize = PART;
const MOVE_RATE: f64 = 0.5;

impl TemperedChains {
    /// Starts `count` free chains at each temperature, in random states.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for fewer than two temperatures.
    pub fn new(rbm: &Rbm, count: usize, temperatures: usize, streams: &Streams) -> Result<Self> {
        let replicas = rbm.replicas(count, &even_temperatures(temperatures)?, None, streams)?;
        let (sampler, coldest) = (rbm.sampler(), replicas.coldest());
        Ok(Self { sampler, replicas, clamp: None, coldest, settled: false, streams: streams.clone() })
    }

    /// The same chains with given values of rows of data, `[row units, chains]`, and a class for each chain.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] for a clamp or classes of another number of chains or units, [`crate::Error::Setting`]
    /// for an unknown class.
    pub fn given(mut self, clamp: Option<Clamp>, classes: Option<&[usize]>) -> Result<Self> {
        const OP: &str = "TemperedChains::given";
        let (rbm, count) = (self.sampler.model(), self.coldest.count());
        if let Some(clamp) = &clamp {
            check_clamp(OP, clamp, (rbm.units().kind(), rbm.row_units()), count)?;
        }
        let mut clamp = clamp.map(|clamp| rbm_clamp(rbm, clamp));
        if let Some(classes) = classes {
            check_classes(OP, classes, rbm.classes(), count)?;
            clamp = Some(with_classes(rbm, clamp, classes));
        }
        let copies: Vec<usize> = (0..self.replicas.chains().count()).map(|replica| replica % count).collect();
        let of_replicas =
            |clamp: Clamp| Clamp { mask: clamp.mask.select(&copies), values: clamp.values.select(&copies) };
        self.clamp = clamp.map(of_replicas);
        Ok(self)
    }

    fn sweep(&mut self, sweeps: usize) -> f64 {
        let (replicas, streams) = (&mut self.replicas, &self.streams);
        let info = match &self.clamp {
            Some(clamp) => self.sampler.run_tempering_clamped(replicas, clamp, sweeps, streams),
            None => self.sampler.run_tempering(replicas, sweeps, streams),
        };
        info.flips
    }
}

impl ModelChains for TemperedChains {
    fn advance(&mut self, sweeps: usize) -> StepInfo {
        let mut flips = 0.0;
        for done in (0..sweeps).step_by(MOVE_EVERY) {
            let some = MOVE_EVERY.min(sweeps - done);
            flips += self.sweep(some) * some as f64 / sweeps as f64;
            if !self.settled && some == MOVE_EVERY {
                self.replicas.adapt(MOVE_RATE);
            }
        }
        self.coldest = self.replicas.coldest();
        StepInfo { sweeps, flips }
    }

    fn states(&self) -> Matrix {
        self.sampler.model().rows_of_states(&self.coldest.v().to_matrix())
    }

    fn means(&self) -> Matrix {
        let means = self.sampler.mean_v_from_chains(&self.coldest).to_matrix();
        // The first replicas have the given values of the coldest chains.
        let first: Vec<usize> = (0..means.ncols()).collect();
        self.sampler.model().rows_of_states(&match &self.clamp {
            Some(clamp) => with_given(means, &clamp.mask.select(&first), &clamp.values.select(&first)),
            None => means,
        })
    }

    fn method(&self) -> &'static str {
        "parallel tempering"
    }

    fn quantity(&self) -> &'static str {
        "free energy"
    }

    fn quantities(&self) -> Vec<f64> {
        self.sampler.model().free_energy(self.coldest.v())
    }

    fn alike(&self) -> bool {
        self.clamp.is_none()
    }

    fn settle(&mut self) {
        self.settled = true;
    }

    fn swaps(&self) -> Option<Vec<f64>> {
        Some(self.replicas.acceptance())
    }
}
