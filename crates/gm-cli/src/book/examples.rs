//! A test that the program understands every command in the documentation.

use std::collections::BTreeSet;
use std::fs;

use clap::error::ErrorKind;
use clap::{Command, CommandFactory};

use super::place;
use crate::Program;

/// Collects the commands below `Examples:` in the help of a command and of its subcommands.
fn shown_by_help(command: &Command, found: &mut BTreeSet<String>) {
    let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    found.extend(
        text.lines()
            .filter_map(|line| Some(line.strip_prefix("  ")?.trim().to_owned()))
            .filter(|line| line.starts_with("dgm ")),
    );
    command.get_subcommands().for_each(|command| shown_by_help(command, found));
}

/// Lines of code blocks that begin with `dgm`. A line that ends in a backslash is joined with the next one.
fn shown_in_blocks(text: &str) -> Vec<String> {
    let blocks = text.split("```").skip(1).step_by(2).map(|block| block.replace("\\\n", " "));
    blocks
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.starts_with("dgm "))
        .collect()
}

/// Commands within sentences, which may lack parts.
fn shown_in_sentences(text: &str) -> Vec<String> {
    let prose = text.split("```").step_by(2);
    let spans = prose.flat_map(|part| part.split('`').skip(1).step_by(2));
    spans.filter(|span| span.starts_with("dgm ")).map(|span| span.replace('\n', " ")).collect()
}

/// Commands in the comments at the head of a recipe.
fn shown_in_comments(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.starts_with("dgm "))
        .map(str::to_owned)
        .collect()
}

/// The error of a command line, without the parts that belong to the shell or to the reader.
fn refused(line: &str) -> Option<clap::Error> {
    let words = line.split_whitespace().take_while(|word| !word.starts_with(['#', '>', '|', '(']));
    Program::command().try_get_matches_from(words).err()
}

#[test]
fn law_documented_commands_are_understood() {
    let (mut whole, mut parts) = (BTreeSet::new(), BTreeSet::new());
    shown_by_help(&Program::command(), &mut whole);
    let chapters = fs::read_dir(place("")).expect("the book").map(|entry| entry.expect("a file").path());
    for path in chapters.chain([place("../../README.md")]) {
        // The chapter of commands repeats the help.
        if path.extension().is_some_and(|end| end == "md") && !path.ends_with("commands.md") {
            let text = fs::read_to_string(path).expect("a chapter");
            whole.extend(shown_in_blocks(&text));
            parts.extend(shown_in_sentences(&text));
        }
    }
    for recipe in fs::read_dir(place("../../recipes")).expect("recipes") {
        whole.extend(shown_in_comments(&fs::read_to_string(recipe.expect("a file").path()).expect("a recipe")));
    }
    assert!(whole.len() > 100 && parts.len() > 30, "{} and {}", whole.len(), parts.len());
    let asked = |error: &clap::Error| matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    for line in &whole {
        if let Some(error) = refused(line).filter(|error| !asked(error)) {
            panic!("`{line}`: {error}");
        }
    }
    for line in &parts {
        let unknown =
            |error: &clap::Error| matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand);
        if let Some(error) = refused(line).filter(unknown) {
            panic!("`{line}`: {error}");
        }
    }
    assert!(refused("dgm train rbm --data digits --no-such-option").is_some());
}
