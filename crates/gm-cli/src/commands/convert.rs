//! `dgm convert`: writes a model in another file format.

use std::path::PathBuf;

use clap::Args;
use gm_core::layer::Gauge;
use gm_core::{Format, ModelKind};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::output::{Report, shown};
use crate::{files, model};

/// Converts a model between file formats
///
/// The extension of OUT tells its format: .gm, .safetensors, .npz or .json. The content of IN tells its format. With
/// --to the model becomes another kind: a deep belief network becomes a deep Boltzmann machine or a sigmoid belief net,
/// which needs further training, and undirected models with one hidden layer become each other. A model with label units
/// becomes an rbm or a dbn only, since the others cannot have label units.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  dgm convert model.gm model.safetensors\n  dgm convert fixture.json model.gm --force\n  dgm convert dbn.gm dbm.gm --to dbm\n  \
    dgm convert runs/ww ww.json --gauge zero-sum"
)]
pub(crate) struct Convert {
    /// The model to read, a file or the folder of a run
    #[arg(value_name = "IN")]
    from: PathBuf,
    /// The file to write
    #[arg(value_name = "OUT")]
    to: PathBuf,
    /// The kind of model to make: rbm, sbn, dbm, dbn or harmonium [default: the kind of IN]
    #[arg(long = "to", value_name = "KIND")]
    kind: Option<ModelKind>,
    /// Bring the weights of softmax units into a gauge, which changes no probability: `zero-sum`, or `reference:K` for
    /// weights of 0 to category K of each group, counted from 0
    #[arg(long, value_name = "GAUGE")]
    gauge: Option<Gauge>,
    /// Replace OUT if it exists
    #[arg(long)]
    force: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    from: String,
    to: String,
    format: &'static str,
    model: String,
    layers: Vec<usize>,
    bytes: u64,
}

impl Convert {
    pub(super) fn run(&self) -> Result<Report> {
        let format = Format::from_path(&self.to).ok_or_else(|| Error::Option {
            option: "OUT",
            value: self.to.display().to_string(),
            allowed: Format::ALLOWED.into(),
        })?;
        files::check_regular("OUT", &self.to)?;
        files::check_free(&self.to, self.force)?;
        let data = model::load_data(&self.from)?;
        let data = match self.kind {
            Some(kind) => gm_eval::convert_model(data, kind)?,
            None => data,
        };
        let data = match self.gauge {
            Some(gauge) => gm_eval::gauge_model(data, gauge)?,
            None => data,
        };
        gm_data::save_model(&self.to, &data)?;
        let bytes = std::fs::metadata(&self.to).map_err(Error::io("reading", &self.to))?.len();
        let layers = data.stack.layers();
        let text = format!("{}: {} of layers {layers:?}, {bytes} bytes", self.to.display(), data.kind);
        Report::new(
            text,
            &Document {
                schema: "gm-convert/1",
                from: shown(&self.from),
                to: shown(&self.to),
                format: format.extension(),
                model: data.kind.to_string(),
                layers,
                bytes,
            },
        )
    }
}
