//! A trained model of any kind.

use std::borrow::Cow;

use gm::core::layer::Gauge;
use gm::core::{Format, ModelData};
use gm::data::Binarise;
use gm::eval::{Contacts, evaluate_partition, sites, values_of_sites};
use gm::prelude::{
    Classifier, CompletionSettings, EvalData, ModelKind, PosteriorSettings, SampleSettings, Streams, complete,
    convert_model, evaluate, gauge_model, load_model, posterior_means, reconstruct, sample, save_model,
};
use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use pythonize::pythonize;

use crate::chains::{ChainOptions, Chains, diagnostics, gibbs};
use crate::errors::{refused, to_python};
use crate::evaluation::EvalOptions;
use crate::pool::{Callbacks, compute, inside};
use crate::rows::{Conversion, Rows, array};

/// A generative model or a classifier.
#[derive(Clone, Debug)]
enum Kept {
    Generative(gm::eval::Model),
    Classifier(Classifier),
}

/// A matrix for each hidden layer, the method, and the bound of mean field.
type Means<'py> = (Vec<Bound<'py, PyArray2<f32>>>, &'static str, Option<f64>);

/// A model as the library holds it, which never changes.
#[pyclass(frozen, module = "dgm._native")]
#[derive(Clone, Debug)]
pub(crate) struct Model {
    kept: Kept,
    metadata: std::collections::BTreeMap<String, String>,
}

impl Model {
    /// The model of a file's content.
    pub(crate) fn from_data(data: ModelData) -> PyResult<Self> {
        let metadata = data.metadata.clone();
        let kept = match data.kind {
            ModelKind::Classifier => Kept::Classifier(Classifier::from_data(data).map_err(core)?),
            _ => Kept::Generative(gm::eval::Model::from_data(data).map_err(|e| to_python(e.into()))?),
        };
        Ok(Self { kept, metadata })
    }

    /// What a file of the model holds.
    pub(crate) fn data(&self) -> PyResult<ModelData> {
        let data = match &self.kept {
            Kept::Classifier(net) => net.to_data(),
            Kept::Generative(gm::eval::Model::Rbm(rbm)) => rbm.to_data(),
            Kept::Generative(gm::eval::Model::Sbn(sbn)) => sbn.to_data(),
            Kept::Generative(gm::eval::Model::Dbm(dbm)) => dbm.to_data(),
            Kept::Generative(gm::eval::Model::Dbn(dbn)) => dbn.to_data(),
            Kept::Generative(gm::eval::Model::Harmonium(model)) => model.to_data(),
        };
        let mut data = data.map_err(core)?;
        for (name, value) in &self.metadata {
            data.metadata.entry(name.clone()).or_insert_with(|| value.clone());
        }
        Ok(data)
    }

    fn generative(&self, what: &str) -> PyResult<&gm::eval::Model> {
        match &self.kept {
            Kept::Generative(model) => Ok(model),
            Kept::Classifier(_) => Err(refused(format!("{what} needs a generative model, and this is a classifier"))),
        }
    }

    fn rbm(&self, what: &str) -> PyResult<&gm::rbm::Rbm> {
        match &self.kept {
            Kept::Generative(gm::eval::Model::Rbm(rbm)) => Ok(rbm),
            _ => Err(refused(format!("{what} needs an RBM, and this is a model of kind {}", self.kind()))),
        }
    }

    /// Means of the hidden units of an RBM of binary units given values between 0 and 1 as they are.
    fn means_given_grey(&self, rows: &Rows<'_>, job: Conversion<'_>) -> PyResult<Option<gm::core::Matrix>> {
        let Kept::Generative(gm::eval::Model::Rbm(rbm)) = &self.kept else { return Ok(None) };
        if rbm.units().kind() != gm::core::VisibleKind::Bernoulli || rows.units() != rbm.visible() {
            return Ok(None);
        }
        let split = rows.split(job, false, None)?;
        if split.is_binary() {
            return Ok(None);
        }
        let all: Vec<u32> = (0..split.len() as u32).collect();
        job.inside(|| Ok(rbm.mean_h_from_v(&split.to_matrix(&all)))).map(Some)
    }

    /// Rows of the argument for this model.
    fn batch(
        &self,
        rows: &Rows<'_>,
        binarise: Option<&str>,
        what: &str,
        job: Conversion<'_>,
    ) -> PyResult<gm::core::Batch> {
        let model = self.generative(what)?;
        let binarise = binarise.map(str::parse::<Binarise>).transpose().map_err(|e| to_python(e.into()))?;
        // Softmax units take categories, and zeros and ones with a unit for each category.
        if rows.units() != model.visible() {
            check_units(job.name, rows.units(), self.features())?;
        }
        rows.batch(job, model.visible_kind(), binarise)
    }
}

pub(crate) fn check_units(name: &str, found: usize, expected: usize) -> PyResult<()> {
    if found == expected {
        return Ok(());
    }
    Err(refused(format!("{name} has {found} features, but the model has {expected} visible units")))
}

fn core(error: gm::core::Error) -> PyErr {
    to_python(error.into())
}

fn format_named(name: &str) -> PyResult<Format> {
    let path = format!("model.{name}");
    Format::from_path(path.as_ref()).ok_or_else(|| refused(format!("format is {name}, allowed: {}", Format::ALLOWED)))
}

#[pymethods]
impl Model {
    /// Reads a model file of any form.
    #[staticmethod]
    fn load(py: Python<'_>, path: std::path::PathBuf) -> PyResult<Self> {
        Self::from_data(py.detach(|| load_model(path)).map_err(|e| to_python(e.into()))?)
    }

    /// Writes a model file; the ending of its name decides the form.
    fn save(&self, py: Python<'_>, path: std::path::PathBuf) -> PyResult<()> {
        let data = self.data()?;
        py.detach(|| save_model(path, &data)).map_err(|e| to_python(e.into()))
    }

    /// Reads the content of a model file.
    #[staticmethod]
    fn from_bytes(content: &[u8], format: &str) -> PyResult<Self> {
        Self::from_data(ModelData::read_as(format_named(format)?, content).map_err(core)?)
    }

    /// The content of a model file.
    fn to_bytes<'py>(&self, py: Python<'py>, format: &str) -> PyResult<Bound<'py, PyBytes>> {
        let mut content = Vec::new();
        self.data()?.write_as(format_named(format)?, &mut content).map_err(core)?;
        Ok(PyBytes::new(py, &content))
    }

    /// rbm, sbn, dbm, dbn, classifier or harmonium.
    #[getter]
    fn kind(&self) -> String {
        match &self.kept {
            Kept::Generative(model) => model.kind().to_string(),
            Kept::Classifier(_) => ModelKind::Classifier.to_string(),
        }
    }

    /// Units of each layer, the visible ones first.
    #[getter]
    fn layers(&self) -> Vec<usize> {
        match &self.kept {
            Kept::Generative(model) => model.layers(),
            Kept::Classifier(net) => net.stack().layers(),
        }
    }

    /// The kind of visible units.
    #[getter]
    fn visible_kind(&self) -> PyResult<String> {
        Ok(self.generative("visible_kind")?.visible_kind().to_string())
    }

    /// Numbers of a row of data.
    #[getter]
    fn features(&self) -> usize {
        match &self.kept {
            Kept::Generative(model) => sites(model.visible_kind(), model.visible()),
            Kept::Classifier(net) => net.inputs(),
        }
    }

    /// Classes of label units or of a classifier; 0 without.
    #[getter]
    fn classes(&self) -> usize {
        match &self.kept {
            Kept::Generative(model) => model.classes(),
            Kept::Classifier(net) => net.classes(),
        }
    }

    /// Weights `[units of layer l + 1, units of layer l]`.
    fn weights<'py>(&self, py: Python<'py>, l: usize) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let stack = self.stack()?;
        if l >= stack.depth() {
            let allowed = stack.depth().checked_sub(1).map_or("none".into(), |last| format!("0 to {last}"));
            return Err(refused(format!("l is {l}, allowed: {allowed}")));
        }
        array(py, stack.weights(l).clone())
    }

    /// Biases of layer l.
    fn bias<'py>(&self, py: Python<'py>, l: usize) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let stack = self.stack()?;
        if l > stack.depth() {
            return Err(refused(format!("l is {l}, allowed: 0 to {}", stack.depth())));
        }
        Ok(PyArray1::from_slice(py, stack.bias(l).as_slice()))
    }

    /// The same distribution as a model of another kind.
    fn convert(&self, py: Python<'_>, to: &str) -> PyResult<Self> {
        let (data, to): (_, ModelKind) = (self.data()?, to.parse().map_err(core)?);
        Self::from_data(inside(py, None, || convert_model(data, to))?.map_err(|e| to_python(e.into()))?)
    }

    /// The same distribution with the weights of softmax units in a gauge.
    fn gauged(&self, py: Python<'_>, gauge: &str) -> PyResult<Self> {
        let (data, gauge): (_, Gauge) = (self.data()?, gauge.parse().map_err(core)?);
        Self::from_data(inside(py, None, || gauge_model(data, gauge))?.map_err(|e| to_python(e.into()))?)
    }

    /// Scores of contacts between groups of softmax units, `[groups, groups]`, in the mean over rows.
    #[pyo3(signature = (rows, ignored=None, threads=None))]
    fn contacts<'py>(
        &self,
        py: Python<'py>,
        rows: Rows<'py>,
        ignored: Option<usize>,
        threads: Option<i64>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let batch = self.batch(&rows, None, "contacts", Conversion { py, name: "X", threads })?;
        let model = self.generative("contacts")?;
        let found = compute(py, threads, &Callbacks::default(), |_| Contacts::new(model, &batch, ignored))?;
        array(py, found.scores)
    }

    /// Draws `[count, features]`, with what the chains tell.
    #[pyo3(signature = (count, options, *, means=false, chains=None, steps=None, thin=None, seed=0, threads=None,
        progress=None))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn sample<'py>(
        &self,
        py: Python<'py>,
        count: usize,
        options: ChainOptions<'py>,
        means: bool,
        chains: Option<usize>,
        steps: Option<usize>,
        thin: Option<usize>,
        seed: u64,
        threads: Option<i64>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<(Bound<'py, PyArray2<f32>>, Bound<'py, PyDict>)> {
        let model = self.generative("sample")?;
        let used = chains.unwrap_or(count).min(count);
        let settings = SampleSettings {
            count,
            means,
            chains,
            steps,
            thin,
            shards: 1,
            start: options.settings(model, used, py, threads)?,
        };
        gm_cli::memory::check_sampling(model, &settings).map_err(refused)?;
        let streams = Streams::new(seed);
        let found = compute(py, threads, &Callbacks { progress, event: None }, |job| {
            sample(model, &settings, &streams, &mut job.watch())
        })?;
        let report = PyDict::new(py);
        report.set_item("method", found.report.method)?;
        report.set_item("chains", found.report.chains)?;
        report.set_item("steps", found.report.steps)?;
        report.set_item("thin", found.report.thin)?;
        report.set_item("diagnostics", found.report.diagnostics.as_ref().map(|d| diagnostics(py, d)).transpose()?)?;
        let values = if means { found.values } else { values_of_sites(model.visible_kind(), found.values) };
        Ok((array(py, values)?, report))
    }

    /// Markov chains that go on where they stopped.
    fn chains(
        &self,
        py: Python<'_>,
        count: usize,
        options: ChainOptions<'_>,
        seed: u64,
        threads: Option<i64>,
    ) -> PyResult<Chains> {
        let model = self.generative("chains")?;
        let sampling = SampleSettings { count, chains: Some(count), ..SampleSettings::default() };
        gm_cli::memory::check_sampling(model, &sampling).map_err(refused)?;
        Chains::start(py, model, count, &options.settings(model, count, py, threads)?, seed, threads)
    }

    /// Sweeps of block Gibbs sampling from these visible states.
    #[pyo3(signature = (rows, sweeps, *, seed=0, threads=None))]
    fn gibbs<'py>(
        &self,
        py: Python<'py>,
        rows: Rows<'py>,
        sweeps: usize,
        seed: u64,
        threads: Option<i64>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let batch = self.batch(&rows, None, "gibbs", Conversion { py, name: "X", threads })?;
        let (model, streams) = (self.generative("gibbs")?, Streams::new(seed));
        let states = compute(py, threads, &Callbacks::default(), |job| gibbs(model, &batch, sweeps, &streams, job))?;
        array(py, values_of_sites(model.visible_kind(), states))
    }

    /// The whole report, log p of each row where the method gives it, and the report as text.
    #[pyo3(signature = (rows, options, *, binarise=None, train=None, threads=None, progress=None))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        rows: Rows<'py>,
        options: EvalOptions,
        binarise: Option<&str>,
        train: Option<Rows<'py>>,
        threads: Option<i64>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyArray1<f64>>, String)> {
        let batch = self.batch(&rows, binarise, "evaluate", Conversion { py, name: "X", threads })?;
        let train = train
            .map(|rows| self.batch(&rows, binarise, "evaluate", Conversion { py, name: "X_train", threads }))
            .transpose()?;
        let (model, settings) = (self.generative("evaluate")?, options.settings()?);
        gm_cli::memory::check_evaluation(model, &settings, batch.samples()).map_err(refused)?;
        let data = EvalData::from_rows("X", batch);
        let data = match train {
            Some(train) => inside(py, threads, || data.with_train_rows(train))?,
            None => data,
        };
        let report = compute(py, threads, &Callbacks { progress, event: None }, |job| {
            evaluate(model, &data, &settings, &mut job.watch())
        })?;
        let text = report.to_string();
        Ok((pythonize(py, &report)?, PyArray1::from_vec(py, report.log_probs), text))
    }

    /// log Z, or None for a model that has none.
    #[pyo3(signature = (options, *, threads=None, progress=None))]
    fn log_partition<'py>(
        &self,
        py: Python<'py>,
        options: EvalOptions,
        threads: Option<i64>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (model, settings) = (self.generative("log_partition")?, options.settings()?);
        gm_cli::memory::check_evaluation(model, &settings, 1).map_err(refused)?;
        let report = compute(py, threads, &Callbacks { progress, event: None }, |job| {
            evaluate_partition(model, &settings, &mut job.watch())
        })?;
        Ok(report.map(|report| pythonize(py, &report)).transpose()?)
    }

    /// Posterior means of the hidden units, a matrix a layer, the method, and the bound of mean field.
    #[pyo3(signature = (rows, *, method=None, samples=200, steps=100, seed=0, threads=None, progress=None))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn posterior_mean<'py>(
        &self,
        py: Python<'py>,
        rows: Rows<'py>,
        method: Option<&str>,
        samples: usize,
        steps: usize,
        seed: u64,
        threads: Option<i64>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Means<'py>> {
        let job = Conversion { py, name: "X", threads };
        if let Some(means) = self.means_given_grey(&rows, job)? {
            return Ok((vec![array(py, means)?], "exact", None));
        }
        let batch = self.batch(&rows, None, "posterior_mean", job)?;
        let (model, streams) = (self.generative("posterior_mean")?, Streams::new(seed));
        let method = method.map(str::parse).transpose().map_err(|e: gm::eval::Error| to_python(e.into()))?;
        let settings = PosteriorSettings { method, samples, steps };
        let found = compute(py, threads, &Callbacks { progress, event: None }, |job| {
            posterior_means(model, &batch, &settings, &streams, &mut job.watch())
        })?;
        let layers = found.layers(model).into_iter().map(|means| array(py, means)).collect::<PyResult<_>>()?;
        Ok((layers, found.method.as_str(), found.bound))
    }

    /// Means of the missing values given the others, the method and the sweeps.
    #[pyo3(signature = (rows, missing, *, method=None, steps=None, chains=10, seed=0, threads=None, progress=None))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn complete<'py>(
        &self,
        py: Python<'py>,
        rows: Rows<'py>,
        missing: Rows<'py>,
        method: Option<&str>,
        steps: Option<usize>,
        chains: usize,
        seed: u64,
        threads: Option<i64>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<(Bound<'py, PyArray2<f32>>, &'static str, usize)> {
        let batch = self.batch(&rows, None, "complete", Conversion { py, name: "X", threads })?;
        let (model, streams, mask) = (
            self.generative("complete")?,
            Streams::new(seed),
            missing.mask(Conversion { py, name: "missing", threads })?,
        );
        let kernel = match method {
            None => None,
            Some("gibbs") => Some(gm::eval::SbnKernel::Gibbs),
            Some("importance") => Some(gm::eval::SbnKernel::Importance),
            Some(other) => return Err(refused(format!("method is {other}, allowed: None, gibbs or importance"))),
        };
        let settings = CompletionSettings { kernel, steps, chains };
        gm_cli::memory::check_completion(model, &settings, batch.samples()).map_err(refused)?;
        let found = compute(py, threads, &Callbacks { progress, event: None }, |job| {
            complete(model, &batch, &mask, &settings, &streams, &mut job.watch())
        })?;
        Ok((array(py, values_of_sites(model.visible_kind(), found.means))?, found.method, found.steps))
    }

    /// Means of the visible units given one draw of the hidden units.
    #[pyo3(signature = (rows, *, seed=0, threads=None))]
    fn reconstruct<'py>(
        &self,
        py: Python<'py>,
        rows: Rows<'py>,
        seed: u64,
        threads: Option<i64>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let batch = self.batch(&rows, None, "reconstruct", Conversion { py, name: "X", threads })?;
        let (model, streams) = (self.generative("reconstruct")?, Streams::new(seed));
        array(py, compute(py, threads, &Callbacks::default(), |_| reconstruct(model, &batch, &streams))?)
    }

    /// Free energy of each row, in nats.
    #[pyo3(signature = (rows, *, threads=None))]
    fn free_energy<'py>(
        &self,
        py: Python<'py>,
        rows: Rows<'py>,
        threads: Option<i64>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let (rbm, batch) =
            (self.rbm("free_energy")?, self.batch(&rows, None, "free_energy", Conversion { py, name: "X", threads })?);
        Ok(PyArray1::from_vec(py, compute(py, threads, &Callbacks::default(), |_| rbm.free_energy_of_rows(&batch))?))
    }

    /// Log-pseudo-likelihood of each row, exact, or from one unit of each row drawn at random.
    #[pyo3(signature = (rows, *, stochastic=false, seed=0, threads=None))]
    fn pseudo_log_likelihood<'py>(
        &self,
        py: Python<'py>,
        rows: Rows<'py>,
        stochastic: bool,
        seed: u64,
        threads: Option<i64>,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let (rbm, batch) = (
            self.rbm("pseudo_log_likelihood")?,
            self.batch(&rows, None, "pseudo_log_likelihood", Conversion { py, name: "X", threads })?,
        );
        if rbm.units().kind() != gm::core::VisibleKind::Bernoulli {
            return Err(refused("pseudo_log_likelihood needs Bernoulli visible units without label units"));
        }
        let streams = Streams::new(seed);
        let found = compute(py, threads, &Callbacks::default(), |_| {
            Ok::<_, gm::Error>(match stochastic {
                true => rbm.stochastic_pseudo_likelihood(batch.bits(), &streams),
                false => rbm.log_pseudo_likelihood(batch.bits()),
            })
        })?;
        Ok(PyArray1::from_vec(py, found))
    }

    /// Log probability of each class given each row, `[samples, classes]`.
    #[pyo3(signature = (rows, *, threads=None))]
    fn log_class_probs<'py>(
        &self,
        py: Python<'py>,
        rows: Rows<'py>,
        threads: Option<i64>,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        if self.classes() == 0 {
            return Err(refused("log_class_probs needs a classifier or a model with label units"));
        }
        let found = match &self.kept {
            Kept::Classifier(net) => {
                let split = rows.split(Conversion { py, name: "X", threads }, false, None)?;
                check_units("X", split.units(), net.inputs())?;
                compute(py, threads, &Callbacks::default(), |_| {
                    let values = split.to_matrix(&(0..split.len() as u32).collect::<Vec<_>>());
                    net.log_class_probs((&values).into())
                })?
            }
            Kept::Generative(gm::eval::Model::Rbm(rbm)) => {
                let batch = self.batch(&rows, None, "log_class_probs", Conversion { py, name: "X", threads })?;
                compute(py, threads, &Callbacks::default(), |_| rbm.log_class_probs(&batch))?
            }
            Kept::Generative(gm::eval::Model::Dbn(dbn)) => {
                let batch = self.batch(&rows, None, "log_class_probs", Conversion { py, name: "X", threads })?;
                compute(py, threads, &Callbacks::default(), |_| {
                    dbn.log_class_probs(&dbn.standardised(&batch.to_matrix()))
                })?
            }
            Kept::Generative(_) => return Err(refused("log_class_probs needs a classifier, an RBM or a DBN")),
        };
        array(py, found)
    }
}

impl Model {
    /// Weights and biases, without those of a recognition net.
    fn stack(&self) -> PyResult<Cow<'_, gm::core::Stack>> {
        Ok(Cow::Borrowed(match &self.kept {
            Kept::Generative(gm::eval::Model::Rbm(rbm)) => rbm.stack(),
            Kept::Generative(gm::eval::Model::Sbn(sbn)) => sbn.stack(),
            Kept::Generative(gm::eval::Model::Dbm(dbm)) => dbm.stack(),
            Kept::Generative(gm::eval::Model::Dbn(dbn)) => dbn.stack(),
            Kept::Generative(gm::eval::Model::Harmonium(model)) => {
                return Ok(Cow::Owned(model.to_data().map_err(core)?.stack));
            }
            Kept::Classifier(net) => net.stack(),
        }))
    }
}
