//! Diagnostics of Markov chains: autocorrelation time, effective sample size, R-hat.

use crate::error::{Error, Result, check_len};

/// The least number of draws in a chain for the diagnostics of several chains.
const SHORTEST: usize = 4;

/// The integrated autocorrelation time: the number of successive draws that carry as much information as one
/// independent draw.
///
/// tau = 1 + 2 sum_(t>0) rho_t. The sum ends with the initial monotone positive sequence of rho_(2k) + rho_(2k+1).
///
/// # Numerics
///
/// The cost is n times the last lag summed, which is a few tau. A chain that never moves, is shorter than four draws or
/// holds NaN counts as one draw: its time is its length (1 for an empty chain). The result is never NaN.
///
/// # Source
///
/// Geyer (1992), Practical Markov chain Monte Carlo, section 3.3, `geyer1992practical`.
///
/// # Examples
///
/// ```
/// let stuck = [1.0; 50];
/// assert_eq!(gm_core::autocorrelation_time(&stuck), 50.0);
///
/// let alternating: Vec<f64> = (0..1000).map(|t| f64::from(t % 2)).collect();
/// assert!(gm_core::autocorrelation_time(&alternating) < 1.0);
/// ```
#[must_use]
pub fn autocorrelation_time(chain: &[f64]) -> f64 {
    let n = chain.len().max(1) as f64;
    let centred = centred(&scaled(chain, moderation(chain)));
    let variance = autocovariance(&centred, 0);
    if chain.len() < SHORTEST || !variance.is_normal() {
        return n;
    }
    initial_sequence(chain.len(), |lag| autocovariance(&centred, lag) / variance)
}

/// The effective sample size of all chains together: the equivalent number of independent draws, after splitting each
/// chain into halves.
///
/// rho_t combines the autocorrelations within chains with the variance between them. Chains that disagree therefore
/// have a small effective sample size, even if each of them moves fast.
///
/// # Shapes
///
/// Chains have equal length, 4 draws or more. The middle draw of an odd length is left out.
///
/// # Numerics
///
/// The result is never NaN. Chains that never move and agree count as one draw. The result is at most m n log10(m n),
/// which bounds the result for antithetic chains.
///
/// # Errors
///
/// [`Error::Empty`] without chains, [`Error::Shape`] for different lengths, [`Error::Param`] for fewer than 4
/// draws, [`Error::NonFinite`] for NaN or an infinity.
///
/// # Source
///
/// Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021), Rank-normalization, folding, and localization: an
/// improved R-hat, section 3.2 without ranks, `vehtari2021rank`.
///
/// # Examples
///
/// ```
/// let apart = vec![vec![0.0, 0.1, 0.0, 0.1], vec![9.0, 9.1, 9.0, 9.1]];
/// assert!(gm_core::effective_sample_size(&apart)? < 8.0);
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn effective_sample_size(chains: &[Vec<f64>]) -> Result<f64> {
    let halves = split("effective_sample_size", chains)?;
    let length = halves[0].len();
    let draws = (halves.len() * length) as f64;
    let Spread { within, total } = Spread::of(&halves);
    if !total.is_normal() {
        return Ok(1.0);
    }
    let centred: Vec<_> = halves.iter().map(|half| centred(half)).collect();
    // The unbiased estimate of the variance within needs covariances divided by n - 1.
    let unbiased = length as f64 / (length as f64 - 1.0);
    let correlation = |lag| {
        let covariances = centred.iter().map(|half| unbiased * autocovariance(half, lag));
        1.0 - (within - covariances.sum::<f64>() / centred.len() as f64) / total
    };
    let time = initial_sequence(length, correlation);
    Ok((draws / time).min(draws * draws.log10()))
}

/// R-hat of the halves of all chains. It is near 1 when the chains agree with each other and each of them does not
/// drift.
///
/// R = sqrt(((n - 1) / n W + B / n) / W), where W is the variance within halves of n draws and B / n is the variance
/// between them.
///
/// # Shapes
///
/// Chains have equal length, 4 draws or more. The middle draw of an odd length is left out.
///
/// # Numerics
///
/// The result is never NaN. It is 1 for chains that never move and agree, and infinite for chains that never move and
/// disagree.
///
/// # Errors
///
/// [`Error::Empty`] without chains, [`Error::Shape`] for different lengths, [`Error::Param`] for fewer than 4
/// draws, [`Error::NonFinite`] for NaN or an infinity.
///
/// # Source
///
/// Gelman, Carlin, Stern, Dunson, Vehtari and Rubin (2013), Bayesian Data Analysis, section 11.4, `gelman2013bayesian`;
/// Vehtari et al. (2021), equations 1 to 4, `vehtari2021rank`.
///
/// # Examples
///
/// ```
/// let apart = vec![vec![0.0, 0.1, 0.0, 0.1], vec![9.0, 9.1, 9.0, 9.1]];
/// assert!(gm_core::split_r_hat(&apart)? > 10.0);
/// # Ok::<(), gm_core::Error>(())
/// ```
pub fn split_r_hat(chains: &[Vec<f64>]) -> Result<f64> {
    let Spread { within, total } = Spread::of(&split("split_r_hat", chains)?);
    if total == 0.0 {
        return Ok(1.0);
    }
    Ok((total / within).sqrt())
}

/// Variances of chains of equal length.
struct Spread {
    /// The mean of the unbiased variances within the chains.
    within: f64,
    /// The estimate of the variance of the target, from the variances within and between chains.
    total: f64,
}

impl Spread {
    fn of(chains: &[Vec<f64>]) -> Self {
        let n = chains[0].len() as f64;
        let variances = chains.iter().map(|chain| autocovariance(&centred(chain), 0) * n / (n - 1.0));
        let within = variances.sum::<f64>() / chains.len() as f64;
        let means: Vec<f64> = chains.iter().map(|chain| mean(chain)).collect();
        let m = chains.len() as f64;
        let between = autocovariance(&centred(&means), 0) * m / (m - 1.0);
        Self { within, total: within * (n - 1.0) / n + between }
    }
}

/// The first and the second half of each chain, all scaled by one factor, which changes no diagnostic.
fn split(op: &'static str, chains: &[Vec<f64>]) -> Result<Vec<Vec<f64>>> {
    let Some(first) = chains.first() else {
        return Err(Error::Empty { op, arg: "chains" });
    };
    if first.len() < SHORTEST {
        let value = format!("{} draws long", first.len());
        return Err(Error::Param { op, arg: "chains", value, allowed: "4 or more draws each" });
    }
    for (i, chain) in chains.iter().enumerate() {
        check_len(op, format!("chain {i}"), "length", chain.len(), first.len())?;
        if let Some(index) = chain.iter().position(|x| !x.is_finite()) {
            return Err(Error::NonFinite { op, arg: format!("chain {i}"), index, value: chain[index] as f32 });
        }
    }
    let (half, factor) = (first.len() / 2, moderation(chains.iter().flatten()));
    let halves = chains.iter().flat_map(|chain| [&chain[..half], &chain[chain.len() - half..]]);
    Ok(halves.map(|half| scaled(half, factor)).collect())
}

/// A factor with which sums of squares do not overflow: 1, or a small power of two for huge values.
fn moderation<'a>(values: impl IntoIterator<Item = &'a f64>) -> f64 {
    let greatest = values.into_iter().fold(0.0, |greatest: f64, x| greatest.max(x.abs()));
    if greatest > 2.0_f64.powi(400) { 2.0_f64.powi(-700) } else { 1.0 }
}

fn scaled(values: &[f64], factor: f64) -> Vec<f64> {
    values.iter().map(|x| factor * x).collect()
}

/// -1 + 2 sum_k (rho_(2k) + rho_(2k+1)) over the pairs before the first pair that is not positive. Each pair is limited
/// by the one before.
fn initial_sequence(length: usize, correlation: impl Fn(usize) -> f64) -> f64 {
    let mut time = -1.0;
    let mut last = f64::INFINITY;
    for lag in (0..length - 1).step_by(2) {
        // Lag 0 has correlation 1 by definition. Computing it would only add rounding errors.
        let even = if lag == 0 { 1.0 } else { correlation(lag) };
        let pair = even + correlation(lag + 1);
        if pair.is_nan() || pair <= 0.0 {
            break;
        }
        last = pair.min(last);
        time += 2.0 * last;
    }
    // This bounds the result for antithetic chains.
    time.max(1.0 / (length as f64).log10())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The chain minus its mean. It is exactly zero for a chain that never moves.
fn centred(chain: &[f64]) -> Vec<f64> {
    let first = chain.first().copied().unwrap_or_default();
    let mut values: Vec<f64> = chain.iter().map(|x| x - first).collect();
    let mean = mean(&values);
    values.iter_mut().for_each(|x| *x -= mean);
    values
}

/// sum_t x_t x_(t+lag) / n of a centred chain.
fn autocovariance(centred: &[f64], lag: usize) -> f64 {
    let products = centred.iter().zip(&centred[lag..]).map(|(a, b)| a * b);
    products.sum::<f64>() / centred.len().max(1) as f64
}
