//! Displayed formulas, the blocks ` ```math `, turned from LaTeX into MathML.

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};
use pulldown_latex::config::{DisplayMode, RenderConfig};
use pulldown_latex::{Storage, push_mathml};

use super::escaped;
use crate::Result;

/// The language of the code blocks that hold formulas. GitHub displays them as formulas too.
pub(super) const LANGUAGE: &str = "math";

/// What pulldown-latex 0.8 writes otherwise than HTML and fonts want it: a sign that has to be escaped, two attributes
/// without a space between them, and the micro sign, which has no italic form, in the place of the Greek letter.
const MENDED: [(&str, &str); 3] = [("<mo><</mo>", "<mo>&lt;</mo>"), ("\"minsize=", "\" minsize="), ("µ", "\u{3bc}")];

/// A displayed formula as MathML, with its LaTeX as an annotation.
///
/// # Errors
///
/// Fails where the text is not LaTeX that the converter knows, and says where.
pub(crate) fn mathml(latex: &str) -> Result<String> {
    let latex = latex.trim();
    let storage = Storage::new();
    let fault = |error: String| format!("the formula {latex}: {error}");
    let events = pulldown_latex::Parser::new(latex, &storage).collect::<std::result::Result<Vec<_>, _>>();
    let events = events.map_err(|error| fault(error.to_string()))?;
    let source = escaped(latex);
    let config =
        RenderConfig { display_mode: DisplayMode::Block, annotation: Some(&source), ..RenderConfig::default() };
    let mut html = String::new();
    let events = events.into_iter().map(Ok::<_, std::fmt::Error>);
    push_mathml(&mut html, events, config).map_err(|error| fault(error.to_string()))?;
    Ok(MENDED.iter().fold(html, |html, (found, wanted)| html.replace(found, wanted)))
}

/// Line and text of each formula of a chapter.
pub(crate) fn blocks(text: &str) -> Vec<(usize, String)> {
    let mut found = vec![];
    let mut inside = false;
    for (event, place) in Parser::new(text).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) if *language == *LANGUAGE => {
                found.push((1 + text[..place.start].matches('\n').count(), String::new()));
                inside = true;
            }
            Event::End(TagEnd::CodeBlock) => inside = false,
            Event::Text(part) if inside => found.iter_mut().last().into_iter().for_each(|(_, all)| all.push_str(&part)),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula without the outermost elements and the annotation.
    fn inner(latex: &str) -> String {
        let html = mathml(latex).unwrap();
        let (_, inner) = html.split_once("<semantics>").unwrap();
        inner.split_once("<annotation").unwrap().0.replace("<mrow>", "").replace("</mrow>", "")
    }

    #[test]
    fn table_formulas_have_the_right_structure() {
        let sum = "<munderover><mo movablelimits=\"false\">∑</mo><mi>l</mi><mo>=</mo><mn>0</mn><mi>L</mi></munderover>";
        assert_eq!(inner(r"\sum_{l=0}^L"), sum);
        assert_eq!(inner(r"x_{l_j}"), "<msub><mi>x</mi><msub><mi>l</mi><mi>j</mi></msub></msub>");
        assert_eq!(inner(r"W_l^\top"), "<msubsup><mi>W</mi><mi>l</mi><mi>⊤</mi></msubsup>");
        assert_eq!(inner(r"\mathbb{E}_q"), "<msub><mi>𝔼</mi><mi>q</mi></msub>");
        assert!(inner(r"\hat{Z}").contains("<mover><mi>Z</mi><mi>^</mi></mover>"));
        assert!(inner(r"\frac12").starts_with("<mfrac><mn>1</mn><mn>2</mn></mfrac>"));
        assert_eq!(inner(r"\begin{cases} a & b \\ c & d \end{cases}").matches("<mtr>").count(), 2);
        assert_eq!(inner(r"\begin{aligned} a &= b \\ c &= d \end{aligned}").matches("<mtd>").count(), 4);
    }

    #[test]
    fn table_signs_that_the_converter_gets_wrong_are_mended() {
        assert_eq!(inner("a < b"), "<mi>a</mi><mo>&lt;</mo><mi>b</mi>");
        assert_eq!(inner(r"\mu"), "<mi>\u{3bc}</mi>");
        assert!(inner(r"\bigl(").contains("\" minsize="));
    }

    #[test]
    fn table_the_annotation_is_the_escaped_source() {
        let html = mathml("a < b").unwrap();
        assert!(html.contains(r#"<annotation encoding="application/x-tex">a &lt; b</annotation>"#), "{html}");
    }

    #[test]
    fn rejects_unknown_commands_and_open_groups() {
        for latex in [r"\unknown{x}", r"\frac{a}{", "a & b", r"\begin{aligned} a"] {
            let error = mathml(latex).unwrap_err().to_string();
            assert!(error.starts_with(&format!("the formula {latex}: ")), "{error}");
        }
    }

    #[test]
    fn table_blocks_are_found_with_their_lines() {
        let text = "# A\n\n```math\na\n```\n\n```text\nb\n```\n\n- c\n\n  ```math\n  d\n  e\n  ```\n";
        assert_eq!(blocks(text), [(3, "a\n".to_owned()), (13, "d\ne\n".to_owned())]);
    }
}
