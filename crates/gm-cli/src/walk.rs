//! A test that walks through the options of all commands with values that they refuse.

use std::path::Path;

use clap::{Arg, Command, CommandFactory, FromArgMatches};

use crate::Program;
use crate::commands::Context;
use crate::hints::CommandLine;

/// The commands that take numbers, with arguments for a short run. `{}` is the folder of the test.
const COMMANDS: [&str; 9] = [
    "train rbm --data bars-and-stripes:2 --hidden 2 --epochs 1 --no-report --out {}/run",
    "train sbn --data bars-and-stripes:2 --hidden 2 --epochs 1 --no-report --out {}/run",
    "train dbm --data bars-and-stripes:2 --hidden 2,2 --epochs 1 --no-report --out {}/run",
    "train dbn --data bars-and-stripes:2 --hidden 2,2 --epochs 1 --no-report --out {}/run",
    "finetune --random --data digits --hidden 2 --epochs 1 --out {}/run",
    "eval {}/dbm --data bars-and-stripes:2 --ais-temperatures 9 --reverse-runs 2 --reverse-sweeps 9 --raise-walks 2",
    "sample {}/model -n 2 --steps 20",
    "infer {}/sbn --data bars-and-stripes:2 --out {}/h.npy --force",
    "complete {}/model --data bars-and-stripes:2 --mask random:0.5 --rows 0 --out {}/c.npy --force",
];

/// Options without which another option has no effect.
const COMPANIONS: [(&str, &str); 14] = [
    ("--backfit-", "--backfit rws"),
    ("--class-weight", "--labels --data digits"),
    ("--least-variance", "--visible gaussian"),
    ("--momentum", "--optimiser sgd"),
    ("--posterior-rows", "--posterior-runs 2"),
    ("--posterior-temperatures", "--posterior-runs 2"),
    ("--samples infer", "--method importance"),
    ("--sparsity-cost", "--sparsity 0.1"),
    ("--steps infer", "--method gibbs"),
    ("--stop-on", "--early-stopping 2"),
    ("--sweeps", "--rule gibbs-em"),
    ("--temperatures sample", "--method tempering"),
    ("--temperatures train rbm", "--algorithm pt"),
    ("--temperatures train dbn", "--algorithm pt"),
];

/// The command below the program that a line begins with.
fn command_of<'a>(program: &'a Command, line: &str) -> (&'a Command, String) {
    let (mut command, mut name) = (program, vec![]);
    for word in line.split(' ') {
        let Some(found) = command.find_subcommand(word) else { break };
        (command, name) = (found, [name, vec![word]].concat());
    }
    (command, name.join(" "))
}

/// Values that an option with numbers may refuse.
fn values_of(arg: &Arg) -> &'static [&'static str] {
    if !arg.get_action().takes_values() {
        return &[];
    }
    let form = arg.get_value_names().and_then(<[_]>::first).map(|name| name.as_str()).unwrap_or_default();
    match form.as_bytes() {
        [b'N' | b'K', rest @ ..] if !rest.starts_with(b"A") => &["0", "1"],
        [b'X' | b'M', ..] | b"SHARE" => &["nan", "-1"],
        b"PATIENCE" => &["0"],
        _ => &[],
    }
}

/// A line of a command with another value for one option.
fn line_with(line: &str, name: &str, option: &str, value: &str) -> Vec<String> {
    let mut words: Vec<String> = line.split(' ').map(String::from).collect();
    let mut set = |option: &str, value: Option<&str>| {
        if let Some(at) = words.iter().position(|word| word == option) {
            words.drain(at..(at + 1 + usize::from(value.is_some())).min(words.len()));
        }
        words.push(value.map_or(option.to_owned(), |value| format!("{option}={value}")));
    };
    let goes = |(with, _): &&(&str, &str)| match with.split_once(' ') {
        Some((with, command)) => with == option && command == name,
        None => option == *with || with.ends_with('-') && option.starts_with(with),
    };
    for (_, companions) in COMPANIONS.iter().filter(goes) {
        let mut given = companions.split(' ').peekable();
        while let Some(companion) = given.next() {
            set(companion, given.next_if(|word| !word.starts_with("--")));
        }
    }
    set(option, Some(value));
    words
}

/// Runs a line. The answer is the error, in the words of the program.
fn refusal(program: &Command, words: &[String], folder: &Path) -> Option<String> {
    let _ = std::fs::remove_dir_all(folder.join("run"));
    let place = folder.display().to_string();
    let words = std::iter::once("dgm".to_owned()).chain(words.iter().map(|word| word.replace("{}", &place)));
    let matches = match program.clone().try_get_matches_from(words) {
        Ok(matches) => matches,
        Err(error) => return Some(error.to_string()),
    };
    let parsed = Program::from_arg_matches(&matches).unwrap();
    let error = parsed
        .command
        .run(&Context { seed: None, threads: false, json: false, words: vec![], exchange: None })
        .err()?;
    Some(error.line(&CommandLine::of(program, &matches)))
}

#[test]
fn law_errors_name_the_option_that_was_given_and_options_of_the_command() {
    let (mut program, folder) = (Program::command(), tempfile::tempdir().unwrap());
    program.build();
    for (kind, name) in [("rbm", "model"), ("sbn", "sbn"), ("dbm", "dbm")] {
        let line =
            format!("train {kind} --data bars-and-stripes:2 --hidden 3 --epochs 1 --no-report --out {{}}/{name}");
        let words: Vec<String> = line.split(' ').map(String::from).collect();
        assert_eq!(refusal(&program, &words, folder.path()), None);
    }
    let (mut refused, mut tried) = (0, 0);
    for line in COMMANDS {
        let (command, name) = command_of(&program, line);
        let options: Vec<String> =
            command.get_arguments().filter_map(|arg| Some(format!("--{}", arg.get_long()?))).collect();
        for arg in command.get_arguments() {
            let Some(long) = arg.get_long().filter(|long| !["threads", "seed"].contains(long)) else { continue };
            let option = format!("--{long}");
            for value in values_of(arg) {
                tried += 1;
                let words = line_with(line, &name, &option, value);
                let Some(text) = refusal(&program, &words, folder.path()) else { continue };
                refused += 1;
                assert!(text.contains(&option), "`dgm {}` does not name {option}: {text}", words.join(" "));
                let named = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
                for other in named.filter(|word| word.starts_with("--") && !matches!(*word, "--" | "--help")) {
                    assert!(options.iter().any(|name| name == other), "`dgm {}`: {text}", words.join(" "));
                }
            }
        }
    }
    assert!(refused > 100, "{refused} of {tried} values were refused");
}
