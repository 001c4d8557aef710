//! `dgm inspect`: describes the parameters of a model.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use gm_core::{ModelData, ModelKind};
use gm_data::{Binarise, SplitName};
use gm_eval::{
    Contacts, ExplainingAway, NamedWeights, Spectrum, TensorStatistics, UnitStatistics, active_units, explaining_away,
    first_layer_filters, named_weights, parameter_count, tensor_statistics, unit_statistics,
};
use gm_sbn::{POSTERIOR_LIMIT, Sbn};
use serde::Serialize;

use super::Context;
use crate::console::watched;
use crate::data::{About, Apart, BINARISE, Beside, Folders, INVERT, Part, Rows, TEST_SPLIT};
use crate::error::{Error, Result};
use crate::files::{Kind, Target};
use crate::model::{self, MODEL};
use crate::output::{Listing, Report, shown, table};
use crate::picture;
use crate::tables::Tables;
use crate::units::filter_shape;

/// Shows a model's shapes, ranges, weight spectrum and filters
///
/// With --data it also counts the active units of each hidden layer: units whose posterior means vary over the rows by
/// more than draws alone explain (a variance above 0.01).
///
/// Models of sequences also have sequence logos of weights (--logos) and scores of contacts between columns (--contacts).
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm inspect model.gm\n  dgm inspect model.gm --filters filters.png\n  \
    dgm inspect model.gm --data digits\n  \
    dgm inspect runs/ww --logos logos.svg\n  \
    dgm inspect runs/ww --data ww.fasta --split all --contacts contacts.csv",
    group = ArgGroup::new("written").args(["filters", "logos", "contacts"]).multiple(true))]
pub(crate) struct Inspect {
    #[arg(help = MODEL)]
    model: PathBuf,
    /// Count the hidden units that these data make active: a built-in name (`digits`), a known set (`mnist`) or the path
    /// of a file or folder
    #[arg(long, value_name = "SPEC", value_parser = super::utf8())]
    data: Option<String>,
    #[command(flatten)]
    apart: Apart,
    #[command(flatten)]
    folders: Folders,
    #[arg(long, value_name = "HOW", requires = "data", help = BINARISE)]
    binarise: Option<Binarise>,
    #[arg(long, requires = "data", help = INVERT)]
    invert: bool,
    #[command(flatten)]
    tables: Tables,
    #[arg(long, requires = "data", help = TEST_SPLIT)]
    split: Option<Part>,
    /// Draw the weights of each unit of the first hidden layer into this .png file
    #[arg(long, value_name = "FILE")]
    filters: Option<PathBuf>,
    /// Draw the weights of the strongest hidden units of a model of sequences into this .svg file, as sequence logos in the
    /// zero-sum gauge
    #[arg(long, value_name = "FILE")]
    logos: Option<PathBuf>,
    /// Write how strongly the columns of a model of sequences depend on each other into this .csv file, the strongest pair
    /// first, in the mean over the rows of --data and without gaps
    #[arg(long, value_name = "FILE", requires = "data")]
    contacts: Option<PathBuf>,
    /// Show the effect of these visible units, such as 0110, on the beliefs in two hidden units of a small sigmoid
    /// belief net
    #[arg(long, value_name = "ROW")]
    posterior: Option<Seen>,
    /// The two hidden units, numbered from 0 from the first hidden layer up [default: the pair whose correlation
    /// changes most]
    #[arg(long, value_name = "I,J", requires = "posterior")]
    causes: Option<Pair>,
    /// Replace the files if they exist
    #[arg(long, requires = "written")]
    force: bool,
}

/// The hidden units of which logos are drawn.
const LOGOS: usize = 20;
/// The weights of a hidden unit that are named.
const NAMED: usize = 5;
/// The hidden units that are listed for people.
const LISTED: usize = 20;

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    model: String,
    visible: String,
    /// The kinds of the hidden units of a harmonium.
    #[serde(skip_serializing_if = "Option::is_none")]
    hidden_units: Option<String>,
    layers: Vec<usize>,
    parameters: usize,
    tensors: Vec<TensorStatistics>,
    spectra: Vec<Spectrum>,
    units: Vec<UnitStatistics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<Active>,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    metadata: std::collections::BTreeMap<String, String>,
    /// The names of the columns of the data, if they had names.
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
    /// The largest weights of each unit of the first hidden layer, by the names of visible units.
    #[serde(skip_serializing_if = "Option::is_none")]
    named_weights: Option<Vec<NamedWeights>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filters: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logos: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contacts: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    posterior: Option<ExplainingAway>,
}

/// The hidden units that tell rows of data apart.
#[derive(Serialize)]
struct Active {
    data: About,
    /// Their number in each hidden layer.
    units: Vec<usize>,
}

/// A row of visible units.
#[derive(Clone, Debug)]
struct Seen(Vec<bool>);

impl std::str::FromStr for Seen {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let bit = |c: char| match c {
            '0' => Ok(false),
            '1' => Ok(true),
            other => Err(format!("`{other}` is not 0 or 1")),
        };
        text.chars().map(bit).collect::<std::result::Result<_, _>>().map(Self)
    }
}

/// Two hidden units.
#[derive(Clone, Copy, Debug)]
struct Pair([usize; 2]);

impl std::str::FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let pair = text.split_once(',').and_then(|(i, j)| Some([i.trim().parse().ok()?, j.trim().parse().ok()?]));
        pair.map(Self).ok_or_else(|| format!("`{text}` is not a pair of numbers such as 0,1"))
    }
}

impl Inspect {
    pub(super) fn run(&self, context: &Context) -> Result<Report> {
        let target = |option, path: &Option<PathBuf>, kind| {
            path.as_ref().map(|path| Target::new((option, path), &[kind], self.force)).transpose()
        };
        let filters = target("--filters", &self.filters, Kind::Png)?;
        let drawn = target("--logos", &self.logos, Kind::Svg)?;
        let contacts = target("--contacts", &self.contacts, Kind::Csv)?;
        let data = model::load_data(&self.model)?;
        if let Some(target) = filters {
            let weights = first_layer_filters(&data);
            let shape = filter_shape(data.visible, picture::shape_of(weights.nrows(), None), weights.nrows());
            target.write_picture(&picture::filters(&weights, shape, None))?;
        }
        if let Some(target) = drawn {
            let logos = picture::logos(&data, LOGOS).ok_or_else(|| of_sequences("--logos", &data))?;
            target.write_text(&picture::logo_file(&logos))?;
        }
        let posterior = self.posterior.as_ref().map(|seen| self.explain(&data, seen)).transpose()?;
        let active = match &self.data {
            Some(spec) => Some(self.over_rows(spec, &data, (contacts, context))?),
            None => None,
        };
        let document = Document {
            schema: "gm-inspect/1",
            model: data.kind.to_string(),
            visible: data.visible_name(),
            hidden_units: data.hidden_name(),
            layers: data.stack.layers(),
            parameters: parameter_count(&data),
            tensors: tensor_statistics(&data),
            spectra: (0..data.stack.depth()).map(|l| Spectrum::new(l, data.stack.weights(l))).collect(),
            units: unit_statistics(&data),
            active,
            metadata: data.metadata.clone().into_iter().filter(|(key, _)| key != "columns").collect(),
            columns: data.columns(),
            named_weights: named_weights(&data, NAMED),
            filters: self.filters.as_deref().map(shown),
            logos: self.logos.as_deref().map(shown),
            contacts: self.contacts.as_deref().map(shown),
            posterior,
        };
        Report::new(document.text(), &document)
    }

    /// Counts the active units of each hidden layer over rows of data, and writes contacts.
    fn over_rows(
        &self,
        spec: &str,
        data: &ModelData,
        (contacts, context): (Option<Target>, &Context),
    ) -> Result<Active> {
        if data.kind == ModelKind::Classifier {
            let (value, allowed) =
                (data.kind.noun().into(), "a generative model, whose hidden units have a posterior".into());
            return Err(Error::Option { option: "--data", value, allowed });
        }
        let model = model::of_data(data.clone(), &self.model)?;
        let (apart, folders, tables) = (self.apart.clone(), self.folders.clone(), self.tables.clone());
        let rows = Rows {
            data: spec.into(),
            apart,
            folders,
            binarise: self.binarise,
            invert: self.invert,
            tables,
            beside: Beside::default(),
        };
        let part = self.split.unwrap_or(Part::Split(SplitName::Test));
        let examples = rows.load_for(&model, &self.model, part)?;
        if examples.rows.samples() < 2 {
            let (value, allowed) = ("one row".into(), "two rows or more, between which units can vary".into());
            return Err(Error::Option { option: "--data", value, allowed });
        }
        if let Some(target) = contacts {
            let gap = data.alphabet().and_then(|letters| letters.find('-'));
            let found = Contacts::new(&model, &examples.rows, gap).map_err(|_| of_sequences("--contacts", data))?;
            target.write_text(&listed(&found))?;
        }
        let units = watched("sampling", |watch| Ok(active_units(&model, &examples.rows, &context.streams(), watch)?))?;
        Ok(Active { data: examples.about, units })
    }

    fn explain(&self, data: &ModelData, seen: &Seen) -> Result<ExplainingAway> {
        if data.kind != ModelKind::Sbn {
            let (value, allowed) = (data.kind.noun().into(), "an sbn, whose causes compete".into());
            return Err(Error::Option { option: "--posterior", value, allowed });
        }
        let hidden: usize = data.stack.layers()[1..].iter().sum();
        if hidden > POSTERIOR_LIMIT {
            let (value, allowed) = (
                format!("an sbn of {hidden} hidden units"),
                format!("one of at most {POSTERIOR_LIMIT}, whose joint posterior is enumerated"),
            );
            return Err(Error::Option { option: "--posterior", value, allowed });
        }
        let causes = self.causes.map(|Pair(causes)| causes);
        Ok(explaining_away(&Sbn::from_data(data.clone())?, &seen.0, causes)?)
    }
}

/// Refuses an option for a model that does not know sequences.
fn of_sequences(option: &'static str, data: &ModelData) -> Error {
    let value = format!("{} with {} visible units", data.kind.noun(), data.visible_name());
    let allowed = match option {
        "--logos" => "an rbm, dbm or harmonium with softmax visible units that was trained on sequences",
        _ => "an rbm or harmonium with softmax visible units",
    };
    Error::Option { option, value, allowed: allowed.into() }
}

/// The pairs of columns, counted from 1, with the highest score first.
fn listed(contacts: &Contacts) -> String {
    let columns = contacts.scores.nrows();
    let mut pairs: Vec<_> = (0..columns).flat_map(|i| (i + 1..columns).map(move |j| (i, j))).collect();
    pairs.sort_by(|&a, &b| contacts.scores[b].total_cmp(&contacts.scores[a]));
    let line = |&(i, j): &(usize, usize)| {
        format!("{},{},{},{}\n", i + 1, j + 1, contacts.scores[(i, j)], contacts.norms[(i, j)])
    };
    "first,second,score,norm\n".to_string() + &pairs.iter().map(line).collect::<String>()
}

impl Document {
    fn text(&self) -> String {
        let mut head = Listing::default();
        head.add("model", &self.model);
        head.add("visible units", &self.visible);
        if let Some(hidden) = &self.hidden_units {
            head.add("hidden units", hidden);
        }
        head.add("layers", format!("{:?}", self.layers));
        head.add("parameters", self.parameters);
        for (key, value) in &self.metadata {
            head.add(key, value);
        }
        if let Some(Active { data, .. }) = &self.active {
            head.add("active over", format!("{} rows of the {} split of {}", data.rows, data.split, data.source));
        }
        for (name, path) in [("filters", &self.filters), ("logos", &self.logos), ("contacts", &self.contacts)] {
            if let Some(path) = path {
                head.add(name, path);
            }
        }
        if let Some(explained) = &self.posterior {
            let [i, j] = explained.causes;
            head.add("hidden units", format!("{i} and {j}"));
            for (when, belief) in [("before", &explained.before), ("after", &explained.after)] {
                let ([p, q], correlation) = (belief.means, belief.correlation);
                head.add(when, format!("on with {p:.4} and {q:.4}, correlation {correlation:+.4}"));
            }
        }
        let units = if self.units.is_empty() { String::new() } else { self.unit_table() + "\n" };
        head.text() + "\n" + &self.tensor_table() + "\n" + &units + &self.spectrum_lines() + &self.named_lines()
    }

    /// The visible units to which the strongest hidden units are tied.
    fn named_lines(&self) -> String {
        let Some(units) = &self.named_weights else { return String::new() };
        let mut rows = vec![["hidden unit", "largest weights"].map(String::from).to_vec()];
        rows.extend(units.iter().take(LISTED).map(|unit| {
            let weights = unit.weights.iter().map(|(name, weight)| format!("{name} {weight:+.2}"));
            vec![unit.hidden.to_string(), weights.collect::<Vec<_>>().join(", ")]
        }));
        format!("\n{}", table(&rows))
    }

    fn tensor_table(&self) -> String {
        let mut rows = vec![["tensor", "shape", "min", "max", "mean", "rms"].map(String::from).to_vec()];
        for t in &self.tensors {
            let numbers = [f64::from(t.min), f64::from(t.max), t.mean, t.rms].map(|x| format!("{x:.4}"));
            rows.push([t.name.clone(), format!("{:?}", t.shape)].into_iter().chain(numbers).collect());
        }
        table(&rows)
    }

    fn unit_table(&self) -> String {
        let mut rows = vec![["layer", "units", "dead", "always off", "always on"].map(String::from).to_vec()];
        rows.extend(
            self.units
                .iter()
                .map(|u| [u.layer, u.units, u.dead, u.always_off, u.always_on].map(|x| x.to_string()).to_vec()),
        );
        if let Some(active) = &self.active {
            let cells = ["active".into(), "-".into()].into_iter().chain(active.units.iter().map(usize::to_string));
            rows.iter_mut().zip(cells).for_each(|(row, cell)| row.push(cell));
        }
        table(&rows)
    }

    fn spectrum_lines(&self) -> String {
        let line = |s: &Spectrum| {
            let first: Vec<String> = s.singular_values.iter().take(8).map(|x| format!("{x:.3}")).collect();
            let dots = if s.singular_values.len() > 8 { " ..." } else { "" };
            format!("{} singular values {}{dots}, effective rank {:.1}\n", s.name, first.join(" "), s.effective_rank)
        };
        self.spectra.iter().map(line).collect()
    }
}
