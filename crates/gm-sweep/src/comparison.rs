//! Runs side by side: the settings in which they differ, and their figures in order.

use std::collections::{BTreeMap, BTreeSet};

use gm_core::ModelKind;
use gm_train::StopOn;
use serde::{Serialize, Serializer};
use toml::Value;

use crate::error::{Error, Result};
use crate::evaluation::Evaluation;
use crate::figure::{Figure, Mark};
use crate::record::{RunRecord, RunState};
use crate::sweep::WITHOUT_EFFECT;

/// Runs side by side; serialises to the JSON document `gm-compare/1`.
///
/// Runs are ranked by a figure of validation rows, the best first, within groups of the same data and kind of model:
/// figures of other rows, or on another side of the truth, say nothing about which model is better.
///
/// # Examples
///
/// ```
/// use gm_sweep::{Comparison, Figure, RunRecord};
/// use gm_train::{Config, ModelConfig, RbmSettings, Run, Unobserved};
///
/// let folder = tempfile::tempdir()?;
/// for hidden in [1, 4] {
///     let rbm = RbmSettings { hidden, epochs: 60, batch_size: 4, chains: 10, learning_rate: 0.3, ..Default::default() };
///     let config = Config::new("bars-and-stripes:2", ModelConfig::Rbm(rbm));
///     Run::create(folder.path().join(hidden.to_string()), &config)?.train(&mut Unobserved)?;
/// }
/// let comparison = Comparison::of(RunRecord::all(&[folder.path().into()])?, None)?;
/// assert_eq!(comparison.settings, ["model.hidden"]);
/// let group = &comparison.groups[0];
/// assert_eq!((group.figure, group.rows[0].record.name.as_str()), (Some(Figure::LogLikelihood), "4"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// `gm-compare/1`.
    pub schema: &'static str,
    /// The dotted keys of the settings in which runs differ.
    pub settings: Vec<String>,
    /// The runs that can be ranked among each other.
    pub groups: Vec<Group>,
    /// What a reader of the figures should know.
    pub notes: Vec<String>,
}

/// Runs of the same data and kind of model.
///
/// # Examples
///
/// ```
/// use gm_sweep::{Comparison, Group};
///
/// /// The names of the runs of a group, the best first.
/// fn names(group: &Group) -> Vec<&str> {
///     group.rows.iter().map(|row| row.record.name.as_str()).collect()
/// }
/// assert!(Comparison::of(vec![], None)?.groups.iter().map(names).next().is_none());
/// # Ok::<(), gm_sweep::Error>(())
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Group {
    /// The data, and how they are read.
    pub data: String,
    /// The kind of model.
    pub model: String,
    /// The figure by which the runs are ranked; `None` if they have none in common.
    pub figure: Option<Figure>,
    /// The runs, the best first; those that have failed or have no figure come last.
    #[serde(rename = "runs")]
    pub rows: Vec<Row>,
}

/// A run of a comparison.
///
/// # Examples
///
/// ```
/// use gm_sweep::{Comparison, Row};
///
/// /// The epochs that a run has made since its best one.
/// fn late(row: &Row) -> Option<u64> {
///     Some(row.last?.epoch - row.best?.epoch)
/// }
/// let rows = Comparison::of(vec![], None)?.groups.into_iter().flat_map(|group| group.rows);
/// assert_eq!(rows.filter_map(|row| late(&row)).max(), None);
/// # Ok::<(), gm_sweep::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Row {
    /// The run.
    pub record: RunRecord,
    /// Its settings, of those in which runs differ.
    pub settings: BTreeMap<String, Value>,
    /// The best value of the group's figure.
    pub best: Option<Mark>,
    /// The last value of the group's figure.
    pub last: Option<Mark>,
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Document<'a> {
            run: String,
            name: &'a str,
            state: RunState,
            #[serde(skip_serializing_if = "Option::is_none")]
            reason: Option<&'a str>,
            settings: &'a BTreeMap<String, Value>,
            #[serde(skip_serializing_if = "Option::is_none")]
            best: Option<Mark>,
            #[serde(skip_serializing_if = "Option::is_none")]
            last: Option<Mark>,
            epochs: u64,
            seconds: f64,
            evaluations: &'a [Evaluation],
        }
        let (record, settings) = (&self.record, &self.settings);
        Document {
            run: record.folder.display().to_string(),
            name: &record.name,
            state: record.state,
            reason: record.reason.as_deref(),
            settings,
            best: self.best,
            last: self.last,
            epochs: record.epochs(),
            seconds: record.seconds(),
            evaluations: &record.evaluations,
        }
        .serialize(serializer)
    }
}

impl Comparison {
    /// Compares runs by a figure, or by the best figure that the runs of a group have in common.
    ///
    /// # Errors
    ///
    /// [`Error::NoFigure`] if no run has the figure.
    pub fn of(records: Vec<RunRecord>, figure: Option<Figure>) -> Result<Self> {
        check_figure(&records, figure)?;
        let settings = differences(&records);
        // A run that could not begin stands with those that could.
        let first = records.iter().find_map(key).unwrap_or(("unknown".into(), ModelKind::Rbm));
        let mut keys: Vec<(String, ModelKind)> = Vec::new();
        let mut members: Vec<Vec<RunRecord>> = Vec::new();
        for record in records {
            let key = key(&record).unwrap_or_else(|| first.clone());
            let place = keys.iter().position(|known| *known == key).unwrap_or_else(|| {
                keys.push(key);
                members.push(vec![]);
                keys.len() - 1
            });
            members[place].push(record);
        }
        let groups = keys.into_iter().zip(members);
        let groups: Vec<Group> = groups.map(|(key, members)| group(key, members, figure, &settings)).collect();
        let notes = notes(&groups);
        Ok(Self { schema: "gm-compare/1", settings, groups, notes })
    }

    /// The best run, if all runs can be ranked among each other and one has a figure.
    #[must_use]
    pub fn leader(&self) -> Option<&Row> {
        let [group] = &self.groups[..] else { return None };
        group.rows.first().filter(|row| row.is_ranked())
    }

    /// The rows that runs were evaluated on, with the names of the files.
    #[must_use]
    pub fn evaluations(&self) -> Vec<&Evaluation> {
        let rows = self.groups.iter().flat_map(|group| &group.rows);
        let mut found: Vec<&Evaluation> = rows.flat_map(|row| &row.record.evaluations).collect();
        found.sort_by_key(|evaluation| (&evaluation.data, &evaluation.file, evaluation.figure));
        found.dedup_by(|a, b| a.is_like(b));
        found
    }
}

impl Row {
    /// Whether the run has a rank.
    #[must_use]
    pub fn is_ranked(&self) -> bool {
        self.best.is_some() && self.record.state != RunState::Failed
    }
}

impl Evaluation {
    /// Whether another evaluation has the same rows, figure and name.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.data, &self.file, self.figure) == (&other.data, &other.file, other.figure)
    }
}

/// Refuses a figure that no run has.
fn check_figure(records: &[RunRecord], figure: Option<Figure>) -> Result<()> {
    let Some(figure) = figure else { return Ok(()) };
    let mut begun = records.iter().filter_map(|record| Some((record, record.history.last()?)));
    match begun.clone().next() {
        Some((first, line)) if !begun.any(|(_, line)| figure.is_in(line)) => Err(Error::NoFigure {
            folder: first.folder.clone(),
            figure: figure.to_string(),
            known: Figure::known(line),
        }),
        _ => Ok(()),
    }
}

/// What must be the same for figures to be compared: the data and how they are read, and the kind of model.
fn key(record: &RunRecord) -> Option<(String, ModelKind)> {
    const LEFT_OUT: [&str; 5] = ["data.spec", "data.test", "data.data_dir", "data.cache_dir", "data.weights"];
    let settings = &record.settings;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let visible = ["model.visible", "model.labels"];
    let shown = settings.iter().filter(|(key, value)| match key.as_str() {
        key if LEFT_OUT.contains(&key) => false,
        key if visible.contains(&key) => !["bernoulli", "false"].contains(&text(value).as_str()),
        key => key.starts_with("data."),
    });
    let spec = settings.get("data.spec").map(text).unwrap_or_default();
    let parts = shown.map(|(key, value)| format!(", {} {}", key.rsplit('.').next().unwrap_or_default(), text(value)));
    let data = std::iter::once(spec).chain(parts).collect();
    Some((data, record.config.as_ref()?.model.settings().kind()))
}

/// The keys of the settings in which runs differ. A setting that only another kind of model has is no difference.
fn differences(records: &[RunRecord]) -> Vec<String> {
    let begun = records.iter().filter(|record| record.config.is_some());
    let mut kinds: BTreeMap<&str, Vec<&RunRecord>> = BTreeMap::new();
    for record in begun.clone() {
        let kind = record.settings.get("model.kind").and_then(Value::as_str).unwrap_or_default();
        kinds.entry(kind).or_default().push(record);
    }
    let keys: BTreeSet<&String> = records.iter().flat_map(|record| record.settings.keys()).collect();
    let differ = |runs: &[&RunRecord], key: &str| {
        runs.windows(2).any(|pair| pair[0].settings.get(key) != pair[1].settings.get(key))
    };
    let all: Vec<&RunRecord> = begun.collect();
    // Of a run that could not begin only the settings of its sweep are known.
    let unbegun = |key: &str| {
        let known = records.iter().filter(|run| run.config.is_none()).filter_map(|run| run.settings.get(key)).next();
        known.is_some_and(|value| all.iter().any(|run| run.settings.get(key) != Some(value)))
    };
    let shown = |key: &&&String| {
        let shared = all.iter().all(|run| run.settings.contains_key(key.as_str()));
        !WITHOUT_EFFECT.contains(&key.as_str())
            && (kinds.values().any(|runs| differ(runs, key)) || shared && differ(&all, key) || unbegun(key))
    };
    keys.iter().filter(shown).map(|key| (*key).clone()).collect()
}

/// The runs of a group, in order.
fn group(
    (data, kind): (String, ModelKind),
    members: Vec<RunRecord>,
    figure: Option<Figure>,
    settings: &[String],
) -> Group {
    let judged = members.iter().filter(|record| record.state != RunState::Failed);
    let histories: Vec<_> = judged.map(|record| &record.history[..]).collect();
    let figure = figure.or_else(|| Figure::common(kind, &histories));
    let row = |record: RunRecord| {
        let value = |key: &String| Some((key.clone(), record.settings.get(key)?.clone()));
        let settings = settings.iter().filter_map(value).collect();
        let best = figure.and_then(|figure| figure.best(&record.history, u64::MAX));
        let last = figure.and_then(|figure| record.course(figure).pop());
        Row { record, settings, best, last }
    };
    let mut rows: Vec<Row> = members.into_iter().map(row).collect();
    let score = |row: &Row| {
        let value = row.best.filter(|_| row.is_ranked()).zip(figure);
        value.map_or(f64::NEG_INFINITY, |(best, figure)| figure.score(best.value))
    };
    rows.sort_by(|a, b| score(b).total_cmp(&score(a)));
    Group { data, model: kind.to_string(), figure, rows }
}

/// What a reader of the figures should know.
fn notes(groups: &[Group]) -> Vec<String> {
    let mut notes = Vec::new();
    let data: BTreeSet<&str> = groups.iter().map(|group| group.data.as_str()).collect();
    if data.len() > 1 {
        let data: Vec<&str> = data.into_iter().collect();
        notes.push(format!("the runs learn from different data and are ranked apart: {}", data.join("; ")));
    }
    let kinds: BTreeSet<&str> = groups.iter().map(|group| group.model.as_str()).collect();
    if kinds.len() > 1 {
        let kinds: Vec<&str> = kinds.into_iter().collect();
        notes.push(format!(
            "kinds of models are ranked apart, since their figures lie on different sides of the truth: {}",
            kinds.join(", ")
        ));
    }
    for group in groups {
        notes.extend(doubts(group));
    }
    notes
}

/// Reasons not to trust the order of a group, or its first run.
fn doubts(group: &Group) -> Vec<String> {
    let Some(first) = group.rows.first().filter(|row| row.is_ranked()) else { return vec![] };
    let (name, mut found) = (&first.record.name, vec![]);
    let mut measure =
        |why: &str| found.push(format!("{why}: measure the first runs on validation rows before you choose"));
    if group.rows.iter().any(|row| row.is_ranked() && row.best.is_some_and(|best| best.estimated)) {
        measure("log-likelihoods marked `about` have a quick estimate of log Z and may be too high");
    }
    match group.figure {
        Some(Figure::Reconstruction) => measure("a reconstruction error says little of the likelihood"),
        Some(Figure::PseudoLikelihood) => measure("pseudo-likelihoods of different models cannot be compared"),
        _ => {}
    }
    let config = first.record.config.as_ref();
    if config.is_some_and(|config| config.data.learn_validation) {
        found.push("the validation rows were learnt from, so that their figures cannot choose a run".into());
    }
    let keeps_the_last = config.is_some_and(|config| config.monitor.stop_on == StopOn::Never);
    let late = first.best.zip(first.last).filter(|(best, last)| keeps_the_last && best.epoch < last.epoch);
    found.extend(late.map(|(best, last)| {
        let (best, last) = (best.epoch, last.epoch);
        format!("the best epoch of {name} is {best}, its model is that of epoch {last}; `monitor.stop_on` keeps the best one")
    }));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_train::Config;
    use serde_json::json;

    fn record(name: &str, text: &str, state: RunState, figures: &[(u64, f64)]) -> RunRecord {
        let config = Config::parse(text).unwrap();
        let settings = crate::keys::flatten(&config.to_toml().parse().unwrap());
        let line = |(epoch, value): &(u64, f64)| json!({"epoch": epoch, "seconds": 0.5, "log_likelihood": value});
        RunRecord {
            folder: name.into(),
            name: name.into(),
            config: Some(config),
            settings,
            state,
            reason: None,
            history: figures.iter().map(line).collect(),
            evaluations: vec![],
        }
    }

    fn rbm(hidden: usize, more: &str) -> String {
        format!("threads = {hidden}\n[data]\nspec = 'digits'\n{more}\n[model]\nkind = 'rbm'\nhidden = {hidden}")
    }

    fn names(group: &Group) -> Vec<&str> {
        group.rows.iter().map(|row| row.record.name.as_str()).collect()
    }

    #[test]
    fn table_the_best_run_is_first_and_failed_ones_are_last() {
        let comparison = Comparison::of(
            vec![
                record("a", &rbm(3, ""), RunState::Finished, &[(1, -9.0), (2, -7.0)]),
                record("b", &rbm(4, ""), RunState::Failed, &[(1, -1.0)]),
                record("c", &rbm(5, ""), RunState::Training, &[]),
                record("d", &rbm(6, ""), RunState::Stopped, &[(1, -5.0), (2, -6.0)]),
            ],
            None,
        )
        .unwrap();
        assert_eq!(comparison.settings, ["model.hidden"], "threads change nothing");
        assert_eq!(names(&comparison.groups[0]), ["d", "a", "b", "c"]);
        assert_eq!(comparison.leader().map(|row| row.record.name.as_str()), Some("d"));
        let expected = "the best epoch of d is 1, its model is that of epoch 2; `monitor.stop_on` keeps the best one";
        assert_eq!(comparison.notes, [expected]);
        let document = serde_json::to_value(&comparison).unwrap();
        let first = &document["groups"][0]["runs"][0];
        assert_eq!((&document["schema"], &first["best"]["value"]), (&json!("gm-compare/1"), &json!(-5.0)));
        assert_eq!((&first["settings"], &first["state"]), (&json!({"model.hidden": 6}), &json!("stopped")));
    }

    #[test]
    fn table_other_data_and_models_are_ranked_apart_and_said() {
        let sbn = "[data]\nspec = 'digits'\n[model]\nkind = 'sbn'\nhidden = [4]";
        let comparison = Comparison::of(
            vec![
                record("a", &rbm(3, ""), RunState::Finished, &[(1, -9.0)]),
                record("b", &rbm(3, "binarise = 'threshold'"), RunState::Finished, &[(1, -3.0)]),
                record("c", sbn, RunState::Finished, &[(1, -5.0)]),
            ],
            None,
        )
        .unwrap();
        assert_eq!(comparison.groups.len(), 3);
        assert!(comparison.leader().is_none());
        let differs = |key: &str| comparison.settings.iter().any(|known| known == key);
        assert!(["data.binarise", "model.hidden", "model.kind", "model.learning_rate"].into_iter().all(differs));
        assert!(!differs("model.chains") && !differs("model.rule"), "settings of one kind alone do not differ");
        assert_eq!(
            comparison.notes[..2],
            [
                "the runs learn from different data and are ranked apart: digits; digits, binarise threshold:0.5",
                "kinds of models are ranked apart, since their figures lie on different sides of the truth: rbm, sbn",
            ]
        );
    }

    #[test]
    fn table_estimates_and_substitutes_are_said() {
        let mut run = record("a", &rbm(3, ""), RunState::Finished, &[]);
        let noted = |line: serde_json::Value, run: &mut RunRecord| {
            run.history = vec![line];
            Comparison::of(vec![run.clone()], None).unwrap().notes.concat()
        };
        assert!(
            noted(json!({"epoch": 1, "estimated_log_likelihood": -2.0}), &mut run)
                .starts_with("log-likelihoods marked")
        );
        assert!(noted(json!({"epoch": 1, "pseudo_log_likelihood": -2.0}), &mut run).starts_with("pseudo-likelihoods"));
        assert!(noted(json!({"epoch": 1, "reconstruction": 2.0}), &mut run).starts_with("a reconstruction error"));
        assert_eq!(noted(json!({"epoch": 1, "log_likelihood": -2.0}), &mut run), "");
        let mut run = record("a", &rbm(3, "learn_validation = true"), RunState::Finished, &[]);
        let said = "the validation rows were learnt from, so that their figures cannot choose a run";
        assert_eq!(noted(json!({"epoch": 1, "log_likelihood": -2.0}), &mut run), said);
    }

    #[test]
    fn rejects_a_figure_that_no_run_has() {
        let runs = vec![record("a", &rbm(3, ""), RunState::Finished, &[(1, -9.0)])];
        let error = Comparison::of(runs, Some(Figure::Elbo)).unwrap_err().to_string();
        assert_eq!(error, "a: the run has no figure elbo, allowed: log-likelihood");
    }
}
