//! axe-core, a checker of accessibility, which is installed from a Python package and run in the pages.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::Result;
use crate::page::Tab;
use crate::process::{Step, target};

/// The package that has the script in a file.
const PACKAGE: &str = "axe-playwright-python>=0.1.8,<0.2";
/// What it looks for: the faults that hinder readers, as sentences.
const RUN: &str = "axe.run(document, { resultTypes: ['violations'], preload: false }).then((found) => found.violations.filter((fault) => \
    ['serious', 'critical'].includes(fault.impact)).flatMap((fault) => fault.nodes.map((node) => \
    `${fault.id}: ${fault.help}: ${node.html.slice(0, 120)}`)))";

/// The checker, or the reason why there is none.
pub(crate) struct Axe(std::result::Result<String, String>);

impl Axe {
    /// Installs the script where it is not yet; a machine without the registry of packages goes without.
    pub(crate) fn find() -> Self {
        Self(script().map_err(|error| error.to_string())).said()
    }

    fn said(self) -> Self {
        if let Err(why) = &self.0 {
            println!("axe-core is left out: {why}");
        }
        self
    }

    /// Fails for serious faults of the page that is shown.
    pub(crate) fn check(&self, tab: &mut Tab, what: &str) -> Result<()> {
        let Ok(script) = &self.0 else { return Ok(()) };
        tab.ask(&format!("if (!window.axe) {{ {script} }} true"))?;
        let found = tab.wait_for(RUN)?;
        match found.as_array().map(Vec::as_slice) {
            Some([]) => Ok(()),
            Some(faults) => {
                let faults: Vec<&str> = faults.iter().take(5).filter_map(Value::as_str).collect();
                Err(format!("{what}: axe-core: {}", faults.join("; ")).into())
            }
            None => Err(format!("{what}: axe-core gave no answer: {found}").into()),
        }
    }
}

fn script() -> Result<String> {
    let folder = target().join("axe");
    if find(&folder).is_none() {
        let environment = folder.display().to_string();
        Step::new("virtual environment", "python3", ["-m", "venv", &environment]).run()?;
        let python = folder.join("bin/python").display().to_string();
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", PACKAGE];
        Step::new("pip", python, pip).run()?;
    }
    let path = find(&folder).ok_or("the package has no axe.min.js")?;
    Ok(fs::read_to_string(path)?)
}

/// The script in the environment.
fn find(folder: &Path) -> Option<PathBuf> {
    let versions = fs::read_dir(folder.join("lib")).ok()?;
    let path = |version: fs::DirEntry| version.path().join("site-packages/axe_playwright_python/axe.min.js");
    versions.flatten().map(path).find(|path| path.is_file())
}
