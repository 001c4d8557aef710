//! Parts of an evaluation: merged, they say what one process says.

use gm_core::{AisSettings, ModelKind, Recognition, Schedule, unwatched};
use gm_eval::{
    EvalData, EvalPart, EvalReport, EvalSettings, Exact, Model, PosteriorAnnealing, Share, TemperingSettings, evaluate,
    evaluate_part, merge_parts,
};
use gm_sbn::{BoundSettings, Sbn};

use crate::common::{all, all_rows, small};

fn settings() -> EvalSettings {
    EvalSettings {
        exact: Exact::No,
        ais: AisSettings { runs: 50, schedule: Schedule::Adaptive(30) },
        raise_walks: 9,
        reverse_runs: 21,
        tempering: TemperingSettings { temperatures: 4, sweeps: 50 },
        bound: BoundSettings { samples: 10, repeats: 2 },
        gap_rows: 13,
        seed: 5,
        ..Default::default()
    }
}

/// Models of every kind. The SBN has a recognition net.
fn models() -> Vec<Model> {
    let with_recognition = |model| match model {
        Model::Sbn(sbn) => {
            let net = Recognition::zeros(&sbn.layers()).expect("layers of a model");
            Model::Sbn(Sbn::new(sbn.stack().clone(), Some(net)).expect("a net of these layers"))
        }
        other => other,
    };
    all().into_iter().map(|small| with_recognition(small.model)).collect()
}

fn data() -> EvalData {
    EvalData::from_rows("all states", all_rows()).with_train_rows(all_rows())
}

fn parts(model: &Model, settings: &EvalSettings, of: usize) -> Vec<EvalPart> {
    (1..=of)
        .map(|part| evaluate_part(model, &data(), settings, Share { part, of }, &mut unwatched).expect("a part"))
        .collect()
}

fn merged(model: &Model, settings: &EvalSettings, parts: &[EvalPart]) -> EvalReport {
    merge_parts(model, &data(), settings, parts, &mut unwatched).expect("parts of one evaluation")
}

/// A report without what depends on the machine.
fn timeless(mut report: EvalReport) -> EvalReport {
    (report.seconds, report.threads) = (0.0, 0);
    report
}

#[test]
fn stable_merged_parts_equal_one_process() {
    let posterior = PosteriorAnnealing { runs: 3, temperatures: 5, rows: 7 };
    for model in models() {
        for settings in [settings(), EvalSettings { posterior, ..settings() }] {
            for (shards, of) in [(1, 3), (5, 2), (20, 20)] {
                let settings = EvalSettings { shards, ..settings.clone() };
                let whole = EvalSettings { shards: shards.max(of), ..settings.clone() };
                let whole = evaluate(&model, &data(), &whole, &mut unwatched).unwrap();
                // Through JSON, in any order.
                let text = serde_json::to_string(&parts(&model, &settings, of)).unwrap();
                let mut parts: Vec<EvalPart> = serde_json::from_str(&text).unwrap();
                parts.reverse();
                let merged = merged(&model, &settings, &parts);
                assert_eq!(timeless(merged), timeless(whole), "{}, {shards} shards, {of} parts", model.kind());
            }
        }
    }
}

#[test]
fn law_runs_and_rows_are_divided_among_the_parts() {
    let Model::Dbm(dbm) = small(ModelKind::Dbm).model else { unreachable!() };
    let parts = parts(&Model::Dbm(dbm), &settings(), 4);
    let count = |task: &str| parts.iter().map(|part| part.numbers(task).len()).collect::<Vec<_>>();
    assert_eq!(count("ais"), [12, 13, 12, 13]);
    // Three shares of accepted swaps follow the runs.
    assert_eq!(count("reverse_ais"), [5 + 3, 5 + 3, 5 + 3, 6 + 3]);
    assert_eq!(count("raise"), [2, 2, 2, 3]);
    assert_eq!(count("importance"), [3 * 4; 4]);
    assert_eq!(count("gap"), [3, 3, 3, 4]);
    assert_eq!(parts.iter().map(EvalPart::shards).collect::<Vec<_>>(), [[0], [1], [2], [3]]);
}

#[test]
fn stat_mean_several_shards_bracket_the_truth() {
    for kind in [ModelKind::Rbm, ModelKind::Dbm, ModelKind::Dbn] {
        let small = small(kind);
        let exact = gm_core::mean(small.joint.log_prob_all_visible());
        let ais = AisSettings { runs: 400, schedule: Schedule::Linear(100) };
        let bound = BoundSettings { samples: 400, repeats: 1 };
        let settings = EvalSettings { ais, bound, shards: 8, reverse_runs: 100, ..settings() };
        let found = evaluate(&small.model, &data(), &settings, &mut unwatched).unwrap();
        let (p, z) = (found.mean_log_prob, found.log_partition.unwrap());
        assert!(p.low <= exact && exact <= p.high, "{kind}: {p:?} around {exact}");
        // Runs of different shards are independent: with one family of numbers for all shards the weights would repeat, and
        // the error would be that of 50 runs.
        assert!(
            z.std_error > 0.0 && (p.value - exact).abs() < 5.0 * z.std_error + 0.05,
            "{kind}: {p:?}, {z:?}, {exact}"
        );
    }
}

#[test]
fn law_shards_have_other_numbers_and_one_shard_has_those_of_the_whole() {
    let model = small(ModelKind::Rbm).model;
    let log_weights = |of| parts(&model, &EvalSettings { shards: of, ..settings() }, of);
    let two = log_weights(2);
    assert_ne!(two[0].numbers("ais"), two[1].numbers("ais"));
    let whole = evaluate(&model, &data(), &settings(), &mut unwatched).unwrap();
    let alone = merged(&model, &settings(), &log_weights(1));
    assert_eq!((alone.shards, timeless(alone)), (None, timeless(whole)));
}

#[test]
fn rejects_parts_that_do_not_belong_together() {
    let (model, settings) = (small(ModelKind::Rbm).model, settings());
    let sound = parts(&model, &settings, 3);
    let refused =
        |parts: &[EvalPart]| merge_parts(&model, &data(), &settings, parts, &mut unwatched).unwrap_err().to_string();
    let every = "allowed: every part of one evaluation";
    assert_eq!(refused(&sound[..1]), format!("merge_parts: `parts` is without part 2/3, 3/3, {every}"));
    let twice = [&sound[..], &sound[1..2]].concat();
    assert_eq!(refused(&twice), format!("merge_parts: `parts` is several times part 2/3, {every}"));

    let with = |part: EvalPart| [sound[0].clone(), part.named("b.json"), sound[2].clone()];
    let second = |model: &Model, data: &EvalData, settings: &EvalSettings, of| {
        evaluate_part(model, data, settings, Share { part: 2, of }, &mut unwatched).unwrap()
    };
    let other = EvalSettings { seed: 6, ..settings.clone() };
    assert_eq!(
        refused(&with(second(&model, &data(), &other, 3))),
        "merge_parts: `parts` is b.json with the setting seed = 6, allowed: seed = 5"
    );
    let other = EvalSettings { ais: AisSettings { runs: 50, schedule: Schedule::Linear(30) }, ..settings.clone() };
    assert!(
        refused(&with(second(&model, &data(), &other, 3)))
            .contains("ais_schedule = linear, allowed: ais_schedule = adaptive")
    );
    assert!(refused(&with(second(&model, &data(), &settings, 4))).contains("b.json with the setting shards = 4"));
    let three = EvalSettings { shards: 3, ..settings.clone() };
    assert!(refused(&with(second(&model, &data(), &three, 2))).contains("b.json with a number of parts 2, allowed: 3"));
    let others = EvalData { source: "all states".into(), ..EvalData::from_rows("rows", all_rows()) };
    let error = refused(&with(second(&model, &others, &settings, 3)));
    assert!(error.contains("b.json with data all states, rows split, 16 rows"), "{error}");
    let error = refused(&with(second(&small(ModelKind::Dbm).model, &data(), &settings, 3)));
    assert!(error.contains("b.json with a model dbm [4, 3, 2]"), "{error}");
}

#[test]
fn rejects_shares_of_what_is_not_divided() {
    let model = small(ModelKind::Rbm).model;
    let refused = |settings: &EvalSettings, of| {
        evaluate_part(&model, &data(), settings, Share { part: 1, of }, &mut unwatched).unwrap_err().to_string()
    };
    let exact = EvalSettings { exact: Exact::Yes, ..settings() };
    assert_eq!(
        refused(&exact, 2),
        "evaluate_part: `share` is 1/2 of a likelihood that is exact, allowed: a likelihood with runs or draws to divide"
    );
    let few = EvalSettings { shards: 2, ..settings() };
    assert_eq!(refused(&few, 3), "evaluate_part: `shards` is 2, allowed: 3 or more, one for each part");
    assert_eq!(refused(&settings(), 5_000), "evaluate_part: `shards` is 5000, allowed: 1 to 4096");
    let none = EvalSettings { shards: 0, ..settings() };
    let error = evaluate(&model, &data(), &none, &mut unwatched).unwrap_err().to_string();
    assert_eq!(error, "evaluate: `shards` is 0, allowed: 1 to 4096");
}
