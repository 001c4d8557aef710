//! The demonstration has its figures in the right order, writes pictures that can be opened, and leaves other files
//! alone.

use crate::common::{Workshop, number};

#[test]
fn table_the_demo_measures_draws_and_can_be_repeated() {
    let workshop = Workshop::new();
    std::fs::create_dir(workshop.path("shown")).unwrap();
    workshop.write("shown/notes.txt", "mine");
    workshop.write("shown/demo.png", "of an earlier demo");
    let document = workshop.json(&["demo", "--out", "shown"]);
    assert_eq!(document["schema"], "gm-demo/1");
    let [baseline, large, small] = ["/independent_pixels", "/rbm/mean_log_prob/value", "/small/mean_log_prob/value"]
        .map(|at| number(&document, at));
    assert!(baseline + 3.0 < small && small < large && large < 0.0, "{baseline} {small} {large}");
    assert_eq!(document["small"]["mean_log_prob"]["side"], "exact");
    let [bound, elbo] = ["/sbn/importance_weighted/value", "/sbn/elbo"].map(|at| number(&document, at));
    assert!(baseline + 3.0 < bound && elbo < bound && bound < 0.0, "{baseline} {elbo} {bound}");
    for model in ["dbm", "dbn"] {
        let [value, elbo] = ["mean_log_prob/value", "elbo"].map(|at| number(&document, &format!("/{model}/{at}")));
        assert!(baseline + 3.0 < value && elbo <= value && value < 0.0, "{model}: {baseline} {elbo} {value}");
    }
    // A layer on top of the large model does not lower the likelihood.
    assert!(number(&document, "/dbn/mean_log_prob/value") > large - 0.3, "{document:#}");
    assert_eq!(document["rbm"]["log_partition"]["method"], "ais");
    let annealed = &document["small_annealed"]["log_partition"];
    let error = number(annealed, "/value") - number(&document, "/small/log_partition/value");
    // Six standard errors: a false alarm in 5e8 seeds, and the seed is fixed.
    assert!(error.abs() < 6.0 * number(annealed, "/std_error"), "{error} {annealed}");
    for file in document["files"].as_array().unwrap() {
        let name = file.as_str().unwrap();
        if name.ends_with(".png") {
            assert!(workshop.picture(name).1 > 500, "{name}");
        }
    }
    assert_eq!(workshop.text("shown/notes.txt"), "mine");
    let next = workshop.json(&["eval", "shown/model.gm", "--data", "digits", "--ais-temperatures", "1000"]);
    assert!((number(&next, "/mean_log_prob/value") - large).abs() < 0.5, "{next:#}");
}
