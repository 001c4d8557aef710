//! Files that commands write. They are checked before the work, and written whole or not at all.

use std::io::{self, Cursor, Write as _};
use std::path::{Path, PathBuf};

use gm_core::Matrix;
use gm_data::NewFile;
use image::{ImageFormat, RgbImage};
use npyz::{WriteOptions, WriterBuilder};

use crate::console::Interrupt;
use crate::error::{Error, Result};

/// The help of an option that several commands have.
pub(crate) const FORCE: &str = "Replace the file if it exists";

/// The kind of an output file, which its extension tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A picture.
    Png,
    /// A drawing.
    Svg,
    /// A NumPy array of shape [samples, units].
    Npy,
    /// Text with a line of numbers for each sample.
    Csv,
    /// Sequences of letters.
    Fasta,
    /// A JSON document.
    Json,
    /// An HTML page.
    Html,
}

impl Kind {
    fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Svg => "svg",
            Self::Npy => "npy",
            Self::Csv => "csv",
            Self::Fasta => "fasta",
            Self::Json => "json",
            Self::Html => "html",
        }
    }
}

/// A function that takes rows as they are computed, [units, some rows].
pub(crate) type Rows<'a> = dyn FnMut(&Matrix) -> Result<()> + 'a;

/// An output file that has been checked.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    path: PathBuf,
    /// The kind of the file.
    pub(crate) kind: Kind,
}

impl Target {
    /// Accepts the path of an option whose extension is one of `kinds` and that holds no file, or with `force` any
    /// file.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] for another extension, and the errors of [`check_free`].
    pub(crate) fn new((option, path): (&'static str, &Path), kinds: &[Kind], force: bool) -> Result<Self> {
        check_regular(option, path)?;
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        let Some(&kind) = kinds.iter().find(|kind| Some(kind.extension()) == extension.as_deref()) else {
            let allowed = kinds.iter().map(|kind| format!(".{}", kind.extension())).collect::<Vec<_>>().join(", ");
            let value = match extension {
                Some(extension) => format!("{} ends in `{extension}`", path.display()),
                None => format!("{} has no extension", path.display()),
            };
            return Err(Error::Option { option, value, allowed });
        };
        check_free(path, force)?;
        Ok(Self { path: path.into(), kind })
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes values as an array or as text.
    ///
    /// # Shapes
    ///
    /// `values` is [units, samples]; the file has one row for each sample.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or [`gm_data::Error::Io`] when writing fails.
    pub(crate) fn write_values(&self, values: &Matrix) -> Result<()> {
        self.write_columns(values, None)
    }

    /// [`write_values`](Self::write_values) with a first line of text that names the columns, where there is a name for each.
    ///
    /// # Errors
    ///
    /// As [`write_values`](Self::write_values).
    pub(crate) fn write_columns(&self, values: &Matrix, names: Option<&[String]>) -> Result<()> {
        let bytes = match self.kind {
            Kind::Csv => {
                let names = names.filter(|names| names.len() == values.nrows());
                (header(names.unwrap_or_default())? + &csv(values)).into_bytes()
            }
            _ => npy(values).map_err(Error::io("encoding", &self.path))?,
        };
        save(&self.path, &bytes)
    }

    /// Writes rows while they are computed, as an array or as text. An array has bytes if all values are 0 or 1, else
    /// numbers of single precision. The first line of a text has the names, if there are any.
    ///
    /// # Shapes
    ///
    /// The file has `rows` rows of `columns` values; `fill` hands over parts of shape [columns, some rows].
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or [`gm_data::Error::Io`] when writing fails, or the error of `fill`. An older file is untouched
    /// then.
    pub(crate) fn write_rows<T>(
        &self,
        [rows, columns]: [usize; 2],
        binary: bool,
        names: &[String],
        fill: impl FnOnce(&mut Rows<'_>) -> Result<T>,
    ) -> Result<T> {
        // A signal from now on ends the work, which removes the unfinished file.
        Interrupt::listen();
        let mut file = NewFile::create(&self.path)?;
        let fail = || Error::io("writing", &self.path);
        let shape = [rows as u64, columns as u64];
        let done = match (self.kind, binary) {
            (Kind::Csv, _) => {
                file.write_all(header(names)?.as_bytes()).map_err(fail())?;
                fill(&mut |values| file.write_all(csv(values).as_bytes()).map_err(fail()))?
            }
            (_, true) => fill_array((&mut file, &self.path), &shape, |x| x as u8, fill)?,
            (_, false) => fill_array((&mut file, &self.path), &shape, |x| x, fill)?,
        };
        file.keep()?;
        Ok(done)
    }

    /// Writes sequences while they are computed. They are called by a word and a number from 1, such as `sample1`.
    ///
    /// # Shapes
    ///
    /// `fill` hands over parts of shape [columns, some rows], whose values are numbers of `letters`.
    ///
    /// # Errors
    ///
    /// As [`write_rows`](Self::write_rows).
    pub(crate) fn write_sequences<T>(
        &self,
        (word, letters): (&str, &str),
        fill: impl FnOnce(&mut Rows<'_>) -> Result<T>,
    ) -> Result<T> {
        Interrupt::listen();
        let (mut file, letters) = (NewFile::create(&self.path)?, letters.chars().collect::<Vec<_>>());
        let mut written = 0;
        let done = fill(&mut |values| {
            for sample in values.column_iter() {
                written += 1;
                let text: String = sample.iter().map(|&category| letters[category as usize]).collect();
                writeln!(file, ">{word}{written}\n{text}").map_err(Error::io("writing", &self.path))?;
            }
            Ok(())
        })?;
        file.keep()?;
        Ok(done)
    }

    /// Writes a list of numbers, one in each row.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] or [`gm_data::Error::Io`] when writing fails.
    pub(crate) fn write_numbers(&self, numbers: &[f64]) -> Result<()> {
        let bytes = match self.kind {
            Kind::Csv => numbers.iter().map(|x| format!("{x}\n")).collect::<String>().into_bytes(),
            _ => array(&[numbers.len() as u64], numbers.iter().copied()).map_err(Error::io("encoding", &self.path))?,
        };
        save(&self.path, &bytes)
    }

    /// Writes a text.
    ///
    /// # Errors
    ///
    /// [`gm_data::Error::Io`] when writing fails.
    pub(crate) fn write_text(&self, text: &str) -> Result<()> {
        save(&self.path, text.as_bytes())
    }

    /// Writes a picture.
    ///
    /// # Errors
    ///
    /// The errors of [`save_picture`].
    pub(crate) fn write_picture(&self, picture: &RgbImage) -> Result<()> {
        save_picture(&self.path, picture)
    }
}

/// Refuses a folder, a pipe and a device. A file is written under another name and renamed when it is whole, which
/// would put it in their place.
///
/// # Errors
///
/// [`Error::Option`] naming the path and what it is.
pub(crate) fn check_regular(option: &'static str, path: &Path) -> Result<()> {
    let what = match std::fs::metadata(path).map(|found| found.file_type()) {
        Ok(kind) if kind.is_dir() => "a folder",
        Ok(kind) if !kind.is_file() => "a pipe or a device",
        _ => return Ok(()),
    };
    let value = format!("{} is {what}", path.display());
    Err(Error::Option { option, value, allowed: "a file, which appears when it is whole".into() })
}

/// Refuses a path that holds a file, unless `force` is set.
///
/// # Errors
///
/// [`Error::Exists`].
pub(crate) fn check_free(path: &Path, force: bool) -> Result<()> {
    if path.exists() && !force {
        return Err(Error::Exists { path: path.into(), remedy: "pass --force to replace it" });
    }
    Ok(())
}

/// Replaces a file's content, whole or not at all.
///
/// # Errors
///
/// [`gm_data::Error::Io`] naming the file.
pub(crate) fn save(path: &Path, bytes: &[u8]) -> Result<()> {
    Ok(gm_data::write_atomically(path, |file| Ok(file.write_all(bytes)?))?)
}

/// Writes a picture as PNG.
///
/// # Errors
///
/// [`Error::Picture`] when it cannot be encoded, [`gm_data::Error::Io`] when it cannot be written.
pub(crate) fn save_picture(path: &Path, picture: &RgbImage) -> Result<()> {
    save(path, &png(picture)?)
}

/// A picture as the bytes of a PNG file.
///
/// # Errors
///
/// [`Error::Picture`] when it cannot be encoded.
pub(crate) fn png(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).map_err(|error| Error::Picture { detail: error.to_string() })?;
    Ok(bytes.into_inner())
}

/// The first line of a table with these names of columns; nothing without names.
pub(crate) fn header(names: &[String]) -> Result<String> {
    if names.is_empty() {
        return Ok(String::new());
    }
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(names).map_err(Error::content("csv"))?;
    let bytes = writer.into_inner().map_err(Error::content("csv"))?;
    String::from_utf8(bytes).map_err(Error::content("csv"))
}

fn csv(values: &Matrix) -> String {
    let line = |sample: nalgebra::DVectorView<'_, f32>| {
        let cells: Vec<String> = sample.iter().map(f32::to_string).collect();
        cells.join(",") + "\n"
    };
    values.column_iter().map(|sample| line(sample.as_view())).collect()
}

/// An array, of bytes if all values are 0 or 1, else of numbers of single precision.
fn npy(values: &Matrix) -> io::Result<Vec<u8>> {
    let shape = [values.ncols() as u64, values.nrows() as u64];
    if values.iter().all(|&x| x == 0.0 || x == 1.0) {
        return array(&shape, values.iter().map(|&x| x as u8));
    }
    array(&shape, values.iter().copied())
}

fn array<T: npyz::AutoSerialize>(shape: &[u64], values: impl Iterator<Item = T>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = WriteOptions::new().default_dtype().shape(shape).writer(&mut bytes).begin_nd()?;
    writer.extend(values)?;
    writer.finish()?;
    Ok(bytes)
}

/// Writes an array whose rows `fill` hands over.
fn fill_array<N: npyz::AutoSerialize, T>(
    (file, path): (&mut NewFile, &Path),
    shape: &[u64],
    number: impl Fn(f32) -> N,
    fill: impl FnOnce(&mut Rows<'_>) -> Result<T>,
) -> Result<T> {
    let fail = || Error::io("writing", path);
    let mut array = WriteOptions::new().default_dtype().shape(shape).writer(file).begin_nd().map_err(fail())?;
    let done = fill(&mut |values| array.extend(values.iter().map(|&x| number(x))).map_err(fail()))?;
    array.finish().map_err(fail())?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hints::CommandLine;

    #[test]
    fn table_values_are_written_a_sample_a_row() {
        let values = Matrix::from_column_slice(2, 3, &[0.0, 1.0, 1.0, 1.0, 0.0, 0.5]);
        assert_eq!(csv(&values), "0,1\n1,1\n0,0.5\n");
        let bytes = npy(&values).unwrap();
        let array = npyz::NpyFile::new(&bytes[..]).unwrap();
        assert_eq!(array.shape(), [3, 2]);
        assert_eq!(array.into_vec::<f32>().unwrap(), values.as_slice());
        let bytes = npy(&values.columns(0, 2).into_owned()).unwrap();
        assert_eq!(npyz::NpyFile::new(&bytes[..]).unwrap().into_vec::<u8>().unwrap(), [0, 1, 1, 1]);
    }

    #[test]
    fn table_rows_in_parts_give_the_same_files() {
        let folder = tempfile::tempdir().unwrap();
        let values = Matrix::from_column_slice(2, 3, &[0.0, 1.0, 1.0, 1.0, 0.0, 0.5]);
        let parts = [values.columns(0, 2).into_owned(), values.columns(2, 1).into_owned()];
        for (name, whole) in [("a.csv", csv(&values).into_bytes()), ("a.npy", npy(&values).unwrap())] {
            let path = folder.path().join(name);
            let target = Target::new(("--out", &path), &[Kind::Csv, Kind::Npy], false).unwrap();
            target.write_rows([3, 2], false, &[], |rows| parts.iter().try_for_each(rows)).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), whole, "{name}");
        }
        let target = Target::new(("--out", &folder.path().join("b.npy")), &[Kind::Npy], false).unwrap();
        target.write_rows([2, 2], true, &[], |rows| rows(&parts[0])).unwrap();
        assert_eq!(std::fs::read(target.path()).unwrap(), npy(&parts[0]).unwrap());
    }

    #[test]
    fn rejects_rows_that_fail_without_leaving_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let target = Target::new(("--out", &folder.path().join("a.npy")), &[Kind::Npy], false).unwrap();
        let failed = target.write_rows([3, 1], true, &[], |rows| {
            rows(&Matrix::zeros(1, 1))?;
            Err::<(), _>(Error::Picture { detail: "on purpose".into() })
        });
        assert!(failed.unwrap_err().line(&CommandLine::with(&[("--force", None)])).contains("on purpose"));
        assert!(target.write_rows([3, 1], true, &[], |rows| rows(&Matrix::zeros(1, 2))).is_err(), "a row is missing");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn rejects_unknown_extensions_and_present_files() {
        let folder = tempfile::tempdir().unwrap();
        let error =
            Target::new(("--filters", &folder.path().join("a.jpg")), &[Kind::Png, Kind::Csv], false).unwrap_err();
        assert!(
            error.line(&CommandLine::with(&[("--force", None)])).ends_with("a.jpg ends in `jpg`, allowed: .png, .csv"),
            "{}",
            error.line(&CommandLine::with(&[("--force", None)]))
        );
        let path = folder.path().join("a.csv");
        let target = Target::new(("--out", &path), &[Kind::Csv], false).unwrap();
        target.write_values(&Matrix::zeros(1, 1)).unwrap();
        assert!(
            Target::new(("--out", &path), &[Kind::Csv], false)
                .unwrap_err()
                .line(&CommandLine::with(&[("--force", None)]))
                .contains("pass --force")
        );
        assert!(Target::new(("--out", &path), &[Kind::Csv], true).is_ok());
    }
}
