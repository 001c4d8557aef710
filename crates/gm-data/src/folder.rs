//! A folder of IDX files under the names of MNIST, or of text files under those of the binarised MNIST.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::reading::TableOptions;
use crate::source::Source;
use crate::table::{Parts, Table};
use crate::{delimited, idx};

/// Reads IDX files, or text files where a split has no IDX file; only the training images are required.
///
/// The names of IDX files begin with `train-`, `valid-` and `test-` (or `t10k-`) and end in `images-idx3-ubyte.gz` or
/// `images-idx2-ubyte.gz`, and in `labels-idx1-ubyte.gz`, all of them also without `.gz`. The text files are
/// `binarized_mnist_train.amat` and so on, also with `.gz`.
pub(super) fn read(folder: &Path) -> Result<Parts<Table>> {
    let train = part(folder, &["train"])?.ok_or_else(|| Error::NoTrainFile { folder: folder.into() })?;
    Ok(Parts { train, valid: part(folder, &["valid"])?, test: part(folder, &["test", "t10k"])? })
}

fn part(folder: &Path, prefixes: &[&str]) -> Result<Option<Table>> {
    for prefix in prefixes {
        let Some(path) = find(folder, prefix, &["images-idx3-ubyte", "images-idx2-ubyte"]) else { continue };
        let mut table = idx::read_images(Source::open(&path)?, false)?;
        if let Some(path) = find(folder, prefix, &["labels-idx1-ubyte"]) {
            table.labels = Some(idx::read_labels(&path)?);
        }
        return Ok(Some(table));
    }
    let names = prefixes.iter().map(|prefix| format!("binarized_mnist_{prefix}.amat"));
    let texts = names.flat_map(|name| [folder.join(format!("{name}.gz")), folder.join(name)]);
    let Some(path) = texts.into_iter().find(|path| path.is_file()) else { return Ok(None) };
    delimited::read(Source::open(&path)?, delimited::AMAT, &TableOptions::default()).map(Some)
}

fn find(folder: &Path, prefix: &str, names: &[&str]) -> Option<PathBuf> {
    let candidates = names.iter().flat_map(|name| [format!("{prefix}-{name}.gz"), format!("{prefix}-{name}")]);
    candidates.map(|name| folder.join(name)).find(|path| path.is_file())
}
