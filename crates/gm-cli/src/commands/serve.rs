//! `dgm serve`: shows runs and models on a local page.

use std::path::PathBuf;

use clap::Args;
use gm_serve::{ServeSettings, Server};
use serde::Serialize;

use super::Context;
use crate::console::Interrupt;
use crate::error::Result;
use crate::output::{Report, shown};

/// Shows runs and models on a local web page
///
/// The page shows the runs of a folder side by side, with their curves, filters and fantasies, while they train as well
/// as afterwards. It also lets you draw on a model and see its posterior, its completion and its Gibbs chains, and has
/// five exhibits on small models.
///
/// The address is printed on standard output. It works on this computer alone and holds a secret: whoever has the
/// address may look. Ctrl-C ends the server.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Examples:\n  dgm serve\n  dgm serve runs/rbm-digits --open\n  dgm serve model.gm --port 8000\n  dgm serve --chapter"
)]
pub(crate) struct Serve {
    /// A run, a folder of runs, or a model file
    #[arg(default_value = "runs")]
    path: PathBuf,
    /// Show the chapter's exhibits alone, without runs
    #[arg(long, conflicts_with = "path")]
    chapter: bool,
    /// The port, from 1 to 65535 [default: a free one]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// Open the page in the browser
    #[arg(long)]
    open: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    address: String,
}

impl Serve {
    pub(super) fn run(&self, context: &Context) -> Result<Report> {
        let interrupt = Interrupt::listen();
        let settings = ServeSettings {
            port: self.port.unwrap_or(0),
            threads: rayon::current_num_threads(),
            seed: context.seed(),
            path: (!self.chapter).then(|| self.path.clone()),
        };
        let server = Server::bind(&settings)?;
        let address = server.address();
        let document =
            Document { schema: "gm-serve/1", path: settings.path.as_ref().map(shown), address: address.clone() };
        let report = Report::new(&address, &document)?;
        report.print(context.json)?;
        if self.open
            && let Err(error) = open::that_detached(&address)
        {
            tracing::warn!("no browser could be opened: {error}; open the address yourself");
        }
        tracing::info!("the page is shown until Ctrl-C");
        server.run(|| interrupt.is_set())?;
        Ok(report.printed())
    }
}
