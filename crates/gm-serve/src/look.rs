//! What a model makes of a row: its posterior, reconstruction, completion, classes and log p.

use gm_core::{Batch, BitMatrix, Matrix, Streams, VisibleKind, Watch};
use gm_data::Binarisation;
use gm_eval::{
    ClassData, CompletionSettings, Model, PartitionReport, PosteriorSettings, complete, posterior_means, reconstruct,
};
use gm_sbn::BoundSettings;
use serde::{Deserialize, Serialize};

use crate::error::{Answer, Refusal};
use crate::models::Loaded;
use crate::tones::{self, Picture};

/// A row that the reader has drawn.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drawn {
    /// The value of each site: 0 or 1, a category, or a number.
    pub(crate) row: Vec<f32>,
    /// Whether each site is to be filled in.
    missing: Vec<bool>,
    /// Whether the completion may take its time, as the reader has stopped drawing.
    fine: bool,
    seed: u64,
}

/// What the model makes of it. What a model does not have is absent, with the reason.
#[derive(Debug, Serialize)]
pub(crate) struct Look {
    posterior: Layers,
    reconstruction: Picture,
    completion: Option<Picture>,
    completion_note: String,
    /// The probability of each class.
    classes: Vec<f64>,
    log_prob: Option<LogProb>,
}

/// Posterior means of each hidden layer.
#[derive(Debug, Serialize)]
struct Layers {
    method: &'static str,
    layers: Vec<Vec<f32>>,
}

/// log p of the row.
#[derive(Debug, PartialEq, Serialize)]
struct LogProb {
    value: f64,
    /// Three standard errors of ln Z, where it is estimated.
    error: Option<f64>,
    /// `exact`, `estimate` or `lower bound`.
    side: &'static str,
}

/// Weights that a completion during a stroke multiplies, by block Gibbs sampling and unit by unit: about a tenth of a
/// second. A fine completion multiplies more.
const BLOCK_PRODUCTS: usize = 50_000_000;
const SINGLE_PRODUCTS: usize = 4_000_000;
const FINE: usize = 10;
/// Draws of bounds.
const DRAWS: usize = 100;
/// Sweeps of a posterior that is drawn unit by unit.
const POSTERIOR: usize = 40;
/// Hidden units up to which log p of a row is enumerated.
const ENUMERATED: usize = 12;

/// A batch of one row from the values of its sites.
///
/// # Errors
///
/// A refusal of another number of sites and of values that they do not have.
pub(crate) fn batch(model: &Model, row: &[f32]) -> Answer<Batch> {
    let kind = model.visible_kind();
    let expected = gm_eval::sites(kind, model.visible());
    if row.len() != expected {
        return Err(Refusal::unfit(format!("the row has {} values, expected {expected}", row.len())));
    }
    if let Some(wrong) = row.iter().find(|value| !value.is_finite()) {
        return Err(Refusal::unfit(format!("a value is {wrong}, allowed: finite numbers")));
    }
    Ok(match kind {
        VisibleKind::Gaussian => Matrix::from_column_slice(row.len(), 1, row).into(),
        VisibleKind::Softmax { categories } => {
            let known = |value: &f32| (0..categories).any(|category| category as f32 == *value);
            if let Some(wrong) = row.iter().find(|value| !known(value)) {
                return Err(Refusal::unfit(format!("a category is {wrong}, allowed: 0 to {}", categories - 1)));
            }
            let on = |unit: usize, _| row[unit / categories] == (unit % categories) as f32;
            BitMatrix::from_fn(row.len() * categories, 1, on).into()
        }
        _ => BitMatrix::from_matrix(&Matrix::from_column_slice(row.len(), 1, row)).map_err(Refusal::unfit)?.into(),
    })
}

impl Loaded {
    /// Looks at a row.
    ///
    /// # Errors
    ///
    /// A refusal of a row that the visible units cannot take.
    pub(crate) fn look(&self, drawn: &Drawn, watch: Watch<'_>) -> Answer<Look> {
        let (model, streams) = (&self.model, Streams::new(drawn.seed));
        let (kind, rows) = (model.visible_kind(), batch(model, &drawn.row)?);
        if drawn.missing.len() != drawn.row.len() {
            return Err(Refusal::unfit(format!(
                "{} sites are marked, expected {}",
                drawn.missing.len(),
                drawn.row.len()
            )));
        }
        let settings = PosteriorSettings { steps: POSTERIOR, samples: DRAWS, ..PosteriorSettings::default() };
        let posterior = posterior_means(model, &rows, &settings, &streams, watch).map_err(Refusal::unfit)?;
        let layers = posterior.layers(model).iter().map(|layer| layer.as_slice().to_vec()).collect();
        let reconstruction = reconstruct(model, &rows, &streams).map_err(Refusal::unfit)?;
        let (completion, completion_note) = self.completion(&rows, drawn, watch);
        Ok(Look {
            posterior: Layers { method: posterior.method.as_str(), layers },
            reconstruction: tones::levels(kind, &reconstruction),
            completion,
            completion_note,
            classes: self.classes(&rows)?,
            log_prob: self.log_prob(&rows, &streams, watch)?,
        })
    }

    /// The missing sites filled in, or why they are not.
    fn completion(&self, rows: &Batch, drawn: &Drawn, watch: Watch<'_>) -> (Option<Picture>, String) {
        if !drawn.missing.contains(&true) {
            return (None, "Mark units as missing to see them filled in.".into());
        }
        if matches!(&self.model, Model::Dbn(dbn) if dbn.labels().is_some()) {
            return (None, "A deep belief network with label units cannot fill in units.".into());
        }
        let missing = BitMatrix::from_fn(drawn.missing.len(), 1, |site, _| drawn.missing[site]);
        let (chains, steps) = self.effort(drawn.fine);
        let settings = CompletionSettings { chains, steps: Some(steps), ..CompletionSettings::default() };
        match complete(&self.model, rows, &missing, &settings, &Streams::new(drawn.seed), watch) {
            Ok(found) => {
                let how = format!("Means over {chains} chains of {steps} sweeps, {}.", found.method);
                (Some(tones::levels(self.model.visible_kind(), &found.means)), how)
            }
            Err(error) => (None, error.to_string()),
        }
    }

    /// Chains and sweeps of a completion: as many as the size of the model allows within a stroke.
    fn effort(&self, fine: bool) -> (usize, usize) {
        let weights: usize = self.model.layers().windows(2).map(|pair| pair[0] * pair[1]).sum();
        let block = matches!(self.model, Model::Rbm(_) | Model::Dbm(_));
        let (chains, products) = if block { (5, BLOCK_PRODUCTS) } else { (2, SINGLE_PRODUCTS) };
        let (chains, products) = if fine { (2 * chains, FINE * products) } else { (chains, products) };
        (chains, (products / weights.max(1) / chains).clamp(4, 200))
    }

    /// The probability of each class, for models with label units.
    fn classes(&self, rows: &Batch) -> Answer<Vec<f64>> {
        let count = self.model.classes();
        let of = |class: u16| {
            let (source, split, binarise) = (String::new(), String::new(), Binarisation::default());
            ClassData { source, split, binarise, rows: rows.clone(), labels: vec![class] }
        };
        let log_p =
            |class: usize| Ok(gm_eval::classify(&self.model, &of(class as u16)).map_err(Refusal::unfit)?.log_probs[0]);
        (0..count).map(|class| log_p(class).map(f64::exp)).collect()
    }

    /// log p of the row with its side, as soon as ln Z is known.
    fn log_prob(&self, rows: &Batch, streams: &Streams, watch: Watch<'_>) -> Answer<Option<LogProb>> {
        let log_z = self.partition();
        let bound = BoundSettings { samples: DRAWS, ..BoundSettings::default() };
        let found = match (&self.model, log_z) {
            (Model::Sbn(sbn), _) if sbn.hidden() <= ENUMERATED => sbn.log_prob(rows.bits()).map(|rows| exact(rows[0])),
            (Model::Sbn(sbn), _) => sbn.bounds(rows.bits(), &bound, streams, watch).map(|found| lower(found.rows()[0])),
            (_, None) => return Ok(None),
            (Model::Rbm(rbm), Some(log_z)) => rbm.free_energy_of_rows(rows).map(|f| of_log_z(-f[0], &log_z, true)),
            (Model::Harmonium(model), Some(log_z)) => model
                .visible()
                .states_of_rows("look", rows.view())
                .map(|v| of_log_z(-model.free_energy(v.view())[0], &log_z, true)),
            (Model::Dbm(dbm), Some(log_z)) => dbm.states_of_rows(rows).and_then(|v| {
                if dbm.depth() == 1 || dbm.enumerable_hidden_units() <= ENUMERATED {
                    return Ok(of_log_z(dbm.log_prob(&v, dbm.log_volume())?[0], &log_z, true));
                }
                let posterior = dbm.mean_field(&v, &gm_dbm::MeanFieldSettings::default())?;
                Ok(of_log_z(posterior.bound(dbm, &v, dbm.log_volume())[0], &log_z, false))
            }),
            (Model::Dbn(dbn), Some(log_z)) => dbn.states_of_rows(rows).and_then(|v| {
                if dbn.depth() == 1 || dbn.enumerable_hidden_units() <= ENUMERATED {
                    return Ok(of_log_z(dbn.log_prob(&v, 0.0)?[0] - dbn.log_volume(), &log_z, true));
                }
                let found = dbn.bounds(&v, 0.0, &bound, streams, watch)?.rows()[0];
                Ok(of_log_z(found - dbn.log_volume(), &log_z, false))
            }),
        };
        found.map(Some).map_err(Refusal::unfit)
    }
}

fn exact(value: f64) -> LogProb {
    LogProb { value, error: None, side: "exact" }
}

fn lower(value: f64) -> LogProb {
    LogProb { value, error: None, side: "lower bound" }
}

/// log p from its part without ln Z, which is exact or a lower bound.
fn of_log_z(part: f64, log_z: &PartitionReport, exactly: bool) -> LogProb {
    let value = part - log_z.value;
    match (exactly, log_z.method == "exact") {
        (true, true) => exact(value),
        (false, true) => lower(value),
        (exactly, false) => {
            let side = if exactly { "estimate" } else { "estimate of a lower bound" };
            LogProb { value, error: Some(3.0 * log_z.std_error), side }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::{ModelData, ModelKind, Stack, unwatched};

    fn loaded(kind: ModelKind, layers: &[usize]) -> Loaded {
        let model = Model::from_data(ModelData::from_stack(kind, Stack::zeros(layers).unwrap()).unwrap()).unwrap();
        Loaded::new(model).unwrap()
    }

    #[test]
    fn law_every_model_answers_to_a_row_and_its_log_p_is_exact_where_it_can_be() {
        let kinds: [(ModelKind, &[usize]); 4] = [
            (ModelKind::Rbm, &[4, 3]),
            (ModelKind::Sbn, &[4, 3, 2]),
            (ModelKind::Dbm, &[4, 3, 2]),
            (ModelKind::Dbn, &[4, 3, 2]),
        ];
        for (kind, layers) in kinds {
            let loaded = loaded(kind, layers);
            let drawn =
                Drawn { row: vec![1.0, 0.0, 1.0, 0.0], missing: vec![false, false, true, true], fine: true, seed: 1 };
            assert!(loaded.log_z().1, "the first question begins to measure");
            loaded.measure(0, &mut unwatched);
            assert!(!loaded.log_z().1, "later ones do not");
            let look = loaded.look(&drawn, &mut unwatched).unwrap();
            let log_p = look.log_prob.unwrap();
            assert_eq!(log_p.side, "exact", "{kind}");
            assert!((log_p.value + 4.0 * 2.0_f64.ln()).abs() < 1e-6, "{kind}: {}", log_p.value);
            assert_eq!(look.posterior.layers.iter().map(Vec::len).collect::<Vec<_>>(), layers[1..]);
            assert!(look.posterior.layers.concat().iter().all(|mean| (0.2..=0.8).contains(mean)), "{kind}");
            let completion = look.completion.unwrap();
            assert_eq!(serde_json::to_value(&completion).unwrap()["tiles"][0], serde_json::json!([255, 0, 128, 128]));
        }
    }

    #[test]
    fn rejects_rows_that_the_units_cannot_take() {
        let loaded = loaded(ModelKind::Rbm, &[2, 3]);
        let refused = |row: &[f32]| batch(&loaded.model, row).unwrap_err().text;
        assert_eq!(refused(&[1.0]), "the row has 1 values, expected 2");
        assert_eq!(refused(&[1.0, f32::NAN]), "a value is NaN, allowed: finite numbers");
        assert!(refused(&[1.0, 0.5]).contains("0.5"), "{}", refused(&[1.0, 0.5]));
    }
}
