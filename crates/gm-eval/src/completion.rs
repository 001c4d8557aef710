//! Completion of rows with missing units, and how near the completions come to the originals.

use gm_core::{Batch, BitMatrix, Clamp, Error as CoreError, Matrix, Streams, VisibleKind, Watch, check_len};

use crate::chains::{ChainSettings, ModelChains, SampleSource, SbnKernel, chains_of};
use crate::error::{Error, Result, tell};
use crate::model::Model;
use crate::sites::{mask_of_units, sites, values_of_sites};

/// How missing units are filled in.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, Streams, unwatched};
/// use gm_eval::{CompletionSettings, Model, complete};
///
/// let model = Model::Sbn(gm_sbn::Sbn::new(Stack::zeros(&[4, 3])?, None)?);
/// let (rows, missing) = (BitMatrix::zeros(4, 2).into(), BitMatrix::from_fn(4, 2, |unit, _| unit > 1));
/// let settings = CompletionSettings { chains: 20, ..CompletionSettings::default() };
/// let found = complete(&model, &rows, &missing, &settings, &Streams::new(1), &mut unwatched)?;
/// assert_eq!((found.method, found.steps), ("single-site Gibbs sampling", 200));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompletionSettings {
    /// How the hidden units of an SBN are drawn; [`SbnKernel::usual`] by default, and none for other models.
    pub kernel: Option<SbnKernel>,
    /// Sweeps of each chain, of which the first half is left out; 200 for an SBN or DBN by default, otherwise 1,000.
    pub steps: Option<usize>,
    /// Chains for each row.
    pub chains: usize,
}

impl Default for CompletionSettings {
    /// 10 chains for each row.
    fn default() -> Self {
        Self { kernel: None, steps: None, chains: 10 }
    }
}

/// Rows with their missing units filled in.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, Streams, unwatched};
/// use gm_eval::{CompletionSettings, Model, complete};
///
/// let model = Model::Dbn(gm_dbn::Dbn::new(Stack::zeros(&[4, 3])?, None)?);
/// let (rows, missing) = (BitMatrix::zeros(4, 2).into(), BitMatrix::from_fn(4, 2, |unit, _| unit > 1));
/// let found = complete(&model, &rows, &missing, &CompletionSettings::default(), &Streams::new(1), &mut unwatched)?;
/// assert_eq!(found.means.column(0).as_slice(), [0.0, 0.0, 0.5, 0.5]);
/// assert_eq!(found.quality.squared_error, 0.25);
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Completion {
    /// The given values, and the means of missing units over chains and sweeps, `[units, rows]`.
    pub means: Matrix,
    /// The name of the method.
    pub method: &'static str,
    /// Sweeps of each chain.
    pub steps: usize,
    /// How near the means come to the originals.
    pub quality: CompletionQuality,
}

/// Fills in missing units of rows, given the other units.
///
/// Chains keep the given units. They draw by block Gibbs sampling of an RBM or DBM, by Gibbs sampling of all layers of
/// a DBN, and by `settings.kernel` of an SBN. The means over the second half of the sweeps are the completions.
///
/// # Shapes
///
/// `rows` is `[units, rows]`. `missing` is on at missing sites, `[sites, rows]`; a site is a unit, or a group of
/// softmax units.
///
/// # Errors
///
/// [`Error::Setting`] for a kernel of another model than an SBN, for importance resampling without a recognition net
/// and for no chains or sweeps; [`gm_core::Error::Shape`] and [`gm_core::Error::Param`] for rows that the model cannot
/// take and for DBNs with label units; [`gm_core::Error::Interrupted`] if `watch` breaks.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Matrix, Stack, Streams, Vector, unwatched};
/// use gm_eval::{CompletionSettings, Model, complete};
///
/// // Units 1 and 2 copy unit 0 through a strong hidden unit.
/// let weights = vec![Matrix::from_element(3, 1, 12.0)];
/// let stack = Stack::new(weights, vec![Vector::from_element(3, -6.0), Vector::from_element(1, -18.0)])?;
/// let model = Model::Rbm(gm_rbm::Rbm::from_stack(stack)?);
/// let rows = BitMatrix::from_fn(3, 2, |_, row| row == 1).into();
/// let missing = BitMatrix::from_fn(3, 2, |unit, _| unit == 2);
/// let found = complete(&model, &rows, &missing, &CompletionSettings::default(), &Streams::new(1), &mut unwatched)?;
/// assert!(found.means[(2, 0)] < 0.1 && found.means[(2, 1)] > 0.9);
/// assert_eq!(found.quality.accuracy, Some(1.0));
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn complete(
    model: &Model,
    rows: &Batch,
    missing: &BitMatrix,
    settings: &CompletionSettings,
    streams: &Streams,
    watch: Watch<'_>,
) -> Result<Completion> {
    let kind = model.visible_kind();
    let steps = settings.check(model, rows, missing)?;
    // For each chain the row that it completes.
    let copies: Vec<usize> = (0..rows.samples()).flat_map(|row| std::iter::repeat_n(row, settings.chains)).collect();
    let units = mask_of_units(kind, missing);
    let clamp = Clamp { mask: units.flipped().select(&copies), values: rows.select(&copies) };
    let method = settings.kernel.map(Into::into);
    let start = ChainSettings { clamp: Some(clamp), method, ..ChainSettings::default() };
    let SampleSource::Chains(mut chains) = chains_of(model, copies.len(), &start, streams)? else {
        return Err(CoreError::Empty { op: OP, arg: "chains" }.into());
    };
    let sums = sums_of_means(chains.as_mut(), &copies, (rows, steps), watch)?;
    let means = sums / (observations(steps) * settings.chains) as f32;
    let quality = CompletionQuality::new(kind, rows, missing, &means);
    Ok(Completion { means, method: chains.method(), steps, quality })
}

const OP: &str = "complete";

/// Sweeps between two observations of the means.
const INTERVAL: usize = 5;

/// Observations during the second half of the sweeps.
fn observations(steps: usize) -> usize {
    (steps - steps / 2).div_ceil(INTERVAL)
}

/// Means of each row, added up over its chains and the observations.
fn sums_of_means(
    chains: &mut dyn ModelChains,
    copies: &[usize],
    (rows, steps): (&Batch, usize),
    watch: Watch<'_>,
) -> Result<Matrix> {
    let first = steps / 2;
    for done in (0..first).step_by(INTERVAL) {
        chains.advance(INTERVAL.min(first - done));
        tell(watch, OP, (done, steps))?;
    }
    let mut sums = Matrix::zeros(rows.units(), rows.samples());
    for observation in 0..observations(steps) {
        chains.advance(INTERVAL);
        tell(watch, OP, (first + observation * INTERVAL, steps))?;
        let means = chains.means();
        copies.iter().enumerate().for_each(|(chain, &row)| {
            let mut sum = sums.column_mut(row);
            sum += means.column(chain);
        });
    }
    Ok(sums)
}

impl CompletionSettings {
    /// Refuses what does not fit; the number of sweeps.
    fn check(&self, model: &Model, rows: &Batch, missing: &BitMatrix) -> Result<usize> {
        if let (Some(kernel), false) = (self.kernel, matches!(model, Model::Sbn(_))) {
            let allowed = format!("none for {}, which has one way", model.kind().noun());
            return Err(Error::setting(OP, "method", kernel.method(), allowed));
        }
        let usual = if matches!(model, Model::Sbn(_) | Model::Dbn(_)) { 200 } else { 1_000 };
        let steps = self.steps.unwrap_or(usual);
        for (arg, given) in [("chains", self.chains), ("steps", steps)] {
            if given == 0 {
                return Err(Error::setting(OP, arg, given, "1 or more"));
            }
        }
        model.check_rows(OP, rows)?;
        check_len(OP, "missing", "sites", missing.units(), sites(model.visible_kind(), rows.units()))?;
        check_len(OP, "missing", "samples", missing.samples(), rows.samples())?;
        Ok(steps)
    }
}

/// How near completions come to the originals.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Matrix, VisibleKind};
/// use gm_eval::CompletionQuality;
///
/// let rows = BitMatrix::from_fn(2, 1, |_, _| true).into();
/// let (missing, means) = (BitMatrix::from_fn(2, 1, |_, _| true), Matrix::from_column_slice(2, 1, &[0.75, 0.25]));
/// let found = CompletionQuality::new(VisibleKind::Bernoulli, &rows, &missing, &means);
/// assert_eq!((found.accuracy, found.squared_error), (Some(0.5), 0.3125));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompletionQuality {
    /// The share of missing units whose mean lies on the side of the original, or of missing sites whose most probable
    /// category is the original one. Absent for real numbers.
    pub accuracy: Option<f64>,
    /// The mean squared error of the means of missing units.
    pub squared_error: f64,
}

impl CompletionQuality {
    /// Compares means of units with the originals, where `missing` is on at missing sites.
    ///
    /// # Panics
    ///
    /// When the shapes differ.
    #[must_use]
    pub fn new(kind: VisibleKind, rows: &Batch, missing: &BitMatrix, means: &Matrix) -> Self {
        let truth = rows.to_matrix();
        let units = mask_of_units(kind, missing);
        let squares = places(&units).into_iter().map(|at| f64::from(truth[at] - means[at]).powi(2)).sum::<f64>();
        let squared_error = squares / units.ones().max(1) as f64;
        let right = |truth: &Matrix, means: &Matrix| {
            let right = places(missing).into_iter().filter(|&at| truth[at] == means[at]).count();
            Some(right as f64 / missing.ones().max(1) as f64)
        };
        let accuracy = match kind {
            VisibleKind::Gaussian => None,
            VisibleKind::Softmax { .. } => right(&values_of_sites(kind, truth), &values_of_sites(kind, means.clone())),
            _ => right(&truth, &means.map(|mean| f32::from(u8::from(mean > 0.5)))),
        };
        Self { accuracy, squared_error }
    }
}

/// Row and column of each place that is on, column by column.
fn places(mask: &BitMatrix) -> Vec<(usize, usize)> {
    let on = |row: usize| (0..mask.units()).filter(move |&unit| mask.get(unit, row)).map(move |unit| (unit, row));
    (0..mask.samples()).flat_map(on).collect()
}
