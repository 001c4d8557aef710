//! Inputs, means and draws of one layer given the one above (generative) or the one below (recognition).

use gm_core::{Activations, BitMatrix, Coupling, LayerUpdate, Matrix, Purpose, Streams, WithinLayer};
use rayon::prelude::*;

use crate::model::Sbn;
use crate::net::Directed;

/// The directed layers of a model, arranged for passes down the generative net and up the recognition net.
///
/// It holds all that the passes need, weights and biases, so that it works without the model. The owner of a model that
/// changes calls [`refresh`](Self::refresh) after each change; [`Sampler`](crate::Sampler) does so for a sigmoid belief
/// net.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack};
/// use gm_sbn::{Passes, Sbn};
///
/// let sbn = Sbn::new(Stack::zeros(&[4, 3])?, None)?;
/// let means = Passes::new(&sbn).from_above(0, &BitMatrix::zeros(3, 2)).means();
/// assert_eq!(means.get(2, 1), 0.5);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Passes {
    /// p(x_l | x_(l+1)) for l = 0, ..., d - 1.
    down: Vec<Conditional>,
    /// q(x_l | x_(l-1)) for l = 1, ..., d; empty without a recognition net.
    up: Vec<Conditional>,
    /// b_d.
    top: Vec<f32>,
    /// The weights within layer d of the net itself.
    top_within: Option<WithinLayer>,
}

/// A layer given a neighbour: the arranged weights between the two, and the biases of the layer.
#[derive(Clone, Debug)]
struct Conditional {
    coupling: Coupling,
    bias: Vec<f32>,
    /// The weights within the layer, where its units depend on those before them.
    within: Option<WithinLayer>,
}

/// The parameters of a layer given a neighbour: the weights between the two, its biases, and the weights within it.
type Parameters<'a> = (&'a Matrix, &'a [f32], Option<&'a Matrix>);

impl Conditional {
    fn given<'a>(&'a self, neighbour: &'a BitMatrix) -> LayerUpdate<'a> {
        LayerUpdate::new(&self.bias).given(&self.coupling, neighbour)
    }

    fn new(coupling: Coupling, (_, bias, within): Parameters<'_>) -> Self {
        Self { coupling, bias: bias.to_vec(), within: within.map(WithinLayer::new) }
    }

    fn refresh(&mut self, (weights, bias, within): Parameters<'_>) {
        self.coupling.refresh(weights);
        self.bias.copy_from_slice(bias);
        refresh_within(&mut self.within, within);
    }
}

impl Passes {
    /// Arranges the weights of a model.
    #[must_use]
    pub fn new<'a>(model: impl Into<Directed<'a>>) -> Self {
        let model = model.into();
        let down = (0..model.depth()).map(|l| of_down(&model, l));
        let up = (1..=model.depth()).filter_map(|l| of_up(&model, l));
        Self {
            down: down.map(|layer| Conditional::new(Coupling::down(layer.0), layer)).collect(),
            up: up.map(|layer| Conditional::new(Coupling::up(layer.0), layer)).collect(),
            top: model.bias(model.depth()).to_vec(),
            top_within: model.lateral(model.depth()).map(WithinLayer::new),
        }
    }

    /// Takes over changed parameters.
    ///
    /// # Panics
    ///
    /// When the model has other layer sizes, or weights within other layers than before.
    pub fn refresh<'a>(&mut self, model: impl Into<Directed<'a>>) {
        let model = model.into();
        let Self { down, up, top, top_within } = self;
        let known = |l: &usize| up.get(l - 1).is_none_or(|layer| layer.within.is_some() == model.within(*l).is_some());
        assert!(
            (1..=model.depth()).all(|l| known(&l)),
            "the arranged recognition net has weights within layers or not"
        );
        let arranged = down.iter().map(|layer| layer.within.is_some()).chain([top_within.is_some()]);
        assert!(
            arranged.enumerate().all(|(l, arranged)| model.lateral(l).is_some() == arranged),
            "the arranged net has weights within the same layers"
        );
        let down = down.par_iter_mut().enumerate().map(|(l, layer)| (layer, Some(of_down(&model, l))));
        let up = up.par_iter_mut().enumerate().map(|(l, layer)| (layer, of_up(&model, l + 1)));
        down.chain(up).for_each(|(layer, parameters)| {
            if let Some(parameters) = parameters {
                layer.refresh(parameters);
            }
        });
        top.copy_from_slice(model.bias(model.depth()));
        refresh_within(top_within, model.lateral(model.depth()));
    }

    /// d, the number of directed layers.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.down.len()
    }

    /// Units of each directed layer, x_0 first.
    #[must_use]
    pub fn layers(&self) -> Vec<usize> {
        self.down.iter().map(|layer| layer.bias.len()).chain([self.top.len()]).collect()
    }

    /// p(x_l | x_(l+1)): layer `l` given the layer above, but for the weights within the layer, where there are any.
    ///
    /// # Panics
    ///
    /// When `l` is the top layer, or `above` has other units than layer l + 1.
    #[must_use]
    pub fn from_above<'a>(&'a self, l: usize, above: &'a BitMatrix) -> LayerUpdate<'a> {
        self.down[l].given(above)
    }

    /// q(x_l | x_(l-1)): layer `l` as the recognition net draws it given the layer below, but for the weights within
    /// the layer of an autoregressive net.
    ///
    /// # Panics
    ///
    /// When there is no recognition net, `l` is 0, or `below` has other units than layer l - 1.
    #[must_use]
    pub fn from_below<'a>(&'a self, l: usize, below: &'a BitMatrix) -> LayerUpdate<'a> {
        self.up[l - 1].given(below)
    }

    /// The inputs of layer `l` in the states of all layers, visible first, where each of `copies` neighbouring samples has the
    /// same visible states.
    pub(crate) fn inputs_of(&self, l: usize, layers: &[BitMatrix], copies: usize) -> Activations {
        let x = &layers[l];
        let mut inputs = match layers.get(l + 1) {
            Some(above) => self.from_above(l, above).inputs(),
            None => Activations::repeated(&self.top, x.samples()),
        };
        match self.lateral(l) {
            Some(within) if l == 0 && copies > 1 => {
                let mut shared = Activations::zeros(x.units(), x.samples() / copies);
                shared.add_within(within, &each_once(x, copies));
                inputs.add_to_neighbours(&shared, copies);
            }
            Some(within) => inputs.add_within(within, x),
            None => {}
        }
        inputs
    }

    /// The scores of layer `l` in the states of all layers, and log p of it given the layer above. Each of `copies` neighbouring
    /// samples has the same visible states.
    pub(crate) fn score_of(&self, l: usize, layers: &[BitMatrix], copies: usize) -> (Activations, Vec<f64>) {
        let x = &layers[l];
        if self.lateral(l).is_some() {
            let mut inputs = self.inputs_of(l, layers, copies);
            let log_p = inputs.score(x);
            return (inputs, log_p);
        }
        match layers.get(l + 1) {
            Some(above) => self.from_above(l, above).score(x),
            None => Activations::repeated(&self.top, x.samples().min(1)).score_shared(x),
        }
    }

    /// The mean of each unit of the visible layer given the first hidden layer and, in a visible layer with weights within it,
    /// the units before it in `v`.
    ///
    /// # Panics
    ///
    /// When `layers` are not states of all layers, or of the two lowest ones.
    pub(crate) fn visible_means(&self, layers: &[BitMatrix]) -> Activations {
        match layers.get(1) {
            Some(above) if self.lateral(0).is_none() => self.from_above(0, above).means(),
            _ => {
                let mut means = self.inputs_of(0, layers, 1);
                means.logistic();
                means
            }
        }
    }

    /// Draws of all layers from the top down, `[n_l, samples]` each, visible first. Top units are independent, unless there are
    /// weights within the top layer.
    ///
    /// # Randomness
    ///
    /// Layer l from family l of [`Purpose::Layer`], as [`LayerUpdate::sample_into`], or as
    /// [`Activations::sample_within_into`] in a layer with weights within it.
    #[must_use]
    pub fn sample(&self, samples: usize, streams: &Streams) -> Vec<BitMatrix> {
        let mut inputs = Activations::repeated(&self.top, samples);
        let mut x = BitMatrix::zeros(self.top.len(), samples);
        let family = streams.fork(Purpose::Layer, self.depth() as u64);
        match &self.top_within {
            Some(within) => inputs.sample_within_into(within, &mut x, &family),
            None => {
                inputs.logistic();
                inputs.sample_into(&mut x, &family);
            }
        }
        self.descend(x, streams)
    }

    /// Draws of the layers below given states of the top layer, joined with these states, visible first.
    ///
    /// # Randomness
    ///
    /// As [`sample`](Self::sample).
    ///
    /// # Panics
    ///
    /// When `top` has other units than the top layer.
    #[must_use]
    pub fn descend(&self, top: BitMatrix, streams: &Streams) -> Vec<BitMatrix> {
        let mut layers = vec![top];
        for l in (0..self.depth()).rev() {
            layers.push(self.draw_below(l, &layers[layers.len() - 1], &streams.fork(Purpose::Layer, l as u64)));
        }
        layers.reverse();
        layers
    }

    /// A draw of layer `l` given the layer above.
    pub(crate) fn draw_below(&self, l: usize, above: &BitMatrix, family: &Streams) -> BitMatrix {
        let mut x = BitMatrix::zeros(self.down[l].bias.len(), above.samples());
        match self.lateral(l) {
            Some(within) => self.from_above(l, above).inputs().sample_within_into(within, &mut x, family),
            None => self.from_above(l, above).sample_into(&mut x, family),
        }
        x
    }

    /// Draws of the hidden layers from the recognition net, joined with the given visible layer, visible first.
    ///
    /// # Randomness
    ///
    /// Layer l from family l of [`Purpose::Layer`], as [`LayerUpdate::sample_into`].
    ///
    /// # Panics
    ///
    /// When there is no recognition net, or `v` has other units than the visible layer.
    #[must_use]
    pub fn recognise(&self, v: BitMatrix, streams: &Streams) -> Vec<BitMatrix> {
        let mut layers = vec![v];
        for l in 1..=self.depth() {
            let (below, family) = (&layers[l - 1], streams.fork(Purpose::Layer, l as u64));
            let mut x = BitMatrix::zeros(self.up[l - 1].bias.len(), below.samples());
            match self.within(l) {
                Some(within) => self.from_below(l, below).inputs().sample_within_into(within, &mut x, &family),
                None => self.from_below(l, below).sample_into(&mut x, &family),
            }
            layers.push(x);
        }
        layers
    }

    /// The weights within layer `l` of an autoregressive recognition net.
    pub(crate) fn within(&self, l: usize) -> Option<&WithinLayer> {
        self.up.get(l - 1)?.within.as_ref()
    }

    /// The weights within layer `l` of the net itself.
    pub(crate) fn lateral(&self, l: usize) -> Option<&WithinLayer> {
        self.down.get(l).map_or(&self.top_within, |layer| &layer.within).as_ref()
    }
}

/// Every `copies`-th sample.
pub(crate) fn each_once(x: &BitMatrix, copies: usize) -> BitMatrix {
    x.select(&(0..x.samples()).step_by(copies).collect::<Vec<_>>())
}

fn refresh_within(arranged: &mut Option<WithinLayer>, within: Option<&Matrix>) {
    if let (Some(arranged), Some(within)) = (arranged, within) {
        arranged.refresh(within);
    }
}

/// The parameters of layer `l` given the layer above.
fn of_down<'a>(model: &Directed<'a>, l: usize) -> Parameters<'a> {
    (model.stack().weights(l), model.bias(l), model.lateral(l))
}

/// The parameters of layer `l` given the layer below; `None` without a recognition net.
fn of_up<'a>(model: &Directed<'a>, l: usize) -> Option<Parameters<'a>> {
    model.recogniser(l).map(|(weights, bias)| (weights, bias.as_slice(), model.within(l)))
}

/// The number of each column `times` times, equal numbers side by side.
pub(crate) fn copies(columns: usize, times: usize) -> Vec<usize> {
    (0..columns).flat_map(|column| std::iter::repeat_n(column, times)).collect()
}

/// Inputs that several neighbouring states share, given to each of them.
pub(crate) fn repeated(inputs: Activations, times: usize) -> Activations {
    if times == 1 { inputs } else { inputs.select(&copies(inputs.samples(), times)) }
}

/// Scores and log q of states of a layer whose units depend on the units before them.
pub(crate) fn score_within(mut inputs: Activations, within: &WithinLayer, x: &BitMatrix) -> (Activations, Vec<f64>) {
    inputs.add_within(within, x);
    let log_q = inputs.score(x);
    (inputs, log_q)
}

impl Sbn {
    /// Independent draws of all layers by ancestral sampling, `[n_l, samples]` each, visible first.
    ///
    /// # Randomness
    ///
    /// As [`Passes::sample`].
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{Stack, Streams};
    ///
    /// let sbn = gm_sbn::Sbn::new(Stack::zeros(&[4, 3])?, None)?;
    /// let layers = sbn.sample(10, &Streams::new(1));
    /// assert_eq!((layers[0].units(), layers[1].units(), layers[0].samples()), (4, 3, 10));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn sample(&self, samples: usize, streams: &Streams) -> Vec<BitMatrix> {
        Passes::new(self).sample(samples, streams)
    }
}
