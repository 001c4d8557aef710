//! The memory that a job needs and the memory that is free, so that a job that cannot fit is refused before it starts.

use std::fs;

use gm_eval::{CompletionSettings, EvalSettings, Model, SampleSettings};
use gm_train::ModelConfig;

use crate::error::{Error, Result};
use crate::hints::CommandLine;
use crate::needs::{self, Kept};

/// Refuses a training on `rows` rows of `units` units that does not fit into the free memory.
///
/// # Errors
///
/// A sentence that names the setting which takes most of the memory.
///
/// # Examples
///
/// ```
/// use gm_train::{ModelConfig, RbmSettings};
///
/// let config = |hidden| ModelConfig::Rbm(RbmSettings { hidden, ..Default::default() });
/// assert!(gm_cli::memory::check_training(&config(10), 784, 1_000).is_ok());
/// assert!(gm_cli::memory::check_training(&config(1_000_000_000_000), 784, 1_000).is_err());
/// ```
pub fn check_training(model: &ModelConfig, units: usize, rows: usize) -> std::result::Result<(), String> {
    checked(&needs::training(model, units, rows))
}

/// Refuses an evaluation on `rows` rows that does not fit into the free memory.
///
/// # Errors
///
/// A sentence that names the setting which takes most of the memory.
pub fn check_evaluation(model: &Model, settings: &EvalSettings, rows: usize) -> std::result::Result<(), String> {
    checked(&needs::evaluation(model, settings, rows))
}

/// Refuses samples that do not fit into the free memory as numbers.
///
/// # Errors
///
/// A sentence that names the setting which takes most of the memory.
pub fn check_sampling(model: &Model, settings: &SampleSettings) -> std::result::Result<(), String> {
    checked(&needs::sampling(model, settings, Kept::Numbers))
}

/// Refuses a completion of `rows` rows that does not fit into the free memory.
///
/// # Errors
///
/// A sentence that names the setting which takes most of the memory.
pub fn check_completion(model: &Model, settings: &CompletionSettings, rows: usize) -> std::result::Result<(), String> {
    checked(&needs::completion(model, settings, rows))
}

fn checked(need: &Need) -> std::result::Result<(), String> {
    need.check().map_err(|error| error.to_string())
}

/// Number of bytes that training keeps for a parameter: the weights, their arrangement for either direction and for
/// draws, the gradient, the state of the optimiser, and two copies while a checkpoint is written. A run of 784-20000 in
/// batches of 500 peaks at 51, with the activations of batches and of the evaluations of validation rows.
pub(crate) const BYTES_A_PARAMETER: u64 = 42;

/// The name under which the parameters of a model take memory.
const PARAMETERS: &str = "parameters";

/// The memory that a job takes besides what is loaded already. Sums and products stop at the greatest number.
#[derive(Clone, Debug, Default)]
pub(crate) struct Need {
    /// For each reason its setting, the number that was set, and the bytes.
    parts: Vec<(&'static str, u64, u64)>,
}

impl Need {
    /// The memory of training a model of these layers, without its chains and batches.
    pub(crate) fn of_parameters(layers: &[usize]) -> Self {
        let count = parameters(layers);
        Self { parts: vec![(PARAMETERS, count, count.saturating_mul(BYTES_A_PARAMETER))] }
    }

    /// Adds the bytes of a product of counts, of which the greatest is named.
    pub(crate) fn and(self, counts: &[(&'static str, usize)], bytes: u64) -> Self {
        let all = counts.iter().fold(bytes, |all, &(_, count)| all.saturating_mul(count as u64));
        match counts.iter().max_by_key(|(_, count)| *count) {
            Some(&(setting, count)) => self.and_all(setting, count, all),
            None => self,
        }
    }

    /// Adds bytes for all that a count stands for.
    pub(crate) fn and_all(mut self, setting: &'static str, count: usize, bytes: u64) -> Self {
        self.parts.push((setting, count as u64, bytes));
        self
    }

    /// Refuses a job that needs more memory than is free.
    ///
    /// # Errors
    ///
    /// [`Error::Memory`] with the need, the free memory and its limit.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_within(left().unwrap_or((i64::MAX as u64, "the address space")))
    }

    fn check_within(&self, (left, limit): (u64, &'static str)) -> Result<()> {
        let needed = self.parts.iter().fold(0, |all: u64, (_, _, bytes)| all.saturating_add(*bytes));
        // Units of layers enlarge every part, and are the reason if the parameters do not fit by themselves.
        let alone = self.parts.iter().find(|(setting, _, bytes)| *setting == PARAMETERS && *bytes > left);
        match alone.or_else(|| self.parts.iter().max_by_key(|(_, _, bytes)| *bytes)) {
            Some(&(setting, count, _)) if needed > left => {
                Err(Error::Memory(Shortage { setting, count, needed: mib(needed), left: mib(left), limit }))
            }
            _ => Ok(()),
        }
    }
}

/// More memory than is free.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.said_of(&format!("`{setting}` {count}")))]
pub(crate) struct Shortage {
    /// The setting that takes most of it.
    setting: &'static str,
    /// Its number.
    count: u64,
    /// The MiB that the job takes.
    needed: u64,
    /// The MiB that are free.
    left: u64,
    /// The limit behind them.
    limit: &'static str,
}

impl Shortage {
    /// The text, with the option that was given.
    pub(crate) fn in_options(&self, command: &CommandLine) -> String {
        match command.option_of(self.setting, &self.count.to_string()) {
            Some(option) => self.said_of(&format!("{option} {}", self.count)),
            None => self.to_string(),
        }
    }

    fn said_of(&self, most: &str) -> String {
        let Self { setting, count, needed, left, limit } = self;
        if *setting == PARAMETERS {
            return format!(
                "training {count} parameters takes about {needed} MiB beside the data, {left} MiB are free ({limit})"
            );
        }
        format!("about {needed} MiB are needed, most of them for {most}; {left} MiB are free ({limit})")
    }

    /// What can be done.
    pub(crate) fn remedy(&self, command: &CommandLine) -> String {
        let what = match (self.setting == PARAMETERS, command.has("--hidden")) {
            (true, true) => "use fewer --hidden units",
            (true, false) => "use fewer hidden units",
            (false, _) => "choose a smaller number",
        };
        format!("{what}, or raise the limit")
    }
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

/// Bytes of a state of each layer, as bits.
pub(crate) fn bits(layers: &[usize]) -> u64 {
    layers.iter().fold(0, |all: u64, &units| all.saturating_add(8 * (units as u64).div_ceil(64)))
}

/// Bytes of a mean of each unit.
pub(crate) fn floats(layers: &[usize]) -> u64 {
    layers.iter().fold(0, |all: u64, &units| all.saturating_add(4u64.saturating_mul(units as u64)))
}

/// The number of weights between neighbouring layers, and of biases.
pub(crate) fn parameters(layers: &[usize]) -> u64 {
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

    const LIMIT: &str = "the limit of the control group";

    fn refused(need: &Need, mib: u64, options: &[(&str, Option<&str>)]) -> String {
        need.check_within((mib << 20, LIMIT)).unwrap_err().line(&CommandLine::with(options))
    }

    #[test]
    fn rejects_models_that_do_not_fit() {
        assert_eq!(parameters(&[784, 500]), 393_284);
        assert!(Need::of_parameters(&[784, 500]).check_within((64 << 20, LIMIT)).is_ok());
        let large = Need::of_parameters(&[784, 20_000]);
        let text = "training 15700784 parameters takes about 628 MiB beside the data, 400 MiB are free (the limit of \
                    the control group); use fewer ";
        assert_eq!(refused(&large, 400, &[("--hidden", None)]), format!("{text}--hidden units, or raise the limit"));
        assert_eq!(refused(&large, 400, &[]), format!("{text}hidden units, or raise the limit"));
        let endless = Need::of_parameters(&[usize::MAX, usize::MAX]);
        assert!(endless.check_within((1 << 40, LIMIT)).is_err() && endless.check().is_err());
    }

    #[test]
    fn rejects_counts_that_do_not_fit_by_the_greatest_of_them() {
        let need = |chains, temperatures| {
            Need::of_parameters(&[12, 3]).and(&[("chains", chains), ("temperatures", temperatures)], 100)
        };
        assert!(need(1 << 10, 10).check_within((64 << 20, LIMIT)).is_ok());
        let options = [("--chains", Some("100")), ("--temperatures", Some("1048576"))];
        assert_eq!(
            refused(&need(100, 1 << 20), 400, &options),
            "about 10000 MiB are needed, most of them for --temperatures 1048576; 400 MiB are free (the limit of the \
             control group); choose a smaller number, or raise the limit"
        );
        assert!(refused(&need(1 << 20, 10), 400, &options).contains("most of them for `chains` 1048576; 400 MiB"));
        assert!(need(usize::MAX, usize::MAX).check().is_err());
        assert_eq!((bits(&[1, 64, 65]), floats(&[3, 5])), (32, 32));
    }
}
