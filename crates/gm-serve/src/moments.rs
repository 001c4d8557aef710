//! What a model looks like at moments of its training: filters and fantasies, from the files that a run keeps.

use std::fs;
use std::path::{Path, PathBuf};

use gm_core::{ModelData, ModelKind, Streams, VisibleKind, Watch};
use gm_eval::{Model, SampleSettings, first_layer_filters, sample, strongest_units};
use gm_train::Config;
use serde::Serialize;

use crate::error::{Answer, Refusal};
use crate::runs::Runs;
use crate::shelf::Shelf;
use crate::tones::{self, Picture};

/// A moment of a run, by the file that shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Moment {
    /// The name of the file without its ending.
    pub(crate) key: String,
    /// What it is, in words.
    label: String,
    /// The last change of the file, in milliseconds, so that a new file of the same name is seen.
    changed: u64,
    #[serde(skip)]
    path: PathBuf,
}

/// The pictures of a moment.
#[derive(Debug, Serialize)]
pub(crate) struct Pictures {
    layers: Vec<usize>,
    /// The first-layer weights of the strongest units.
    filters: Picture,
    /// Means of the visible units of short chains; absent where a checkpoint alone does not tell them.
    fantasies: Option<Picture>,
    note: Option<&'static str>,
}

/// Units whose filters are shown, fantasies, and sweeps of their chains.
const FILTERS: usize = 40;
const FANTASIES: usize = 20;
const SWEEPS: usize = 100;

/// The moments of a run, the earliest first: finished layers, checkpoints, the model.
pub(crate) fn moments(folder: &Path) -> Vec<Moment> {
    let entries = fs::read_dir(folder.join("layers")).into_iter().flatten().flatten().map(|entry| entry.path());
    let depth = |path: &Path| -> Option<usize> { path.file_name()?.to_str()?.strip_suffix(".gm")?.parse().ok() };
    let mut layers: Vec<(usize, PathBuf)> = entries.filter_map(|path| Some((depth(&path)?, path))).collect();
    layers.sort();
    let of_layer = |(depth, path): (usize, PathBuf)| {
        let plural = if depth == 1 { "" } else { "s" };
        moment(format!("layer-{depth}"), format!("{depth} hidden layer{plural} trained"), path)
    };
    let of_step = |path: PathBuf| {
        let key = path.file_stem()?.to_str()?.to_owned();
        let step: u64 = key.strip_prefix("step-")?.parse().ok()?;
        moment(key, format!("after {step} updates"), path)
    };
    let mut found: Vec<Moment> = layers.into_iter().filter_map(of_layer).collect();
    found.extend(gm_sweep::checkpoints(folder).unwrap_or_default().into_iter().filter_map(of_step));
    found.extend(moment("model".into(), "the model".into(), folder.join("model.gm")));
    found
}

fn moment(key: String, label: String, path: PathBuf) -> Option<Moment> {
    let changed = crate::shelf::stamp(&path)?.1.duration_since(std::time::UNIX_EPOCH).ok()?.as_millis() as u64;
    Some(Moment { key, label, changed, path })
}

/// The pictures of one of the moments; none if its file has been replaced since.
///
/// # Errors
///
/// A refusal for damaged files.
pub(crate) fn pictures(
    (shelf, runs): (&Shelf, &Runs),
    folder: &Path,
    key: &str,
    seed: u64,
    watch: Watch<'_>,
) -> Answer<Option<Pictures>> {
    let found = moments(folder).into_iter().find(|moment| moment.key == key);
    let Some(Moment { path, .. }) = found else { return Ok(None) };
    let (data, told) = match key.starts_with("step-") {
        true => of_checkpoint(runs, folder, &path)?,
        false => ((*shelf.model_data(&path)?).clone(), true),
    };
    let filters = first_layer_filters(&data);
    let filters = filters.select_columns(&strongest_units(&filters, FILTERS));
    let layers = data.stack.layers();
    let fantasies = match data.kind {
        ModelKind::Classifier => Err("A classifier has no fantasies: it models classes, not rows."),
        _ if !told => {
            Err("The weights alone do not tell the distribution of these units: fantasies come with the model.")
        }
        _ => Ok(fantasies(data, seed, watch)?),
    };
    let (fantasies, note) = fantasies.map_or_else(|note| (None, Some(note)), |found| (Some(found), None));
    Ok(Some(Pictures { layers, filters: tones::weights(&filters), fantasies, note }))
}

/// The generative parameters in a checkpoint, and whether they tell the whole distribution: that of zeros and ones without
/// label units.
fn of_checkpoint(runs: &Runs, folder: &Path, path: &Path) -> Answer<(ModelData, bool)> {
    let config = Config::read(folder.join("config.toml")).map_err(Refusal::unfit)?;
    let (kind, visible) = (config.model.settings().kind(), config.model.settings().visible_kind());
    let parameters = runs.checkpoint(path)?.parameters.clone();
    let told = kind != ModelKind::Harmonium
        && visible == VisibleKind::Bernoulli
        && !parameters.tensors.contains_key("label.weights");
    let (stack, _) = parameters.into_parts().map_err(Refusal::unfit)?;
    let data = ModelData::from_stack(kind, stack).map_err(Refusal::unfit)?;
    Ok((ModelData { visible, ..data }, told))
}

/// Means of the visible units after short chains from the same start, so that two moments can be compared.
fn fantasies(data: ModelData, seed: u64, watch: Watch<'_>) -> Answer<Picture> {
    let model = Model::from_data(data).map_err(Refusal::unfit)?;
    let steps = (!matches!(model, Model::Sbn(_))).then_some(SWEEPS);
    let settings = SampleSettings { count: FANTASIES, means: true, steps, ..SampleSettings::default() };
    let samples = sample(&model, &settings, &Streams::new(seed), watch).map_err(Refusal::unfit)?;
    Ok(tones::levels(model.visible_kind(), &samples.values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::unwatched;
    use gm_train::{Config, DbnSettings, ModelConfig, RbmSettings, Run, Unobserved, Visible};

    /// A run of bars and stripes in a folder.
    fn run(folder: &Path, model: ModelConfig) {
        Run::create(folder, &Config::new("bars-and-stripes:2", model)).unwrap().train(&mut Unobserved).unwrap();
    }

    #[test]
    fn law_a_checkpoint_shows_the_same_pictures_as_the_model_that_it_becomes() {
        let folder = tempfile::tempdir().unwrap();
        let settings = DbnSettings { hidden: vec![3, 2], epochs: vec![2, 2], ..Default::default() };
        run(folder.path(), ModelConfig::Dbn(settings));
        let found = moments(folder.path());
        let keys: Vec<&str> = found.iter().map(|moment| moment.key.as_str()).collect();
        assert_eq!((&keys[..2], keys.last()), (&["layer-1", "layer-2"][..], Some(&"model")), "{keys:?}");
        let (shelf, runs) = (Shelf::open(folder.path()).unwrap(), Runs::new());
        let shown = |key: &str| {
            let found = pictures((&shelf, &runs), folder.path(), key, 1, &mut unwatched).unwrap();
            serde_json::to_value(found.unwrap()).unwrap()
        };
        let checkpoint = keys[keys.len() - 2];
        assert!(checkpoint.starts_with("step-"), "{keys:?}");
        assert_eq!(shown(checkpoint), shown("model"));
        assert_eq!(shown("layer-1")["layers"], serde_json::json!([4, 3]));
        assert!(pictures((&shelf, &runs), folder.path(), "../model", 1, &mut unwatched).unwrap().is_none());
    }

    #[test]
    fn table_a_checkpoint_of_other_units_shows_filters_and_says_why_there_are_no_fantasies() {
        let folder = tempfile::tempdir().unwrap();
        let visible = Visible::Gaussian;
        let settings = RbmSettings { hidden: 3, epochs: 1, batch_size: 4, visible, ..Default::default() };
        run(folder.path(), ModelConfig::Rbm(settings));
        let (shelf, runs) = (Shelf::open(folder.path()).unwrap(), Runs::new());
        let key = moments(folder.path()).into_iter().find(|moment| moment.key.starts_with("step-")).unwrap().key;
        let found = pictures((&shelf, &runs), folder.path(), &key, 1, &mut unwatched).unwrap().unwrap();
        assert!(found.fantasies.is_none() && found.note.is_some_and(|note| note.starts_with("The weights alone")));
        let model = pictures((&shelf, &runs), folder.path(), "model", 1, &mut unwatched).unwrap().unwrap();
        assert!(model.fantasies.is_some());
    }
}
