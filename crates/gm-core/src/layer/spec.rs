//! Kinds of units by name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::kind::UnitKind;
use super::{Bernoulli, Binomial, DoubleRelu, Gaussian, Layer, Relu, Softmax, Spin};
use crate::error::{Error, Result};
use crate::units::VisibleKind;

/// A kind that a name makes, from the number behind its colon if it takes one.
type Maker = fn(Option<usize>) -> Option<Arc<dyn UnitKind>>;

/// The kinds that have names. A kind of this crate needs its file and a line here.
const KINDS: [(&str, Maker); 7] = [
    ("bernoulli", |number| plain(number, Bernoulli)),
    ("spin", |number| plain(number, Spin)),
    ("softmax", |number| Some(Arc::new(Softmax::new(number?).ok()?))),
    ("gaussian", |number| plain(number, Gaussian)),
    ("relu", |number| plain(number, Relu)),
    ("drelu", |number| plain(number, DoubleRelu)),
    ("binomial", |number| Some(Arc::new(Binomial::new(number?).ok()?))),
];

fn plain(number: Option<usize>, kind: impl UnitKind + 'static) -> Option<Arc<dyn UnitKind>> {
    number.is_none().then(|| Arc::new(kind) as Arc<dyn UnitKind>)
}

/// The kinds of units of a layer, as files and commands name them.
///
/// It is one kind, such as `spin` or `softmax:21`, or several with plus signs between them for units that stand beside each
/// other. `*N` behind a kind says how many units, or groups, it has. A first kind without a number has all units that the
/// others leave; any other kind without a number has one.
///
/// # Examples
///
/// ```
/// use gm_core::layer::LayerSpec;
///
/// let spec: LayerSpec = "bernoulli+softmax:10".parse()?;
/// assert_eq!(spec.layer(74)?.name(), "bernoulli*64+softmax:10*1");
/// assert!("relus".parse::<LayerSpec>().unwrap_err().to_string().contains("allowed: bernoulli, spin"));
/// # Ok::<(), gm_core::Error>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LayerSpec {
    text: String,
    /// A kind without a name in files, of which all units are.
    own: Option<Arc<dyn UnitKind>>,
}

impl PartialEq for LayerSpec {
    fn eq(&self, other: &Self) -> bool {
        (&self.text, self.own.is_some()) == (&other.text, other.own.is_some())
    }
}

impl Eq for LayerSpec {}

/// A kind and its number of sites, if that is said.
type Part = (Arc<dyn UnitKind>, Option<usize>);

impl LayerSpec {
    /// The names that [`from_str`](str::parse) understands.
    pub const ALLOWED: &'static str = "bernoulli, spin, softmax:K, gaussian, relu, drelu or binomial:N, each with *COUNT \
                                       behind it if need be, and several with + between them";

    /// Units of a kind of one's own, which this crate has no name for. Such a layer is trained and sampled as any other, but no
    /// configuration and no run folder can hold it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use gm_core::layer::{LayerSpec, Spin};
    ///
    /// assert_eq!(LayerSpec::of_kind(Arc::new(Spin)).layer(3)?.name(), "spin");
    /// # Ok::<(), gm_core::Error>(())
    /// ```
    #[must_use]
    pub fn of_kind(kind: Arc<dyn UnitKind>) -> Self {
        Self { text: kind.name(), own: Some(kind) }
    }

    /// Whether the kinds have names that [`from_str`](str::parse) understands, so that files can hold them.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.own.is_none()
    }

    /// The kinds with their numbers of sites.
    fn parts(&self) -> Result<Vec<Part>> {
        self.own.as_ref().map_or_else(|| parts(&self.text), |kind| Ok(vec![(kind.clone(), None)]))
    }

    /// A new layer of so many units, with the parameters that its kinds start with.
    ///
    /// # Errors
    ///
    /// [`Error::Param`] when the units do not fit the groups and numbers.
    pub fn layer(&self, units: usize) -> Result<Layer> {
        let parts = self.parts()?;
        let refuse = |allowed| Error::Param { op: "LayerSpec::layer", arg: "units", value: units.to_string(), allowed };
        // Nothing is built before the numbers add up: a file may ask for any of them.
        let size = |(kind, count): &Part| kind.width().checked_mul(count.unwrap_or(1));
        let add = |sum: usize, part: &Part| sum.checked_add(size(part)?).filter(|&sum| sum <= units);
        let too_many = || refuse("the number that the kinds of units add up to");
        let of_others = parts.iter().skip(1).try_fold(0, add).ok_or_else(too_many)?;
        parts
            .first()
            .filter(|part| part.1.is_some())
            .map_or(Some(0), |part| add(of_others, part))
            .ok_or_else(too_many)?;
        let mut layers = vec![];
        for (at, (kind, count)) in parts.into_iter().enumerate() {
            let sites = match (at, count) {
                (0, None) => {
                    let left = units.checked_sub(of_others);
                    let left = left.filter(|left| left % kind.width() == 0 && *left > 0);
                    left.ok_or_else(|| refuse("a number that fits the groups of the kinds of units"))? / kind.width()
                }
                (_, count) => count.unwrap_or(1),
            };
            layers.push(Layer::new(kind, sites)?);
        }
        let layer = Layer::beside(layers)?;
        match layer.units() == units {
            true => Ok(layer),
            false => Err(too_many()),
        }
    }

    /// How rows of data are read for such units, as [`Layer::data_kind`].
    #[must_use]
    pub fn data_kind(&self) -> VisibleKind {
        // One site of each kind tells, and a parsed text has known kinds.
        let sites = self.parts().unwrap_or_default().into_iter().map(|(kind, _)| Layer::new(kind, 1));
        let layer = sites.collect::<Result<Vec<_>>>().and_then(Layer::beside);
        layer.map_or(VisibleKind::Bernoulli, |layer| layer.data_kind())
    }

    /// Whether some of the units take values without a bound.
    #[must_use]
    pub fn is_unbounded(&self) -> bool {
        self.parts().is_ok_and(|parts| parts.iter().any(|(kind, _)| kind.states().is_none()))
    }

    /// The specification of a layer, with every number.
    #[must_use]
    pub fn of(layer: &Layer) -> Self {
        Self { text: layer.name(), own: None }
    }
}

impl fmt::Display for LayerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for LayerSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parts(text)?;
        Ok(Self { text: text.into(), own: None })
    }
}

impl TryFrom<String> for LayerSpec {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<LayerSpec> for String {
    fn from(spec: LayerSpec) -> Self {
        spec.text
    }
}

fn parts(text: &str) -> Result<Vec<Part>> {
    text.split('+').map(part).collect::<Option<Vec<_>>>().ok_or_else(|| Error::Param {
        op: "LayerSpec::from_str",
        arg: "units",
        value: text.into(),
        allowed: LayerSpec::ALLOWED,
    })
}

fn part(text: &str) -> Option<Part> {
    let (kind, count) = match text.split_once('*') {
        Some((kind, count)) => (kind, Some(count.parse().ok().filter(|&count: &usize| count > 0)?)),
        None => (text, None),
    };
    let (name, number) = match kind.split_once(':') {
        Some((name, number)) => (name, Some(number.parse().ok()?)),
        None => (kind, None),
    };
    let (_, maker) = KINDS.iter().find(|(known, _)| *known == name)?;
    Some((maker(number)?, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_that_are_read_and_the_layers_they_make() {
        for (text, units, name) in [
            ("spin", 3, "spin"),
            ("softmax:3", 6, "softmax:3"),
            ("binomial:7", 2, "binomial:7"),
            ("bernoulli+softmax:10", 74, "bernoulli*64+softmax:10*1"),
            ("gaussian*2+drelu*3", 5, "gaussian*2+drelu*3"),
            ("gaussian+softmax:4*2+relu", 11, "gaussian*2+softmax:4*2+relu*1"),
        ] {
            let layer = text.parse::<LayerSpec>().unwrap().layer(units).unwrap();
            assert_eq!((layer.units(), layer.name().as_str()), (units, name));
            assert_eq!(LayerSpec::of(&layer).layer(units).unwrap(), layer, "{text}");
        }
    }

    #[test]
    fn rejects_names_and_numbers_that_do_not_fit() {
        for text in
            ["", "spins", "spin:2", "softmax", "softmax:1", "softmax:x", "binomial:0", "spin*0", "spin+", "spin*-1"]
        {
            let error = text.parse::<LayerSpec>().unwrap_err().to_string();
            assert!(
                error.contains(&format!("`units` is {text}, allowed: bernoulli, spin, softmax:K")),
                "{text}: {error}"
            );
        }
        let huge = format!("spin*{}+softmax:3*{}", usize::MAX, usize::MAX);
        for (text, units) in [
            ("softmax:3", 7),
            ("spin*2", 3),
            ("bernoulli+softmax:10", 10),
            ("spin", 0),
            (&huge, 3),
            ("spin*999999999999", 3),
        ] {
            assert!(text.parse::<LayerSpec>().unwrap().layer(units).is_err(), "{text} with {units} units");
        }
    }
}
