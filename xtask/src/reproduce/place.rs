//! Where and when a figure was measured: commit, processor and date.

use std::fs;

use crate::Result;
use crate::process::Step;

/// The things besides its recipe on which a figure depends.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The commit, followed by `+` if files differ from it.
    pub(crate) commit: String,
    /// Processor, cores and instruction set.
    pub(crate) machine: String,
    /// Year, month and day, in UTC.
    pub(crate) date: String,
}

impl Place {
    /// This checkout on this computer, today.
    pub(crate) fn here() -> Result<Self> {
        let commit = Step::new("commit", "git", ["rev-parse", "--short", "HEAD"]).output()?;
        let changed = Step::new("changes", "git", ["status", "--porcelain", "--untracked-files=no"]).output()?;
        let mark = if changed.trim().is_empty() { "" } else { "+" };
        let cores = std::thread::available_parallelism()?;
        let date = Step::new("date", "date", ["-u", "+%Y-%m-%d"]).output()?;
        Ok(Self {
            commit: format!("{}{mark}", commit.trim()),
            machine: format!("{}, {cores} cores, {}", processor(), instructions()),
            date: date.trim().into(),
        })
    }
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
    line.map_or_else(|| std::env::consts::ARCH.to_owned(), |name| name.trim().to_owned())
}

/// The widest instruction set that the kernels know.
fn instructions() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            return "AVX-512";
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            return "AVX2";
        }
    }
    "portable code"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_a_place_says_where_and_when() {
        let place = Place::here().unwrap();
        assert!(place.commit.trim_end_matches('+').len() >= 7, "{}", place.commit);
        assert!(place.machine.contains(" cores, "), "{}", place.machine);
        assert_eq!(place.date.split('-').map(str::len).collect::<Vec<_>>(), [4, 2, 2]);
    }
}
