//! Rows of data as the model sees them, and back: without the units of a class, and before they were standardised.

use std::borrow::Cow;

use gm_core::{Batch, BatchRef, BitMatrix, Error, Matrix, Purpose, Result, Streams, log_sum_exp};
use rand::RngExt;

use crate::model::Rbm;

impl Rbm {
    /// Classes that the group behind the other visible units tells apart; 0 without such a group.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Stack, VisibleKind, VisibleUnits};
    ///
    /// let units = VisibleUnits::new(VisibleKind::Labelled { classes: 4 }, 10, None)?;
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[10, 3])?)?.with_units(units)?;
    /// assert_eq!((rbm.classes(), rbm.row_units()), (4, 6));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn classes(&self) -> usize {
        self.class_group().map_or(0, |group| group.categories())
    }

    /// Units of a row of data: the visible ones but for those of the class.
    #[must_use]
    pub fn row_units(&self) -> usize {
        self.visible() - self.classes()
    }

    /// Refuses rows of data that this model does not speak of.
    ///
    /// # Errors
    ///
    /// As [`check_data`](Self::check_data).
    pub fn check_rows<'v>(&self, op: &'static str, rows: impl Into<BatchRef<'v>>) -> Result<()> {
        let rows = rows.into();
        if self.classes() == 0 {
            return self.check_data(op, rows);
        }
        gm_core::check_len(op, "data", "units", rows.units(), self.row_units())?;
        match rows {
            BatchRef::Bits(_) => Ok(()),
            BatchRef::Reals(_) => {
                let (arg, value) = ("data", "real numbers".into());
                Err(Error::Param { op, arg, value, allowed: "zeros and ones for binary units" })
            }
        }
    }

    /// Visible states for rows of data: standardised where the model speaks of standardised data, and with a class drawn from
    /// p(y | v) where it has one.
    ///
    /// # Shapes
    ///
    /// `rows` is `[row_units, samples]`, the result `[visible, samples]`.
    ///
    /// # Randomness
    ///
    /// One uniform number a sample from stream 0 of [`Purpose::Choose`] 3, for a class.
    ///
    /// # Errors
    ///
    /// As [`check_rows`](Self::check_rows).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack, Streams, VisibleKind, VisibleUnits};
    ///
    /// let units = VisibleUnits::new(VisibleKind::Labelled { classes: 4 }, 10, None)?;
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[10, 3])?)?.with_units(units)?;
    /// let v = rbm.states_of_rows(&BitMatrix::zeros(6, 5), &Streams::new(1))?;
    /// assert_eq!(v.bits().ones_per_sample(), [1; 5]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn states_of_rows<'v>(&self, rows: impl Into<BatchRef<'v>>, streams: &Streams) -> Result<Batch> {
        const OP: &str = "Rbm::states_of_rows";
        let rows = rows.into();
        self.check_rows(OP, rows)?;
        match rows {
            BatchRef::Bits(bits) if self.classes() > 0 => {
                let log_p = self.log_class_probs(bits)?;
                Ok(self.with_classes(bits, &drawn(&log_p, streams)).into())
            }
            BatchRef::Bits(bits) => Ok(bits.clone().into()),
            BatchRef::Reals(reals) => Ok(self.standardised(reals).into_owned().into()),
        }
    }

    /// Rows with the unit of a class on behind each, `[visible, samples]`.
    ///
    /// # Panics
    ///
    /// When there is not one class a row, or one is not below [`classes`](Self::classes).
    #[must_use]
    pub fn with_classes(&self, rows: &BitMatrix, classes: &[usize]) -> BitMatrix {
        assert_eq!(classes.len(), rows.samples(), "a class for each row");
        let mut joined = rows.widened(self.classes());
        for (sample, class) in classes.iter().enumerate() {
            assert!(*class < self.classes(), "class {class} of {}", self.classes());
            joined.set(rows.units() + class, sample, true);
        }
        joined
    }

    /// Rows of data for visible states or their means, `[row_units, samples]`: without the units of a class, in the units of
    /// measure that the data had.
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer.
    #[must_use]
    pub fn rows_of_states(&self, v: &Matrix) -> Matrix {
        assert_eq!(v.nrows(), self.visible(), "visible states");
        match self.units().standardise() {
            Some(standardise) => standardise.undo(v),
            None => v.rows(0, self.row_units()).into_owned(),
        }
    }

    /// -log p - log Z of each row of data, `[samples]`: the free energy, with the class summed out where there is one, and
    /// with the logarithm of the volume where data were standardised, so that p is the density of the data as they are.
    ///
    /// # Errors
    ///
    /// As [`check_rows`](Self::check_rows).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack, VisibleKind, VisibleUnits};
    ///
    /// let units = VisibleUnits::new(VisibleKind::Labelled { classes: 4 }, 10, None)?;
    /// let rbm = gm_rbm::Rbm::from_stack(Stack::zeros(&[10, 3])?)?.with_units(units)?;
    /// let log_p = -rbm.free_energy_of_rows(&BitMatrix::zeros(6, 1))?[0] - rbm.log_partition()?;
    /// assert!((log_p - 0.5_f64.powi(6).ln()).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn free_energy_of_rows<'v>(&self, rows: impl Into<BatchRef<'v>>) -> Result<Vec<f64>> {
        let rows = rows.into();
        self.check_rows("Rbm::free_energy_of_rows", rows)?;
        if self.classes() > 0 {
            return Ok(self.log_class_weights(rows)?.iter().map(|weights| -log_sum_exp(weights)).collect());
        }
        let BatchRef::Reals(reals) = rows else { return Ok(self.free_energy(rows)) };
        let volume = self.units().log_volume();
        Ok(self.free_energy(&*self.standardised(reals)).iter().map(|f| f + volume).collect())
    }

    /// E[h | v] for rows of data, `[hidden, samples]`, exactly: with an unknown class where there is one.
    ///
    /// # Errors
    ///
    /// As [`check_rows`](Self::check_rows).
    pub fn mean_h_of_rows<'v>(&self, rows: impl Into<BatchRef<'v>>) -> Result<Matrix> {
        const OP: &str = "Rbm::mean_h_of_rows";
        let rows = rows.into();
        self.check_rows(OP, rows)?;
        match rows {
            _ if self.classes() > 0 => self.mean_h_of_any_class(OP, rows),
            BatchRef::Bits(bits) => Ok(self.couplings().mean_h_from_v(self, bits.into()).to_matrix()),
            BatchRef::Reals(reals) => Ok(self.mean_h_from_v(&self.standardised(reals))),
        }
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

    /// Log-density of visible states minus the log-density of their rows of data; 0 unless data are standardised.
    #[must_use]
    pub fn log_volume(&self) -> f64 {
        self.units().log_volume()
    }
}

/// A class of each column, drawn with the given log-probabilities.
fn drawn(log_p: &Matrix, streams: &Streams) -> Vec<usize> {
    let mut stream = streams.fork(Purpose::Choose, 3).stream(0);
    let draw = |column: &[f32]| {
        let mut left = stream.random::<f64>();
        let found = column.iter().position(|&log_p| {
            left -= f64::from(log_p).exp();
            left < 0.0
        });
        found.unwrap_or(column.len() - 1)
    };
    log_p.as_slice().chunks(log_p.nrows()).map(draw).collect()
}
