//! The models whose parameters an ascent moves.

use gm_ascent::Ascending;
use gm_core::{Stack, VisibleUnits};
use gm_dbm::Dbm;
use gm_dbn::Dbn;
use gm_rbm::Rbm;
use gm_sbn::Sbn;

/// The parameters of a model, which an ascent moves.
pub(crate) struct Parameters<'a, M>(pub(crate) &'a mut M);

impl Ascending for Parameters<'_, Rbm> {
    fn stack_mut(&mut self) -> &mut Stack {
        self.0.stack_mut()
    }

    fn units_mut(&mut self) -> Option<&mut VisibleUnits> {
        Some(self.0.units_mut())
    }
}

impl Ascending for Parameters<'_, Dbm> {
    fn stack_mut(&mut self) -> &mut Stack {
        self.0.stack_mut()
    }

    fn units_mut(&mut self) -> Option<&mut VisibleUnits> {
        Some(self.0.units_mut())
    }
}

impl Ascending for Parameters<'_, Sbn> {
    fn stack_mut(&mut self) -> &mut Stack {
        self.0.stack_mut()
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.0.tensors_mut()
    }
}

impl Ascending for Parameters<'_, Dbn> {
    fn stack_mut(&mut self) -> &mut Stack {
        self.0.stack_mut()
    }

    fn tensors_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.0.tensors_mut()
    }
}
