//! The report of a run is complete for every kind of model, self-contained, safe and the same each time. Errors are
//! clear.

use crate::common::Workshop;
use serde_json::json;

/// A short run of each kind of model, in a folder named after it.
const RUNS: [(&str, &[&str]); 3] =
    [("rbm", &["--hidden", "8", "--algorithm", "exact"]), ("sbn", &["--hidden", "5,2"]), ("dbm", &["--hidden", "6,3"])];

fn train(workshop: &Workshop, kind: &str, options: &[&str]) {
    let shared = ["train", kind, "--data", "bars-and-stripes:3", "--epochs", "6", "--seed", "3", "--out", kind];
    workshop.json(&[&shared, options].concat());
}

fn trained(kind: &str) -> Workshop {
    let workshop = Workshop::new();
    let (_, options) = RUNS.iter().find(|(name, _)| *name == kind).expect("a known kind");
    train(&workshop, kind, options);
    workshop
}

/// Elements that have no end tag.
const VOID: [&str; 2] = ["meta", "img"];

/// Visits all tags and checks that elements are closed in order. Returns the names of the elements.
fn elements(page: &str) -> Vec<String> {
    let (mut open, mut names) = (Vec::new(), Vec::new());
    let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a page of HTML");
    while let Some(at) = rest.find('<') {
        let end = at + rest[at..].find('>').expect("every tag ends");
        let tag = &rest[at + 1..end];
        assert!(!tag.contains('<'), "<{tag}> contains an unescaped sign");
        let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        if tag.starts_with('/') {
            assert_eq!(open.pop().as_ref(), Some(&name), "</{name}> does not close what is open");
        } else {
            names.push(name.clone());
            if !VOID.contains(&name.as_str()) && !tag.ends_with('/') {
                open.push(name);
            }
        }
        rest = &rest[end + 1..];
        if let Some(text @ ("style" | "script")) = open.last().map(String::as_str) {
            rest = &rest[rest.find(&format!("</{text}")).expect("the text ends")..];
        }
    }
    assert!(open.is_empty(), "{open:?} are not closed");
    names
}

/// Checks the rules that hold for every page, and returns the names of its elements.
fn check(page: &str) -> Vec<String> {
    let names = elements(page);
    // The only script is the program's own, and the page forbids all others.
    assert!(page.matches("<script").count() == 1 && page.contains("<script>/* Values of charts"));
    assert!(page.contains("default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-"));
    for needle in ["http:", "https:", "//", "<link", "<iframe", "url(", "@import", "javascript:", "onload", "NaN"] {
        // A path may hold a double slash, and base64 does. Only the addresses in attributes and rules matter.
        let harmless = needle == "//" && !page.contains("=\"//");
        assert!(harmless || !page.contains(needle), "the page contains {needle}");
    }
    for (at, _) in page.match_indices("src=\"") {
        assert!(page[at + 5..].starts_with("data:image/png;base64,"), "a picture is not part of the page");
    }
    for (at, _) in page.match_indices("href=\"") {
        let target = page[at + 6..].split('"').next().unwrap_or_default();
        let id = target.strip_prefix('#').expect("links stay on the page");
        assert!(page.contains(&format!("id=\"{id}\"")), "{target} leads nowhere");
    }
    names
}

#[test]
fn table_a_run_of_each_kind_ends_with_a_complete_report() {
    for (kind, options) in RUNS {
        let workshop = Workshop::new();
        train(&workshop, kind, options);
        let page = workshop.text(&format!("{kind}/report.html"));
        let elements = check(&page);
        let count = |name: &str| elements.iter().filter(|found| *found == name).count();
        let sections =
            ["model", "likelihood", "curves", "filters", "samples", "completions", "activities", "weights", "again"];
        for id in sections {
            assert!(page.contains(&format!("<section id=\"{id}\">")), "{kind} has no section {id}");
        }
        assert_eq!(page.contains("<section id=\"chains\">"), kind != "sbn", "{kind}: chain diagnostics");
        assert!(count("img") >= 6, "{kind}: {} pictures", count("img"));
        assert!(count("svg") >= 9, "{kind}: {} charts", count("svg"));
        assert_eq!(count("figure"), count("img") + count("svg"), "{kind}: a picture without its words");
        assert!(page.contains("aria-label=\"Log-likelihood. Left") && page.contains("nats per example"), "{kind}");
        assert!(page.contains("spec = &quot;bars-and-stripes:3&quot;"), "{kind}: the configuration is missing");
        assert!(page.contains(&format!("dgm train --config {kind}/config.toml --out {kind}-again")), "{kind}");
    }
}

#[test]
fn stable_the_report_of_a_run_has_the_same_bytes_each_time() {
    let workshop = trained("dbm");
    let first = workshop.read("dbm/report.html");
    for threads in ["1", "3"] {
        let document = workshop.json(&["report", "dbm", "--threads", threads]);
        assert_eq!(document["schema"], "gm-report/1");
        assert!(workshop.read("dbm/report.html") == first, "{threads} threads gave another page");
    }
    workshop.json(&["report", "dbm", "--out", "elsewhere.html"]);
    assert!(workshop.read("elsewhere.html") == first);
    assert!(workshop.refuses(&["report", "dbm", "--out", "elsewhere.html"]).contains("pass --force"));
}

#[test]
fn table_several_runs_stand_on_one_page() {
    let workshop = trained("rbm");
    train(&workshop, "sbn", &["--hidden", "5,2"]);
    let refused = workshop.refuses(&["report", "rbm", "sbn"]);
    assert!(refused.contains("RUN given 2 times needs --out FILE.html"), "{refused}");
    let document = workshop.json(&["report", "rbm", "sbn", "--data", "bars-and-stripes:3", "--out", "both.html"]);
    assert_eq!(document["schema"], "gm-compare/1");
    let page = workshop.text("both.html");
    check(&page);
    assert!(page.contains("2 runs, which differ in") && page.contains("<section id=\"measured\">"));
    assert!(workshop.refuses(&["report", "rbm", "sbn", "--out", "both.html"]).contains("pass --force"));
    assert!(workshop.refuses(&["report", "rbm", "absent", "--out", "more.html"]).contains("absent"));
    let refused = workshop.refuses(&["report", "rbm", "sbn", "--out", "more.html", "--data-dir", "sets"]);
    assert!(refused.contains("--data-dir sets needs --data"), "{refused}");
}

#[test]
fn table_the_first_lines_tell_the_likelihood_its_errors_and_what_it_is_worth() {
    let workshop = trained("rbm");
    assert!(workshop.text("rbm/report.html").contains("This command measures it and writes it here"));
    let document = workshop.json(&["eval", "rbm", "--data", "bars-and-stripes:3", "--out", "rbm/eval.json"]);
    workshop.json(&["report", "rbm"]);
    let page = workshop.text("rbm/report.html");
    let number = |member: &str| document[member].as_f64().expect("a number");
    let value = document["mean_log_prob"]["value"].as_f64().expect("a number");
    assert!(page.contains(&format!("<b>{value:.2}</b> nats")) && page.contains("It is exact."));
    assert!(page.contains(&format!("over these rows is {:.2} nats", number("rows_std_error"))));
    let gain = value - number("independent_units");
    assert!(page.contains(&format!("{:.2} nats {}", gain.abs(), if gain >= 0.0 { "better" } else { "worse" })));
}

#[test]
fn table_data_that_are_no_pictures_show_moments_with_names() {
    let workshop = Workshop::new();
    let rows: String = (0..60).map(|i| format!("{0},{0},{1}\n", i % 2, i / 7 % 2)).collect();
    workshop.write("rows.csv", format!("bread,butter,tea\n{rows}"));
    for (kind, hidden) in [("rbm", "2"), ("sbn", "2"), ("dbm", "2,2"), ("dbn", "2,2"), ("harmonium", "2")] {
        workshop.json(&["train", kind, "--data", "rows.csv", "--hidden", hidden, "--epochs", "5", "--out", kind]);
        let page = workshop.text(&format!("{kind}/report.html"));
        check(&page);
        assert!(page.contains("<section id=\"moments\">") && page.contains("All 3 pairs"), "{kind}");
        assert!(page.contains("bread, butter"), "{kind}");
    }
    assert!(!trained("rbm").text("rbm/report.html").contains("<section id=\"moments\">"), "bars form pictures");
}

#[test]
fn table_training_leaves_the_report_out_when_told() {
    let workshop = Workshop::new();
    train(&workshop, "rbm", &["--hidden", "4", "--no-report"]);
    assert!(!workshop.path("rbm/report.html").exists() && workshop.path("rbm/curves.png").exists());
    workshop.json(&["train", "--config", "rbm/config.toml", "--out", "again", "--no-report"]);
    assert!(!workshop.path("again/report.html").exists());
    workshop.json(&["report", "again"]);
    check(&workshop.text("again/report.html"));
}

#[test]
fn table_evaluations_become_a_picture_with_both_sides() {
    let workshop = trained("rbm");
    assert!(workshop.text("rbm/report.html").contains("Not measured yet"));
    let document = workshop.json(&["report", "rbm", "--data", "bars-and-stripes:3"]);
    assert_eq!(document["evaluations"], json!(["eval-bars-and-stripes-3-test.json"]));
    let anneal = ["--ais-runs", "20", "--ais-temperatures", "60", "--raise-walks", "20"];
    let arguments = ["eval", "rbm/model.gm", "--data", "bars-and-stripes:3", "--out", "rbm/eval.json"];
    let document = workshop.json(&[&arguments[..], &anneal].concat());
    let kept: serde_json::Value = serde_json::from_slice(&workshop.read("rbm/eval.json")).expect("a JSON document");
    assert_eq!(document, kept);
    assert!(workshop.refuses(&arguments).contains("pass --force"));
    workshop.json(&["report", "rbm"]);
    let page = workshop.text("rbm/report.html");
    check(&page);
    for words in [
        ">exact</text>",
        ">interval (ais, raise and reverse ais)</text>",
        ">bound for the annealed model, 20 runs of RAISE</text>",
        "20 annealing runs of 60 temperatures",
    ] {
        assert!(page.contains(words), "the page does not say {words}");
    }
    assert_eq!(page.matches("aria-label=\"likelihood interval\"").count(), 2);
}

#[test]
fn table_whatever_comes_from_files_is_escaped() {
    let hostile = "<script>alert('x')</script>\"&";
    let workshop = trained("rbm");
    let config = workshop.text("rbm/config.toml");
    workshop.write("rbm/config.toml", format!("# {hostile}\n{config}"));
    let line = json!({"epoch": 7, "step": 1, hostile: 1.0});
    workshop.write("rbm/metrics.jsonl", format!("{}{line}\n", workshop.text("rbm/metrics.jsonl")));
    let mut document = workshop.json(&["eval", "rbm/model.gm", "--data", "bars-and-stripes:3"]);
    document["data"]["source"] = hostile.into();
    document["warnings"] = json!([hostile]);
    document["mean_log_prob"]["method"] = hostile.into();
    workshop.write("rbm/eval-<b>.json", document.to_string());
    std::fs::rename(workshop.path("rbm"), workshop.path("<i>&run")).expect("a folder can be renamed");
    workshop.json(&["report", "<i>&run"]);
    let page = workshop.text("<i>&run/report.html");
    check(&page);
    assert!(page.matches("&lt;script&gt;").count() >= 5, "something hostile is missing");
    assert!(!page.contains("<i>") && !page.contains("<b>.json") && page.contains("&lt;i&gt;&amp;run"));
}

#[test]
fn table_without_its_data_a_run_has_a_report_that_says_so() {
    let workshop = Workshop::new();
    let rows: String = (0..30).map(|i| format!("{},{},1,0\n", i % 2, i / 2 % 2)).collect();
    workshop.write("rows.csv", rows);
    workshop.json(&["train", "rbm", "--data", "rows.csv", "--hidden", "3", "--epochs", "3", "--out", "run"]);
    assert!(workshop.text("run/report.html").contains("<section id=\"completions\">"));
    std::fs::remove_file(workshop.path("rows.csv")).expect("a file can be removed");
    let document = workshop.json(&["report", "run"]);
    let note = document["notes"][0].as_str().expect("a note").to_owned();
    assert!(note.contains("are left out") && note.contains("rows.csv"), "{note}");
    let page = workshop.text("run/report.html");
    check(&page);
    assert!(!page.contains("<section id=\"completions\">") && page.contains("are left out"));
}

#[test]
fn rejects_folders_that_hold_no_whole_run() {
    let workshop = trained("rbm");
    assert!(workshop.refuses(&["report", "elsewhere"]).contains("elsewhere: holds no run"));
    let report = || workshop.refuses(&["report", "rbm"]);
    let swap = |name: &str, content: Option<&[u8]>, expected: &[&str]| {
        let file = format!("rbm/{name}");
        let kept = workshop.path(&file).exists().then(|| workshop.read(&file));
        match content {
            Some(content) => workshop.write(&file, content),
            None => std::fs::remove_file(workshop.path(&file)).expect("a file can be removed"),
        }
        let said = report();
        expected.iter().for_each(|words| assert!(said.contains(words), "{name}: {said}"));
        match kept {
            Some(kept) => workshop.write(&file, kept),
            None => std::fs::remove_file(workshop.path(&file)).expect("a file can be removed"),
        }
    };
    swap("model.gm", None, &["rbm has no model.gm yet", "dgm train --resume"]);
    swap("model.gm", Some(b"gm-model"), &["rbm/model.gm", "truncated"]);
    swap("metrics.jsonl", None, &["rbm/metrics.jsonl", "is missing"]);
    swap("metrics.jsonl", Some(b"{\"epoch\":1}\n{\"epo"), &["rbm/metrics.jsonl", "line 2"]);
    swap("config.toml", Some(b"seed = 1\n"), &["rbm/config.toml", "missing field"]);
    swap("eval.json", Some(b"{\"schema\""), &["rbm/eval.json"]);
    swap("eval.json", Some(br#"{"schema":"gm-eval/1","data":{}}"#), &["rbm/eval.json", "missing field"]);
    // A model of another shape and an evaluation of it replace the files.
    train(&workshop, "sbn", &["--hidden", "2"]);
    workshop.json(&["eval", "sbn/model.gm", "--data", "bars-and-stripes:3", "--out", "other.json"]);
    swap("eval.json", Some(&workshop.read("other.json")), &["rbm/eval.json", "an evaluation of an sbn [9, 2]"]);
    let config = workshop.text("rbm/config.toml").replace("hidden = 8", "hidden = 9");
    swap("config.toml", Some(config.as_bytes()), &["hidden layers [8]", "config.toml describes an rbm with [9]"]);
}

#[test]
fn rejects_places_where_the_page_cannot_be() {
    let workshop = trained("rbm");
    let said = workshop.refuses(&["report", "rbm", "--out", "page.pdf"]);
    assert!(said.contains("page.pdf ends in `pdf`, allowed: .html"), "{said}");
    assert!(workshop.refuses(&["report", "rbm", "--out", "absent/page.html"]).contains("absent/page.html"));
    assert!(workshop.refuses(&["report", "rbm", "--data", "digits"]).contains("9 visible units"));
    std::fs::remove_file(workshop.path("rbm/report.html")).expect("a file can be removed");
    std::fs::create_dir(workshop.path("rbm/report.html")).expect("a folder can be made");
    assert!(workshop.refuses(&["report", "rbm"]).starts_with("RUN: rbm/report.html is a folder, allowed: a file"));
}
