//! How a model's weights are arranged for the layer engine.

/// For how many draws between two changes of the weights they are arranged.
///
/// Draws have the same bits in every arrangement; they differ in speed and in memory.
///
/// # Examples
///
/// ```
/// use gm_core::Arrangement;
///
/// // A model that is trained changes its weights often, unless each update follows hundreds of draws.
/// assert_eq!(Arrangement::default(), Arrangement::FewDraws);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Arrangement {
    /// For a few draws, or for means and inputs alone.
    #[default]
    FewDraws,
    /// For many draws of the visible units, as where the hidden means are needed anyway and the draws come from these. The
    /// weights to the visible units are kept in the form of [`Coupling::for_draws`](crate::Coupling::for_draws) too.
    ManyDrawsOfV,
    /// For many draws of all layers. All weights are kept in the form of [`Coupling::for_draws`](crate::Coupling::for_draws)
    /// too.
    ManyDraws,
}
