//! `dgm infer`: posterior means of the hidden units.

use std::path::PathBuf;

use clap::Args;
use gm_core::{Matrix, ModelKind, VisibleKind};
use gm_eval::{Model, PosteriorMethod, PosteriorSettings, posterior_means};
use gm_net::Classifier;
use serde::Serialize;

use super::{Context, refuse_given, words};
use crate::classes::Inputs;
use crate::console::watched;
use crate::data::{About, Part, Rows, SPLIT};
use crate::error::{Error, Result};
use crate::files::{FORCE, Kind, Target};
use crate::model::{self, Either, MODEL};
use crate::output::{Report, shown};

/// Computes E[h | v] for the rows of a data set, or the probabilities of classes
///
/// A restricted Boltzmann machine has exact means, since its hidden units are independent given the data. Other models
/// use the --method. Its default is mean field for a deep Boltzmann machine, and one pass up of means for a deep belief
/// network; both take gibbs and exact as well.
///
/// A classifier gives p(class | v). It takes grey levels as they are unless --binarise is given.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  dgm infer model.gm --data digits --out h.npy\n  dgm infer model.gm --data rows.csv --split all --out h.csv\n  \
    dgm infer sbn.gm --data digits --method gibbs --steps 200 --out h.npy"
)]
pub(crate) struct Infer {
    #[arg(help = MODEL)]
    model: PathBuf,
    #[command(flatten)]
    rows: Rows,
    #[arg(long, default_value = "test", help = SPLIT)]
    split: Part,
    /// The way to the posterior; the default for a sigmoid belief net is exact with at most 12 hidden units, else
    /// importance with a recognition net and gibbs without
    #[arg(long, value_name = "HOW", value_parser = words::<PosteriorMethod, 5>(PosteriorMethod::ALL.map(|how| (how.as_str(), how.about()))))]
    method: Option<PosteriorMethod>,
    /// Number of draws of the recognition net for each row, with recognition and importance [default: 200]
    #[arg(long, value_name = "K", value_parser = super::at_least_one)]
    samples: Option<usize>,
    /// Number of sweeps; gibbs leaves out the first half, and mean-field stops after them [default: 100]
    #[arg(long, value_name = "N", value_parser = super::at_least_one)]
    steps: Option<usize>,
    /// The file to write, .npy or .csv, with a row of hidden means for each row of data, the first hidden layer first
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[arg(long, help = FORCE)]
    force: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    model: String,
    layers: Vec<usize>,
    data: About,
    method: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
    out: String,
    mean_activation: f64,
    /// Mean over rows of the bound that mean field reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    mean_field_bound: Option<f64>,
}

/// The document of a classifier.
#[derive(Serialize)]
struct Probabilities {
    schema: &'static str,
    model: &'static str,
    layers: Vec<usize>,
    classes: usize,
    data: About,
    out: String,
}

impl Infer {
    pub(super) fn run(&self, context: &Context) -> Result<Report> {
        let target = Target::new(("--out", &self.out), &[Kind::Npy, Kind::Csv], self.force)?;
        let model = match model::load_either(&self.model)? {
            Either::Classifier(net) => return self.classify(&net, &target),
            Either::Model(model) => model,
        };
        let method = self.method.unwrap_or_else(|| PosteriorMethod::usual(&model));
        self.check(&model, method)?;
        let examples = self.rows.load_for(&model, &self.model, self.split)?;
        let usual = PosteriorSettings::default();
        let (samples, steps) = (self.samples.unwrap_or(usual.samples), self.steps.unwrap_or(usual.steps));
        let settings = PosteriorSettings { method: Some(method), samples, steps };
        let found = watched("sampling", |watch| {
            Ok(posterior_means(&model, &examples.rows, &settings, &context.streams(), watch)?)
        })?;
        target.write_values(&found.means)?;
        let mean_activation = mean(&found.means);
        let text = format!(
            "{}: E[h | v] of {} rows and {} hidden units by {}, {:.1} units on per row",
            self.out.display(),
            found.means.ncols(),
            found.means.nrows(),
            method,
            mean_activation * found.means.nrows() as f64
        );
        Report::new(
            text,
            &Document {
                schema: "gm-infer/1",
                model: model.kind().to_string(),
                layers: model.layers(),
                data: examples.about,
                samples: (method.draws() && !matches!(model, Model::Dbn(_))).then_some(samples),
                steps: method.sweeps().then_some(steps),
                method: method.to_string(),
                out: shown(&self.out),
                mean_activation,
                mean_field_bound: found.bound,
            },
        )
    }

    /// Writes the probability of each class.
    fn classify(&self, net: &Classifier, target: &Target) -> Result<Report> {
        let given = [
            ("--method", self.method.map(|method| method.to_string())),
            ("--samples", self.samples.map(|n| n.to_string())),
            ("--steps", self.steps.map(|n| n.to_string())),
        ];
        refuse_given(given.iter(), "none for a classifier")?;
        let inputs = Inputs::load(&self.rows, self.split, (VisibleKind::Bernoulli, net.inputs()), &self.model)?;
        let probs = net.log_class_probs(inputs.values()?.view())?.map(f32::exp);
        target.write_values(&probs)?;
        let (rows, classes) = (probs.ncols(), net.classes());
        let text = format!("{}: p(class | v) of {rows} rows and {classes} classes", self.out.display());
        let document = Probabilities {
            schema: "gm-infer/1",
            model: ModelKind::Classifier.as_str(),
            layers: net.stack().layers(),
            classes,
            data: inputs.about,
            out: shown(&self.out),
        };
        Report::new(text, &document)
    }

    /// Refuses options that the method does not use, and methods that the model does not have.
    fn check(&self, model: &Model, method: PosteriorMethod) -> Result<()> {
        const DRAWS: &str = "--method recognition or importance with an sbn";
        let draws = method.draws() && matches!(model, Model::Sbn(_));
        Error::needs("--samples", self.samples, draws, DRAWS)?;
        Error::needs("--steps", self.steps, method.sweeps(), "--method gibbs or mean-field")?;
        Ok(method.check(model)?)
    }
}

fn mean(values: &Matrix) -> f64 {
    values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64
}
