//! Faults on request: one call in a folder fails, or every call from a chosen one on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::Call;

/// What happens at the chosen call.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "faults")] {
/// use gm_data::{Fault, Injected, write_atomically};
///
/// let folder = tempfile::tempdir()?;
/// let full = Injected::new(folder.path(), 1, Fault::NoSpace); // the second call finds the disk full
/// assert!(write_atomically(folder.path().join("file"), |out| Ok(out.write_all(b"text")?)).is_err());
/// drop(full);
/// assert!(write_atomically(folder.path().join("file"), |out| Ok(out.write_all(b"text")?)).is_ok());
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing fails; calls are counted.
    None,
    /// A write takes half of the bytes, which is not an error.
    ShortWrite,
    /// The disk is full.
    NoSpace,
    /// The disk fails once.
    InputOutput,
    /// The disk fails, and every later call fails as well. If the chosen call is a write, it takes half of the bytes
    /// first.
    Gone,
}

/// A fault in a folder and in the folders below it.
#[derive(Debug)]
struct Plan {
    folder: PathBuf,
    at: usize,
    fault: Fault,
    calls: Mutex<Vec<Call>>,
}

static PLANS: Mutex<Vec<Arc<Plan>>> = Mutex::new(Vec::new());

/// Makes a fault happen as long as the value lives.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "faults")] {
/// use gm_data::{Fault, Injected, write_atomically};
///
/// let folder = tempfile::tempdir()?;
/// let full = Injected::new(folder.path(), 1, Fault::NoSpace); // the second call finds the disk full
/// assert!(write_atomically(folder.path().join("file"), |out| Ok(out.write_all(b"text")?)).is_err());
/// drop(full);
/// assert!(write_atomically(folder.path().join("file"), |out| Ok(out.write_all(b"text")?)).is_ok());
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Injected(Arc<Plan>);

impl Injected {
    /// Makes call `at`, counted from 0, fail in `folder` and in the folders below it.
    #[must_use]
    pub fn new(folder: &Path, at: usize, fault: Fault) -> Self {
        let plan = Arc::new(Plan { folder: folder.into(), at, fault, calls: Mutex::new(Vec::new()) });
        lock(&PLANS).push(Arc::clone(&plan));
        Self(plan)
    }

    /// The calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.0.calls).clone()
    }
}

impl Drop for Injected {
    fn drop(&mut self) {
        lock(&PLANS).retain(|plan| !Arc::ptr_eq(plan, &self.0));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number of bytes, of the given ones, that a call in a folder may write, or the reason why it fails.
pub(crate) fn admit(call: Call, folder: &Path, bytes: usize) -> io::Result<usize> {
    let plan = lock(&PLANS).iter().find(|plan| folder.starts_with(&plan.folder)).cloned();
    let Some(plan) = plan else { return Ok(bytes) };
    let mut calls = lock(&plan.calls);
    let now = calls.len();
    calls.push(call);
    let error = |code| Err(io::Error::from_raw_os_error(code));
    match plan.fault {
        Fault::Gone if now > plan.at => error(5),
        _ if now != plan.at => Ok(bytes),
        Fault::None => Ok(bytes),
        Fault::ShortWrite => Ok(bytes.div_ceil(2)),
        Fault::NoSpace => error(28),
        Fault::Gone if call == Call::Write => Ok(bytes.div_ceil(2)),
        Fault::InputOutput | Fault::Gone => error(5),
    }
}
