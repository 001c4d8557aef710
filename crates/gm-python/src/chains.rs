//! Markov chains of a model that go on where they stopped.

use std::sync::{Mutex, PoisonError};

use gm::core::VisibleKind;
use gm::eval::{ChainMethod, ChainSettings, ModelChains, SampleSource, chains_of, values_of_sites};
use gm::prelude::Streams;
use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;
use pythonize::pythonize;

use crate::errors::{refused, to_python};
use crate::model::check_units;
use crate::pool::{Callbacks, Job, compute};
use crate::rows::{Conversion, Rows, array};

/// Rows whose marked values stay as they are.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct ClampRows<'py> {
    pub(crate) values: Rows<'py>,
    pub(crate) mask: Rows<'py>,
}

/// The arguments of chains.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct ChainOptions<'py> {
    method: Option<String>,
    clamp: Option<ClampRows<'py>>,
    classes: Option<Vec<usize>>,
    beta: Option<f32>,
    temperatures: Option<usize>,
}

impl ChainOptions<'_> {
    /// The settings of the library for this number of chains.
    pub(crate) fn settings(
        &self,
        model: &gm::eval::Model,
        chains: usize,
        py: Python<'_>,
        threads: Option<i64>,
    ) -> PyResult<ChainSettings> {
        let method = self.method.as_deref().map(str::parse::<ChainMethod>).transpose();
        Ok(ChainSettings {
            method: method.map_err(|e| to_python(e.into()))?,
            clamp: self
                .clamp
                .as_ref()
                .map(|given| clamp_of(model, given, chains, Conversion { py, name: "clamp", threads }))
                .transpose()?,
            classes: self.classes.clone(),
            beta: self.beta,
            temperatures: self.temperatures,
        })
    }
}

/// Markov chains.
#[pyclass(frozen, module = "dgm._native")]
#[derive(Debug)]
pub(crate) struct Chains {
    chains: Mutex<Box<dyn ModelChains>>,
    threads: Option<i64>,
    visible: VisibleKind,
}

impl Chains {
    pub(crate) fn start(
        py: Python<'_>,
        model: &gm::eval::Model,
        count: usize,
        settings: &ChainSettings,
        seed: u64,
        threads: Option<i64>,
    ) -> PyResult<Self> {
        if count == 0 {
            return Err(refused("n_chains is 0, allowed: 1 or more"));
        }
        let streams = Streams::new(seed);
        let chains =
            compute(py, threads, &Callbacks::default(), |_| match chains_of(model, count, settings, &streams)? {
                SampleSource::Chains(chains) => Ok(Some(chains)),
                SampleSource::Independent(_) => Ok::<_, gm::eval::Error>(None),
            })?;
        let chains =
            chains.ok_or_else(|| refused("chains of an SBN need `clamp`: without it its draws are independent"))?;
        Ok(Self { chains: Mutex::new(chains), threads, visible: model.visible_kind() })
    }

    /// Calls a function with the chains in the pool; a second thread of Python waits without the interpreter's lock.
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut dyn ModelChains, &mut Job<'_>) -> gm::eval::Result<T> + Send,
    ) -> PyResult<T> {
        compute(py, self.threads, &Callbacks::default(), |job| {
            let mut chains = self.chains.lock().unwrap_or_else(PoisonError::into_inner);
            work(chains.as_mut(), job)
        })
    }
}

#[pymethods]
impl Chains {
    /// Moves all chains by so many sweeps; the share of units that changed in the last one.
    fn advance(&self, py: Python<'_>, sweeps: usize) -> PyResult<f64> {
        self.with(py, |chains, job| {
            let mut flips = 0.0;
            for _ in 0..sweeps {
                flips = chains.advance(1).flips;
                if job.goes_on().is_break() {
                    return Err(gm::core::Error::Interrupted { op: "advance" }.into());
                }
            }
            Ok(flips)
        })
    }

    /// Moves all chains, watches the second half of the sweeps, and says how well they mix.
    fn watch<'py>(&self, py: Python<'py>, sweeps: usize) -> PyResult<Option<Bound<'py, PyAny>>> {
        let found = self.with(py, |chains, job| chains.advance_watched(sweeps, &mut job.watch()))?;
        found.as_ref().map(|found| diagnostics(py, found)).transpose()
    }

    /// Visible states `[chains, features]`.
    #[getter]
    fn states<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        array(py, values_of_sites(self.visible, self.with(py, |chains, _| Ok(chains.states()))?))
    }

    /// Means of the visible units given the hidden states `[chains, features]`.
    #[getter]
    fn means<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<f32>>> {
        array(py, self.with(py, |chains, _| Ok(chains.means()))?)
    }

    /// One number of each chain, whose name is `quantity`.
    #[getter]
    fn quantities<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        Ok(PyArray1::from_vec(py, self.with(py, |chains, _| Ok(chains.quantities()))?))
    }

    /// What `quantities` are.
    #[getter]
    fn quantity(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.with(py, |chains, _| Ok(chains.quantity()))
    }

    /// How the chains move.
    #[getter]
    fn method(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.with(py, |chains, _| Ok(chains.method()))
    }

    /// Acceptance of swaps between neighbouring temperatures, of tempered chains.
    #[getter]
    fn swaps(&self, py: Python<'_>) -> PyResult<Option<Vec<f64>>> {
        self.with(py, |chains, _| Ok(chains.swaps()))
    }
}

/// Diagnostics as a dictionary, with the traces `[chains, observations]`.
pub(crate) fn diagnostics<'py>(py: Python<'py>, found: &gm::eval::Diagnostics) -> PyResult<Bound<'py, PyAny>> {
    let out = pythonize(py, found)?;
    out.set_item("interval", found.interval)?;
    out.set_item("traces", PyArray2::from_vec2(py, &found.traces).map_err(|e| refused(e.to_string()))?)?;
    out.set_item("mixed", found.mixed())?;
    Ok(out)
}

/// The visible states after sweeps from those of a batch.
pub(crate) fn gibbs(
    model: &gm::eval::Model,
    rows: &gm::core::Batch,
    sweeps: usize,
    streams: &Streams,
    job: &Job<'_>,
) -> gm::Result<gm::core::Matrix> {
    use gm::eval::Model as Kind;

    let each = |sweep: &mut dyn FnMut()| -> gm::Result<()> {
        for _ in 0..sweeps {
            sweep();
            if job.goes_on().is_break() {
                return Err(gm::core::Error::Interrupted { op: "gibbs" }.into());
            }
        }
        Ok(())
    };
    match model {
        Kind::Rbm(rbm) => {
            let states = rbm.states_of_rows(rows, streams)?;
            let (sampler, mut chains) = (rbm.sampler(), rbm.chains_from(states, streams)?);
            each(&mut || {
                sampler.run(&mut chains, 1, streams);
            })?;
            Ok(rbm.rows_of_states(&chains.layers[0].to_matrix()))
        }
        Kind::Dbm(dbm) => {
            let (sampler, mut chains) = (dbm.sampler(), dbm.chains_from(dbm.states_of_rows(rows)?, streams)?);
            each(&mut || {
                sampler.run(&mut chains, 1, streams);
            })?;
            Ok(dbm.rows_of_states(&chains.layers[0].to_matrix()))
        }
        Kind::Dbn(dbn) => {
            let (sampler, mut chains) = (dbn.sampler(), dbn.chains_from(dbn.states_of_rows(rows)?, streams)?);
            each(&mut || {
                sampler.run(&mut chains, 1, streams);
            })?;
            let layers = sampler.sample_layers_from_chains(&chains, streams);
            Ok(dbn.rows_of_states(&layers[0].to_matrix()))
        }
        Kind::Harmonium(model) => {
            let v = model.visible().states_of_rows("gibbs", rows.view())?;
            let h = model.sample_h_from_v(v.view(), &streams.fork(gm::core::Purpose::Start, 1));
            let (sampler, mut chains) = (model.sampler(), gm::harmonium::Chains { v, h, sweeps: 0 });
            each(&mut || {
                sampler.run(&mut chains, 1, streams);
            })?;
            Ok(model.visible().rows_of_states(&chains.v.to_matrix()))
        }
        Kind::Sbn(_) => Err(gm::core::Error::Param {
            op: "gibbs",
            arg: "model",
            value: "an SBN".into(),
            allowed: "an RBM, a DBM, a DBN or a harmonium; draws of an SBN are independent",
        }
        .into()),
    }
}

/// Given values of clamped units, by rows.
fn clamp_of(
    model: &gm::eval::Model,
    given: &ClampRows<'_>,
    chains: usize,
    job: Conversion<'_>,
) -> PyResult<gm::core::Clamp> {
    let kind = model.visible_kind();
    let values = given.values.batch(job, kind, None)?;
    check_units("clamp", given.values.units(), gm::eval::sites(kind, model.visible()))?;
    let mask = given.mask.mask(job)?;
    if values.samples() != mask.samples() {
        return Err(refused("clamp and its mask have different numbers of rows"));
    }
    let copies: Vec<usize> = (0..values.samples()).cycle().take(chains).collect();
    job.inside(|| {
        let mask = gm::eval::mask_of_units(kind, &mask);
        Ok(gm::core::Clamp { mask: mask.select(&copies), values: values.select(&copies) })
    })
}
