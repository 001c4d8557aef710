//! Opens reports in a real browser without a window. They must load whole and draw figures on wide and narrow screens.

use std::fs;
use std::path::Path;

use crate::Result;
use crate::process::Step;

/// The names that the browser's program may have.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// Width and height of a desk's and of a phone's screen.
const SCREENS: [(u32, u32); 2] = [(1200, 3000), (390, 3000)];
/// The least number of bytes of a picture that is not empty; a picture of an empty page has a few thousand.
const DRAWN: u64 = 30_000;

/// The browser that is installed.
pub(crate) fn find() -> Option<&'static str> {
    NAMES.into_iter().find(|name| Step::new("browser", *name, ["--version"]).succeeds())
}

/// Loads every `report.html` one level below a folder, and writes a picture of each page beside it.
pub(crate) fn check(folder: &Path) -> Result<()> {
    let browser = find().ok_or("no browser is installed")?;
    let runs = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    let pages: Vec<_> = runs.iter().map(|run| run.path().join("report.html")).filter(|page| page.is_file()).collect();
    if pages.is_empty() {
        return Err(format!("{}: no report to look at", folder.display()).into());
    }
    pages.iter().try_for_each(|page| check_page(browser, page))
}

fn check_page(browser: &str, page: &Path) -> Result<()> {
    let page = page.canonicalize()?;
    let address = format!("file://{}", page.display());
    let load = |option: String, (width, height): (u32, u32)| {
        let size = format!("--window-size={width},{height}");
        let fixed = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"];
        Step::new("browser", browser, fixed).args([size, option, address.clone()]).output()
    };
    let shown = load("--dump-dom".into(), SCREENS[0])?;
    let (expected, found) = (figures(&fs::read_to_string(&page)?), figures(&shown));
    if expected == 0 || expected != found {
        return Err(format!("{}: it has {expected} figures, and the browser shows {found}", page.display()).into());
    }
    for screen in SCREENS {
        let picture = page.with_extension(format!("{}.png", screen.0));
        load(format!("--screenshot={}", picture.display()), screen)?;
        if fs::metadata(&picture)?.len() < DRAWN {
            return Err(format!("{} is empty or nearly so", picture.display()).into());
        }
    }
    Ok(())
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
