//! The calls by which files are written, which tests make fail one by one; outside of tests nothing fails here.

#[cfg(test)]
mod injected;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use injected::admit;

/// A call to the operating system by which a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// A new file under a name of its own.
    Create,
    /// Some bytes.
    Write,
    /// What was written has to last.
    Sync,
    /// The file gets its name.
    Rename,
    /// The name has to last.
    SyncFolder,
}

/// How many of so many bytes a call in a folder may write: all of them.
#[cfg(not(test))]
#[inline]
pub(crate) fn admit(_: Call, _: &std::path::Path, bytes: usize) -> std::io::Result<usize> {
    Ok(bytes)
}
