//! What the four classic deep generative models of binary data share.
//!
//! All of them have the same parameters, a [`Stack`]: layers x_0 (visible), x_1, ..., x_L of binary
//! units, biases b_l and weights W_l of shape [n_l, n_(l+1)].

mod bits;
mod error;
mod stack;
mod streams;

pub use bits::BitMatrix;
pub use error::{Error, FileError, Result, check_finite, check_len};
pub use stack::{Matrix, Stack, Vector};
pub use streams::{Purpose, Stream, Streams};
