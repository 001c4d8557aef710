//! `dgm data`: lists, describes and fetches data sets.

use std::path::Path;

use clap::{Args, Subcommand};
use gm_core::VisibleKind;
use gm_data::{Dataset, DatasetInfo, FileInfo, Reading, RowWeights, SplitInfo, SplitName, Values, datasets};
use serde::Serialize;

use crate::console::Progress;
use crate::data::{Apart, Beside, Folders, Rows, weights_line};
use crate::download::{Download, Found, Wanted};
use crate::error::{Error, Result};
use crate::output::{Listing, Report, shown, table};
use crate::tables::{self, Tables};

/// Shows and fetches data sets
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Data {
    List(List),
    Info(Info),
    Fetch(Fetch),
}

impl Data {
    pub(super) fn run(&self) -> Result<Report> {
        match self {
            Self::List(list) => list.run(),
            Self::Info(info) => info.run(),
            Self::Fetch(fetch) => fetch.run(),
        }
    }
}

/// Lists the built-in and the known data sets
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm data list\n  dgm data list --data-dir ~/data --json")]
pub(crate) struct List {
    #[command(flatten)]
    folders: Folders,
}

#[derive(Serialize)]
struct ListDocument {
    schema: &'static str,
    data: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    info: &'static DatasetInfo,
    /// Whether the set is built in or found in a data folder.
    available: bool,
}

impl List {
    fn run(&self) -> Result<Report> {
        let options = self.folders.options(None);
        let there =
            |name: &str| options.data_dir.iter().chain(&options.cache_dir).any(|folder| folder.join(name).is_dir());
        let listed = |info: &'static DatasetInfo| Listed { info, available: info.is_builtin() || there(info.name) };
        let data: Vec<Listed> = datasets().iter().map(listed).collect();
        let mut rows = vec![["name", "rows", "units", "values", "where"].map(String::from).to_vec()];
        rows.extend(data.iter().map(Listed::row));
        let mut text = table(&rows);
        text += "\nKnown sets are searched in --data-dir, DGM_DATA and the user's cache. Name files and folders by \
                 their path.\n";
        Report::new(text, &ListDocument { schema: "gm-data-list/1", data })
    }
}

impl Listed {
    fn row(&self) -> Vec<String> {
        let any = || "by D or N".to_owned();
        let rows = self.info.rows.map_or_else(any, |[train, valid, test]| format!("{train} + {valid} + {test}"));
        let place = match (self.info.is_builtin(), self.available) {
            (true, _) => "built in",
            (false, true) => "found",
            (false, false) => "not found",
        };
        let values = if self.info.binary { "0 and 1" } else { "grey levels" };
        let units = self.info.units.map_or_else(any, |units| units.to_string());
        vec![self.info.name.into(), rows, units, values.into(), place.into()]
    }
}

/// Describes a data set: its rows, units, mean, constant units, duplicates and labels
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  dgm data info digits\n  dgm data info mnist --data-dir ~/data\n  dgm data info rows.csv --json\n  dgm data info family.fasta --weights identity:0.8"
)]
pub(crate) struct Info {
    /// A built-in name (`digits`), a known set (`mnist`) or the path of a file or folder
    #[arg(value_name = "SPEC", value_parser = super::utf8())]
    data: String,
    #[command(flatten)]
    apart: Apart,
    #[command(flatten)]
    folders: Folders,
    #[command(flatten)]
    tables: Tables,
    /// Count training rows by these weights: those of a file, or `identity[:X]`, by which a row counts 1 / (number of
    /// training rows that equal it in at least a share X of the positions, itself included) [default: none; X is 0.8]
    #[arg(long, value_name = "FILE|identity[:X]", value_parser = crate::data::weights())]
    weights: Option<RowWeights>,
}

#[derive(Serialize)]
struct InfoDocument {
    schema: &'static str,
    source: String,
    /// What was made of the lines and columns of files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    readings: Vec<Reading>,
    /// The kind of values, and what training needs for them.
    values: String,
    /// The weights of training rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    weights: Option<String>,
    train: SplitInfo,
    valid: SplitInfo,
    test: SplitInfo,
    /// Reasons to doubt the splits.
    warnings: Vec<String>,
}

impl Info {
    fn run(&self) -> Result<Report> {
        let (apart, folders, tables) = (self.apart.clone(), self.folders.clone(), self.tables.clone());
        let beside = Beside { weights: self.weights.clone(), alphabet: None };
        let rows = Rows { data: self.data.clone(), apart, folders, binarise: None, invert: false, tables, beside };
        let data = rows.dataset(VisibleKind::Gaussian, None)?;
        let [train, valid, test] = SplitName::ALL.map(|name| data.split(name).info());
        let (readings, values) = (data.train.readings().to_vec(), values(&data, [&train, &valid, &test]));
        let (schema, warnings, source) = ("gm-data-info/1", data.label_warnings(), data.source);
        let weights = self.weights.as_ref().map(ToString::to_string);
        let document = InfoDocument { schema, source, readings, values, weights, train, valid, test, warnings };
        Report::new(document.text(), &document)
    }
}

/// The greatest number of categories that are suggested for whole numbers.
const CATEGORIES: usize = 32;

/// The kind of values, and what training needs for them.
fn values(data: &Dataset, infos: [&SplitInfo; 3]) -> String {
    let all = SplitName::ALL.map(|name| data.split(name).values());
    if let Some(alphabet) = data.train.alphabet() {
        let highest = alphabet.categories() - 1;
        return format!("letters of sequences, as categories from 0 to {highest}; needs --visible softmax");
    }
    let drawn = "drawn as 0 and 1 anew in every batch of training";
    if all.iter().any(|values| matches!(values, Values::Numbers(_))) {
        let low = infos.iter().map(|info| info.lowest).fold(f32::INFINITY, f32::min);
        let high = infos.iter().map(|info| info.highest).fold(f32::NEG_INFINITY, f32::max);
        let categories = match data.categories() {
            Ok(count) if count <= CATEGORIES => ", or --visible softmax for categories",
            _ => "",
        };
        return format!("numbers from {low} to {high}; needs --binarise threshold:T or --visible gaussian{categories}");
    }
    match all {
        [Values::Bits(_), Values::Bits(_), Values::Bits(_)] => match data.one_hot_categories() {
            Some(count) if count > 2 => format!(
                "0 and 1, with one 1 in each group of {count}, as one-hot categories have; --visible softmax takes them \
                 as categories"
            ),
            _ => "0 and 1".into(),
        },
        [Values::Levels(_), ..] => format!("grey levels, {drawn}"),
        _ => format!("numbers between 0 and 1, {drawn}"),
    }
}

impl InfoDocument {
    fn text(&self) -> String {
        let mut head = Listing::default();
        head.add("data", &self.source);
        head.add("units", self.train.units);
        if let Some((height, width)) = self.train.image {
            head.add("picture", format!("{height} x {width}"));
        }
        head.add("values", &self.values);
        tables::lines(&self.readings).into_iter().for_each(|(name, text)| head.add(name, text));
        if let Some(weights) = &self.weights {
            head.add("weights", weights_line(weights, self.train.effective_rows, self.train.rows));
        }
        for warning in &self.warnings {
            head.add("warning", warning);
        }
        let mut rows =
            vec![["split", "rows", "mean", "constant units", "duplicates", "labels"].map(String::from).to_vec()];
        for (name, info) in SplitName::ALL.iter().zip([&self.train, &self.valid, &self.test]) {
            let labels = match info.labels.len() {
                0 => "none".into(),
                classes => format!("{classes} classes"),
            };
            let density = format!("{:.4}", info.density);
            let cells = [name.to_string(), info.rows.to_string(), density, info.constant_units.to_string()];
            rows.push(cells.into_iter().chain([info.duplicates.to_string(), labels]).collect());
        }
        head.text() + "\n" + &table(&rows)
    }
}

/// Fetches the files of a known data set
///
/// They go into a folder of the set's name in --data-dir, DGM_DATA or the user's cache. A file is kept only if its size
/// and its SHA-256 are right. A file that is there already is not fetched again, and an interrupted download resumes
/// where it stopped.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm data fetch mnist\n  dgm data fetch binarized_mnist --data-dir ~/data\n  \
    dgm data fetch caltech101_silhouettes_28 --mirror https://example.org/data")]
pub(crate) struct Fetch {
    /// The name of a known data set, such as `mnist`
    name: String,
    #[command(flatten)]
    folders: Folders,
    /// A server that has the files at URL/NAME/FILE; `dgm data list --json` shows their names and checksums
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

#[derive(Serialize)]
struct FetchDocument {
    schema: &'static str,
    name: &'static str,
    folder: String,
    files: Vec<Fetched>,
}

#[derive(Serialize)]
struct Fetched {
    name: &'static str,
    bytes: u64,
    sha256: &'static str,
    /// Whether the folder held the file before.
    present: bool,
}

impl Fetch {
    fn run(&self) -> Result<Report> {
        let info = self.info()?;
        let options = self.folders.options(None);
        let home = options.data_dir.or(options.cache_dir).ok_or_else(|| Error::Option {
            option: "--data-dir",
            value: "nothing".into(),
            allowed: "a folder, since neither DGM_DATA nor HOME is set".into(),
        })?;
        let folder = home.join(info.name);
        let files = self.fetch(info, &folder)?;
        let text = files.iter().map(|file| {
            let how = if file.present { "present" } else { "fetched" };
            vec![file.name.to_string(), format!("{} bytes", file.bytes), how.into()]
        });
        let rows: Vec<Vec<String>> = text.collect();
        let text = format!("{}{} is in {}\n", table(&rows), info.name, folder.display());
        Report::new(text, &FetchDocument { schema: "gm-data-fetch/1", name: info.name, folder: shown(&folder), files })
    }

    /// The set of this name, which must have files.
    fn info(&self) -> Result<&'static DatasetInfo> {
        let known: Vec<&'static DatasetInfo> = datasets().iter().filter(|set| !set.is_builtin()).collect();
        let names: Vec<&str> = known.iter().map(|set| set.name).collect();
        match known.into_iter().find(|set| set.name == self.name) {
            Some(info) => Ok(info),
            None => Err(gm_core::Error::unknown("data set with files", &self.name, &names).into()),
        }
    }

    /// Fetches from the mirror if there is one, else from the first server that has all files.
    fn fetch(&self, info: &'static DatasetInfo, folder: &Path) -> Result<Vec<Fetched>> {
        let mirror =
            self.mirror.as_ref().map(|mirror| (format!("{}/{}", mirror.trim_end_matches('/'), info.name), info.files));
        let usual = info.sources.iter().map(|source| (source.server.to_owned(), source.files));
        let servers: Vec<_> = match mirror {
            Some(mirror) => vec![mirror],
            None => usual.collect(),
        };
        std::fs::create_dir_all(folder).map_err(Error::io("creating", folder))?;
        let mut failure = Error::Option {
            option: "--mirror",
            value: "nothing".into(),
            allowed: format!(
                "a server with the files of {}, since no known server has them in a format that dgm reads",
                info.name
            ),
        };
        for (server, files) in servers {
            match fetch_all(&server, files, folder) {
                Err(error @ Error::Download { .. }) => {
                    tracing::warn!("{error}");
                    failure = error;
                }
                settled => return settled,
            }
        }
        Err(failure)
    }
}

/// Fetches all files of a folder on a server.
fn fetch_all(server: &str, files: &'static [FileInfo], folder: &Path) -> Result<Vec<Fetched>> {
    let download = Download::new(server, folder);
    let mut progress = Progress::new("bytes", files.iter().map(|file| file.bytes).sum());
    let (mut before, mut fetched) = (0, vec![]);
    for file in files {
        let found = download.file(Wanted::from(file), |there| progress.set(before + there, file.name))?;
        before += file.bytes;
        progress.set(before, file.name);
        fetched.push(Fetched {
            name: file.name,
            bytes: file.bytes,
            sha256: file.sha256,
            present: found == Found::Present,
        });
    }
    Ok(fetched)
}
