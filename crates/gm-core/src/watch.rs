//! The callback of long computations, which reports progress and may stop them.

use std::ops::ControlFlow;

/// The progress of a long computation.
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow;
///
/// use gm_core::Progress;
///
/// // A callback that shows the progress and stops the computation halfway.
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
    /// Steps in total.
    pub total: usize,
}

/// A callback that receives the progress of a long computation and may stop it by breaking.
///
/// # Examples
///
/// ```
/// use gm_core::{Progress, Watch};
///
/// /// A computation of ten steps.
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

/// A callback that never stops a computation.
///
/// # Examples
///
/// ```
/// assert!(gm_core::unwatched(gm_core::Progress { done: 1, total: 2 }).is_continue());
/// ```
pub fn unwatched(_: Progress) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
