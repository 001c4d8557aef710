//! What an open page costs: the time until a stroke is answered, and the time that it takes from a training run beside it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::json;

use crate::Result;
use crate::page::{Server, Tab};
use crate::process::median;

/// Rounds of each measurement, of which the middle one is told.
const ROUNDS: usize = 5;
/// Draws a short stroke on the board of the view, and promises the milliseconds until figures and pictures have changed.
const STROKE: &str = "(async () => {
    const state = () => document.querySelector('.figure').textContent
        + [...document.querySelectorAll('.bench canvas:not(.board)')].map((c) => c.toDataURL()).join();
    const board = document.querySelector('.board');
    [...document.querySelectorAll('button')].find((button) => button.textContent === 'Clear the board').click();
    await new Promise((go) => setTimeout(go, 500));
    const [box, before] = [board.getBoundingClientRect(), state()];
    const at = 0.2 + 0.6 * Math.random();
    const event = (kind, share) => board.dispatchEvent(new PointerEvent(kind, { bubbles: true, pointerId: 1, buttons: 1,
        clientX: box.left + box.width * share, clientY: box.top + box.height * at }));
    board.setPointerCapture = () => {};
    const begun = performance.now();
    for (const [kind, share] of [['pointerdown', 0.1], ['pointermove', 0.5], ['pointermove', 0.9]]) event(kind, share);
    while (state() === before && performance.now() - begun < 10000) await new Promise(requestAnimationFrame);
    return performance.now() - begun;
})()";
/// When the view of a model is whole.
const WHOLE: &str = "document.querySelectorAll('.figure b').length > 0 && document.querySelector('.board') !== null";
/// The run beside the page: long enough to be seen, and it writes a record each epoch.
const TRAIN: [&str; 11] =
    ["train", "rbm", "--data", "digits", "--hidden", "500", "--epochs", "400", "--no-report", "--seed", "1"];

/// Prints both figures for a folder of runs.
pub(crate) fn measure(program: &str, folder: &Path) -> Result<()> {
    let folder = folder.canonicalize()?;
    let server = Server::start(program, &folder)?;
    let mut tab = Tab::open(&folder)?;
    tab.screen(1280, false)?;
    strokes(&server, &mut tab)?;
    for threads in ["1", "2"] {
        beside(program, (&folder, threads), &server, &mut tab)?;
    }
    Ok(())
}

/// The time until a stroke is answered, of each model.
fn strokes(server: &Server, tab: &mut Tab) -> Result<()> {
    tab.call("Page.navigate", json!({"url": format!("{}#model", server.address)}))?;
    tab.until(WHOLE)?;
    let models = tab.ask(
        "[...document.querySelector('main select').options].map((option) => [option.value, option.textContent])",
    )?;
    for model in models.as_array().into_iter().flatten() {
        let (value, name) = (model[0].as_str().unwrap_or_default(), model[1].as_str().unwrap_or_default());
        tab.ask(&format!("location.hash = '#model/{value}'"))?;
        tab.until(&format!("{WHOLE} && document.querySelector('main select').value === '{value}'"))?;
        // Units that form no picture are set in a list.
        if tab.ask("document.querySelector('.board').hidden")? == true {
            continue;
        }
        // The first stroke reads the model.
        tab.wait_for(STROKE)?;
        let mut times = vec![];
        for _ in 0..ROUNDS {
            times.push(tab.wait_for(STROKE)?.as_f64().unwrap_or(f64::INFINITY));
        }
        println!("stroke on {name}: {:.0} ms, at most {:.0} ms", median(&mut times), times[ROUNDS - 1]);
    }
    Ok(())
}

/// The time of a training run with the page of runs open, and without.
fn beside(program: &str, (folder, threads): (&Path, &str), server: &Server, tab: &mut Tab) -> Result<()> {
    let (mut alone, mut shown, mut models) = (vec![], vec![], vec![]);
    let (out, mut served) = (folder.join("cost"), 0.0);
    for round in 0..2 * ROUNDS {
        let open = round % 2 == 1;
        let url = if open { format!("{}#runs", server.address) } else { "about:blank".into() };
        tab.call("Page.navigate", json!({"url": url}))?;
        if open {
            tab.until("document.querySelectorAll('.curve').length > 0")?;
        }
        let _ = fs::remove_dir_all(&out);
        let before = server.processor_seconds();
        let begun = Instant::now();
        let mut command = Command::new(program);
        command.args(TRAIN).args(["-q", "--threads", threads, "--out"]).arg(&out).stdout(Stdio::null());
        if !command.status()?.success() {
            return Err("the run beside the page failed".into());
        }
        if open { &mut shown } else { &mut alone }.push(begun.elapsed().as_secs_f64());
        if open {
            served += server.processor_seconds() - before;
        }
        models.push(fs::read(out.join("model.gm"))?);
    }
    if models.iter().any(|model| *model != models[0]) {
        return Err("the page changed the model of a training run beside it".into());
    }
    let share = 100.0 * served / shown.iter().sum::<f64>();
    let (alone, shown) = (median(&mut alone), median(&mut shown));
    println!(
        "training on {threads} threads: {alone:.2} s alone, {shown:.2} s with the page open, {:+.1} %; the server \
         took {share:.1} % of a core",
        100.0 * (shown / alone - 1.0)
    );
    Ok(())
}
