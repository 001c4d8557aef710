//! The page around the sections.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gm_core::{Purpose, Streams};
use gm_eval::{Model, sites};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::folder::Folder;
use super::headline::headline;
use super::{chains, curves, interval, moments, rows, weights};
use crate::error::Result;
use crate::picture::{colour_rules, shape_of};
use crate::training::{dashed, data_options, quoted};
use crate::verdict::{doubts, kept};

/// A part of the page: its anchor, its title and its content.
pub(super) type Section = (String, String, Markup);

/// The whole page.
///
/// # Errors
///
/// [`crate::error::Error::Picture`], and the errors of the model.
pub(super) fn render(folder: &Folder, streams: &Streams) -> Result<String> {
    let doubts = doubts(&folder.config, &folder.data, &folder.history);
    let notes: Vec<&String> = folder.notes.iter().chain(&doubts).collect();
    let footer = "The same run gives the same page.";
    let first = headline(folder);
    Ok(frame((&title(folder), &lead(folder), &first), &notes, &sections(folder, streams)?, footer))
}

/// The script of every page, which shows the values of charts.
const SCRIPT: &str = include_str!("report.js");

/// What a browser lets a page do: show its own pictures and styles, and run this script alone.
fn policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(SCRIPT));
    format!("default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{hash}'")
}

/// A whole page: its title, a line about it and what comes first, what a reader should know, and its sections.
pub(super) fn frame(
    (title, lead, first): (&str, &str, &Markup),
    notes: &[&String],
    sections: &[Section],
    footer: &str,
) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="generator" content=(concat!("dgm ", env!("CARGO_PKG_VERSION")));
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) (PreEscaped(colour_rules())) }
            }
            body {
                header {
                    h1 { (title) }
                    p.lead { (lead) }
                    nav { @for (anchor, title, _) in sections { a href={ "#" (anchor) } { (title) } } }
                }
                main {
                    (first)
                    @for note in notes { p.note { (note) } }
                    @for (anchor, title, body) in sections { section id=(anchor) { h2 { (title) } (body) } }
                }
                footer { "Written by dgm " (env!("CARGO_PKG_VERSION")) ". " (footer) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

fn title(folder: &Folder) -> String {
    format!("{} {} on {}", name(&folder.model), dashed(&folder.model.layers()), folder.config.data.spec)
}

fn lead(folder: &Folder) -> String {
    let last = folder.history.last();
    let count = |field: &str| last.and_then(|line| line.get(field)?.as_f64());
    let mut parts = vec![format!("{} parameters", folder.data.stack.parameters())];
    if let (Some(epochs), Some(updates)) = (count("epoch"), count("step")) {
        parts.push(format!("{epochs} epochs, {updates} updates"));
    }
    let best = kept(folder.config.monitor.stop_on, &folder.history).and_then(|line| line.get("epoch")?.as_f64());
    if let Some(best) = best.filter(|&best| Some(best) != count("epoch")) {
        parts.push(format!("the model of epoch {best}, the best one"));
    }
    if let Some(seconds) = count("seconds") {
        parts.push(format!("{seconds:.1} s of training"));
    }
    parts.push(format!("seed {}", folder.config.seed));
    parts.push(folder.path.display().to_string());
    parts.join(" \u{b7} ")
}

fn sections(folder: &Folder, streams: &Streams) -> Result<Vec<Section>> {
    let model = &folder.model;
    let image = folder.held_out.as_ref().and_then(|held_out| held_out.0.split.image());
    let shape = shape_of(sites(model.visible_kind(), model.visible()), image);
    let sampled = chains::sampled(model, shape, streams)?;
    let mut sections: Vec<(&str, &str, Markup)> = vec![
        ("model", "The model", about(folder)),
        ("likelihood", "Likelihood", interval::section(folder)),
        ("curves", "Learning curves", curves::section(&folder.history)?),
        ("filters", "Filters", weights::filter_pictures(&folder.data, shape)?),
        ("samples", "Samples", sampled.samples),
    ];
    if let Some(held_out) = &folder.held_out {
        sections.push(("completions", "Reconstructions and completions", rows::completions(model, held_out, streams)?));
        if model.layers().len() > 1 {
            sections.push(("activities", "Hidden activities", rows::activities(model, held_out, streams)?));
        }
    }
    if let Some(named) = weights::named(&folder.data) {
        sections.push(("columns", "What hidden units stand for", named));
    }
    if let Some(train) = folder.held_out.as_ref().and_then(|held_out| held_out.1.as_ref()) {
        let moments = moments::section((model, &folder.data), train, &streams.fork(Purpose::Choose, 13))?;
        sections.push(("moments", "Means and correlations", moments));
    }
    sections.push(("weights", "Weights", weights::statistics(&folder.data)?));
    if let Some(diagnostics) = sampled.diagnostics {
        sections.push(("chains", "Chain diagnostics", diagnostics));
    }
    sections.push(("again", "Configuration and commands", commands(folder)));
    Ok(sections.into_iter().map(|(anchor, title, body)| (anchor.into(), title.into(), body)).collect())
}

fn name(model: &Model) -> &'static str {
    match model {
        Model::Rbm(_) => "Restricted Boltzmann machine",
        Model::Sbn(_) => "Sigmoid belief net",
        Model::Dbm(_) => "Deep Boltzmann machine",
        Model::Dbn(_) => "Deep belief network",
        Model::Harmonium(_) => "Harmonium: a restricted Boltzmann machine between any kinds of units",
    }
}

fn indexed(symbol: &str, index: &str) -> Markup {
    html! { (symbol) sub { (index) } }
}

/// The joint distribution, and its consequences for the user of the model.
fn joint(model: &Model) -> (Markup, &'static str) {
    let x = |l: &str| indexed("x", l);
    let b = |l: &str| indexed("b", l);
    let sum = || indexed("\u{2211}", "l");
    let product = |over: &str| {
        html! {
            (indexed("\u{220f}", over)) " Ber(" (x("l")) "; \u{3c3}(" (indexed("W", "l")) " " (x("l+1")) " + " (b("l")) "))"
        }
    };
    let within = |l: &str| html! { " + " (indexed("A", l)) "\u{2032}" (x(l)) };
    match model {
        Model::Rbm(_) => (
            html! { "p(v, h) = exp(a\u{2032}v + b\u{2032}h + v\u{2032}W h) / Z" },
            "Undirected, one hidden layer. Hidden units are independent given the data, so that inference is exact and block Gibbs \
             sampling draws a whole layer at once. The likelihood needs the partition function Z.",
        ),
        Model::Harmonium(_) => (
            html! { "p(v, h) = exp(v\u{2032}W h \u{2212} " (indexed("E", "v")) "(v) \u{2212} " (indexed("E", "h")) "(h)) / Z" },
            "Undirected, one hidden layer, with kinds of units that are chosen for each layer. Hidden units are independent given the \
             data, so that inference is exact and block Gibbs sampling draws a whole layer at once. The likelihood needs the \
             partition function Z.",
        ),
        Model::Sbn(sbn) if sbn.depth() == 0 => (
            html! { "p(v) = Ber(v; \u{3c3}(A\u{2032}v + b))" },
            "Fully visible: each unit depends on the units before it, since A has no other weights. The likelihood is exact, and samples \
             are drawn unit by unit.",
        ),
        Model::Sbn(sbn) if !sbn.stack().layers_within().is_empty() => (
            html! { "p(x) = Ber(" (x("L")) "; \u{3c3}(" (b("L")) (within("L")) ")) " (indexed("\u{220f}", "l<L"))
            " Ber(" (x("l")) "; \u{3c3}(" (indexed("W", "l")) " " (x("l+1")) (within("l")) " + " (b("l")) "))" },
            "Directed, from the top layer down; units also depend on the units before them in layers with weights A within them. Samples \
             are drawn in one pass; inference is hard, since causes explain each other away. The likelihood is bounded from below by draws \
             of the recognition net.",
        ),
        Model::Sbn(_) => (
            html! { "p(x) = Ber(" (x("L")) "; \u{3c3}(" (b("L")) ")) " (product("l<L")) },
            "Directed, from the top layer down. Samples are drawn in one pass; inference is hard, since causes explain each other away. \
             The likelihood is bounded from below by draws of the recognition net.",
        ),
        Model::Dbm(_) => (
            html! { "p(x) = exp(" (sum()) (b("l")) "\u{2032}" (x("l")) " + " (sum()) (x("l")) "\u{2032}" (indexed("W", "l")) (x("l+1")) ") / Z" },
            "Undirected, several hidden layers. Odd and even layers are drawn in turn; the posterior is approached by mean field. The \
             likelihood needs the partition function Z.",
        ),
        Model::Dbn(_) => (
            html! { "p(x) = RBM(" (x("L-1")) ", " (x("L")) ") " (product("l<L-1")) },
            "A restricted Boltzmann machine on top of a sigmoid belief net. Samples come from a chain at the top and \
             one pass down. An upward pass approaches the posterior.",
        ),
    }
}

/// The kinds of the visible units, and of the hidden ones where these may differ.
fn kinds(model: &Model) -> String {
    match model {
        Model::Harmonium(model) => format!("{}, with hidden units {}", model.visible().name(), model.hidden().name()),
        _ => model.visible_kind().to_string(),
    }
}

fn about(folder: &Folder) -> Markup {
    let (formula, words) = joint(&folder.model);
    let (config, layers) = (&folder.config, folder.model.layers());
    let binarise = config.data.binarise.map(|binarise| binarise.to_string()).unwrap_or_default();
    let settings = config.model.settings();
    let lines = [
        ("layers", format!("{} units, visible first", dashed(&layers))),
        ("visible units", kinds(&folder.model)),
        ("parameters", gm_eval::parameter_count(&folder.data).to_string()),
        ("data", format!("{}, binarise {binarise}", config.data.spec)),
        ("training", format!("{} epochs at most, {} rows an update", settings.epochs(), settings.batch_size())),
        ("seed", config.seed.to_string()),
    ];
    html! {
        p.formula { (formula) }
        p { (words) }
        div.wide tabindex="0" { table {
            @for (name, value) in &lines { tr { td { (name) } td { (value) } } }
            @for (name, value) in folder.data.metadata.iter().filter(|(name, _)| *name != "columns") { tr { td { (name) } td { (value) } } }
        } }
    }
}

/// The text of the configuration file, and commands to continue with.
fn commands(folder: &Folder) -> Markup {
    let run = folder.path.display().to_string();
    let (config, model) = (quoted(&format!("{run}/config.toml")), quoted(&format!("{run}/model.gm")));
    let data = data_options(&folder.config.data);
    let lines = [
        (
            "Train it again, to the same bits",
            format!("dgm train --config {config} --out {}", quoted(&format!("{run}-again"))),
        ),
        ("Measure the likelihood of the test rows, for this page", format!("dgm report {} {data}", quoted(&run))),
        ("Draw more samples", format!("dgm sample {model} -n 100 --out samples.png")),
        ("Fill in missing values", format!("dgm complete {model} {data} --mask right --out completed.png")),
        ("Write this page again", format!("dgm report {}", quoted(&run))),
    ];
    html! {
        @for (what, command) in &lines { h3 { (what) } pre tabindex="0" { (command) } }
        details { summary { "config.toml" } pre tabindex="0" { (folder.config_text) } }
    }
}
