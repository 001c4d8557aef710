//! The error type of evaluation.

use gm_core::Error as CoreError;
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
