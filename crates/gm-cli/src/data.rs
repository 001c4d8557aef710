//! The options that name data, and how commands load them.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use gm_core::{Batch, VisibleKind};
use gm_data::{
    Alphabet, Binarisation, Binarise, DataSpec, Dataset, LoadOptions, RowWeights, Split, SplitName, load, load_rows,
};
use gm_eval::{Model, sites};
use serde::Serialize;

use crate::commands::utf8;
use crate::error::{Error, Result};
use crate::model;
use crate::picture::Shape;
use crate::tables::Tables;

/// The folder of known data sets, apart from `--data-dir`.
const FOLDER: &str = "DGM_DATA";

/// The help text of an option that several commands have.
pub(crate) const DATA: &str = "The data: a built-in name (`digits`), a known set (`mnist`), the path of a file or \
                               folder, or - for standard input";

/// The help text of an option that several commands have.
pub(crate) const BINARISE: &str = "The binarisation of grey levels: `none`, `threshold[:T]` or `fixed[:SEED]` \
                                   [default: `none` for binary data, else `fixed:0`]";

/// The help text of an option that several commands have.
pub(crate) const INVERT: &str = "Replace every value v between 0 and 1 by 1 - v";

/// The help text of an option that several commands have.
pub(crate) const SPLIT: &str = "The rows: train, valid, test or all";

/// The help text of an option that several commands have.
pub(crate) const TEST_SPLIT: &str = "The rows: train, valid, test or all [default: test]";

/// The option that names the folder of known data sets.
#[derive(Args, Clone, Debug)]
pub(crate) struct Folders {
    /// The folder that holds the folders of known data sets [default: $DGM_DATA, else the user's cache]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

impl Folders {
    /// The folder that the option or the environment names.
    pub(crate) fn given(&self) -> Option<PathBuf> {
        let set = |value: &std::ffi::OsString| !value.is_empty();
        self.data_dir.clone().or_else(|| std::env::var_os(FOLDER).filter(set).map(PathBuf::from))
    }

    /// Options to load data from these folders.
    pub(crate) fn options(&self, binarise: Option<Binarise>) -> LoadOptions {
        LoadOptions { data_dir: self.given(), cache_dir: cache(), binarise, ..LoadOptions::default() }
    }
}

/// The options that name files of validation and test rows.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Apart {
    /// A file of validation rows, for data that have none of their own
    #[arg(long, value_name = "FILE", requires = "data")]
    pub(crate) valid: Option<PathBuf>,
    /// A file of test rows, for data that have none of their own
    #[arg(long, value_name = "FILE", requires = "data")]
    pub(crate) test: Option<PathBuf>,
}

impl Apart {
    /// These options of loading data, with the files.
    pub(crate) fn with(&self, options: LoadOptions) -> LoadOptions {
        LoadOptions { valid: self.valid.clone(), test: self.test.clone(), ..options }
    }
}

/// Reads weights of rows. A path may have any bytes.
pub(crate) fn weights() -> impl TypedValueParser<Value = RowWeights> {
    OsStringValueParser::new().try_map(|word| RowWeights::of(&word))
}

/// The user's cache of data sets.
fn cache() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || folder("HOME");
    let cache = if cfg!(windows) {
        folder("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library/Caches"))
    } else {
        folder("XDG_CACHE_HOME").or_else(|| home().map(|home| home.join(".cache")))
    };
    cache.map(|cache| cache.join("dgm"))
}

/// A choice of rows of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// One of the three splits.
    Split(SplitName),
    /// All rows, in the order of the file.
    All,
}

impl std::str::FromStr for Part {
    type Err = gm_data::Error;

    fn from_str(text: &str) -> gm_data::Result<Self> {
        match text {
            "all" => Ok(Self::All),
            "train" | "valid" | "test" => text.parse().map(Self::Split),
            _ => Err(gm_core::Error::unknown("split", text, &["train", "valid", "test", "all"]).into()),
        }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Split(name) => name.fmt(f),
            Self::All => f.write_str("all"),
        }
    }
}

/// The rows that a command works on.
#[derive(Args, Clone, Debug)]
pub(crate) struct Rows {
    #[arg(long, value_name = "SPEC", value_parser = utf8(), help = DATA)]
    pub(crate) data: String,
    #[command(flatten)]
    pub(crate) apart: Apart,
    #[command(flatten)]
    pub(crate) folders: Folders,
    #[arg(long, value_name = "HOW", help = BINARISE)]
    pub(crate) binarise: Option<Binarise>,
    #[arg(long, help = INVERT)]
    pub(crate) invert: bool,
    #[command(flatten)]
    pub(crate) tables: Tables,
    /// What a command adds to the options of loading.
    #[arg(skip)]
    pub(crate) beside: Beside,
}

/// What is beside the options of rows: the weights of training rows, and the alphabet of a model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    pub(crate) weights: Option<RowWeights>,
    pub(crate) alphabet: Option<Alphabet>,
}

/// Rows in the form that a model takes, with their description for reports.
#[derive(Clone, Debug)]
pub(crate) struct Examples {
    /// The rows.
    pub(crate) split: Split,
    /// Their values, [units, rows].
    pub(crate) rows: Batch,
    /// The binarisation of grey levels.
    pub(crate) binarise: Binarisation,
    /// The description for reports.
    pub(crate) about: About,
}

/// The description of data in reports.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct About {
    /// The name or path of the data.
    pub(crate) source: String,
    /// The chosen split.
    pub(crate) split: String,
    /// Number of rows.
    pub(crate) rows: usize,
    /// The binarisation of grey levels.
    pub(crate) binarise: String,
}

impl Rows {
    /// Options to load the data for visible units of a kind, with the number of units of a libsvm file.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for a binarisation with visible units that are not binary.
    fn options(&self, kind: VisibleKind, units: Option<usize>) -> Result<LoadOptions> {
        match self.binarise {
            Some(binarise) if kind.takes_numbers() && binarise != Binarise::None => {
                let (option, value) = ("--binarise", binarise.to_string());
                Err(Error::Option { option, value, allowed: format!("none for {kind} visible units") })
            }
            binarise => {
                let options = self.apart.with(self.folders.options(binarise));
                let Beside { weights, alphabet } = self.beside.clone();
                let options = LoadOptions { numbers: kind.takes_numbers(), invert: self.invert, ..options };
                let options = LoadOptions { weights, alphabet, ..options };
                Ok(self.tables.apply(units, options))
            }
        }
    }

    /// Loads data for a model of `visible` units of a kind, or for any model.
    fn load<T>(
        &self,
        (kind, visible): (VisibleKind, Option<usize>),
        load: impl Fn(&DataSpec, &LoadOptions) -> gm_data::Result<T>,
    ) -> Result<T> {
        let spec = DataSpec::parse(&self.data)?;
        let mut widths = self.tables.widths(kind, visible).into_iter().peekable();
        loop {
            let units = widths.next().flatten();
            match load(&spec, &self.options(kind, units)?) {
                // An index above the number of units: the file has more.
                Err(gm_data::Error::Index { .. }) if widths.peek().is_some() => {}
                settled => return Ok(settled?),
            }
        }
    }

    /// The name of the data, and the chosen rows for visible units of a kind. The model has `visible` units.
    ///
    /// # Errors
    ///
    /// [`gm_data::Error`] with the data and the fault, [`Error::Option`] for a binarisation with visible units that are
    /// not binary.
    pub(crate) fn split(&self, part: Part, kind: VisibleKind, visible: usize) -> Result<(String, Split)> {
        let (source, split) = self.load((kind, Some(visible)), |spec, options| match part {
            Part::Split(name) => {
                let data = load(spec, options)?;
                Ok((data.source_of(name).into(), data.split(name).clone()))
            }
            Part::All => Ok((spec.to_string(), load_rows(spec, options)?)),
        })?;
        self.tables.check(&split)?;
        Ok((source, split))
    }

    /// Loads all splits, for visible units of a kind. The model has `visible` units if there is one.
    ///
    /// # Errors
    ///
    /// The errors of [`split`](Self::split).
    pub(crate) fn dataset(&self, kind: VisibleKind, visible: Option<usize>) -> Result<Dataset> {
        let data = self.load((kind, visible), load)?;
        self.tables.check(&data.train)?;
        Ok(data)
    }

    /// These rows, whose sequences have the alphabet of the model in a file unless an option names another.
    pub(crate) fn of_model(&self, path: &Path) -> Self {
        let beside = Beside { alphabet: model::alphabet(path), ..self.beside.clone() };
        Self { beside, ..self.clone() }
    }

    /// Loads the chosen rows for a model.
    ///
    /// # Errors
    ///
    /// The errors of [`split`](Self::split), [`Error::Units`] when the number of visible units differs, and
    /// [`Error::Columns`] when names of columns do.
    pub(crate) fn load_for(&self, model: &Model, path: &Path, part: Part) -> Result<Examples> {
        let kind = model.visible_kind();
        let (source, split) = self.of_model(path).split(part, kind, model.visible())?;
        let examples = Examples::new(split, (source, part.to_string()), kind, self.binarise)?;
        check_units(model, path, &examples.about.source, examples.rows.units())?;
        check_columns(path, &examples.about.source, &examples.split)?;
        Ok(examples)
    }
}

impl Examples {
    /// Rows in the form that visible units of a kind take. `None` as the binarisation takes the default of evaluation.
    /// The names of the source and of the split go into reports.
    ///
    /// # Errors
    ///
    /// [`gm_data::Error`] for a binarisation that has no single answer, and for values that are not categories.
    pub(crate) fn new(
        split: Split,
        (source, name): (String, String),
        kind: VisibleKind,
        binarise: Option<Binarise>,
    ) -> gm_data::Result<Self> {
        let binarise = binarise.unwrap_or_else(|| split.evaluation_binarise());
        let rows = split.rows_for(kind, binarise)?;
        let binarise = if kind.takes_numbers() { Binarisation::default() } else { split.binarisation(binarise) };
        let about = About { source, split: name, rows: split.len(), binarise: binarise.to_string() };
        Ok(Self { split, rows, binarise, about })
    }

    /// The shape in which a row of visible units of a kind is drawn.
    pub(crate) fn shape(&self, kind: VisibleKind) -> Shape {
        crate::picture::shape_of(sites(kind, self.rows.units()), self.split.image())
    }
}

/// Refuses data that do not fit a model.
///
/// # Errors
///
/// [`Error::Units`] when the number of visible units differs.
pub(crate) fn check_units(model: &Model, path: &Path, source: &str, units: usize) -> Result<()> {
    check_input(model.visible(), path, source, units)
}

/// Refuses data whose columns are named otherwise than those that the model was trained on, where both have names.
///
/// # Errors
///
/// [`Error::Columns`].
pub(crate) fn check_columns(path: &Path, source: &str, split: &Split) -> Result<()> {
    let Some(names) = split.column_names() else { return Ok(()) };
    let Some(expected) = model::beside(path).and_then(|data| data.columns()) else { return Ok(()) };
    let differ = names.iter().zip(&expected).position(|(found, expected)| found != expected);
    match differ.filter(|_| names.len() == expected.len()) {
        None => Ok(()),
        Some(i) => {
            let (found, expected) = (names[i].clone(), expected[i].clone());
            Err(Error::Columns { path: path.into(), data: source.into(), number: i + 1, found, expected })
        }
    }
}

/// Refuses data whose number of units is not the number that the file's model takes.
///
/// # Errors
///
/// [`Error::Units`].
pub(crate) fn check_input(model: usize, path: &Path, source: &str, units: usize) -> Result<()> {
    match model == units {
        true => Ok(()),
        false => Err(Error::Units { path: path.into(), model, data: source.into(), units }),
    }
}

/// What is said of the weights of training rows.
pub(crate) fn weights_line(weights: &str, effective: Option<f64>, rows: usize) -> String {
    match effective {
        Some(effective) => format!("{weights}: {effective:.1} effective rows of {rows} training rows"),
        None => format!("those of {weights}"),
    }
}

/// Chosen row numbers, such as `0,5,9` or `0-9`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowList(pub(crate) Vec<usize>);

impl std::str::FromStr for RowList {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let refuse = || format!("`{text}` is not a list of row numbers such as 0,5,9 or 0-9");
        let mut rows = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (usize, usize) =
                first.trim().parse().ok().zip(last.trim().parse().ok()).ok_or_else(refuse)?;
            if first > last || last - first > 1_000_000 {
                return Err(refuse());
            }
            rows.extend(first..=last);
        }
        Ok(Self(rows))
    }
}

impl RowList {
    /// The chosen rows.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for a row that the split does not have.
    pub(crate) fn choose(&self, examples: &Examples) -> Result<Examples> {
        let rows = examples.rows.samples();
        if let Some(row) = self.0.iter().find(|&&row| row >= rows) {
            let allowed =
                format!("0 to {} in the {} split of {}", rows - 1, examples.about.split, examples.about.source);
            return Err(Error::Option { option: "--rows", value: format!("row {row}"), allowed });
        }
        let about = About { rows: self.0.len(), ..examples.about.clone() };
        let (split, rows) = (examples.split.select(&self.0)?, examples.rows.select(&self.0));
        Ok(Examples { split, rows, binarise: examples.binarise, about })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_row_lists() {
        let rows = |text: &str| text.parse::<RowList>().map(|list| list.0);
        assert_eq!(rows("0,5,9"), Ok(vec![0, 5, 9]));
        assert_eq!(rows("2-4, 0"), Ok(vec![2, 3, 4, 0]));
        for bad in ["", "a", "3-1", "1,,2", "-1"] {
            assert!(rows(bad).unwrap_err().contains("not a list of row numbers"), "{bad}");
        }
    }

    #[test]
    fn rejects_unknown_splits_with_the_nearest() {
        let error = "tset".parse::<Part>().unwrap_err().to_string();
        assert_eq!(error, "unknown split `tset`, did you mean `test`?; known: train, valid, test, all");
        assert_eq!("all".parse::<Part>().unwrap().to_string(), "all");
    }
}
