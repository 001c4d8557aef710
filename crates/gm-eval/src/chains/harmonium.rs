//! Chains of harmoniums, at one temperature and at several.

use gm_core::{Batch, Clamp, Matrix, StepInfo, Streams, even_temperatures};
use gm_harmonium::{Chains, Harmonium, Ladder, Sampler};

use super::ModelChains;
use super::given::{check_clamp, with_given};
use crate::error::Result;

/// Chains of a harmonium at its own temperature, free or with given visible units.
///
/// # Examples
///
/// ```
/// use gm_core::Streams;
/// use gm_core::{Matrix, layer::LayerSpec};
/// use gm_eval::{HarmoniumChains, ModelChains};
///
/// let layer = |text: &str, units| text.parse::<LayerSpec>()?.layer(units);
/// let model = gm_harmonium::Harmonium::new(layer("spin", 4)?, layer("relu", 2)?, Matrix::zeros(4, 2))?;
/// let mut chains = HarmoniumChains::new(&model, 10, &Streams::new(1));
/// chains.advance(5);
/// assert!(chains.states().iter().all(|&x| x == 0.0 || x == 1.0)); // rows of data have zeros and ones for spins
/// assert_eq!(chains.means()[(0, 0)], 0.5);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Debug)]
pub struct HarmoniumChains {
    sampler: Sampler,
    chains: Chains,
    clamp: Option<Clamp>,
    streams: Streams,
}

impl HarmoniumChains {
    /// Starts free chains in random states.
    #[must_use]
    pub fn new(model: &Harmonium, count: usize, streams: &Streams) -> Self {
        let chains = model.chains(count, streams);
        Self { sampler: model.sampler(), chains, clamp: None, streams: streams.clone() }
    }

    /// The same chains with given values of rows of data, `[units, chains]`. Units that are not given may have any values.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Shape`] for a clamp of other units or of another number of chains, [`gm_core::Error::Param`] for given
    /// values that the units cannot have.
    pub fn clamped(mut self, clamp: Clamp) -> Result<Self> {
        const OP: &str = "HarmoniumChains::clamped";
        let visible = self.sampler.model().visible();
        check_clamp(OP, &clamp, (visible.data_kind(), visible.units()), self.chains.v.samples())?;
        // What is not given comes from the chains, so that every state is a possible one.
        let mut rows: Batch = visible.rows_of_states(&self.chains.v.to_matrix()).into();
        rows.replace_where(&clamp.mask, &clamp.values.to_matrix().into());
        let rows = rows.to_matrix();
        let rows = match &clamp.values {
            Batch::Bits(_) => gm_core::BitMatrix::from_matrix(&rows)?.into(),
            Batch::Reals(_) => Batch::Reals(rows),
        };
        let values = visible.states_of_rows(OP, rows.view())?;
        self.clamp = Some(Clamp { mask: clamp.mask, values });
        Ok(self)
    }
}

impl ModelChains for HarmoniumChains {
    fn advance(&mut self, sweeps: usize) -> StepInfo {
        let clamp = self.clamp.as_ref().map(|clamp| (&clamp.mask, &clamp.values));
        self.sampler.run_clamped(&mut self.chains, clamp, sweeps, &self.streams)
    }

    fn states(&self) -> Matrix {
        self.sampler.model().visible().rows_of_states(&self.chains.v.to_matrix())
    }

    fn means(&self) -> Matrix {
        let visible = self.sampler.model().visible();
        let means = visible.means(&self.sampler.inputs_v(self.chains.h.view()));
        visible.rows_of_states(&match &self.clamp {
            Some(clamp) => with_given(means, &clamp.mask, &clamp.values),
            None => means,
        })
    }

    fn method(&self) -> &'static str {
        "block Gibbs sampling"
    }

    fn quantity(&self) -> &'static str {
        "free energy"
    }

    fn quantities(&self) -> Vec<f64> {
        self.sampler.model().free_energy(self.chains.v.view())
    }

    fn alike(&self) -> bool {
        self.clamp.is_none()
    }
}

/// Chains of a harmonium by parallel tempering.
///
/// # Examples
///
/// ```
/// use gm_core::Streams;
/// use gm_core::{Matrix, layer::LayerSpec};
/// use gm_eval::{ModelChains, TemperedHarmoniumChains};
///
/// let layer = |text: &str, units| text.parse::<LayerSpec>()?.layer(units);
/// let model = gm_harmonium::Harmonium::new(layer("spin", 4)?, layer("relu", 2)?, Matrix::zeros(4, 2))?;
/// let mut chains = TemperedHarmoniumChains::new(&model, 10, 3, &Streams::new(1))?;
/// chains.advance(20);
/// // Without weights all temperatures are nearly alike.
/// assert!(chains.swaps().is_some_and(|shares| shares.iter().all(|&share| share > 0.5)));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Debug)]
pub struct TemperedHarmoniumChains {
    model: Harmonium,
    ladder: Ladder,
    coldest: Chains,
    swaps: Vec<f64>,
    streams: Streams,
}

impl TemperedHarmoniumChains {
    /// Starts `count` free chains at each temperature, in random states.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for fewer than two temperatures.
    pub fn new(model: &Harmonium, count: usize, temperatures: usize, streams: &Streams) -> Result<Self> {
        let base = model.own_base(streams)?;
        let ladder = Ladder::new(model, &base, count, &even_temperatures(temperatures)?, streams)?;
        let (coldest, swaps) = (ladder.coldest(), vec![]);
        Ok(Self { model: model.clone(), ladder, coldest, swaps, streams: streams.clone() })
    }
}

impl ModelChains for TemperedHarmoniumChains {
    fn advance(&mut self, sweeps: usize) -> StepInfo {
        let info = self.ladder.run(sweeps, &self.streams);
        (self.coldest, self.swaps) = (self.ladder.coldest(), info.acceptance);
        StepInfo { sweeps, flips: info.flips }
    }

    fn states(&self) -> Matrix {
        self.model.visible().rows_of_states(&self.coldest.v.to_matrix())
    }

    fn means(&self) -> Matrix {
        self.model.visible().rows_of_states(&self.model.mean_v_from_h(self.coldest.h.view()))
    }

    fn method(&self) -> &'static str {
        "parallel tempering"
    }

    fn quantity(&self) -> &'static str {
        "free energy"
    }

    fn quantities(&self) -> Vec<f64> {
        self.model.free_energy(self.coldest.v.view())
    }

    fn swaps(&self) -> Option<Vec<f64>> {
        (!self.swaps.is_empty()).then(|| self.swaps.clone())
    }
}
