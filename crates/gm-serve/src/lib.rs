//! A local page that shows runs and models: curves while a run trains, filters and fantasies as they form, and a model
//! that answers to what is drawn.
//!
//! [`Server`] listens on 127.0.0.1 alone. It reads what runs write and calls `gm-eval` and the samplers of the models; it
//! has no mathematics of its own. `guard.rs` says which requests are refused, `routes.rs` lists all others, `shelf.rs` says
//! which files are read, and `chapter.rs` has exhibits on small models.
//!
//! ```
//! use gm_core::{ModelKind, ModelData, Stack};
//! use gm_serve::{ServeSettings, Server};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("model.gm");
//! gm_data::save_model(&path, &ModelData::from_stack(ModelKind::Rbm, Stack::zeros(&[4, 3])?)?)?;
//! let server = Server::bind(&ServeSettings::new(path))?;
//! assert!(server.address().starts_with("http://127.0.0.1:"));
//! server.run(|| true)?; // ends as soon as it is asked
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod assets;
mod chains;
mod chapter;
mod error;
mod excited;
mod guard;
mod live;
mod look;
mod models;
mod moments;
mod places;
mod routes;
mod runs;
mod server;
mod shelf;
mod tones;

pub use error::{Error, Result};
pub use server::{ServeSettings, Server};

/// The example of the crate's description runs with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
