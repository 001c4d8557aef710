//! Visible states for rows of data, and rows of data for visible states. Rows have no units for the class, and are in
//! the units of measure of the data.

use std::borrow::Cow;

use gm_core::{Batch, BatchRef, BitMatrix, Error, Matrix, Purpose, Result, Streams, log_sum_exp};
use rand::RngExt;

use crate::model::Rbm;

impl Rbm {
    /// The number of classes, which are the categories of a group after the other visible units. It is 0 without such a
    /// group.
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

    /// The number of units of a row of data: the visible units without the units of the class.
    #[must_use]
    pub fn row_units(&self) -> usize {
        self.visible() - self.classes()
    }

    /// Refuses rows of data whose kind or number of units is not that of the model.
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

    /// Visible states for rows of data. They are standardised if the model standardises data. If the model has classes,
    /// a class is drawn from p(y | v).
    ///
    /// # Shapes
    ///
    /// `rows` is `[row_units, samples]`, and the result is `[visible, samples]`.
    ///
    /// # Randomness
    ///
    /// If the model has classes, one uniform number for each sample from stream 0 in family 3 of [`Purpose::Choose`].
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

    /// Visible states for rows whose classes are known, `[visible, samples]`.
    ///
    /// # Panics
    ///
    /// Unless there is one class for each row and all are below [`classes`](Self::classes).
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

    /// Rows of data for visible states or their means, `[row_units, samples]`. They have no units for the class, and
    /// are in the units of measure of the data.
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

    /// The free energy -log p - log Z of each row of data, `[samples]`.
    ///
    /// If the model has classes, they are summed out. If it standardises data, p is the density of the data in their
    /// own units of measure.
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

    /// E[h | v] for rows of data, `[hidden, samples]`, exactly. If the model has classes, the class is unknown.
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

    /// The log-density of visible states minus the log-density of their rows of data. It is 0 unless the model
    /// standardises data.
    #[must_use]
    pub fn log_volume(&self) -> f64 {
        self.units().log_volume()
    }
}

/// A class for each column, drawn with the given log-probabilities.
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
