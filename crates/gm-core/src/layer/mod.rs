//! Layers of units of any kind.
//!
//! [`UnitKind`] is the sheet of questions that a kind of unit answers, with one file for each kind. A [`Layer`] has the
//! units, their kinds and their parameters, and asks the same questions for all units and samples at once. Models ask
//! layers alone and so work for every kind. Begin with `kind.rs`.

mod bernoulli;
mod binomial;
mod drelu;
mod gauge;
mod gaussian;
mod half;
mod kind;
mod relu;
mod softmax;
mod spec;
mod spin;
mod states;

use std::ops::Range;
use std::sync::Arc;

pub use bernoulli::Bernoulli;
pub use binomial::Binomial;
pub use drelu::DoubleRelu;
pub use gauge::Gauge;
pub use gaussian::Gaussian;
pub use kind::{Measure, UnitKind, UnitParameter};
pub use relu::Relu;
pub use softmax::Softmax;
pub use spec::LayerSpec;
pub use spin::Spin;

use crate::batch::BatchRef;
use crate::error::{Error, Result, check_finite, check_len};
use crate::numerics::widened;
use crate::stack::Matrix;

/// The least value of a parameter that must be above 0.
const LEAST: f32 = 1e-6;

/// A layer: units, their kinds and their parameters.
///
/// Units of several kinds may stand beside each other. The energy of a state x is sum over sites of e(x), and an input I
/// adds -I' x.
///
/// # Shapes
///
/// Parameters stand site after site; within a site as [`UnitKind`] says. Inputs and states are `[units, samples]`.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use gm_core::Matrix;
/// use gm_core::layer::{Layer, Spin};
///
/// let layer = Layer::new(Arc::new(Spin), 3)?;
/// let found = layer.cumulants(&Matrix::from_element(3, 2, 1.0));
/// assert!((found[1] - 3.0 * (2.0 * 1.0_f64.cosh()).ln()).abs() < 1e-12);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Layer {
    parts: Vec<Part>,
    parameters: Vec<f32>,
    units: usize,
    /// Whether all units are Bernoulli units.
    bernoulli: bool,
}

/// Sites of one kind beside each other.
#[derive(Clone, Debug)]
struct Part {
    kind: Arc<dyn UnitKind>,
    sites: usize,
}

impl Part {
    /// Units of all sites.
    fn units(&self) -> usize {
        self.sites * self.kind.width()
    }

    /// Parameters of a site.
    fn per_site(&self) -> usize {
        self.kind.parameters().len() * self.kind.width()
    }
}

/// Two layers are equal if their kinds have equal names and all parameters are equal.
impl PartialEq for Layer {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name() && self.units == other.units && self.parameters == other.parameters
    }
}

impl Layer {
    /// A layer of so many sites of a kind, with the parameters that the kind starts with.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] without sites.
    pub fn new(kind: Arc<dyn UnitKind>, sites: usize) -> Result<Self> {
        if sites == 0 {
            return Err(Error::Empty { op: "Layer::new", arg: "sites" });
        }
        let width = kind.width();
        let of_site = kind.parameters().iter().flat_map(|parameter| std::iter::repeat_n(parameter.start, width));
        let parameters = of_site.collect::<Vec<_>>().repeat(sites);
        let bernoulli = kind.is_bernoulli();
        Ok(Self { units: sites * width, parts: vec![Part { kind, sites }], parameters, bernoulli })
    }

    /// Layers beside each other as one.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`] without layers.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use gm_core::layer::{Layer, Gaussian, Spin};
    ///
    /// let mixed = Layer::beside(vec![Layer::new(Arc::new(Gaussian), 2)?, Layer::new(Arc::new(Spin), 3)?])?;
    /// assert_eq!((mixed.units(), mixed.name().as_str()), (5, "gaussian*2+spin*3"));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn beside(layers: Vec<Self>) -> Result<Self> {
        let mut layers = layers.into_iter();
        let mut all = layers.next().ok_or(Error::Empty { op: "Layer::beside", arg: "layers" })?;
        for layer in layers {
            all.parts.extend(layer.parts);
            all.parameters.extend(layer.parameters);
            all.units += layer.units;
            all.bernoulli &= layer.bernoulli;
        }
        Ok(all)
    }

    /// The number of units.
    #[must_use]
    pub fn units(&self) -> usize {
        self.units
    }

    /// The kinds of the units, as [`LayerSpec`] reads them; with numbers if there are several kinds.
    #[must_use]
    pub fn name(&self) -> String {
        match self.parts.as_slice() {
            [part] => part.kind.name(),
            parts => {
                let names = parts.iter().map(|part| format!("{}*{}", part.kind.name(), part.sites));
                names.collect::<Vec<_>>().join("+")
            }
        }
    }

    /// The kind of each site, in order.
    #[must_use]
    pub fn kinds(&self) -> Vec<Arc<dyn UnitKind>> {
        self.parts.iter().flat_map(|part| std::iter::repeat_n(part.kind.clone(), part.sites)).collect()
    }

    /// Whether all states are zeros and ones, which are kept as bits.
    #[must_use]
    pub fn is_binary(&self) -> bool {
        self.parts.iter().all(|part| part.kind.is_binary())
    }

    /// All parameters, site after site.
    #[must_use]
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    /// The same layer with other parameters.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for another number, [`Error::NonFinite`] for NaN or an infinity, [`Error::Param`] for one that must
    /// be above 0 and is not.
    pub fn with_parameters(mut self, parameters: Vec<f32>) -> Result<Self> {
        const OP: &str = "Layer::with_parameters";
        check_len(OP, "parameters", "length", parameters.len(), self.parameters.len())?;
        check_finite(OP, "parameters", &parameters)?;
        for (at, &value) in self.positive().zip(&parameters).filter(|(positive, _)| positive.is_some()) {
            if value <= 0.0 {
                let value = format!("{value} for {}", at.unwrap_or_default());
                return Err(Error::Param { op: OP, arg: "parameters", value, allowed: "positive numbers" });
            }
        }
        self.parameters = parameters;
        Ok(self)
    }

    /// The name of each parameter that must be above 0.
    fn positive(&self) -> impl Iterator<Item = Option<&'static str>> {
        self.parts.iter().flat_map(|part| {
            let width = part.kind.width();
            let of =
                |parameter: &UnitParameter| std::iter::repeat_n(parameter.positive.then_some(parameter.name), width);
            part.kind.parameters().iter().flat_map(of).collect::<Vec<_>>().repeat(part.sites)
        })
    }

    /// The parameters by name, each with one number for every unit of its part. A layer of several kinds numbers its parts:
    /// `0.theta`, `1.theta`.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::layer::LayerSpec;
    ///
    /// let layer = "gaussian".parse::<LayerSpec>()?.layer(2)?;
    /// assert_eq!(layer.tensors()[1], ("gamma".to_string(), vec![1.0, 1.0]));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn tensors(&self) -> Vec<(String, Vec<f32>)> {
        let (mut tensors, mut first) = (vec![], 0);
        for (at, part) in self.parts.iter().enumerate() {
            let (width, per_site) = (part.kind.width(), part.per_site());
            let numbers = &self.parameters[first..first + part.sites * per_site];
            for (p, parameter) in part.kind.parameters().iter().enumerate() {
                let of_sites = numbers.chunks(per_site).flat_map(|site| &site[p * width..(p + 1) * width]);
                tensors.push((self.tensor_name(at, parameter.name), of_sites.copied().collect()));
            }
            first += numbers.len();
        }
        tensors
    }

    /// The first parameter of each unit, `[units]`, which files keep as its bias.
    #[must_use]
    pub fn biases(&self) -> Vec<f32> {
        let mut biases = Vec::with_capacity(self.units);
        self.each_site(|_, units, at| biases.extend(&self.parameters[at][..units.len()]));
        biases
    }

    /// The names of the tensors that [`biases`](Self::biases) joins.
    pub(crate) fn bias_names(&self) -> Vec<String> {
        let first = |(at, part): (usize, &Part)| self.tensor_name(at, part.kind.parameters()[0].name);
        self.parts.iter().enumerate().map(first).collect()
    }

    fn tensor_name(&self, part: usize, name: &str) -> String {
        if self.parts.len() == 1 { name.into() } else { format!("{part}.{name}") }
    }

    /// The same layer with the parameters that `find` gives for the names of [`tensors`](Self::tensors).
    ///
    /// # Errors
    ///
    /// Those of `find`, and those of [`with_parameters`](Self::with_parameters).
    pub fn with_tensors(self, mut find: impl FnMut(&str) -> Result<Vec<f32>>) -> Result<Self> {
        let mut parameters = vec![];
        for (at, part) in self.parts.iter().enumerate() {
            let (width, units) = (part.kind.width(), part.units());
            let mut tensors = vec![];
            for parameter in part.kind.parameters() {
                let name = self.tensor_name(at, parameter.name);
                let tensor = find(&name)?;
                check_len("Layer::with_tensors", name, "length", tensor.len(), units)?;
                tensors.push(tensor);
            }
            for site in 0..part.sites {
                tensors.iter().for_each(|tensor| parameters.extend(&tensor[site * width..(site + 1) * width]));
            }
        }
        self.with_parameters(parameters)
    }

    /// Moves the parameters to new values, as a step of training does. A parameter that must be above 0 stays there: it
    /// changes by at most a tenth of itself.
    ///
    /// # Panics
    ///
    /// When the number of values is not that of the parameters.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut layer = "gaussian".parse::<gm_core::layer::LayerSpec>()?.layer(1)?;
    /// layer.move_to(&[3.0, -5.0]);
    /// assert_eq!(layer.parameters(), [3.0, 0.9]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn move_to(&mut self, values: &[f32]) {
        assert_eq!(values.len(), self.parameters.len(), "a value for each parameter");
        let positive: Vec<bool> = self.positive().map(|name| name.is_some()).collect();
        for ((value, &next), positive) in self.parameters.iter_mut().zip(values).zip(positive) {
            *value = if positive { next.clamp(0.9 * *value, 1.1 * *value).max(LEAST) } else { next };
        }
    }

    /// Adds a step to each parameter, as [`move_to`](Self::move_to).
    ///
    /// # Panics
    ///
    /// When the number of steps is not that of the parameters.
    pub fn step(&mut self, steps: &[f32]) {
        assert_eq!(steps.len(), self.parameters.len(), "a step for each parameter");
        let next: Vec<f32> = self.parameters.iter().zip(steps).map(|(value, step)| value + step).collect();
        self.move_to(&next);
    }

    /// The changes of the units of measure that each unit allows, `[units]`.
    #[must_use]
    pub fn measures(&self) -> Vec<Measure> {
        let mut measures = vec![];
        self.each_site(|kind, units, _| measures.extend(std::iter::repeat_n(kind.measure(), units.len())));
        measures
    }

    /// The shift and the scale of each unit, `[units]` each, that standardise data as far as the kinds of units allow: to
    /// mean 0 and variance 1, or to mean square 1, or not at all.
    ///
    /// # Shapes
    ///
    /// `rows` is `[units, samples]`; `weights` has one number for each sample or is empty.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    #[must_use]
    pub fn standards(&self, rows: &Matrix, weights: &[f32]) -> (Vec<f32>, Vec<f32>) {
        assert_eq!(rows.nrows(), self.units, "a number for each unit");
        assert!(weights.is_empty() || weights.len() == rows.ncols(), "a weight for each sample");
        let weight = |s: usize| weights.get(s).map_or(1.0, |&weight| f64::from(weight));
        let total = (0..rows.ncols()).map(weight).sum::<f64>().max(f64::MIN_POSITIVE);
        let mean = |unit: usize, f: &dyn Fn(f64) -> f64| {
            (0..rows.ncols()).map(|s| weight(s) * f(f64::from(rows[(unit, s)]))).sum::<f64>() / total
        };
        let (mut shifts, mut scales) = (vec![0.0; self.units], vec![1.0; self.units]);
        self.each_site(|kind, units, _| {
            for unit in units {
                let shift = if kind.measure() == Measure::Free { mean(unit, &|x| x) } else { 0.0 };
                let square = mean(unit, &|x| (x - shift).powi(2));
                if kind.measure() != Measure::Fixed && square > 0.0 {
                    (shifts[unit], scales[unit]) = (shift as f32, square.sqrt() as f32);
                }
            }
        });
        (shifts, scales)
    }

    /// The layer of the states x = shift + scale z, from this one of the states z.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for other lengths, and those of [`with_parameters`](Self::with_parameters).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Matrix;
    ///
    /// let z = "gaussian".parse::<gm_core::layer::LayerSpec>()?.layer(1)?;
    /// let x = z.rescaled(&[10.0], &[2.0])?;
    /// let none = Matrix::zeros(1, 1);
    /// assert_eq!((x.means(&none)[0], x.variances(&none)[0]), (10.0, 4.0));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn rescaled(&self, shift: &[f32], scale: &[f32]) -> Result<Self> {
        check_len("Layer::rescaled", "shift", "length", shift.len(), self.units)?;
        check_len("Layer::rescaled", "scale", "length", scale.len(), self.units)?;
        let (mut parameters, wide) = (vec![], widened(&self.parameters));
        self.each_site(|kind, units, at| {
            let (shift, scale) = (f64::from(shift[units.start]), f64::from(scale[units.start]));
            parameters.extend(kind.rescaled(&wide[at], shift, scale).into_iter().map(|x| x as f32));
        });
        self.clone().with_parameters(parameters)
    }

    /// The layer with parameters on the straight line from those of `other` to these, of which `share` is 0 to 1.
    ///
    /// # Panics
    ///
    /// When `other` has other kinds of units.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::layer::LayerSpec;
    ///
    /// let from = "spin".parse::<LayerSpec>()?.layer(2)?;
    /// let to = from.clone().with_parameters(vec![1.0, -2.0])?;
    /// assert_eq!(to.between(&from, 0.25).parameters(), [0.25, -0.5]);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn between(&self, other: &Self, share: f64) -> Self {
        assert_eq!(self.parameters.len(), other.parameters.len(), "layers of the same kinds");
        let pairs = self.parameters.iter().zip(&other.parameters);
        let mix = |(&to, &from): (&f32, &f32)| (share * f64::from(to) + (1.0 - share) * f64::from(from)) as f32;
        Self { parameters: pairs.map(mix).collect(), ..self.clone() }
    }

    /// A layer of the same kinds whose units, without input, have about the given means and variances, `[units]`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for other lengths, and [`Error::NonFinite`] for moments without finite parameters.
    pub fn independent(&self, means: &[f32], variances: &[f32]) -> Result<Self> {
        check_len("Layer::independent", "means", "length", means.len(), self.units)?;
        check_len("Layer::independent", "variances", "length", variances.len(), self.units)?;
        let (mut parameters, means, variances) = (vec![], widened(means), widened(variances));
        self.each_site(|kind, units, _| {
            let found = kind.independent(&means[units.clone()], &variances[units]);
            parameters.extend(found.into_iter().map(|x| x as f32));
        });
        self.clone().with_parameters(parameters)
    }

    /// A layer of the same kinds whose units, without input, have about the means and variances of these states.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for states of other units, [`Error::Empty`] without samples, and those of
    /// [`independent`](Self::independent).
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::Matrix;
    ///
    /// let layer = "gaussian".parse::<gm_core::layer::LayerSpec>()?.layer(1)?;
    /// let states = Matrix::from_row_slice(1, 2, &[0.0, 4.0]);
    /// let none = Matrix::zeros(1, 1);
    /// assert_eq!(layer.independent_of((&states).into())?.variances(&none)[0], 4.0);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn independent_of(&self, states: BatchRef<'_>) -> Result<Self> {
        check_len("Layer::independent_of", "states", "units", states.units(), self.units)?;
        if states.samples() == 0 {
            return Err(Error::Empty { op: "Layer::independent_of", arg: "states" });
        }
        let (states, samples) = (states.to_matrix(), states.samples() as f64);
        let of_unit = |row: usize| {
            let wide = || states.row(row).into_iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
            let mean = wide().iter().sum::<f64>() / samples;
            let variance = wide().iter().map(|x| (x - mean).powi(2)).sum::<f64>() / samples;
            (mean as f32, variance as f32)
        };
        let (means, variances): (Vec<f32>, Vec<f32>) = (0..self.units).map(of_unit).unzip();
        self.independent(&means, &variances)
    }

    /// A number for each parameter from one for each unit, `[units]`: that of the unit for parameters that add to the input,
    /// 0 for others.
    ///
    /// # Panics
    ///
    /// When the numbers are not those of the units.
    #[must_use]
    pub fn fields(&self, of_units: &[f32]) -> Vec<f32> {
        assert_eq!(of_units.len(), self.units, "a number for each unit");
        let mut fields = Vec::with_capacity(self.parameters.len());
        self.each_site(|kind, units, _| {
            for parameter in kind.parameters() {
                let share = if parameter.adds { 1.0 } else { 0.0 };
                fields.extend(of_units[units.clone()].iter().map(|x| share * x));
            }
        });
        fields
    }

    /// The sum over the parameters of each unit that add to its input, `[units]`, of numbers for all parameters. Of statistics
    /// it is the state.
    ///
    /// # Panics
    ///
    /// When the numbers are not those of the parameters.
    #[must_use]
    pub fn field_sums(&self, of_parameters: &[f32]) -> Vec<f32> {
        assert_eq!(of_parameters.len(), self.parameters.len(), "a number for each parameter");
        let mut sums = vec![0.0; self.units];
        self.each_site(|kind, units, at| {
            for (parameter, numbers) in kind.parameters().iter().zip(of_parameters[at].chunks(units.len())) {
                if parameter.adds {
                    sums[units.clone()].iter_mut().zip(numbers).for_each(|(sum, x)| *sum += x);
                }
            }
        });
        sums
    }

    /// The limit of 2 cumulant(I) / I^2 for large inputs of each unit, `[units]`. They are 0 for units whose states are
    /// bounded.
    #[must_use]
    pub fn spreads(&self) -> Vec<f64> {
        let (mut spreads, wide) = (vec![], widened(&self.parameters));
        self.each_site(|kind, units, at| spreads.extend(std::iter::repeat_n(kind.spread(&wide[at]), units.len())));
        spreads
    }

    /// Calls `f` with each site: its kind, its units and the places of its parameters.
    fn each_site(&self, mut f: impl FnMut(&dyn UnitKind, Range<usize>, Range<usize>)) {
        let (mut unit, mut at) = (0, 0);
        for part in &self.parts {
            let (width, per_site) = (part.kind.width(), part.per_site());
            for _ in 0..part.sites {
                f(part.kind.as_ref(), unit..unit + width, at..at + per_site);
                (unit, at) = (unit + width, at + per_site);
            }
        }
    }
}
