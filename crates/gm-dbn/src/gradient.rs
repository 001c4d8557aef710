//! Gradients: exactly by enumeration, and from the wake and sleep phases of the whole network.

use gm_core::{BitMatrix, Error, Result, Stack, log_sum_exp};
use gm_rbm::Phase;
use gm_sbn::{Draws, Dreams, Generated, Recognised};

use crate::conditional::Couplings;
use crate::enumeration::check_table;
use crate::model::{Dbn, log_weights};

/// A gradient of all parameters of a network.
///
/// # Examples
///
/// ```
/// use gm_core::Stack;
/// use gm_dbn::{Dbn, Gradient};
///
/// let dbn = Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?.untied()?;
/// assert_eq!(Gradient::zeros(&dbn).tensors().count(), dbn.tensors().count());
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gradient(Dbn);

/// Draws of the recognition net for a batch, x_1, ..., x_(L-1), with their log-weights: what the awake network sees.
///
/// Draws of the same row are neighbours: row i has the draws i K to i K + K - 1.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, Streams};
/// use gm_dbn::{Dbn, Wake};
///
/// // log p(v | x_1) + log p*(x_1) - log q(x_1 | v) = (-4 + 2 + 3) log 2
/// let dbn = Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
/// let wake = Wake::new(&dbn, &dbn.couplings(), &BitMatrix::zeros(4, 10), 5, &Streams::new(1));
/// assert_eq!((wake.lower().units(), wake.lower().samples()), (3, 50));
/// assert!(wake.log_weights().iter().all(|log_w| (log_w - 2.0_f64.ln()).abs() < 1e-5));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Wake {
    draws: Draws,
}

/// Dreams of the generative layers, which teach the recognition net.
///
/// # Examples
///
/// ```
/// use gm_core::{BitMatrix, Stack, Streams};
/// use gm_dbn::{Dbn, Gradient, Sleep, Wake};
///
/// let dbn = Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?.untied()?;
/// let (couplings, streams) = (dbn.couplings(), Streams::new(1));
/// let wake = Wake::new(&dbn, &couplings, &BitMatrix::zeros(4, 10), 1, &streams);
/// let sleep = Sleep::new(&dbn, &couplings, wake.lower(), &streams);
/// assert_eq!(sleep.samples(), 10);
/// // Wake-sleep: the generative layers learn from draws, the recognition net from dreams.
/// let mut gradient = Gradient::zeros(&dbn);
/// gradient.set_directed(wake, (&[0.1; 10], None), Some((sleep, 1.0)));
/// assert!((gradient.stack().bias(0)[0] + 0.5).abs() < 1e-6);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sleep {
    dreams: Dreams,
}

impl Wake {
    /// `per_row` draws for each row of `v`.
    ///
    /// # Randomness
    ///
    /// As [`gm_sbn::Couplings::recognise`].
    ///
    /// # Panics
    ///
    /// When `v` has other units than the visible layer, or without draws.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack, Streams};
    /// use gm_dbn::{Dbn, Wake};
    ///
    /// let dbn = Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
    /// let wake = Wake::new(&dbn, &dbn.couplings(), &BitMatrix::zeros(4, 10), 5, &Streams::new(1));
    /// assert_eq!((wake.log_weights().len(), wake.lower().units()), (50, 3));
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn new(dbn: &Dbn, couplings: &Couplings, v: &BitMatrix, per_row: usize, streams: &gm_core::Streams) -> Self {
        let prior = |x: &BitMatrix| log_weights(&couplings.top, x);
        let draws = Draws::recognised(dbn.directed(&prior), &couplings.directed, v, per_row, streams);
        Self { draws }
    }

    /// log w = log p(v, x_1, ..., x_(L-1)) + log Z - log q of each draw.
    #[must_use]
    pub fn log_weights(&self) -> Vec<f64> {
        self.draws.log_weights()
    }

    /// The states of the lower layer of the machine, `[n_(L-1), K rows]`.
    #[must_use]
    pub fn lower(&self) -> &BitMatrix {
        &self.draws.layers()[self.draws.layers().len() - 1]
    }
}

impl Sleep {
    /// A dream for each state of the lower layer of the machine, `[n_(L-1), samples]`, label units behind or not.
    ///
    /// # Randomness
    ///
    /// As [`Couplings::descend`].
    ///
    /// # Panics
    ///
    /// When `top` has other units.
    #[must_use]
    pub fn new(dbn: &Dbn, couplings: &Couplings, top: &BitMatrix, streams: &gm_core::Streams) -> Self {
        let layers = couplings.descend(dbn, top, streams);
        Self { dreams: Dreams::of_states(dbn.passes(), &couplings.directed, &layers) }
    }

    /// Dreams.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.dreams.log_q.len()
    }
}

impl Gradient {
    /// A gradient of zeros.
    #[must_use]
    pub fn zeros(dbn: &Dbn) -> Self {
        let mut zeros = dbn.clone();
        zeros.tensors_mut().for_each(|tensor| tensor.fill(0.0));
        Self(zeros)
    }

    /// Every tensor, in the order of [`Dbn::tensors`].
    pub fn tensors(&self) -> impl Iterator<Item = &[f32]> {
        self.0.tensors()
    }

    /// The gradient of the generative parameters, without those of label units.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        self.0.stack()
    }

    /// Sets the part of the directed layers: sum_s a_s grad log p(x_l | x_(l+1)) over draws, and for the recognition net
    /// sum_s c_s grad log q over draws and `sleep` times the mean of grad log q over dreams.
    ///
    /// # Shapes
    ///
    /// `a` and `c` have one number a draw; without `c` the draws do not teach the recognition net.
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    ///
    /// # Source
    ///
    /// `hinton2006fast`, section 5 and appendix B; `bornschein2015reweighted`, section 2.
    pub fn set_directed(&mut self, wake: Wake, (a, c): (&[f32], Option<&[f32]>), sleep: Option<(Sleep, f32)>) {
        let (generated, recognised) = wake.draws.into_parts();
        generated.gradient_into(a, self.0.stack_mut());
        let Some(net) = self.0.recognition_mut() else { return };
        let mut parts = Vec::new();
        if let Some(c) = c {
            parts.push(recognised.weighted(c));
        }
        if let Some((sleep, share)) = sleep {
            let weights = vec![share / sleep.samples().max(1) as f32; sleep.samples()];
            parts.push(sleep.dreams.recognised.weighted(&weights));
        }
        Recognised::gradient_into(&parts, net);
    }

    /// Sets the part of the machine on top from its own gradient, that of [`Dbn::top`].
    ///
    /// # Panics
    ///
    /// When shapes disagree.
    pub fn set_top(&mut self, top: &Stack) {
        self.0.set_top(top);
    }

    /// Adds `scale` times another gradient.
    fn add(&mut self, other: &Self, scale: f32) {
        for (sum, term) in self.0.tensors_mut().zip(other.tensors()) {
            sum.iter_mut().zip(term).for_each(|(sum, term)| *sum += scale * term);
        }
    }
}

impl Dbn {
    /// The exact gradient of the mean log p(v) by enumeration of x_1, ..., x_(L-1) and of the smaller layer of the machine; 0
    /// for the recognition net.
    ///
    /// # Shapes
    ///
    /// `data` is `[visible, samples]`.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] beyond 20 units of these layers, or 30 of the smaller layer of the machine; [`Error::Shape`] for data
    /// of another width, [`Error::Empty`] without samples, [`Error::Param`] for a network with label units.
    ///
    /// # Examples
    ///
    /// ```
    /// use gm_core::{BitMatrix, Stack};
    ///
    /// let dbn = gm_dbn::Dbn::new(Stack::zeros(&[4, 3, 2])?, None)?;
    /// let gradient = dbn.exact_gradient(&BitMatrix::zeros(4, 1))?;
    /// assert!((gradient.stack().bias(0)[0] + 0.5).abs() < 1e-6);
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    pub fn exact_gradient(&self, data: &BitMatrix) -> Result<Gradient> {
        const OP: &str = "Dbn::exact_gradient";
        self.check_data(OP, data)?;
        check_table(OP, self.enumerable_hidden_units())?;
        if self.labels().is_some() {
            let (arg, value, allowed) = ("labels", "present".into(), "a network without label units");
            return Err(Error::Param { op: OP, arg, value, allowed });
        }
        let couplings = self.couplings();
        let mut sum = Gradient::zeros(self);
        if self.depth() == 1 {
            sum.set_top(&couplings.top.exact_gradient(data)?);
            return Ok(sum);
        }
        let mut part = sum.clone();
        let mut top = Stack::zeros(&couplings.top.stack().layers())?;
        let prior = |x: &BitMatrix| log_weights(&couplings.top, x);
        let (states, _) = self.directed_states(&prior);
        for row in 0..data.samples() {
            let v = data.select(&vec![row; states[0].samples()]);
            let layers: Vec<BitMatrix> = std::iter::once(v).chain(states.iter().cloned()).collect();
            let generated = Generated::new(self.directed(&prior), &couplings.directed, layers);
            let total = log_sum_exp(generated.log_p());
            let posterior: Vec<f32> = generated.log_p().iter().map(|p| (p - total).exp() as f32).collect();
            let mut phase = Phase::new(&couplings.top, &couplings.machine, &states[states.len() - 1]);
            phase.weigh(&posterior);
            couplings.top.exact_gradient_into(&phase, &mut top)?;
            generated.gradient_into(&posterior, part.0.stack_mut());
            part.set_top(&top);
            sum.add(&part, 1.0 / data.samples() as f32);
        }
        Ok(sum)
    }
}
