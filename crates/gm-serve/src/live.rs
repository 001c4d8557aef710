//! Server-sent events: which runs have changed.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;

use crate::runs::newest;
use crate::server::{AtDesk, Desk};
use crate::shelf::{Stamp, stamp};

/// The pause between two looks at the files.
const PAUSE: Duration = Duration::from_secs(1);

/// What changes while a run trains, by the stamps of its files.
type Signs = Vec<(usize, [Stamp; 4])>;

/// Sends the numbers of runs whose files have changed, and at first those of all runs.
pub(crate) async fn changes(State(desk): AtDesk) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = unfold((desk, None), |(desk, before)| async move {
        let mut before: Option<Signs> = before;
        loop {
            if before.is_some() {
                tokio::time::sleep(PAUSE).await;
            }
            let now = look(&desk).await;
            let old = before.unwrap_or_default();
            let changed: Vec<usize> = now.iter().filter(|run| !old.contains(run)).map(|(id, _)| *id).collect();
            before = Some(now);
            if !changed.is_empty() {
                let event = Event::default().event("changed").json_data(changed).unwrap_or_default();
                return Some((Ok(event), (desk, before)));
            }
        }
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

async fn look(desk: &Arc<Desk>) -> Signs {
    let desk = Arc::clone(desk);
    let all = move || desk.shelf.paths().into_iter().map(|(id, folder)| (id, signs(&folder))).collect();
    tokio::task::spawn_blocking(all).await.unwrap_or_default()
}

fn signs(folder: &Path) -> [Stamp; 4] {
    let newest = newest(folder).and_then(|path| stamp(&path));
    [stamp(&folder.join("metrics.jsonl")), stamp(&folder.join("model.gm")), stamp(folder), newest]
}
