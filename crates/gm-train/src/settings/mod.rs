//! Settings that several models share, each checked by itself; those of the ascent are in gm-ascent.
//!
//! Begin with `visible.rs`, which says what the visible units of a model are.

mod labels;
mod visible;

pub(crate) use labels::{classes_of, with_labels};
pub use visible::Visible;
