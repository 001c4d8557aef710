//! Sweep files: candidates, and the texts of errors.

use gm_sweep::Sweep;
use toml::Value;

fn parse(head: &str, settings: &str, shared: &str) -> gm_sweep::Result<Sweep> {
    Sweep::parse(&format!(
        "[sweep]\n{head}\n[settings]\n{settings}\n[data]\nspec = 'digits'\n[model]\nkind = 'rbm'\n{shared}"
    ))
}

fn values(sweep: &Sweep) -> Vec<Vec<String>> {
    let text = |(_, value): &(String, Value)| value.to_string();
    sweep.candidates().expect("sound settings").iter().map(|found| found.settings.iter().map(text).collect()).collect()
}

#[test]
fn table_a_grid_has_all_combinations_the_last_key_fastest() {
    let settings =
        "'model.learning_rate' = [0.1, 0.2]\n'model.hidden' = { from = 10, to = 1000, scale = 'log', points = 3 }";
    let sweep = parse("method = 'grid'", settings, "").unwrap();
    let expected = [["10", "0.1"], ["10", "0.2"], ["100", "0.1"], ["100", "0.2"], ["1000", "0.1"], ["1000", "0.2"]];
    assert_eq!(values(&sweep), expected);
    let candidates = sweep.candidates().unwrap();
    assert_eq!((candidates[2].index, candidates[2].name.as_str()), (2, "3-hidden-100-learning_rate-0.1"));
    assert_eq!(candidates[5].config.model.settings().hidden(), [1000]);
}

#[test]
fn table_lists_of_layers_are_values_too() {
    let text = "[sweep]\nmethod = 'grid'\n[settings]\n'model.hidden' = [[8], [8, 4]]\n[data]\nspec = 'digits'\n[model]\nkind = 'sbn'";
    let candidates = Sweep::parse(text).unwrap().candidates().unwrap();
    assert_eq!(candidates[1].config.model.settings().hidden(), [8, 4]);
    assert_eq!(candidates[1].name, "2-hidden-8-4");
}

#[test]
fn law_a_latin_hypercube_has_a_value_in_every_share_of_a_range() {
    let settings = "'model.learning_rate' = { from = 0.001, to = 1.0, scale = 'log' }\n'model.hidden' = [1, 2, 3]";
    let sweep = parse("method = 'latin-hypercube'\nruns = 12\nseed = 3", settings, "").unwrap();
    let found = values(&sweep);
    let column = |at: usize| found.iter().map(move |row| row[at].parse::<f64>().unwrap());
    let mut shares: Vec<usize> = column(1).map(|rate| ((rate.log10() + 3.0) / 3.0 * 12.0) as usize).collect();
    shares.sort_unstable();
    assert_eq!(shares, (0..12).collect::<Vec<_>>());
    for value in 1..=3 {
        assert_eq!(column(0).filter(|&hidden| hidden == f64::from(value)).count(), 4, "{value}");
    }
}

#[test]
fn stable_seeds_decide_the_candidates() {
    let settings = "'model.learning_rate' = { from = 0.001, to = 1.0 }\nseed = { from = 1, to = 1000 }";
    let of = |head: &str| values(&parse(head, settings, "").unwrap());
    assert_eq!(of("method = 'random'\nruns = 4"), of("method = 'random'\nruns = 4"));
    assert_ne!(of("method = 'random'\nruns = 4"), of("method = 'random'\nruns = 4\nseed = 1"));
    assert_eq!(of("method = 'random'\nruns = 4"), of("method = 'random'\nruns = 9")[..4]);
    assert_ne!(of("method = 'latin-hypercube'\nruns = 4"), of("method = 'random'\nruns = 4"));
}

#[test]
fn rejects_sweep_files_that_cannot_be_understood() {
    let refused = |text: &str| Sweep::parse(text).unwrap_err().to_string();
    assert!(refused("[sweep").starts_with("sweep file: TOML parse error at line 1"));
    assert_eq!(refused("[settings]"), "sweep file: has no table [sweep]");
    assert_eq!(refused("[sweep]\nmethod = 'grid'"), "sweep file: has no table [settings]");
    assert_eq!(refused("sweep = 3\n[settings]"), "sweep file: `sweep` is not a table, allowed: [sweep]");
    assert_eq!(refused("[sweep]\n[settings]"), "sweep file: [sweep]: missing field `method`");
    let head = |head: &str| parse(head, "'model.hidden' = [1]", "").unwrap_err().to_string();
    assert!(
        head("method = 'gird'").starts_with("sweep file: [sweep]: unknown method `gird`"),
        "{}",
        head("method = 'gird'")
    );
    assert!(head("method = 'grid'\nruns = 3").starts_with("`sweep.runs` is 3, allowed: none with method grid"));
    assert_eq!(head("method = 'random'"), "`sweep.runs` is missing, allowed: 1 or more with method random");
    assert_eq!(head("method = 'random'\nruns = 0"), "`sweep.runs` is 0, allowed: 1 to 10000");
    let text = head("method = 'grid'\nrun = 3");
    assert!(text.starts_with("sweep file: [sweep]: unknown field `run`, expected one of `method`, `runs`"), "{text}");
    let text = head("method = 'grid'\nhalving = { first = 3 }");
    assert!(text.contains("unknown field `first`, expected `first_epochs` or `factor`"), "{text}");
    let empty = parse("method = 'grid'", "", "").unwrap_err().to_string();
    assert_eq!(empty, "`settings` is empty, allowed: one setting or more");
}

fn refused(head: &str, settings: &str, shared: &str) -> String {
    parse(head, settings, shared).and_then(|sweep| sweep.candidates()).expect_err("a refusal").to_string()
}

#[test]
fn rejects_settings_that_make_no_run() {
    let grid = |settings: &str| refused("method = 'grid'", settings, "");
    let text = grid("'model.lerning_rate' = [0.1]");
    assert!(text.starts_with("`model.lerning_rate` = 0.1: unknown field `lerning_rate`, expected one of"), "{text}");
    assert!(text.contains("`learning_rate`"));
    let text = grid("'model.hidden' = [10]\n'model.learning_rate' = ['fast']");
    assert!(
        text.starts_with("`model.learning_rate` = \"fast\": invalid type: string \"fast\", expected f64"),
        "{text}"
    );
    let text = grid("'model.hidden' = [10, 2.5]");
    assert!(text.starts_with("`model.hidden` = 2.5: invalid type: floating point `2.5`, expected usize"), "{text}");
    assert_eq!(
        grid("'model.hidden' = [10, 0]"),
        "candidate 2-hidden-0: RbmSettings: `hidden` is 0, allowed: 1 or more"
    );
    assert!(grid("'modle.hidden' = [10]").starts_with("`modle.hidden` = 10: unknown field `modle`"));
    let given = "`model.kind` is given twice, allowed: one place, in [settings] or outside of it";
    assert_eq!(grid("'model.kind' = ['rbm']"), given);
    let inside = grid("'model.regularise' = [1]\n'model.regularise.l2' = [0.1]");
    assert!(inside.contains("given twice"), "{inside}");
    let text = refused("method = 'grid'", "'model.hidden' = [10]", "hiden = 3");
    assert!(text.starts_with("candidate 1-hidden-10: unknown field `hiden`"), "{text}");
}

#[test]
fn rejects_grids_that_are_too_large() {
    let range = "{ from = 0.0, to = 1.0, points = 101 }";
    let text = refused("method = 'grid'", &format!("'model.init_scale' = {range}\n'model.warm_up' = {range}"), "");
    assert_eq!(text, "`settings` is a grid of 101 x 101 candidates, allowed: at most 10000");
    let ranges: String = (0..40).map(|i| format!("'a{i}' = {range}\n")).collect();
    assert!(refused("method = 'grid'", &ranges, "").contains("allowed: at most 10000"), "the product has no overflow");
}

#[test]
fn rejects_halving_that_cannot_judge() {
    let head = "method = 'grid'\nhalving = { first_epochs = 9 }";
    let text = refused(head, "'model.epochs' = [5, 9]", "");
    assert_eq!(text, "`sweep.halving.first_epochs` is 9, allowed: fewer than the 9 epochs of a run");
    let text = refused(head, "'monitor.every' = [3, 2]", "");
    assert_eq!(text, "`sweep.halving.first_epochs` is 9, allowed: a multiple of `monitor.every`, which is 2");
    for key in ["data.binarise", "model.visible", "model.labels"] {
        let text = refused(head, &format!("'{key}' = ['x']"), "");
        assert!(
            text.starts_with(&format!("`{key}` is in [settings], allowed: one value with [sweep.halving]")),
            "{text}"
        );
    }
}
