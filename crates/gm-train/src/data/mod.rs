//! Data sets: built-in, well known, or read from files; kept as packed bits or bytes.

mod binarise;
mod builtin;
mod dataset;
mod folder;
mod idx;
mod info;
mod known;
mod labels;
mod limit;
mod npy;
mod rows;
mod spec;
mod split;
mod table;
mod text;
mod weights;

pub use binarise::Binarise;
pub use dataset::{Dataset, SplitName};
pub use info::SplitInfo;
pub use known::{DatasetInfo, FileInfo, SourceInfo, datasets};
pub use spec::{DataSpec, LoadOptions, load, load_rows};
pub use split::{Levels, Split, Values, epoch_order};
