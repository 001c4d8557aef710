//! The rows of a run's training data that excite a hidden unit most.

use std::path::Path;
use std::sync::Arc;

use gm_core::{Matrix, Streams, Watch};
use gm_data::Binarise;
use gm_eval::{Model, PosteriorSettings, posterior_means};
use gm_train::Config;
use serde::Serialize;

use crate::error::{Answer, Refusal};
use crate::models::Models;
use crate::shelf::{Cache, Shelf};
use crate::tones::{self, Picture};

/// The most rows that are looked at, evenly spread over the training rows.
const ROWS: usize = 2_000;
/// The rows of a unit that are shown.
const SHOWN: usize = 12;
/// Sweeps and draws of posteriors that are drawn.
const SWEEPS: usize = 20;
const DRAWS: usize = 20;

/// Posterior means of rows, for runs whose models have not changed since.
#[derive(Debug)]
pub(crate) struct Activities(Cache<Activity>);

/// Rows and the posterior means of all hidden layers.
#[derive(Debug)]
struct Activity {
    kind: gm_core::VisibleKind,
    /// The rows as visible units, `[units, rows]`, and their numbers among the training rows, from 0.
    rows: Matrix,
    numbers: Vec<usize>,
    /// Training rows in all.
    of: usize,
    method: &'static str,
    /// `[units of the layer, rows]`.
    layers: Vec<Matrix>,
}

/// The rows with the greatest posterior means of a unit, the greatest first.
#[derive(Debug, Serialize)]
pub(crate) struct Excited {
    picture: Picture,
    /// States of the sites of each row, for the board.
    rows: Vec<Vec<f32>>,
    /// Numbers of the rows among the training rows, from 0.
    numbers: Vec<usize>,
    means: Vec<f32>,
    /// Rows that were looked at, and training rows in all.
    looked_at: usize,
    of: usize,
    method: &'static str,
}

impl Activities {
    pub(crate) fn new() -> Self {
        Self(Cache::new(2))
    }

    /// The rows that excite a unit of a hidden layer most, counted from 1 (layers) and 0 (units).
    ///
    /// # Errors
    ///
    /// A refusal without a run, for data that cannot be read, and for units that the model does not have.
    pub(crate) fn rows(
        &self,
        (shelf, models): (&Shelf, &Models),
        id: usize,
        (layer, unit): (usize, usize),
        watch: Watch<'_>,
    ) -> Answer<Excited> {
        let folder = shelf.run(id).map_err(|_| Refusal::unfit("a model file alone does not say what its data are"))?;
        let path = shelf.model_path(id)?;
        let model = models.get(shelf, &path)?;
        let activity: Arc<Activity> = self.0.get(&path, || Activity::of(&folder, &model.model, watch))?;
        activity.most(layer, unit)
    }
}

impl Activity {
    fn of(folder: &Path, model: &Model, watch: Watch<'_>) -> Answer<Self> {
        let config = Config::read(folder.join("config.toml")).map_err(Refusal::unfit)?;
        let train = config.load_data().map_err(Refusal::unfit)?.train;
        let numbers: Vec<usize> = (0..train.len()).step_by(train.len().div_ceil(ROWS).max(1)).collect();
        let binarise = if train.is_binary() { Binarise::None } else { Binarise::Threshold(0.5) };
        let chosen = train.select(&numbers).map_err(Refusal::unfit)?;
        let rows = chosen.rows_for(model.visible_kind(), binarise).map_err(Refusal::unfit)?;
        let settings = PosteriorSettings { steps: SWEEPS, samples: DRAWS, ..PosteriorSettings::default() };
        let posterior = posterior_means(model, &rows, &settings, &Streams::new(0), watch).map_err(Refusal::unfit)?;
        Ok(Self {
            kind: model.visible_kind(),
            rows: rows.to_matrix(),
            numbers,
            of: train.len(),
            method: posterior.method.as_str(),
            layers: posterior.layers(model),
        })
    }

    fn most(&self, layer: usize, unit: usize) -> Answer<Excited> {
        let absent = || Refusal::absent(&format!("unit {unit} of layer {layer}"));
        let means = layer.checked_sub(1).and_then(|l| self.layers.get(l)).filter(|means| unit < means.nrows());
        let means = means.ok_or_else(absent)?.row(unit);
        let mut order: Vec<usize> = (0..means.len()).collect();
        order.sort_by(|&a, &b| means[b].total_cmp(&means[a]));
        order.truncate(SHOWN);
        let rows = self.rows.select_columns(&order);
        Ok(Excited {
            picture: tones::levels(self.kind, &rows),
            rows: tones::sites_of(self.kind, &rows).column_iter().map(|row| row.iter().copied().collect()).collect(),
            numbers: order.iter().map(|&at| self.numbers[at]).collect(),
            means: order.iter().map(|&at| means[at]).collect(),
            looked_at: self.numbers.len(),
            of: self.of,
            method: self.method,
        })
    }
}

#[cfg(test)]
mod tests {
    use gm_core::unwatched;
    use gm_train::{DbmSettings, DbnSettings, ModelConfig, RbmSettings, Run, SbnSettings, Unobserved};

    use super::*;

    fn settings() -> [ModelConfig; 4] {
        let rbm = RbmSettings { hidden: 3, epochs: 2, ..RbmSettings::default() };
        let sbn = SbnSettings { hidden: vec![3, 2], epochs: 2, ..SbnSettings::default() };
        let dbn = DbnSettings { hidden: vec![3, 2], epochs: vec![2], ..DbnSettings::default() };
        let dbm = DbmSettings { hidden: vec![3, 2], epochs: 2, ..DbmSettings::default() };
        [ModelConfig::Rbm(rbm), ModelConfig::Sbn(sbn), ModelConfig::Dbn(dbn), ModelConfig::Dbm(dbm)]
    }

    #[test]
    fn law_the_most_excited_rows_come_first_for_every_model() {
        for (at, model) in settings().into_iter().enumerate() {
            let folder = tempfile::tempdir().unwrap();
            let run = folder.path().join("run");
            Run::create(&run, &Config::new("bars-and-stripes:3", model)).unwrap().train(&mut Unobserved).unwrap();
            let (shelf, models, activities) = (Shelf::open(&run).unwrap(), Models::new(), Activities::new());
            let ask =
                |layer, unit| activities.rows((&shelf, &models), 0, (layer, unit), &mut unwatched).map_err(|e| e.text);
            let found = ask(1, 2).unwrap();
            assert_eq!((found.looked_at, found.of), (found.of, found.looked_at));
            assert!(found.of >= SHOWN && found.rows.len() == SHOWN && found.means.is_sorted_by(|a, b| a >= b));
            let model = Model::from_data(gm_data::load_model(run.join("model.gm")).unwrap()).unwrap();
            if let Model::Rbm(rbm) = &model {
                // The means are those of the rows beside them, and no other row has a greater one.
                let train = Config::read(run.join("config.toml")).unwrap().load_data().unwrap().train;
                let rows = train.rows_for(gm_core::VisibleKind::Bernoulli, Binarise::None).unwrap();
                let all = rbm.mean_h_from_v(&rows.to_matrix());
                assert!((all.row(2).max() - found.means[0]).abs() < 1e-6);
                for (row, number) in found.means.iter().zip(&found.numbers) {
                    assert!((all[(2, *number)] - row).abs() < 1e-6);
                }
            }
            assert_eq!(ask(1, 3).unwrap_err(), "unit 3 of layer 1 does not exist");
            assert!(ask(0, 0).is_err() && ask(9, 0).is_err());
            assert_eq!(ask(2, 1).is_ok(), at > 0, "a second layer");
            let alone = Shelf::open(&run.join("model.gm")).unwrap();
            let said = activities.rows((&alone, &models), 0, (1, 0), &mut unwatched).unwrap_err().text;
            assert_eq!(said, "a model file alone does not say what its data are");
        }
    }

    #[test]
    fn rejects_runs_whose_data_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (run, data) = (folder.path().join("run"), folder.path().join("rows.csv"));
        std::fs::write(&data, "0,1,0\n1,0,1\n".repeat(20)).unwrap();
        let model = settings().into_iter().next().unwrap();
        let config = Config::new(data.display().to_string(), model);
        Run::create(&run, &config).unwrap().train(&mut Unobserved).unwrap();
        std::fs::remove_file(&data).unwrap();
        let shelf = Shelf::open(&run).unwrap();
        let said = Activities::new().rows((&shelf, &Models::new()), 0, (1, 0), &mut unwatched).unwrap_err().text;
        assert!(said.contains("rows.csv"), "{said}");
    }
}
