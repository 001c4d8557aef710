//! Opens reports in a real browser without a window. They must load whole and draw figures on wide and narrow screens.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::Result;
use crate::axe::Axe;
use crate::page::{SCREENS, Tab};
use crate::process::Step;

/// The names that the browser's program may have.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// The browser that is installed.
pub(crate) fn find() -> Option<&'static str> {
    NAMES.into_iter().find(|name| Step::new("browser", *name, ["--version"]).succeeds())
}

/// Looks at every `report.html` one level below a folder on all screens, and writes pictures of each page beside it.
pub(crate) fn check(folder: &Path) -> Result<()> {
    let folder = folder.canonicalize()?;
    let runs = fs::read_dir(&folder)?.collect::<std::io::Result<Vec<_>>>()?;
    let pages: Vec<_> = runs.iter().map(|run| run.path().join("report.html")).filter(|page| page.is_file()).collect();
    if pages.is_empty() {
        return Err(format!("{}: no report to look at", folder.display()).into());
    }
    let (mut tab, axe) = (Tab::open(&folder)?, Axe::find());
    pages.iter().try_for_each(|page| check_page(&mut tab, &axe, page))
}

fn check_page(tab: &mut Tab, axe: &Axe, page: &Path) -> Result<()> {
    let expected = figures(&fs::read_to_string(page)?);
    for (width, dark) in SCREENS {
        tab.screen(width, dark)?;
        tab.call("Page.navigate", json!({"url": format!("file://{}", page.display())}))?;
        tab.until(&format!("location.href === 'file://{}' && document.readyState === 'complete'", page.display()))?;
        // Parts that are closed at first are looked at as well.
        tab.ask("document.querySelectorAll('details').forEach((part) => { part.open = true; })")?;
        let found = tab.ask("document.querySelectorAll('figure').length")?;
        if expected == 0 || found != expected {
            return Err(format!("{}: it has {expected} figures, and the browser shows {found}", page.display()).into());
        }
        let what = format!("{} at {width} px", page.display());
        tab.without_faults(&what)?;
        axe.check(tab, &what)?;
        values(tab)?;
        tab.without_faults(&what)?;
        tab.picture(&page.with_extension(format!("{width}{}.png", if dark { "-dark" } else { "" })))?;
    }
    Ok(())
}

/// The values below a chart follow the pointer and the arrow keys.
fn values(tab: &mut Tab) -> Result<()> {
    const CHART: &str = "svg[data-chart]";
    let told = format!("document.querySelector('{CHART}').parentElement.querySelector('.values').textContent");
    let at_first = tab.ask(&told)?.to_string();
    tab.point_at(CHART, (0.5, 0.5))?;
    tab.until(&format!("{told} !== {at_first}"))?;
    let at_pointer = tab.ask(&told)?.to_string();
    tab.ask(&format!("document.querySelector('{CHART}').focus()"))?;
    for kind in ["keyDown", "keyUp"] {
        let key = json!({"type": kind, "key": "ArrowLeft", "code": "ArrowLeft", "windowsVirtualKeyCode": 37});
        tab.call("Input.dispatchKeyEvent", key)?;
    }
    tab.until(&format!("{told} !== {at_pointer}"))
}

fn figures(page: &str) -> usize {
    page.matches("</figure>").count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_folders_without_reports() {
        let folder = std::env::temp_dir();
        let outcome = check(&folder.join("there-is-no-such-folder"));
        assert!(outcome.is_err());
        assert_eq!(figures("<figure></figure><figure></figure>"), 2);
    }
}
