//! `dgm sample`: draws from a model.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gm_core::{Matrix, Purpose, VisibleKind};
use gm_dbm::Dbm;
use gm_dbn::Dbn;
use gm_eval::Model;
use gm_rbm::{Clamp, Rbm};
use gm_sbn::Sbn;
use serde::Serialize;

use super::Context;
use crate::console::Progress;
use crate::error::{Error, Result};
use crate::files::{Kind, Rows, Target};
use crate::mask::{Mask, given};
use crate::model;
use crate::output::Report;
use crate::picture;
use crate::sampling::{
    self, Chain, DbmWalk, DbnPosteriorWalk, DbnWalk, Diagnostics, Kernel, SbnWalk, TemperedWalk, Walk, Watched,
};
use crate::units::{levels, mask_of_units, sites, written};

/// Draws samples of a model
///
/// A restricted Boltzmann machine is sampled by block Gibbs sampling or, with --method tempering, by parallel tempering. Chains are
/// watched in the second half of their first sweeps, and diagnostics are printed with the samples; with --clamp or --label each chain has a
/// distribution of its own and is judged alone. A sigmoid belief net is sampled from the top layer down, without
/// chains, and with --clamp by chains on its hidden units. A deep belief network is sampled by chains in the machine on top, with
/// one pass down for each sample.
///
/// Samples have the units of measure of the data, and categories are written as numbers from 0.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm sample model.gm -n 100 --out samples.png\n  \
    dgm sample model.gm -n 5000 --chains 100 --thin 50 --out samples.npy\n  \
    dgm sample model.gm -n 100 --method tempering --temperatures 20 --out samples.png\n  \
    dgm sample model.gm -n 20 --clamp given.npy --mask bottom --means --out completed.png")]
pub(crate) struct Sample {
    /// A model file
    model: PathBuf,
    /// Samples to draw
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 100, value_parser = super::at_least_one)]
    count: usize,
    /// Sweeps of each chain before its first sample [default: 1000; 100 for a sigmoid belief net and with --clamp for a deep belief network]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Chains [default: one a sample]
    #[arg(long, value_name = "N", value_parser = super::at_least_one)]
    chains: Option<usize>,
    /// Sweeps between further samples of a chain [default: 100]
    #[arg(long, value_name = "N", value_parser = super::at_least_one)]
    thin: Option<usize>,
    /// The file to write: .png, .npy or .csv [default: draw the first few on the terminal]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Give the means of the visible units given the layer above instead of states: probabilities, also of each category
    #[arg(long)]
    means: bool,
    /// Keep values from this file, of zeros and ones unless the model has other units: one row, or a row a sample
    #[arg(long, value_name = "FILE", requires = "mask")]
    clamp: Option<PathBuf>,
    /// The units that are not kept: left, right, top, bottom, random:P or a file of ones where units are free
    #[arg(long, value_name = "WHICH", requires = "clamp")]
    mask: Option<Mask>,
    /// How states are drawn [default: gibbs; for a sigmoid belief net with --clamp importance, if it has a recognition net]
    #[arg(long, value_name = "HOW")]
    method: Option<Method>,
    /// Temperatures of --method tempering, which move towards equal shares of swaps until chains are watched [default: 10]
    #[arg(long, value_name = "N", requires = "method")]
    temperatures: Option<usize>,
    /// Sample a rbm or dbm at this inverse temperature: 1 is the model, 0 noise, between them modes are closer to each other
    #[arg(long, value_name = "X", conflicts_with_all = ["clamp", "means", "method", "label"])]
    beta: Option<f32>,
    /// Draw pictures of these classes in turn, such as 3 or 0,1,2, with a model that has label units
    #[arg(long, value_name = "CLASS,...", value_delimiter = ',')]
    label: Option<Vec<usize>>,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

/// How states are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Method {
    /// Block Gibbs sampling; unit by unit in a sigmoid belief net.
    Gibbs,
    /// Parallel tempering, of a restricted Boltzmann machine.
    Tempering,
    /// Importance resampling of draws of the recognition net, of a sigmoid belief net with --clamp.
    Importance,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Gibbs => "gibbs",
            Self::Tempering => "tempering",
            Self::Importance => "importance",
        }
    }
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    model: String,
    layers: Vec<usize>,
    samples: usize,
    method: &'static str,
    /// Absent where samples are independent.
    #[serde(skip_serializing_if = "Option::is_none")]
    chains: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thin: Option<usize>,
    seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnostics: Option<Diagnostics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<PathBuf>,
    /// A row a sample, when no file was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<Vec<f32>>>,
}

/// Temperatures of parallel tempering unless told.
const TEMPERATURES: usize = 10;

/// Independent samples that are drawn together.
const TOGETHER: usize = 10_000;

/// Above this split R-hat chains have not forgotten where they began.
const MIXED: f64 = 1.05;

/// How samples came about.
struct Drawn {
    method: &'static str,
    /// Chains, sweeps and thinning, where there are chains.
    chains: Option<[usize; 3]>,
    diagnostics: Option<Diagnostics>,
}

impl Sample {
    pub(super) fn run(&self, context: &Context) -> Result<Report> {
        let kinds = [Kind::Png, Kind::Npy, Kind::Csv];
        let target = self.out.as_ref().map(|path| Target::new(path, &kinds, self.force)).transpose()?;
        let model = model::load(&self.model)?;
        if let (Some(labels), 0) = (&self.label, model.classes()) {
            let value = labels.first().map_or_else(String::new, ToString::to_string);
            return Err(refused("--label", value, "a model with label units"));
        }
        self.check_heat(&model)?;
        let (kind, units) = (model.visible_kind(), model.visible());
        let shape = picture::shape_of(sites(kind, units), None);
        let columns = if self.means { units } else { sites(kind, units) };
        let in_file = |values: &Matrix| if self.means { values.clone() } else { written(kind, values.clone()) };
        let (mut text, drawn, values) = match &target {
            Some(target) if target.kind != Kind::Png => {
                let binary = !self.means && matches!(kind, VisibleKind::Bernoulli | VisibleKind::Labelled { .. });
                let draw = |rows: &mut Rows<'_>| self.draw(&model, context, &mut |values| rows(&in_file(values)));
                (said(target, self.count, columns), target.write_rows([self.count, columns], binary, draw)?, None)
            }
            _ => {
                let mut all = Vec::with_capacity(units * self.count);
                let drawn = self.draw(&model, context, &mut |values| {
                    all.extend_from_slice(values.as_slice());
                    Ok(())
                })?;
                let values = Matrix::from_vec(units, self.count, all);
                let levels = levels(kind, &values);
                let text = match &target {
                    Some(target) => {
                        target.write_picture(&picture::samples(&levels, shape, None))?;
                        said(target, self.count, columns)
                    }
                    None => picture::blocks(&levels, shape),
                };
                (text, drawn, target.is_none().then(|| in_file(&values)))
            }
        };
        text += &drawn.diagnostics.as_ref().map(Diagnostics::text).unwrap_or_default();
        let rows = |values: Matrix| values.column_iter().map(|sample| sample.iter().copied().collect()).collect();
        let number = |i: usize| drawn.chains.map(|chains| chains[i]);
        Report::new(
            text,
            &Document {
                schema: "gm-sample/1",
                model: model.kind().to_string(),
                layers: model.layers(),
                samples: self.count,
                method: drawn.method,
                chains: number(0),
                steps: number(1),
                thin: number(2),
                seed: context.seed(),
                values: values.map(rows),
                diagnostics: drawn.diagnostics,
                out: self.out.clone(),
            },
        )
    }

    /// Draws samples and hands them over as they come about.
    fn draw(&self, model: &Model, context: &Context, rows: &mut Rows<'_>) -> Result<Drawn> {
        match model {
            Model::Rbm(rbm) => self.sample_rbm(rbm, context, rows),
            Model::Sbn(sbn) => self.sample_sbn(sbn, context, rows),
            Model::Dbm(dbm) => self.sample_dbm(dbm, context, rows),
            Model::Dbn(dbn) => self.sample_dbn(dbn, context, rows),
        }
    }

    /// Refuses temperatures out of range, or where there are none.
    fn check_heat(&self, model: &Model) -> Result<()> {
        if let Some(temperatures) = self.temperatures.filter(|_| self.method != Some(Method::Tempering)) {
            return Err(refused("--temperatures", temperatures, "together with --method tempering only"));
        }
        match self.beta {
            Some(beta) if !matches!(model, Model::Rbm(_) | Model::Dbm(_)) => {
                Err(refused("--beta", beta, &format!("none for a {}", model.kind())))
            }
            Some(beta) if !(0.0..=1.0).contains(&beta) => Err(refused("--beta", beta, "0 to 1")),
            _ => Ok(()),
        }
    }

    /// Refuses methods but those that the model has.
    fn check_method(&self, known: &[Method], allowed: &str) -> Result<()> {
        match self.method.filter(|method| !known.contains(method)) {
            Some(method) => Err(refused("--method", method.name(), allowed)),
            None => Ok(()),
        }
    }

    fn sample_rbm(&self, rbm: &Rbm, context: &Context, rows: &mut Rows<'_>) -> Result<Drawn> {
        self.check_method(&[Method::Gibbs, Method::Tempering], "gibbs or tempering for a rbm")?;
        let chains = self.chains.unwrap_or(self.count).min(self.count);
        let clamp = self.clamp((rbm.units().kind(), rbm.row_units()), chains, context)?;
        let classes = self.classes(rbm.classes(), chains)?;
        if self.method == Some(Method::Tempering) {
            let temperatures = self.temperatures.unwrap_or(TEMPERATURES);
            let given = (clamp, classes.as_deref());
            let mut walk = TemperedWalk::new(rbm, chains, temperatures, given, &context.streams())?;
            return self.by_chains(&mut walk, chains, "parallel tempering", rows);
        }
        let walk = match classes {
            Some(classes) => Walk::new(rbm, chains, clamp, &context.streams()).of_classes(&classes),
            None => Walk::new(rbm, chains, clamp, &context.streams()),
        };
        let mut walk = match self.beta {
            Some(beta) => walk.heated(beta),
            None => walk,
        };
        self.by_gibbs(&mut walk, chains, rows)
    }

    fn sample_dbm(&self, dbm: &Dbm, context: &Context, rows: &mut Rows<'_>) -> Result<Drawn> {
        self.check_method(&[Method::Gibbs], "gibbs for a dbm")?;
        let chains = self.chains.unwrap_or(self.count).min(self.count);
        let clamp = self.clamp((dbm.units().kind(), dbm.visible()), chains, context)?;
        let walk = DbmWalk::new(dbm, chains, clamp, &context.streams());
        let mut walk = match self.beta {
            Some(beta) => walk.heated(beta),
            None => walk,
        };
        self.by_gibbs(&mut walk, chains, rows)
    }

    fn sample_dbn(&self, dbn: &Dbn, context: &Context, rows: &mut Rows<'_>) -> Result<Drawn> {
        self.check_method(&[Method::Gibbs], "gibbs for a dbn")?;
        let chains = self.chains.unwrap_or(self.count).min(self.count);
        let Some(clamp) = self.clamp((dbn.units().kind(), dbn.visible()), chains, context)? else {
            let classes = self.classes(dbn.classes(), chains)?;
            return self.by_gibbs(&mut DbnWalk::new(dbn, chains, classes, &context.streams()), chains, rows);
        };
        if self.label.is_some() {
            return Err(refused("--label", "given", "none together with --clamp"));
        }
        let mut walk = DbnPosteriorWalk::new(dbn, clamp, &context.streams())?;
        self.after_watching(&mut walk, chains, self.steps.unwrap_or(100), "Gibbs sampling of all layers", rows)
    }

    /// The class of each chain: those asked for, in turn.
    fn classes(&self, known: usize, chains: usize) -> Result<Option<Vec<usize>>> {
        let Some(labels) = &self.label else { return Ok(None) };
        match labels.iter().find(|&&class| class >= known) {
            Some(class) => Err(refused("--label", class, &format!("classes from 0 to {}", known - 1))),
            None => Ok(Some(labels.iter().copied().cycle().take(chains).collect())),
        }
    }

    fn by_gibbs(&self, walk: &mut impl Watched, chains: usize, rows: &mut Rows<'_>) -> Result<Drawn> {
        self.by_chains(walk, chains, "block Gibbs sampling", rows)
    }

    fn by_chains(
        &self,
        walk: &mut impl Watched,
        chains: usize,
        method: &'static str,
        rows: &mut Rows<'_>,
    ) -> Result<Drawn> {
        self.after_watching(walk, chains, self.steps.unwrap_or(1_000), method, rows)
    }

    /// Samples of chains after so many sweeps, in the second half of which they were watched.
    fn after_watching(
        &self,
        walk: &mut impl Watched,
        chains: usize,
        steps: usize,
        method: &'static str,
        rows: &mut Rows<'_>,
    ) -> Result<Drawn> {
        let diagnostics = walk.run_watched(steps)?;
        if diagnostics.as_ref().is_some_and(|d| d.compared && d.split_r_hat > MIXED) {
            tracing::warn!("the chains still differ from each other (split R-hat above {MIXED}); raise --steps");
        }
        let thin = self.collect(walk, chains, rows)?;
        Ok(Drawn { method, chains: Some([chains, steps, thin]), diagnostics })
    }

    fn sample_sbn(&self, sbn: &Sbn, context: &Context, rows: &mut Rows<'_>) -> Result<Drawn> {
        let chains = self.chains.unwrap_or(self.count).min(self.count);
        let Some(clamp) = self.clamp((VisibleKind::Bernoulli, sbn.visible()), chains, context)? else {
            self.check_method(&[], "none for a sbn without --clamp, whose samples are independent")?;
            for (option, given) in [("--steps", self.steps), ("--thin", self.thin), ("--chains", self.chains)] {
                if let Some(given) = given {
                    return Err(refused(
                        option,
                        given,
                        "none for a sbn without --clamp, whose samples are independent",
                    ));
                }
            }
            for (part, first) in (0..self.count).step_by(TOGETHER).enumerate() {
                let streams = context.streams();
                let streams = if part == 0 { streams } else { streams.fork(Purpose::Choose, part as u64) };
                rows(&sampling::ancestral(sbn, TOGETHER.min(self.count - first), self.means, &streams))?;
            }
            return Ok(Drawn { method: "ancestral sampling", chains: None, diagnostics: None });
        };
        self.check_method(&[Method::Gibbs, Method::Importance], "gibbs or importance for a sbn")?;
        let asked = self.method.map(|method| match method {
            Method::Importance => Kernel::Importance,
            _ => Kernel::Gibbs,
        });
        let kernel = Kernel::of(asked, sbn);
        let mut walk = SbnWalk::new(sbn, clamp, kernel, &context.streams())?;
        self.after_watching(&mut walk, chains, self.steps.unwrap_or(100), kernel.name(), rows)
    }

    fn clamp(&self, (kind, visible): (VisibleKind, usize), chains: usize, context: &Context) -> Result<Option<Clamp>> {
        let (Some(values), Some(mask)) = (&self.clamp, &self.mask) else { return Ok(None) };
        let (values, sites) = (given("--clamp", values.clone(), (kind, visible), chains)?, sites(kind, visible));
        let free = mask.missing(sites, chains, picture::shape_of(sites, None), &context.streams())?;
        Ok(Some(Clamp { mask: mask_of_units(kind, &free.flipped()), values }))
    }

    /// Hands over samples in the order in which they are drawn; the sweeps between those of a chain.
    fn collect(&self, walk: &mut dyn Chain, chains: usize, rows: &mut Rows<'_>) -> Result<usize> {
        let thin = self.thin.unwrap_or(100);
        let mut progress = Progress::new("drawing", self.count as u64);
        for (round, first) in (0..self.count).step_by(chains).enumerate() {
            if round > 0 {
                walk.advance(thin)?;
            }
            let drawn = if self.means { walk.means() } else { walk.states() };
            let taken = chains.min(self.count - first);
            if taken == drawn.ncols() {
                rows(&drawn)?
            } else {
                rows(&drawn.columns(0, taken).into_owned())?
            }
            progress.set((first + taken) as u64, "");
        }
        Ok(thin)
    }
}

/// What was written where.
fn said(target: &Target, samples: usize, units: usize) -> String {
    format!("{}: {samples} samples of {units} units\n", target.path().display())
}

fn refused(option: &'static str, value: impl ToString, allowed: &str) -> Error {
    Error::Option { option, value: value.to_string(), allowed: allowed.into() }
}
