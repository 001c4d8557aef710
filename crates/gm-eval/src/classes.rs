//! How well classes are told: errors with their interval, cross-entropy, and which class is taken for which.

use std::time::Instant;

use gm_core::{Batch, Error as CoreError, Estimate, Matrix, ModelKind, Side};
use serde::Serialize;

use crate::error::Result;
use crate::model::Model;
use crate::report::DataReport;
use gm_data::{Binarisation, Binarise, Split};
use gm_net::Classifier;

/// Rows to classify, with their labels and what the report says of them.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Streams};
/// use gm_data::Binarise;
/// use gm_eval::{ClassData, evaluate_classifier};
/// use gm_net::{Classifier, HiddenUnits};
///
/// let rows = BitMatrix::from_fn(4, 3, |unit, row| unit == row).into();
/// let (source, split, binarise) = ("units".into(), "rows".into(), Binarise::None.into());
/// let data = ClassData { source, split, binarise, rows, labels: vec![0, 1, 1] };
/// let net = Classifier::random(&[4, 3, 2], HiddenUnits::Sigmoid, None, &Streams::new(0))?;
/// let report = evaluate_classifier(&net, &data)?;
/// assert_eq!((report.data.rows, report.confusion[1].iter().sum()), (3, 2));
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClassData {
    /// Where the rows come from.
    pub source: String,
    /// `train`, `valid`, `test`, or another name for these rows.
    pub split: String,
    /// How they became zeros and ones, if they did.
    pub binarise: Binarisation,
    /// The rows, [units, rows].
    pub rows: Batch,
    /// The class of each row.
    pub labels: Vec<u16>,
}

impl ClassData {
    /// Labelled rows, with grey levels as they are if `binarise` is `None`.
    ///
    /// # Errors
    ///
    /// [`Error::NoLabels`](gm_data::Error::NoLabels) without labels, [`Error::Label`](gm_data::Error::Label) for a
    /// label of `classes` or more, [`Error::GreyLevels`](gm_data::Error::GreyLevels) for a binarisation that does not
    /// give one answer.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_data::{Binarise, Dataset};
    /// use gm_eval::ClassData;
    ///
    /// let digits = Dataset::builtin("digits")?;
    /// let data = ClassData::from_split("digits", "test", &digits.test, Binarise::None, 10)?;
    /// assert_eq!((data.rows.samples(), data.labels.len()), (299, 299));
    /// # Ok::<(), gm_eval::Error>(())
    /// ```
    pub fn from_split(source: &str, name: &str, split: &Split, binarise: Binarise, classes: usize) -> Result<Self> {
        let labels = split.labels_below(source, name, classes)?.to_vec();
        let (rows, binarise) = (split.batch(binarise)?, split.binarisation(binarise));
        Ok(Self { source: source.into(), split: name.into(), binarise, rows, labels })
    }
}

/// How well a model tells classes apart; serialises to the JSON document `gm-classes/1`.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Matrix, ModelKind};
/// use gm_data::Binarise;
/// use gm_eval::{ClassData, ClassReport};
///
/// let (source, split, rows) = ("units".into(), "rows".into(), BitMatrix::zeros(4, 3).into());
/// let data = ClassData { source, split, binarise: Binarise::None.into(), rows, labels: vec![0, 1, 0] };
/// // p(class | row): the last row is taken for the wrong class.
/// let log_probs = Matrix::from_row_slice(2, 3, &[0.9, 0.2, 0.4, 0.1, 0.8, 0.6]).map(f32::ln);
/// let report = ClassReport::new(ModelKind::Rbm, vec![4, 3], &data, &log_probs);
/// assert_eq!((report.errors, report.confusion), (1, vec![vec![1, 1], vec![0, 1]]));
/// assert!((report.log_probs[2] - 0.4_f64.ln()).abs() < 1e-6);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ClassReport {
    /// `gm-classes/1`.
    pub schema: &'static str,
    /// The kind of model.
    pub model: String,
    /// Units of each layer, the first layer first.
    pub layers: Vec<usize>,
    /// What was classified.
    pub data: DataReport,
    /// Rows whose most probable class is not their label.
    pub errors: usize,
    /// The share of such rows.
    pub error_rate: ErrorRate,
    /// Mean of -log p of the label.
    pub cross_entropy: CrossEntropy,
    /// For each label, rows by the class they were taken for. A table of more than 1,000 classes has only those that
    /// occur, and none if more than 1,000 occur.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub confusion: Vec<Vec<usize>>,
    /// The classes of the table, if they are not all classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confusion_classes: Option<Vec<u16>>,
    /// Time spent.
    pub seconds: f64,
    /// Threads at work.
    pub threads: usize,
    /// log p of the label of each row; not part of the JSON document.
    #[serde(skip)]
    pub log_probs: Vec<f64>,
}

/// A share of errors with its binomial interval.
///
/// # Examples
///
/// ```
/// use gm_eval::ErrorRate;
///
/// let (few, many) = (ErrorRate::new(2, 20), ErrorRate::new(200, 2_000));
/// assert_eq!((few.value, many.value, many.confidence), (0.1, 0.1, 0.95));
/// assert!(few.low < many.low && many.high < few.high);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ErrorRate {
    /// The share.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The probability with which such an interval covers the truth.
    pub confidence: f64,
    /// `wilson`.
    pub method: &'static str,
}

/// Mean cross-entropy in nats.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Matrix, ModelKind};
/// use gm_data::Binarise;
/// use gm_eval::{ClassData, ClassReport};
///
/// let (source, split, rows) = ("units".into(), "rows".into(), BitMatrix::zeros(4, 3).into());
/// let data = ClassData { source, split, binarise: Binarise::None.into(), rows, labels: vec![0, 1, 0] };
/// // A model that knows nothing of five classes.
/// let log_probs = Matrix::from_element(5, 3, 0.2_f32.ln());
/// let loss = ClassReport::new(ModelKind::Classifier, vec![4, 5], &data, &log_probs).cross_entropy;
/// assert!((loss.value - 5.0_f64.ln()).abs() < 1e-6 && loss.std_error < 1e-6);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossEntropy {
    /// The mean over rows.
    pub value: f64,
    /// Its standard error over rows.
    pub std_error: f64,
}

/// The quantile of the normal distribution that belongs to 95 %.
const QUANTILE: f64 = 1.959_963_984_540_054;

impl ErrorRate {
    /// The share of `errors` in `rows` with its 95 % interval by Wilson's score.
    ///
    /// (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)
    ///
    /// # Source
    ///
    /// `brown2001interval`, section 3.1.1.
    ///
    /// # Examples
    ///
    /// ```
    /// let rate = gm_eval::ErrorRate::new(100, 10_000);
    /// assert!((rate.low - 0.00823).abs() < 1e-5 && (rate.high - 0.01214).abs() < 1e-5);
    /// assert_eq!(gm_eval::ErrorRate::new(0, 20).low, 0.0);
    /// ```
    #[must_use]
    pub fn new(errors: usize, rows: usize) -> Self {
        let (n, z2) = (rows as f64, QUANTILE * QUANTILE);
        let value = errors as f64 / n;
        let centre = value + z2 / (2.0 * n);
        let spread = QUANTILE * (value * (1.0 - value) / n + z2 / (4.0 * n * n)).sqrt();
        let ends = [centre - spread, centre + spread].map(|end| (end / (1.0 + z2 / n)).clamp(0.0, 1.0));
        let low = if errors == 0 { 0.0 } else { ends[0] };
        Self { value, low, high: ends[1], confidence: 0.95, method: "wilson" }
    }
}

impl ClassReport {
    /// The report of a model that gives these log-probabilities, `[classes, rows]`.
    ///
    /// # Panics
    ///
    /// When data and probabilities differ in rows, or a label is not below the number of classes.
    #[must_use]
    pub fn new(kind: ModelKind, layers: Vec<usize>, data: &ClassData, log_probs: &Matrix) -> Self {
        let classes = log_probs.nrows();
        assert_eq!(data.labels.len(), log_probs.ncols(), "a label for each row");
        let mut judged = Judged::default();
        judged.add(&data.labels, log_probs);
        Self::of(kind, layers, data, classes, judged)
    }

    fn of(kind: ModelKind, layers: Vec<usize>, data: &ClassData, classes: usize, judged: Judged) -> Self {
        let Judged { of_labels, taken } = judged;
        let (confusion, confusion_classes) = confusion(classes, &taken);
        let (rows, errors) = (of_labels.len(), taken.iter().filter(|(label, class)| label != class).count());
        let losses: Vec<f64> = of_labels.iter().map(|log_p| -log_p).collect();
        let mean = Estimate::mean(&losses, Side::Unbiased, "cross-entropy");
        Self {
            schema: "gm-classes/1",
            model: kind.to_string(),
            layers,
            data: DataReport {
                source: data.source.clone(),
                split: data.split.clone(),
                rows,
                binarise: data.binarise.to_string(),
            },
            errors,
            error_rate: ErrorRate::new(errors, rows),
            cross_entropy: CrossEntropy { value: mean.value, std_error: mean.std_error },
            confusion,
            confusion_classes,
            seconds: 0.0,
            threads: rayon::current_num_threads(),
            log_probs: of_labels,
        }
    }
}

/// What a model makes of rows, one after the other.
#[derive(Default)]
struct Judged {
    /// log p of the label of each row.
    of_labels: Vec<f64>,
    /// The label of each row, and its most probable class.
    taken: Vec<(u16, u16)>,
}

impl Judged {
    /// Adds rows with these labels and log-probabilities, `[classes, rows]`.
    fn add(&mut self, labels: &[u16], log_probs: &Matrix) {
        for (&label, column) in labels.iter().zip(log_probs.column_iter()) {
            self.of_labels.push(f64::from(column[usize::from(label)]));
            self.taken.push((label, column.imax() as u16));
        }
    }

    /// The rows of `data` in blocks, so that the log-probabilities of many classes are not held all at once.
    fn by(data: &ClassData, classes: usize, judge: impl Fn(&Batch) -> Result<Matrix>) -> Result<Self> {
        let mut judged = Self::default();
        let rows = data.rows.samples();
        let block = (MOST_PROBABILITIES / classes.max(1) / BLOCK).max(1) * BLOCK;
        if rows <= block {
            judged.add(&data.labels, &judge(&data.rows)?);
            return Ok(judged);
        }
        for first in (0..rows).step_by(block) {
            let chosen: Vec<usize> = (first..rows.min(first + block)).collect();
            judged.add(&data.labels[first..], &judge(&data.rows.select(&chosen))?);
        }
        Ok(judged)
    }
}

/// The most log-probabilities that are held at once.
const MOST_PROBABILITIES: usize = 1 << 24;
/// Blocks have a multiple of these rows.
const BLOCK: usize = 1_000;
/// The most classes of a table of confusion.
const MOST_CLASSES: usize = 1_000;

/// Rows of each label by the class they were taken for, and the classes of the table if they are not all classes.
fn confusion(classes: usize, taken: &[(u16, u16)]) -> (Vec<Vec<usize>>, Option<Vec<u16>>) {
    let mut places: Vec<u16> = (0..classes.min(MOST_CLASSES + 1)).map(|class| class as u16).collect();
    if classes > MOST_CLASSES {
        places = taken.iter().flat_map(|&(label, class)| [label, class]).collect();
        places.sort_unstable();
        places.dedup();
    }
    let shown = places.len() <= MOST_CLASSES;
    let size = if shown { places.len() } else { 0 };
    let mut counts = vec![vec![0; size]; size];
    for (label, class) in taken.iter().filter(|_| shown) {
        if let [Ok(label), Ok(class)] = [label, class].map(|class| places.binary_search(class)) {
            counts[label][class] += 1;
        }
    }
    (counts, (classes > MOST_CLASSES).then_some(places))
}

/// Classifies labelled rows by a feed-forward net, and counts the errors.
///
/// # Errors
///
/// [`gm_core::Error::Shape`] when data and net differ in units.
///
/// # Examples
///
/// ```
/// use gm_core::Streams;
/// use gm_data::{Binarise, Dataset};
/// use gm_eval::{ClassData, evaluate_classifier};
/// use gm_net::{Classifier, HiddenUnits};
///
/// let digits = Dataset::builtin("digits")?;
/// let net = Classifier::random(&[64, 20, 10], HiddenUnits::Relu, None, &Streams::new(0))?;
/// let data = ClassData::from_split("digits", "test", &digits.test, Binarise::None, net.classes())?;
/// let report = evaluate_classifier(&net, &data)?;
/// assert!(report.error_rate.value > 0.5 && report.confusion.len() == 10);
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn evaluate_classifier(net: &Classifier, data: &ClassData) -> Result<ClassReport> {
    let began = Instant::now();
    let judged = Judged::by(data, net.classes(), |rows| Ok(net.log_class_probs(rows.view())?))?;
    let report = ClassReport::of(ModelKind::Classifier, net.stack().layers(), data, net.classes(), judged);
    Ok(ClassReport { seconds: began.elapsed().as_secs_f64(), ..report })
}

/// Classifies labelled rows by the label units of an RBM or DBN, and counts the errors.
///
/// p(y | v) of an RBM is exact. That of a DBN is p(y | means), with the means that the recognition net gives to the RBM
/// on top.
///
/// # Errors
///
/// [`gm_core::Error::Param`] for a model without label units, [`gm_core::Error::Shape`] when data and model differ in
/// units.
///
/// # Examples
///
/// ```
/// use gm_core::{Labels, Matrix, Stack, Vector};
/// use gm_data::{Binarise, Dataset};
/// use gm_eval::{ClassData, Model, classify};
///
/// let digits = Dataset::builtin("digits")?;
/// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[64, 5])?, None)?;
/// let dbn = dbn.with_labels(Some(Labels::new(Matrix::zeros(10, 5), Vector::zeros(10))?))?;
/// let data = ClassData::from_split("digits", "test", &digits.test, Binarise::None, 10)?;
/// assert!((classify(&Model::Dbn(dbn), &data)?.cross_entropy.value - 10.0_f64.ln()).abs() < 1e-6);
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn classify(model: &Model, data: &ClassData) -> Result<ClassReport> {
    let began = Instant::now();
    let judge = |rows: &Batch| match model {
        Model::Rbm(rbm) => Ok(rbm.log_class_probs(rows)?),
        Model::Dbn(dbn) => {
            let rows = rows.to_matrix();
            gm_core::check_len("Dbn::log_class_probs", "data", "units", rows.nrows(), dbn.visible())?;
            Ok(dbn.log_class_probs(&dbn.standardised(&rows))?)
        }
        Model::Sbn(_) | Model::Dbm(_) | Model::Harmonium(_) => {
            let (arg, value) = ("model", model.kind().noun().into());
            Err(CoreError::Param { op: "classify", arg, value, allowed: "a model with label units" }.into())
        }
    };
    let judged = Judged::by(data, model.classes(), judge)?;
    let report = ClassReport::of(model.kind(), model.layers(), data, model.classes(), judged);
    Ok(ClassReport { seconds: began.elapsed().as_secs_f64(), ..report })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_a_report_counts_what_was_taken_for_what() {
        let log_p = |p: [f32; 3]| p.map(f32::ln);
        let columns = [log_p([0.5, 0.3, 0.2]), log_p([0.1, 0.2, 0.7]), log_p([0.2, 0.5, 0.3]), log_p([0.2, 0.2, 0.6])];
        let data = ClassData {
            source: "rows".into(),
            split: "test".into(),
            binarise: Binarisation::default(),
            rows: Matrix::zeros(2, 4).into(),
            labels: vec![0, 2, 2, 1],
        };
        let report =
            ClassReport::new(ModelKind::Classifier, vec![2, 3], &data, &Matrix::from_iterator(3, 4, columns.concat()));
        assert_eq!((report.errors, report.error_rate.value), (2, 0.5));
        assert_eq!(report.confusion, [[1, 0, 0], [0, 0, 1], [0, 1, 1]]);
        let expected = -(0.5_f64.ln() + 0.7_f64.ln() + 0.3_f64.ln() + 0.2_f64.ln()) / 4.0;
        assert!((report.cross_entropy.value - expected).abs() < 1e-6);
    }

    #[test]
    fn table_many_classes_are_counted_where_they_occur() {
        assert_eq!(confusion(2, &[(0, 1), (1, 1), (0, 1)]), (vec![vec![0, 2], vec![0, 1]], None));
        let (counts, classes) = confusion(60_001, &[(0, 60_000), (60_000, 60_000), (7, 0)]);
        assert_eq!(classes, Some(vec![0, 7, 60_000]));
        assert_eq!(counts, [[0, 0, 1], [1, 0, 0], [0, 0, 1]]);
        let all: Vec<(u16, u16)> = (0..2_000).map(|class| (class, class)).collect();
        let (counts, classes) = confusion(2_000, &all);
        assert_eq!((counts.len(), classes.map(|classes| classes.len())), (0, Some(2_000)));
        assert_eq!(confusion(1_000, &all[..1_000]).0.len(), 1_000);
    }

    #[test]
    fn law_blocks_of_rows_change_nothing() {
        let net =
            Classifier::random(&[3, 17_000], gm_net::HiddenUnits::Sigmoid, None, &gm_core::Streams::new(1)).unwrap();
        let rows = Matrix::from_fn(3, 1_500, |unit, row| 0.1 * ((unit + 3 * row) % 11) as f32);
        let labels = (0..1_500).map(|row| row as u16 * 11).collect();
        let (source, split, binarise) = ("rows".into(), "test".into(), Binarisation::default());
        let data = ClassData { source, split, binarise, rows: rows.into(), labels };
        let whole = net.log_class_probs(data.rows.view()).unwrap();
        let report = evaluate_classifier(&net, &data).unwrap();
        let plain = ClassReport::new(ModelKind::Classifier, vec![3, 17_000], &data, &whole);
        assert_eq!((report.errors, &report.log_probs), (plain.errors, &plain.log_probs));
        assert!(report.confusion_classes.is_some_and(|classes| classes.len() >= 1_500));
    }

    #[test]
    fn law_the_interval_covers_the_truth_as_often_as_it_says() {
        let found = coverage(ErrorRate::new);
        assert!((0.94..0.965).contains(&found), "{found}");
    }

    #[test]
    fn law_an_interval_of_one_standard_error_would_be_noticed() {
        let narrow = |errors: usize, rows: usize| {
            let rate = ErrorRate::new(errors, rows);
            let error = (rate.value * (1.0 - rate.value) / rows as f64).sqrt();
            ErrorRate { low: rate.value - error, high: rate.value + error, ..rate }
        };
        assert!(coverage(narrow) < 0.75);
    }

    /// The exact probability that the interval of 200 rows covers a true rate, the mean over rates from 1 to 30 %.
    fn coverage(interval: impl Fn(usize, usize) -> ErrorRate) -> f64 {
        let of_rate = |p: f64| {
            let mut mass = (1.0 - p).powi(200);
            let mut covered = 0.0;
            for errors in 0..=200_usize {
                let rate = interval(errors, 200);
                covered += if (rate.low..=rate.high).contains(&p) { mass } else { 0.0 };
                mass *= (200 - errors) as f64 / (errors + 1) as f64 * p / (1.0 - p);
            }
            covered
        };
        (1..=30).map(|percent| of_rate(f64::from(percent) / 100.0)).sum::<f64>() / 30.0
    }
}
