//! What a server shows: one model, one run, or the runs of a folder. Requests name them by number, never by path.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use gm_core::ModelData;

use crate::error::{Answer, Error, Refusal, Result};

/// The most runs of a folder that are shown.
const RUNS: usize = 500;

/// What a server shows.
#[derive(Debug)]
pub(crate) struct Shelf {
    path: PathBuf,
    kind: ShelfKind,
    /// Folders of runs in the order in which they were found; a run keeps its number.
    known: Mutex<Vec<PathBuf>>,
    models: Cache<ModelData>,
}

/// What the path of a shelf is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShelfKind {
    Model,
    Run,
    Folder,
    /// Nothing but the chapter.
    Chapter,
}

impl Shelf {
    /// Looks at a path.
    ///
    /// # Errors
    ///
    /// [`Error::Absent`], and [`Error::Model`] for a file that is not a model.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let kind = match () {
            () if path.join("config.toml").is_file() => ShelfKind::Run,
            () if path.is_dir() => ShelfKind::Folder,
            () if path.exists() => ShelfKind::Model,
            () => return Err(Error::Absent { path: path.into() }),
        };
        if kind == ShelfKind::Model {
            gm_data::load_model(path)?;
        }
        let known = if kind == ShelfKind::Folder { vec![] } else { vec![path.into()] };
        Ok(Self { path: path.into(), kind, known: Mutex::new(known), models: Cache::new(4) })
    }

    /// A shelf with nothing but the chapter.
    pub(crate) fn chapter() -> Self {
        let (path, known) = (PathBuf::from("the chapter"), Mutex::new(vec![]));
        Self { path, kind: ShelfKind::Chapter, known, models: Cache::new(1) }
    }

    /// The path as the user gave it.
    pub(crate) fn title(&self) -> String {
        self.path.display().to_string()
    }

    /// Whether there are runs, or may be some.
    pub(crate) fn has_runs(&self) -> bool {
        matches!(self.kind, ShelfKind::Run | ShelfKind::Folder)
    }

    /// Whether there are models, or may be some.
    pub(crate) fn has_models(&self) -> bool {
        self.kind != ShelfKind::Chapter
    }

    /// Numbers and paths of what is shown; runs that have appeared since come last.
    pub(crate) fn paths(&self) -> Vec<(usize, PathBuf)> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if self.kind == ShelfKind::Folder {
            let entries = fs::read_dir(&self.path).into_iter().flatten().flatten().map(|entry| entry.path());
            let mut found: Vec<PathBuf> = entries.filter(|path| path.join("config.toml").is_file()).collect();
            found.sort();
            let new: Vec<PathBuf> = found.into_iter().filter(|path| !known.contains(path)).collect();
            known.extend(new);
            known.truncate(RUNS);
        }
        known.iter().cloned().enumerate().collect()
    }

    /// The path with a number.
    ///
    /// # Errors
    ///
    /// A refusal for a number that no run has.
    pub(crate) fn path(&self, id: usize) -> Answer<PathBuf> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).cloned().ok_or_else(|| Refusal::absent(&format!("run {id}")))
    }

    /// The folder of a run.
    ///
    /// # Errors
    ///
    /// A refusal for a number that no run has.
    pub(crate) fn run(&self, id: usize) -> Answer<PathBuf> {
        if self.has_runs() { self.path(id) } else { Err(Refusal::absent("a run")) }
    }

    /// The model file of a run, or the file itself.
    ///
    /// # Errors
    ///
    /// A refusal for a number that no run has.
    pub(crate) fn model_path(&self, id: usize) -> Answer<PathBuf> {
        let path = self.path(id)?;
        Ok(if self.has_runs() { path.join("model.gm") } else { path })
    }

    /// The content of a model file, which is kept until the file changes.
    ///
    /// # Errors
    ///
    /// A refusal with the fault of the file.
    pub(crate) fn model_data(&self, path: &Path) -> Answer<Arc<ModelData>> {
        if !path.exists() {
            return Err(Refusal::absent("the model"));
        }
        self.models.get(path, || gm_data::load_model(path).map_err(Refusal::unfit))
    }
}

/// Length and time of the last change of a file.
pub(crate) type Stamp = Option<(u64, SystemTime)>;

/// The stamp of a file; none if there is no file.
pub(crate) fn stamp(path: &Path) -> Stamp {
    let about = fs::metadata(path).ok()?;
    Some((about.len(), about.modified().ok()?))
}

/// What has been read from files, until they change.
#[derive(Debug)]
pub(crate) struct Cache<T> {
    most: usize,
    kept: Mutex<Vec<(PathBuf, Stamp, Arc<T>)>>,
}

impl<T> Cache<T> {
    /// A cache of at most this many files.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, kept: Mutex::new(Vec::new()) }
    }

    /// What is known of a file, read again if the file has changed.
    ///
    /// # Errors
    ///
    /// The error of reading.
    pub(crate) fn get(&self, path: &Path, read: impl FnOnce() -> Answer<T>) -> Answer<Arc<T>> {
        let now = stamp(path);
        let lock = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, _, found)) = lock().iter().find(|(known, then, _)| known == path && *then == now) {
            return Ok(Arc::clone(found));
        }
        let read = Arc::new(read()?);
        let mut kept = lock();
        kept.retain(|(known, ..)| known != path);
        if kept.len() >= self.most {
            kept.remove(0);
        }
        kept.push((path.into(), now, Arc::clone(&read)));
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_a_run_keeps_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let add = |name: &str| {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("config.toml"), "").unwrap();
        };
        add("b");
        fs::create_dir(folder.path().join("no-run")).unwrap();
        let shelf = Shelf::open(folder.path()).unwrap();
        assert_eq!(shelf.paths(), [(0, folder.path().join("b"))]);
        add("a");
        assert_eq!(shelf.paths(), [(0, folder.path().join("b")), (1, folder.path().join("a"))]);
        assert_eq!(shelf.run(1).unwrap(), folder.path().join("a"));
        assert_eq!(shelf.run(2).unwrap_err().text, "run 2 does not exist");
    }

    #[test]
    fn law_a_changed_file_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, cache) = (folder.path().join("a"), Cache::new(1));
        let read = || cache.get(&path, || Ok(fs::read_to_string(&path).unwrap())).unwrap();
        fs::write(&path, "one").unwrap();
        assert!(Arc::ptr_eq(&read(), &read()));
        fs::write(&path, "longer").unwrap();
        assert_eq!(*read(), "longer");
    }
}
