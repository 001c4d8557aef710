//! Opens the pages in a real browser without a window, on wide and narrow, light and dark screens.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::Result;
use crate::axe::Axe;
use crate::page::{SCREENS, Tab};

/// Faults that only pages with formulas and pictures have, as sentences.
const FAULTS: &str = "[...[...document.images].filter((image) => !image.naturalWidth).map((image) => \
    `no picture: ${image.src}`), ...[...document.images].filter((image) => !image.alt).map((image) => `no words: ${image.src}`), \
    ...[...document.querySelectorAll('math')].filter((math) => !math.getBoundingClientRect().height).map((math) => \
    `an empty formula: ${math.textContent}`), ...[...document.querySelectorAll('a[href^=\"#\"]')].filter((link) => \
    !document.getElementById(decodeURIComponent(link.hash.slice(1)))).map((link) => `no place: ${link.hash}`)]";

/// Opens every page of a folder on every screen. The browser has to show all formulas and pictures, and nothing may be
/// wider than the screen.
pub(super) fn check(folder: &Path) -> Result<()> {
    let folder = folder.canonicalize()?;
    let mut names: Vec<String> = vec![];
    for entry in fs::read_dir(&folder)? {
        names.extend(entry?.file_name().to_str().filter(|name| name.ends_with(".html")).map(String::from));
    }
    names.sort();
    let scratch = std::env::temp_dir().join(format!("book-browser-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let outcome = look(&folder, &names, &mut Tab::open(&scratch)?, &Axe::find());
    fs::remove_dir_all(&scratch)?;
    outcome.inspect(|()| println!("{} pages are right on {} screens", names.len(), SCREENS.len()))
}

fn look(folder: &Path, names: &[String], tab: &mut Tab, axe: &Axe) -> Result<()> {
    for (width, dark) in SCREENS {
        tab.screen(width, dark)?;
        for name in names {
            let page = folder.join(name);
            tab.call("Page.navigate", json!({"url": format!("file://{}", page.display())}))?;
            tab.until(&format!("location.pathname.endsWith('/{name}') && document.readyState === 'complete'"))?;
            let what = format!("{name} at {width} px");
            tab.without_faults(&what)?;
            axe.check(tab, &what)?;
            let (written, shown) = (
                fs::read_to_string(&page)?.matches("<math").count(),
                tab.ask("document.querySelectorAll('math').length")?,
            );
            if shown != written {
                return Err(format!("{what}: {written} formulas are written and {shown} are shown").into());
            }
            let faults = tab.ask(FAULTS)?;
            if faults != json!([]) {
                return Err(format!("{what}: {faults}").into());
            }
        }
    }
    Ok(())
}
