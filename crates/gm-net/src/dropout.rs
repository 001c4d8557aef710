//! Units that are left out at random during training.

use std::fmt;
use std::str::FromStr;

use gm_core::{Error, Matrix, Result, Streams};
use rand::Rng;
use rayon::prelude::*;
use serde_with::{DeserializeFromStr, SerializeDisplay};

/// The shares of units that are left out of each update. The units are drawn anew for each example.
///
/// A unit that stays counts 1 / (1 - share) times, so that inputs of the next layer keep their mean and the trained net
/// is used as it is. The text form is `INPUT,HIDDEN`, such as `0.2,0.5`.
///
/// # Source
///
/// `srivastava2014dropout`.
///
/// # Examples
///
/// ```
/// use gm_net::Dropout;
///
/// assert_eq!("0.2,0.5".parse::<Dropout>()?, Dropout { input: 0.2, hidden: 0.5 });
/// assert_eq!(Dropout::default().to_string(), "0,0");
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, DeserializeFromStr, SerializeDisplay)]
pub struct Dropout {
    /// The share of input units.
    pub input: f32,
    /// The share of units of each hidden layer.
    pub hidden: f32,
}

impl Dropout {
    /// Refuses shares that are negative or leave no units.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] naming the setting.
    pub fn check(&self) -> Result<()> {
        if [self.input, self.hidden].iter().all(|share| (0.0..MOST).contains(share)) {
            return Ok(());
        }
        Err(refused(&self.to_string()))
    }

    /// The share of layer `layer`; layer 0 is the input.
    pub(crate) fn share(&self, layer: usize) -> f32 {
        if layer == 0 { self.input } else { self.hidden }
    }
}

/// The upper bound of a share; beyond it hardly any unit would be left.
const MOST: f32 = 0.99;

fn refused(text: &str) -> Error {
    let allowed = "INPUT,HIDDEN, two shares of 0 or more and below 0.99";
    Error::Param { op: "Dropout", arg: "dropout", value: text.into(), allowed }
}

impl FromStr for Dropout {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let pair = text.split_once(',').and_then(|(input, hidden)| {
            Some(Self { input: input.trim().parse().ok()?, hidden: hidden.trim().parse().ok()? })
        });
        let dropout = pair.ok_or_else(|| refused(text))?;
        dropout.check()?;
        Ok(dropout)
    }
}

impl fmt::Display for Dropout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.input, self.hidden)
    }
}

/// The number of values of the 16 random bits that decide whether a unit stays.
const WHOLE: f32 = 65_536.0;

/// The probability that a unit stays: 1 - share to within 2^-17.
pub(crate) fn kept(share: f32) -> f32 {
    ((1.0 - share) * WHOLE).round() / WHOLE
}

/// Number of values that read one stream.
const BLOCK: usize = 4096;

/// Leaves out each value with probability `share` and divides the others by the probability that they stay.
///
/// # Randomness
///
/// 16 bits a value, values `4096 b` to `4096 b + 4095` from stream b.
pub(crate) fn drop_out(values: &mut Matrix, share: f32, streams: &Streams) {
    if share == 0.0 {
        return;
    }
    let (limit, scale) = ((kept(share) * WHOLE) as u32, 1.0 / kept(share));
    values.as_mut_slice().par_chunks_mut(BLOCK).enumerate().for_each(|(block, values)| {
        let mut noise = [0; 2 * BLOCK];
        let noise = &mut noise[..2 * values.len()];
        streams.stream(block as u64).fill_bytes(noise);
        for (value, &bytes) in values.iter_mut().zip(noise.as_chunks::<2>().0) {
            *value *= if u32::from(u16::from_le_bytes(bytes)) < limit { scale } else { 0.0 };
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::Purpose;

    /// The distance from 1, in standard errors, of the mean of ones after `out` has left units out.
    fn deviations(share: f32, out: impl Fn(&mut Matrix, &Streams), seed: u64) -> f64 {
        let mut values = Matrix::from_element(300, 1_000, 1.0);
        out(&mut values, &Streams::new(seed).fork(Purpose::Test, 0));
        let n = values.len() as f64;
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
        let share = f64::from(share);
        (mean - 1.0).abs() / (share / (1.0 - share) / n).sqrt()
    }

    /// The probability of a false alarm beyond this many standard errors is below 1e-6.
    const ALLOWED: f64 = 5.0;

    #[test]
    fn stat_mean_units_left_out_keep_the_mean() {
        for (case, share) in [0.1, 0.5, 0.8].into_iter().enumerate() {
            let found = deviations(share, |values, streams| drop_out(values, share, streams), 700 + case as u64);
            assert!(found < ALLOWED, "share {share}: {found} standard errors, seed {}", 700 + case);
        }
    }

    #[test]
    fn planted_mean_units_without_their_scale_are_noticed() {
        let unscaled = |values: &mut Matrix, streams: &Streams| {
            drop_out(values, 0.1, streams);
            *values *= kept(0.1);
        };
        assert!(deviations(0.1, unscaled, 703) > ALLOWED);
    }

    #[test]
    fn table_each_value_stays_or_goes() {
        let mut values = Matrix::from_element(70, 100, 3.0);
        drop_out(&mut values, 0.25, &Streams::new(1));
        assert!(values.iter().all(|&x| x == 0.0 || (x - 4.0).abs() < 1e-4));
        let mut same = Matrix::from_element(2, 2, 3.0);
        drop_out(&mut same, 0.0, &Streams::new(1));
        assert_eq!(same, Matrix::from_element(2, 2, 3.0));
    }

    #[test]
    fn rejects_shares_that_leave_nothing() {
        for text in ["0.5", "1,0.5", "-0.1,0", "0.2,nan", "a,b"] {
            let error = text.parse::<Dropout>().unwrap_err().to_string();
            assert!(error.starts_with("Dropout: `dropout` is ") && error.contains("INPUT,HIDDEN"), "{error}");
        }
    }
}
