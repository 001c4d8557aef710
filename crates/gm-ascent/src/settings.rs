//! How a gradient becomes an update, as settings name it.

use std::fmt;
use std::str::FromStr;

use gm_core::{Error, Result};
use serde_with::{DeserializeFromStr, SerializeDisplay};

use crate::ranges::Ranges;

/// How a gradient becomes an update.
///
/// Written `sgd`, `momentum:M`, `nesterov:M`, `adam` or `adam:BETA1,BETA2[,EPSILON]`. With rate r and gradient g:
///
/// - `sgd`: p += r g;
/// - `momentum:M`: u = M u + r g, p += u;
/// - `nesterov:M`: u = M u + r g, p += M u + r g;
/// - `adam`: m = B1 m + (1 - B1) g, s = B2 s + (1 - B2) g^2, p += r m' / (sqrt(s') + epsilon) with m' = m / (1 - B1^t),
///   s' = s / (1 - B2^t) at update t.
///
/// # Source
///
/// `kingma2015adam`.
///
/// # Examples
///
/// ```
/// use gm_ascent::OptimiserSettings;
///
/// let settings: OptimiserSettings = "nesterov:0.9".parse()?;
/// assert_eq!(settings, OptimiserSettings::Sgd { momentum: 0.9, nesterov: true });
/// assert_eq!("adam".parse::<OptimiserSettings>()?.to_string(), "adam:0.9,0.999");
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, DeserializeFromStr, SerializeDisplay)]
pub enum OptimiserSettings {
    /// Stochastic gradient ascent.
    Sgd {
        /// Share of the last update that is repeated, in [0, 1).
        momentum: f32,
        /// Whether the gradient counts as that after the repeated part.
        nesterov: bool,
    },
    /// Steps scaled by running moments of the gradient.
    Adam {
        /// Decay of the mean, in [0, 1).
        beta1: f32,
        /// Decay of the mean square, in [0, 1).
        beta2: f32,
        /// Keeps the denominator away from zero.
        epsilon: f32,
    },
}

impl Default for OptimiserSettings {
    /// Plain stochastic gradient ascent.
    fn default() -> Self {
        Self::Sgd { momentum: 0.0, nesterov: false }
    }
}

const WORDS: [&str; 4] = ["sgd", "momentum", "nesterov", "adam"];

/// Adam's usual guard of the denominator.
const EPSILON: f32 = 1e-8;

impl OptimiserSettings {
    /// Adam with its usual numbers: 0.9, 0.999 and 1e-8.
    #[must_use]
    pub fn adam() -> Self {
        Self::Adam { beta1: 0.9, beta2: 0.999, epsilon: EPSILON }
    }

    /// Refuses decays outside [0, 1).
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] naming the setting.
    pub fn check(&self) -> Result<()> {
        let ranges = Ranges::of("Optimiser");
        match *self {
            Self::Sgd { momentum, .. } => ranges.decay("momentum", momentum),
            Self::Adam { beta1, beta2, epsilon } => {
                ranges.decay("beta1", beta1).decay("beta2", beta2).positive("epsilon", epsilon)
            }
        }
        .check()
    }

    /// The same with another share of the last update that is repeated; Adam stays as it is.
    #[must_use]
    pub fn with_momentum(self, momentum: f32) -> Self {
        match self {
            Self::Sgd { nesterov, .. } => Self::Sgd { momentum, nesterov },
            adam @ Self::Adam { .. } => adam,
        }
    }

    /// [`with_momentum`](Self::with_momentum) if it is more than now.
    #[must_use]
    pub fn with_momentum_of_at_least(self, momentum: f32) -> Self {
        match self {
            Self::Sgd { momentum: now, .. } if now < momentum => self.with_momentum(momentum),
            other => other,
        }
    }

    /// The names of the running tensors that this optimiser keeps for each parameter.
    pub(crate) fn slots(&self) -> &'static [&'static str] {
        match *self {
            Self::Sgd { momentum: 0.0, .. } => &[],
            Self::Sgd { .. } => &["velocity"],
            Self::Adam { .. } => &["mean", "square"],
        }
    }
}

impl FromStr for OptimiserSettings {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (word, argument) = text.split_once(':').map_or((text, None), |(word, argument)| (word, Some(argument)));
        let refuse = |allowed| Error::Param { op: "Optimiser", arg: "optimiser", value: text.into(), allowed };
        match (word, argument) {
            ("sgd", None) => Ok(Self::default()),
            ("momentum" | "nesterov", argument) => {
                let momentum =
                    argument.and_then(share).ok_or_else(|| refuse("momentum:M and nesterov:M with 0 <= M < 1"))?;
                Ok(Self::Sgd { momentum, nesterov: word == "nesterov" })
            }
            ("adam", None) => Ok(Self::adam()),
            ("adam", Some(argument)) => Ok(adam(argument)
                .ok_or_else(|| refuse("adam:B1,B2 or adam:B1,B2,EPSILON with 0 <= B < 1 and EPSILON > 0"))?),
            ("sgd", Some(_)) => Err(refuse("sgd without an argument")),
            _ => Err(Error::unknown("optimiser", word, &WORDS)),
        }
    }
}

/// A number in [0, 1).
fn share(text: &str) -> Option<f32> {
    text.parse().ok().filter(|x| (0.0..1.0).contains(x))
}

fn adam(argument: &str) -> Option<OptimiserSettings> {
    let mut parts = argument.split(',');
    let (beta1, beta2) = (share(parts.next()?)?, share(parts.next()?)?);
    let epsilon = parts.next().map_or(Some(EPSILON), |text| text.parse().ok())?;
    let settings = OptimiserSettings::Adam { beta1, beta2, epsilon };
    (parts.next().is_none() && settings.check().is_ok()).then_some(settings)
}

impl fmt::Display for OptimiserSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Sgd { momentum, nesterov: true } => write!(f, "nesterov:{momentum}"),
            Self::Sgd { momentum: 0.0, .. } => f.write_str("sgd"),
            Self::Sgd { momentum, .. } => write!(f, "momentum:{momentum}"),
            Self::Adam { beta1, beta2, epsilon: EPSILON } => write!(f, "adam:{beta1},{beta2}"),
            Self::Adam { beta1, beta2, epsilon } => write!(f, "adam:{beta1},{beta2},{epsilon}"),
        }
    }
}
