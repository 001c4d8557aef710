//! `cargo xtask book`: the generated parts of the book, and the book as web pages. `contents.rs` reads the table of
//! contents, `chapter.rs` turns a chapter into HTML, `formula.rs` its formulas into MathML, and `page.rs` frames it.
//! `screens.rs` opens the pages in a browser.

mod chapter;
mod contents;
mod formula;
mod page;
mod screens;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use pulldown_cmark::{Event, html::push_html};

use crate::Result;
use crate::process::{Step, cargo, root};
pub(crate) use chapter::{anchors, links};
pub(crate) use formula::{blocks, mathml};

/// The arguments of `cargo xtask book`.
#[derive(Args)]
pub(crate) struct Book {
    /// Makes the pages from the texts as they are, without writing the generated parts first.
    #[arg(long)]
    pages: bool,
    /// Also opens the pages in Chromium, on wide and narrow, light and dark screens.
    #[arg(long)]
    browser: bool,
    /// The folder of the pages.
    #[arg(long, value_name = "FOLDER", default_value = "docs/book")]
    out: PathBuf,
}

impl Book {
    pub(crate) fn run(&self) -> Result<()> {
        if !self.pages {
            generated().iter().try_for_each(Step::run)?;
        }
        let out = root().join(&self.out);
        let count = pages(&root().join("docs/src"), &out)?;
        println!("{count} chapters, the first one is {}", out.join("index.html").canonicalize()?.display());
        if self.browser { screens::check(&out) } else { Ok(()) }
    }
}

/// Makes the pages in a folder and opens them in a browser.
pub(crate) fn check(out: &Path) -> Result<()> {
    pages(&root().join("docs/src"), out)?;
    screens::check(out)
}

/// The tests that write parts of the book here, and compare these parts in every other run.
fn generated() -> [Step; 3] {
    let write = |args: &[&str]| cargo("book", args.iter().copied()).env("DGM_WRITE_BOOK", "1");
    [
        write(&["test", "-p", "gm-cli", "--lib", "book::"]),
        write(&["test", "-p", "gm-cli", "--test", "program", "golden_the_table_of_faults"]),
        write(&["test", "-p", "gm-train", "--test", "hostile", "golden_the_table_of_damage"]),
    ]
}

/// Writes a page for each chapter of a folder, and copies the pictures. Returns the number of chapters.
fn pages(source: &Path, out: &Path) -> Result<usize> {
    let read = |name: &str| {
        let path = source.join(name);
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let contents = contents::Contents::parse(&read("SUMMARY.md")?)?;
    fs::create_dir_all(out)?;
    for (index, entry) in contents.chapters().enumerate() {
        let text = chapter::included(&read(&entry.file)?, source)?;
        let chapter = chapter::Chapter::render(&text).map_err(|error| format!("{}: {error}", entry.file))?;
        let html = page::html(&contents, index, &chapter);
        fs::write(out.join(contents::page_of(&entry.file)), &html)?;
        if index == 0 {
            fs::write(out.join("index.html"), &html)?;
        }
    }
    fs::write(out.join("pages.css"), page::STYLE)?;
    copy(&source.join("images"), &out.join("images"))?;
    Ok(contents.chapters().count())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &to)?,
            false => drop(fs::copy(entry.path(), to)?),
        }
    }
    Ok(())
}

/// A text with the signs of HTML escaped.
fn escaped(text: &str) -> String {
    let mut html = String::new();
    push_html(&mut html, std::iter::once(Event::Text(text.into())));
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of the temporary folder that is removed in the end.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn file(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn table_chapters_become_pages_and_pictures_are_copied() {
        let scratch = Scratch::new("book-pages");
        scratch.file("src/SUMMARY.md", "# Summary\n\n[One](one.md)\n\n# Part\n\n- [Two](two.md)\n");
        scratch.file("src/one.md", "# One\n\n![A dot](images/x/dot.svg) and [two](two.md#there)\n");
        scratch.file("src/two.md", "# Two\n\n## There\n\n```math\na_i\n```\n");
        scratch.file("src/images/x/dot.svg", "<svg/>");
        let out = scratch.0.join("out");
        assert_eq!(pages(&scratch.0.join("src"), &out).unwrap(), 2);
        let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        assert_eq!(read("index.html"), read("one.html"));
        assert!(read("one.html").contains(r#"<img src="images/x/dot.svg" alt="A dot" />"#));
        assert!(read("one.html").contains(r#"<a href="two.html#there">two</a>"#));
        assert!(read("two.html").contains(r#"<h2 id="there">"#) && read("two.html").contains("<msub><mi>a</mi>"));
        assert_eq!(read("images/x/dot.svg"), "<svg/>");
    }

    #[test]
    fn rejects_a_formula_that_is_no_latex_with_the_name_of_its_chapter() {
        let scratch = Scratch::new("book-faults");
        scratch.file("src/SUMMARY.md", "[One](one.md)\n");
        scratch.file("src/one.md", "# One\n\n```math\n\\frac{a}{\n```\n");
        let error = pages(&scratch.0.join("src"), &scratch.0.join("out")).unwrap_err().to_string();
        assert!(error.starts_with("one.md: the formula \\frac{a}{: "), "{error}");
    }
}
