//! Places for connections. When all are taken, the oldest connection that has not shown the token gives way, so that
//! programs without it cannot keep the reader out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::AbortHandle;

/// Who holds a connection: somebody unknown, until a request with the token comes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Visitor {
    known: Arc<AtomicBool>,
}

impl Visitor {
    /// A request has come with the token.
    pub(crate) fn becomes_known(&self) {
        self.known.store(true, Ordering::Relaxed);
    }

    fn is_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }
}

/// The connections that there are, the oldest first.
#[derive(Debug)]
pub(crate) struct Places {
    most: usize,
    taken: Vec<(Visitor, AbortHandle)>,
}

impl Places {
    /// Places for so many connections.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, taken: Vec::with_capacity(most) }
    }

    /// Makes room for a connection; false if known visitors have all places.
    pub(crate) fn make_room(&mut self) -> bool {
        self.taken.retain(|(_, task)| !task.is_finished());
        if self.taken.len() < self.most {
            return true;
        }
        let oldest = self.taken.iter().position(|(visitor, _)| !visitor.is_known());
        oldest.map(|at| self.taken.remove(at).1.abort()).is_some()
    }

    /// Gives a place to the task of a connection.
    pub(crate) fn give(&mut self, visitor: Visitor, task: AbortHandle) {
        self.taken.push((visitor, task));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn law_the_oldest_unknown_visitor_gives_way_and_known_ones_stay() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut places = Places::new(2);
            let mut come = |known: bool| {
                let room = places.make_room();
                let (visitor, task) = (Visitor::default(), tokio::spawn(std::future::pending::<()>()));
                if known {
                    visitor.becomes_known();
                }
                if room {
                    places.give(visitor, task.abort_handle());
                }
                room.then_some(task)
            };
            let (first, second) = (come(true).unwrap(), come(false).unwrap());
            let third = come(false).unwrap();
            assert!(second.await.unwrap_err().is_cancelled());
            let fourth = come(true).unwrap();
            assert!(third.await.unwrap_err().is_cancelled());
            assert!(come(true).is_none(), "known visitors have both places");
            assert!(!first.is_finished() && !fourth.is_finished());
            first.abort();
            assert!(first.await.is_err());
            assert!(come(false).is_some(), "a place is free again");
        });
    }
}
