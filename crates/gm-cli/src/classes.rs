//! Classification in commands: its data and its reports.

use std::path::Path;

use gm_core::{Batch, VisibleKind};
use gm_data::{Binarise, Split, Values};
use gm_eval::{ClassData, ClassReport};

use crate::data::{About, Part, Rows, check_columns, check_input};
use crate::error::Result;
use crate::output::{Listing, table, threads_of};

/// Rows to classify. Grey levels stay as they are unless a binarisation is given.
pub(crate) struct Inputs {
    /// The rows.
    pub(crate) split: Split,
    /// The description for reports.
    pub(crate) about: About,
    binarise: Binarise,
}

impl Inputs {
    /// Loads the chosen rows for a model of `units` visible units of a kind.
    ///
    /// # Errors
    ///
    /// [`gm_data::Error`] with the data and the fault, [`crate::error::Error::Units`] when the number of units differs.
    pub(crate) fn load(rows: &Rows, part: Part, (kind, units): (VisibleKind, usize), path: &Path) -> Result<Self> {
        let (source, mut split) = rows.of_model(path).split(part, kind, units)?;
        check_columns(path, &source, &split)?;
        if let VisibleKind::Softmax { .. } = kind {
            let groups = split.rows_for(kind, Binarise::None)?.bits().clone();
            split = Split::new(Values::Bits(groups), split.labels().map(<[u16]>::to_vec))?;
        }
        check_input(units, path, &source, split.units())?;
        let binarise = rows.binarise.unwrap_or(Binarise::None);
        let named = split.binarisation(binarise).to_string();
        let about = About { source, split: part.to_string(), rows: split.len(), binarise: named };
        Ok(Self { split, about, binarise })
    }

    /// The values of the rows.
    ///
    /// # Errors
    ///
    /// [`gm_data::Error::GreyLevels`] for a binarisation that has no single answer.
    pub(crate) fn values(&self) -> Result<Batch> {
        Ok(self.split.batch(self.binarise)?)
    }

    /// The rows with their labels.
    ///
    /// # Errors
    ///
    /// [`gm_data::Error::NoLabels`] and [`gm_data::Error::Label`].
    pub(crate) fn labelled(&self, classes: usize) -> Result<ClassData> {
        let about = &self.about;
        Ok(ClassData::from_split(&about.source, &about.split, &self.split, self.binarise, classes)?)
    }
}

/// A report for people.
pub(crate) fn summary(report: &ClassReport) -> String {
    let (data, rate, loss) = (&report.data, &report.error_rate, &report.cross_entropy);
    let mut listing = Listing::default();
    listing.add("model", format!("{} {:?}", report.model, report.layers));
    listing
        .add("data", format!("{}, {} split, {} rows, binarise {}", data.source, data.split, data.rows, data.binarise));
    let [value, low, high] = [rate.value, rate.low, rate.high].map(|share| 100.0 * share);
    listing.add("error rate", format!("{value:.2} %, {low:.2} to {high:.2} % (95 %), {} errors", report.errors));
    listing.add("cross-entropy", format!("{:.4} +- {:.4} nats", loss.value, loss.std_error));
    listing.add("time", format!("{:.1} s, {}", report.seconds, threads_of(report.threads)));
    format!("{}\nrows of each label by predicted class\n{}", listing.text(), confusion(report))
}

/// The table of confusion. Of many classes it has those that occur.
fn confusion(report: &ClassReport) -> String {
    let classes = match &report.confusion_classes {
        Some(classes) if report.confusion.is_empty() => {
            return format!("left out, since {} classes occur\n", classes.len());
        }
        Some(classes) => classes.clone(),
        None => (0..report.confusion.len() as u16).collect(),
    };
    let mut rows = vec![std::iter::once("label".into()).chain(classes.iter().map(ToString::to_string)).collect()];
    for (label, counts) in classes.iter().zip(&report.confusion) {
        rows.push(std::iter::once(label.to_string()).chain(counts.iter().map(ToString::to_string)).collect::<Vec<_>>());
    }
    table(&rows)
}
