//! The kernels, written once in portable Rust and compiled for each instruction set.
//!
//! Only comparisons, additions, multiplications, divisions and bit operations occur, in a fixed order and without fused
//! multiply-add, so every compilation gives the same bits. The functions that the macro `kernel` compiles for each
//! instruction set inline every function of this folder.

mod accumulate;
mod bits;
mod cell;
mod draw;
mod fixed_point;
mod gradient;
mod in_turn;
mod logistic;
mod one_unit;
mod score;
mod softplus;

pub(super) use accumulate::{accumulate, accumulate_few, accumulate_steps};
pub(super) use bits::{count_shared, transpose_square};
pub(super) use draw::{draw, draw_roughly, reach};
pub(super) use fixed_point::{magnitudes, round_to_steps, scale_steps};
pub(super) use gradient::{add_up, centre, weigh, weigh_neighbours};
pub(super) use in_turn::{add_where, draw_in_turn};
#[cfg(test)]
pub(super) use logistic::logistic_roughly;
pub(super) use logistic::{logistic, logistic_one, temper, temper_one};
pub(super) use one_unit::{add_in_order, add_in_parts};
pub(super) use score::{means, score, score_means};
pub(super) use softplus::{softplus_gain, softplus_sum, softplus_sum_f64};
