//! The error type of evaluation.

use std::ops::ControlFlow;

use gm_core::{Error as CoreError, Progress, Watch};
use gm_data::Error as DataError;

/// The result of a fallible operation of this crate.
///
/// # Examples
///
/// ```
/// use gm_core::BitMatrix;
/// use gm_eval::{EvalData, Result};
///
/// fn rows(count: usize) -> Result<usize> {
///     Ok(EvalData::from_rows("zeros", BitMatrix::zeros(4, count)).rows.samples())
/// }
/// assert_eq!(rows(10)?, 10);
/// # Ok::<(), gm_eval::Error>(())
/// ```
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, naming the argument, its value and what is allowed.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, unwatched};
/// use gm_eval::{EvalData, EvalSettings, evaluate_rbm};
///
/// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[4, 3])?)?;
/// let wide = EvalData::from_rows("zeros", BitMatrix::zeros(5, 10));
/// let error = evaluate_rbm(&rbm, &wide, &EvalSettings::default(), &mut unwatched).unwrap_err();
/// assert_eq!(error.to_string(), "evaluate_rbm: `data` has units 5, expected 4");
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A model, a setting or an estimate was refused.
    #[error(transparent)]
    Core(CoreError),
    /// Data were refused.
    #[error(transparent)]
    Data(DataError),
    /// A setting does not fit the model or the other settings. Names of other arguments stand in backticks.
    #[error("{op}: `{arg}` is {value}, allowed: {allowed}")]
    Setting {
        /// The operation.
        op: &'static str,
        /// The setting.
        arg: &'static str,
        /// The value given.
        value: String,
        /// The values that fit.
        allowed: String,
    },
    /// A setting has an effect only together with another one, whose name stands in backticks.
    #[error("{op}: `{arg}` {value} needs {needs}")]
    Needs {
        /// The operation.
        op: &'static str,
        /// The setting.
        arg: &'static str,
        /// The value given.
        value: String,
        /// The other setting, with its value.
        needs: String,
    },
}

impl Error {
    /// The refusal of a setting.
    pub(crate) fn setting(
        op: &'static str,
        arg: &'static str,
        value: impl ToString,
        allowed: impl Into<String>,
    ) -> Self {
        Self::Setting { op, arg, value: value.to_string(), allowed: allowed.into() }
    }

    /// The refusal of a setting that lacks another one.
    pub(crate) fn needs(op: &'static str, arg: &'static str, value: impl ToString, needs: &str) -> Self {
        Self::Needs { op, arg, value: value.to_string(), needs: needs.into() }
    }

    /// Whether a callback asked to stop.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = gm_eval::Error::from(gm_core::Error::Interrupted { op: "sample" });
    /// assert!(error.is_interruption());
    /// ```
    #[must_use]
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Core(CoreError::Interrupted { .. }))
    }
}

/// Tells a callback about progress: steps done, and steps in total.
///
/// # Errors
///
/// [`CoreError::Interrupted`] if the callback breaks.
pub(crate) fn tell(watch: Watch<'_>, op: &'static str, (done, total): (usize, usize)) -> Result<()> {
    match watch(Progress { done, total }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(CoreError::Interrupted { op }.into()),
    }
}

impl From<CoreError> for Error {
    fn from(error: CoreError) -> Self {
        Self::Core(error)
    }
}

impl From<DataError> for Error {
    /// What gm-core refused stays its own variant.
    fn from(error: DataError) -> Self {
        match error {
            DataError::Core(error) => Self::Core(error),
            error => Self::Data(error),
        }
    }
}
