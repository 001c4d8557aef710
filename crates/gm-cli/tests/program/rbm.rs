//! Restricted Boltzmann machines through the program: algorithms, changes, weights, both sides of log Z, tempering.

use crate::common::Workshop;

fn words(line: &str) -> Vec<&str> {
    line.split(' ').collect()
}

#[test]
fn table_parallel_tempering_trains_and_reports_its_swaps() {
    let workshop = Workshop::new();
    let line = "train rbm --data digits --hidden 14 --algorithm pt --temperatures 4 --chains 20 --epochs 3 --batch-size 50 \
                --k 1,2@1 --momentum 0.5,0.9@2 --sparsity 0.2 --log-z-chains 30 --out run";
    let document = workshop.json(&words(line));
    let figures = &document["figures"];
    for name in ["swap_acceptance", "lowest_swap_acceptance", "chain_flips"] {
        assert!(figures[name].as_f64().is_some_and(|share| (0.0..=1.0).contains(&share)), "{name}: {figures}");
    }
    let (log_p, error) = (&figures["estimated_log_likelihood"], &figures["log_partition_error"]);
    assert!(log_p.as_f64().is_some_and(|log_p| (-60.0..-10.0).contains(&log_p)), "{figures}");
    assert!(error.as_f64().is_some_and(|error| error > 0.0 && error < 1.0), "{figures}");
    let config = workshop.text("run/config.toml");
    for text in [
        "algorithm = \"pt\"",
        "temperatures = 4",
        "later_steps = [[1, 2]]",
        "momentum:0.5",
        "later_momentum = [[2, 0.9",
        "sparsity = 0.2",
        "log_z_chains = 30",
    ] {
        assert!(config.contains(text), "{text} is not in\n{config}");
    }
    // The configuration repeats the run.
    workshop.json(&words("train --config run/config.toml --out again --no-report"));
    assert!(workshop.read("run/model.gm") == workshop.read("again/model.gm"));
    let text = workshop.says(&words("train --config run/config.toml --out once --no-report"));
    assert!(text.contains("% accepted between neighbouring temperatures") && text.contains("about -"), "{text}");
}

#[test]
fn table_weights_change_the_model() {
    let workshop = Workshop::new();
    workshop.write("even.csv", "2\n".repeat(1_199));
    workshop.write("odd.csv", "0\n3\n".repeat(599) + "1\n");
    let train = |out: &str, weights: &str| {
        let line = format!("train rbm --data digits --hidden 6 --epochs 2 --no-report --out {out}{weights}");
        workshop.json(&words(&line));
        workshop.read(&format!("{out}/model.gm"))
    };
    let (plain, odd) = (train("plain", ""), train("odd", " --weights odd.csv"));
    assert!(plain != odd);
    train("even", " --weights even.csv");
    workshop.write("few.csv", "1\n1\n");
    let line = workshop.refuses(&words("train rbm --data digits --weights few.csv --out no"));
    assert!(line.contains("few.csv: 2 weights, expected 1199 for the training rows"), "{line}");
}

#[test]
fn table_both_sides_of_log_z() {
    let workshop = Workshop::with_model();
    let line = "eval model.gm --data digits --ais-runs 30 --ais-temperatures 200 --ais-schedule adaptive --raise-walks 20 \
                --reverse-runs 30 --reverse-sweeps 100 --reverse-temperatures 4";
    let found = workshop.json(&words(line));
    let exact = workshop.json(&words("eval model.gm --data digits --exact"));
    let (back, truth) = (&found["reverse_log_partition"], exact["log_partition"]["value"].as_f64().unwrap_or(f64::NAN));
    let number = |name: &str| back[name].as_f64().unwrap_or(f64::NAN);
    assert!(number("low") < truth && truth < number("high"), "{back} around {truth}");
    assert_eq!((&back["method"], &back["runs"], &back["sweeps"]), (&"reverse ais".into(), &30.into(), &100.into()));
    assert_eq!(found["mean_log_prob"]["method"], "ais, raise and reverse ais");
    let text = workshop.says(&words(line));
    assert!(
        text.contains("from above") && text.contains("30 samples after 100 sweeps of parallel tempering"),
        "{text}"
    );
}

#[test]
fn stable_samples_depend_on_shards_and_not_on_threads() {
    let workshop = Workshop::with_model();
    let drawn = |options: &str| workshop.json(&words(&format!("sample model.gm -n 9 --steps 40 {options}")));
    let shards = drawn("--shards 4 --threads 1");
    assert_eq!(shards, drawn("--shards 4 --threads 3"));
    assert_eq!((&shards["shards"], &shards["diagnostics"]["chains"]), (&4.into(), &9.into()));
    let one = drawn("--threads 2");
    assert!(one["shards"].is_null() && one == drawn("--shards 1") && one["values"] != shards["values"]);
    let refused = workshop.refuses(&words("sample model.gm -n 3 --shards 4"));
    let allowed = "1 to 3, so that each part has shards and each shard has chains";
    assert!(refused.contains(&format!("--shards: 4, allowed: {allowed}")), "{refused}");
}

#[test]
fn table_samples_by_tempering_and_at_a_temperature() {
    let workshop = Workshop::with_model();
    let tempered =
        workshop.json(&words("sample model.gm -n 20 --steps 100 --method tempering --temperatures 4 --out a.npy"));
    assert_eq!((&tempered["method"], &tempered["chains"]), (&"parallel tempering".into(), &20.into()));
    let share = tempered["diagnostics"]["lowest_swap_acceptance"].as_f64();
    assert!(share.is_some_and(|share| share > 0.0 && share <= 1.0), "{tempered}");
    assert_eq!(workshop.array("a.npy").0, [20, 64]);
    let text = workshop.says(&words("sample model.gm -n 20 --steps 100 --method tempering --out b.npy"));
    assert!(text.contains("% of swaps between temperatures made"), "{text}");
    // At inverse temperature 0 the samples are noise, and about half of the pixels are on.
    workshop.json(&words("sample model.gm -n 200 --steps 20 --beta 0 --out noise.npy"));
    let (_, noise) = workshop.array("noise.npy");
    let on = noise.iter().sum::<f64>() / noise.len() as f64;
    assert!((on - 0.5).abs() < 0.03, "{on}");
}

#[test]
fn table_clamped_chains_are_watched_one_by_one() {
    let workshop = Workshop::with_model();
    workshop.write("given.csv", format!("{}1\n", "0,".repeat(63)));
    for method in ["gibbs", "tempering"] {
        let line = format!(
            "sample model.gm -n 10 --steps 100 --clamp given.csv --mask bottom --method {method} --out {method}.npy"
        );
        let found = workshop.json(&words(&line));
        assert_eq!(found["diagnostics"]["compared"], false);
        assert!(found["diagnostics"]["ess"].as_f64().is_some_and(|ess| ess > 0.0), "{found}");
        let (_, values) = workshop.array(&format!("{method}.npy"));
        assert!(values.chunks(64).all(|row| row[..32].iter().all(|&x| x == 0.0)), "{method} keeps what is given");
    }
}

#[test]
fn rejects_options_that_do_not_go_together() {
    let workshop = Workshop::with_model();
    let refused = [
        ("train rbm --data digits --temperatures 3", "--temperatures 3 needs --algorithm pt"),
        ("sample model.gm --temperatures 3 --method gibbs", "--temperatures 3 needs --method tempering"),
        ("sample model.gm --method importance", "--method: importance, allowed: gibbs or tempering for an rbm"),
        ("sample model.gm --beta 1.5", "--beta: 1.5, allowed: 0 to 1"),
        ("sample model.gm --method tempering --temperatures 1", "`temperatures` is 1, allowed: 2 or more"),
    ];
    for (line, text) in refused {
        let found = workshop.refuses(&words(line));
        assert!(found.contains(text), "{line}: {found}");
    }
    let misused = workshop.misused(&words("train rbm --data digits --k 1,5"));
    assert!(misused.contains("`5` has no epoch; a change is written N@E"), "{misused}");
    assert!(
        workshop
            .misused(&words("eval model.gm --data digits --exact --reverse-runs 5"))
            .contains("cannot be used with")
    );
}
