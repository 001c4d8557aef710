//! `dgm completions` and `dgm man`: the files for shells and manuals.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde::Serialize;

use crate::Program;
use crate::error::{Error, Result};
use crate::output::{Report, shown};

/// Prints the script with which a shell completes dgm's commands and options
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm completions bash > ~/.local/share/bash-completion/completions/dgm\n  \
    dgm completions zsh > ~/.zfunc/_dgm\n  dgm completions fish > ~/.config/fish/completions/dgm.fish")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

#[derive(Serialize)]
struct Script {
    schema: &'static str,
    shell: String,
    script: String,
}

impl Completions {
    pub(super) fn run(&self) -> Result<Report> {
        let mut script = vec![];
        clap_complete::generate(self.shell, &mut Program::command(), "dgm", &mut script);
        let script = String::from_utf8(script).map_err(Error::content("completions"))?;
        Report::new(script.clone(), &Script { schema: "gm-completions/1", shell: self.shell.to_string(), script })
    }
}

/// Writes the manual pages of dgm and its commands into a folder
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:\n  dgm man --out ~/.local/share/man/man1\n  man dgm-train-rbm")]
pub(crate) struct Man {
    /// The folder, which is made if it is missing; pages of an earlier version are replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Serialize)]
struct Pages {
    schema: &'static str,
    out: String,
    pages: Vec<String>,
}

impl Man {
    pub(super) fn run(&self) -> Result<Report> {
        std::fs::create_dir_all(&self.out).map_err(Error::io("creating", &self.out))?;
        let mut program = Program::command().disable_help_subcommand(true);
        program.build();
        clap_mangen::generate_to(program.clone(), &self.out).map_err(Error::io("writing into", &self.out))?;
        let mut pages = vec![];
        list(&program, &mut pages);
        let text = format!("{} pages in {}, the first is dgm.1\n", pages.len(), self.out.display());
        Report::new(text, &Pages { schema: "gm-man/1", out: shown(&self.out), pages })
    }
}

/// Collects the names of the pages of a command and of its subcommands.
fn list(command: &clap::Command, pages: &mut Vec<String>) {
    pages.push(clap_mangen::Man::new(command.clone()).get_filename());
    command.get_subcommands().for_each(|command| list(command, pages));
}
