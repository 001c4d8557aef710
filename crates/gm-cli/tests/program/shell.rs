//! Completions, manual pages, and errors of fetching data.

use crate::common::Workshop;

#[test]
fn table_completions_know_the_commands_in_every_shell() {
    let workshop = Workshop::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = workshop.says(&["completions", shell]);
        for word in ["finetune", "--ais-runs", "fetch"] {
            let word = if shell == "fish" { word.trim_start_matches('-') } else { word };
            assert!(script.contains(word), "{shell} does not know {word}");
        }
        assert_eq!(workshop.json(&["completions", shell])["shell"], shell);
    }
}

#[test]
fn table_manual_pages_are_written_for_every_command() {
    let workshop = Workshop::new();
    let document = workshop.json(&["man", "--out", "man"]);
    let pages: Vec<&str> = document["pages"].as_array().unwrap().iter().filter_map(|page| page.as_str()).collect();
    for page in ["dgm.1", "dgm-train.1", "dgm-train-rbm.1", "dgm-data-fetch.1"] {
        assert!(pages.contains(&page), "{page} is not in {pages:?}");
    }
    for page in pages {
        let text = workshop.text(&format!("man/{page}"));
        assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{page}");
    }
}

#[test]
fn rejects_data_that_cannot_be_fetched() {
    let workshop = Workshop::new();
    let error = workshop.refuses(&["data", "fetch", "mnits"]);
    assert!(error.contains("unknown data set with files `mnits`, did you mean `mnist`?"), "{error}");
    let error = workshop.refuses(&["data", "fetch", "caltech101_silhouettes_28", "--data-dir", "data"]);
    assert!(
        error.contains("--mirror: nothing, allowed: a server with the files of caltech101_silhouettes_28"),
        "{error}"
    );
    let nowhere = ["data", "fetch", "mnist", "--data-dir", "data", "--mirror", "http://127.0.0.1:1/sets/", "-q"];
    let done = workshop.dgm(&nowhere).assert().code(1);
    let said = String::from_utf8_lossy(&done.get_output().stderr).into_owned();
    assert!(said.contains("http://127.0.0.1:1/sets/mnist/train-images-idx3-ubyte.gz: "), "{said}");
    assert!(said.contains("run the same command again to continue where it stopped"), "{said}");
}
