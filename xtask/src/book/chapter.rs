//! A chapter: Markdown in the form that mdBook reads, turned into HTML.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use super::formula;
use crate::Result;

/// A chapter as HTML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chapter {
    pub(super) body: String,
    /// Anchor and text of each heading of the second level.
    pub(super) sections: Vec<(String, String)>,
}

impl Chapter {
    /// Renders a chapter. Formulas become MathML, links to chapters become links to pages, headings have anchors, and
    /// wide tables and formulas can be scrolled.
    pub(super) fn render(text: &str) -> Result<Self> {
        let mut names = Names::default();
        let (mut sections, mut events) = (vec![], vec![]);
        let mut parsed = parser(text);
        while let Some(event) = parsed.next() {
            match event {
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) if *language == *formula::LANGUAGE => {
                    let latex = plain(&until(&mut parsed, TagEnd::CodeBlock));
                    let formula = formula::mathml(&latex)?;
                    events.push(raw(format!("<div class=\"formula\" tabindex=\"0\">{formula}</div>\n")));
                }
                Event::Start(Tag::Heading { level, classes, attrs, .. }) => {
                    let inside = until(&mut parsed, TagEnd::Heading(level));
                    let title = plain(&inside);
                    let anchor = names.anchor(&title);
                    if level == HeadingLevel::H2 {
                        sections.push((anchor.clone(), title));
                    }
                    events.push(Event::Start(Tag::Heading { level, id: Some(anchor.into()), classes, attrs }));
                    events.extend(inside);
                    events.push(Event::End(TagEnd::Heading(level)));
                }
                Event::Start(Tag::Table(alignments)) => {
                    events.extend([raw("<div class=\"table\" tabindex=\"0\">"), Event::Start(Tag::Table(alignments))]);
                }
                Event::End(TagEnd::Table) => events.extend([Event::End(TagEnd::Table), raw("</div>\n")]),
                other => events.push(paged(other)?),
            }
        }
        let mut body = String::new();
        html::push_html(&mut body, events.into_iter());
        // What scrolls is reached by keyboard.
        let body = body.replace("<pre><code", "<pre tabindex=\"0\"><code");
        Ok(Self { body, sections })
    }
}

fn parser(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::ENABLE_TABLES)
}

fn raw<'a>(html: impl Into<CowStr<'a>>) -> Event<'a> {
    Event::Html(html.into())
}

/// The events up to the end of an element, which is left out.
fn until<'a>(parsed: &mut Parser<'a>, end: TagEnd) -> Vec<Event<'a>> {
    parsed.take_while(|event| *event != Event::End(end)).collect()
}

/// The text of events, without mark-up.
fn plain(events: &[Event]) -> String {
    let words = events.iter().filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) => Some(&**text),
        Event::SoftBreak => Some(" "),
        _ => None,
    });
    words.collect()
}

/// A link to a chapter leads to its page. A link that leaves the book has no page to lead to.
fn paged(event: Event) -> Result<Event> {
    let Event::Start(Tag::Link { link_type, dest_url, title, id }) = event else { return Ok(event) };
    if dest_url.starts_with("../") {
        return Err(format!("the link to {dest_url} leaves the book").into());
    }
    let (path, anchor) = dest_url.split_once('#').map_or((&*dest_url, None), |(path, anchor)| (path, Some(anchor)));
    let dest_url = match path.strip_suffix(".md").filter(|_| relative(path)) {
        Some(stem) => CowStr::from(format!("{stem}.html{}", anchor.map(|a| format!("#{a}")).unwrap_or_default())),
        None => dest_url,
    };
    Ok(Event::Start(Tag::Link { link_type, dest_url, title, id }))
}

/// Whether a link leads to a place of the same repository.
fn relative(link: &str) -> bool {
    !link.contains("://") && !link.starts_with("mailto:")
}

/// The anchors that headings have been given.
#[derive(Default)]
struct Names(BTreeMap<String, usize>);

impl Names {
    /// The anchor of a heading, as GitHub and mdBook make it: small letters, digits, hyphens and low lines, with hyphens
    /// in the place of spaces. A heading that comes again gets a number.
    fn anchor(&mut self, heading: &str) -> String {
        let kept = |c: char| c.is_alphanumeric() || c == '-' || c == '_' || c == ' ';
        let name: String = heading.to_lowercase().chars().filter(|c| kept(*c)).collect();
        let name = name.replace(' ', "-");
        let count = self.0.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 { name } else { format!("{name}-{}", *count - 1) }
    }
}

/// The anchors of all headings of a document.
pub(crate) fn anchors(text: &str) -> Vec<String> {
    let mut names = Names::default();
    let mut found = vec![];
    let mut parsed = parser(text);
    while let Some(event) = parsed.next() {
        if let Event::Start(Tag::Heading { level, .. }) = event {
            found.push(names.anchor(&plain(&until(&mut parsed, TagEnd::Heading(level)))));
        }
    }
    found
}

/// Line and target of each link and picture of a document that leads to a place of the same repository.
pub(crate) fn links(text: &str) -> Vec<(usize, String)> {
    let targets = parser(text).into_offset_iter().filter_map(|(event, place)| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some((dest_url, place.start)),
        _ => None,
    });
    let targets = targets.filter(|(target, _)| relative(target));
    targets.map(|(target, start)| (1 + text[..start].matches('\n').count(), target.to_string())).collect()
}

/// A chapter with the files that it includes by `{{#include PATH}}` or `{{#include PATH:PART}}` in its text. A part
/// stands between the lines `ANCHOR: PART` and `ANCHOR_END: PART` of the file.
pub(super) fn included(text: &str, folder: &Path) -> Result<String> {
    let mut all = String::new();
    for line in text.lines() {
        match line.strip_prefix("{{#include ").and_then(|rest| rest.strip_suffix("}}")) {
            Some(place) => all.push_str(&inclusion(place, folder)?),
            None => all.extend([line, "\n"]),
        }
    }
    Ok(all)
}

fn inclusion(place: &str, folder: &Path) -> Result<String> {
    let (path, part) = place.split_once(':').map_or((place, None), |(path, part)| (path, Some(part)));
    let text = fs::read_to_string(folder.join(path)).map_err(|error| format!("{path}: {error}"))?;
    let Some(part) = part else { return Ok(text) };
    let mark = |end: &str| format!("ANCHOR{end}: {part}");
    let inside = text.lines().skip_while(|line| !line.ends_with(&mark(""))).skip(1);
    let lines: Vec<&str> = inside.take_while(|line| !line.ends_with(&mark("_END"))).collect();
    match lines.is_empty() {
        true => Err(format!("{path} has no part {part}").into()),
        false => Ok(lines.join("\n") + "\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_headings_have_the_anchors_of_github() {
        let text = "# The `dgm` page\n\n## Closer to ln p(v)\n\n## A, b & c_d\n\n### Twice\n\n### Twice\n\n\
                    ```sh\n# no heading\n```\n";
        assert_eq!(anchors(text), ["the-dgm-page", "closer-to-ln-pv", "a-b--c_d", "twice", "twice-1"]);
        let chapter = Chapter::render(text).unwrap();
        assert!(chapter.body.contains(r#"<h3 id="twice-1">Twice</h3>"#));
        let sections: Vec<_> = chapter.sections.iter().map(|(_, title)| title.as_str()).collect();
        assert_eq!(sections, ["Closer to ln p(v)", "A, b & c_d"]);
    }

    #[test]
    fn table_links_lead_to_pages() {
        let body = |text: &str| Chapter::render(text).unwrap().body;
        assert_eq!(body("[a](rbm.md)"), "<p><a href=\"rbm.html\">a</a></p>\n");
        assert_eq!(body("[a](rbm.md#b)"), "<p><a href=\"rbm.html#b\">a</a></p>\n");
        assert_eq!(body("[a](#b)"), "<p><a href=\"#b\">a</a></p>\n");
        assert_eq!(body("[a](https://b.c/d.md)"), "<p><a href=\"https://b.c/d.md\">a</a></p>\n");
        let error = Chapter::render("[a](../../README.md)").unwrap_err().to_string();
        assert_eq!(error, "the link to ../../README.md leaves the book");
    }

    #[test]
    fn table_links_are_found_outside_code() {
        let text = "[a](b.md#c) `[d](e.md)`\n![f](g.png) [h](https://i.j)\n\n```text\n[k](l.md)\n```\n[m](#n)\n";
        let found = links(text);
        assert_eq!(found, [(1, "b.md#c".to_owned()), (2, "g.png".to_owned()), (7, "#n".to_owned())]);
    }

    #[test]
    fn table_formulas_and_tables_can_be_scrolled_and_code_stays() {
        let body = Chapter::render("```math\na < b\n```\n\n| a |\n|---|\n| b |\n\n```text\na < b\n```\n").unwrap().body;
        assert!(body.contains(r#"<div class="formula" tabindex="0"><math display="block">"#));
        assert!(body.contains("<div class=\"table\" tabindex=\"0\"><table>"));
        assert!(body.contains("</table>\n</div>"));
        assert!(body.contains("<pre tabindex=\"0\"><code class=\"language-text\">a &lt; b\n</code></pre>"));
    }

    #[test]
    fn table_files_and_parts_of_files_are_included() {
        let folder = std::env::temp_dir().join(format!("book-includes-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("a.rs"), "first();\n// ANCHOR: part\nsecond();\n// ANCHOR_END: part\n").unwrap();
        let whole = |place: &str| included(&format!("x\n{{{{#include {place}}}}}\ny\n"), &folder);
        assert_eq!(whole("a.rs:part").unwrap(), "x\nsecond();\ny\n");
        assert!(whole("a.rs").unwrap().starts_with("x\nfirst();\n"));
        assert_eq!(whole("a.rs:other").unwrap_err().to_string(), "a.rs has no part other");
        assert!(whole("b.rs").unwrap_err().to_string().starts_with("b.rs: "));
        fs::remove_dir_all(&folder).unwrap();
    }
}
