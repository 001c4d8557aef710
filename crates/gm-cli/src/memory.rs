//! The memory that training needs and the memory that is free, so that a run that cannot fit is refused before it
//! starts.

use std::fs;

use crate::error::{Error, Result};

/// Number of bytes that training keeps for a parameter: the weights, their arrangement for either direction and for
/// draws, the gradient, the state of the optimiser, and two copies while a checkpoint is written. A run of 784-20000 in
/// batches of 500 peaks at 51, with the activations of batches and of the evaluations of validation rows.
const BYTES_A_PARAMETER: u64 = 42;

/// Refuses a model that needs more memory than is free.
///
/// # Errors
///
/// [`Error::Memory`] with the need, the free memory and its limit. If the system does not tell, no model is refused.
pub(crate) fn check(layers: &[usize]) -> Result<()> {
    check_within(layers, left())
}

fn check_within(layers: &[usize], left: Option<(u64, &'static str)>) -> Result<()> {
    let (parameters, Some((left, limit))) = (parameters(layers), left) else { return Ok(()) };
    let needed = parameters.saturating_mul(BYTES_A_PARAMETER);
    if needed <= left {
        return Ok(());
    }
    Err(Error::Memory { parameters, needed: mib(needed), left: mib(left), limit })
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

/// The number of weights between neighbouring layers, and of biases.
fn parameters(layers: &[usize]) -> u64 {
    let weights = layers.windows(2).map(|pair| (pair[0] as u64).saturating_mul(pair[1] as u64));
    weights.chain(layers.iter().map(|&n| n as u64)).fold(0, u64::saturating_add)
}

/// The number of bytes that are free for this process, and the limit behind it. Of several limits the tightest counts.
fn left() -> Option<(u64, &'static str)> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let status = read("/proc/self/status").unwrap_or_default();
    let address_space =
        read("/proc/self/limits").and_then(|limits| soft_limit(&limits, "Max address space")).and_then(|limit| {
            Some((limit.saturating_sub(kib_of(&status, "VmSize:")?), "the limit of the address space, `ulimit -v`"))
        });
    let group =
        read("/sys/fs/cgroup/memory.max").and_then(|limit| limit.trim().parse::<u64>().ok()).and_then(|limit| {
            let used: u64 = read("/sys/fs/cgroup/memory.current")?.trim().parse().ok()?;
            Some((limit.saturating_sub(used), "the limit of the control group"))
        });
    let free =
        read("/proc/meminfo").and_then(|text| Some((kib_of(&text, "MemAvailable:")?, "the memory of the computer")));
    [address_space, group, free].into_iter().flatten().min_by_key(|(bytes, _)| *bytes)
}

/// The soft limit on a line of /proc/self/limits, in bytes; `None` if there is no limit.
fn soft_limit(limits: &str, name: &str) -> Option<u64> {
    limits.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// The figure of a name, which is in KiB, in bytes.
fn kib_of(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_limits_and_figures_are_read_from_proc() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max stack size            8388608              unlimited            bytes\n\
                      Max address space         536870912            unlimited            bytes\n";
        assert_eq!(soft_limit(limits, "Max address space"), Some(536_870_912));
        assert_eq!(soft_limit(&limits.replace("536870912", "unlimited"), "Max address space"), None);
        assert_eq!(kib_of("Name:\tdgm\nVmSize:\t    2048 kB\n", "VmSize:"), Some(2_097_152));
        assert_eq!(kib_of("", "VmSize:"), None);
    }

    #[test]
    fn rejects_models_that_do_not_fit() {
        assert_eq!(parameters(&[784, 500]), 393_284);
        let limit = "the limit of the control group";
        assert!(check_within(&[784, 500], Some((64 << 20, limit))).is_ok());
        assert!(check_within(&[784, 20_000], None).is_ok());
        let error = check_within(&[784, 20_000], Some((400 << 20, limit))).unwrap_err().line();
        assert_eq!(
            error,
            "training 15700784 parameters takes about 628 MiB beside the data, 400 MiB are free (the limit of the \
             control group); use fewer --hidden units, or raise the limit"
        );
        assert!(check_within(&[usize::MAX, usize::MAX], Some((1 << 40, limit))).is_err());
    }
}
