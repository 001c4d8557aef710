//! What can be asked: the files of the page, runs and their moments, what changes, and models.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use gm_eval::Mixing;
use serde::Serialize;
use serde_json::Value;

use crate::chains::{Drive, Driven};
use crate::chapter::{self, Alarm, Beliefs, Interval, Learnt, Strength, Tied};
use crate::error::{Answer, Refusal};
use crate::excited::Excited;
use crate::look::{Drawn, Look};
use crate::models::{self, Fantasies, Loaded, LogZ, Unit, Wish};
use crate::moments::{Moment, Pictures, moments, pictures};
use crate::runs::Summary;
use crate::server::{AtDesk, Desk};
use crate::{assets, live};

/// All routes.
pub(crate) fn all(desk: Arc<Desk>) -> Router {
    assets::routes()
        .route("/api/shelf", get(shelf))
        .route("/api/runs", get(runs))
        .route("/api/runs/{id}/from/{epoch}", get(history))
        .route("/api/runs/{id}/moments/{key}", get(moment))
        .route("/api/live", get(live::changes))
        .route("/api/chapter/alarm", post(alarm))
        .route("/api/chapter/gibbs", post(gibbs))
        .route("/api/chapter/prior", get(prior))
        .route("/api/chapter/greedy", get(greedy))
        .route("/api/chapter/interval", get(interval))
        .route("/api/models", get(listed))
        .route("/api/models/{id}", get(model))
        .route("/api/models/{id}/partition", get(partition))
        .route("/api/models/{id}/units/{layer}/{unit}", get(unit))
        .route("/api/models/{id}/units/{layer}/{unit}/rows", get(excited))
        .route("/api/models/{id}/look", post(look))
        .route("/api/models/{id}/fantasies", post(fantasies))
        .route("/api/models/{id}/chains", post(chains))
        .fallback(|| async { Refusal::absent("this page").into_response() })
        .with_state(desk)
}

/// What the page shows.
#[derive(Serialize)]
struct About {
    title: String,
    version: &'static str,
    /// Whether there are runs.
    runs: bool,
    /// Whether there are models; without them the chapter stands alone.
    models: bool,
}

async fn shelf(State(desk): AtDesk) -> Json<About> {
    Json(About {
        title: desk.shelf.title(),
        version: env!("CARGO_PKG_VERSION"),
        runs: desk.shelf.has_runs(),
        models: desk.shelf.has_models(),
    })
}

async fn runs(State(desk): AtDesk) -> Answer<Json<Vec<Summary>>> {
    let summaries = |desk: &Desk| {
        let paths = if desk.shelf.has_runs() { desk.shelf.paths() } else { vec![] };
        paths.into_iter().map(|(id, folder)| desk.runs.summary(id, &folder)).collect()
    };
    desk.compute(move |desk, _| Ok(Json(summaries(desk)))).await
}

/// The course of a run.
#[derive(Serialize)]
struct Course {
    /// The records from the one that was asked for on.
    records: Vec<Value>,
    moments: Vec<Moment>,
}

async fn history(State(desk): AtDesk, Path((id, from)): Path<(usize, usize)>) -> Answer<Json<Course>> {
    let course = move |desk: &Desk| {
        let folder = desk.shelf.run(id)?;
        let records = desk.runs.history(&folder)?.iter().skip(from).cloned().collect();
        Ok(Json(Course { records, moments: moments(&folder) }))
    };
    desk.compute(move |desk, _| course(desk)).await
}

async fn moment(State(desk): AtDesk, Path((id, key)): Path<(usize, String)>) -> Answer<Json<Option<Pictures>>> {
    let work = move |desk: &Desk, watch: gm_core::Watch<'_>| {
        let folder = desk.shelf.run(id)?;
        Ok(Json(pictures((&desk.shelf, &desk.runs), &folder, &key, desk.seed, watch)?))
    };
    desk.compute(work).await
}

async fn alarm(State(desk): AtDesk, Json(known): Json<Alarm>) -> Answer<Json<Beliefs>> {
    desk.compute(move |_, _| chapter::alarm(known).map(Json)).await
}

async fn gibbs(State(desk): AtDesk, Json(strength): Json<Strength>) -> Answer<Json<Mixing>> {
    desk.compute(move |_, _| chapter::gibbs(strength).map(Json)).await
}

async fn greedy(State(desk): AtDesk) -> Answer<Json<Vec<Learnt>>> {
    desk.compute(|_, watch| chapter::greedy(watch).map(Json)).await
}

async fn prior(State(desk): AtDesk) -> Answer<Json<Vec<Tied>>> {
    desk.compute(|_, _| chapter::prior().map(Json)).await
}

async fn interval(State(desk): AtDesk) -> Answer<Json<Vec<Interval>>> {
    desk.compute(|desk, watch| chapter::interval(desk.seed, watch).map(Json)).await
}

/// A model that can be shown.
#[derive(Serialize)]
struct Entry {
    id: usize,
    name: String,
}

async fn listed(State(desk): AtDesk) -> Json<Vec<Entry>> {
    let there = |(id, path): (usize, std::path::PathBuf)| {
        let name = path.file_name().unwrap_or(path.as_os_str()).display().to_string();
        desk.shelf.model_path(id).is_ok_and(|path| path.is_file()).then_some(Entry { id, name })
    };
    Json(desk.shelf.paths().into_iter().filter_map(there).collect())
}

async fn model(State(desk): AtDesk, Path(id): Path<usize>) -> Answer<Json<models::About>> {
    let work = move |desk: &Desk| {
        let name = desk.shelf.path(id)?.file_name().unwrap_or_default().display().to_string();
        models::about(&*desk.shelf.model_data(&desk.shelf.model_path(id)?)?, name).map(Json)
    };
    desk.compute(move |desk, _| work(desk)).await
}

async fn unit(State(desk): AtDesk, Path((id, layer, unit)): Path<(usize, usize, usize)>) -> Answer<Json<Unit>> {
    let work = move |desk: &Desk| models::unit(&*desk.shelf.model_data(&desk.shelf.model_path(id)?)?, layer, unit);
    desk.compute(move |desk, _| work(desk).map(Json)).await
}

/// The rows that excite a unit most.
async fn excited(State(desk): AtDesk, Path((id, layer, unit)): Path<(usize, usize, usize)>) -> Answer<Json<Excited>> {
    let work = move |desk: &Desk, watch: gm_core::Watch<'_>| {
        desk.activities.rows((&desk.shelf, &desk.models), id, (layer, unit), watch).map(Json)
    };
    desk.compute(work).await
}

/// Asks the generative model of a run.
async fn of_model<T: Serialize + Send + 'static>(
    desk: &Arc<Desk>,
    id: usize,
    question: impl FnOnce(&Loaded, gm_core::Watch<'_>) -> Answer<T> + Send + 'static,
) -> Answer<Json<T>> {
    let work = move |desk: &Desk, watch: gm_core::Watch<'_>| {
        let loaded = desk.models.get(&desk.shelf, &desk.shelf.model_path(id)?)?;
        question(&loaded, watch).map(Json)
    };
    desk.compute(work).await
}

/// ln Z, which the first question begins to measure.
async fn partition(State(desk): AtDesk, Path(id): Path<usize>) -> Answer<Json<LogZ>> {
    let get = move |desk: &Desk| desk.models.get(&desk.shelf, &desk.shelf.model_path(id)?);
    let loaded = desk.compute(move |desk, _| get(desk)).await?;
    let (known, first) = loaded.log_z();
    if first {
        desk.measure(loaded);
    }
    Ok(Json(known))
}

async fn look(State(desk): AtDesk, Path(id): Path<usize>, Json(drawn): Json<Drawn>) -> Answer<Json<Look>> {
    of_model(&desk, id, move |model, watch| model.look(&drawn, watch)).await
}

async fn fantasies(State(desk): AtDesk, Path(id): Path<usize>, Json(wish): Json<Wish>) -> Answer<Json<Fantasies>> {
    of_model(&desk, id, move |model, watch| model.fantasies(wish, watch)).await
}

async fn chains(State(desk): AtDesk, Path(id): Path<usize>, Json(drive): Json<Drive>) -> Answer<Json<Driven>> {
    of_model(&desk, id, move |model, _| model.drive(&drive)).await
}
