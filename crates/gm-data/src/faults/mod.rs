//! The calls by which files are written. Tests make them fail one by one; outside of tests nothing fails here.

#[cfg(any(test, feature = "faults"))]
mod injected;

#[cfg(any(test, feature = "faults"))]
pub(crate) use injected::admit;
#[cfg(any(test, feature = "faults"))]
pub use injected::{Fault, Injected};

/// A call to the operating system by which a file is written.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "faults")] {
/// use gm_data::{Call, Fault, Injected, write_atomically};
///
/// let folder = tempfile::tempdir()?;
/// let counted = Injected::new(folder.path(), 0, Fault::None);
/// write_atomically(folder.path().join("file"), |out| Ok(out.write_all(b"text")?))?;
/// assert_eq!(counted.calls(), [Call::Create, Call::Write, Call::Sync, Call::Rename, Call::SyncFolder]);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(any(test, feature = "faults")), allow(unreachable_pub, reason = "only tests name the calls"))]
pub enum Call {
    /// A new file is made under a temporary name.
    Create,
    /// Some bytes are written.
    Write,
    /// The content is flushed to the disk.
    Sync,
    /// The file gets its name.
    Rename,
    /// The name is flushed to the disk.
    SyncFolder,
}

/// The number of bytes, of the given ones, that a call in a folder may write: all of them.
#[cfg(not(any(test, feature = "faults")))]
#[inline]
pub(crate) fn admit(_: Call, _: &std::path::Path, bytes: usize) -> std::io::Result<usize> {
    Ok(bytes)
}
