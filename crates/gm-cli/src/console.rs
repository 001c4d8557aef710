//! Log lines and progress bars on standard error, and interruption by signals.

use std::ffi::c_int;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::{Duration, Instant};

use gm_core::{Progress as Done, Watch};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::error::Result;

/// The amount of text on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// Errors only.
    Silent,
    /// Warnings and errors only.
    Quiet,
    /// Progress as well.
    Normal,
    /// Details as well.
    Verbose,
}

impl Verbosity {
    fn level(self) -> Level {
        match self {
            Self::Silent => Level::ERROR,
            Self::Quiet => Level::WARN,
            Self::Normal => Level::INFO,
            Self::Verbose => Level::DEBUG,
        }
    }
}

static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Sends log lines to standard error.
pub(crate) fn start(verbosity: Verbosity) {
    let logs = tracing_subscriber::fmt()
        .with_max_level(verbosity.level())
        .with_ansi(false)
        .event_format(Plain)
        .with_writer(|| BesideBars);
    // A second start finds a logger in place, which serves as well.
    let _ = logs.try_init();
}

/// Writes lines above the progress bars. Lines that standard error does not take are lost; the work goes on.
struct BesideBars;

impl Write for BesideBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = BARS.suspend(|| io::stderr().write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A format with the message alone, and with its level unless it is the normal one.
struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        match *event.metadata().level() {
            Level::ERROR => to.write_str("error: ")?,
            Level::WARN => to.write_str("warning: ")?,
            Level::INFO => {}
            _ => to.write_str("debug: ")?,
        }
        context.field_format().format_fields(to.by_ref(), event)?;
        writeln!(to)
    }
}

/// Whether standard error is a terminal on which control characters may be used.
fn is_interactive() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The progress of a long computation: a bar on a terminal, and a line from time to time elsewhere.
#[derive(Debug)]
pub(crate) struct Progress {
    label: String,
    total: u64,
    /// Steps that an earlier process made.
    first: u64,
    bar: Option<ProgressBar>,
    started: Instant,
    spoken: Instant,
}

/// The pause between progress lines if there is no terminal.
const PAUSE: Duration = Duration::from_secs(10);

impl Progress {
    /// Begins at step 0.
    pub(crate) fn new(label: &str, total: u64) -> Self {
        Self::resumed(label, 0, total)
    }

    /// Begins where an earlier process stopped.
    pub(crate) fn resumed(label: &str, first: u64, total: u64) -> Self {
        let now = Instant::now();
        let wanted = is_interactive() && tracing::enabled!(Level::INFO);
        let bar = wanted.then(|| {
            let style = ProgressStyle::with_template("{prefix} [{bar:10}] {percent:>3} %, {eta} left  {wide_msg}");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ");
            BARS.add(ProgressBar::new(total).with_position(first)).with_style(style).with_prefix(label.to_owned())
        });
        Self { label: label.to_owned(), total, first, bar, started: now, spoken: now }
    }

    /// Begins anew with a phase that counts its own steps. The time that is left is then that of this phase.
    fn begin(&mut self, label: &str, total: u64) {
        (self.label, self.total, self.first, self.started) = (label.to_owned(), total, 0, Instant::now());
        if let Some(bar) = &self.bar {
            bar.set_prefix(label.to_owned());
            bar.set_length(total);
            bar.set_position(0);
            bar.reset_eta();
        }
    }

    /// Shows the steps made and a few figures.
    pub(crate) fn set(&mut self, done: u64, figures: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(done);
                if !figures.is_empty() {
                    bar.set_message(figures.to_owned());
                }
            }
            None if self.spoken.elapsed() >= PAUSE => {
                self.spoken = Instant::now();
                let comma = if figures.is_empty() { "" } else { ", " };
                tracing::info!("{} {done}/{}, {}{comma}{figures}", self.label, self.total, self.left(done));
            }
            None => {}
        }
    }

    fn left(&self, done: u64) -> String {
        let seconds = self.started.elapsed().as_secs_f64();
        let rate = done.saturating_sub(self.first).max(1) as f64 / seconds.max(1e-9);
        format!("{rate:.1}/s, {:.0} s left", self.total.saturating_sub(done) as f64 / rate)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A flag that the first SIGINT or SIGTERM sets.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

static INTERRUPT: OnceLock<Interrupt> = OnceLock::new();

impl Interrupt {
    /// Listens from the first call on. Before it, a signal ends the program. The second signal ends it at once.
    pub(crate) fn listen() -> Self {
        let register = |signal, flag: &Arc<AtomicBool>| {
            // Order matters: the conditional shutdown must see the flag as the earlier signal left it.
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(flag))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(flag)))
        };
        INTERRUPT.get_or_init(|| Self::register(&[SIGINT, SIGTERM], register)).clone()
    }

    /// Listens as one of several processes that end together. Launchers pass signals on, so that the same one may come
    /// twice; only they end the program at once. They also pass SIGUSR1 on, which therefore interrupts as well.
    pub(crate) fn listen_as_one_of_many() {
        let register = |signal, flag: &Arc<AtomicBool>| signal_hook::flag::register(signal, Arc::clone(flag));
        INTERRUPT.get_or_init(|| Self::register(&[SIGINT, SIGTERM, SIGUSR1], register));
    }

    fn register(
        signals: &[c_int],
        register: impl Fn(c_int, &Arc<AtomicBool>) -> io::Result<signal_hook::SigId>,
    ) -> Self {
        let flag = Arc::new(AtomicBool::new(false));
        for &signal in signals {
            if let Err(error) = register(signal, &flag) {
                tracing::warn!("signal {signal} will end the program without a checkpoint: {error}");
            }
        }
        Self(flag)
    }

    /// Whether the program is to stop.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The answer of the `watch` closure of a long computation.
    pub(crate) fn flow(&self) -> ControlFlow<()> {
        if self.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// The greatest number of updates of a progress bar.
const SHOWN: usize = 1_000;

/// Runs a long computation, with progress, until it ends or a signal arrives.
///
/// # Errors
///
/// The error of the computation.
pub(crate) fn watched<T>(label: &str, work: impl FnOnce(Watch<'_>) -> Result<T>) -> Result<T> {
    let mut listening = None;
    shown(label, |show| {
        work(&mut |done: Done| {
            // Enumeration does not watch for signals, so signals are caught only from the first step on.
            let interrupt = listening.get_or_insert_with(Interrupt::listen);
            let _ = show(done);
            interrupt.flow()
        })
    })
}

/// Runs a long computation, with progress, to its end.
///
/// # Errors
///
/// The error of the computation.
pub(crate) fn shown<T>(label: &str, work: impl FnOnce(Watch<'_>) -> Result<T>) -> Result<T> {
    let (mut bar, mut phase) = (None, Phase::default());
    work(&mut |done: Done| {
        let begins = phase.begins(done);
        let bar = bar.get_or_insert_with(|| Progress::new(label, done.total as u64));
        if begins {
            bar.begin(&phase.name(label), done.total as u64);
        }
        if done.done.is_multiple_of(done.total / SHOWN + 1) {
            bar.set(done.done as u64, "");
        }
        ControlFlow::Continue(())
    })
}

/// The phases of a computation, each of which counts its own steps: annealing there, tempering, and annealing back.
#[derive(Debug, Default)]
struct Phase {
    number: usize,
    last: Option<Done>,
}

impl Phase {
    /// Whether this step is the first of a phase that is seen.
    fn begins(&mut self, now: Done) -> bool {
        let goes_on = self.last.is_some_and(|last| last.total == now.total && last.done <= now.done);
        self.number += usize::from(!goes_on);
        self.last = Some(now);
        !goes_on
    }

    fn name(&self, label: &str) -> String {
        if self.number > 1 { format!("{label}, part {}", self.number) } else { label.to_owned() }
    }
}

/// Writes a line to standard error at any verbosity.
pub(crate) fn say(line: &str) {
    let _ = writeln!(BesideBars, "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_each_phase_of_a_computation_is_counted_and_timed_by_itself() {
        let (mut phase, mut begun) = (Phase::default(), vec![]);
        for (done, total) in [(1, 100), (50, 100), (100, 100), (10, 30), (30, 30), (2, 100), (2, 100), (1, 100)] {
            begun.push((phase.begins(Done { done, total }), phase.name("annealing")));
        }
        let starts: Vec<bool> = begun.iter().map(|(begins, _)| *begins).collect();
        assert_eq!(starts, [true, false, false, true, false, true, false, true]);
        assert_eq!((begun[2].1.as_str(), begun[4].1.as_str()), ("annealing", "annealing, part 2"));
        let mut progress = Progress::resumed("annealing", 90, 100);
        progress.started = Instant::now().checked_sub(Duration::from_secs(50)).unwrap();
        progress.begin("annealing, part 2", 30);
        progress.started = progress.started.checked_sub(Duration::from_secs(2)).unwrap();
        assert_eq!(progress.left(10), "5.0/s, 4 s left");
    }
}
