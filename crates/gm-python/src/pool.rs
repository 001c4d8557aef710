//! Thread pools of the calling process, and computations that Ctrl-C and callbacks may end.
//!
//! The global pool of rayon has no threads after a fork and would wait for them for ever. So each entry runs in a pool
//! of its own, which is kept by the number of the process that made it.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gm::core::Progress;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// The most threads that a caller may ask for.
const MOST_THREADS: usize = 1024;

/// The time between two looks at signals.
const POLL: Duration = Duration::from_millis(20);

/// The least time between two reports of progress.
const REPORT: Duration = Duration::from_millis(50);

struct Kept {
    process: u32,
    threads: usize,
    pool: Arc<ThreadPool>,
}

/// Pools of this process, and those that a fork has left behind, whose threads are not here. The lock is only held while
/// the interpreter is, so that no fork finds it locked.
static POOLS: Mutex<Vec<Kept>> = Mutex::new(Vec::new());

/// The number of threads: what the caller asks for, else the variables DGM_NUM_THREADS and OMP_NUM_THREADS, else the cores.
fn threads(given: Option<i64>) -> PyResult<usize> {
    if let Some(given) = given {
        return match usize::try_from(given) {
            Ok(count @ 1..=MOST_THREADS) => Ok(count),
            _ => Err(PyValueError::new_err(format!("n_threads is {given}, allowed: None or 1 to {MOST_THREADS}"))),
        };
    }
    let count = |text: String| text.parse().ok().filter(|count| (1..=MOST_THREADS).contains(count));
    if let Ok(text) = std::env::var("DGM_NUM_THREADS") {
        let refused = || PyValueError::new_err(format!("DGM_NUM_THREADS is {text}, allowed: 1 to {MOST_THREADS}"));
        return count(text.clone()).ok_or_else(refused);
    }
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    Ok(std::env::var("OMP_NUM_THREADS").ok().and_then(count).unwrap_or_else(cores))
}

/// The pool of this process with so many threads.
fn pool(_py: Python<'_>, given: Option<i64>) -> PyResult<Arc<ThreadPool>> {
    let (threads, process) = (threads(given)?, std::process::id());
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    if pools.iter().any(|kept| kept.process != process) {
        // Dropping a pool of the parent would wait for threads that this process does not have.
        std::mem::forget(std::mem::take(&mut *pools));
    }
    if let Some(kept) = pools.iter().find(|kept| kept.threads == threads) {
        return Ok(Arc::clone(&kept.pool));
    }
    let made = ThreadPoolBuilder::new().num_threads(threads).thread_name(|i| format!("dgm-{i}")).build();
    let pool =
        Arc::new(made.map_err(|e| PyRuntimeError::new_err(format!("{threads} threads could not be started: {e}")))?);
    pools.push(Kept { process, threads, pool: Arc::clone(&pool) });
    Ok(pool)
}

/// Runs a short computation in a pool, without the interpreter's lock. It cannot be interrupted.
pub(crate) fn inside<T: Send>(py: Python<'_>, threads: Option<i64>, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    let pool = pool(py, threads)?;
    Ok(py.detach(|| pool.install(work)))
}

/// Ends the threads of all pools of this process.
#[pyfunction]
pub(crate) fn shut_down() {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    let (own, others): (Vec<_>, Vec<_>) =
        std::mem::take(&mut *pools).into_iter().partition(|kept| kept.process == process);
    std::mem::forget(others);
    drop(own);
}

/// What a computation tells the thread that waits for it.
enum Message {
    /// Steps done, and all steps.
    Progress(usize, usize),
    /// An event as JSON; the computation waits for the answer whether to go on.
    Event(String, SyncSender<bool>),
}

/// The side of a computation that runs in the pool.
pub(crate) struct Job<'a> {
    messages: Sender<Message>,
    stop: &'a AtomicBool,
    reports: bool,
    last: Instant,
}

impl Job<'_> {
    /// Whether to go on.
    pub(crate) fn goes_on(&self) -> ControlFlow<()> {
        if self.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Reports how far the computation is.
    pub(crate) fn progress(&mut self, done: usize, total: usize) -> ControlFlow<()> {
        if self.reports && self.is_due() {
            // The receiver lives as long as the job.
            let _ = self.messages.send(Message::Progress(done, total));
        }
        self.goes_on()
    }

    /// Whether it is time for another report of progress.
    pub(crate) fn is_due(&mut self) -> bool {
        let due = self.last.elapsed() >= REPORT;
        if due {
            self.last = Instant::now();
        }
        due
    }

    /// Reports an event and waits for the answer.
    pub(crate) fn event(&self, json: String) -> ControlFlow<()> {
        let (answer, answered) = sync_channel(1);
        let sent = self.messages.send(Message::Event(json, answer));
        match sent.ok().and_then(|()| answered.recv().ok()) {
            Some(true) => self.goes_on(),
            _ => ControlFlow::Break(()),
        }
    }

    /// The watch of functions of the library.
    pub(crate) fn watch(&mut self) -> impl FnMut(Progress) -> ControlFlow<()> + '_ {
        move |progress| self.progress(progress.done, progress.total)
    }
}

/// What is called while a computation runs: `progress(done, total)` and `event(json)`. An event whose call returns a true
/// value, or any exception, ends the computation.
#[derive(Default)]
pub(crate) struct Callbacks {
    pub(crate) progress: Option<Py<PyAny>>,
    pub(crate) event: Option<Py<PyAny>>,
}

impl Callbacks {
    fn take(&self, py: Python<'_>, message: Message) -> PyResult<bool> {
        match message {
            Message::Progress(done, total) => {
                if let Some(call) = &self.progress {
                    call.call1(py, (done, total))?;
                }
                Ok(true)
            }
            Message::Event(json, answer) => {
                let ends = match &self.event {
                    Some(call) => call.call1(py, (json,)).and_then(|returned| returned.is_truthy(py)),
                    None => Ok(false),
                };
                // The job waits for this answer.
                let _ = answer.send(matches!(ends, Ok(false)));
                Ok(!ends?)
            }
        }
    }
}

/// The result of a computation, and the exception that ended it before its time: Ctrl-C or that of a callback.
pub(crate) struct Ended<T> {
    pub(crate) result: T,
    pub(crate) raised: Option<PyErr>,
}

/// Runs a computation in a pool, without the interpreter's lock, while this thread looks at signals.
pub(crate) fn run<T: Send>(
    py: Python<'_>,
    threads: Option<i64>,
    callbacks: &Callbacks,
    work: impl FnOnce(&mut Job<'_>) -> T + Send,
) -> PyResult<Ended<T>> {
    let (pool, stop) = (pool(py, threads)?, AtomicBool::new(false));
    let (messages, received) = channel();
    let stop = &stop;
    let mut job = Job { messages, stop, reports: callbacks.progress.is_some(), last: Instant::now() };
    let (result, raised) = py.detach(move || {
        std::thread::scope(|scope| {
            let worker = scope.spawn(move || pool.install(|| work(&mut job)));
            let raised = wait(&received, stop, callbacks);
            (worker.join(), raised)
        })
    });
    match result {
        Ok(result) => Ok(Ended { result, raised }),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Waits for the end of a job, and takes its messages; the first exception stops the job.
fn wait(received: &Receiver<Message>, stop: &AtomicBool, callbacks: &Callbacks) -> Option<PyErr> {
    let mut raised = None;
    let mut take = |outcome: PyResult<bool>| match outcome {
        Ok(true) => {}
        Ok(false) => stop.store(true, Ordering::Relaxed),
        Err(error) => {
            stop.store(true, Ordering::Relaxed);
            raised.get_or_insert(error);
        }
    };
    loop {
        let message = received.recv_timeout(POLL);
        if matches!(message, Err(RecvTimeoutError::Disconnected)) {
            break;
        }
        Python::attach(|py| {
            take(py.check_signals().map(|()| true));
            if let Ok(message) = message {
                take(callbacks.take(py, message));
            }
        });
    }
    raised
}

/// Runs a computation of the library that may fail; an exception that ended it is raised.
pub(crate) fn compute<T: Send, E: Into<gm::Error> + Send>(
    py: Python<'_>,
    threads: Option<i64>,
    callbacks: &Callbacks,
    work: impl FnOnce(&mut Job<'_>) -> Result<T, E> + Send,
) -> PyResult<T> {
    let ended = run(py, threads, callbacks, work)?;
    match (ended.raised, ended.result) {
        (Some(error), _) => Err(error),
        (None, result) => result.map_err(|error| crate::errors::to_python(error.into())),
    }
}
