//! The chapter of commands.

use std::fmt::Write as _;

use clap::{Command, CommandFactory};

use super::{place, writing};
use crate::Program;

const HEAD: &str = "# Commands

This chapter is what `dgm --help` and `dgm COMMAND --help` say, put together by `cargo xtask book`. A test compares it with the program.
";

/// The chapter, made of the help texts of the program.
fn chapter() -> String {
    let mut program = Program::command().term_width(100).disable_help_subcommand(true);
    program.build();
    let mut text = HEAD.to_owned();
    describe(&mut program, &mut text);
    text
}

fn describe(command: &mut Command, text: &mut String) {
    let name = command.get_bin_name().unwrap_or("dgm").to_owned();
    let help = command.render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(text, "\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim_end());
    command.get_subcommands_mut().for_each(|command| describe(command, text));
}

#[test]
fn golden_the_chapter_of_commands_is_the_help_of_the_program() {
    let path = place("commands.md");
    let expected = chapter();
    if writing() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    let line = expected.lines().zip(found.lines()).position(|(a, b)| a != b);
    assert!(found == expected, "docs/src/commands.md differs from line {line:?}; `cargo xtask book` writes it anew");
}
