//! Settings that several models share, each checked by itself: rates, penalties, visible units.

pub(crate) mod rate;
pub(crate) mod regularise;
pub(crate) mod visible;
