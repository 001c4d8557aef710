//! Searches in folders: the same bits as single runs, interruptions, parts, halving, runs that explode.

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use gm_sweep::{RunRecord, RunState, Search, SearchEvent, SearchOutcome, Share, Sweep};
use gm_train::{Event, Run, Unobserved};

/// A sweep over some settings of a small model.
fn sweep(head: &str, settings: &str) -> Sweep {
    let shared = "[data]\nspec = 'bars-and-stripes:3'\n[model]\nkind = 'rbm'\nbatch_size = 8\nchains = 20\nepochs = 12";
    let hidden = if settings.contains("model.hidden") { "" } else { "hidden = 4" };
    Sweep::parse(&format!("[sweep]\n{head}\n[settings]\n{settings}\n{shared}\n{hidden}")).expect("a sound file")
}

fn rates(head: &str) -> Sweep {
    sweep(head, "'model.learning_rate' = [0.001, 0.5, 0.01, 0.1, 0.002]")
}

fn open(folder: &Path, sweep: &Sweep, part: &str) -> Search {
    Search::open(folder, sweep, sweep.candidates().expect("sound settings"), part.parse().expect("a part"))
        .expect("a folder")
}

fn go_on(_: &SearchEvent<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn model(folder: &Path, run: &str) -> Vec<u8> {
    fs::read(folder.join(run).join("model.gm")).expect("a model")
}

/// The states of all runs of a folder, ordered by their names.
fn states(folder: &Path) -> Vec<(String, RunState, u64)> {
    let runs = RunRecord::all(&[folder.into()]).expect("sound runs");
    runs.iter().map(|run| (run.name.clone(), run.state, run.epochs())).collect()
}

#[test]
fn stable_a_run_of_a_sweep_has_the_bits_of_its_configuration() {
    let (folder, sweep) = (tempfile::tempdir().unwrap(), rates("method = 'grid'"));
    let search = open(folder.path(), &sweep, "1/1");
    assert_eq!(search.run(&mut go_on).unwrap(), SearchOutcome::Finished);
    let candidate = &search.candidates()[1];
    let alone = tempfile::tempdir().unwrap();
    Run::create(alone.path(), &candidate.config).unwrap().train(&mut Unobserved).unwrap();
    assert_eq!(model(folder.path(), &candidate.name), fs::read(alone.path().join("model.gm")).unwrap());
    assert!(states(folder.path()).iter().all(|(_, state, epochs)| (*state, *epochs) == (RunState::Finished, 12)));
}

#[test]
fn stable_an_interrupted_search_ends_as_an_uninterrupted_one() {
    let head = "method = 'grid'\nhalving = { first_epochs = 2, factor = 2 }";
    let (whole, parted, sweep) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), rates(head));
    open(whole.path(), &sweep, "1/1").run(&mut go_on).unwrap();
    // Each start makes five updates.
    let mut starts = 0;
    loop {
        let mut updates = 0;
        let mut stop = |event: &SearchEvent<'_>| {
            updates += usize::from(matches!(event, SearchEvent::Training { event: Event::Step { .. }, .. }));
            if updates < 5 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        starts += 1;
        match open(parted.path(), &sweep, "1/1").run(&mut stop).unwrap() {
            SearchOutcome::Finished => break,
            SearchOutcome::Interrupted => assert!(starts < 100),
        }
    }
    assert!(starts > 5, "{starts}");
    assert_eq!(states(whole.path()), states(parted.path()));
    let mut finished = 0;
    for (run, state, _) in states(whole.path()) {
        let metrics = |folder: &Path| {
            let text = fs::read_to_string(folder.join(&run).join("metrics.jsonl")).unwrap();
            let mut lines: Vec<serde_json::Value> =
                text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            lines.iter_mut().for_each(|line| drop(line.as_object_mut().unwrap().remove("seconds")));
            lines
        };
        assert_eq!(metrics(whole.path()), metrics(parted.path()), "{run}");
        if state == RunState::Finished {
            finished += 1;
            assert_eq!(model(whole.path(), &run), model(parted.path(), &run), "{run}");
        }
    }
    assert!(finished > 0);
}

#[test]
fn table_halving_leaves_the_worst_behind() {
    let head = "method = 'grid'\nfigure = 'log-likelihood'\nhalving = { first_epochs = 2, factor = 2 }";
    let (folder, sweep) = (tempfile::tempdir().unwrap(), rates(head));
    let search = open(folder.path(), &sweep, "1/1");
    let mut judged = vec![];
    let mut observer = |event: &SearchEvent<'_>| {
        if let SearchEvent::Judged { epoch, kept, of } = event {
            judged.push((*epoch, *kept, *of));
        }
        ControlFlow::Continue(())
    };
    search.run(&mut observer).unwrap();
    assert_eq!(judged, [(2, 3, 5), (4, 2, 3), (8, 1, 2)]);
    let runs = search.records().unwrap();
    let best = |run: &RunRecord, epochs| gm_sweep::Figure::LogLikelihood.best(&run.history, epochs).unwrap().value;
    for epochs in [2, 4, 8] {
        let (stopped, further): (Vec<_>, Vec<_>) =
            runs.iter().filter(|run| run.epochs() >= epochs).partition(|run| run.epochs() == epochs);
        assert!(stopped.iter().all(|run| run.state == RunState::Stopped));
        for (worse, better) in stopped.iter().flat_map(|worse| further.iter().map(move |better| (worse, better))) {
            assert!(best(worse, epochs) <= best(better, epochs), "{} and {}", worse.name, better.name);
        }
    }
    let winner = runs.iter().find(|run| run.state == RunState::Finished).unwrap();
    assert_eq!(runs.iter().filter(|run| run.state == RunState::Finished).count(), 1);
    // The winner was on the schedule of its whole run, and a run that was left behind can be trained to its end.
    let alone = tempfile::tempdir().unwrap();
    Run::create(alone.path(), winner.config.as_ref().unwrap()).unwrap().train(&mut Unobserved).unwrap();
    assert_eq!(model(folder.path(), &winner.name), fs::read(alone.path().join("model.gm")).unwrap());
    let left = runs.iter().find(|run| run.state == RunState::Stopped && run.epochs() == 2).unwrap();
    let reason = left.reason.clone().unwrap();
    assert!(reason.starts_with("rank ") && reason.contains(" of 5 after 2 epochs, log-likelihood -"), "{reason}");
    assert!(reason.ends_with("; 3 went on"), "{reason}");
    Run::resume(&left.folder).unwrap().train(&mut Unobserved).unwrap();
    assert_eq!(RunRecord::read(&left.folder).unwrap().unwrap().state, RunState::Finished);
    // Another start judges as before, whatever has been trained since.
    let before = states(folder.path());
    open(folder.path(), &sweep, "1/1").run(&mut go_on).unwrap();
    assert_eq!(states(folder.path()), before);
}

#[test]
fn stable_parts_together_are_the_whole() {
    let (whole, shared, sweep) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), rates("method = 'grid'"));
    open(whole.path(), &sweep, "1/1").run(&mut go_on).unwrap();
    let mut seen = BTreeSet::new();
    for part in ["2/2", "1/2"] {
        let search = open(shared.path(), &sweep, part);
        let own: BTreeSet<String> = search.candidates().iter().map(|candidate| candidate.name.clone()).collect();
        assert!(seen.is_disjoint(&own));
        seen.extend(own);
        search.run(&mut go_on).unwrap();
        assert_eq!(states(shared.path()).len(), seen.len(), "a part trains its own runs alone");
    }
    assert_eq!(states(whole.path()), states(shared.path()));
    seen.iter().for_each(|run| assert_eq!(model(whole.path(), run), model(shared.path(), run), "{run}"));
}

#[test]
fn table_what_explodes_or_cannot_begin_does_not_end_the_search() {
    let folder = tempfile::tempdir().unwrap();
    let head = "method = 'grid'\nhalving = { first_epochs = 1, factor = 2 }";
    let sweep = sweep(
        head,
        "'model.learning_rate' = [1e30, 0.1]\n'model.algorithm' = ['exact', 'pcd']\n'model.hidden' = [3, 21]",
    );
    // The exact gradient enumerates up to 20 units, and bars and stripes have 9.
    let search = open(folder.path(), &sweep, "1/1");
    search.run(&mut go_on).unwrap();
    let runs = search.records().unwrap();
    let failed: Vec<&RunRecord> = runs.iter().filter(|run| run.state == RunState::Failed).collect();
    assert_eq!(failed.len(), 4, "{:?}", states(folder.path()));
    assert!(failed.iter().all(|run| run.name.contains("learning_rate-1e30") || run.name.contains("1000000000000")));
    assert!(failed[0].reason.as_ref().unwrap().starts_with("training diverged at update"), "{:?}", failed[0].reason);
    let models = |runs: &[RunRecord]| runs.iter().filter(|run| run.state == RunState::Finished).count();
    assert!(models(&runs) > 0);
    // A failed run is not tried again.
    let mut begun = 0;
    let mut count = |event: &SearchEvent<'_>| {
        begun += usize::from(matches!(event, SearchEvent::Begins { .. }));
        ControlFlow::Continue(())
    };
    open(folder.path(), &sweep, "1/1").run(&mut count).unwrap();
    assert_eq!(begun, 0);
}

#[test]
fn table_settings_that_a_learner_refuses_are_recorded_as_failed() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[sweep]\nmethod = 'grid'\n[settings]\n'monitor.stop_on' = ['importance-weighted', 'never']
                [data]\nspec = 'bars-and-stripes:2'\n[model]\nkind = 'rbm'\nhidden = 2\nepochs = 1\nbatch_size = 4\nchains = 5";
    let sweep = Sweep::parse(text).unwrap();
    open(folder.path(), &sweep, "1/1").run(&mut go_on).unwrap();
    let runs = RunRecord::all(&[folder.path().into()]).unwrap();
    assert_eq!((runs[0].state, runs[1].state), (RunState::Failed, RunState::Finished));
    assert!(runs[0].config.is_none() && runs[0].reason.as_ref().unwrap().contains("`stop_on` is importance-weighted"));
    assert_eq!(runs[0].settings["monitor.stop_on"].as_str(), Some("importance-weighted"));
    let comparison = gm_sweep::Comparison::of(runs, None).unwrap();
    assert_eq!((comparison.groups.len(), &comparison.settings[..]), (1, &["monitor.stop_on".into()][..]));
}

#[test]
fn rejects_folders_of_other_sweeps_and_of_runs() {
    let folder = tempfile::tempdir().unwrap();
    let first = rates("method = 'grid'");
    open(folder.path(), &first, "1/1");
    let again = |sweep: &Sweep| Search::open(folder.path(), sweep, vec![], Share::WHOLE).unwrap_err().to_string();
    let text = again(&rates("method = 'grid'\nseed = 1"));
    assert!(
        text.ends_with(
            "holds the runs of another sweep, in which `sweep.seed` is 0, here it is 1; choose another folder"
        ),
        "{text}"
    );
    let text = again(&sweep("method = 'grid'", "'model.learning_rate' = [0.001]"));
    assert!(text.contains("in which `settings.model.learning_rate` is [0.001, 0.5"), "{text}");
    let with_threads = Sweep::parse(&format!("threads = 2\n{}", first.to_toml())).unwrap();
    assert!(Search::open(folder.path(), &with_threads, vec![], Share::WHOLE).is_ok(), "threads change no bit");
    let run = tempfile::tempdir().unwrap();
    Run::create(run.path(), &first.candidates().unwrap()[0].config).unwrap();
    let error = Search::open(run.path(), &first, vec![], Share::WHOLE).unwrap_err().to_string();
    assert!(error.ends_with("is the folder of a run, allowed: a folder for the runs of a sweep"), "{error}");
}

#[test]
fn rejects_a_figure_that_the_runs_do_not_have() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = rates("method = 'grid'\nfigure = 'elbo'");
    let error = open(folder.path(), &sweep, "1/1").run(&mut go_on).unwrap_err().to_string();
    assert!(error.contains("1-learning_rate-0.001: the run has no figure elbo, allowed: log-likelihood"), "{error}");
}
