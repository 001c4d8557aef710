//! `cargo xtask python`: builds the wheel of the Python package, installs it into a fresh virtual environment, and runs
//! its checks there.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::Result;
use crate::process::{Step, cargo, root, target};

/// Builds the Python package as a wheel, installs it into a virtual environment under target/python, and runs its tests
/// and examples, the checks of its style and types, and clippy there.
#[derive(Args)]
pub(crate) struct Python {
    /// The interpreter that makes the virtual environment.
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: String,
    /// Takes what the tests of the workspace have built, in the place of a build in release mode.
    #[arg(long)]
    quick: bool,
    /// Only builds the wheel, and prints its path.
    #[arg(long)]
    wheel: bool,
    /// Arguments of pytest.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// The folder of the package.
const PACKAGE: &str = "crates/gm-python";

/// What the tests need besides the package. Packages that only examples or neighbours need belong here as well.
const NEEDS: &[&str] =
    &["maturin>=1.9,<2", "pytest", "mypy", "ruff", "scipy", "pandas", "polars", "pyarrow", "joblib", "pillow"];

impl Python {
    pub(crate) fn run(&self) -> Result<()> {
        let place = absolute(&target().join("python"))?;
        let python = self.environment(&place)?;
        let wheel = wheel(&python, self.quick, &place)?;
        println!("{}", wheel.display());
        if self.wheel {
            return Ok(());
        }
        install(&python, &wheel)?;
        let package = root().join(PACKAGE);
        let tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir"];
        let tests = Step::new("pytest", &*python, tests).args([text(&package), text(&package.join("tests"))]);
        tests.args(self.arguments.clone()).run()?;
        let doctests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "--doctest-modules", "--pyargs", "dgm"];
        Step::new("doctests", &*python, doctests).run()?;
        let config = text(&package.join("pyproject.toml"));
        for words in [["check", "--quiet"], ["format", "--check"]] {
            let step =
                Step::new("ruff", &*python, ["-m", "ruff"]).args(words).args(["--no-cache", "--config", &config]);
            step.args([text(&package), text(&root().join("examples"))]).run()?;
        }
        Step::new("mypy", &*python, ["-m", "mypy", "--config-file", &config]).run()?;
        Step::new("stubs", &*python, ["-m", "mypy.stubtest", "dgm._native", "--ignore-missing-stub"]).run()?;
        cargo("clippy of the binding", ["clippy", "-p", "gm-python", "--", "-D", "warnings"]).run()
    }

    /// Makes the virtual environment, if it is not there, with all that the checks need.
    fn environment(&self, place: &Path) -> Result<String> {
        let folder = place.join("environment");
        let python = text(&folder.join("bin/python"));
        if !Path::new(&python).exists() {
            Step::new("virtual environment", &*self.python, ["-m", "venv"]).args([text(&folder)]).run()?;
        }
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        Step::new("pip", &*python, pip).args(NEEDS.iter().copied()).run()?;
        Ok(python)
    }
}

/// Builds the wheel, and returns its path.
fn wheel(python: &str, quick: bool, place: &Path) -> Result<PathBuf> {
    let wheels = place.join("wheels");
    if wheels.exists() {
        fs::remove_dir_all(&wheels)?;
    }
    let manifest = text(&root().join(PACKAGE).join("Cargo.toml"));
    let build =
        Step::new("wheel", python, ["-m", "maturin", "build", "--quiet", "--manifest-path", &manifest, "--out"]);
    let build = build.args([text(&wheels)]);
    // The profile of the tests is that of development at this level, so that the crates are not compiled again.
    let build = if quick { build.env("CARGO_PROFILE_DEV_OPT_LEVEL", "2") } else { build.args(["--release"]) };
    build.run()?;
    let mut found = fs::read_dir(&wheels)?.map(|file| Ok(file?.path()));
    found.next().ok_or("maturin has built no wheel")?
}

/// Installs the wheel with everything that it can use, in the place of an older one.
fn install(python: &str, wheel: &Path) -> Result<()> {
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    Step::new("install", python, pip).args([format!("{}[all]", wheel.display())]).run()?;
    Step::new("install", python, pip).args(["--force-reinstall", "--no-deps", &text(wheel)]).run()
}

fn absolute(path: &Path) -> Result<PathBuf> {
    fs::create_dir_all(path)?;
    Ok(path.canonicalize()?)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
