//! The callback of long computations: how far they are, and whether they go on.

use std::ops::ControlFlow;

/// How far a long computation is.
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow;
///
/// use gm_core::Progress;
///
/// // A watcher that shows how far a computation is, and stops it half way.
/// let mut shown = String::new();
/// let mut watch = |at: Progress| {
///     shown = format!("{} %", 100 * at.done / at.total);
///     if 2 * at.done < at.total { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
/// };
/// assert!(watch(Progress { done: 1, total: 4 }).is_continue());
/// assert!(watch(Progress { done: 2, total: 4 }).is_break());
/// assert_eq!(shown, "50 %");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Steps done.
    pub done: usize,
    /// Steps in all.
    pub total: usize,
}

/// A callback that is told how far a long computation is, and may end it by breaking.
///
/// # Examples
///
/// ```
/// use gm_core::{Progress, Watch};
///
/// /// Ten steps of some work.
/// fn work(watch: Watch<'_>) -> usize {
///     (0..10).take_while(|&done| watch(Progress { done, total: 10 }).is_continue()).count()
/// }
/// let mut stop_at_four = |progress: Progress| match progress.done {
///     4 => std::ops::ControlFlow::Break(()),
///     _ => std::ops::ControlFlow::Continue(()),
/// };
/// assert_eq!(work(&mut stop_at_four), 4);
/// ```
pub type Watch<'a> = &'a mut dyn FnMut(Progress) -> ControlFlow<()>;

/// A watcher that never stops anything.
///
/// # Examples
///
/// ```
/// assert!(gm_core::unwatched(gm_core::Progress { done: 1, total: 2 }).is_continue());
/// ```
pub fn unwatched(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
