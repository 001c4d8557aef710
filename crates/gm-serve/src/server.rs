//! The server: connections, their limits, and the threads that compute.

use std::convert::Infallible;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use gm_core::{Progress, Watch};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::ops::ControlFlow;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::error::{Answer, Error, Refusal, Result};
use crate::excited::Activities;
use crate::guard::{Guard, watch_over};
use crate::models::{Loaded, Models};
use crate::places::{Places, Visitor};
use crate::routes;
use crate::runs::Runs;
use crate::shelf::Shelf;

/// Connections at a time; for further ones the oldest one without the token is closed.
const CONNECTIONS: usize = 64;
/// Computations at a time; further ones wait.
const COMPUTATIONS: usize = 2;
/// The time within which the head of a request has to come.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// The time within which a request is received whole and answered.
const REQUEST_TIME: Duration = Duration::from_secs(20);
/// The greatest size of a request's head and of its body.
const HEAD: usize = 16 * 1024;
const BODY: usize = 2 * 1024 * 1024;
/// The time within which ln Z is measured, beside all requests.
const MEASURE_TIME: Duration = Duration::from_secs(600);
/// The pause between two questions whether the server is to end.
const PAUSE: Duration = Duration::from_millis(100);

/// What a server shows, and where.
///
/// # Examples
///
/// ```
/// use gm_serve::ServeSettings;
///
/// let settings = ServeSettings { port: 8000, ..ServeSettings::new("runs") };
/// assert_eq!((settings.threads, settings.seed), (0, 0));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeSettings {
    /// A run, a folder of runs, or a model file; without one, the page shows the chapter's exhibits alone.
    pub path: Option<PathBuf>,
    /// The port; 0 for a free one.
    pub port: u16,
    /// Threads that compute; 0 for one a core.
    pub threads: usize,
    /// The seed of all random numbers.
    pub seed: u64,
}

impl ServeSettings {
    /// A free port, one thread a core and seed 0.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()), ..Self::chapter() }
    }

    /// The same with the chapter's exhibits alone.
    #[must_use]
    pub fn chapter() -> Self {
        Self { path: None, port: 0, threads: 0, seed: 0 }
    }
}

/// A server that listens already and answers when it runs.
///
/// # Examples
///
/// ```
/// use gm_serve::{ServeSettings, Server};
///
/// let folder = tempfile::tempdir()?;
/// let server = Server::bind(&ServeSettings::new(folder.path()))?;
/// let port = server.port();
/// assert!(server.address().starts_with(&format!("http://127.0.0.1:{port}/?token=")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Server {
    listener: TcpListener,
    guard: Guard,
    desk: Arc<Desk>,
}

impl fmt::Debug for Server {
    /// The token stays secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("port", &self.port()).finish_non_exhaustive()
    }
}

impl Server {
    /// Takes a port of 127.0.0.1 and draws a token.
    ///
    /// # Errors
    ///
    /// [`Error::Absent`] for a path that does not exist, [`Error::Model`] for a file that is not a model,
    /// [`Error::Port`] for a port that cannot be had, [`Error::Start`] without threads or random numbers.
    pub fn bind(settings: &ServeSettings) -> Result<Self> {
        let shelf = settings.path.as_deref().map_or_else(|| Ok(Shelf::chapter()), Shelf::open)?;
        let failed = |source| Error::Port { port: settings.port, source };
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, settings.port))).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let guard = Guard::new(listener.local_addr().map_err(failed)?.port())?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(settings.threads).build();
        let pool = pool.map_err(|error| Error::Start { detail: error.to_string() })?;
        let slots = Arc::new(Semaphore::new(COMPUTATIONS));
        Ok(Self {
            listener,
            guard,
            desk: Arc::new(Desk {
                shelf,
                runs: Runs::new(),
                models: Models::new(),
                activities: Activities::new(),
                pool,
                slots,
                measuring: Arc::new(Semaphore::new(1)),
                seed: settings.seed,
            }),
        })
    }

    /// The address of the page, with its token. Whoever has it may look.
    #[must_use]
    pub fn address(&self) -> String {
        self.guard.address()
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.listener.local_addr().map_or(0, |address| address.port())
    }

    /// Answers requests until `stop` says so, which is asked ten times a second.
    ///
    /// # Errors
    ///
    /// [`Error::Start`] when the system gives no thread or no events.
    pub fn run(self, stop: impl Fn() -> bool) -> Result<()> {
        let failed = |error: std::io::Error| Error::Start { detail: error.to_string() };
        let runtime: Runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let router = router(&self.desk, &self.guard);
        let outcome = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(self.listener).map_err(failed)?;
            let mut places = Places::new(CONNECTIONS);
            while !stop() {
                match timeout(PAUSE, listener.accept()).await {
                    Ok(Ok((stream, _))) => take(stream, &mut places, &router),
                    // Out of files or memory: the connections that there are go on.
                    Ok(Err(_)) => tokio::time::sleep(PAUSE).await,
                    Err(_) => {}
                }
            }
            Ok(())
        });
        // Computations that are not done are left alone.
        runtime.shutdown_background();
        outcome
    }
}

/// Answers the requests of a connection, or closes it if there is no place.
fn take(stream: TcpStream, places: &mut Places, router: &Router) {
    if !places.make_room() {
        return;
    }
    let (visitor, answering) = (Visitor::default(), TowerToHyperService::new(router.clone()));
    let own = visitor.clone();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(own.clone());
        answering.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD);
    let connection = http.serve_connection(TokioIo::new(stream), service);
    // A connection that breaks concerns only the browser.
    let task = tokio::spawn(async move { connection.await.ok() });
    places.give(visitor, task.abort_handle());
}

/// All routes behind the guard and within the limits.
fn router(desk: &Arc<Desk>, guard: &Guard) -> Router {
    routes::all(Arc::clone(desk))
        .layer(DefaultBodyLimit::max(BODY))
        .layer(from_fn(in_time))
        .layer(from_fn_with_state(guard.clone(), watch_over))
}

/// Refuses a request that is not received and answered in time.
async fn in_time(request: Request, next: Next) -> std::result::Result<Response, Infallible> {
    let late = || Refusal::new(StatusCode::REQUEST_TIMEOUT, "the request took too long").into_response();
    Ok(timeout(REQUEST_TIME, next.run(request)).await.unwrap_or_else(|_| late()))
}

/// What every request works with.
pub(crate) struct Desk {
    pub(crate) shelf: Shelf,
    pub(crate) runs: Runs,
    pub(crate) models: Models,
    pub(crate) activities: Activities,
    pool: rayon::ThreadPool,
    slots: Arc<Semaphore>,
    /// One ln Z is measured at a time.
    measuring: Arc<Semaphore>,
    pub(crate) seed: u64,
}

/// The desk as an argument of a request.
pub(crate) type AtDesk = State<Arc<Desk>>;

impl Desk {
    /// Computes outside the thread of the server, a few computations at a time. The watch ends those that take too long.
    pub(crate) async fn compute<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, Watch<'_>) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let failed = |_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the computation failed");
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| Refusal::absent("the server"))?;
        let (desk, mut watch) = (Arc::clone(self), within(REQUEST_TIME));
        let work = move || {
            let _slot = slot;
            desk.pool.install(|| work(&desk, &mut watch))
        };
        tokio::task::spawn_blocking(work).await.map_err(failed)?
    }

    /// Measures ln Z of a model beside the requests.
    pub(crate) fn measure(self: &Arc<Self>, loaded: Arc<Loaded>) {
        let (desk, turn) = (Arc::clone(self), Arc::clone(&self.measuring));
        tokio::spawn(async move {
            let Ok(turn) = turn.acquire_owned().await else { return };
            tokio::task::spawn_blocking(move || {
                let (_turn, seed) = (turn, desk.seed);
                desk.pool.install(|| loaded.measure(seed, &mut within(MEASURE_TIME)));
            });
        });
    }
}

/// A watch that breaks when a time is over.
fn within(time: Duration) -> impl FnMut(Progress) -> ControlFlow<()> {
    let late = Instant::now() + time;
    move |_| if Instant::now() < late { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}
