//! The errors of starting a server, and the refusals that a request gets.

use std::io;
use std::path::PathBuf;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// The result of starting a server.
///
/// # Examples
///
/// ```
/// let server: gm_serve::Result<gm_serve::Server> = gm_serve::Server::bind(&gm_serve::ServeSettings::new("no/such/run"));
/// assert!(server.is_err());
/// ```
pub type Result<T> = std::result::Result<T, Error>;

/// What keeps a server from starting.
///
/// # Examples
///
/// ```
/// use gm_serve::{ServeSettings, Server};
///
/// let error = Server::bind(&ServeSettings::new("no/such/run")).unwrap_err();
/// assert_eq!(error.to_string(), "no/such/run does not exist, allowed: a run, a folder of runs or a model file");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The path to show does not exist.
    #[error("{} does not exist, allowed: a run, a folder of runs or a model file", path.display())]
    Absent {
        /// The path.
        path: PathBuf,
    },
    /// The file to show is not a model.
    #[error(transparent)]
    Model(#[from] gm_data::Error),
    /// The port cannot be had.
    #[error("listening on 127.0.0.1:{port}: {source}")]
    Port {
        /// The port; 0 stands for a free one.
        port: u16,
        /// The system's answer.
        source: io::Error,
    },
    /// The threads of the server cannot be had.
    #[error("starting the server: {detail}")]
    Start {
        /// The reason.
        detail: String,
    },
}

/// The refusal of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

/// The answer to a request, or its refusal.
pub(crate) type Answer<T> = std::result::Result<T, Refusal>;

impl Refusal {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    /// What is asked for does not exist.
    pub(crate) fn absent(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{what} does not exist"))
    }

    /// What is asked for cannot be done with these values or this model.
    pub(crate) fn unfit(text: impl ToString) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, text.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.text }))).into_response()
    }
}
