//! Given values of visible units: from rows of data to states, and back into means.

use gm_core::{Batch, BitMatrix, Clamp, Matrix, VisibleKind, check_len};
use gm_dbm::Dbm;
use gm_rbm::Rbm;

use crate::error::Result;
use crate::model::check_values;

/// Refuses a clamp that does not belong to these units and this many chains.
pub(super) fn check_clamp(
    op: &'static str,
    clamp: &Clamp,
    (kind, units): (VisibleKind, usize),
    chains: usize,
) -> Result<()> {
    check_values(op, "clamp", kind, &clamp.values)?;
    check_len(op, "clamp.mask", "units", clamp.mask.units(), units)?;
    check_len(op, "clamp.mask", "samples", clamp.mask.samples(), chains)?;
    check_len(op, "clamp.values", "units", clamp.values.units(), units)?;
    Ok(check_len(op, "clamp.values", "samples", clamp.values.samples(), chains)?)
}

/// Given values of rows of data as given states of the visible layer of an RBM.
pub(super) fn rbm_clamp(rbm: &Rbm, Clamp { mask, values }: Clamp) -> Clamp {
    let free = rbm.classes();
    match values {
        Batch::Bits(bits) => Clamp { mask: mask.widened(free), values: bits.widened(free).into() },
        Batch::Reals(reals) => Clamp { mask, values: rbm.standardised(&reals).into_owned().into() },
    }
}

/// Given values of rows of data as given states of the visible layer of a DBM.
pub(super) fn dbm_clamp(dbm: &Dbm, Clamp { mask, values }: Clamp) -> Clamp {
    match values {
        Batch::Reals(reals) => Clamp { mask, values: dbm.standardised(&reals).into_owned().into() },
        bits => Clamp { mask, values: bits },
    }
}

/// The same given states, with a class for each chain that its label units keep.
pub(super) fn with_classes(rbm: &Rbm, clamp: Option<Clamp>, classes: &[usize]) -> Clamp {
    let none = || BitMatrix::zeros(rbm.visible(), classes.len());
    let mut clamp = clamp.unwrap_or_else(|| Clamp { mask: none(), values: none().into() });
    for (chain, &chosen) in classes.iter().enumerate() {
        for class in 0..rbm.classes() {
            clamp.mask.set(rbm.row_units() + class, chain, true);
            clamp.values.bits_mut().set(rbm.row_units() + class, chain, class == chosen);
        }
    }
    clamp
}

/// Means in which given units have their given values.
pub(super) fn with_given(means: Matrix, mask: &BitMatrix, values: &Batch) -> Matrix {
    let mut means = Batch::Reals(means);
    means.replace_where(mask, &values.to_matrix().into());
    means.to_matrix()
}
