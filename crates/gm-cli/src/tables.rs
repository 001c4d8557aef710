//! The options that say how files of data are read, and what is said of how they were read.

use clap::Args;
use gm_core::{ModelData, VisibleKind};
use gm_data::{Alphabet, Header, Inserts, LoadOptions, Reading, SequenceReading, Split, TableOptions, UnknownLetters};
use gm_eval::sites;

use crate::error::{Error, Result};

/// How files of data are read.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Tables {
    /// Whether the first line of a table of text names the columns: `yes`, `no` or `auto` (if its cells are names and no
    /// numbers) [default: auto]
    #[arg(long, value_name = "HOW", requires = "data")]
    header: Option<Header>,
    /// The column of labels, by its name or its number from 1, or `none` [default: a column called label, labels, class
    /// or target]
    #[arg(long, value_name = "COLUMN", requires = "data")]
    label_column: Option<String>,
    /// The columns to leave out, by their names or their numbers from 1, or `none` [default: a column called id, index,
    /// idx or row, or a first column without a name beside others with names]
    #[arg(long, value_name = "COLUMN,...", value_delimiter = ',', requires = "data")]
    drop: Option<Vec<String>>,
    /// Number of units of a libsvm file [default: that of the model, else the highest index]
    #[arg(long, value_name = "N", requires = "data", value_parser = crate::commands::at_least_one)]
    sparse_units: Option<usize>,
    /// The alphabet of sequences: `protein`, `rna` or `dna` [default: that of the model, else protein]
    #[arg(long, value_name = "WHICH", requires = "data")]
    alphabet: Option<Alphabet>,
    /// Insert columns of sequences: `drop`, `keep` or `auto` (drop those of .a2m and .a3m files, and those of Stockholm files
    /// with a line #=GC RF) [default: auto]
    #[arg(long, value_name = "HOW", requires = "data")]
    inserts: Option<Inserts>,
    /// Letters of sequences that stand for no letter of the alphabet, such as X: `gap` (read them as gaps), `drop` (leave
    /// the sequence out) or `refuse` [default: gap]
    #[arg(long, value_name = "HOW", requires = "data")]
    unknown_letters: Option<UnknownLetters>,
}

impl Tables {
    /// Options to load data with, for a model that takes `units` units.
    pub(crate) fn apply(&self, units: Option<usize>, options: LoadOptions) -> LoadOptions {
        LoadOptions { table: self.options(), units: self.sparse_units.or(units), ..options }
    }

    fn options(&self) -> TableOptions {
        let header = self.header.unwrap_or_default();
        TableOptions {
            header,
            label: self.label_column.clone(),
            drop: self.drop.clone(),
            alphabet: self.alphabet,
            inserts: self.inserts.unwrap_or_default(),
            unknown_letters: self.unknown_letters.unwrap_or_default(),
        }
    }

    /// The numbers of units that a file may have, for a model of `visible` units of a kind: one for each site or, in
    /// files of one-hot categories, one for each unit; at last that of the file.
    pub(crate) fn widths(&self, kind: VisibleKind, visible: Option<usize>) -> Vec<Option<usize>> {
        match (self.sparse_units, visible) {
            (Some(units), _) => vec![Some(units)],
            (None, Some(visible)) => vec![Some(sites(kind, visible)), Some(visible), None],
            (None, None) => vec![None],
        }
    }

    /// Refuses a number of units that is not that of the data, and warns of columns and lines that were read as they
    /// stand but look like something else.
    ///
    /// # Errors
    ///
    /// [`Error::Option`].
    pub(crate) fn check(&self, split: &Split) -> Result<()> {
        if let Some(units) = self.sparse_units.filter(|&units| units != split.units()) {
            let allowed = format!("{} for these data; other numbers are for libsvm files", split.units());
            return Err(Error::Option { option: "--sparse-units", value: units.to_string(), allowed });
        }
        split.readings().iter().flat_map(|reading| self.doubts(reading)).for_each(|text| tracing::warn!("{text}"));
        Ok(())
    }

    fn doubts(&self, reading: &Reading) -> Vec<String> {
        let (file, line) = (&reading.file, reading.first_line.as_deref().unwrap_or_default());
        let first = (self.header.is_none() && reading.first_line_counts).then(|| {
            format!(
                "{file}: the first line, {line}, is taken as an example; pass --header yes if it names the columns, or \
                 --header no if it does not"
            )
        });
        let rising = self.drop.is_none().then_some(&reading.rising).into_iter().flatten().map(|column| {
            let number = column.number;
            format!(
                "{file}: {column} has whole numbers that rise from row to row, as an index does; leave it out with \
                 --drop {number}, or pass --drop none to take it"
            )
        });
        let nucleotides = reading.sequences.as_ref().filter(|found| found.nucleotides && self.alphabet.is_none());
        let nucleotides = nucleotides.map(|_| {
            format!(
                "{file}: the sequences have only letters of nucleotides and are read as proteins; pass --alphabet rna or \
                 --alphabet dna, or --alphabet protein if they are proteins"
            )
        });
        first.into_iter().chain(rising).chain(nucleotides).collect()
    }
}

/// The number of units of data that a model takes.
pub(crate) fn data_units(model: &ModelData) -> usize {
    let units = model.stack.bias(0).len();
    match model.visible {
        VisibleKind::Labelled { classes } => units.saturating_sub(classes),
        kind => sites(kind, units),
    }
}

/// What is said of how files were read, as names and texts of lines.
pub(crate) fn lines(readings: &[Reading]) -> Vec<(&'static str, String)> {
    let several = readings.len() > 1;
    let of = |reading: &Reading| {
        let place = if several { format!("{}: ", reading.file) } else { String::new() };
        let mut lines = Vec::new();
        if let Some(line) = &reading.first_line {
            lines.push(match reading.header {
                true => ("header", format!("{place}the first line: {line}")),
                false => ("header", format!("{place}none, the first line is an example: {line}")),
            });
        }
        lines.extend(
            reading.sequences.iter().flat_map(of_sequences).map(|(name, text)| (name, format!("{place}{text}"))),
        );
        lines.extend(reading.labels.iter().map(|column| ("labels", format!("{place}{column}"))));
        lines.extend(reading.left_out.iter().map(|column| ("left out", format!("{place}{column}"))));
        lines.extend(reading.rising.iter().map(|column| {
            ("index?", format!("{place}{column} rises from row to row, as an index does; --drop leaves it out"))
        }));
        lines
    };
    readings.iter().flat_map(of).collect()
}

/// What is said of sequences.
fn of_sequences(found: &SequenceReading) -> Vec<(&'static str, String)> {
    let SequenceReading { alphabet, columns, rows, .. } = *found;
    let share = 100.0 * found.gaps as f64 / (rows * columns).max(1) as f64;
    let mut lines = vec![(
        "sequences",
        format!("{rows} of {columns} columns, {alphabet} {}, {share:.1} % gaps", alphabet.letters()),
    )];
    if found.unknown > 0 {
        let of = format!("{} in {} sequences", found.unknown, found.unknown_rows);
        lines.push(match found.unknown_letters {
            UnknownLetters::Drop => ("unknown letters", format!("{of}, which are left out")),
            _ => ("unknown letters", format!("{of}, read as gaps")),
        });
    }
    if found.inserts > 0 {
        lines.push(("insert columns", format!("left out, with {} letters", found.inserts)));
    }
    if found.lower_case > 0 {
        lines.push(("lower case", format!("{} letters, read as upper-case ones", found.lower_case)));
    }
    lines
}

/// The options with which a table is read again as by `options` and `units`.
pub(crate) fn words(options: &TableOptions, units: Option<usize>) -> Vec<(&'static str, String)> {
    let header = (options.header != Header::Auto).then(|| ("--header", options.header.to_string()));
    let label = options.label.clone().map(|column| ("--label-column", column));
    let drop = options.drop.as_ref().map(|columns| ("--drop", columns.join(",")));
    let units = units.map(|units| ("--sparse-units", units.to_string()));
    let alphabet = options.alphabet.map(|alphabet| ("--alphabet", alphabet.to_string()));
    let inserts = (options.inserts != Inserts::Auto).then(|| ("--inserts", options.inserts.to_string()));
    let unknown = options.unknown_letters;
    let unknown = (unknown != UnknownLetters::Gap).then(|| ("--unknown-letters", unknown.to_string()));
    [header, label, drop, units, alphabet, inserts, unknown].into_iter().flatten().collect()
}
