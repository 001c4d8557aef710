//! The parts that tests of the program share: a workshop folder in which it runs, and a small model.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use assert_cmd::Command;
use serde_json::Value;

/// The program, without variables of the user's environment that it might read.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dgm"));
    command.current_dir(folder).env_remove("DGM_DATA").env("HOME", folder).env_remove("XDG_CACHE_HOME");
    command
}

/// A folder for one test, which is removed afterwards.
pub(crate) struct Workshop(tempfile::TempDir);

impl Workshop {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    /// A folder with `model.gm`: 64 visible and 6 hidden units, trained on the digits.
    pub(crate) fn with_model() -> Self {
        static MODEL: OnceLock<Vec<u8>> = OnceLock::new();
        let workshop = Self::new();
        let model = MODEL.get_or_init(|| {
            let folder = Self::new();
            folder.json(&["train", "rbm", "--data", "digits", "--hidden", "6", "--epochs", "5", "--out", "run"]);
            folder.read("run/model.gm")
        });
        workshop.write("model.gm", model);
        workshop
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        let read = fs::read(self.path(name));
        assert!(read.is_ok(), "{name}: {read:?}");
        read.unwrap_or_default()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).expect("text files are UTF-8")
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a temporary folder can be written");
    }

    /// The program with arguments.
    pub(crate) fn dgm(&self, arguments: &[&str]) -> Command {
        let mut command = program(self.0.path());
        command.args(arguments);
        command
    }

    /// Runs a command that must succeed, and reads the one JSON document on its standard output.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let done = self.dgm(arguments).arg("--json").assert().success();
        serde_json::from_slice(&done.get_output().stdout).expect("standard output is exactly one JSON document")
    }

    /// Runs a command that must succeed, and reads its text.
    pub(crate) fn says(&self, arguments: &[&str]) -> String {
        let done = self.dgm(arguments).assert().success();
        String::from_utf8(done.get_output().stdout.clone()).expect("reports are UTF-8")
    }

    /// Runs a command that must fail with status 1 and one line, which it returns.
    pub(crate) fn refuses(&self, arguments: &[&str]) -> String {
        let done = self.dgm(arguments).assert().code(1).stdout("");
        let text = String::from_utf8(done.get_output().stderr.clone()).expect("messages are UTF-8");
        let line = text.strip_prefix("dgm: error: ");
        assert!(line.is_some(), "{arguments:?} said {text}");
        let line = line.unwrap_or_default();
        assert_eq!(line.matches('\n').count(), 1, "{arguments:?} said {text}");
        line.trim_end().to_owned()
    }

    /// Runs a command that must be refused as wrong usage, and reads the message.
    pub(crate) fn misused(&self, arguments: &[&str]) -> String {
        let done = self.dgm(arguments).assert().code(2).stdout("");
        String::from_utf8(done.get_output().stderr.clone()).expect("messages are UTF-8")
    }

    /// Height and width of a picture.
    pub(crate) fn picture(&self, name: &str) -> (u32, u32) {
        let picture = image::load_from_memory(&self.read(name)).expect("the program draws sound pictures");
        (picture.height(), picture.width())
    }

    /// Shape and values of an array.
    pub(crate) fn array(&self, name: &str) -> (Vec<u64>, Vec<f64>) {
        let bytes = self.read(name);
        let array = npyz::NpyFile::new(&bytes[..]).expect("the program writes sound arrays");
        let shape = array.shape().to_vec();
        let values = match array.dtype().descr().as_str() {
            "'|u1'" => array.into_vec::<u8>().map(|values| values.into_iter().map(f64::from).collect()),
            "'<f4'" => array.into_vec::<f32>().map(|values| values.into_iter().map(f64::from).collect()),
            _ => array.into_vec::<f64>(),
        };
        (shape, values.expect("the type of numbers is as announced"))
    }
}

/// A model of the test kit, with its exact figures.
pub(crate) fn fixture(name: &str) -> (String, Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gm-testkit/fixtures").join(name);
    let text = fs::read_to_string(&path).expect("the test kit has this fixture");
    (path.display().to_string(), serde_json::from_str(&text).expect("fixtures are JSON"))
}

/// A number of a document.
pub(crate) fn number(document: &Value, pointer: &str) -> f64 {
    let found = document.pointer(pointer).and_then(Value::as_f64);
    assert!(found.is_some(), "no number {pointer} in {document:#}");
    found.unwrap_or(f64::NAN)
}
