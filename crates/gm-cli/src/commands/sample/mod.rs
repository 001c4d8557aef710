//! `dgm sample`: draws from a model.

mod divided;

use std::path::PathBuf;

use clap::Args;
use gm_ascent::Exchange;
use gm_core::{Clamp, Matrix, VisibleKind};
use gm_eval::{
    ChainMethod, ChainSettings, Diagnostics, Model, SampleReport, SampleSettings, Sampling, Share, mask_of_units,
    sites, values_of_sites,
};
use serde::Serialize;

use super::{Context, words};
use crate::error::{Error, Result};
use crate::files::{FORCE, Kind, Rows, Target};
use crate::mask::{self, Mask, given};
use crate::model::{self, MODEL};
use crate::needs::{self, Kept};
use crate::output::{Report, shown};
use crate::over::share_of;
use crate::picture;
use crate::units::levels;
use divided::Drawing;

/// Draws samples from a model
///
/// A restricted Boltzmann machine is sampled by block Gibbs sampling or, with --method tempering, by parallel
/// tempering. The chains are watched in the second half of their first sweeps, and diagnostics are printed with the
/// samples. With --clamp or --label each chain has a distribution of its own, so each is watched alone. A sigmoid
/// belief net is sampled from the top layer down, without chains; with --clamp it is sampled by chains on its hidden
/// units. A deep belief network is sampled by chains in the RBM on top, with one pass down for each sample.
///
/// Samples have the units of measure of the data, and categories are written as numbers from 0.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm sample model.gm -n 100 --out samples.png\n  \
    dgm sample model.gm -n 5000 --chains 100 --thin 50 --out samples.npy\n  \
    dgm sample model.gm -n 100 --method tempering --temperatures 20 --out samples.png\n  \
    dgm sample model.gm -n 20 --clamp given.npy --mask bottom --means --out completed.png\n  \
    dgm sample family/model.gm -n 500 --beta 1.5 --out family.fasta")]
pub(crate) struct Sample {
    #[arg(help = MODEL)]
    model: PathBuf,
    /// Number of samples
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 100, value_parser = super::at_least_one)]
    count: usize,
    /// Number of sweeps of each chain before its first sample [default: 1000; 100 for a sigmoid belief net, and with
    /// --clamp for a deep belief network]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,
    /// Number of chains [default: one for each sample]
    #[arg(long, value_name = "N", value_parser = super::at_least_one)]
    chains: Option<usize>,
    /// Number of sweeps between further samples of a chain [default: 100]
    #[arg(long, value_name = "N", value_parser = super::at_least_one)]
    thin: Option<usize>,
    /// The file to write: .png, .npy, .csv or, for models of sequences, .fasta [default: draw the first few on the terminal]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Give means of the visible units given the layer above, instead of states; for categories these are probabilities
    #[arg(long)]
    means: bool,
    /// Keep given units at the values in this file, which are zeros and ones unless the model has other units, and may be
    /// sequences; it has one row, or one row for each sample
    #[arg(long, value_name = "FILE", requires = "mask")]
    clamp: Option<PathBuf>,
    /// The units that are not kept: left, right, top, bottom, random:P or a file of ones where units are free
    #[arg(long, value_name = "WHICH", requires = "clamp", value_parser = mask::parser())]
    mask: Option<Mask>,
    /// The way to draw states [default: gibbs; importance for a sigmoid belief net with --clamp and a recognition net]
    #[arg(long, value_name = "HOW", value_parser = words::<ChainMethod, 3>(ChainMethod::ALL.map(|how| (how.as_str(), how.about()))))]
    method: Option<ChainMethod>,
    /// Number of temperatures of --method tempering; they move towards equal shares of accepted swaps until the chains
    /// are watched [default: 10]
    #[arg(long, value_name = "N")]
    temperatures: Option<usize>,
    /// Sample an rbm or dbm at this inverse temperature: 1 is the model, 0 is noise, and in between chains move more
    /// easily from mode to mode
    #[arg(long, value_name = "X", conflicts_with_all = ["clamp", "means", "method", "label"])]
    beta: Option<f32>,
    /// Draw pictures of these classes in turn, such as 3 or 0,1,2, with a model that has label units
    #[arg(long, value_name = "CLASS,...", value_delimiter = ',')]
    label: Option<Vec<usize>>,
    /// Number of shards: chains are divided among them, and each has random numbers of its own, so that samples depend on
    /// it [default: 1, or the number of processes of dgm-mpi]
    #[arg(long, value_name = "N", value_parser = super::at_least_one)]
    shards: Option<usize>,
    #[arg(long, help = FORCE)]
    force: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    model: String,
    layers: Vec<usize>,
    samples: usize,
    method: &'static str,
    /// The number of chains. It is absent if samples are independent.
    #[serde(skip_serializing_if = "Option::is_none")]
    chains: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thin: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shards: Option<usize>,
    seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnostics: Option<Diagnostics>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<String>,
    /// The samples, one in each row, if no file is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<Vec<f32>>>,
}

impl Sample {
    pub(super) fn run(&self, context: &Context) -> Result<Report> {
        let kinds = [Kind::Png, Kind::Npy, Kind::Csv, Kind::Fasta];
        // One of several processes writes for all of them.
        let out = self.out.as_ref().filter(|_| context.leads());
        let target = out.map(|path| Target::new(("--out", path), &kinds, self.force)).transpose()?;
        let model = model::load(&self.model)?;
        let letters =
            target.as_ref().filter(|target| target.kind == Kind::Fasta).map(|target| self.letters(&model, target));
        let letters = letters.transpose()?;
        let settings = self.settings(&model, context)?;
        let kept = match target.as_ref().map(|target| target.kind) {
            Some(Kind::Png) => Kept::Picture,
            Some(_) => Kept::None,
            None => Kept::Text,
        };
        needs::sampling(&model, &settings, kept).check()?;
        let share = context.processes().map_or(Share::WHOLE, share_of);
        let sampling = Sampling::part(&model, &settings, share, &context.streams())?;
        let mut drawing = Drawing { sampling, processes: context.processes() };
        if !context.leads() {
            drawing.draw(&mut |_| Ok(()))?;
            return Ok(Report::elsewhere(false));
        }
        let (kind, units) = (model.visible_kind(), model.visible());
        let columns = if self.means { units } else { sites(kind, units) };
        let in_file = |values: &Matrix| if self.means { values.clone() } else { values_of_sites(kind, values.clone()) };
        let (mut text, values) = match &target {
            Some(target) if target.kind != Kind::Png => {
                let binary = !self.means && matches!(kind, VisibleKind::Bernoulli | VisibleKind::Labelled { .. });
                let fill = |rows: &mut Rows<'_>| drawing.draw(&mut |values| rows(&in_file(values)));
                match &letters {
                    Some(letters) => target.write_sequences(("sample", letters), fill)?,
                    None => {
                        let names = model::names(&self.model, columns).unwrap_or_default();
                        target.write_rows([self.count, columns], binary, &names, fill)?;
                    }
                }
                (said(target, self.count, columns), None)
            }
            _ => {
                let mut all = Vec::with_capacity(units * self.count);
                drawing.draw(&mut |values| {
                    all.extend_from_slice(values.as_slice());
                    Ok(())
                })?;
                let values = Matrix::from_vec(units, self.count, all);
                let (levels, shape) = (levels(kind, &values), picture::shape_of(sites(kind, units), None));
                let text = match &target {
                    Some(target) => {
                        target.write_picture(&picture::samples(&levels, shape, None))?;
                        said(target, self.count, columns)
                    }
                    None => picture::blocks(&levels, shape),
                };
                (text, target.is_none().then(|| in_file(&values)))
            }
        };
        let drawn = drawing.sampling.into_report();
        text += &drawn.diagnostics.as_ref().map(|found| format!("{found}\n")).unwrap_or_default();
        self.report(text, &model, drawn, values, context)
    }

    fn report(
        &self,
        text: String,
        model: &Model,
        drawn: SampleReport,
        values: Option<Matrix>,
        context: &Context,
    ) -> Result<Report> {
        let shards = self.shards(context);
        let rows = |values: Matrix| values.column_iter().map(|sample| sample.iter().copied().collect()).collect();
        Report::new(
            text,
            &Document {
                schema: "gm-sample/1",
                model: model.kind().to_string(),
                layers: model.layers(),
                samples: self.count,
                method: drawn.method,
                chains: drawn.chains,
                steps: drawn.steps,
                thin: drawn.thin,
                shards: Some(shards).filter(|&shards| shards > 1),
                seed: context.seed(),
                values: values.map(rows),
                diagnostics: drawn.diagnostics,
                out: self.out.as_deref().map(shown),
            },
        )
    }

    /// The letters of sequences that are written.
    fn letters(&self, model: &Model, target: &Target) -> Result<String> {
        if self.means {
            let (value, allowed) = (shown(target.path()), "a .fasta file of states, without --means".into());
            return Err(Error::Option { option: "--out", value, allowed });
        }
        model::letters(("--out", target.path()), &self.model, model.visible_kind())
    }

    /// The options as settings, with the given values read.
    fn settings(&self, model: &Model, context: &Context) -> Result<SampleSettings> {
        let SampleSettings { start, .. } = SampleSettings::default();
        let (method, classes) = (self.method, self.label.clone());
        let start = ChainSettings { method, classes, beta: self.beta, temperatures: self.temperatures, ..start };
        let (chains, steps, thin) = (self.chains, self.steps, self.thin);
        let shards = self.shards(context);
        let settings = SampleSettings { count: self.count, means: self.means, chains, steps, thin, shards, start };
        // Given values take a row for each chain.
        needs::sampling(model, &settings, Kept::None).check()?;
        let clamp = self.clamp(model, settings.chain_count(), context)?;
        Ok(SampleSettings { start: ChainSettings { clamp, ..settings.start }, ..settings })
    }

    fn shards(&self, context: &Context) -> usize {
        self.shards.unwrap_or(context.processes().map_or(1, Exchange::ranks))
    }

    fn clamp(&self, model: &Model, chains: usize, context: &Context) -> Result<Option<Clamp>> {
        let (Some(values), Some(mask)) = (&self.clamp, &self.mask) else { return Ok(None) };
        let (kind, visible) = (model.visible_kind(), model.visible());
        let alphabet = model::alphabet(&self.model);
        let (values, sites) =
            (given("--clamp", values.clone(), (kind, visible), chains, alphabet)?, sites(kind, visible));
        let free = mask.missing_some(sites, chains, picture::shape_of(sites, None), &context.streams())?;
        Ok(Some(Clamp { mask: mask_of_units(kind, &free.flipped()), values }))
    }
}

/// A line about the file.
fn said(target: &Target, samples: usize, units: usize) -> String {
    format!("{}: {samples} samples of {units} units\n", target.path().display())
}
