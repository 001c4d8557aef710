//! Runs programs at the root of the workspace and shows their output as it comes.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;

/// A program with its arguments and the environment variables it needs.
pub(crate) struct Step {
    pub(crate) name: String,
    program: String,
    args: Vec<String>,
    env: Vec<(&'static str, String)>,
}

impl Step {
    pub(crate) fn new<S: Into<String>>(
        name: impl Into<String>,
        program: impl Into<String>,
        args: impl IntoIterator<Item = S>,
    ) -> Self {
        Self { name: name.into(), program: program.into(), args: vec![], env: vec![] }.args(args)
    }

    pub(crate) fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    /// Runs the program to its end; a status other than 0 is an error.
    pub(crate) fn run(&self) -> Result<()> {
        let status = self.command().status().map_err(|error| format!("`{self}` could not start: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("`{self}` failed: {status}").into()) }
    }

    /// Runs the program to its end and returns its standard output; a status other than 0 is an error.
    pub(crate) fn output(&self) -> Result<String> {
        let output = self.command().stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| format!("`{self}` could not start: {error}"))?;
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout)?),
            false => Err(format!("`{self}` failed: {}", output.status).into()),
        }
    }

    /// Runs the program to its end and writes its output to a file; a status other than 0 is an error.
    pub(crate) fn logged(&self, log: &Path) -> Result<()> {
        let file = File::create(log)?;
        let status = self.command().stdout(file.try_clone()?).stderr(file).status();
        let status = status.map_err(|error| format!("`{self}` could not start: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("`{self}` failed: {status}").into()) }
    }

    /// Whether the program starts and ends with status 0; its output is dropped.
    pub(crate) fn succeeds(&self) -> bool {
        let status = self.command().stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).current_dir(root());
        // The variables that `cargo xtask` sets for its own package would make build scripts that read them run again,
        // which takes minutes.
        let own = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(own)) {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.env {
            let quote = if value.contains(' ') { "\"" } else { "" };
            write!(f, "{name}={quote}{value}{quote} ")?;
        }
        write!(f, "{}", self.program)?;
        self.args.iter().try_for_each(|arg| write!(f, " {arg}"))
    }
}

/// A step that runs cargo.
pub(crate) fn cargo<S: Into<String>>(name: impl Into<String>, args: impl IntoIterator<Item = S>) -> Step {
    Step::new(name, "cargo", args)
}

/// Cargo of the nightly toolchain; rustup's runner is needed because this program inherits the toolchain that built it.
pub(crate) fn nightly<const N: usize>(name: &str, args: [&str; N]) -> Step {
    Step::new(name, "rustup", ["run", "nightly", "cargo"]).args(args)
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&here).join("..")
}

/// The folder of cargo's build outputs.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The program dgm: the given one, or by default one built in release mode.
pub(crate) fn program(given: Option<&Path>) -> Result<PathBuf> {
    let path = match given {
        Some(path) => path.to_path_buf(),
        None => {
            cargo("dgm", ["build", "--release", "-p", "gm-cli", "--bin", "dgm"]).run()?;
            target().join("release/dgm")
        }
    };
    path.canonicalize().map_err(|error| format!("{}: {error}", path.display()).into())
}

/// The middle of the numbers, which are then in order.
pub(crate) fn median(numbers: &mut [f64]) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_the_middle_of_numbers() {
        let mut numbers = [3.0, 1.0, 2.0];
        assert_eq!((median(&mut numbers), numbers), (2.0, [1.0, 2.0, 3.0]));
    }

    #[test]
    fn table_steps_read_as_a_shell_line() {
        let step = cargo("doc", ["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(step.to_string(), "RUSTDOCFLAGS=\"-D warnings\" cargo doc --no-deps");
    }

    #[test]
    fn rejects_programs_that_fail_or_do_not_exist() {
        let text = |program: &str| Step::new("x", program, ["--there-is-no-such-flag"]).run().unwrap_err().to_string();
        assert!(text("cargo-of-another-name").contains("could not start"));
        assert!(text("false").contains("`false --there-is-no-such-flag` failed"));
        assert!(Step::new("x", "false", [""]).output().unwrap_err().to_string().contains("`false ` failed"));
        assert_eq!(Step::new("x", "echo", ["word"]).output().unwrap(), "word\n");
        assert!(!Step::new("x", "false", [""]).succeeds());
        assert!(Step::new("x", "true", [""]).succeeds());
    }
}
