//! Training rules for sigmoid belief nets: what each makes of the weights of its draws.

use gm_core::{log_mean_exp, log_sum_exp};
use serde_with::{DeserializeFromStr, SerializeDisplay};
use strum::{Display, EnumString, IntoStaticStr, VariantNames};

use crate::error::Error;

/// How a sigmoid belief net and its recognition net learn.
///
/// With K hidden states h_k for a row v and log-weights f_k = log p(v, h_k) - log q(h_k | v), every rule moves along
/// sum_k a_k grad log p(v, h_k) in the generative parameters and along sum_k c_k grad log q(h_k | v) in the recognition net:
///
/// | rule | states | a_k | c_k |
/// |---|---|---|---|
/// | `wake-sleep` | from q | 1 / K | 0; q learns from dreams alone |
/// | `rws` | from q | w_k, the normalised weights | w_k, mixed with dreams |
/// | `vimco` | from q | w_k | bound less leave-one-out bound, less w_k |
/// | `nvil` | from q | 1 / K | f_k less a learned baseline, scaled, over K |
/// | `vargrad` | from q | 1 / K | f_k less the mean of the others, over K |
/// | `gibbs-em` | Gibbs sweeps from q | 1 / K | 1 / K |
/// | `exact` | all | p(h_k given v) | p(h_k given v) |
///
/// `nvil` and `vargrad` climb the evidence lower bound, `vimco` the K-sample bound; `rws` and `gibbs-em` climb log p(v), up
/// to the error of their states, with a q that follows the posterior.
///
/// # Examples
///
/// ```
/// use gm_train::SbnRule;
///
/// for rule in SbnRule::ALL {
///     assert_eq!(rule.as_str().parse::<SbnRule>()?, rule);
/// }
/// assert_eq!((SbnRule::Vimco.fewest_samples(), SbnRule::Nvil.fewest_samples()), (2, 1));
/// assert!(SbnRule::WakeSleep.dreams() && !SbnRule::GibbsEm.dreams());
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, VariantNames, IntoStaticStr)]
#[strum(serialize_all = "kebab-case", parse_err_ty = Error, parse_err_fn = unknown_rule)]
#[derive(DeserializeFromStr, SerializeDisplay)]
pub enum SbnRule {
    /// `hinton1995wake`.
    WakeSleep,
    /// Reweighted wake-sleep, `bornschein2015reweighted`.
    #[default]
    #[strum(serialize = "rws")]
    Reweighted,
    /// `mnih2016variational`.
    Vimco,
    /// `mnih2014neural`.
    Nvil,
    /// Leave-one-out baselines, `kool2019buy` and `richter2020vargrad`.
    #[strum(serialize = "vargrad")]
    VarGrad,
    /// Monte-Carlo EM by Gibbs sampling, `neal1992connectionist`.
    GibbsEm,
    /// Enumeration of up to 10 hidden units.
    Exact,
}

fn unknown_rule(text: &str) -> Error {
    Error::unknown("rule", text, SbnRule::VARIANTS)
}

impl SbnRule {
    /// All rules.
    pub const ALL: [Self; 7] =
        [Self::WakeSleep, Self::Reweighted, Self::Vimco, Self::Nvil, Self::VarGrad, Self::GibbsEm, Self::Exact];

    /// The name in files and commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The fewest states of a row: leave-one-out baselines need another one.
    #[must_use]
    pub fn fewest_samples(self) -> usize {
        if matches!(self, Self::Vimco | Self::VarGrad) { 2 } else { 1 }
    }

    /// Whether dreams have a share in what the recognition net learns.
    #[must_use]
    pub fn dreams(self) -> bool {
        matches!(self, Self::WakeSleep | Self::Reweighted)
    }

    /// a_k and c_k for the K states of a row, from their log-weights; for `nvil` before scaling, given the baseline.
    #[must_use]
    pub fn coefficients(self, log_weights: &[f64], baseline: f64) -> (Vec<f64>, Vec<f64>) {
        let k = log_weights.len() as f64;
        let even = vec![1.0 / k; log_weights.len()];
        match self {
            Self::WakeSleep => (even, vec![0.0; log_weights.len()]),
            Self::Reweighted | Self::Exact => (normalised(log_weights), normalised(log_weights)),
            Self::GibbsEm => (even.clone(), even),
            Self::Nvil => (even, log_weights.iter().map(|f| (f - baseline) / k).collect()),
            Self::VarGrad => {
                let mean = log_weights.iter().sum::<f64>() / k;
                // f less the mean of the others is k / (k - 1) times f less the mean of all.
                (even, log_weights.iter().map(|f| (f - mean) / (k - 1.0)).collect())
            }
            Self::Vimco => {
                let weights = normalised(log_weights);
                let bound = log_mean_exp(log_weights);
                let c = (0..weights.len()).map(|i| bound - bound_without(log_weights, i) - weights[i]).collect();
                (weights, c)
            }
        }
    }
}

/// Weights that sum to 1.
fn normalised(log_weights: &[f64]) -> Vec<f64> {
    let total = log_sum_exp(log_weights);
    log_weights.iter().map(|f| (f - total).exp()).collect()
}

/// The K-sample bound with the geometric mean of the other weights in the place of weight i.
fn bound_without(log_weights: &[f64], i: usize) -> f64 {
    let rest: f64 = log_weights.iter().sum::<f64>() - log_weights[i];
    let mut replaced = log_weights.to_vec();
    replaced[i] = rest / (log_weights.len() - 1) as f64;
    log_mean_exp(&replaced)
}
