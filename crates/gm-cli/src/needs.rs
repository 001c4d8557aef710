//! The memory that each kind of job takes, by its counts: chains, temperatures, draws, runs and samples.
//!
//! The figures are those of a chain or a draw with its states as bits, transposed as well, and with one or two numbers
//! for each unit.

use gm_core::{ModelKind, Schedule, VisibleKind};
use gm_eval::{CompletionSettings, EvalSettings, Model, SampleSettings};
use gm_train::{Algorithm, Backfit, Config, DbmSettings, DbnSettings, ModelConfig, RbmSettings, SbnSettings};

use crate::memory::{BYTES_A_PARAMETER, Need, bits, floats, parameters};
use crate::picture::{scale_for, shape_of};

/// Bytes of a chain, a run or a row of a batch, with statistics of its units.
fn a_chain(layers: &[usize]) -> u64 {
    states(layers).saturating_add(floats(layers).saturating_mul(2))
}

/// Bytes of the states of a chain alone.
fn states(layers: &[usize]) -> u64 {
    bits(layers).saturating_mul(2).saturating_add(64)
}

/// The memory of a run on `rows` rows of `units` units.
pub(crate) fn run(config: &Config, units: usize, rows: usize) -> Need {
    let settings = config.model.settings();
    let layers = settings.layers(visible_units(settings.visible_kind(), units));
    // Every shard has a gradient of its own, and there is one more while processes add theirs.
    let shards = if config.shards > 1 { config.shards } else { 0 };
    training(&config.model, units, rows).and(&[("shards", shards)], parameters(&layers).saturating_mul(6))
}

/// The memory of training on `rows` rows of `units` units.
pub(crate) fn training(model: &ModelConfig, units: usize, rows: usize) -> Need {
    let settings = model.settings();
    let layers = settings.layers(visible_units(settings.visible_kind(), units));
    let batch = settings.batch_size().min(rows);
    let bytes = a_chain(&layers).saturating_mul(batch as u64);
    let need = Need::of_parameters(&layers).and_all("batch_size", settings.batch_size(), bytes);
    match model {
        ModelConfig::Rbm(rbm) => {
            of_rbm(need, rbm, &layers).and(&[("log_z_chains", rbm.log_z_chains)], a_chain(&layers))
        }
        ModelConfig::Sbn(sbn) => of_sbn(need, sbn, &layers, batch),
        ModelConfig::Dbm(dbm) => of_dbm(need, dbm, &layers),
        ModelConfig::Dbn(dbn) => of_dbn(need, dbn, &layers, batch),
        // States of any kind are numbers.
        ModelConfig::Harmonium(model) => need.and(&[("chains", model.chains)], floats(&layers).saturating_mul(6)),
        _ => need,
    }
}

/// Visible units of data whose values may be categories, each of which then takes a unit.
fn visible_units(kind: VisibleKind, units: usize) -> usize {
    match kind {
        // Data of one unit for each category have a multiple of their number.
        VisibleKind::Softmax { categories } if categories > 0 && !units.is_multiple_of(categories) => {
            units.saturating_mul(categories)
        }
        _ => units,
    }
}

fn of_rbm(need: Need, rbm: &RbmSettings, layers: &[usize]) -> Need {
    match rbm.algorithm {
        Algorithm::Pcd => need.and(&[("chains", rbm.chains)], a_chain(layers)),
        Algorithm::Pt => need
            .and(&[("chains", rbm.chains), ("temperatures", rbm.temperatures)], states(layers))
            .and(&[("chains", rbm.chains)], a_chain(layers)),
        _ => need,
    }
}

fn of_sbn(need: Need, sbn: &SbnSettings, layers: &[usize], batch: usize) -> Need {
    let depth = layers.len().saturating_sub(1);
    let of_net = if sbn.autoregressive { 1..depth + 1 } else { 0..0 };
    let within = of_net.chain(sbn.lateral.layers(depth)).map(|l| (layers[l] as u64).saturating_mul(layers[l] as u64));
    let within = within.fold(0, u64::saturating_add).saturating_mul(BYTES_A_PARAMETER);
    need.and(&[("samples", sbn.samples)], a_chain(layers).saturating_mul(batch as u64)).and_all(
        "hidden",
        layers.iter().copied().max().unwrap_or(0),
        within,
    )
}

fn of_dbm(need: Need, dbm: &DbmSettings, layers: &[usize]) -> Need {
    need.and(&[("chains", dbm.chains), ("temperatures", dbm.temperatures)], states(layers))
        .and(&[("chains", dbm.chains)], a_chain(layers))
}

fn of_dbn(need: Need, dbn: &DbnSettings, layers: &[usize], batch: usize) -> Need {
    let need = of_rbm(need, &dbn.layer, layers);
    match dbn.backfit {
        Backfit::Rws => {
            need.and(&[("backfit_samples", dbn.backfit_samples)], a_chain(layers).saturating_mul(batch as u64))
        }
        _ => need,
    }
}

/// The memory of an evaluation on `rows` rows.
pub(crate) fn evaluation(model: &Model, settings: &EvalSettings, rows: usize) -> Need {
    let layers = model.layers();
    let temperatures = match &settings.ais.schedule {
        Schedule::Linear(count) | Schedule::Graded(count) | Schedule::Adaptive(count) => *count,
        _ => 0,
    };
    let posterior = settings.posterior;
    let bounds = Need::default()
        .and(&[("repeats", settings.bound.repeats)], 8 * rows as u64)
        .and(&[("gap_rows", settings.gap_rows)], a_chain(&layers))
        .and(&[("posterior_temperatures", posterior.temperatures)], 32)
        .and(&[("posterior_runs", posterior.runs)], a_chain(&layers).saturating_mul(posterior.rows.min(rows) as u64));
    if model.kind() == ModelKind::Sbn {
        return bounds;
    }
    bounds
        .and(&[("ais_runs", settings.ais.runs)], a_chain(&layers))
        .and(&[("ais_temperatures", temperatures)], 32)
        .and(&[("raise_walks", settings.raise_walks)], a_chain(&layers))
        .and(
            &[("reverse_runs", settings.reverse_runs), ("reverse_temperatures", settings.tempering.temperatures)],
            states(&layers),
        )
        .and(&[("reverse_runs", settings.reverse_runs)], a_chain(&layers))
}

/// The form in which samples are kept until all of them are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// They go into a file as they are drawn.
    None,
    /// As numbers in memory.
    Numbers,
    /// As a picture.
    Picture,
    /// As text and in the document.
    Text,
}

/// Bytes of a number in a document, with its line.
const TEXT: u64 = 24;

/// The memory of drawing samples.
pub(crate) fn sampling(model: &Model, settings: &SampleSettings, kept: Kept) -> Need {
    let (layers, chains) = (model.layers(), settings.chain_count());
    let temperatures = settings.start.temperatures.unwrap_or(1);
    let values = floats(&layers[..1]).saturating_mul(2);
    let a_sample = match kept {
        Kept::None => 0,
        Kept::Numbers => values,
        Kept::Picture => values.saturating_add(pixels(layers[0])),
        Kept::Text => values.saturating_add(TEXT.saturating_mul(layers[0] as u64)),
    };
    // An SBN without given units draws independent samples, a limited number at a time.
    let chains =
        if model.kind() == ModelKind::Sbn && settings.start.clamp.is_none() { chains.min(10_000) } else { chains };
    let named = if settings.chains.is_some() { "chains" } else { "count" };
    Need::default()
        .and(&[("count", settings.count)], a_sample)
        .and(&[(named, chains)], a_chain(&layers))
        .and(&[(named, chains), ("temperatures", temperatures)], states(&layers))
}

/// Bytes of a sample in a picture, and of the picture as a file.
fn pixels(units: usize) -> u64 {
    let shape = shape_of(units, None);
    let side = |size: usize| (size * scale_for(shape) + 3) as u64;
    side(shape.0).saturating_mul(side(shape.1)).saturating_mul(2 * 3)
}

/// The memory of completing `rows` rows.
pub(crate) fn completion(model: &Model, settings: &CompletionSettings, rows: usize) -> Need {
    let a_row = a_chain(&model.layers()).saturating_mul(rows as u64);
    Need::default().and(&[("chains", settings.chains)], a_row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::{ModelData, Stack};
    use gm_eval::ChainSettings;

    /// A count whose memory no computer has.
    const MANY: usize = 1_000_000_000_000;

    fn model(kind: ModelKind) -> Model {
        Model::from_data(ModelData::from_stack(kind, Stack::zeros(&[12, 3]).unwrap()).unwrap()).unwrap()
    }

    fn refused(need: &Need) -> String {
        need.check().unwrap_err().to_string()
    }

    #[test]
    fn rejects_counts_of_training_that_do_not_fit() {
        let (rbm, sbn, dbm) = (RbmSettings::default(), SbnSettings::default(), DbmSettings::default());
        let dbn = || DbnSettings { hidden: vec![3, 2], ..Default::default() };
        let (chains, pt) = (MANY, Algorithm::Pt);
        let cases = [
            (ModelConfig::Rbm(RbmSettings { hidden: MANY, ..rbm.clone() }), "parameters"),
            (ModelConfig::Rbm(RbmSettings { chains, ..rbm.clone() }), "`chains` 1000000000000"),
            (ModelConfig::Rbm(RbmSettings { algorithm: pt, temperatures: MANY, ..rbm.clone() }), "`temperatures` 1"),
            (ModelConfig::Rbm(RbmSettings { log_z_chains: MANY, ..rbm.clone() }), "`log_z_chains` 1"),
            (ModelConfig::Sbn(SbnSettings { samples: MANY, ..sbn.clone() }), "`samples` 1"),
            (ModelConfig::Sbn(SbnSettings { hidden: vec![MANY, 3], ..sbn }), "parameters"),
            (ModelConfig::Dbm(DbmSettings { chains, ..dbm.clone() }), "`chains` 1"),
            (ModelConfig::Dbm(DbmSettings { temperatures: MANY, ..dbm }), "`temperatures` 1"),
            (ModelConfig::Dbn(DbnSettings { layer: RbmSettings { chains, ..rbm }, ..dbn() }), "`chains` 1"),
            (
                ModelConfig::Dbn(DbnSettings { backfit: Backfit::Rws, backfit_samples: MANY, ..dbn() }),
                "`backfit_samples` 1",
            ),
        ];
        for (config, names) in cases {
            let text = refused(&training(&config, 12, 60));
            assert!(text.contains(names), "{text}");
        }
        let whole = |visible| ModelConfig::Rbm(RbmSettings { batch_size: usize::MAX, visible, ..Default::default() });
        assert!(training(&whole(gm_train::Visible::Bernoulli), 12, 60).check().is_ok(), "a batch has at most all rows");
        assert!(training(&whole(gm_train::Visible::Bernoulli), 12, MANY).check().is_err());
        assert!(training(&whole(gm_train::Visible::Softmax(MANY)), 12, 60).check().is_err());
    }

    #[test]
    fn rejects_counts_of_other_jobs_that_do_not_fit() {
        let usual = EvalSettings::default;
        let rbm = model(ModelKind::Rbm);
        let mut settings = [usual(), usual(), usual(), usual(), usual(), usual(), usual()];
        settings[0].ais.runs = MANY;
        settings[1].ais.schedule = Schedule::Graded(MANY);
        settings[2].raise_walks = MANY;
        (settings[3].reverse_runs, settings[3].tempering.temperatures) = (5, MANY);
        settings[4].bound.repeats = MANY;
        settings[5].gap_rows = MANY;
        settings[6].posterior.runs = MANY;
        let annealing = ["`ais_runs`", "`ais_temperatures`", "`raise_walks`", "`reverse_temperatures`"];
        let names = annealing.into_iter().chain(["`repeats`", "`gap_rows`", "`posterior_runs`"]);
        for (settings, names) in settings.iter().zip(names) {
            assert!(refused(&evaluation(&rbm, settings, 60)).contains(names), "{names}");
        }
        assert!(evaluation(&rbm, &usual(), 60).check().is_ok());
        let count = |count| SampleSettings { count, chains: Some(10), ..Default::default() };
        assert!(sampling(&rbm, &count(MANY), Kept::None).check().is_ok(), "samples go into the file");
        assert!(refused(&sampling(&rbm, &count(MANY), Kept::Numbers)).contains("`count` 1"));
        assert!(refused(&sampling(&rbm, &count(MANY), Kept::Picture)).contains("`count` 1"));
        assert!(refused(&sampling(&rbm, &count(MANY), Kept::Text)).contains("`count` 1"));
        let chains = SampleSettings { count: MANY, ..Default::default() };
        assert!(refused(&sampling(&rbm, &chains, Kept::None)).contains("`count` 1"));
        assert!(sampling(&model(ModelKind::Sbn), &chains, Kept::None).check().is_ok(), "samples are independent");
        let start = ChainSettings { temperatures: Some(MANY), ..Default::default() };
        let settings = SampleSettings { start, ..Default::default() };
        assert!(refused(&sampling(&rbm, &settings, Kept::None)).contains("`temperatures` 1"));
        let settings = CompletionSettings { chains: MANY, ..Default::default() };
        assert!(refused(&completion(&rbm, &settings, 10)).contains("`chains` 1"));
    }
}
