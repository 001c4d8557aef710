//! Sweeps and comparisons of runs.

use serde_json::{Value, json};

use crate::common::{Workshop, number};

/// A sweep over the learning rate of a small model.
const RATES: &str = "[sweep]
method = 'grid'
[settings]
'model.learning_rate' = [0.001, 0.2, 0.01]
[data]
spec = 'bars-and-stripes:3'
[model]
kind = 'rbm'
hidden = 4
epochs = 100
batch_size = 8
chains = 20
";

fn with_rates() -> Workshop {
    let workshop = Workshop::new();
    workshop.write("rates.toml", RATES);
    workshop
}

#[test]
fn table_a_sweep_trains_compares_and_skips_what_is_done() {
    let workshop = with_rates();
    let listed = workshop.says(&["sweep", "rates.toml", "--dry-run"]);
    assert!(listed.contains("2-learning_rate-0.2") && listed.contains("3 runs of part 1/1, none of which was trained"));
    assert!(!workshop.path("runs").exists());
    let document = workshop.json(&["sweep", "rates.toml"]);
    assert_eq!((&document["schema"], &document["outcome"]), (&json!("gm-sweep/1"), &json!("finished")));
    assert_eq!(document["candidates"][1]["settings"], json!({"model.learning_rate": 0.2}));
    assert_eq!(document["best"], "runs/rates/2-learning_rate-0.2");
    let before = workshop.read("runs/rates/2-learning_rate-0.2/metrics.jsonl");
    let said = workshop.says(&["sweep", "rates.toml"]);
    assert!(said.contains("best  runs/rates/2-learning_rate-0.2: log-likelihood -"), "{said}");
    assert!(said.contains("next  dgm eval runs/rates/2-learning_rate-0.2 --data bars-and-stripes:3 --out"), "{said}");
    assert!(
        workshop.read("runs/rates/2-learning_rate-0.2/metrics.jsonl") == before,
        "a finished run was trained again"
    );
    workshop.json(&[
        "train",
        "--config",
        "runs/rates/2-learning_rate-0.2/config.toml",
        "--out",
        "alone",
        "--threads",
        "1",
    ]);
    assert!(workshop.read("alone/model.gm") == workshop.read("runs/rates/2-learning_rate-0.2/model.gm"));
}

#[test]
fn table_parts_share_a_folder() {
    let workshop = with_rates();
    let first = workshop.json(&["sweep", "rates.toml", "--part", "1/2", "--out", "shared"]);
    assert_eq!((&first["part"], first["candidates"].as_array().map(Vec::len)), (&json!("1/2"), Some(2)));
    assert!(!workshop.path("shared/2-learning_rate-0.2").exists());
    let said = workshop.says(&["sweep", "rates.toml", "--part", "2/2", "--out", "shared"]);
    assert!(said.contains("all   dgm compare shared"), "{said}");
    let document = workshop.json(&["compare", "shared"]);
    assert_eq!(document["groups"][0]["runs"].as_array().map(Vec::len), Some(3));
}

#[test]
fn table_runs_that_explode_are_told_and_do_not_end_a_sweep() {
    let workshop = with_rates();
    workshop.write("rates.toml", RATES.replace("0.001, 0.2", "1e30, 0.2"));
    let said = workshop.says(&["sweep", "rates.toml"]);
    let failed = said.lines().find(|line| line.contains(" failed: ")).unwrap_or_default();
    assert!(failed.starts_with("1-learning_rate-") && failed.contains("training diverged at update"), "{said}");
    assert!(workshop.path("runs/rates/3-learning_rate-0.01/model.gm").exists());
    workshop.write("worse.toml", RATES.replace("0.001, 0.2, 0.01", "1e30"));
    let failed = workshop.dgm(&["sweep", "worse.toml"]).assert().code(1);
    assert!(failed.get_output().stderr.ends_with(
        b"dgm: error: all runs have failed
"
    ));
}

#[test]
fn table_a_comparison_has_measured_intervals_and_writes_files() {
    let workshop = with_rates();
    workshop.json(&["sweep", "rates.toml", "--out", "runs"]);
    for run in ["runs/1-learning_rate-0.001", "runs/2-learning_rate-0.2"] {
        workshop.json(&["eval", run, "--data", "bars-and-stripes:3", "--out", &format!("{run}/eval.json")]);
    }
    let document = workshop.json(&["compare", "runs", "--out", "runs.csv"]);
    assert_eq!((&document["schema"], &document["settings"]), (&json!("gm-compare/1"), &json!(["model.learning_rate"])));
    let first = &document["groups"][0]["runs"][0];
    assert_eq!((&first["state"], &first["name"]), (&json!("finished"), &json!("2-learning_rate-0.2")));
    let measured: Value = serde_json::from_slice(&workshop.read("runs/2-learning_rate-0.2/eval.json")).unwrap();
    assert_eq!(first["evaluations"][0]["value"], measured["mean_log_prob"]["value"]);
    assert!(number(first, "/best/epoch") <= number(first, "/epochs"));

    let said = workshop.says(&["compare", "runs", "--out", "runs.html"]);
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("run") && lines[0].ends_with("seconds  measured [1]"), "{said}");
    assert!(lines[1].starts_with("2-learning_rate-0.2 ") && lines[1].ends_with("(exact)"), "{said}");
    assert!(lines.iter().any(|line| line.starts_with("[1] mean log p of bars-and-stripes:3, ")), "{said}");
    let page = workshop.text("runs.html");
    assert!(page.contains("log-likelihood, the best runs") && page.contains("2-learning_rate-0.2 (exact)"));
    assert!(
        page.matches("<svg").count() >= 2
            && !page.contains("http:")
            && !page.contains("https:")
            && !page.contains("NaN")
    );
    let table = workshop.text("runs.csv");
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 4);
    assert!(
        rows[0]
            .starts_with("data,model,run,name,state,figure,best,best_epoch,estimated,last,last_epoch,epochs,seconds,")
    );
    assert!(rows[1].contains(",runs/2-learning_rate-0.2,2-learning_rate-0.2,finished,log-likelihood,-"), "{table}");
    assert!(rows[1].ends_with(",exact") && rows[2].ends_with(",0.01,,,,"), "{table}");
    assert!(workshop.refuses(&["compare", "runs", "--out", "runs.csv"]).contains("runs.csv exists already"));
    assert!(workshop.refuses(&["compare", "runs", "--out", "runs.txt"]).contains("--out: runs.txt ends in `txt`"));
}

#[test]
fn table_lower_bounds_stay_open_and_other_data_are_ranked_apart() {
    let workshop = Workshop::new();
    let train = |name: &str, more: &[&str]| {
        let fixed =
            ["train", "sbn", "--data", "digits", "--hidden", "40", "--epochs", "2", "--no-report", "--out", name];
        workshop.json(&[&fixed[..], more].concat());
    };
    train("a", &[]);
    train("b", &["--binarise", "threshold"]);
    let eval = [
        "eval",
        "a",
        "--data",
        "digits",
        "--samples",
        "20",
        "--repeats",
        "2",
        "--gap-rows",
        "0",
        "--out",
        "a/eval.json",
    ];
    workshop.json(&eval);
    let document = workshop.json(&["compare", "a", "b"]);
    assert_eq!(document["groups"].as_array().map(Vec::len), Some(2));
    let note = document["notes"][0].as_str().unwrap();
    assert!(
        note.starts_with("the runs learn from different data and are ranked apart: digits, binarise dynamic; digits"),
        "{note}"
    );
    let evaluation = &document["groups"][0]["runs"][0]["evaluations"][0];
    assert_eq!((&evaluation["side"], &evaluation["high"]), (&json!("lower"), &Value::Null));
    let said = workshop.says(&["compare", "a", "b"]);
    assert!(said.contains(" or more (lower)") && said.starts_with("sbn on digits, binarise dynamic\n"), "{said}");
}

#[test]
fn rejects_sweeps_that_cannot_be_made() {
    let workshop = with_rates();
    let refuses = |text: String| {
        workshop.write("wrong.toml", text);
        workshop.refuses(&["sweep", "wrong.toml", "--out", "wrong"])
    };
    let cases = [
        (RATES.replace("learning_rate", "lerning_rate"), "`model.lerning_rate` = 0.001: unknown field `lerning_rate`"),
        (RATES.replace("'grid'", "'gird'"), "wrong.toml: [sweep]: unknown method `gird`"),
        (
            RATES.replace("[0.001, 0.2, 0.01]", "0.1"),
            "`model.learning_rate` is 0.1, allowed: a list of values, or a range",
        ),
        (
            RATES.replace("0.001, 0.2", "0, 0.2"),
            "candidate 1-learning_rate-0: RbmSettings: `learning_rate` is 0, allowed:",
        ),
        (
            RATES.replace("[settings]", "halving = { first_epochs = 100 }\n[settings]"),
            "allowed: fewer than the 100 epochs of a run",
        ),
        (RATES.replace("bars-and-stripes:3", "none.csv"), "none.csv: No such file"),
        (RATES.replace("hidden = 4", "hidden = 1000000000000"), "memory"),
    ];
    for (text, part) in cases {
        let said = refuses(text);
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
    assert!(!workshop.path("wrong").exists(), "nothing is made before all candidates are checked");
    assert!(workshop.refuses(&["sweep", "none.toml"]).starts_with("reading none.toml: No such file"));
    assert!(
        workshop
            .refuses(&["sweep", "rates.toml", "--seed", "3"])
            .contains("--seed: 3, allowed: none, since the sweep file")
    );
    assert!(
        workshop
            .misused(&["sweep", "rates.toml", "--part", "3/2"])
            .contains("allowed: I/N with I from 1 to N, such as 1/4")
    );
    workshop.json(&["sweep", "rates.toml"]);
    workshop.write("rates.toml", RATES.replace("epochs = 100", "epochs = 101"));
    let said = workshop.refuses(&["sweep", "rates.toml"]);
    assert!(
        said.contains("in which `model.epochs` is 100, here it is 101; choose another folder; set it with --out DIR"),
        "{said}"
    );
    let said = workshop.refuses(&["sweep", "rates.toml", "--out", "runs/rates/1-learning_rate-0.001"]);
    assert!(said.contains("is the folder of a run"), "{said}");
}

#[test]
fn rejects_comparisons_of_nothing() {
    let workshop = with_rates();
    workshop.write("dir.txt", "");
    assert!(workshop.refuses(&["compare", "."]).starts_with(".: holds no runs, allowed: the folder of a run"));
    assert!(workshop.refuses(&["compare", "none"]).starts_with("reading none: No such file"));
    assert!(workshop.misused(&["compare"]).contains("<RUN>"));
    workshop.json(&["sweep", "rates.toml", "--out", "runs"]);
    let said = workshop.refuses(&["compare", "runs", "--figure", "elbo"]);
    assert!(
        said.contains("the run has no figure elbo, allowed: log-likelihood") && said.contains("; set it with --figure"),
        "{said}"
    );
    assert!(workshop.misused(&["compare", "runs", "--figure", "elbow"]).contains("unknown figure `elbow`"));
    workshop.write("runs/1-learning_rate-0.001/eval.json", "{");
    assert!(workshop.refuses(&["compare", "runs"]).contains("1-learning_rate-0.001/eval.json: EOF while parsing"));
}

#[cfg(unix)]
#[test]
fn stable_an_interrupted_sweep_ends_as_an_uninterrupted_one() {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    let workshop = Workshop::new();
    let text = "checkpoint_every = 20\n[sweep]\nmethod = 'grid'\nhalving = { first_epochs = 50, factor = 2 }
[settings]\nseed = [1, 2, 3]\n[data]\nspec = 'digits'
[model]\nkind = 'rbm'\nhidden = 24\nepochs = 200\nbatch_size = 100\nchains = 100\n[monitor]\nevery = 10\n";
    workshop.write("seeds.toml", text);
    workshop.json(&["sweep", "seeds.toml", "--out", "whole"]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_dgm"))
        .args(["sweep", "seeds.toml", "--out", "parted", "--json"])
        .current_dir(workshop.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let (began, second) = (Instant::now(), workshop.path("parted/2-seed-2/checkpoints"));
    while !std::fs::read_dir(&second).is_ok_and(|mut found| found.next().is_some()) {
        assert!(child.try_wait().expect("a child can be asked").is_none(), "the sweep ended before the signal");
        assert!(began.elapsed() < Duration::from_secs(60), "the second run has no checkpoint");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill is there").success());
    let output = child.wait_with_output().expect("a child can be waited for");
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let document: Value = serde_json::from_slice(&output.stdout).expect("an interrupted sweep reports too");
    assert_eq!(document["outcome"], "interrupted");
    assert!(!workshop.path("parted/3-seed-3").exists());
    let document = workshop.json(&["sweep", "seeds.toml", "--out", "parted", "--threads", "1"]);
    assert_eq!(document["outcome"], "finished");
    let best = document["best"].as_str().unwrap().strip_prefix("parted/").unwrap().to_owned();
    let model = |folder: &str| workshop.read(&format!("{folder}/{best}/model.gm"));
    assert!(model("whole") == model("parted"), "the resumed sweep gave other bits");
    let states = |folder: &str| {
        let document = workshop.json(&["compare", folder]);
        let runs = document["groups"][0]["runs"].as_array().unwrap().clone();
        runs.iter().map(|run| format!("{} {} {}", run["name"], run["state"], run["best"]["value"])).collect::<Vec<_>>()
    };
    assert_eq!(states("whole"), states("parted"));
}
