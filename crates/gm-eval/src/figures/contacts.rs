//! Which groups of visible units depend on each other: effective couplings of a model of sequences.

use std::ops::Range;

use gm_core::layer::Gauge;
use gm_core::{Batch, Error as CoreError, Matrix};
use gm_harmonium::Harmonium;
use rayon::prelude::*;

use crate::error::Result;
use crate::model::Model;

/// How strongly groups of visible units, such as the columns of an alignment, depend on each other.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Matrix, ModelData, ModelKind, Stack, Vector, VisibleKind};
/// use gm_eval::{Contacts, Model};
///
/// // One hidden unit ties the first two of three groups.
/// let weights = Matrix::from_row_slice(6, 1, &[2.0, -2.0, 2.0, -2.0, 0.0, 0.0]);
/// let stack = Stack::new(vec![weights], vec![Vector::zeros(6), Vector::zeros(1)])?;
/// let data = ModelData::from_stack(ModelKind::Rbm, stack)?;
/// let model = Model::from_data(ModelData { visible: VisibleKind::Softmax { categories: 2 }, ..data })?;
/// // At this row the hidden unit has the input 0, the variance 1/4, and the four couplings are 1 or -1.
/// let rows = BitMatrix::from_fn(6, 1, |unit, _| [0, 3, 4].contains(&unit));
/// let contacts = Contacts::new(&model, &rows.into(), None)?;
/// assert!((contacts.norms[(0, 1)] - 2.0).abs() < 1e-6 && contacts.norms[(0, 2)] == 0.0);
/// # Ok::<(), gm_eval::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Contacts {
    /// The Frobenius norm of the effective couplings of two groups in the zero-sum gauge, `[groups, groups]`; 0 of a group with
    /// itself.
    pub norms: Matrix,
    /// The norms less what the two groups have with all others (average product correction), `[groups, groups]`.
    pub scores: Matrix,
}

impl Contacts {
    /// Effective couplings J = W D W' of a restricted Boltzmann machine or harmonium, where D has the variance of each hidden
    /// unit given the visible ones, in the mean over rows. They are the mean over rows of the second derivatives of ln p(v) by
    /// the visible units, and the couplings themselves where hidden units are Gaussian. Norms leave out the category `ignored`,
    /// such as the gap of an alignment, which neighbours share.
    ///
    /// # Errors
    ///
    /// [`gm_core::Error::Param`] for other models and for visible units without groups, [`gm_core::Error::Empty`] without rows,
    /// and an error for rows of another width.
    ///
    /// # Source
    ///
    /// `tubiana2019learning` for the couplings, `ekeberg2013improved` for norm and correction.
    pub fn new(model: &Model, rows: &Batch, ignored: Option<usize>) -> Result<Self> {
        let refuse = || {
            let value = format!("{} with {} visible units", model.kind().noun(), model.visible_kind());
            let allowed = "an rbm or harmonium with softmax visible units";
            CoreError::Param { op: "Contacts::new", arg: "model", value, allowed }
        };
        let harmonium = match model {
            Model::Harmonium(harmonium) => harmonium.clone(),
            Model::Rbm(rbm) => Harmonium::from_stack(rbm.stack(), rbm.units())?,
            _ => return Err(refuse().into()),
        };
        let groups = harmonium.visible().groups();
        if groups.is_empty() {
            return Err(refuse().into());
        }
        if rows.samples() == 0 {
            return Err(CoreError::Empty { op: "Contacts::new", arg: "rows" }.into());
        }
        harmonium.check_data("Contacts::new", rows.view())?;
        let gauged = harmonium.gauged(Gauge::ZeroSum)?;
        let variances = gauged.hidden().variances(&gauged.inputs_h_from_v(rows.view()));
        let spread: Vec<f32> = variances.row_iter().map(|row| row.mean()).collect();
        let norms = norms((gauged.weights(), &spread), &groups, ignored);
        let scores = corrected(&norms);
        Ok(Self { norms, scores })
    }
}

/// The norms of the blocks of W D W'.
fn norms((weights, spread): (&Matrix, &[f32]), groups: &[Range<usize>], ignored: Option<usize>) -> Matrix {
    let turned = weights.transpose();
    let columns: Vec<Vec<f32>> = groups
        .par_iter()
        .map(|first| {
            let mut own = turned.columns(first.start, first.len()).into_owned();
            own.row_iter_mut().zip(spread).for_each(|(mut row, variance)| row *= *variance);
            let couplings = weights * own;
            let kept = |group: &Range<usize>, unit: usize| Some(unit - group.start) != ignored;
            let norm = |other: &Range<usize>| {
                let pairs = first.clone().flat_map(|own| other.clone().map(move |unit| (own, unit)));
                let pairs = pairs.filter(|&(own, unit)| other != first && kept(first, own) && kept(other, unit));
                pairs.map(|(own, unit)| couplings[(unit, own - first.start)].powi(2)).sum::<f32>().sqrt()
            };
            groups.iter().map(norm).collect()
        })
        .collect();
    Matrix::from_fn(groups.len(), groups.len(), |i, j| columns[i.max(j)][i.min(j)])
}

/// Norms less the product of the means of both groups over the mean of all pairs.
fn corrected(norms: &Matrix) -> Matrix {
    let count = norms.nrows();
    let others = (count.max(2) - 1) as f32;
    let means: Vec<f32> = norms.row_iter().map(|row| row.sum() / others).collect();
    let all = means.iter().sum::<f32>() / count as f32;
    Matrix::from_fn(count, count, |i, j| match i == j || all == 0.0 {
        true => 0.0,
        false => norms[(i, j)] - means[i] * means[j] / all,
    })
}

#[cfg(test)]
mod tests {
    use gm_core::layer::LayerSpec;
    use gm_core::{Streams, Vector};

    use super::*;

    fn random(hidden: &str) -> Harmonium {
        let layer = |text: &str, units| text.parse::<LayerSpec>().unwrap().layer(units).unwrap();
        let (visible, hidden) = (layer("softmax:3", 9), layer(hidden, 2));
        Harmonium::initial((&visible, &hidden), (&[0.3; 9], &[0.2; 9]), 0.6, &Streams::new(1)).unwrap()
    }

    /// The norm of the interaction of two groups in ln p(v), centred over both groups, the other group being fixed.
    fn interaction(model: &Harmonium, i: usize, j: usize) -> f64 {
        let state = |a: usize, b: usize| {
            let mut v = Matrix::zeros(9, 1);
            (0..3).for_each(|group| v[(3 * group, 0)] = 1.0);
            for (group, letter) in [(i, a), (j, b)] {
                (0..3).for_each(|k| v[(3 * group + k, 0)] = f32::from(u8::from(k == letter)));
            }
            -model.free_energy(&v)[0]
        };
        let table: Vec<f64> = (0..9).map(|at| state(at / 3, at % 3)).collect();
        let mean = |kept: &dyn Fn(usize) -> bool, count: f64| {
            table.iter().enumerate().filter(|(at, _)| kept(*at)).map(|(_, x)| x / count).sum::<f64>()
        };
        let centred = |at: usize| {
            let of_both = mean(&|other| other / 3 == at / 3, 3.0) + mean(&|other| other % 3 == at % 3, 3.0);
            table[at] - of_both + mean(&|_| true, 9.0)
        };
        (0..9).map(|at| centred(at).powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn norms_are_those_of_the_couplings_of_a_gaussian_hidden_layer() {
        let model = random("gaussian");
        let rows = model.chains(7, &Streams::new(2)).v;
        let contacts = Contacts::new(&Model::Harmonium(model.clone()), &rows, None).unwrap();
        for (i, j) in [(0, 1), (0, 2), (1, 2)] {
            let (found, exact) = (f64::from(contacts.norms[(i, j)]), interaction(&model, i, j));
            assert!((found - exact).abs() < 1e-4 * exact && exact > 0.05, "{i}, {j}: {found} {exact}");
            assert!((contacts.norms[(j, i)] - contacts.norms[(i, j)]).abs() < f32::EPSILON);
        }
        // Without one of three categories the squares of the others are left.
        let ignoring = |ignored| {
            let contacts = Contacts::new(&Model::Harmonium(model.clone()), &rows, ignored).unwrap();
            contacts.norms[(0, 1)].powi(2)
        };
        let parts: f32 = (0..3).map(|category| ignoring(Some(category))).sum();
        assert!(parts < 3.0 * ignoring(None) && parts > ignoring(None));
        assert!((ignoring(Some(7)) - ignoring(None)).abs() < f32::EPSILON);
        // Other hidden units have couplings of every order, of which these are the mean of the second.
        let bits = Contacts::new(&Model::Harmonium(random("drelu")), &rows, None).unwrap();
        assert!(bits.norms.iter().all(|norm| norm.is_finite()));
    }

    #[test]
    fn table_the_correction_leaves_nothing_of_what_groups_have_with_all_others() {
        let strength = Vector::from_vec(vec![1.0, 2.0, 3.0, 4.0]);
        let mut norms = &strength * strength.transpose();
        norms.fill_diagonal(0.0);
        norms[(0, 3)] += 5.0;
        norms[(3, 0)] += 5.0;
        let scores = corrected(&norms);
        let best = scores.iter().copied().fold(f32::MIN, f32::max);
        assert_eq!(best, scores[(0, 3)]);
        assert!(corrected(&Matrix::zeros(3, 3)).iter().all(|score| *score == 0.0));
    }

    #[test]
    fn table_other_models_and_rows_are_refused() {
        let plain = gm_core::ModelData::from_stack(gm_core::ModelKind::Rbm, gm_core::Stack::zeros(&[4, 3]).unwrap());
        let error =
            Contacts::new(&Model::from_data(plain.unwrap()).unwrap(), &Matrix::zeros(4, 1).into(), None).unwrap_err();
        assert!(error.to_string().contains("allowed: an rbm or harmonium with softmax visible units"), "{error}");
        let model = Model::Harmonium(random("spin"));
        assert!(Contacts::new(&model, &Matrix::zeros(9, 0).into(), None).unwrap_err().to_string().contains("rows"));
        assert!(Contacts::new(&model, &Matrix::zeros(9, 1).into(), None).is_err(), "no letter is on");
    }
}
