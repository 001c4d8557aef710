//! The processes of an MPI job, as an exchange of messages in which they train one model together.
//!
//! With the feature `mpi` the crate has `Job`, which starts and ends MPI, and `World`, the [`Exchange`] among its
//! processes; the program `dgm-mpi` is made of them. Without the feature the crate is empty.
//!
//! [`Exchange`]: gm_ascent::Exchange

#[cfg(feature = "mpi")]
mod job;
#[cfg(any(feature = "mpi", test))]
mod pieces;

#[cfg(feature = "mpi")]
pub use job::{Job, World};
