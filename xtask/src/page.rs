//! Drives the page of `dgm serve` in a browser without a window: every view on wide and narrow, light and dark screens.
//!
//! The browser is spoken to by its debugging protocol over two pipes: messages of JSON, each with a zero byte at its end.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use serde_json::{Value, json};

use crate::Result;
use crate::axe::Axe;
use crate::browser;
use crate::page_cost;
use crate::process::target;

/// Width and darkness of the screens.
pub(crate) const SCREENS: [(u32, bool); 4] = [(1280, false), (1280, true), (390, false), (390, true)];
/// What each view shows once it is whole: the name in the address, and an expression that is true then.
const VIEWS: [(&str, &str); 3] = [
    (
        "runs",
        "document.querySelectorAll('.curve').length > 0 && document.querySelectorAll('canvas[aria-label]').length > 1",
    ),
    (
        "chapter",
        "document.querySelectorAll('.curve').length > 9 && ['#beliefs b', '#mixing b', '#greedy b'].every((name) => \
         document.querySelectorAll(name).length > 1)",
    ),
    ("model", "document.querySelectorAll('.figure b').length > 0 && document.querySelectorAll('section').length > 5"),
];
/// Promises what differs between the figures of the exhibits and the answers of the library, as sentences.
const EXHIBITS: &str = "(async () => {
    const ask = async (name, body) => (await fetch(`/api/chapter/${name}`, body === undefined ? {} : { method: 'POST',
        headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })).json();
    const shown = (selector) => [...document.querySelectorAll(selector)].map((node) => node.textContent);
    const [alarm, gibbs, prior, greedy, interval] = [await ask('alarm', { burglary: 0.1, earthquake: 0.1, rings: true, quaked: null }),
        await ask('gibbs', { scale: 1.4 }), await ask('prior'), await ask('greedy'), await ask('interval')];
    const tied = prior.find((one) => Math.abs(one.scale - 1) < 1e-6);
    const last = (layers) => greedy.findLast((one) => one.layers === layers);
    const chart = [...document.querySelectorAll('section')].pop();
    chart.querySelector('svg').dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }));
    const number = (x) => String(Number(x.toPrecision(5)));
    const figures = [...document.querySelectorAll('section')].map((section) => [...section.querySelectorAll('.figure b')].map((b) => b.textContent));
    const expected = [
        ['explaining away', figures[0], [alarm.burglary.toFixed(4), alarm.earthquake.toFixed(4)]],
        ['block Gibbs', figures[1], [gibbs.block[10].toFixed(4), gibbs.single[10].toFixed(4)]],
        ['complementary prior', figures[2], [tied.log_prob.toFixed(4), tied.bound.toFixed(4)]],
        ['greedy learning', figures[3], [1, 2, 3].flatMap((n) => [last(n).log_prob.toFixed(3), last(n).bound.toFixed(3)])],
        ['two sides', [...chart.querySelectorAll('.legend b')].map((b) => b.textContent.trim()).filter(Boolean),
            [interval[0].high, interval[0].exact, interval[0].low].map(number)],
    ];
    return [alarm.burglary, expected.filter(([, found, right]) => String(found) !== String(right)).map((fault) => fault.join(': '))];
})()";
/// The time within which something has to happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// The least number of bytes of a picture of a view.
const DRAWN: usize = 20_000;

/// The arguments of `cargo xtask page`.
#[derive(Args)]
pub(crate) struct Page {
    /// A folder of runs.
    folder: PathBuf,
    /// The program; by default the one that the tests have built.
    #[arg(long)]
    program: Option<String>,
    /// Measures what an open page costs in their place: the time until a stroke is answered, and that of a training run
    /// beside it.
    #[arg(long)]
    cost: bool,
}

impl Page {
    pub(crate) fn run(&self) -> Result<()> {
        let built = || target().join("debug/dgm").display().to_string();
        let program = self.program.clone().unwrap_or_else(built);
        if self.cost {
            return page_cost::measure(&program, &self.folder);
        }
        browser::check(&self.folder)?;
        check(&program, &self.folder)
    }
}

/// Shows a folder of runs by a program, and looks at every view. A training run appears while the page is open.
pub(crate) fn check(program: &str, folder: &Path) -> Result<()> {
    let folder = folder.canonicalize()?;
    let server = Server::start(program, &folder)?;
    let (mut page, axe) = (Tab::open(&folder)?, Axe::find());
    for (width, dark) in SCREENS {
        for (view, whole) in VIEWS {
            page.screen(width, dark)?;
            page.call("Page.navigate", json!({"url": format!("{}#{view}", server.address)}))?;
            page.until(whole)?;
            let what = format!("{view} at {width} px");
            page.without_faults(&what)?;
            axe.check(&mut page, &what)?;
            if view == "chapter" {
                page.exhibits()?;
            }
            let shade = if dark { "dark" } else { "light" };
            page.picture(&folder.join(format!("{view}-{width}-{shade}.png")))?;
        }
        page.draw()?;
        page.rows()?;
        axe.check(&mut page, &format!("a drawn row at {width} px"))?;
        page.by_keyboard()?;
    }
    page.call("Page.navigate", json!({"url": format!("{}#runs", server.address)}))?;
    page.until(VIEWS[0].1)?;
    let before = page.ask("document.querySelectorAll('tbody tr').length")?;
    let train = ["train", "rbm", "--data", "bars-and-stripes:3", "--hidden", "4", "--epochs", "30", "-q", "--out"];
    let out = folder.join("appeared");
    let _ = fs::remove_dir_all(&out);
    let done = Command::new(program).args(train).arg(&out).stdout(Stdio::null()).status()?;
    if !done.success() {
        return Err("the run beside the page failed".into());
    }
    page.until(&format!("document.querySelectorAll('tbody tr').length > {before}"))?;
    page.without_faults("a run that appears")
}

/// A server that ends with the value.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
}

impl Server {
    pub(crate) fn start(program: &str, folder: &Path) -> Result<Self> {
        let mut child = Command::new(program).arg("serve").arg(folder).arg("-q").stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or("the server has no output")?;
        let mut address = String::new();
        BufReader::new(out).read_line(&mut address)?;
        Ok(Self { child, address: address.trim().to_owned() })
    }
}

impl Server {
    /// The processor time of the server so far; 0 where the system does not tell.
    pub(crate) fn processor_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // The fields after the name of the program, which stands in brackets; a tick is a hundredth of a second.
        let fields: Vec<f64> =
            stat.rsplit(')').next().unwrap_or_default().split(' ').map(|x| x.parse().unwrap_or(0.0)).collect();
        fields.get(12..14).map_or(0.0, |ticks| ticks.iter().sum::<f64>() / 100.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A page in a browser, which ends with the value.
pub(crate) struct Tab {
    child: Child,
    to: File,
    from: BufReader<File>,
    session: Option<String>,
    sent: u64,
    faults: Vec<String>,
}

impl Drop for Tab {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Tab {
    /// Starts the browser with pipes in a folder, and opens an empty page.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let browser = browser::find().ok_or("no browser is installed")?;
        let pipes: [PathBuf; 2] = ["to-browser", "from-browser"].map(|name| folder.join(name));
        let _ = pipes.iter().try_for_each(fs::remove_file);
        if !Command::new("mkfifo").args(&pipes).status()?.success() {
            return Err("the pipes of the browser cannot be made".into());
        }
        let fixed =
            "--headless=new --no-sandbox --disable-gpu --hide-scrollbars --no-first-run --remote-debugging-pipe";
        let line = format!("exec {browser} {fixed} --user-data-dir=\"$3\" 3<\"$1\" 4>\"$2\"");
        let arguments = [&pipes[0], &pipes[1], &folder.join("browser")];
        let child = Command::new("sh").args(["-c", &line, "sh"]).args(arguments).stderr(Stdio::null()).spawn()?;
        let to = File::options().write(true).open(&pipes[0])?;
        let from = BufReader::new(File::open(&pipes[1])?);
        let mut page = Self { child, to, from, session: None, sent: 0, faults: vec![] };
        let target = page.call("Target.createTarget", json!({"url": "about:blank"}))?["targetId"].clone();
        let attached = page.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}))?;
        page.session = attached["sessionId"].as_str().map(String::from);
        for part in ["Page", "Runtime", "Log"] {
            page.call(&format!("{part}.enable"), json!({}))?;
        }
        Ok(page)
    }

    /// Sends a message and waits for its answer. Errors that the page reports in between are kept.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.sent += 1;
        let mut message = json!({"id": self.sent, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.to.write_all(message.to_string().as_bytes())?;
        self.to.write_all(b"\0")?;
        loop {
            let mut bytes = vec![];
            if self.from.read_until(0, &mut bytes)? == 0 {
                return Err("the browser has ended".into());
            }
            bytes.pop();
            let answer: Value = serde_json::from_slice(&bytes)?;
            match answer["method"].as_str() {
                Some(event) => self.faults.extend(fault(event, &answer["params"])),
                None if answer["id"] == self.sent && answer.get("error").is_some() => {
                    return Err(format!("{method}: {}", answer["error"]).into());
                }
                None if answer["id"] == self.sent => return Ok(answer["result"].clone()),
                None => {}
            }
        }
    }

    /// The value of an expression in the page.
    pub(crate) fn ask(&mut self, expression: &str) -> Result<Value> {
        self.evaluate(json!({"expression": expression, "returnByValue": true}))
    }

    /// The value that an expression promises.
    pub(crate) fn wait_for(&mut self, expression: &str) -> Result<Value> {
        self.evaluate(json!({"expression": expression, "returnByValue": true, "awaitPromise": true}))
    }

    fn evaluate(&mut self, question: Value) -> Result<Value> {
        let expression: String = question["expression"].as_str().unwrap_or_default().chars().take(200).collect();
        let answer = self.call("Runtime.evaluate", question)?;
        match answer.get("exceptionDetails") {
            Some(details) => Err(format!("{expression}: {details}").into()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// Waits until an expression is true.
    pub(crate) fn until(&mut self, expression: &str) -> Result<()> {
        let begun = Instant::now();
        while self.ask(expression)? != true {
            if begun.elapsed() > PATIENCE {
                let said = self.ask("document.getElementById('status')?.textContent")?;
                return Err(
                    format!("not within {PATIENCE:?}: {expression}; the page says {said}, {:?}", self.faults).into()
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    pub(crate) fn screen(&mut self, width: u32, dark: bool) -> Result<()> {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", size)?;
        let scheme = if dark { "dark" } else { "light" };
        self.call(
            "Emulation.setEmulatedMedia",
            json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        )?;
        Ok(())
    }

    /// Fails for errors in the console and for faults of the page.
    pub(crate) fn without_faults(&mut self, what: &str) -> Result<()> {
        let found = self.ask(include_str!("page.js"))?;
        let found = found.as_array().into_iter().flatten().filter_map(Value::as_str).map(String::from);
        let faults: Vec<String> = self.faults.drain(..).chain(found).collect();
        if faults.is_empty() { Ok(()) } else { Err(format!("{what}: {}", faults.join("; ")).into()) }
    }

    /// Scrolls to an element; the answer is its left and top end, its width and its height.
    fn place_of(&mut self, element: &str) -> Result<[f64; 4]> {
        let place = self.ask(&format!(
            "(() => {{ const node = document.querySelector('{element}'); node.scrollIntoView({{block: 'center'}}); \
             const box = node.getBoundingClientRect(); return [box.left, box.top, box.width, box.height]; }})()"
        ))?;
        Ok([0, 1, 2, 3].map(|i| place[i].as_f64().unwrap_or(0.0)))
    }

    /// Moves the pointer to a place, given as shares of the width and height of an element.
    pub(crate) fn point_at(&mut self, element: &str, (across, down): (f64, f64)) -> Result<()> {
        let [left, top, width, height] = self.place_of(element)?;
        let (x, y) = (left + width * across, top + height * down);
        self.call("Input.dispatchMouseEvent", json!({"type": "mouseMoved", "x": x, "y": y}))?;
        Ok(())
    }

    pub(crate) fn picture(&mut self, path: &Path) -> Result<()> {
        let height = self.ask("document.documentElement.scrollHeight")?;
        let clip = json!({"x": 0, "y": 0, "width": self.ask("innerWidth")?, "height": height, "scale": 1});
        let shot = self.call("Page.captureScreenshot", json!({"captureBeyondViewport": true, "clip": clip}))?;
        let bytes = BASE64_STANDARD.decode(shot["data"].as_str().unwrap_or_default())?;
        fs::write(path, &bytes)?;
        if bytes.len() < DRAWN { Err(format!("{} is empty or nearly so", path.display()).into()) } else { Ok(()) }
    }

    /// Draws a stroke with the mouse; the posterior and log p follow it.
    fn draw(&mut self) -> Result<()> {
        let state = "document.querySelector('.figure').textContent + [...document.querySelectorAll('.bench canvas')].map((c) => c.toDataURL()).join()";
        let before = self.ask(state)?.to_string();
        let [left, top, side, _] = self.place_of(".board")?;
        for (kind, at) in [("mousePressed", 0.1), ("mouseMoved", 0.5), ("mouseMoved", 0.9), ("mouseReleased", 0.9)] {
            let (x, y) = (left + side * at, top + side * 0.5);
            self.call(
                "Input.dispatchMouseEvent",
                json!({"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1}),
            )?;
        }
        self.until(&format!("({state}) !== {before}"))?;
        self.without_faults("a stroke")
    }

    /// Compares the figures of the exhibits with those of the library, and the first one with Bayes' theorem.
    fn exhibits(&mut self) -> Result<()> {
        let found = self.wait_for(EXHIBITS)?;
        let rings = |burglary: f64, earthquake: f64| {
            let prior = |on: f64| if on > 0.0 { 0.1 } else { 0.9 };
            prior(burglary) * prior(earthquake) / (1.0 + (5.0 - 7.0 * burglary - 5.0 * earthquake).exp())
        };
        let of_burglary = rings(1.0, 0.0) + rings(1.0, 1.0);
        let expected = of_burglary / (of_burglary + rings(0.0, 0.0) + rings(0.0, 1.0));
        let off = (found[0].as_f64().unwrap_or(f64::NAN) - expected).abs();
        match (off < 1e-6, found[1] == json!([])) {
            (true, true) => Ok(()),
            (true, false) => Err(format!("exhibits differ from the library: {}", found[1]).into()),
            _ => Err(format!("p(burglary) is {}, by Bayes' theorem {expected}", found[0]).into()),
        }
    }

    /// Asks for the training rows that excite a hidden unit, and puts one of them on the board.
    fn rows(&mut self) -> Result<()> {
        let state = "[...document.querySelectorAll('.bench canvas')].map((c) => c.toDataURL()).join()";
        self.ask("[...document.querySelectorAll('button')].find((b) => b.textContent.startsWith('Show the training rows')).click()")?;
        self.until("document.querySelectorAll('[aria-label^=\"Put training row\"]').length >= 10")?;
        let before = self.ask(state)?.to_string();
        self.ask("document.querySelector('[aria-label^=\"Put training row\"]').click()")?;
        self.until(&format!("({state}) !== {before}"))?;
        self.without_faults("training rows")
    }

    /// Goes through the page by the Tab key, which has to reach every control.
    fn by_keyboard(&mut self) -> Result<()> {
        self.ask(
            "window.reached = new Set(); document.addEventListener('focusin', (event) => window.reached.add(event.target)); \
             document.activeElement.blur()",
        )?;
        let all = "[...document.querySelectorAll('a, button, input, select, [tabindex=\"0\"]')].filter((node) => !node.disabled && node.checkVisibility())";
        let count = self.ask(&format!("{all}.length"))?.as_u64().unwrap_or(0);
        for _ in 0..count + 10 {
            for kind in ["keyDown", "keyUp"] {
                self.call(
                    "Input.dispatchKeyEvent",
                    json!({"type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}),
                )?;
            }
        }
        let missed = self.ask(&format!(
            "{all}.filter((node) => !window.reached.has(node)).map((node) => node.outerHTML.slice(0, 80))"
        ))?;
        if missed == json!([]) { Ok(()) } else { Err(format!("the keyboard does not reach {missed}").into()) }
    }
}

/// The error that an event of the browser tells, if it tells one.
fn fault(event: &str, params: &Value) -> Option<String> {
    match event {
        "Runtime.exceptionThrown" => {
            Some(format!("exception: {}", params["exceptionDetails"]["exception"]["description"]))
        }
        "Runtime.consoleAPICalled" if params["type"] == "error" => Some(format!("console: {}", params["args"])),
        "Log.entryAdded" if params["entry"]["level"] == "error" => {
            Some(format!("log: {} {}", params["entry"]["text"], params["entry"]["url"]))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_errors_of_the_page_are_told_from_other_events() {
        let entry = |level: &str| json!({"entry": {"level": level, "text": "refused", "url": "/x"}});
        assert_eq!(fault("Log.entryAdded", &entry("error")).unwrap(), "log: \"refused\" \"/x\"");
        assert_eq!(fault("Log.entryAdded", &entry("info")), None);
        assert!(fault("Runtime.consoleAPICalled", &json!({"type": "error", "args": []})).is_some());
        assert!(fault("Runtime.exceptionThrown", &json!({})).is_some());
        assert_eq!(fault("Page.loadEventFired", &json!({})), None);
    }
}
