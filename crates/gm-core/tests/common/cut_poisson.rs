//! A kind of unit that gm-core does not have. Tests of other crates use it as well.

use gm_core::Stream;
use gm_core::layer::{UnitKind, UnitParameter};
use rand::RngExt;

/// A kind that gm-core does not have: a Poisson count cut off at 40, with energy ln x! - theta x.
#[derive(Debug)]
pub(crate) struct CutPoisson;

const MOST: u32 = 40;

impl CutPoisson {
    fn log_weight(x: u32, slope: f64) -> f64 {
        slope * f64::from(x) - (1..=x).map(|k| f64::from(k).ln()).sum::<f64>()
    }

    fn moment(slope: f64, power: i32) -> f64 {
        let weights = (0..=MOST).map(|x| (f64::from(x), Self::log_weight(x, slope).exp()));
        let (sum, total) = weights.fold((0.0, 0.0), |(sum, total), (x, w)| (sum + w * x.powi(power), total + w));
        sum / total
    }
}

impl UnitKind for CutPoisson {
    fn name(&self) -> String {
        "cut-poisson".into()
    }
    fn parameters(&self) -> &'static [UnitParameter] {
        const { &[UnitParameter::field("theta")] }
    }
    fn contains(&self, state: &[f64]) -> bool {
        state[0] >= 0.0 && state[0] <= f64::from(MOST) && state[0].fract() == 0.0
    }
    fn states(&self) -> Option<Vec<Vec<f64>>> {
        Some((0..=MOST).map(|x| vec![f64::from(x)]).collect())
    }
    fn statistics(&self, state: &[f64], statistics: &mut [f64]) {
        statistics[0] = state[0];
    }
    fn log_measure(&self, state: &[f64]) -> f64 {
        Self::log_weight(state[0] as u32, 0.0)
    }
    fn cumulant(&self, parameters: &[f64], input: &[f64]) -> f64 {
        (0..=MOST).map(|x| Self::log_weight(x, parameters[0] + input[0]).exp()).sum::<f64>().ln()
    }
    fn mean(&self, parameters: &[f64], input: &[f64], mean: &mut [f64]) {
        mean[0] = Self::moment(parameters[0] + input[0], 1);
    }
    fn variance(&self, parameters: &[f64], input: &[f64], variance: &mut [f64]) {
        let slope = parameters[0] + input[0];
        variance[0] = Self::moment(slope, 2) - Self::moment(slope, 1).powi(2);
    }
    fn mode(&self, parameters: &[f64], input: &[f64], mode: &mut [f64]) {
        mode[0] = (parameters[0] + input[0]).exp().floor().min(f64::from(MOST));
    }
    fn mean_statistics(&self, parameters: &[f64], input: &[f64], statistics: &mut [f64]) {
        self.mean(parameters, input, statistics);
    }
    fn sample(&self, parameters: &[f64], input: &[f64], stream: &mut Stream, state: &mut [f64]) {
        let (slope, mut left) = (parameters[0] + input[0], stream.random::<f64>());
        let log_sum = self.cumulant(parameters, input);
        state[0] = f64::from(
            (0..MOST)
                .find(|&x| {
                    left -= (Self::log_weight(x, slope) - log_sum).exp();
                    left < 0.0
                })
                .unwrap_or(MOST),
        );
    }
    fn independent(&self, mean: &[f64], _variance: &[f64]) -> Vec<f64> {
        vec![mean[0].max(0.001).ln()]
    }
}
