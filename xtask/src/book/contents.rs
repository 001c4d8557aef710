//! The table of contents, `SUMMARY.md`: chapters in parts, in the form that mdBook reads.

use crate::Result;

/// The parts of the book, in order. Chapters before the first heading form a part without a title.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) parts: Vec<Part>,
}

/// A heading and the chapters below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) title: Option<String>,
    pub(super) chapters: Vec<Entry>,
}

/// A line of the table of contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) title: String,
    /// The file of the chapter, below the folder of the book.
    pub(super) file: String,
}

impl Contents {
    /// Reads lines `# Part`, `[Chapter](file.md)` and `- [Chapter](file.md)`. A line of any other form is an error.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut parts = vec![Part::default()];
        for line in text.lines().filter(|line| !line.is_empty() && *line != "# Summary") {
            match (line.strip_prefix("# "), entry(line.strip_prefix("- ").unwrap_or(line)), parts.last_mut()) {
                (Some(title), ..) => parts.push(Part { title: Some(title.to_owned()), chapters: vec![] }),
                (None, Some(entry), Some(part)) => part.chapters.push(entry),
                _ => return Err(format!("SUMMARY.md: `{line}` is no heading and no link to a chapter").into()),
            }
        }
        parts.retain(|part| !part.chapters.is_empty());
        Ok(Self { parts })
    }

    /// The chapters of all parts, in order.
    pub(super) fn chapters(&self) -> impl Iterator<Item = &Entry> {
        self.parts.iter().flat_map(|part| &part.chapters)
    }
}

fn entry(line: &str) -> Option<Entry> {
    let (title, file) = line.strip_prefix('[')?.strip_suffix(".md)")?.split_once("](")?;
    Some(Entry { title: title.to_owned(), file: format!("{file}.md") })
}

/// The page of a chapter.
pub(super) fn page_of(file: &str) -> String {
    format!("{}.html", file.trim_end_matches(".md"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_chapters_stand_in_parts() {
        let contents =
            Contents::parse("# Summary\n\n[A](a.md)\n\n# P\n\n- [B](b.md)\n- [C](c.md)\n\n# Empty\n").unwrap();
        let titles: Vec<_> = contents.parts.iter().map(|part| (part.title.as_deref(), part.chapters.len())).collect();
        assert_eq!(titles, [(None, 1), (Some("P"), 2)]);
        let files: Vec<_> = contents.chapters().map(|entry| page_of(&entry.file)).collect();
        assert_eq!(files, ["a.html", "b.html", "c.html"]);
    }

    #[test]
    fn rejects_lines_of_another_form() {
        let error = Contents::parse("[A](a.md)\nB\n").unwrap_err().to_string();
        assert_eq!(error, "SUMMARY.md: `B` is no heading and no link to a chapter");
        assert!(Contents::parse("- [A](https://a.b)\n").is_err());
    }
}
