//! Visible states for rows of data, and rows of data for visible states. Rows are in the units of measure of the data.

use std::borrow::Cow;

use gm_core::{Batch, BatchRef, Matrix, Result};

use crate::model::Dbm;

impl Dbm {
    /// Visible states for rows of data. They are standardised if the model standardises data.
    ///
    /// # Shapes
    ///
    /// `rows` and the result are `[visible, samples]`.
    ///
    /// # Errors
    ///
    /// As [`check_data`](Self::check_data).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Gaussian, Matrix, Stack, Standardise, VisibleUnits};
    ///
    /// let standardise = Standardise::new(vec![10.0; 2], vec![4.0; 2])?;
    /// let units = VisibleUnits::Gaussian(Gaussian::new(vec![1.0; 2])?.with_standardise(Some(standardise))?);
    /// let dbm = gm_dbm::Dbm::from_stack(Stack::zeros(&[2, 3, 2])?)?.with_units(units)?;
    /// let rows = Matrix::from_column_slice(2, 1, &[14.0, 6.0]);
    /// let v = dbm.states_of_rows(&rows)?;
    /// assert_eq!(v.to_matrix().as_slice(), [1.0, -1.0]);
    /// assert_eq!(dbm.rows_of_states(&v.to_matrix()), rows);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn states_of_rows<'v>(&self, rows: impl Into<BatchRef<'v>>) -> Result<Batch> {
        let rows = rows.into();
        self.check_data("Dbm::states_of_rows", rows)?;
        Ok(match rows {
            BatchRef::Bits(bits) => bits.clone().into(),
            BatchRef::Reals(reals) => self.standardised(reals).into_owned().into(),
        })
    }

    /// Rows of data for visible states or their means, `[visible, samples]`, in the units of measure of the data.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn rows_of_states(&self, v: &Matrix) -> Matrix {
        assert_eq!(v.nrows(), self.visible(), "visible states");
        self.units().standardise().map_or_else(|| v.clone(), |standardise| standardise.undo(v))
    }

    /// Rows of data in the units of measure of the model, `[visible, samples]`.
    ///
    /// # Panics
    ///
    /// When the model standardises data and `rows` has other units than the visible layer.
    #[must_use]
    pub fn standardised<'a>(&self, rows: &'a Matrix) -> Cow<'a, Matrix> {
        self.units().standardised(rows)
    }

    /// The log-density of visible states minus the log-density of their rows of data. It is 0 unless the model
    /// standardises data.
    #[must_use]
    pub fn log_volume(&self) -> f64 {
        self.units().log_volume()
    }
}
