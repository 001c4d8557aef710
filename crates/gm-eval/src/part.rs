//! Parts of an evaluation, measured apart and merged into one report.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write;
use std::time::Instant;

use gm_core::{Batch, Schedule, Watch};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::likelihood::{Numbers, Shards, measure};
use crate::model::Model;
use crate::report::{DataReport, EvalReport};
use crate::rows::EvalData;
use crate::settings::EvalSettings;
use crate::share::Share;

/// The schema of a part.
const SCHEMA: &str = "gm-eval-part/1";

/// A part of an evaluation: the log-weights of its runs and rows, and what they belong to. It serialises to the JSON
/// document `gm-eval-part/1`.
///
/// # Examples
///
/// ```
/// use gm_core::{AisSettings, BitMatrix, Schedule, Stack, unwatched};
/// use gm_eval::{EvalData, EvalSettings, Exact, Model, evaluate_part};
///
/// let model = Model::Rbm(gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?);
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let ais = AisSettings { runs: 10, schedule: Schedule::Linear(5) };
/// let settings = EvalSettings { exact: Exact::No, ais, ..Default::default() };
/// let part = evaluate_part(&model, &data, &settings, "2/5".parse()?, &mut unwatched)?;
/// let runs = part.numbers("ais");
/// assert_eq!(runs.len(), 2); // of 10
/// assert!((runs[0] - 7.0 * 2.0_f64.ln()).abs() < 1e-9); // log Z
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvalPart {
    schema: String,
    /// The number of this part, from 1.
    part: usize,
    /// The number of parts.
    of: usize,
    model: ModelMark,
    data: DataReport,
    data_sha256: String,
    settings: BTreeMap<String, String>,
    shards: Vec<ShardNumbers>,
    /// Seconds of computation.
    seconds: f64,
    /// Threads in use.
    threads: usize,
    /// The name in errors.
    #[serde(skip)]
    name: Option<String>,
}

/// The model of a part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ModelMark {
    kind: String,
    layers: Vec<usize>,
    sha256: String,
}

/// The numbers of one shard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct ShardNumbers {
    shard: usize,
    #[serde(flatten)]
    tasks: BTreeMap<String, Vec<Number>>,
}

/// A number. In JSON, one that is not finite is a text.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self.0.is_finite() {
            true => serializer.serialize_f64(self.0),
            false => serializer.collect_str(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Finite(f64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Finite(number) => Ok(Self(number)),
            Written::Text(text) => text.parse().map(Self).map_err(serde::de::Error::custom),
        }
    }
}

impl EvalPart {
    /// What the numbers depend on.
    fn new(model: &Model, data: &EvalData, settings: &EvalSettings, share: Share) -> Result<Self> {
        let mark =
            ModelMark { kind: model.kind().to_string(), layers: model.layers(), sha256: digest_of_model(model)? };
        Ok(Self {
            schema: SCHEMA.into(),
            part: share.part,
            of: share.of,
            model: mark,
            data: DataReport::of(data),
            data_sha256: digest_of_data(data),
            settings: named(settings),
            shards: vec![],
            seconds: 0.0,
            threads: rayon::current_num_threads(),
            name: None,
        })
    }

    /// The part with the name that errors give it, such as that of its file.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Which part it is.
    #[must_use]
    pub fn share(&self) -> Share {
        Share { part: self.part, of: self.of }
    }

    /// Seconds of computation.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// The tasks that have numbers.
    #[must_use]
    pub fn tasks(&self) -> BTreeSet<&str> {
        self.shards.iter().flat_map(|shard| shard.tasks.keys().map(String::as_str)).collect()
    }

    /// The shards that have numbers, counted from 0.
    #[must_use]
    pub fn shards(&self) -> Vec<usize> {
        self.shards.iter().map(|shard| shard.shard).collect()
    }

    /// The numbers of a task, shard after shard:
    ///
    /// - `ais` and `reverse_ais`, the estimate of log Z from each run; in `reverse_ais` the shares of accepted swaps of
    ///   parallel tempering follow those of each shard.
    /// - `raise`, log Z as seen from a row by each run.
    /// - `importance`, of each row the importance-weighted bound (of each repeat and the ELBO for SBN and DBN), errors and
    ///   effective sample sizes.
    /// - `posterior`, of each row the annealed bound, its error and the effective sample size.
    /// - `gap`, the gap of each row that was drawn from the model.
    #[must_use]
    pub fn numbers(&self, task: &str) -> Vec<f64> {
        let of_task = self.shards.iter().filter_map(|shard| shard.tasks.get(task));
        of_task.flatten().map(|number| number.0).collect()
    }

    /// Refuses a part that another model, other data or other settings have made.
    fn check(&self, expected: &Self) -> Result<()> {
        let name = self.name.clone().unwrap_or(format!("part {}", self.share()));
        let same = |what: &'static str, found: String, expected: String| match found == expected {
            true => Ok(()),
            false => Err(Error::setting("merge_parts", "parts", format!("{name} with {what} {found}"), expected)),
        };
        same("schema", self.schema.clone(), expected.schema.clone())?;
        same("a model", self.model.to_string(), expected.model.to_string())?;
        same("data", self.described_data(), expected.described_data())?;
        for (setting, value) in &expected.settings {
            let found = self.settings.get(setting).map_or("absent", String::as_str);
            same("the setting", format!("{setting} = {found}"), format!("{setting} = {value}"))?;
        }
        same("a number of parts", self.of.to_string(), expected.of.to_string())
    }

    fn described_data(&self) -> String {
        let DataReport { source, split, rows, binarise } = &self.data;
        let digest = self.data_sha256.get(..12).unwrap_or_default();
        format!("{source}, {split} split, {rows} rows, binarise {binarise}, SHA-256 {digest}")
    }
}

impl fmt::Display for ModelMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}, SHA-256 {}", self.kind, self.layers, self.sha256.get(..12).unwrap_or_default())
    }
}

/// Measures a part of the likelihood: the runs and rows of its shards. [`merge_parts`] makes one report of all parts.
///
/// Settings with a single shard get as many shards as there are parts. What takes little time is computed when the parts
/// are merged.
///
/// # Errors
///
/// The errors of [`evaluate`](crate::evaluate); [`Error::Setting`] for fewer shards than parts, and for a likelihood
/// without runs or draws to divide.
///
/// # Examples
///
/// ```
/// use gm_core::{AisSettings, BitMatrix, Schedule, Stack, unwatched};
/// use gm_eval::{EvalData, EvalSettings, Exact, Model, Share, evaluate, evaluate_part, merge_parts};
///
/// let model = Model::Rbm(gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?);
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let ais = AisSettings { runs: 10, schedule: Schedule::Linear(5) };
/// let mut settings = EvalSettings { exact: Exact::No, ais, ..Default::default() };
/// let part = |part| evaluate_part(&model, &data, &settings, Share { part, of: 2 }, &mut unwatched);
/// let merged = merge_parts(&model, &data, &settings, &[part(1)?, part(2)?], &mut unwatched)?;
/// // The same bits as in one process with as many shards.
/// settings.shards = 2;
/// assert_eq!(merged.mean_log_prob, evaluate(&model, &data, &settings, &mut unwatched)?.mean_log_prob);
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn evaluate_part(
    model: &Model,
    data: &EvalData,
    settings: &EvalSettings,
    share: Share,
    watch: Watch<'_>,
) -> Result<EvalPart> {
    const OP: &str = "evaluate_part";
    let began = Instant::now();
    let settings = with_shards(OP, settings, share.of)?;
    let mut part = EvalPart::new(model, data, &settings, share)?;
    let own = share.shards(settings.shards);
    let mut shards = Shards::part(settings.shards, settings.seed, own);
    // The report has zeros in place of the numbers of other parts, and says nothing.
    measure(model, data, &settings, &mut shards, watch)?;
    let number = |(task, numbers): (String, Vec<f64>)| (task, numbers.into_iter().map(Number).collect());
    let of_shard =
        |(shard, numbers): (usize, Numbers)| ShardNumbers { shard, tasks: numbers.into_iter().map(number).collect() };
    part.shards = shards.into_numbers().into_iter().map(of_shard).collect();
    if part.shards.is_empty() {
        let value = format!("{share} of a likelihood that is exact");
        return Err(Error::setting(OP, "share", value, "a likelihood with runs or draws to divide"));
    }
    part.seconds = began.elapsed().as_secs_f64();
    Ok(part)
}

/// The report of an evaluation whose parts were measured apart.
///
/// It equals that of one process with the same number of shards, bit for bit, but for `seconds`, which is the sum over the
/// parts, and `threads`.
///
/// # Errors
///
/// [`Error::Setting`] when a part is missing or there twice, or when it belongs to another model, other data, other settings
/// or another number of parts; and the errors of [`evaluate`](crate::evaluate).
///
/// # Examples
///
/// See [`evaluate_part`].
///
/// ```
/// use gm_core::{BitMatrix, Stack, unwatched};
/// use gm_eval::{EvalData, EvalSettings, Model, merge_parts};
///
/// let model = Model::Rbm(gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?);
/// let data = EvalData::from_rows("zeros", BitMatrix::zeros(4, 10));
/// let error = merge_parts(&model, &data, &EvalSettings::default(), &[], &mut unwatched).unwrap_err();
/// assert_eq!(error.to_string(), "merge_parts: `parts` is empty, allowed: every part of one evaluation");
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub fn merge_parts(
    model: &Model,
    data: &EvalData,
    settings: &EvalSettings,
    parts: &[EvalPart],
    watch: Watch<'_>,
) -> Result<EvalReport> {
    let Some(first) = parts.first() else { return Err(refused("empty".into())) };
    let settings = with_shards("merge_parts", settings, first.of)?;
    let expected = EvalPart::new(model, data, &settings, first.share())?;
    for part in parts {
        part.check(&expected)?;
    }
    complete(parts, first.of)?;
    let numbers = parts.iter().flat_map(|part| &part.shards).map(|shard| {
        let numbers = |(task, numbers): (&String, &Vec<Number>)| (task.clone(), numbers.iter().map(|n| n.0).collect());
        (shard.shard, shard.tasks.iter().map(numbers).collect())
    });
    let numbers: BTreeMap<usize, Numbers> = numbers.collect();
    let mut report =
        measure(model, data, &settings, &mut Shards::kept(settings.shards, settings.seed, &numbers), watch)?;
    report.seconds += parts.iter().map(|part| part.seconds).sum::<f64>();
    Ok(report)
}

/// Refuses parts of which one is missing or there twice.
fn complete(parts: &[EvalPart], of: usize) -> Result<()> {
    let count = |part: usize| parts.iter().filter(|found| found.part == part).count();
    let named = |wanted: &dyn Fn(usize) -> bool| {
        (1..=of).filter(|&part| wanted(count(part))).map(|part| format!("{part}/{of}")).collect::<Vec<_>>().join(", ")
    };
    let (missing, twice) = (named(&|count| count == 0), named(&|count| count > 1));
    match (missing.as_str(), twice.as_str()) {
        ("", "") => Ok(()),
        ("", _) => Err(refused(format!("several times part {twice}"))),
        _ => Err(refused(format!("without part {missing}"))),
    }
}

fn refused(value: String) -> Error {
    Error::setting("merge_parts", "parts", value, "every part of one evaluation")
}

/// The settings with at least as many shards as there are parts.
fn with_shards(op: &'static str, settings: &EvalSettings, parts: usize) -> Result<EvalSettings> {
    let shards = if settings.shards == 1 { parts } else { settings.shards };
    let settings = EvalSettings { shards, ..settings.clone() };
    settings.check_shards(op)?;
    match shards < parts {
        true => Err(Error::setting(op, "shards", shards, format!("{parts} or more, one for each part"))),
        false => Ok(settings),
    }
}

/// All settings by name.
fn named(settings: &EvalSettings) -> BTreeMap<String, String> {
    let EvalSettings { exact, ais, raise_walks, reverse_runs, tempering, bound, posterior, gap_rows, shards, seed } =
        settings;
    let temperatures = match &ais.schedule {
        Schedule::Custom(betas) => format!("{betas:?}"),
        other => other.count().to_string(),
    };
    let pairs = [
        ("exact", format!("{exact:?}").to_lowercase()),
        ("ais_runs", ais.runs.to_string()),
        ("ais_temperatures", temperatures),
        ("ais_schedule", ais.schedule.name().into()),
        ("raise_walks", raise_walks.to_string()),
        ("reverse_runs", reverse_runs.to_string()),
        ("reverse_temperatures", tempering.temperatures.to_string()),
        ("reverse_sweeps", tempering.sweeps.to_string()),
        ("samples", bound.samples.to_string()),
        ("repeats", bound.repeats.to_string()),
        ("posterior_runs", posterior.runs.to_string()),
        ("posterior_temperatures", posterior.temperatures.to_string()),
        ("posterior_rows", posterior.rows.to_string()),
        ("gap_rows", gap_rows.to_string()),
        ("shards", shards.to_string()),
        ("seed", seed.to_string()),
    ];
    pairs.map(|(name, value)| (name.into(), value)).into()
}

fn digest_of_model(model: &Model) -> Result<String> {
    let mut digest = Digesting(Sha256::new());
    model.to_data()?.write(&mut digest)?;
    Ok(digest.hex())
}

fn digest_of_data(data: &EvalData) -> String {
    let mut digest = Digesting(Sha256::new());
    let EvalData { source: _, split: _, binarise: _, rows, train_means, train_rows } = data;
    for batch in [Some(rows), train_rows.as_ref()] {
        digest.number(batch.map_or(0, |batch| batch.samples() as u64));
        match batch {
            Some(Batch::Bits(bits)) => bits.words().iter().for_each(|&word| digest.number(word)),
            Some(Batch::Reals(reals)) => reals.iter().for_each(|x| digest.number(u64::from(x.to_bits()))),
            None => {}
        }
    }
    train_means.iter().flatten().for_each(|x| digest.number(u64::from(x.to_bits())));
    digest.hex()
}

/// A digest to which files are written.
struct Digesting(Sha256);

impl Digesting {
    fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    fn hex(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Write for Digesting {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
