//! Pictures: tiles of units, learning curves and the lettering of both.

mod canvas;
mod chart;
mod logo;
mod strokes;
mod tiles;

pub(crate) use canvas::Canvas;
pub(crate) use chart::{Chart, Curve, colour_rules};
pub(crate) use logo::{file as logo_file, logos};
pub(crate) use tiles::{PAPER, Shape, blocks, filters, grey, grid, samples, scale_for, shape_of, weight_range};
