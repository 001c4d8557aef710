//! States of visible units for rows of data, and rows of data for states.

use std::borrow::Cow;

use gm_core::{Batch, BatchRef, Matrix, Result};

use crate::model::Dbn;

impl Dbn {
    /// Visible states for rows of data, standardised where the network was trained on standardised data.
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
    /// use gm_core::{Matrix, Stack, Standardise, VisibleKind, VisibleUnits};
    ///
    /// let mut units = VisibleUnits::new(VisibleKind::Gaussian, 1, None)?;
    /// if let Some(gaussian) = units.gaussian_mut() {
    ///     *gaussian = gaussian.clone().with_standardise(Some(Standardise::new(vec![10.0], vec![2.0])?))?;
    /// }
    /// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[1, 3, 2])?, None)?.with_units(units)?;
    /// let states = dbn.states_of_rows(&Matrix::from_element(1, 1, 14.0))?.to_matrix();
    /// assert_eq!((states[(0, 0)], dbn.rows_of_states(&states)[(0, 0)]), (2.0, 14.0));
    /// // A density of the rows is that of the states over the volume of a unit of them.
    /// assert!((dbn.log_volume() - 2.0_f64.ln()).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn states_of_rows<'v>(&self, rows: impl Into<BatchRef<'v>>) -> Result<Batch> {
        let rows = rows.into();
        self.check_data("Dbn::states_of_rows", rows)?;
        Ok(match rows {
            BatchRef::Bits(bits) => bits.clone().into(),
            BatchRef::Reals(reals) => self.standardised(reals).into_owned().into(),
        })
    }

    /// Rows of data for visible states or their means, `[visible, samples]`, in the units of measure that the data had.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn rows_of_states(&self, v: &Matrix) -> Matrix {
        assert_eq!(v.nrows(), self.visible(), "visible states");
        self.units().standardise().map_or_else(|| v.clone(), |standardise| standardise.undo(v))
    }

    /// Rows of data in the units of measure of the network, `[visible, samples]`.
    ///
    /// # Panics
    ///
    /// When the network standardises data and `rows` has other units than the visible layer.
    #[must_use]
    pub fn standardised<'a>(&self, rows: &'a Matrix) -> Cow<'a, Matrix> {
        self.units().standardised(rows)
    }

    /// The log-density of states minus the log-density of their rows of data. It is 0 where data are not standardised.
    #[must_use]
    pub fn log_volume(&self) -> f64 {
        self.units().log_volume()
    }
}
