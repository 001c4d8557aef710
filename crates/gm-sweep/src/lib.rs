//! Many training runs: candidates from a sweep file, runs in folders, successive halving, comparison.
//!
//! ```
//! use gm_sweep::{Comparison, Share, Search, SearchEvent, SearchOutcome, Sweep};
//!
//! let sweep = Sweep::parse(
//!     "[sweep]
//!      method = 'grid'
//!      [settings]
//!      'model.hidden' = [1, 4]
//!      [data]
//!      spec = 'bars-and-stripes:2'
//!      [model]
//!      kind = 'rbm'
//!      learning_rate = 0.3
//!      epochs = 60
//!      batch_size = 4
//!      chains = 10",
//! )?;
//! let folder = tempfile::tempdir()?;
//! let search = Search::open(folder.path(), &sweep, sweep.candidates()?, Share::WHOLE)?;
//! assert_eq!(search.run(&mut |_: &SearchEvent<'_>| std::ops::ControlFlow::Continue(()))?, SearchOutcome::Finished);
//!
//! let comparison = Comparison::of(search.records()?, None)?;
//! assert_eq!(comparison.settings, ["model.hidden"]);
//! assert_eq!(comparison.groups[0].rows[0].record.name, "2-hidden-4");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod candidate;
mod comparison;
mod draw;
mod error;
mod evaluation;
mod figure;
mod halving;
mod keys;
mod record;
mod search;
mod setting;
mod sweep;

pub use candidate::Candidate;
pub use comparison::{Comparison, Group, Row};
pub use error::{Error, Result};
pub use evaluation::{EvaluatedRows, Evaluation};
pub use figure::{Figure, Mark};
pub use gm_eval::Share;
pub use halving::Halving;
pub use record::{RunRecord, RunState, checkpoints, history, settings};
pub use search::{Search, SearchEvent, SearchObserver, SearchOutcome};
pub use setting::{Range, Scale, Setting, Values};
pub use sweep::{MAX_CANDIDATES, Method, Sweep};

/// The example of the crate's description runs with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
