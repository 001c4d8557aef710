//! Data sets, which are built in, well known, or read from files, and which are kept as packed bits or bytes.
//!
//! A data set is three splits of rows. `load` reads one that a specification names, and `Dataset` and `Split` hold it.
//! `Binarise` says how grey levels become zeros and ones. Start reading in `spec.rs`, which turns a specification into
//! splits; each file format has a file of its own. `write_atomically` and its relatives write files whole or not at
//! all.
//!
//! ```
//! use gm_data::{Binarise, Dataset};
//!
//! let bars = Dataset::builtin("bars-and-stripes:3")?;
//! assert_eq!((bars.units(), bars.train.len()), (9, 16));
//! let rows = bars.train.to_bits(Binarise::None)?; // [units, rows]
//! assert_eq!((rows.units(), rows.samples()), (9, 16));
//! # Ok::<(), gm_data::Error>(())
//! ```

mod binarise;
mod builtin;
mod dataset;
mod delimited;
mod division;
mod error;
mod fasta;
mod faults;
mod files;
mod folder;
mod idx;
mod info;
mod known;
mod labels;
mod libsvm;
mod limit;
mod npy;
mod reading;
mod rows;
mod sequences;
mod similar;
mod source;
mod spec;
mod split;
mod stockholm;
mod table;
mod text;
mod weights;

pub use binarise::{Binarisation, Binarise};
pub use dataset::{Dataset, SplitName};
pub use error::{Error, Likely, Result};
#[cfg(any(test, feature = "faults"))]
pub use faults::{Call, Fault, Injected};
pub use files::{AppendFile, NewFile, UNFINISHED, load_model, load_model_with_digest, save_model, write_atomically};
pub use info::SplitInfo;
pub use known::{DatasetInfo, FileInfo, SourceInfo, datasets};
pub use reading::{Column, Header, Reading, TableOptions};
pub use sequences::{Alphabet, Inserts, SequenceReading, UnknownLetters};
pub use spec::{DataSpec, LoadOptions, load, load_rows};
pub use split::{Levels, Split, Values, epoch_order};
pub use weights::RowWeights;

/// The example of the crate's description runs with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
