//! Weights and biases as nested vectors, also the shape of a gradient.

/// The parameters of a stack, or a gradient with respect to them.
///
/// # Shapes
///
/// `weights[l][i][j]` joins unit i of layer l with unit j of layer l + 1. `biases[l][i]` belongs to unit i of layer l.
///
/// # Examples
///
/// ```
/// use gm_testkit::Parameters;
///
/// let p = Parameters { weights: vec![vec![vec![1.0], vec![2.0]]], biases: vec![vec![3.0, 4.0], vec![5.0]] };
/// assert_eq!(p.layers(), [2, 1]);
/// assert_eq!(p.flat(), [1.0, 2.0, 3.0, 4.0, 5.0]);
/// assert_eq!(Parameters::from_flat(&[2, 1], &p.flat()), p);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// One matrix between each pair of neighbouring layers, a list of rows.
    pub weights: Vec<Vec<Vec<f64>>>,
    /// One vector per layer.
    pub biases: Vec<Vec<f64>>,
}

impl Parameters {
    /// Parameters that are all zero.
    #[must_use]
    pub fn zeros(layers: &[usize]) -> Self {
        let weights = layers.windows(2).map(|n| vec![vec![0.0; n[1]]; n[0]]).collect();
        Self { weights, biases: layers.iter().map(|&n| vec![0.0; n]).collect() }
    }

    /// Units of each layer.
    #[must_use]
    pub fn layers(&self) -> Vec<usize> {
        self.biases.iter().map(Vec::len).collect()
    }

    /// All numbers: matrices row by row, then biases.
    #[must_use]
    pub fn flat(&self) -> Vec<f64> {
        let weights = self.weights.iter().flatten().flatten();
        weights.chain(self.biases.iter().flatten()).copied().collect()
    }

    /// The inverse of [`flat`](Self::flat).
    ///
    /// # Panics
    ///
    /// When the number of values does not fit the layers.
    #[must_use]
    pub fn from_flat(layers: &[usize], flat: &[f64]) -> Self {
        let mut parameters = Self::zeros(layers);
        let mut rest = flat.iter();
        let slots = parameters.weights.iter_mut().flatten().chain(parameters.biases.iter_mut()).flatten();
        for slot in slots {
            *slot = *rest.next().expect("enough numbers for the layers");
        }
        assert!(rest.next().is_none(), "{} numbers do not fit layers {layers:?}", flat.len());
        parameters
    }

    /// Panics with a message unless the shapes fit together.
    pub(crate) fn assert_shapes(&self) {
        let layers = self.layers();
        assert!(self.weights.len() + 1 == layers.len(), "{} matrices for {} layers", self.weights.len(), layers.len());
        for (l, w) in self.weights.iter().enumerate() {
            let fits = w.len() == layers[l] && w.iter().all(|row| row.len() == layers[l + 1]);
            assert!(fits, "weights.{l} is not [{}, {}]", layers[l], layers[l + 1]);
        }
    }
}
