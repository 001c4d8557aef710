//! Files that are damaged or made to do harm: every reader refuses them by name, quickly, and within the memory that their size
//! warrants. The seeds of the fuzz targets are the sound files from which the damaged ones are made.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use gm_core::{Format, ModelData};
use gm_data::{DataSpec, LoadOptions, load_rows};
use gm_testkit::{check_part, markdown_table};
use gm_train::{CheckpointInfo, Config, Error};
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that a reader may ask for: so many times the file, and so many besides, since serde reserves up to a MiB for a list that
/// claims to be long, in each list within a list.
const MULTIPLE: usize = 64;
const BESIDES: usize = 4 << 20;

/// What compressed files may unfold to comes on top, and may be held so many times at once.
const COPIES: usize = 12;

/// No file below a megabyte takes a sound reader this long, whatever the machine is doing otherwise.
const PATIENCE: Duration = Duration::from_secs(20);

/// The readers, by the folders of their seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Model,
    Checkpoint,
    Safetensors,
    Npz,
    Json,
    Idx,
    Gzip,
    Npy,
    Archive,
    Csv,
    Amat,
    Libsvm,
    Fasta,
    Stockholm,
    Toml,
}

impl Reader {
    const ALL: [Self; 15] = [
        Self::Model,
        Self::Checkpoint,
        Self::Safetensors,
        Self::Npz,
        Self::Json,
        Self::Idx,
        Self::Gzip,
        Self::Npy,
        Self::Archive,
        Self::Csv,
        Self::Amat,
        Self::Libsvm,
        Self::Fasta,
        Self::Stockholm,
        Self::Toml,
    ];

    /// What the book calls it, its folder of seeds, one of them, and the extension of its files.
    fn names(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            Self::Model => ("model file (.gm)", "model", "rbm", "gm"),
            Self::Checkpoint => ("checkpoint (.gmck)", "checkpoint", "rbm", "gmck"),
            Self::Safetensors => ("model as safetensors", "safetensors", "rbm", "safetensors"),
            Self::Npz => ("model as npz", "npz", "rbm", "npz"),
            Self::Json => ("model as JSON", "json", "rbm", "json"),
            Self::Idx => ("data as IDX", "idx", "images", "idx"),
            Self::Gzip => ("data as IDX, compressed", "idx", "images-gz", "gz"),
            Self::Npy => ("data as npy", "npy", "f4", "npy"),
            Self::Archive => ("data as npz", "npy", "archive", "npz"),
            Self::Csv => ("data as csv", "csv", "labels", "csv"),
            Self::Amat => ("data as amat", "amat", "reals", "amat"),
            Self::Libsvm => ("data as libsvm", "libsvm", "reals", "svm"),
            Self::Fasta => ("sequences as FASTA", "fasta", "protein", "fasta"),
            Self::Stockholm => ("sequences as Stockholm", "stockholm", "family", "sto"),
            Self::Toml => ("configuration (TOML)", "toml", "rbm.toml", "toml"),
        }
    }

    /// A sound file.
    fn sound(self) -> Vec<u8> {
        let (_, folder, name, _) = self.names();
        fs::read(seeds().join(folder).join(name)).expect("the seeds are there")
    }

    /// Reads a file; the error as the library words it, without the folder.
    fn read(self, bytes: &[u8]) -> Result<(), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let model = |format| ModelData::read_as(format, bytes).map(drop).map_err(|e| text(&e));
        match self {
            Self::Model => model(Format::Gm),
            Self::Safetensors => model(Format::Safetensors),
            Self::Npz => model(Format::Npz),
            Self::Json => model(Format::Json),
            Self::Checkpoint => CheckpointInfo::read(bytes).map(drop).map_err(|e| text(&e)),
            Self::Toml => match std::str::from_utf8(bytes) {
                Ok(toml) => Config::parse(toml).and_then(|config| config.check()).map_err(|e| text(&e)),
                Err(_) => self.read_file(bytes),
            },
            _ => self.read_file(bytes),
        }
    }

    /// Reads a file in a folder of its own, in which nothing may change.
    fn read_file(self, bytes: &[u8]) -> Result<(), String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(format!("file.{}", self.names().3));
        fs::write(&path, bytes).expect("a temporary folder can be written");
        let outcome = match self {
            Self::Toml => Config::read(&path).map(drop),
            _ => {
                // Letters are categories, which only this option takes.
                let numbers = matches!(self, Self::Fasta | Self::Stockholm);
                let options = LoadOptions { numbers, ..LoadOptions::default() };
                load_rows(&DataSpec::Path(path), &options).map(drop).map_err(Error::from)
            }
        };
        assert_eq!(entries(&folder), 1, "a reader has written something");
        outcome.map_err(|error: Error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
    }

    fn is_compressed(self) -> bool {
        matches!(self, Self::Npz | Self::Gzip | Self::Archive)
    }

    /// The memory that a file of this size warrants.
    fn warranted(self, size: usize) -> usize {
        let unfolded = match self {
            // 64 times the size of the file plus 16 MiB, as the documentation of `ModelData::read_as` says.
            Self::Npz => COPIES * (64 * size + (16 << 20)),
            Self::Gzip | Self::Archive => COPIES * (128 * size + (64 << 20)),
            // 256 dense values of four bytes for a byte of the file.
            Self::Libsvm => 2 * 4 * (256 * size + (1 << 20)),
            _ => 0,
        };
        // The parser of TOML keeps more of a text than the others.
        let multiple = if self == Self::Toml { 4 * MULTIPLE } else { MULTIPLE };
        multiple * size + BESIDES + unfolded
    }
}

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds")
}

fn entries(folder: &TempDir) -> usize {
    fs::read_dir(folder.path()).expect("a readable folder").count()
}

/// Keeps other tests from asking for memory, which is that of the whole process.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads a file and checks time and memory; each test holds the lock of [`alone`] meanwhile.
fn measured(reader: Reader, bytes: &[u8]) -> Result<(), String> {
    let (began, before) = (Instant::now(), MEMORY.current_usage());
    MEMORY.reset_peak_usage();
    let outcome = reader.read(bytes);
    let (peak, time) = (MEMORY.peak_usage().saturating_sub(before), began.elapsed());
    assert!(peak <= reader.warranted(bytes.len()), "{reader:?}: {peak} bytes for a file of {}", bytes.len());
    assert!(time < PATIENCE, "{reader:?}: {time:?} for a file of {} bytes", bytes.len());
    outcome
}

// ---- The seeds ----

#[test]
fn table_every_seed_is_sound() {
    let _alone = alone();
    for reader in Reader::ALL {
        let folder = seeds().join(reader.names().1);
        for entry in fs::read_dir(&folder).expect("the seeds are there") {
            let path = entry.expect("a readable folder").path();
            let bytes = fs::read(&path).expect("a readable file");
            let fits = match reader {
                Reader::Gzip => bytes.starts_with(&[0x1f, 0x8b]),
                Reader::Idx => !bytes.starts_with(&[0x1f, 0x8b]),
                Reader::Archive => bytes.starts_with(b"PK"),
                Reader::Npy => !bytes.starts_with(b"PK"),
                _ => true,
            };
            let outcome = if fits { measured(reader, &bytes) } else { Ok(()) };
            assert_eq!(outcome, Ok(()), "{}", path.display());
        }
    }
}

// ---- Mutations ----

/// A change of a file, at a place given as a share of its length.
#[derive(Clone, Debug)]
enum Change {
    Flip(u8),
    Insert(Vec<u8>),
    Remove(usize),
    Cut,
    Repeat(usize),
    Extreme(u8),
    Number(&'static str),
}

fn changes() -> impl Strategy<Value = Vec<(f64, Change)>> {
    let numbers =
        ["-1", "1e999", "NaN", "18446744073709551615", "4294967296", "0x10", "1_0", "99999999999999999999", ""];
    let change = prop_oneof![
        any::<u8>().prop_map(Change::Flip),
        prop::collection::vec(any::<u8>(), 1..40).prop_map(Change::Insert),
        (1_usize..20).prop_map(Change::Remove),
        Just(Change::Cut),
        (1_usize..300).prop_map(Change::Repeat),
        prop::sample::select(vec![0, 1, 0x7f, 0x80, 0xff]).prop_map(Change::Extreme),
        prop::sample::select(numbers.to_vec()).prop_map(Change::Number),
    ];
    prop::collection::vec((0.0..1.0, change), 1..5)
}

fn changed(mut bytes: Vec<u8>, changes: &[(f64, Change)]) -> Vec<u8> {
    for (place, change) in changes {
        let at = (place * bytes.len() as f64) as usize;
        let rest = bytes.len() - at;
        match change {
            Change::Flip(mask) if rest > 0 => bytes[at] ^= mask,
            Change::Flip(_) => {}
            Change::Insert(junk) => drop(bytes.splice(at..at, junk.iter().copied())),
            Change::Remove(count) => drop(bytes.drain(at..at + rest.min(*count))),
            Change::Cut => bytes.truncate(at),
            Change::Repeat(count) => {
                let part = bytes[at..at + rest.min(9)].repeat(*count);
                bytes.splice(at..at, part);
            }
            Change::Extreme(value) => bytes[at..at + rest.min(8)].fill(*value),
            Change::Number(text) => {
                let digits = bytes[at..].iter().position(u8::is_ascii_digit).map_or(at, |offset| at + offset);
                let end =
                    bytes[digits..].iter().position(|byte| !byte.is_ascii_digit()).map_or(bytes.len(), |n| digits + n);
                bytes.splice(digits..end, text.bytes());
            }
        }
    }
    bytes
}

/// Bytes of the envelope around the payload of model files and checkpoints.
const HEADER: usize = 24;
const CHECKSUM: usize = 32;

/// Makes length and checksum of an envelope right, so that its payload is looked at.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let Some(payload) = bytes.len().checked_sub(HEADER + CHECKSUM) else { return bytes };
    bytes.truncate(HEADER + payload);
    bytes[16..HEADER].copy_from_slice(&(payload as u64).to_le_bytes());
    let checksum = Sha256::digest(&bytes);
    bytes.extend(checksum);
    bytes
}

proptest! {
    #[test]
    fn fuzz_changed_files_are_survived_within_their_memory(which in 0..Reader::ALL.len(), changes in changes(), seal: bool) {
        let _alone = alone();
        let reader = Reader::ALL[which];
        let bytes = changed(reader.sound(), &changes);
        let enveloped = matches!(reader, Reader::Model | Reader::Checkpoint);
        // The outcome is free; a panic, a hang and endless allocation are not.
        let _ = measured(reader, &if seal && enveloped { sealed(bytes) } else { bytes });
    }
}

// ---- The worst that small files could ask for ----

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes everything")
}

fn idx(dims: &[u32], data: &[u8]) -> Vec<u8> {
    let sizes = dims.iter().flat_map(|dim| dim.to_be_bytes());
    [0, 0, 8, dims.len() as u8].into_iter().chain(sizes).chain(data.iter().copied()).collect()
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), data].concat()
}

fn npz(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, data) in entries {
        archive.start_file(*name, options).expect("an archive in memory");
        archive.write_all(data).expect("an archive in memory");
    }
    archive.finish().expect("an archive in memory").into_inner()
}

/// The arrays of a model, with one more or one in place of another.
fn model_arrays(name: &'static str, array: Vec<u8>) -> Vec<u8> {
    let mut arrays = vec![
        ("model.npy", npy("|u1", "(3,)", b"rbm")),
        ("weights.0.npy", npy("<f4", "(1, 1)", &[0; 4])),
        ("bias.0.npy", npy("<f4", "(1,)", &[0; 4])),
        ("bias.1.npy", npy("<f4", "(1,)", &[0; 4])),
    ];
    arrays.retain(|(known, _)| *known != name);
    arrays.push((name, array));
    npz(&arrays)
}

/// 300 MiB of zeros in a few hundred kilobytes, with a header that tells the truth.
fn bomb(reader: Reader) -> Option<Vec<u8>> {
    const SIDE: usize = 17_736;
    let zeros = || vec![0; SIDE * SIDE];
    let shape = format!("({SIDE}, {SIDE})");
    match reader {
        Reader::Gzip => Some(gzip(&idx(&[SIDE as u32; 2], &zeros()))),
        Reader::Archive => Some(npz(&[("train.npy", npy("|u1", &shape, &zeros()))])),
        Reader::Npz => Some(model_arrays("bias.0.npy", npy("<f4", &format!("({},)", SIDE * SIDE / 4), &zeros()))),
        _ => None,
    }
}

#[test]
fn law_memory_stays_within_the_stated_multiple_in_the_worst_cases() {
    let _alone = alone();
    let tensors: String = (0..20_000).map(|i| format!("\"{i}\":[0],")).collect();
    let json = format!("{{\"model\":\"rbm\",\"tensors\":{{{}\"x\":[]}}}}", tensors);
    let lists = format!("{{\"tensors\":{{\"x\":[{}0]}}}}", "0,".repeat(200_000));
    let nested = format!("{{\"tensors\":{{\"x\":[{}[0]]}}}}", "[0],".repeat(100_000));
    let sparse = format!("1 {}", "1:1 ".repeat(100_000));
    let cells = "1,".repeat(300_000) + "1\n";
    let columns = "0.5\n".repeat(100_000);
    let integers = npy("|i1", "(1000, 1000)", &vec![1; 1_000_000]);
    let header = format!("{{{}", " ".repeat(399_999));
    let tables: String = (0..20_000).map(|i| format!("[a{i}]\n")).collect();
    let short_sequences: String = (0..60_000).map(|i| format!("{i:x} A\n")).collect();
    let worst: Vec<(Reader, Vec<u8>)> = vec![
        (Reader::Json, json.into()),
        (Reader::Json, lists.into()),
        (Reader::Json, nested.into()),
        (Reader::Json, "[".repeat(300_000).into()),
        (Reader::Safetensors, [&400_000_u64.to_le_bytes()[..], header.as_bytes()].concat()),
        (Reader::Libsvm, sparse.into()),
        (Reader::Libsvm, b"1 4294967295:1\n".to_vec()),
        (Reader::Libsvm, b"1 1000000:0.5\n".to_vec()),
        (Reader::Csv, cells.clone().into()),
        (Reader::Csv, ",".repeat(300_000).into()),
        (Reader::Csv, columns.clone().into()),
        (Reader::Amat, cells.replace(',', " ").into()),
        (Reader::Amat, columns.into()),
        (Reader::Npy, integers),
        (Reader::Fasta, ">\nA\n".repeat(100_000).into()),
        (Reader::Fasta, format!(">a\n{}\n", "A".repeat(300_000)).into()),
        (Reader::Fasta, format!(">a\n{}\n", "A\n".repeat(150_000)).into()),
        (Reader::Fasta, ">\n".repeat(150_000).into()),
        (Reader::Stockholm, format!("# STOCKHOLM 1.0\n{}//\n", short_sequences).into()),
        (Reader::Stockholm, format!("# STOCKHOLM 1.0\n{}//\n", "a A\n".repeat(100_000)).into()),
        (Reader::Stockholm, format!("# STOCKHOLM 1.0\n{}//\n", "#=GC RF x\n".repeat(50_000)).into()),
        (Reader::Toml, tables.into()),
        (Reader::Toml, "[".repeat(300_000).into()),
        (Reader::Toml, format!("a = {}", "[".repeat(300_000)).into()),
    ];
    for (reader, bytes) in worst {
        let _ = measured(reader, &bytes);
    }
    for reader in Reader::ALL {
        if let Some(bytes) = bomb(reader) {
            let refused = measured(reader, &bytes).expect_err("a bomb is refused");
            let says = ["times the file", "times the size of the file"].iter().any(|text| refused.contains(text));
            assert!(says, "{reader:?}: {refused}");
        }
    }
}

// ---- The table of the book ----

/// A file with one part replaced.
fn with(reader: Reader, from: &str, to: &str) -> Vec<u8> {
    let sound = reader.sound();
    let at = sound.windows(from.len()).position(|window| window == from.as_bytes());
    let at = at.unwrap_or_else(|| unreachable!("`{from}` is in the seed of {reader:?}"));
    [&sound[..at], to.as_bytes(), &sound[at + from.len()..]].concat()
}

/// A file with bytes replaced from a place on.
fn patched(mut bytes: Vec<u8>, at: usize, patch: &[u8]) -> Vec<u8> {
    bytes[at..at + patch.len()].copy_from_slice(patch);
    bytes
}

/// The damage that all files can have.
fn common(reader: Reader) -> Vec<Damaged> {
    let sound = reader.sound();
    let middle = sound.len() / 2;
    // Of a small file without a checksum the middle may be the header; its last number is a value.
    let value =
        if matches!(reader, Reader::Safetensors | Reader::Idx | Reader::Npy) { sound.len() - 4 } else { middle };
    let flipped = patched(sound.clone(), value, &[sound[value] ^ 1]);
    vec![
        ("empty", vec![]),
        ("cut in half", sound[..middle].to_vec()),
        ("the last byte missing", sound[..sound.len() - 1].to_vec()),
        ("one bit flipped in the middle, or in a value", flipped),
        ("`abc` after the end", [&sound[..], b"abc"].concat()),
        ("a picture under this name", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01".to_vec()),
    ]
}

fn last_number(reader: Reader, number: &[u8]) -> Vec<u8> {
    let sound = reader.sound();
    let at = sound.len() - number.len();
    patched(sound, at, number)
}

const LATER: &str = "NaN among the numbers";
const NEWER: &str = "a later version of the format";
const LIE: &str = "a header that announces 2^62 bytes";
const MORE: &str = "a header that announces more than there is";
const NAMES: &str = "a name that nobody knows";
const TEXT: &str = "a word in place of a number";
const OUTSIDE: &str = "an entry named `../../outside.npy`";
const RANGE: &str = "values outside 0..1";
const DEEP: &str = "brackets 100,000 deep";
const FEWER: &str = "a line with fewer cells";

type Damaged = (&'static str, Vec<u8>);

/// The damage that only some files can have.
fn special(reader: Reader) -> Vec<Damaged> {
    let mut cases = match reader {
        Reader::Model | Reader::Checkpoint => damaged_envelope(reader),
        Reader::Safetensors | Reader::Npz | Reader::Json => damaged_model(reader),
        Reader::Csv | Reader::Amat | Reader::Libsvm => damaged_text(reader),
        Reader::Fasta | Reader::Stockholm => damaged_sequences(reader),
        Reader::Toml => damaged_configuration(reader),
        _ => damaged_arrays(reader),
    };
    cases.extend(bomb(reader).map(|bytes| ("300 MiB of zeros, compressed", bytes)));
    cases
}

const HUGE: [u8; 8] = (1_u64 << 62).to_le_bytes();

fn damaged_envelope(reader: Reader) -> Vec<Damaged> {
    let sound = reader.sound();
    let at = sound.len() - CHECKSUM - 4;
    let number = (LATER, sealed(patched(sound.clone(), at, &f32::NAN.to_le_bytes())));
    let mut cases = vec![
        (LIE, patched(sound.clone(), 16, &HUGE)),
        (NEWER, patched(sound.clone(), 8, &99_u32.to_le_bytes())),
        ("lengths inside that lie, under a right checksum", sealed(patched(sound, HEADER, &HUGE))),
    ];
    cases.extend((reader == Reader::Model).then_some(number));
    cases
}

fn damaged_model(reader: Reader) -> Vec<Damaged> {
    let nan = f32::NAN.to_le_bytes();
    match reader {
        Reader::Safetensors => vec![
            (LIE, patched(reader.sound(), 0, &HUGE)),
            (LATER, last_number(reader, &nan)),
            (NAMES, with(reader, "\"bias.1\"", "\"bais.1\"")),
            ("numbers of 16 bits", with(reader, "F32", "F16")),
        ],
        Reader::Npz => vec![
            (LATER, model_arrays("bias.0.npy", npy("<f4", "(1,)", &nan))),
            (NAMES, model_arrays("bais.0.npy", npy("<f4", "(1,)", &[0; 4]))),
            (MORE, model_arrays("bias.0.npy", npy("<f4", "(1099511627776,)", &[0; 4]))),
            (OUTSIDE, model_arrays("../../outside.npy", npy("<f4", "(1,)", &[0; 4]))),
        ],
        _ => vec![
            (TEXT, with(reader, "\"bias.0\":[", "\"bias.0\":[\"one\",")),
            (LATER, with(reader, "\"bias.0\":[", "\"bias.0\":[NaN,")),
            (
                "a number that no f32 can hold",
                br#"{"model": "rbm", "tensors": {"weights.0": [[1e99]], "bias.0": [0], "bias.1": [0]}}"#.to_vec(),
            ),
            (NAMES, with(reader, "bias.1", "bais.1")),
            (DEEP, format!("{{\"tensors\": {}", "[".repeat(100_000)).into()),
        ],
    }
}

fn damaged_arrays(reader: Reader) -> Vec<Damaged> {
    match reader {
        Reader::Idx => vec![
            ("a header that announces 2^96 bytes", idx(&[u32::MAX; 3], &[0; 9])),
            (MORE, patched(reader.sound(), 4, &[0, 1, 0, 0])),
            ("numbers of 32 bits", patched(reader.sound(), 2, &[0x0d])),
        ],
        Reader::Gzip => vec![
            ("a header that announces 3 TB, compressed", gzip(&idx(&[u32::MAX, 784], &[0; 9]))),
            ("zeros without end after an honest header", gzip(&idx(&[2, 2], &vec![0; 1 << 20]))),
        ],
        Reader::Npy => vec![
            (
                "a header that announces 2^128 bytes",
                npy("<f8", "(18446744073709551615, 18446744073709551615)", &[0; 8]),
            ),
            (MORE, npy("<f4", "(9, 9)", &[0; 8])),
            (NEWER, patched(reader.sound(), 6, &[4])),
            (LATER, last_number(reader, &f32::NAN.to_le_bytes())),
            (RANGE, last_number(reader, &7_f32.to_le_bytes())),
            ("Python objects", npy("|O", "(1, 1)", &[0; 8])),
            (DEEP, npy("<f4", &"(".repeat(60_000), &[])),
        ],
        _ => {
            let (rows, two) = (|| npy("|u1", "(6, 1)", &[1; 6]), npy("|u1", "(2,)", &[0; 2]));
            vec![
                (MORE, npz(&[("train.npy", npy("|u1", "(1048576, 1048576)", &[0; 9]))])),
                ("labels for other rows", npz(&[("train.npy", rows()), ("y_train.npy", two)])),
                (OUTSIDE, npz(&[("train.npy", rows()), ("../../outside.npy", rows())])),
            ]
        }
    }
}

fn damaged_text(reader: Reader) -> Vec<Damaged> {
    let number = if reader == Reader::Csv { "0.25" } else { "0.5" };
    let mut cases = vec![
        (TEXT, with(reader, number, "some")),
        (LATER, with(reader, number, "NaN")),
        (RANGE, with(reader, number, "7.5")),
    ];
    cases.extend(match reader {
        Reader::Csv => vec![(FEWER, with(reader, ",0.25", "")), ("a label that is none", with(reader, "7,", "-7,"))],
        Reader::Amat => vec![(FEWER, with(reader, "0.5", ""))],
        _ => vec![
            ("an index of 2^32 - 1", with(reader, "5:", "4294967295:")),
            ("an index that occurs twice", with(reader, "5:", "4:")),
            ("an index of 0", with(reader, "1:", "0:")),
        ],
    });
    cases
}

fn damaged_sequences(reader: Reader) -> Vec<Damaged> {
    let (letters, header) = match reader {
        Reader::Fasta => ("AC-DEY", ">>one"),
        _ => ("AC-gD", "# STOCKHOLM"),
    };
    let mut cases = vec![
        ("a column more in one sequence", with(reader, letters, &format!("{letters}W"))),
        ("a digit among the letters", with(reader, letters, &letters.replacen('C', "7", 1))),
        ("no header", with(reader, header, "one")),
    ];
    if reader == Reader::Stockholm {
        cases.push(("a name without letters", with(reader, "two AC.-Y", "two")));
        cases.push(("a line `#=GC RF` that is too short", with(reader, "xxx.x", "xxx.")));
        cases.push(("two alignments", reader.sound().repeat(2)));
    }
    cases
}

fn damaged_configuration(reader: Reader) -> Vec<Damaged> {
    vec![
        (TEXT, with(reader, "epochs = 3", "epochs = 'some'")),
        (NAMES, with(reader, "epochs", "epocs")),
        ("a value that is not allowed", with(reader, "epochs = 3", "epochs = 0")),
        ("a number beyond 64 bits", with(reader, "epochs = 3", "epochs = 99999999999999999999")),
        (DEEP, format!("a = {}", "[".repeat(100_000)).into()),
    ]
}

/// Text formats that carry no checksum can be changed into other sound files.
fn said(outcome: Result<(), String>) -> String {
    match outcome {
        Ok(()) => "is read; nothing in the file could tell".into(),
        Err(text) => {
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('`', "'");
            let shown: String = text.chars().take(240).filter(|c| !c.is_control()).collect();
            format!("`{shown}{}`", if text.chars().count() > 240 { " ..." } else { "" })
        }
    }
}

#[test]
fn golden_the_table_of_damage_is_what_the_readers_say() {
    let _alone = alone();
    let mut part = String::new();
    for reader in Reader::ALL {
        let cases = common(reader).into_iter().chain(special(reader));
        let rows: Vec<Vec<String>> =
            cases.map(|(damage, bytes)| vec![damage.to_owned(), said(measured(reader, &bytes))]).collect();
        part += &format!("\n**{}**\n\n{}", reader.names().0, markdown_table(&["damage", "what is said"], &rows));
    }
    part.push('\n');
    let outcome = check_part("reliability.md", "damage", &part);
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn rejects_damage_wherever_a_file_could_tell() {
    let _alone = alone();
    // Files with checksums, and those whose length is known, notice every kind of damage but another value where there is no checksum.
    for reader in [Reader::Model, Reader::Checkpoint, Reader::Safetensors, Reader::Idx, Reader::Gzip] {
        for (damage, bytes) in common(reader).into_iter().chain(special(reader)) {
            let unnoticed = matches!(reader, Reader::Safetensors | Reader::Idx) && damage.starts_with("one bit");
            assert_eq!(reader.read(&bytes).is_ok(), unnoticed, "{reader:?}: {damage}");
        }
    }
    assert!(Reader::ALL.iter().filter(|reader| reader.is_compressed()).all(|&reader| bomb(reader).is_some()));
}
