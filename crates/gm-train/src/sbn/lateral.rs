//! The layers of a sigmoid belief net that have weights within them.

use serde_with::{DeserializeFromStr, SerializeDisplay};
use strum::{Display, EnumString, IntoStaticStr, VariantNames};

use crate::error::Error;

/// The layers of a sigmoid belief net whose units depend on the units before them, beside the layer above.
///
/// p(x_l | x_(l+1)) = prod_i Ber(x_li; s((W_l x_(l+1) + b_l)_i + sum_(k<i) A_(l,ki) x_lk))
///
/// # Source
///
/// `gregor2014deep`, section 2.
///
/// # Examples
///
/// ```
/// use gm_train::Lateral;
///
/// assert_eq!("visible".parse::<Lateral>()?, Lateral::Visible);
/// assert_eq!((Lateral::Visible.layers(2), Lateral::All.layers(2)), (vec![0], vec![0, 1, 2]));
/// # Ok::<(), gm_train::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, VariantNames, IntoStaticStr)]
#[strum(serialize_all = "kebab-case", parse_err_ty = Error, parse_err_fn = unknown)]
#[derive(DeserializeFromStr, SerializeDisplay)]
pub enum Lateral {
    /// No layer: units are independent given the layer above.
    #[default]
    None,
    /// The visible layer.
    Visible,
    /// All layers; the top layer then is a fully visible net in the place of independent units.
    All,
}

fn unknown(text: &str) -> Error {
    Error::unknown("lateral", text, Lateral::VARIANTS)
}

impl Lateral {
    /// The layers of a net of `depth` hidden layers that have weights within them, from 0 for the visible one.
    #[must_use]
    pub fn layers(self, depth: usize) -> Vec<usize> {
        match self {
            Self::None => vec![],
            Self::Visible => vec![0],
            Self::All => (0..=depth).collect(),
        }
    }
}
