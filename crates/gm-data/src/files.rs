//! Files that are written whole or not at all, and models in files.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use gm_core::{Error as CoreError, Format, ModelData};
use sha2::{Digest, Sha256};
use tempfile::{Builder, NamedTempFile};

use crate::error::{Error, Result};
use crate::faults::{Call, admit};

/// The beginning of the names of unfinished files.
pub const UNFINISHED: &str = ".unfinished-";

/// Number of first bytes that tell a model's format.
const SNIFFED: u64 = 64;

/// Writes a file in one piece: it is written under another name in the same folder, flushed to the disk, then renamed.
///
/// A crash at any moment leaves the old file or the new one, and at worst a hidden file that begins with
/// `.unfinished-`.
///
/// # Errors
///
/// [`Error::Io`], [`Error::File`] or [`Error::Invalid`] naming `path`, with the error of `write` if it fails. The old
/// file is untouched then.
///
/// # Examples
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("note.txt");
/// gm_data::write_atomically(&path, |out| Ok(out.write_all(b"kept")?))?;
/// assert_eq!(std::fs::read(&path)?, b"kept");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write_atomically(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut dyn Write) -> gm_core::Result<()>,
) -> Result<()> {
    let path = path.as_ref();
    let mut file = NewFile::create(path)?;
    write(&mut file).map_err(Error::at(path))?;
    file.keep()
}

/// A file that is written in parts and appears whole or not at all, as with [`write_atomically`].
///
/// # Examples
///
/// ```
/// use std::io::Write;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("numbers.txt");
/// let mut file = gm_data::NewFile::create(&path)?;
/// (0..3).try_for_each(|number| writeln!(file, "{number}"))?;
/// assert!(!path.exists());
/// file.keep()?;
/// assert_eq!(std::fs::read(&path)?, b"0\n1\n2\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    out: BufWriter<Unfinished>,
}

impl NewFile {
    /// Makes an empty file under another name in the folder of `path`. It is removed again unless it is
    /// [kept](Self::keep).
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming `path`.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let folder = folder_of(path);
        let file = unfinished(folder).map_err(Error::io("writing", path))?;
        Ok(Self { path: path.into(), out: BufWriter::new(Unfinished { file, folder: folder.into() }) })
    }

    /// Flushes the file to the disk and gives it its name, in place of an older one.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming the path; an older file is untouched then.
    pub fn keep(mut self) -> Result<()> {
        let fail = || Error::io("writing", &self.path);
        self.out.flush().map_err(fail())?;
        let (Unfinished { file, folder }, _) = self.out.into_parts();
        sync(file.as_file(), &folder).map_err(fail())?;
        admit(Call::Rename, &folder, 0).map_err(fail())?;
        file.persist(&self.path).map_err(|e| fail()(e.error))?;
        sync_folder(&folder).map_err(fail())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

/// A file under a temporary name.
#[derive(Debug)]
struct Unfinished {
    file: NamedTempFile,
    folder: PathBuf,
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Guarded { file: self.file.as_file_mut(), folder: &self.folder }.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// A file that grows at its end and whose content can be made to last, such as a run's metrics.
///
/// # Examples
///
/// ```
/// use gm_data::AppendFile;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("lines.txt");
/// let mut file = AppendFile::open(&path)?;
/// file.append(b"first\nsecond\nthi")?;
/// assert_eq!((file.bytes()?, file.whole_lines()?), (16, 13));
/// file.truncate(13)?;
/// file.sync()?;
/// assert_eq!(std::fs::read(&path)?, b"first\nsecond\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AppendFile {
    path: PathBuf,
    file: File,
}

impl AppendFile {
    /// Opens a file, which may be new.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming `path`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut options = File::options();
        options.create(true).append(true).read(true);
        Ok(Self { path: path.into(), file: options.open(path).map_err(Error::io("opening", path))? })
    }

    /// The path with which the file was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The length of the file, in bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming the path.
    pub fn bytes(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(Error::io("opening", &self.path))?.len())
    }

    /// The length of the file up to the end of its last whole line, in bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming the path.
    pub fn whole_lines(&mut self) -> Result<u64> {
        let mut content = Vec::new();
        let read = self.file.rewind().and_then(|()| self.file.read_to_end(&mut content));
        read.map_err(Error::io("opening", &self.path))?;
        Ok(content.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last as u64 + 1))
    }

    /// Drops the content after the first `bytes` bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming the path.
    pub fn truncate(&mut self, bytes: u64) -> Result<()> {
        self.file.set_len(bytes).map_err(Error::io("opening", &self.path))
    }

    /// Writes bytes at the end of the file.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming the path; part of the bytes may have been written.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        Guarded { file: &mut self.file, folder: folder_of(&self.path) }
            .write_all(bytes)
            .map_err(Error::io("writing", &self.path))
    }

    /// Flushes the content to the disk, so that it survives a crash of the system.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] naming the path.
    pub fn sync(&self) -> Result<()> {
        sync(&self.file, folder_of(&self.path)).map_err(Error::io("writing", &self.path))
    }
}

/// An open file in a folder, whose writes tests can make fail.
struct Guarded<'a> {
    file: &'a mut File,
    folder: &'a Path,
}

impl Write for Guarded<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let admitted = admit(Call::Write, self.folder, bytes.len())?;
        self.file.write(&bytes[..admitted])
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Flushes the content of a file in a folder to the disk.
fn sync(file: &File, folder: &Path) -> std::io::Result<()> {
    admit(Call::Sync, folder, 0)?;
    file.sync_all()
}

/// The folder that holds the file of a path.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a file under a temporary name, with the permissions of any new file.
fn unfinished(folder: &Path) -> std::io::Result<NamedTempFile> {
    admit(Call::Create, folder, 0)?;
    let mut builder = Builder::new();
    builder.prefix(UNFINISHED);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Flushes a rename to the disk. Systems other than Unix cannot open folders, so nothing is done there.
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    admit(Call::SyncFolder, folder, 0)?;
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Reads a model of any format. Its first bytes tell the format; if they do not, its extension does.
///
/// # Errors
///
/// [`Error::Io`] when the file cannot be opened, [`Error::Format`] for an unknown format, [`Error::File`] or
/// [`Error::Invalid`] for content that cannot be used.
///
/// # Examples
///
/// ```
/// use gm_core::{ModelData, ModelKind, Stack};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("model.safetensors");
/// let model = ModelData::from_stack(ModelKind::Dbm, Stack::zeros(&[4, 3, 2])?)?;
/// gm_data::save_model(&path, &model)?;
/// assert_eq!(gm_data::load_model(&path)?, model);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn load_model(path: impl AsRef<Path>) -> Result<ModelData> {
    let path = path.as_ref();
    let mut file = File::open(path).map_err(Error::io("opening", path))?;
    let mut start = Vec::new();
    Read::by_ref(&mut file).take(SNIFFED).read_to_end(&mut start).map_err(Error::io("reading", path))?;
    // A pipe cannot be rewound.
    ModelData::read_as(format_of(path, &start)?, BufReader::new(start.as_slice().chain(file))).map_err(Error::at(path))
}

/// [`load_model`], and the SHA-256 digest of the file that was read.
///
/// # Errors
///
/// As [`load_model`].
///
/// # Examples
///
/// ```
/// use gm_core::{ModelData, ModelKind, Stack};
/// use sha2::{Digest, Sha256};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("model.gm");
/// let model = ModelData::from_stack(ModelKind::Dbm, Stack::zeros(&[4, 3, 2])?)?;
/// gm_data::save_model(&path, &model)?;
/// let digest = Sha256::digest(std::fs::read(&path)?).into();
/// assert_eq!(gm_data::load_model_with_digest(&path)?, (model, digest));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn load_model_with_digest(path: impl AsRef<Path>) -> Result<(ModelData, [u8; 32])> {
    let (path, mut bytes) = (path.as_ref(), Vec::new());
    let mut file = File::open(path).map_err(Error::io("opening", path))?;
    file.read_to_end(&mut bytes).map_err(Error::io("reading", path))?;
    let model = ModelData::read_as(format_of(path, &bytes)?, &bytes[..]).map_err(Error::at(path))?;
    Ok((model, Sha256::digest(&bytes).into()))
}

/// The format of a model file, told by its first bytes or else by its name.
fn format_of(path: &Path, start: &[u8]) -> Result<Format> {
    let format = Format::sniff(start).or_else(|| Format::from_path(path));
    format.ok_or_else(|| Error::Format { path: path.into(), known: Format::ALLOWED })
}

/// Writes a model in the format that the path's extension names.
///
/// # Errors
///
/// [`Error::Format`] for another extension, and the errors of [`write_atomically`].
///
/// # Examples
///
/// ```
/// use gm_core::{ModelData, ModelKind, Stack};
/// use gm_data::save_model;
///
/// let folder = tempfile::tempdir()?;
/// let model = ModelData::from_stack(ModelKind::Rbm, Stack::zeros(&[2, 1])?)?;
/// let path = folder.path().join("model.json");
/// save_model(&path, &model)?;
/// assert!(std::fs::read_to_string(&path)?.contains("\"rbm\""));
/// let error = save_model("model.txt", &model).unwrap_err();
/// assert_eq!(error.to_string(), "model.txt: unknown format; known: .gm, .safetensors, .npz or .json");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn save_model(path: impl AsRef<Path>, model: &ModelData) -> Result<()> {
    let path = path.as_ref();
    let format = Format::from_path(path).ok_or_else(|| Error::Format { path: path.into(), known: Format::ALLOWED })?;
    write_atomically(path, |out| model.write_as(format, out))
}

impl Error {
    /// Returns a function for `map_err` that adds the path to an error of gm-core.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::FileError;
    ///
    /// let error = gm_data::Error::at("a.gm")(FileError::Checksum { format: "model" }.into());
    /// assert_eq!(error.to_string(), "a.gm: model file is damaged: its checksum does not match its content");
    /// ```
    pub fn at(path: impl AsRef<Path>) -> impl FnOnce(CoreError) -> Self {
        let path = path.as_ref().to_path_buf();
        move |error| match error {
            CoreError::File(source) => Self::File { path, source },
            source => Self::Invalid { path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        write_atomically(&path, |out| Ok(out.write_all(b"old")?)).unwrap();
        let failed = write_atomically(&path, |out| {
            out.write_all(b"new")?;
            Err(std::io::Error::other("disk full").into())
        });
        let expected = format!("{}: reading or writing failed: disk full", path.display());
        assert_eq!(failed.unwrap_err().to_string(), expected);
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn rejects_folders_that_are_not_there_and_unknown_formats() {
        let error = write_atomically("absent-folder/file", |_| Ok(())).unwrap_err().to_string();
        assert!(error.starts_with("writing absent-folder/file: "), "{error}");
        let model = ModelData::from_stack(gm_core::ModelKind::Rbm, gm_core::Stack::zeros(&[1, 1]).unwrap()).unwrap();
        assert_eq!(
            save_model("model.txt", &model).unwrap_err().to_string(),
            "model.txt: unknown format; known: .gm, .safetensors, .npz or .json"
        );
    }

    #[test]
    fn table_the_content_counts_before_the_extension() {
        let folder = tempfile::tempdir().unwrap();
        let model = ModelData::from_stack(gm_core::ModelKind::Rbm, gm_core::Stack::zeros(&[3, 2]).unwrap()).unwrap();
        let (gm, odd) = (folder.path().join("a.gm"), folder.path().join("a.bin"));
        save_model(&gm, &model).unwrap();
        std::fs::rename(&gm, &odd).unwrap();
        assert_eq!(load_model(&odd).unwrap(), model);
    }
}
