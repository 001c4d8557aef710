//! The instruction sets for which kernels were compiled, and the one in use.

use std::sync::OnceLock;

/// An instruction set for which the kernels were compiled.
///
/// # Examples
///
/// ```
/// let used = gm_core::InstructionSet::active();
/// assert!(gm_core::InstructionSet::available().contains(&used));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstructionSet {
    /// The instructions that every processor of this architecture has.
    Portable,
    /// AVX2 on x86-64.
    Avx2,
    /// AVX-512 F, BW, DQ, VL and VPOPCNTDQ on x86-64.
    Avx512,
}

impl InstructionSet {
    /// The sets that this processor can run, the portable one first and the fastest last.
    #[must_use]
    pub fn available() -> Vec<Self> {
        let mut sets = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                sets.push(Self::Avx2);
            }
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vpopcntdq");
            if avx512 {
                sets.push(Self::Avx512);
            }
        }
        sets
    }

    /// The set in use. It is the fastest one, or the one that the environment variable `DGM_KERNELS` names if it is
    /// available.
    #[must_use]
    pub fn active() -> Self {
        static ACTIVE: OnceLock<InstructionSet> = OnceLock::new();
        *ACTIVE.get_or_init(|| {
            let sets = Self::available();
            let wanted = std::env::var("DGM_KERNELS").ok();
            let named = sets.iter().find(|set| wanted.as_deref() == Some(set.name()));
            named.or(sets.last()).copied().unwrap_or(Self::Portable)
        })
    }

    /// The name that `DGM_KERNELS` takes: `portable`, `avx2` or `avx512`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }
}
