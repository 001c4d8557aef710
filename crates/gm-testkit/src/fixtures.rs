//! The exact fixtures: small models with answers that code outside this workspace computed.

use serde_json::Value;

use crate::joint::{Joint, Model};
use crate::parameters::Parameters;

/// Names and texts. They are compiled in, so that every test finds them.
const FIXTURES: [(&str, &str); 11] = [
    ("rbm_small", include_str!("../fixtures/rbm_small.json")),
    ("rbm_strong", include_str!("../fixtures/rbm_strong.json")),
    ("rbm_gaussian", include_str!("../fixtures/rbm_gaussian.json")),
    ("rbm_softmax", include_str!("../fixtures/rbm_softmax.json")),
    ("sbn_1", include_str!("../fixtures/sbn_1.json")),
    ("sbn_2", include_str!("../fixtures/sbn_2.json")),
    ("sbn_3", include_str!("../fixtures/sbn_3.json")),
    ("dbm_2", include_str!("../fixtures/dbm_2.json")),
    ("dbm_3", include_str!("../fixtures/dbm_3.json")),
    ("dbn_2", include_str!("../fixtures/dbn_2.json")),
    ("dbn_3", include_str!("../fixtures/dbn_3.json")),
];

const PUBLISHED: &str = include_str!("../fixtures/published.json");
const LAYERS: &str = include_str!("../fixtures/layers.json");
const PEERS: &str = include_str!("../fixtures/peers.json");

/// A small model with exact answers.
///
/// Pointers follow RFC 6901 and start below `expected`.
///
/// # Panics
///
/// Every accessor panics when the fixture lacks the requested value, and names the fixture and the value.
///
/// # Examples
///
/// ```
/// use gm_testkit::Fixture;
///
/// let fixture = Fixture::load("rbm_small");
/// assert_eq!(fixture.tensor("weights.0").len(), 6);
/// assert_eq!(fixture.numbers_at("/log_prob_all_visible").len(), 64);
/// assert_eq!(fixture.matrix_at("/gradient_mean_log_prob/weights.0").len(), 6);
/// assert!((fixture.number_at("/log_partition") - 15.834156375336473).abs() < 1e-12);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Fixture {
    name: String,
    text: String,
    value: Value,
}

impl Fixture {
    /// The fixture of that name, such as `dbm_3`.
    ///
    /// # Panics
    ///
    /// When there is no such fixture, with the list of names.
    #[must_use]
    pub fn load(name: &str) -> Self {
        let found = FIXTURES.iter().find(|(known, _)| *known == name);
        let names: Vec<&str> = FIXTURES.iter().map(|(known, _)| *known).collect();
        assert!(found.is_some(), "no fixture `{name}`, there are {}", names.join(", "));
        let (name, text) = found.expect("checked above");
        Self { name: (*name).into(), text: (*text).into(), value: parsed(name, text) }
    }

    /// All fixtures.
    #[must_use]
    pub fn all() -> Vec<Self> {
        FIXTURES.iter().map(|(name, _)| Self::load(name)).collect()
    }

    /// The fixtures with binary visible units, which [`joint`](Self::joint) can enumerate.
    #[must_use]
    pub fn all_binary() -> Vec<Self> {
        Self::all().into_iter().filter(|f| f.visible() == "bernoulli").collect()
    }

    /// An entry of the published facts, such as `one_stack_three_models`.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn published(entry: &str) -> Self {
        let value = published().get(entry).cloned();
        assert!(value.is_some(), "no published fact `{entry}`");
        let value = value.expect("checked above");
        Self { name: entry.into(), text: value.to_string(), value }
    }

    /// The name of the fixture.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The JSON text, for a reader under test.
    #[must_use]
    pub fn json(&self) -> &str {
        &self.text
    }

    /// `rbm`, `sbn`, `dbm` or `dbn`.
    ///
    /// # Panics
    ///
    /// For an entry of the published facts that describes several models.
    #[must_use]
    pub fn model(&self) -> &str {
        self.value["model"].as_str().expect("a fixture names its model")
    }

    /// `bernoulli`, `gaussian` or `softmax:K`.
    #[must_use]
    pub fn visible(&self) -> &str {
        self.value["visible"].as_str().unwrap_or("bernoulli")
    }

    /// The exact answers.
    #[must_use]
    pub fn expected(&self) -> &Value {
        &self.value["expected"]
    }

    /// Names of the tensors, sorted.
    ///
    /// # Panics
    ///
    /// For an entry of the published facts without tensors.
    #[must_use]
    pub fn tensor_names(&self) -> Vec<&str> {
        let tensors = self.value["tensors"].as_object().expect("a fixture has tensors");
        tensors.keys().map(String::as_str).collect()
    }

    /// A weight matrix, a list of rows.
    #[must_use]
    pub fn tensor(&self, name: &str) -> Vec<Vec<f64>> {
        self.rows(&self.value["tensors"][name], name)
    }

    /// A bias.
    #[must_use]
    pub fn vector(&self, name: &str) -> Vec<f64> {
        self.row(&self.value["tensors"][name], name)
    }

    /// `weights.l` and `bias.l` of all layers.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        let depth = self.tensor_names().iter().filter(|name| name.starts_with("weights.")).count();
        Parameters {
            weights: (0..depth).map(|l| self.tensor(&format!("weights.{l}"))).collect(),
            biases: (0..=depth).map(|l| self.vector(&format!("bias.{l}"))).collect(),
        }
    }

    /// Rows of zeros and ones for which there are exact answers, visible units only.
    ///
    /// # Panics
    ///
    /// When the data are absent or not binary.
    #[must_use]
    pub fn data(&self) -> Vec<Vec<u8>> {
        let is_one = |x: &f64| {
            assert!(*x == 0.0 || *x == 1.0, "{}: data is {x}, expected 0 or 1", self.name);
            u8::from(*x == 1.0)
        };
        self.matrix_at("/data").iter().map(|row| row.iter().map(is_one).collect()).collect()
    }

    /// The enumerated distribution of the fixture's own model.
    ///
    /// # Panics
    ///
    /// When the visible units are not binary.
    #[must_use]
    pub fn joint(&self) -> Joint {
        assert!(self.visible() == "bernoulli", "{}: visible units are {}", self.name, self.visible());
        let model = Model::from_name(self.model());
        Joint::new(model.expect("the four names only"), self.parameters())
    }

    /// One number among the answers.
    #[must_use]
    pub fn number_at(&self, pointer: &str) -> f64 {
        self.number(self.at(pointer), pointer)
    }

    /// A list of numbers among the answers.
    #[must_use]
    pub fn numbers_at(&self, pointer: &str) -> Vec<f64> {
        self.row(self.at(pointer), pointer)
    }

    /// A list of rows among the answers; rows may differ in length.
    #[must_use]
    pub fn matrix_at(&self, pointer: &str) -> Vec<Vec<f64>> {
        self.rows(self.at(pointer), pointer)
    }

    /// A list of matrices among the answers.
    #[must_use]
    pub fn matrices_at(&self, pointer: &str) -> Vec<Vec<Vec<f64>>> {
        self.list(self.at(pointer), pointer).iter().map(|item| self.rows(item, pointer)).collect()
    }

    fn at(&self, pointer: &str) -> &Value {
        self.expected().pointer(pointer).unwrap_or(&Value::Null)
    }

    fn number(&self, value: &Value, what: &str) -> f64 {
        assert!(value.is_number(), "{}: `{what}` is {value}, expected a number", self.name);
        value.as_f64().expect("checked above")
    }

    fn list<'a>(&self, value: &'a Value, what: &str) -> &'a [Value] {
        assert!(value.is_array(), "{}: `{what}` is {value}, expected a list", self.name);
        value.as_array().expect("checked above")
    }

    fn row(&self, value: &Value, what: &str) -> Vec<f64> {
        self.list(value, what).iter().map(|x| self.number(x, what)).collect()
    }

    fn rows(&self, value: &Value, what: &str) -> Vec<Vec<f64>> {
        self.list(value, what).iter().map(|row| self.row(row, what)).collect()
    }
}

/// Kinds of units and small models of pairs of kinds, with their exact answers.
///
/// # Examples
///
/// ```
/// assert_eq!(gm_testkit::layers()["models"].as_array().map(Vec::len), Some(13));
/// ```
#[must_use]
pub fn layers() -> Value {
    parsed("layers", LAYERS)
}

/// Facts from the public test suites of peer projects.
///
/// # Examples
///
/// ```
/// assert_eq!(gm_testkit::peers()["bimodal_hopfield"]["w"], 0.8);
/// ```
#[must_use]
pub fn peers() -> Value {
    parsed("peers", PEERS)
}

/// Facts from other projects and papers, by entry.
///
/// # Examples
///
/// ```
/// let facts = gm_testkit::published();
/// assert_eq!(facts["pydeep_4x4"]["expected"]["log_partition"], 59.674901965211);
/// ```
#[must_use]
pub fn published() -> Value {
    parsed("published", PUBLISHED)
}

fn parsed(name: &str, text: &str) -> Value {
    let value = serde_json::from_str(text);
    assert!(value.is_ok(), "fixture `{name}` is not JSON: {value:?}");
    value.expect("checked above")
}
