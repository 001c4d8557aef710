//! Remedies that name the options of the command that runs, and never those of another one.

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use gm_core::FileError;
use gm_data::{Error as Data, Likely};
use gm_sweep::Error as Sweep;
use gm_train::Error as Train;

use crate::error::Error;

/// The options of the command that runs, with the values that were given.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandLine {
    /// Each option with its dashes, and its value if it was given. Values of a list are joined by commas.
    options: Vec<(String, Option<String>)>,
}

impl CommandLine {
    /// The options of the innermost subcommand.
    pub(crate) fn of(mut command: &Command, mut matches: &ArgMatches) -> Self {
        while let Some((name, inner)) = matches.subcommand() {
            let Some(found) = command.find_subcommand(name) else { break };
            (command, matches) = (found, inner);
        }
        let option = |arg: &clap::Arg| {
            let id = arg.get_id().as_str();
            let given = matches.value_source(id) == Some(ValueSource::CommandLine);
            let words = || matches.get_raw(id).into_iter().flatten().map(|word| word.to_string_lossy());
            Some((format!("--{}", arg.get_long()?), given.then(|| words().collect::<Vec<_>>().join(","))))
        };
        Self { options: command.get_arguments().filter_map(option).collect() }
    }

    /// The options of a command, given with these values.
    #[cfg(test)]
    pub(crate) fn with(options: &[(&str, Option<&str>)]) -> Self {
        let owned = |&(name, value): &(&str, Option<&str>)| (name.to_owned(), value.map(str::to_owned));
        Self { options: options.iter().map(owned).collect() }
    }

    /// Whether the command has an option.
    pub(crate) fn has(&self, option: &str) -> bool {
        self.options.iter().any(|(name, _)| name == option)
    }

    /// The value of an option, if it was given.
    pub(crate) fn given(&self, option: &str) -> Option<&str> {
        self.options.iter().find(|(name, _)| name == option)?.1.as_deref()
    }

    /// The given option that sets a parameter of the libraries to a value. An option that was given another number is
    /// not the one.
    pub(crate) fn option_of(&self, parameter: &str, value: &str) -> Option<String> {
        let is_number = value.parse::<f64>().is_ok();
        let sets = |given: &str| !is_number || is_among(value, given);
        options_of(parameter).into_iter().find(|name| self.given(name).is_some_and(sets))
    }

    /// A text of the libraries in which options of the command replace the names of parameters, which stand in
    /// backticks.
    pub(crate) fn in_options(&self, text: &str) -> String {
        replaced(text, |name| options_of(name).into_iter().find(|option| self.has(option)))
    }

    /// The parts of a remedy, which `; ` and `, or ` separate, without those that name an option which the command
    /// lacks. Commands in backticks may have any options.
    fn possible(&self, remedy: &str) -> Option<String> {
        let kept = |text: &str, between: &str, part: &dyn Fn(&str) -> Option<String>| {
            let parts: Vec<String> = text.split(between).filter_map(part).collect();
            (!parts.is_empty()).then(|| parts.join(between))
        };
        let whole = |text: &str| self.has_all_of(text).then(|| text.to_owned());
        kept(remedy, "; ", &|text| kept(text, ", or ", &whole))
    }

    /// Whether the command has all options that a text names outside of commands in backticks.
    fn has_all_of(&self, text: &str) -> bool {
        let prose = text.split('`').enumerate().filter(|(i, part)| i % 2 == 0 || !part.starts_with("dgm "));
        let words = prose.flat_map(|(_, part)| part.split(|c: char| !c.is_ascii_alphanumeric() && c != '-'));
        words.filter(|word| word.starts_with("--")).all(|option| self.has(option))
    }
}

/// Parameters of the libraries, and options that set them under other names.
const OTHER_NAMES: [(&str, &[&str]); 22] = [
    ("beta1", &["--optimiser"]),
    ("beta2", &["--optimiser"]),
    ("classes", &["--label", "--labels"]),
    ("epochs", &["--layer-epochs"]),
    ("epsilon", &["--optimiser"]),
    ("every", &["--look-every"]),
    ("identity", &["--weights"]),
    ("iterations", &["--mean-field-iterations"]),
    ("later_momentum", &["--momentum"]),
    ("later_samples", &["--samples"]),
    ("later_steps", &["--k"]),
    ("momentum", &["--optimiser"]),
    ("patience", &["--early-stopping"]),
    ("runs", &["--ais-runs", "--reverse-runs", "--posterior-runs"]),
    ("samples", &["--backfit-samples"]),
    ("schedule", &["--rate-schedule"]),
    ("seen", &["--posterior"]),
    ("start", &["--extend"]),
    ("steps", &["--k"]),
    ("sweeps", &["--reverse-sweeps"]),
    ("temperatures", &["--ais-temperatures", "--reverse-temperatures", "--posterior-temperatures"]),
    ("tolerance", &["--mean-field-tolerance"]),
];

/// The options that set a parameter of the libraries: the one of the same name, and those of other names.
fn options_of(parameter: &str) -> Vec<String> {
    let others = OTHER_NAMES.iter().filter(|(name, _)| *name == parameter).flat_map(|(_, options)| options.iter());
    let same = format!("--{}", parameter.replace('_', "-"));
    std::iter::once(same).chain(others.map(|&option| option.to_owned())).collect()
}

/// A text of the libraries in which names of options replace the names of parameters, which stand in backticks.
pub(crate) fn in_options(text: &str) -> String {
    replaced(text, |name| options_of(name).into_iter().next())
}

/// A text with other words for some of the words in backticks.
fn replaced(text: &str, word: impl Fn(&str) -> Option<String>) -> String {
    let part = |(i, part): (usize, &str)| match i % 2 {
        0 => part.to_owned(),
        _ => word(part).unwrap_or_else(|| format!("`{part}`")),
    };
    text.split('`').enumerate().map(part).collect()
}

/// Whether a value is one of those that an option was given, as a text or as a number.
fn is_among(value: &str, given: &str) -> bool {
    let same = |word: &str| match (word.parse::<f64>(), value.parse::<f64>()) {
        (Ok(word), Ok(value)) => word == value || word.is_nan() && value.is_nan(),
        _ => word == value,
    };
    given == value || given.split([',', '@']).any(same)
}

/// The remedy for an error, if there is one that names no option which the command lacks.
pub(crate) fn remedy(error: &Error, command: &CommandLine) -> Option<String> {
    let found = match error {
        Error::Exists { remedy, .. } => (*remedy).to_owned(),
        Error::Memory(shortage) => shortage.remedy(command),
        Error::NoModel { .. } => "finish the run with `dgm train --resume RUN`".into(),
        Error::Units { .. } => "give data of the kind that the model was trained on; `dgm data info SPEC` and \
                                `dgm inspect MODEL` show the numbers of units"
            .into(),
        Error::Download { .. } => {
            "run the same command again to continue where it stopped, or name another server with --mirror URL".into()
        }
        Error::Serve(gm_serve::Error::Port { .. }) => "choose another --port, or leave it out for a free one".into(),
        Error::Serve(gm_serve::Error::Absent { .. }) => {
            "train a run first, for instance by `dgm train rbm --data digits`".into()
        }
        Error::Diverged { rate, penalty, .. } => diverged(rate, *penalty, command),
        Error::Core(error) => core(error, command)?,
        Error::Data(error) => data(error)?.into(),
        Error::Side { option, source } => side(option, source)?.into(),
        Error::Train(error) => train(error)?.into(),
        Error::Sweep(error) => sweep(error)?.into(),
        _ => return None,
    };
    command.possible(&found)
}

fn core(error: &gm_core::Error, command: &CommandLine) -> Option<String> {
    match error {
        gm_core::Error::TooLarge { .. } => without_enumeration(command).map(String::from),
        gm_core::Error::NonFinite { .. } => Some("use a lower --learning-rate".into()),
        gm_core::Error::Unknown { what: "data set", .. } => {
            Some("`dgm data list` shows the known data sets; name a file by its path".into())
        }
        gm_core::Error::Param { arg, value, .. } => {
            let do_with = if is_of_tables(arg) { "leave out" } else { "set it with" };
            command.option_of(arg, value).map(|option| format!("{do_with} {option}"))
        }
        _ => None,
    }
}

/// Whether a parameter says how tables are read, which other formats do not need.
fn is_of_tables(arg: &str) -> bool {
    ["header", "label_column", "drop", "alphabet", "inserts", "unknown_letters"].contains(&arg)
}

/// The way around the enumeration that an option asked for.
fn without_enumeration(command: &CommandLine) -> Option<&'static str> {
    let ways = [
        ("--algorithm", "choose another --algorithm, such as pcd"),
        ("--rule", "choose another --rule, such as rws"),
        ("--method", "choose another --method, such as gibbs"),
    ];
    if command.given("--exact").is_some() {
        return Some("leave out --exact for an estimate");
    }
    ways.into_iter().find(|(option, _)| command.given(option) == Some("exact")).map(|(_, remedy)| remedy)
}

/// The remedy for parameters that explode, which names the learning rate that was in force.
fn diverged(rate: &str, penalty: bool, command: &CommandLine) -> String {
    let option = format!("--{}", rate.replace('_', "-"));
    match (command.has(&option), penalty) {
        (true, true) => format!("set them with {option}, --l2 and --max-norm"),
        (true, false) => format!("set it with {option}"),
        (false, _) => format!("change `{rate}` in a copy of its config.toml, and train with `dgm train --config COPY`"),
    }
}

/// The remedy for the file of an option.
fn side(option: &str, error: &Data) -> Option<&'static str> {
    match (option, error) {
        ("--clamp", Data::Missing { .. }) => {
            Some("give any number in its place if the mask says that the unit is free")
        }
        ("--mask", Data::Missing { .. }) => Some("a mask has 1 for a unit that is marked, and 0 for others"),
        _ => None,
    }
}

fn data(error: &Data) -> Option<&'static str> {
    match error {
        Data::NotFound { .. } => {
            Some("name the folder that holds it with --data-dir or DGM_DATA, or fetch it with `dgm data fetch`")
        }
        Data::OutOfRange { likely, .. } => Some(match likely {
            Likely::Header => {
                "pass --header yes for a header; binarise with --binarise threshold:T, or train an rbm, dbm or dbn with \
                 --visible gaussian"
            }
            Likely::Index => {
                "leave an index out with --drop COLUMN; binarise with --binarise threshold:T, or train an rbm, dbm or \
                 dbn with --visible gaussian"
            }
            Likely::Inverted => "leave out --invert",
            _ => "binarise with --binarise threshold:T, or train an rbm, dbm or dbn with --visible gaussian",
        }),
        Data::Missing { row: 1, column: 1, value, .. } if value == "``" => Some(
            "leave out the rows or columns that lack values, or fill them in; if the first line names the columns, pass \
             --header yes",
        ),
        Data::Missing { .. } => Some("leave out the rows or columns that lack values, or fill them in"),
        Data::Cell { expected, .. } if expected.starts_with("a label, a whole number") => {
            Some("if the column holds no labels, pass --label-column none, or leave it out with --drop COLUMN")
        }
        Data::Cell { line: 1, .. } => Some("if the first line names the columns, pass --header yes"),
        Data::Weights { .. } => Some("the file is that of --weights"),
        Data::Sequences { .. } => Some("softmax units take them, as in `dgm train rbm --visible softmax`"),
        Data::Unaligned { .. } => {
            Some("align the sequences first; if lower-case letters and points are insertions, pass --inserts drop")
        }
        Data::Letter { .. } => Some("name the alphabet with --alphabet"),
        Data::GreyLevels { .. } => Some("set it with --binarise"),
        Data::File { source: FileError::WrongKind { found, .. }, .. } if found == "classifier" => {
            Some("use a classifier with `dgm eval`, `dgm infer`, `dgm inspect` and `dgm convert`")
        }
        Data::NoLabels { .. } => Some(
            "give labels as a labels-idx1-ubyte file beside the images, a csv column `label`, an npz array `labels` \
             or the first word of libsvm lines",
        ),
        Data::File { source: FileError::NewerVersion { .. }, .. } => Some("use a newer dgm"),
        Data::TooFewRows { .. } => {
            Some("name the files with --valid and --test, or evaluate a trained model on all rows with --split all")
        }
        Data::OwnRows { .. } => Some("leave out --valid and --test"),
        Data::SeveralSplits { .. } => Some("give a file of one table to --valid and --test"),
        Data::Threshold { .. } => Some("set it with --binarise"),
        _ => None,
    }
}

fn sweep(error: &Sweep) -> Option<&'static str> {
    match error {
        Sweep::OtherSweep { .. } | Sweep::IsRun { .. } => Some("set it with --out DIR"),
        Sweep::NoFigure { .. } => Some("set it with --figure, or with `figure` in the table [sweep] of the sweep file"),
        _ => None,
    }
}

fn train(error: &Train) -> Option<&'static str> {
    match error {
        Train::RunExists { .. } => Some("use --out RUN, or `dgm train --resume RUN`"),
        Train::NoRun { .. } => Some("start a run with `dgm train rbm --data SPEC --out RUN`"),
        Train::OldCheckpoint { .. } => Some("start it anew with `dgm train --config RUN/config.toml --out NEW`"),
        Train::Finished { .. } => {
            Some("for more epochs, raise `epochs` in a copy of its config.toml and pass the copy to --config")
        }
        _ => None,
    }
}
