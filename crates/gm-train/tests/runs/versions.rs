//! Files that version 3 of the checkpoints' format and version 1 of the models' format wrote: models are read, checkpoints are
//! refused by name.

use std::fs;
use std::path::{Path, PathBuf};

use gm_core::{Format, ModelData, ModelKind, VisibleKind};
use gm_data::load_model;
use gm_train::{CheckpointInfo, Error, Run};

fn old(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/version_3").join(path)
}

#[test]
fn golden_models_of_version_1_are_read_and_written_as_they_were() {
    let models = [
        ("rbm", ModelKind::Rbm, VisibleKind::Bernoulli),
        ("gaussian", ModelKind::Rbm, VisibleKind::Gaussian),
        ("sbn", ModelKind::Sbn, VisibleKind::Bernoulli),
        ("dbm", ModelKind::Dbm, VisibleKind::Bernoulli),
        ("dbn", ModelKind::Dbn, VisibleKind::Bernoulli),
        ("classifier", ModelKind::Classifier, VisibleKind::Bernoulli),
    ];
    for (name, kind, visible) in models {
        let path = old(&format!("models/{name}.gm"));
        let model: ModelData = load_model(&path).unwrap();
        assert_eq!((model.kind, model.visible), (kind, visible), "{name}");
        let mut again = Vec::new();
        model.write_as(Format::Gm, &mut again).unwrap();
        assert_eq!(again, fs::read(path).unwrap(), "{name}");
    }
}

/// A run of 3 hidden units on bars and stripes of 2 x 2 pixels, interrupted after 128 updates.
#[test]
fn rejects_a_run_whose_checkpoints_are_of_version_3() {
    let folder = tempfile::tempdir().unwrap();
    let name = "step-000000000128.gmck";
    fs::create_dir(folder.path().join("checkpoints")).unwrap();
    fs::copy(old("run/config.toml"), folder.path().join("config.toml")).unwrap();
    let path = folder.path().join("checkpoints").join(name);
    fs::copy(old("run/checkpoint"), &path).unwrap();
    let error = Run::resume(folder.path()).unwrap_err();
    assert!(matches!(&error, Error::OldCheckpoint { found: 3, .. }), "{error}");
    let text = "an earlier version of this program wrote this checkpoint (format version 3, this program reads 4); finish the run \
                with that version, or start it anew from its config.toml in another folder";
    assert_eq!(error.to_string(), format!("{}: {text}", path.display()));
    let bytes = fs::read(path).unwrap();
    let error = CheckpointInfo::read(&bytes[..]).unwrap_err().to_string();
    assert_eq!(error, "checkpoint file has format version 3, this program reads 4 and later");
}
