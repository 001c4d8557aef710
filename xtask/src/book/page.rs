//! The frame of a page: title, contents, the chapters before and after. Pages need no script and no network.

use std::fmt::Write as _;

use super::chapter::Chapter;
use super::contents::{Contents, Entry, page_of};
use super::escaped;

/// The title of the book.
const TITLE: &str = "Deep generative models of binary data";
/// The style of all pages.
pub(super) const STYLE: &str = include_str!("pages.css");

/// The page of the chapter with the given number.
pub(super) fn html(contents: &Contents, index: usize, chapter: &Chapter) -> String {
    let chapters: Vec<&Entry> = contents.chapters().collect();
    let title = escaped(chapters.get(index).map_or("", |entry| &entry.title));
    let neighbour = |at: Option<usize>, word: &str| {
        let entry = at.and_then(|at| chapters.get(at));
        let link = |entry: &&Entry| {
            format!("<a rel=\"{word}\" href=\"{}\">{}</a>", page_of(&entry.file), escaped(&entry.title))
        };
        entry.map(link).unwrap_or_default()
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title} - {TITLE}</title>\n\
         <link rel=\"stylesheet\" href=\"pages.css\">\n</head>\n<body>\n\
         <header><a href=\"index.html\">{TITLE}</a> <a class=\"jump\" href=\"#contents\">Contents</a></header>\n\
         <main>\n{body}<footer>{before} {after}</footer>\n</main>\n{nav}</body>\n</html>\n",
        body = chapter.body,
        before = neighbour(index.checked_sub(1), "prev"),
        after = neighbour(Some(index + 1), "next"),
        nav = navigation(contents, index, chapter),
    )
}

/// The table of contents, with the sections of the page's own chapter.
fn navigation(contents: &Contents, index: usize, chapter: &Chapter) -> String {
    let mut nav = "<nav id=\"contents\" aria-label=\"Contents\">\n".to_owned();
    let mut number = 0;
    for part in &contents.parts {
        if let Some(title) = &part.title {
            let _ = writeln!(nav, "<p>{}</p>", escaped(title));
        }
        nav.push_str("<ul>\n");
        for entry in &part.chapters {
            let here = if number == index { " aria-current=\"page\"" } else { "" };
            let _ = write!(nav, "<li><a href=\"{}\"{here}>{}</a>", page_of(&entry.file), escaped(&entry.title));
            if number == index && !chapter.sections.is_empty() {
                let item = |(anchor, title): &(String, String)| {
                    format!("<li><a href=\"#{anchor}\">{}</a></li>", escaped(title))
                };
                let _ = write!(
                    nav,
                    "\n<ul>\n{}\n</ul>\n",
                    chapter.sections.iter().map(item).collect::<Vec<_>>().join("\n")
                );
            }
            nav.push_str("</li>\n");
            number += 1;
        }
        nav.push_str("</ul>\n");
    }
    nav + "</nav>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_a_page_knows_its_place_in_the_book() {
        let contents = Contents::parse("[A](a.md)\n\n# P\n\n- [B & b](b.md)\n- [C](c.md)\n").unwrap();
        let page = html(&contents, 1, &Chapter::render("# B\n\n## S < t\n").unwrap());
        assert!(page.contains("<title>B &amp; b - Deep"));
        assert!(
            page.contains(r#"<footer><a rel="prev" href="a.html">A</a> <a rel="next" href="c.html">C</a></footer>"#)
        );
        assert!(page.contains(r#"<a href="b.html" aria-current="page">B &amp; b</a>"#));
        assert!(page.contains("<li><a href=\"#s--t\">S &lt; t</a></li>"));
        assert_eq!(page.matches("aria-current").count(), 1);
        assert!(html(&contents, 2, &Chapter::default()).contains(r#"href="b.html">B &amp; b</a> </footer>"#));
    }

    #[test]
    fn table_pages_need_no_script_and_no_network() {
        let contents = Contents::parse("[A](a.md)\n").unwrap();
        let page = html(&contents, 0, &Chapter::default());
        assert!(!page.contains("<script") && !page.contains("://"));
        assert!(!STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
