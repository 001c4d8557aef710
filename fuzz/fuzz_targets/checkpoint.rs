//! Checkpoints, unchanged and with a corrected checksum; a checkpoint that can be read is resumed.
#![no_main]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use gm_train::{CheckpointInfo, Config, Event, Run};
use libfuzzer_sys::fuzz_target;

/// Bytes of the envelope before the payload.
const HEADER: usize = 24;

/// Bytes that identify a run's data: rows, units and a digest.
const DATA_MARK: usize = 48;

/// The runs that the seeds belong to, one of each kind of model.
const RUNS: [(&str, &str); 5] = [
    ("rbm", include_str!("../seeds/toml/rbm.toml")),
    ("sbn", include_str!("../seeds/toml/sbn.toml")),
    ("dbm", include_str!("../seeds/toml/dbm.toml")),
    ("dbn", include_str!("../seeds/toml/dbn.toml")),
    ("classifier", include_str!("../seeds/toml/classifier.toml")),
];

/// A run that was interrupted after its first update.
struct Prepared {
    folder: PathBuf,
    /// The checkpoint of the run.
    template: Vec<u8>,
}

fn prepared() -> &'static [Prepared] {
    static PREPARED: OnceLock<Vec<Prepared>> = OnceLock::new();
    PREPARED.get_or_init(|| RUNS.iter().map(|(kind, config)| prepare(kind, config)).collect())
}

fn prepare(kind: &str, config: &str) -> Prepared {
    let folder = gm_fuzz::scratch(kind);
    let _ = fs::remove_dir_all(&folder);
    let run = Run::create(&folder, &Config::parse(config).expect("a sound seed")).expect("an empty folder");
    let mut stop = |event: &Event<'_>| match event {
        Event::Step { .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    run.train(&mut stop).expect("sound data");
    let template = fs::read(folder.join("checkpoints/step-000000000001.gmck")).expect("an interrupted run has a checkpoint");
    Prepared { folder, template }
}

/// A checkpoint whose payload begins with the configuration and the data of another, so that it belongs to the other's
/// run.
fn transplanted(bytes: &[u8], template: &[u8]) -> Option<Vec<u8>> {
    let start = |bytes: &[u8]| {
        let length = u64::from_le_bytes(bytes.get(HEADER..HEADER + 8)?.try_into().ok()?);
        (HEADER + 8 + DATA_MARK).checked_add(usize::try_from(length).ok()?)
    };
    gm_fuzz::sealed(&[template.get(..start(template)?)?, bytes.get(start(bytes)?..)?].concat())
}

/// Continues a run from a checkpoint for two updates, which must not panic.
fn resume(folder: &Path, checkpoint: &[u8]) {
    let checkpoints = folder.join("checkpoints");
    for entry in fs::read_dir(&checkpoints).expect("the folder is there").flatten() {
        fs::remove_file(entry.path()).expect("the folder can be written");
    }
    fs::write(checkpoints.join("step-000000000001.gmck"), checkpoint).expect("the folder can be written");
    let Ok(run) = Run::resume(folder) else { return };
    let mut updates = 0;
    let _ = run.train(&mut |event: &Event<'_>| {
        updates += u32::from(matches!(event, Event::Step { .. }));
        if updates == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
}

fuzz_target!(|bytes: &[u8]| {
    let _ = CheckpointInfo::read(bytes);
    let Some(sealed) = gm_fuzz::sealed(bytes) else { return };
    let Ok(info) = CheckpointInfo::read(&sealed[..]) else { return };
    let named = |(kind, _): &(&str, &str)| info.config.contains(&format!("kind = \"{kind}\""));
    if let Some(kind) = RUNS.iter().position(named) {
        let run = &prepared()[kind];
        if let Some(checkpoint) = transplanted(&sealed, &run.template) {
            resume(&run.folder, &checkpoint);
        }
    }
});
