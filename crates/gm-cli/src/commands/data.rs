//! `dgm data`: what data there are, and what is in them.

use clap::{Args, Subcommand};
use gm_train::{DatasetInfo, SplitInfo, SplitName, datasets};
use serde::Serialize;

use crate::data::{Folders, Rows};
use crate::error::Result;
use crate::output::{Listing, Report, table};

/// Shows data sets
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Data {
    List(List),
    Info(Info),
}

impl Data {
    pub(super) fn run(&self) -> Result<Report> {
        match self {
            Self::List(list) => list.run(),
            Self::Info(info) => info.run(),
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
    /// Built in, or found in a data folder.
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
        text += "\nKnown sets are looked for in --data-dir, DGM_DATA and the user's cache. Files and folders are given by path.\n";
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

/// Describes a data set: rows, units, density, labels, oddities
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  dgm data info digits\n  dgm data info mnist --data-dir ~/data\n  dgm data info rows.csv --json"
)]
pub(crate) struct Info {
    /// A built-in name (`digits`), a known set (`mnist`) or the path of a file or folder
    #[arg(value_name = "SPEC")]
    data: String,
    #[command(flatten)]
    folders: Folders,
}

#[derive(Serialize)]
struct InfoDocument {
    schema: &'static str,
    source: String,
    train: SplitInfo,
    valid: SplitInfo,
    test: SplitInfo,
}

impl Info {
    fn run(&self) -> Result<Report> {
        let rows = Rows { data: self.data.clone(), folders: self.folders.clone(), binarise: None };
        let data = rows.dataset()?;
        let [train, valid, test] = SplitName::ALL.map(|name| data.split(name).info());
        let document = InfoDocument { schema: "gm-data-info/1", source: data.source.clone(), train, valid, test };
        Report::new(document.text(), &document)
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
        head.add(
            "values",
            if self.train.binary { "0 and 1" } else { "grey levels, drawn as 0 and 1 anew in every batch of training" },
        );
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
