//! What training tells whoever watches it.

use std::ops::ControlFlow;
use std::path::Path;

use crate::course::metrics::EpochRecord;

/// Something that happened during training.
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow;
///
/// use gm_train::{Event, RbmSettings, fit_rbm};
///
/// let bars = gm_data::Dataset::builtin("bars-and-stripes:2")?;
/// let settings = RbmSettings { hidden: 3, epochs: 2, batch_size: 4, chains: 10, ..Default::default() };
/// let mut told = Vec::new();
/// let mut observer = |event: &Event<'_>| {
///     match event {
///         Event::Started { total, .. } => told.push(format!("{total} updates")),
///         Event::Epoch { record } => told.push(format!("epoch {}", record.epoch)),
///         _ => {}
///     }
///     ControlFlow::Continue(())
/// };
/// fit_rbm(&bars, &settings, &gm_core::Streams::new(1), &mut observer)?;
/// assert_eq!(told, ["4 updates", "epoch 1", "epoch 2"]);
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Training begins or continues.
    Started {
        /// Updates made before.
        step: u64,
        /// Updates of the whole run.
        total: u64,
        /// Epochs of the whole run.
        epochs: u64,
        /// Training examples.
        rows: usize,
        /// Weights and biases.
        parameters: usize,
    },
    /// Another part of the model begins to learn.
    Stage {
        /// Which.
        name: &'a str,
    },
    /// An update was made.
    Step {
        /// Updates made so far.
        step: u64,
        /// Updates of the whole run.
        total: u64,
        /// The epoch to which the update belongs, from 1.
        epoch: u64,
        /// Epochs of the whole run.
        epochs: u64,
        /// Training examples a second, on average since the start.
        examples_per_second: f64,
    },
    /// An epoch ended and its figures are known.
    Epoch {
        /// The figures.
        record: &'a EpochRecord,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Its file.
        path: &'a Path,
        /// Updates made so far.
        step: u64,
    },
    /// Something is not as it should be, but training goes on.
    Warning {
        /// What, in a sentence.
        text: &'a str,
    },
    /// Figures that take long, such as an annealing at the end of an epoch, have come so far.
    Measuring {
        /// Steps done.
        done: u64,
        /// All steps.
        total: u64,
    },
    /// Training came to its end.
    Finished {
        /// Updates made.
        step: u64,
        /// Epochs made.
        epoch: u64,
        /// Whether early stopping ended it.
        stopped_early: bool,
    },
}

/// Watches training and may interrupt it.
///
/// Any closure `FnMut(&Event) -> ControlFlow<()>` is an observer. Breaking interrupts the run after the current
/// update; a run on disk then writes a checkpoint. Warnings and the end cannot be broken.
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow;
/// use gm_train::{Event, Outcome, RbmSettings, fit_rbm};
///
/// let bars = gm_data::Dataset::builtin("bars-and-stripes:2")?;
/// let settings = RbmSettings { hidden: 3, epochs: 5, batch_size: 4, chains: 10, ..Default::default() };
/// let mut stop = |event: &Event<'_>| match event {
///     Event::Step { step: 3.., .. } => ControlFlow::Break(()),
///     _ => ControlFlow::Continue(()),
/// };
/// let fit = fit_rbm(&bars, &settings, &gm_core::Streams::new(1), &mut stop)?;
/// assert_eq!(fit.outcome, Outcome::Interrupted { step: 3 });
/// # Ok::<(), gm_train::Error>(())
/// ```
pub trait Observer: Send {
    /// Takes notice of an event.
    fn event(&mut self, event: &Event<'_>) -> ControlFlow<()>;
}

impl<F: FnMut(&Event<'_>) -> ControlFlow<()> + Send> Observer for F {
    fn event(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        self(event)
    }
}

/// An observer that watches nothing.
///
/// # Examples
///
/// ```
/// use gm_train::{Event, Observer, Unobserved};
///
/// assert!(Unobserved.event(&Event::Warning { text: "ignored" }).is_continue());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn event(&mut self, _: &Event<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
