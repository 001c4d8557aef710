//! FASTA files of aligned sequences, and their relatives A2M and A3M.

use gm_core::FileError;

use crate::error::{Error, Result};
use crate::reading::TableOptions;
use crate::sequences::{Alignment, Alphabet, Columns, Inserts, Record};
use crate::source::Source;
use crate::table::Table;
use crate::text::each_line;

/// Reads aligned sequences. A line that begins with one or more `>` names a sequence, whose letters stand on the lines
/// that follow. A line that begins with `;` is a comment.
///
/// `by_case` says that lower-case letters and points are insertions unless an option says otherwise.
pub(super) fn read(source: Source<'_>, by_case: bool, alphabet: Alphabet, options: &TableOptions) -> Result<Table> {
    let path = source.path;
    let columns = match options.inserts {
        Inserts::Drop => Columns::UpperCase,
        Inserts::Auto if by_case => Columns::UpperCase,
        _ => Columns::All,
    };
    let mut alignment = Alignment::new(path, columns, alphabet, options);
    let mut record: Option<Record> = None;
    each_line(source, "fasta", |line, text| {
        let text = text.trim();
        if text.starts_with('>') {
            let name = text.trim_start_matches('>').split_whitespace().next().unwrap_or_default().to_owned();
            let before = record.replace(Record::new(name, line));
            return before.map_or(Ok(()), |record| alignment.push(&record));
        }
        match &mut record {
            _ if text.starts_with(';') => {}
            Some(record) => record.append(text),
            None => return Err(Error::file(path)(FileError::Foreign { format: "fasta" })),
        }
        Ok(())
    })?;
    record.map_or(Ok(()), |record| alignment.push(&record))?;
    Ok(alignment.finish())
}
