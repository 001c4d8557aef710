//! Every call by which a run writes its files fails in turn: nothing that was there is lost, and the run ends in the same bits.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use gm_data::{Call, Fault, Injected, UNFINISHED, load_model, write_atomically};
use gm_train::{CheckpointInfo, Config, Error, Outcome, Result, Run, Unobserved};
use tempfile::TempDir;

/// Runs of each kind of model, with early stopping, growth and classes among them.
const RUNS: [(&str, &str); 4] = [
    (
        "rbm",
        "hidden = 3\nepochs = 4\nbatch_size = 4\nchains = 5\n[monitor]\nstop_on = 'log-likelihood'\npatience = 2\n",
    ),
    ("sbn", "hidden = [3, 2]\nepochs = 4\nbatch_size = 4\n"),
    ("dbm", "hidden = [3, 2]\npretrain = 'none'\nepochs = 4\nbatch_size = 4\nchains = 5\n"),
    ("dbn", "hidden = [3, 2]\nepochs = [2, 2]\nbatch_size = 4\nchains = 5\n"),
];

fn config(kind: &str, settings: &str) -> Config {
    let text = format!(
        "seed = 3\ncheckpoint_every = 3\n[data]\nspec = 'bars-and-stripes:2'\n[model]\nkind = '{kind}'\n{settings}"
    );
    Config::parse(&text).expect("the test's own folder")
}

/// A folder in memory where there is one, since every write is made to last.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        tempfile::tempdir_in(memory).expect("the test's own folder")
    } else {
        tempfile::tempdir().expect("the test's own folder")
    }
}

fn train(folder: &Path, config: &Config) -> Result<Outcome> {
    Run::create(folder, config)?.train(&mut Unobserved)
}

/// Ends what a fault has interrupted.
fn end(folder: &Path, config: &Config) {
    let outcome = match folder.join("config.toml").exists() {
        true => Run::resume(folder).and_then(|run| run.train(&mut Unobserved)),
        false => train(folder, config),
    };
    assert!(matches!(outcome, Ok(Outcome::Finished { .. }) | Err(Error::Finished { .. })), "{outcome:?}");
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let entries =
        fs::read_dir(folder).expect("the test's own folder").map(|entry| entry.expect("the test's own folder").path());
    entries.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

/// Every file that is there is whole, and nothing unfinished is left.
fn check_files(folder: &Path) {
    for path in below(folder) {
        let name = path.file_name().expect("the test's own folder").to_string_lossy().into_owned();
        assert!(!name.starts_with(UNFINISHED), "{name} is left");
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gmck") => drop(
                CheckpointInfo::read(File::open(&path).expect("the test's own folder")).expect("the test's own folder"),
            ),
            Some("gm") => drop(load_model(&path).expect("the test's own folder")),
            Some("toml") => drop(Config::read(&path).expect("the test's own folder")),
            _ => {}
        }
    }
}

/// The models that a run has left, and its metrics without the time they took.
fn results(folder: &Path) -> (Vec<(String, Vec<u8>)>, Vec<String>) {
    let models = below(folder).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "gm"));
    let mut models: Vec<(String, Vec<u8>)> = models
        .map(|path| {
            (
                path.strip_prefix(folder).expect("the test's own folder").display().to_string(),
                fs::read(&path).expect("the test's own folder"),
            )
        })
        .collect();
    models.sort();
    let metrics = fs::read_to_string(folder.join("metrics.jsonl")).expect("the test's own folder");
    let timeless = |line: &str| {
        let (before, after) = line.split_once("\"seconds\":").expect("the test's own folder");
        format!("{before}{}", after.split_once(',').expect("the test's own folder").1)
    };
    (models, metrics.lines().map(timeless).collect())
}

/// Injects a fault at each call in turn; how many there were.
fn inject_everywhere(kind: &str, config: &Config, fault: Fault) -> usize {
    let whole = folder();
    let counted = Injected::new(whole.path(), 0, Fault::None);
    train(whole.path(), config).expect("the test's own folder");
    let (calls, expected) = (counted.calls(), results(whole.path()));
    assert!(
        [Call::Create, Call::Write, Call::Sync, Call::Rename, Call::SyncFolder].iter().all(|call| calls.contains(call))
    );
    let chosen = |at: &usize| fault != Fault::ShortWrite || calls[*at] == Call::Write;
    let places: Vec<usize> = (0..calls.len()).filter(chosen).collect();
    for &at in &places {
        let parts = folder();
        // What a person keeps there is none of the run's business.
        fs::write(parts.path().join("notes.txt"), b"mine").expect("the test's own folder");
        let injected = Injected::new(parts.path(), at, fault);
        let outcome = train(parts.path(), config);
        drop(injected);
        check_files(parts.path());
        let named = |error: &Error| error.to_string().contains(&parts.path().display().to_string());
        match fault {
            Fault::ShortWrite => assert!(outcome.is_ok(), "{kind}, call {at}: {outcome:?}"),
            _ => assert!(outcome.as_ref().is_err_and(named), "{kind}, {:?} at {at}: {outcome:?}", calls[at]),
        }
        end(parts.path(), config);
        check_files(parts.path());
        assert!(results(parts.path()) == expected, "{kind}, {fault:?} at call {at}, {:?}", calls[at]);
        assert_eq!(fs::read(parts.path().join("notes.txt")).expect("the test's own folder"), b"mine");
    }
    places.len()
}

#[test]
fn law_every_injected_fault_is_survived_with_the_same_bits() {
    for fault in [Fault::ShortWrite, Fault::NoSpace, Fault::InputOutput, Fault::Gone] {
        let counts = RUNS.map(|(kind, settings)| inject_everywhere(kind, &config(kind, settings), fault));
        println!(
            "{fault:?}: {} faults injected, in runs of 4 kinds of models: {counts:?}",
            counts.iter().sum::<usize>()
        );
    }
}

#[test]
fn law_an_injected_fault_is_seen_at_the_call_and_in_the_folder_chosen() {
    let (here, there) = (folder(), folder());
    let path = here.path().join("file");
    let write = |path: &Path| write_atomically(path, |out| Ok(out.write_all(b"text")?));
    for (at, call) in [Call::Create, Call::Write, Call::Sync, Call::Rename, Call::SyncFolder].into_iter().enumerate() {
        let injected = Injected::new(here.path(), at, Fault::NoSpace);
        write(&there.path().join("file")).unwrap();
        let error = write(&path).unwrap_err().to_string();
        assert!(error.contains("No space left on device"), "{error}");
        assert_eq!(injected.calls().last(), Some(&call));
        assert_eq!(path.exists(), call == Call::SyncFolder, "only then the file has its name");
    }
}
