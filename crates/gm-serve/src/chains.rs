//! Markov chains that the reader watches: their states travel with each request, so that the server keeps none.

use gm_core::{Batch, Beta, BitMatrix, Chains, Clamp, Matrix, Purpose, Streams};
use gm_eval::{Model, mask_of_units};
use serde::{Deserialize, Serialize};

use crate::error::{Answer, Refusal};
use crate::look::batch;
use crate::models::Loaded;
use crate::tones::{self, Picture};

/// A sampler of any kind.
#[derive(Debug)]
pub(crate) enum Engine {
    Rbm(gm_rbm::Sampler),
    Dbm(gm_dbm::Sampler),
    Dbn(Box<gm_dbn::Sampler>),
    Sbn(Box<gm_sbn::Sampler>),
}

impl Engine {
    /// The sampler of a model.
    ///
    /// # Errors
    ///
    /// A refusal of a harmonium, whose hidden states may be of any kind, and of a model without hidden layers.
    pub(crate) fn of(model: &Model) -> Answer<Self> {
        Ok(match model {
            Model::Rbm(rbm) => Self::Rbm(rbm.sampler()),
            Model::Dbm(dbm) => Self::Dbm(dbm.sampler()),
            Model::Dbn(dbn) => Self::Dbn(Box::new(dbn.sampler())),
            Model::Sbn(sbn) if sbn.depth() == 0 => {
                return Err(Refusal::unfit(
                    "the page shows models with hidden layers; `dgm sample`, `dgm eval` and `dgm complete` know a fully visible net",
                ));
            }
            Model::Sbn(sbn) => Self::Sbn(Box::new(sbn.sampler())),
            Model::Harmonium(_) => {
                return Err(Refusal::unfit(
                    "the page shows rbm, sbn, dbm and dbn; `dgm sample`, `dgm infer` and `dgm complete` know a harmonium",
                ));
            }
        })
    }
}

/// A wish for sweeps.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drive {
    /// States to go on from; new chains start without them.
    state: Option<State>,
    chains: usize,
    sweeps: usize,
    /// Values of the sites, of which the given ones are kept.
    row: Vec<f32>,
    given: Vec<bool>,
    /// The inverse temperature.
    beta: f32,
    seed: u64,
}

/// States of chains as texts of zeros and ones, one for each chain, or as numbers.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    layers: Vec<States>,
    sweeps: u64,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
enum States {
    Bits(Vec<String>),
    Reals(Vec<Vec<f32>>),
}

/// Chains after their sweeps.
#[derive(Debug, Serialize)]
pub(crate) struct Driven {
    state: State,
    visible: Picture,
    /// States of the hidden layers.
    hidden: Vec<States>,
    /// Layers in the order in which a sweep draws them; those of a list are drawn together.
    order: Vec<Vec<usize>>,
    method: &'static str,
}

/// The most chains and sweeps of a request.
const CHAINS: usize = 64;
const SWEEPS: usize = 200;

impl Loaded {
    /// Makes sweeps.
    ///
    /// # Errors
    ///
    /// A refusal of settings that the model cannot take and of states of another model.
    pub(crate) fn drive(&self, drive: &Drive) -> Answer<Driven> {
        check(drive)?;
        let streams = Streams::new(drive.seed);
        let clamp = self.clamp(drive)?;
        if clamp.is_some() && drive.beta != 1.0 {
            return Err(Refusal::unfit("a temperature needs free chains: release the given units"));
        }
        let mut chains = match &drive.state {
            Some(state) => self.read(state, drive.chains, clamp.is_some())?,
            None => self.begin(drive.chains, clamp.as_ref(), &streams)?,
        };
        let order = self.advance(&mut chains, clamp.as_ref(), drive, &streams)?;
        let shown = self.shown(&chains, clamp.is_some(), &streams);
        let rows = self.rows_of_states(&shown[0].to_matrix());
        Ok(Driven {
            state: State { layers: chains.layers.iter().map(written).collect(), sweeps: chains.sweeps },
            visible: tones::levels(self.model.visible_kind(), &rows),
            hidden: shown[1..].iter().map(written).collect(),
            order,
            method: method(&self.model, clamp.is_some()),
        })
    }

    /// Given states of all chains, if any site is given.
    fn clamp(&self, drive: &Drive) -> Answer<Option<Clamp>> {
        let rows = batch(&self.model, &drive.row)?;
        if drive.given.len() != drive.row.len() {
            return Err(Refusal::unfit(format!(
                "{} sites are marked, expected {}",
                drive.given.len(),
                drive.row.len()
            )));
        }
        if !drive.given.contains(&true) {
            return Ok(None);
        }
        let sites = BitMatrix::from_fn(drive.given.len(), 1, |site, _| drive.given[site]);
        let mask = mask_of_units(self.model.visible_kind(), &sites);
        let copies = vec![0; drive.chains];
        let (values, free) = match &self.model {
            Model::Rbm(rbm) if rbm.classes() > 0 => (rows.bits().widened(rbm.classes()).into(), rbm.classes()),
            Model::Rbm(rbm) => (rbm.states_of_rows(&rows, &Streams::new(drive.seed)).map_err(Refusal::unfit)?, 0),
            Model::Dbm(dbm) => (dbm.states_of_rows(&rows).map_err(Refusal::unfit)?, 0),
            Model::Dbn(dbn) => (dbn.states_of_rows(&rows).map_err(Refusal::unfit)?, 0),
            Model::Sbn(_) => (rows, 0),
            Model::Harmonium(model) => {
                (model.visible().states_of_rows("chains", rows.view()).map_err(Refusal::unfit)?, 0)
            }
        };
        Ok(Some(Clamp { mask: mask.widened(free).select(&copies), values: values.select(&copies) }))
    }

    /// New chains. Those of directed layers with given units start from samples of the model.
    fn begin(&self, count: usize, clamp: Option<&Clamp>, streams: &Streams) -> Answer<Chains> {
        let begun = match (&self.engine, clamp) {
            (Engine::Rbm(sampler), _) => Ok(sampler.model().chains(count, streams)),
            (Engine::Dbm(sampler), _) => Ok(sampler.model().chains(count, streams)),
            (Engine::Dbn(sampler), None) => Ok(sampler.model().chains(count, streams)),
            (Engine::Dbn(sampler), Some(clamp)) => {
                let free = sampler.model().chains(count, streams);
                let mut v = sampler.sample_layers_from_chains(&free, streams).swap_remove(0);
                v.replace_where(&clamp.mask, &clamp.values);
                sampler.model().posterior_chains(v, streams)
            }
            (Engine::Sbn(sampler), clamp) => {
                let mut v: Batch = sampler.sample(count, &streams.fork(Purpose::Start, 1)).swap_remove(0).into();
                if let Some(clamp) = clamp {
                    v.replace_where(&clamp.mask, &clamp.values);
                }
                sampler.model().posterior_chains(v, streams)
            }
        };
        begun.map_err(Refusal::unfit)
    }

    /// Makes the sweeps, and tells the order of the layers in each.
    fn advance(
        &self,
        chains: &mut Chains,
        clamp: Option<&Clamp>,
        drive: &Drive,
        streams: &Streams,
    ) -> Answer<Vec<Vec<usize>>> {
        let (depth, sweeps, cool) = (self.model.layers().len() - 1, drive.sweeps, drive.beta == 1.0);
        let even_and_odd = || [0, 1].map(|first| (first..=depth).step_by(2).collect()).to_vec();
        let downwards = || (0..=depth).rev().map(|l| vec![l]).collect();
        if !cool && !matches!(self.engine, Engine::Rbm(_) | Engine::Dbm(_)) {
            return Err(Refusal::unfit("only chains of an rbm or dbm have a temperature"));
        }
        Ok(match (&self.engine, clamp) {
            (Engine::Rbm(sampler), clamp) => {
                match clamp {
                    Some(clamp) => sampler.run_clamped(chains, clamp, sweeps, streams),
                    None if cool => sampler.run(chains, sweeps, streams),
                    None => sampler.run_tempered(chains, Beta::Same(drive.beta), sweeps, streams),
                };
                even_and_odd()
            }
            (Engine::Dbm(sampler), clamp) => {
                match clamp {
                    Some(clamp) => sampler.run_clamped(chains, clamp, sweeps, streams),
                    None if cool => sampler.run(chains, sweeps, streams),
                    None => sampler.run_tempered(chains, Beta::Same(drive.beta), sweeps, streams),
                };
                even_and_odd()
            }
            (Engine::Dbn(sampler), None) => {
                sampler.run(chains, sweeps, streams);
                [depth - 1, depth].into_iter().chain((0..depth - 1).rev()).map(|l| vec![l]).collect()
            }
            (Engine::Dbn(sampler), Some(clamp)) => {
                sampler.model().gibbs(chains, Some(clamp), sweeps, streams);
                (1..=depth).chain([0]).map(|l| vec![l]).collect()
            }
            (Engine::Sbn(sampler), None) => {
                chains.sweeps += sweeps as u64;
                let layers = sampler.sample(chains.count(), &streams.fork(Purpose::Chains, chains.sweeps));
                chains.layers = layers.into_iter().map(Batch::from).collect();
                downwards()
            }
            (Engine::Sbn(sampler), Some(clamp)) => {
                sampler.model().gibbs(chains, Some(clamp), sweeps, streams);
                (1..=depth).chain([0]).map(|l| vec![l]).collect()
            }
        })
    }

    /// States of all layers. The chains of a free DBN live in its two top layers.
    fn shown(&self, chains: &Chains, clamped: bool, streams: &Streams) -> Vec<Batch> {
        match &self.engine {
            Engine::Dbn(sampler) if !clamped => {
                let mut layers = sampler.sample_layers_from_chains(chains, streams);
                layers.push(chains.layers[1].clone());
                layers
            }
            _ => chains.layers.clone(),
        }
    }

    fn rows_of_states(&self, v: &Matrix) -> Matrix {
        match &self.model {
            Model::Rbm(rbm) => rbm.rows_of_states(v),
            Model::Dbm(dbm) => dbm.rows_of_states(v),
            Model::Dbn(dbn) => dbn.rows_of_states(&v.rows(0, dbn.visible()).into_owned()),
            Model::Sbn(_) => v.clone(),
            Model::Harmonium(model) => model.visible().rows_of_states(v),
        }
    }

    /// States that a page has sent back.
    fn read(&self, state: &State, count: usize, clamped: bool) -> Answer<Chains> {
        let layers = match &self.engine {
            Engine::Dbn(sampler) if !clamped => sampler.top().model().layers(),
            Engine::Rbm(sampler) => sampler.model().layers(),
            _ => self.model.layers(),
        };
        let read = state.layers.iter().map(States::read).collect::<Answer<Vec<Batch>>>()?;
        let chains = Chains { layers: read, sweeps: state.sweeps };
        chains.check("chains", "state", &layers).map_err(Refusal::unfit)?;
        let real = chains.v().as_bits().is_none();
        if chains.count() != count
            || real
                != (self.model.visible_kind() == gm_core::VisibleKind::Gaussian
                    && chains.v().units() == self.model.visible())
        {
            return Err(Refusal::unfit("the states are those of other chains"));
        }
        if state.sweeps > u64::MAX / 2 {
            return Err(Refusal::unfit("the chains are too old"));
        }
        Ok(chains)
    }
}

fn check(drive: &Drive) -> Answer<()> {
    let fit = |name: &str, value: usize, most: usize| match (1..=most).contains(&value) {
        true => Ok(()),
        false => Err(Refusal::unfit(format!("{name} is {value}, allowed: 1 to {most}"))),
    };
    fit("chains", drive.chains, CHAINS)?;
    fit("sweeps", drive.sweeps, SWEEPS)?;
    match (0.0..=1.0).contains(&drive.beta) {
        true => Ok(()),
        false => Err(Refusal::unfit(format!("beta is {}, allowed: 0 to 1", drive.beta))),
    }
}

fn method(model: &Model, clamped: bool) -> &'static str {
    match (model, clamped) {
        (Model::Rbm(_) | Model::Dbm(_) | Model::Harmonium(_), _) => "block Gibbs sampling",
        (Model::Dbn(_), false) => "block Gibbs sampling of the two top layers, and a pass down",
        (Model::Dbn(_), true) => "Gibbs sampling of all layers",
        (Model::Sbn(_), false) => "ancestral sampling: each sweep is a new, independent sample",
        (Model::Sbn(_), true) => "single-site Gibbs sampling",
    }
}

fn written(states: &Batch) -> States {
    match states {
        Batch::Bits(bits) => {
            let text = |sample| (0..bits.units()).map(|unit| if bits.get(unit, sample) { '1' } else { '0' }).collect();
            States::Bits((0..bits.samples()).map(text).collect())
        }
        Batch::Reals(reals) => {
            States::Reals(reals.column_iter().map(|column| column.iter().copied().collect()).collect())
        }
    }
}

impl States {
    fn read(&self) -> Answer<Batch> {
        match self {
            Self::Bits(texts) => {
                let units = common(texts.iter().map(String::len))?;
                if texts.iter().any(|text| text.bytes().any(|byte| !matches!(byte, b'0' | b'1'))) {
                    return Err(Refusal::unfit("a state is neither 0 nor 1"));
                }
                Ok(BitMatrix::from_fn(units, texts.len(), |unit, sample| texts[sample].as_bytes()[unit] == b'1').into())
            }
            Self::Reals(columns) => {
                let units = common(columns.iter().map(Vec::len))?;
                if columns.iter().flatten().any(|value| !value.is_finite()) {
                    return Err(Refusal::unfit("a state is not a finite number"));
                }
                Ok(Matrix::from_vec(units, columns.len(), columns.concat()).into())
            }
        }
    }
}

/// The length that all have.
fn common(mut lengths: impl Iterator<Item = usize>) -> Answer<usize> {
    let first = lengths.next().unwrap_or(0);
    if lengths.all(|length| length == first) {
        Ok(first)
    } else {
        Err(Refusal::unfit("the states have several lengths"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gm_core::{ModelData, ModelKind, Stack};

    const KINDS: [ModelKind; 4] = [ModelKind::Rbm, ModelKind::Sbn, ModelKind::Dbm, ModelKind::Dbn];

    fn loaded(kind: ModelKind) -> Loaded {
        let layers: &[usize] = if kind == ModelKind::Rbm { &[4, 3] } else { &[4, 3, 2] };
        let model = Model::from_data(ModelData::from_stack(kind, Stack::zeros(layers).unwrap()).unwrap()).unwrap();
        Loaded::new(model).unwrap()
    }

    fn drive(given: bool, sweeps: usize) -> Drive {
        let row = vec![1.0, 0.0, 1.0, 0.0];
        Drive { state: None, chains: 5, sweeps, row, given: vec![given, given, false, false], beta: 1.0, seed: 3 }
    }

    #[test]
    fn law_chains_go_on_from_the_states_that_a_page_sends_back() {
        for (kind, given) in KINDS.into_iter().flat_map(|kind| [(kind, false), (kind, true)]) {
            let loaded = loaded(kind);
            let whole = loaded.drive(&drive(given, 4)).unwrap();
            let first = loaded.drive(&drive(given, 1)).unwrap();
            let rest = loaded.drive(&Drive { state: Some(first.state), ..drive(given, 3) }).unwrap();
            assert_eq!((rest.state.sweeps, &rest.state.layers), (4, &whole.state.layers), "{kind} {given}");
            assert_eq!((&rest.visible, &rest.hidden), (&whole.visible, &whole.hidden), "{kind} {given}");
            let drawn: Vec<usize> = whole.order.concat();
            assert!((0..loaded.model.layers().len()).all(|l| drawn.contains(&l)), "{kind}: {drawn:?}");
            assert_eq!(whole.hidden.len() + 1, loaded.model.layers().len(), "{kind}");
        }
    }

    #[test]
    fn law_given_units_keep_their_values() {
        for kind in KINDS {
            let found = serde_json::to_value(loaded(kind).drive(&drive(true, 3)).unwrap().visible).unwrap();
            for tile in found["tiles"].as_array().unwrap() {
                assert_eq!((&tile[0], &tile[1]), (&255.into(), &0.into()), "{kind}");
            }
        }
    }

    #[test]
    fn rejects_states_and_settings_that_do_not_fit() {
        let rbm = loaded(ModelKind::Rbm);
        let refused = |drive: Drive| rbm.drive(&drive).unwrap_err().text;
        let free = drive(false, 1);
        assert_eq!(refused(Drive { chains: 0, ..free.clone() }), "chains is 0, allowed: 1 to 64");
        assert_eq!(refused(Drive { sweeps: 201, ..free.clone() }), "sweeps is 201, allowed: 1 to 200");
        assert_eq!(refused(Drive { beta: f32::NAN, ..free.clone() }), "beta is NaN, allowed: 0 to 1");
        assert!(refused(Drive { beta: 0.5, ..drive(true, 1) }).starts_with("a temperature needs free chains"));
        assert_eq!(refused(Drive { given: vec![true], ..free.clone() }), "1 sites are marked, expected 4");
        let state = |layers: Vec<States>| Drive { state: Some(State { layers, sweeps: 1 }), ..free.clone() };
        let bits = |texts: &[&str]| States::Bits(texts.iter().map(|text| (*text).to_owned()).collect());
        assert!(refused(state(vec![])).contains("layers"));
        assert_eq!(refused(state(vec![bits(&["01"]), bits(&["0x1"])])), "a state is neither 0 nor 1");
        assert_eq!(refused(state(vec![bits(&["01", "1"])])), "the states have several lengths");
        assert!(refused(state(vec![bits(&["0101"; 5]), bits(&["01"; 5])])).contains("units 2, expected 3"));
        assert_eq!(refused(state(vec![bits(&["0101"; 4]), bits(&["010"; 4])])), "the states are those of other chains");
        let reals = States::Reals(vec![vec![0.5; 4]; 5]);
        assert_eq!(refused(state(vec![reals, bits(&["010"; 5])])), "the states are those of other chains");
        let dbn = loaded(ModelKind::Dbn);
        let warm = dbn.drive(&Drive { beta: 0.5, ..drive(false, 1) }).unwrap_err().text;
        assert_eq!(warm, "only chains of an rbm or dbm have a temperature");
    }
}
