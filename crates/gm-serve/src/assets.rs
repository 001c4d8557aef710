//! The files of the page, which are part of the program.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Addresses, types and contents.
const FILES: [(&str, &str, &str); 12] = [
    ("/", "text/html; charset=utf-8", include_str!("assets/index.html")),
    ("/style.css", "text/css; charset=utf-8", include_str!("assets/style.css")),
    ("/icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
    ("/main.js", SCRIPT, include_str!("assets/main.js")),
    ("/dom.js", SCRIPT, include_str!("assets/dom.js")),
    ("/chart.js", SCRIPT, include_str!("assets/chart.js")),
    ("/pictures.js", SCRIPT, include_str!("assets/pictures.js")),
    ("/runs.js", SCRIPT, include_str!("assets/runs.js")),
    ("/model.js", SCRIPT, include_str!("assets/model.js")),
    ("/board.js", SCRIPT, include_str!("assets/board.js")),
    ("/chapter.js", SCRIPT, include_str!("assets/chapter.js")),
    ("/chains.js", SCRIPT, include_str!("assets/chains.js")),
];

/// The routes of these files.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.into_iter().fold(Router::new(), |router, (address, kind, content)| {
        router.route(address, get(move || async move { ([(CONTENT_TYPE, kind)], content).into_response() }))
    })
}
