//! Rows to evaluate, with their origin.

use gm_core::{Batch, Error as CoreError, Purpose, Streams, VisibleKind};
use gm_data::{Binarisation, Binarise, Dataset, SplitName};
use rand::seq::index::sample;

use crate::error::Result;

/// Rows to evaluate, with the description that the report gives of them.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, unwatched};
/// use gm_eval::{EvalData, EvalSettings, evaluate_rbm};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let rows = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let data = EvalData { train_rows: Some(BitMatrix::from_fn(4, 20, |_, _| true).into()), ..rows };
/// let report = evaluate_rbm(&rbm, &data, &EvalSettings::default(), &mut unwatched)?;
/// assert_eq!((report.log_probs.len(), report.free_energy_gap), (10, Some(0.0)));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct EvalData {
    /// Where the rows come from.
    pub source: String,
    /// `train`, `valid`, `test`, or another name for these rows.
    pub split: String,
    /// The binarisation that made zeros and ones of them.
    pub binarise: Binarisation,
    /// The rows, [units, rows].
    pub rows: Batch,
    /// Means of the training split. The annealing of an RBM starts from independent units with these means, or with the
    /// means of short chains if they are absent. The annealing of a DBM or DBN starts from
    /// [`train_rows`](Self::train_rows).
    pub train_means: Option<Vec<f32>>,
    /// Training rows for the gap of free energies, [units, rows].
    pub train_rows: Option<Batch>,
}

/// The largest number of training rows in the gap of free energies.
const GAP_ROWS: usize = 10_000;

impl EvalData {
    /// Rows without training data.
    #[must_use]
    pub fn from_rows(source: impl Into<String>, rows: impl Into<Batch>) -> Self {
        let (source, split, rows) = (source.into(), "rows".into(), rows.into());
        Self { source, split, binarise: Binarisation::default(), rows, train_means: None, train_rows: None }
    }

    /// The same rows with rows of training, whose means make the base of annealing and whose free energies show overfitting.
    ///
    /// # Shapes
    ///
    /// `train` is `[units, samples]`, with the units of the rows.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::BitMatrix;
    /// use gm_eval::EvalData;
    ///
    /// let (rows, train) = (BitMatrix::zeros(2, 3), BitMatrix::from_fn(2, 4, |unit, row| unit == 0 && row > 0));
    /// let data = EvalData::from_rows("rows", rows).with_train_rows(train);
    /// assert_eq!(data.train_means, Some(vec![0.75, 0.0]));
    /// ```
    #[must_use]
    pub fn with_train_rows(mut self, train: impl Into<Batch>) -> Self {
        let train = train.into();
        self.train_means = Some(means(&train));
        self.train_rows = Some(train);
        self
    }

    /// A split of a data set, with training means and up to 10,000 random training rows. Without a `binarise`, the
    /// usual binarisation of evaluation is taken.
    ///
    /// # Errors
    ///
    /// [`gm_data::Error::GreyLevels`] for a binarisation that does not give one answer.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_data::{Dataset, SplitName};
    /// use gm_eval::EvalData;
    ///
    /// let digits = Dataset::builtin("digits")?;
    /// let data = EvalData::from_dataset(&digits, SplitName::Test, None)?;
    /// assert_eq!((data.rows.samples(), data.binarise.to_string().as_str()), (299, "fixed:0"));
    /// # Ok::<(), gm_eval::Error>(())
    /// ```
    pub fn from_dataset(data: &Dataset, split: SplitName, binarise: Option<Binarise>) -> Result<Self> {
        Self::for_kind(VisibleKind::Bernoulli, data, split, binarise)
    }

    /// [`from_dataset`](Self::from_dataset) for visible units of this kind, with rows by
    /// [`Split::rows_for`](gm_data::Split::rows_for).
    ///
    /// # Errors
    ///
    /// Those of [`Split::rows_for`](gm_data::Split::rows_for).
    pub fn for_kind(kind: VisibleKind, data: &Dataset, split: SplitName, binarise: Option<Binarise>) -> Result<Self> {
        let part = data.split(split);
        let binarise = match binarise {
            _ if kind.takes_numbers() => Binarise::None,
            given => given.unwrap_or(part.evaluation_binarise()),
        };
        let streams = Streams::new(0).fork(Purpose::Choose, 3);
        let count = data.train.len().min(GAP_ROWS);
        let chosen = sample(&mut streams.stream(0), data.train.len(), count).into_vec();
        let (train_rows, train_means) = if kind.takes_numbers() {
            let train = data.train.rows_for(kind, binarise)?;
            (train.select(&chosen), means(&train))
        } else {
            let rows: Vec<u32> = chosen.into_iter().map(|row| row as u32).collect();
            (data.train.binary_batch(&rows, binarise, &streams)?.into(), data.train.unit_means())
        };
        Ok(Self {
            source: data.source_of(split).into(),
            split: split.to_string(),
            binarise: part.binarisation(binarise),
            rows: part.rows_for(kind, binarise)?,
            train_means: Some(train_means),
            train_rows: Some(train_rows),
        })
    }
}

impl EvalData {
    /// Refuses data whose width is not that of the model, and data without rows.
    pub(crate) fn check(&self, op: &'static str, visible: usize) -> Result<()> {
        let widths = [
            ("data", Some(self.rows.units())),
            ("train_means", self.train_means.as_ref().map(Vec::len)),
            ("train_rows", self.train_rows.as_ref().map(Batch::units)),
        ];
        for (arg, found) in widths {
            gm_core::check_len(op, arg, "units", found.unwrap_or(visible), visible)?;
        }
        for (arg, batch) in [("data", Some(&self.rows)), ("train_rows", self.train_rows.as_ref())] {
            if batch.is_some_and(|batch| batch.samples() == 0) {
                return Err(CoreError::Empty { op, arg }.into());
            }
        }
        Ok(())
    }

    /// [`check`](Self::check) for models whose visible units are binary.
    pub(crate) fn check_bits(&self, op: &'static str, visible: usize) -> Result<()> {
        self.check(op, visible)?;
        for (arg, batch) in [("data", Some(&self.rows)), ("train_rows", self.train_rows.as_ref())] {
            if batch.is_some_and(|batch| batch.as_bits().is_none()) {
                let value = "real numbers".into();
                return Err(CoreError::Param { op, arg, value, allowed: "zeros and ones" }.into());
            }
        }
        Ok(())
    }
}

/// Means of the units of a batch.
fn means(batch: &Batch) -> Vec<f32> {
    let n = batch.samples() as f64;
    match batch {
        Batch::Bits(bits) => bits.unit_counts().into_iter().map(|count| (count as f64 / n) as f32).collect(),
        Batch::Reals(reals) => {
            let sum = |row: usize| reals.row(row).iter().map(|&x| f64::from(x)).sum::<f64>();
            (0..reals.nrows()).map(|row| (sum(row) / n) as f32).collect()
        }
    }
}
