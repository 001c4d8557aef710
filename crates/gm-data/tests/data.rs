//! Data sets: built-in sets, readers of every format, malformed files one by one, splits and binarisation.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use gm_core::{BitMatrix, Matrix, Purpose, Streams};
use gm_data::Error;
use gm_data::{
    Binarise, DataSpec, Dataset, Levels, LoadOptions, RowWeights, Split, SplitName, Values, datasets, epoch_order,
    load, load_rows,
};
use npyz::WriterBuilder;
use proptest::prelude::*;
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A folder with one file.
fn file(name: &str, content: &[u8]) -> (TempDir, PathBuf) {
    let folder = folder_with(&[(name, content.to_vec())]);
    let path = folder.path().join(name);
    (folder, path)
}

fn idx(dims: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|dim| bytes.extend(dim.to_be_bytes()));
    bytes.extend(data);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes everything")
}

fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn rows_of(path: &Path) -> gm_data::Result<Split> {
    load_rows(&DataSpec::Path(path.into()), &LoadOptions::default())
}

/// All rows of a file, or the error's text without the folder.
fn outcome(name: &str, content: &[u8]) -> Result<Split, String> {
    let (folder, path) = file(name, content);
    rows_of(&path).map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

fn refusal(name: &str, content: &[u8]) -> String {
    outcome(name, content).expect_err("the file must be refused")
}

fn matrix(split: &Split) -> Matrix {
    split.to_matrix(&(0..split.len() as u32).collect::<Vec<_>>())
}

// ---- Built-in sets ----

#[test]
fn table_digits_splits_and_values() {
    let digits = Dataset::builtin("digits").unwrap();
    assert_eq!([&digits.train, &digits.valid, &digits.test].map(Split::len), [1199, 299, 299]);
    let whole = load_rows(&DataSpec::Digits, &LoadOptions::default()).unwrap();
    assert_eq!(whole.labels().unwrap()[..6], [0, 1, 2, 3, 4, 5]);
    // Every sixth row: row 4 is the first for validation, row 5 the first of the test.
    assert_eq!(digits.valid.to_matrix(&[0, 1]), whole.to_matrix(&[4, 10]));
    assert_eq!(digits.test.to_matrix(&[0, 298]), whole.to_matrix(&[5, 5 + 6 * 298]));
    assert_eq!(digits.train.to_matrix(&[3, 4]), whole.to_matrix(&[3, 6]));
    let info = whole.info();
    assert_eq!((info.rows, info.units, info.image, info.binary), (1797, 64, Some((8, 8)), false));
    assert_eq!(info.labels.values().copied().collect::<Vec<_>>(), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    assert_eq!((info.constant_units, info.duplicates), (3, 0));
    assert!((info.density * 16.0 - 4.884_164_58).abs() < 1e-6, "{}", info.density * 16.0);
}

#[test]
fn table_bars_and_stripes_have_their_rows() {
    let bars = Dataset::builtin("bars-and-stripes:2").unwrap();
    let rows: Vec<Vec<u8>> =
        (0..8).map(|row| bars.train.to_matrix(&[row]).iter().map(|&x| x as u8).collect()).collect();
    let expected =
        [[0, 0, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [1, 1, 1, 1], [0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [1; 4]];
    assert_eq!(rows, expected);
    assert_eq!(bars.train.values(), bars.test.values());
    assert_eq!(bars.train.image(), Some((2, 2)));
    assert_eq!(Dataset::builtin("bars-and-stripes:5").unwrap().train.info().duplicates, 2);
}

#[test]
fn table_shifter_shifts() {
    for (name, rows) in [("shifter:3", [24; 3]), ("shifter:20", [12_000, 3_000, 3_000])] {
        let shifter = Dataset::builtin(name).unwrap();
        assert_eq!([&shifter.train, &shifter.valid, &shifter.test].map(Split::len), rows);
        let Values::Bits(bits) = shifter.train.values() else { panic!("the shifter is binary") };
        let n = (bits.units() - 3) / 2;
        for (sample, &label) in shifter.train.labels().unwrap().iter().enumerate() {
            let shift = usize::from(label);
            let left = [1, 0, n - 1][shift];
            assert!((0..n).all(|i| bits.get(n + i, sample) == bits.get((i + left) % n, sample)));
            assert!((0..3).all(|k| bits.get(2 * n + k, sample) == (k == shift)));
        }
    }
    assert_eq!(Dataset::builtin("shifter:8").unwrap().train.info().duplicates, 0);
    let drawn = Dataset::builtin("shifter:20").unwrap().train.info();
    // 20 standard deviations of a mean of 12,000 x 43 values are below 0.02; a third of the labels each.
    assert!((drawn.density - (0.5 * 40.0 + 1.0) / 43.0).abs() < 0.02);
    assert!(drawn.labels.values().all(|&count| (3_700..4_300).contains(&count)), "{:?}", drawn.labels);
}

#[test]
fn rejects_unknown_names_with_the_nearest_and_sizes_out_of_range() {
    for (name, text) in [
        (
            "mnsit",
            "unknown data set `mnsit`, did you mean `mnist`?; known: digits, bars-and-stripes:D, shifter:N, mnist, \
                   binarized_mnist, caltech101_silhouettes_28",
        ),
        ("digits:3", "unknown data set `digits:3`, did you mean `digits`?"),
        ("binarised_mnist", "did you mean `binarized_mnist`?"),
        ("zebra", "unknown data set `zebra`; known: "),
        ("shifter", "`data` is shifter, allowed: shifter:N with N from 3 to 4096"),
        ("shifter:2", "`data` is shifter:2, allowed: shifter:N with N from 3 to 4096"),
        ("bars-and-stripes:17", "`data` is bars-and-stripes:17, allowed: bars-and-stripes:D with D from 1 to 16"),
    ] {
        let error = DataSpec::parse(name).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
    let error = "tran".parse::<SplitName>().unwrap_err().to_string();
    assert_eq!(error, "unknown split `tran`, did you mean `train`?; known: train, valid, test");
}

#[test]
fn law_specs_survive_printing() {
    for text in ["digits", "bars-and-stripes:4", "shifter:8", "mnist", "folder/rows.npy"] {
        assert_eq!(DataSpec::parse(text).unwrap().to_string(), text);
    }
}

// ---- Readers ----

#[test]
fn oracle_all_formats_give_the_same_bits() {
    let cells: Vec<u8> = (0..7 * 20).map(|i| u8::from(i * i % 7 < 3)).collect();
    let expected = Matrix::from_iterator(20, 7, cells.iter().map(|&cell| f32::from(cell)));
    let line = |separator: &str, row: &[u8]| row.iter().map(u8::to_string).collect::<Vec<_>>().join(separator) + "\n";
    let lines = |separator| cells.chunks(20).map(|row| line(separator, row)).collect::<String>().into_bytes();
    let names = (0..20).map(|i| format!("pixel{i}")).collect::<Vec<_>>().join(",") + "\n";
    let sparse_row = |row: &[u8]| {
        let entries: String = (0..20).filter(|&i| row[i] == 1).map(|i| format!(" {}:1", i + 1)).collect();
        format!("3{entries} # note\n")
    };
    let sparse = format!("{}\n", cells.chunks(20).map(sparse_row).collect::<String>());
    let fortran: Vec<u8> =
        (0..20).flat_map(|unit| (0..7).map(move |row| (row, unit))).map(|(r, u)| cells[20 * r + u]).collect();
    let doubles: Vec<u8> = cells.iter().flat_map(|&cell| f64::from(cell).to_le_bytes()).collect();
    let big: Vec<u8> = cells.iter().flat_map(|&cell| f32::from(cell).to_be_bytes()).collect();
    let integers: Vec<u8> = cells.iter().flat_map(|&cell| i64::from(cell).to_le_bytes()).collect();
    for (name, content) in [
        ("a.idx", idx(&[7, 20], &cells)),
        ("a-idx3-ubyte", idx(&[7, 4, 5], &cells)),
        ("a.gz", gzip(&idx(&[7, 20], &cells))),
        ("a.csv", lines(",")),
        ("named.csv", [names.into_bytes(), lines(",")].concat()),
        ("a.tsv", lines("\t")),
        ("a.amat", lines(" ")),
        ("a.libsvm", sparse.into_bytes()),
        ("a.npy", npy("|u1", false, "(7, 20)", &cells)),
        ("bool.npy", npy("|b1", false, "(7, 4, 5)", &cells)),
        ("fortran.npy", npy("|u1", true, "(7, 20)", &fortran)),
        ("double.npy", npy("<f8", false, "(7, 20)", &doubles)),
        ("big.npy", npy(">f4", false, "(7, 20)", &big)),
        ("integers.npy", npy("<i8", false, "(7, 20)", &integers)),
        ("without-extension", npy("|u1", false, "(7, 20)", &cells)),
    ] {
        let split = outcome(name, &content).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(split.is_binary(), "{name}");
        assert_eq!(matrix(&split), expected, "{name}");
    }
}

#[test]
fn table_grey_levels_and_reals_are_scaled_by_kind() {
    let levels = outcome("a.idx", &idx(&[2, 3], &[0, 51, 255, 1, 0, 102])).unwrap();
    assert_eq!(matrix(&levels).as_slice(), [0.0, 0.2, 1.0, 1.0 / 255.0, 0.0, 0.4]);
    assert!(matches!(levels.values(), Values::Levels(levels) if levels.scale() == 255));
    let reals = outcome("a.csv", b"0, 0.25\n1,1e-1\n").unwrap();
    assert!(matches!(reals.values(), Values::Reals(_)));
    assert_eq!(matrix(&reals).as_slice(), [0.0, 0.25, 1.0, 0.1]);
}

#[test]
fn table_csv_headers_and_labels() {
    let split = outcome("a.csv", b"label,0,1,2\n7,0,1,1\n2,1,0,0\n").unwrap();
    assert_eq!((split.len(), split.units(), split.labels()), (2, 3, Some(&[7, 2][..])));
    // Numbers of columns are no names: the row stays, and the error asks whether it is a header.
    let text = "a.csv: value 2 at row 1, column 3 lies outside 0..1; is the first line a header? If not, scale the values \
                to 0..1, or binarise with `threshold:T`";
    assert_eq!(refusal("a.csv", b"0,1,2\n0,1,1\n"), text);
    let plain = outcome("a.csv", b"0,1,1\n0,1,1\n").unwrap();
    assert_eq!(plain.len(), 2);
}

#[test]
fn table_libsvm_units_and_signs() {
    let (_folder, path) = file("a.svm", b"-1 2:0.5\n+1 1:1\n");
    let options = LoadOptions { units: Some(4), ..LoadOptions::default() };
    let split = load_rows(&DataSpec::Path(path.clone()), &options).unwrap();
    assert_eq!((split.units(), split.labels()), (4, Some(&[0, 1][..])));
    assert_eq!(matrix(&split).as_slice(), [0.0, 0.5, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    assert_eq!(rows_of(&path).unwrap().units(), 2);
}

fn write_npz(path: &Path, arrays: &[(&str, &[u64], &[u8])]) -> std::io::Result<()> {
    let mut npz = ZipWriter::new(fs::File::create(path)?);
    for (name, shape, values) in arrays {
        npz.start_file(format!("{name}.npy"), SimpleFileOptions::default())?;
        let mut array = npyz::WriteOptions::new().default_dtype().shape(shape).writer(&mut npz).begin_nd()?;
        array.extend(values.iter().copied())?;
        array.finish()?;
    }
    npz.finish()?;
    Ok(())
}

#[test]
fn table_texts_in_an_npz_file_name_the_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let write = |name: &str, names: Vec<u8>| {
        let data: Vec<u8> = (0..16).map(|i| i % 3 % 2).collect();
        write_npz(&path, &[("x_train", &[8, 2], &data), ("y_train", &[8], &[1; 8])]).unwrap();
        let mut npz = ZipWriter::new_append(fs::File::options().read(true).write(true).open(&path).unwrap()).unwrap();
        npz.start_file(format!("{name}.npy"), SimpleFileOptions::default()).unwrap();
        npz.write_all(&names).unwrap();
        npz.finish().unwrap();
        load_rows(&DataSpec::Path(path.clone()), &LoadOptions::default())
    };
    let wide = |text: &str| text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect::<Vec<u8>>();
    let found = write("columns", npy("<U3", false, "(2,)", &wide("teay\u{fc}\0"))).unwrap();
    assert_eq!(found.column_names().unwrap(), ["tea", "y\u{fc}"]);
    let found = write("feature_names", npy("|S2", false, "(2,)", b"abc\0")).unwrap();
    assert_eq!(found.column_names().unwrap(), ["ab", "c"]);
    let refusals: [(Vec<u8>, &str); 6] = [
        (npy("|S2", false, "(3,)", b"abcdef"), "a name for each column of the values"),
        (npy("|O", false, "(2,)", b"abcd"), "texts of a fixed length"),
        (npy("<U99999999999999999999", false, "(2,)", b""), "texts of a fixed length"),
        (npy("|S2", false, "(2,)", b"abc"), "4 bytes"),
        (npy("<U1", false, "(2,)", &[255; 8]), "not Unicode"),
        (npy("|S9223372036854775807", false, "(2,)", b"ab"), "memory"),
    ];
    for (names, words) in refusals {
        let said = write("columns", names).unwrap_err().to_string();
        assert!(said.contains(words), "{said}");
    }
}

#[test]
fn table_npz_arrays_become_splits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    // Bytes of 0 and 1 in one split stay grey levels beside a split of grey levels.
    write_npz(
        &path,
        &[
            ("x_train", &[6, 2], &[9; 12]),
            ("y_train", &[6], &[4; 6]),
            ("x_test", &[2, 2], &[0, 1, 0, 1]),
            ("y_test", &[2], &[1, 2]),
        ],
    )
    .unwrap();
    let data = load(&DataSpec::Path(path.clone()), &LoadOptions::default()).unwrap();
    assert_eq!([&data.train, &data.valid, &data.test].map(Split::len), [5, 1, 2]);
    assert_eq!(data.test.to_matrix(&[0]).as_slice(), [0.0, 1.0 / 255.0]);
    assert_eq!((data.valid.labels(), data.test.labels()), (Some(&[4][..]), Some(&[1, 2][..])));
    assert_eq!(rows_of(&path).unwrap().len(), 8);

    write_npz(&path, &[("images", &[6, 2], &[1; 12]), ("labels", &[6], &[4; 6])]).unwrap();
    let data = load(&DataSpec::Path(path.clone()), &LoadOptions::default()).unwrap();
    assert_eq!([&data.train, &data.valid, &data.test].map(Split::len), [4, 1, 1]);

    write_npz(&path, &[("a", &[6, 2], &[1; 12]), ("b", &[6, 2], &[1; 12])]).unwrap();
    let error = rows_of(&path).unwrap_err().to_string();
    assert!(error.ends_with("npz file lacks `train (or train_images, x_train; it holds a, b)`"), "{error}");
}

fn folder_with(files: &[(&str, Vec<u8>)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    for (name, content) in files {
        fs::write(folder.path().join(name), content).expect("a writable folder");
    }
    folder
}

#[test]
fn table_folders_give_splits_and_missing_ones_are_derived() {
    let images = |rows: u32| idx(&[rows, 2], &(0..2 * rows).map(|i| u8::from(i % 3 == 0)).collect::<Vec<_>>());
    let load = |folder: &TempDir| load(&DataSpec::Path(folder.path().into()), &LoadOptions::default());
    let sizes = |data: Dataset| [&data.train, &data.valid, &data.test].map(Split::len);

    let whole = folder_with(&[
        ("train-images-idx2-ubyte.gz", gzip(&images(13))),
        ("train-labels-idx1-ubyte", idx(&[13], &[1; 13])),
        ("valid-images-idx2-ubyte", images(3)),
        ("test-images-idx2-ubyte.gz", gzip(&images(2))),
    ]);
    assert_eq!(sizes(load(&whole).unwrap()), [13, 3, 2]);
    let no_valid = folder_with(&[("train-images-idx2-ubyte", images(13)), ("t10k-images-idx2-ubyte", images(2))]);
    assert_eq!(sizes(load(&no_valid).unwrap()), [11, 2, 2]);
    let only_train = folder_with(&[("train-images-idx2-ubyte", images(13))]);
    assert_eq!(sizes(load(&only_train).unwrap()), [9, 2, 2]);
}

#[test]
fn table_known_sets_are_searched_in_both_folders() {
    let images = idx(&[12, 2], &[1; 24]);
    let cache = tempfile::tempdir().unwrap();
    fs::create_dir(cache.path().join("mnist")).unwrap();
    fs::write(cache.path().join("mnist/train-images-idx3-ubyte"), images).unwrap();
    let empty = tempfile::tempdir().unwrap();
    let mut options = LoadOptions { data_dir: Some(empty.path().into()), ..LoadOptions::default() };
    let error = load(&DataSpec::Known("mnist"), &options).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("data set `mnist` not found, looked for the folder: {}", empty.path().join("mnist").display())
    );
    let error = load(&DataSpec::Known("mnist"), &LoadOptions::default()).unwrap_err().to_string();
    assert!(error.ends_with("nowhere, since no data folder is set"), "{error}");
    options.cache_dir = Some(cache.path().into());
    assert_eq!(load(&DataSpec::Known("mnist"), &options).unwrap().source, "mnist");
}

// ---- Splits ----

/// Lines of five units that hold the row's number in binary digits, with the label `label(row)`.
fn numbered(rows: std::ops::Range<u32>, label: impl Fn(u32) -> u32) -> Vec<u8> {
    let line = |row: u32| (0..5).map(move |bit| (row >> bit & 1).to_string()).chain([label(row).to_string()]);
    let lines = rows.map(|row| line(row).collect::<Vec<_>>().join(",") + "\n");
    ("a,b,c,d,e,label\n".to_owned() + &lines.collect::<String>()).into_bytes()
}

/// The numbers of the rows that [`numbered`] has written.
fn numbers(split: &Split) -> Vec<u32> {
    let bits = split.to_bits(Binarise::None).expect("rows of zeros and ones");
    (0..split.len()).map(|row| (0..5).map(|bit| u32::from(bits.get(bit, row)) << bit).sum()).collect()
}

#[test]
fn table_rows_of_a_file_are_drawn_and_those_of_a_known_set_keep_their_places() {
    let (_folder, path) = file("a.csv", &numbered(0..30, |row| row % 6));
    let data = load(&DataSpec::Path(path), &LoadOptions::default()).unwrap();
    let splits = [&data.train, &data.valid, &data.test].map(numbers);
    assert_eq!(splits.each_ref().map(Vec::len), [20, 5, 5]);
    assert!(splits.iter().all(|rows| rows.is_sorted()), "{splits:?}");
    assert!(splits[1].iter().any(|row| row % 6 != 4), "{splits:?}");
    assert_eq!(splits.concat().into_iter().collect::<std::collections::BTreeSet<_>>().len(), 30);

    // A known set has the validation rows that others have published figures of: its last sixth.
    let images = |rows: u8| idx(&[rows.into(), 1], &(0..rows).collect::<Vec<_>>());
    let set = tempfile::tempdir().unwrap();
    fs::create_dir(set.path().join("mnist")).unwrap();
    fs::write(set.path().join("mnist/train-images-idx3-ubyte"), images(24)).unwrap();
    fs::write(set.path().join("mnist/t10k-images-idx3-ubyte"), images(3)).unwrap();
    let options = LoadOptions { data_dir: Some(set.path().into()), ..LoadOptions::default() };
    let levels = |split: &Split| matrix(split).iter().map(|x| (255.0 * x).round() as u8).collect::<Vec<_>>();
    assert_eq!(levels(&load(&DataSpec::Known("mnist"), &options).unwrap().valid), [20, 21, 22, 23]);
    let folder = load(&DataSpec::Path(set.path().join("mnist")), &LoadOptions::default()).unwrap();
    assert_eq!((folder.valid.len(), folder.test.len()), (4, 3));
    assert_ne!(levels(&folder.valid), [20, 21, 22, 23]);
}

#[test]
fn table_arrays_sorted_by_class_give_validation_rows_of_every_class() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let labels: Vec<u8> = (0..120).map(|row| row / 40).collect();
    let arrays: [(&str, &[u64], &[u8]); 4] = [
        ("x_train", &[120, 2], &[1; 240]),
        ("y_train", &[120], &labels),
        ("x_test", &[3, 2], &[1; 6]),
        ("y_test", &[3], &[0, 1, 2]),
    ];
    write_npz(&path, &arrays).unwrap();
    let data = load(&DataSpec::Path(path), &LoadOptions::default()).unwrap();
    assert_eq!((data.valid.len(), data.valid.info().labels.len(), data.train.info().labels.len()), (20, 3, 3));
    assert!(data.label_warnings().is_empty());
}

#[test]
fn table_weights_of_all_rows_go_to_the_rows_that_are_drawn_for_training() {
    let (folder, path) = file("a.csv", &numbered(0..30, |row| row));
    let weights = folder.path().join("w.csv");
    fs::write(&weights, (1..=30).map(|w| format!("{w}\n")).collect::<String>()).unwrap();
    let options = LoadOptions { weights: Some(RowWeights::File(weights)), ..LoadOptions::default() };
    let train = load(&DataSpec::Path(path), &options).unwrap().train;
    let (rows, found) = (numbers(&train), train.weights().unwrap().to_vec());
    let mean = rows.iter().map(|row| f64::from(row + 1)).sum::<f64>() / 20.0;
    for (row, weight) in rows.iter().zip(found) {
        assert!((f64::from(weight) - f64::from(row + 1) / mean).abs() < 1e-5, "row {row} has weight {weight}");
    }
}

#[test]
fn table_validation_and_test_rows_come_from_files_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        fs::write(folder.path().join(name), content).unwrap();
        folder.path().join(name)
    };
    let spec = DataSpec::Path(write("train.csv", &numbered(0..18, |_| 1)));
    let (valid, test) =
        (write("valid.csv", &numbered(18..22, |_| 0)), write("test.npy", &npy("<f4", false, "(2, 5)", &[0; 40])));
    let options = LoadOptions { valid: Some(valid.clone()), test: Some(test.clone()), ..LoadOptions::default() };
    let data = load(&spec, &options).unwrap();
    assert_eq!(
        [&data.train, &data.valid, &data.test].map(numbers),
        [(0..18).collect(), (18..22).collect(), vec![0, 0]]
    );
    assert_eq!(data.source_of(SplitName::Train), data.source);
    assert_eq!(data.source_of(SplitName::Valid), valid.display().to_string());
    assert_eq!(data.source_of(SplitName::Test), test.display().to_string());
    assert_eq!(data.inverted().unwrap().source_of(SplitName::Test), test.display().to_string());
    assert!(data.label_warnings()[0].contains("valid.csv: label 0 occurs in validation rows"));
    assert_eq!(load_rows(&spec, &options).unwrap().len(), 18 + 4 + 2);
    // With one of the two, the other takes a sixth of the training rows.
    let data = load(&spec, &LoadOptions { test: Some(test), ..LoadOptions::default() }).unwrap();
    assert_eq!([&data.train, &data.valid, &data.test].map(Split::len), [15, 3, 2]);
    let data = load(&spec, &LoadOptions { valid: Some(valid), ..LoadOptions::default() }).unwrap();
    assert_eq!([&data.train, &data.valid, &data.test].map(Split::len), [15, 4, 3]);
    // The highest index of all sparse files is the number of units.
    let sparse = DataSpec::Path(write("train.svm", b"0 1:1 4:1\n".repeat(6).as_slice()));
    let (valid, test) = (write("valid.svm", b"0 1:1\n"), write("test.svm", b"1 2:1 7:1\n"));
    let options = LoadOptions { valid: Some(valid), test: Some(test), ..LoadOptions::default() };
    let data = load(&sparse, &options).unwrap();
    assert_eq!([&data.train, &data.valid, &data.test].map(Split::units), [7; 3]);
    // Bytes of one file are grey levels where those of another file are.
    let bytes = |level: u8| npy("|u1", false, "(6, 2)", &[level; 12]);
    let spec = DataSpec::Path(write("train.npy", &bytes(9)));
    let options = LoadOptions {
        valid: Some(write("valid.npy", &bytes(1))),
        test: Some(write("t.npy", &bytes(0))),
        ..LoadOptions::default()
    };
    assert_eq!(load(&spec, &options).unwrap().valid.values().mean(0, 0), 1.0 / 255.0);
}

#[test]
fn rejects_files_of_splits_that_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let npz = folder.path().join("a.npz");
    write_npz(&npz, &[("train", &[6, 5], &[1; 30]), ("valid", &[2, 5], &[1; 10])]).unwrap();
    let (_folder, rows) = file("a.csv", &numbered(0..12, |_| 0));
    let (_other, narrow) = file("narrow.csv", b"0,1\n1,1\n");
    let refused = |spec: &DataSpec, valid: Option<&Path>, test: Option<&Path>| {
        let [valid, test] = [valid, test].map(|path| path.map(PathBuf::from));
        load(spec, &LoadOptions { valid, test, ..LoadOptions::default() }).unwrap_err().to_string()
    };
    let said = refused(&DataSpec::Digits, None, Some(&rows));
    assert_eq!(said, format!("digits: has test rows of its own, so {} cannot give them", rows.display()));
    let said = refused(&DataSpec::Path(npz.clone()), Some(&rows), None);
    assert_eq!(
        said,
        format!("{}: has validation rows of its own, so {} cannot give them", npz.display(), rows.display())
    );
    let said = refused(&DataSpec::Path(rows.clone()), None, Some(&npz));
    let expected = "holds training, validation and test rows, expected the test rows alone";
    assert_eq!(said, format!("{}: {expected}", npz.display()));
    let said = refused(&DataSpec::Path(rows.clone()), Some(&narrow), None);
    assert_eq!(said, format!("{}: the validation split has 2 units, the training split has 5", narrow.display()));
    assert!(refused(&DataSpec::Path(rows), None, Some(Path::new("absent.csv"))).starts_with("opening absent.csv: "));
}

#[test]
fn table_labels_that_training_rows_lack_are_named() {
    let rows = |labels: &[u16]| Split::new(Values::Bits(BitMatrix::zeros(2, labels.len())), Some(labels.to_vec()));
    let data = |train: &[u16], valid: &[u16], test: &[u16]| {
        Dataset::new("rows", rows(train).unwrap(), rows(valid).unwrap(), rows(test).unwrap()).unwrap()
    };
    assert!(data(&[0, 1, 2], &[2], &[0, 1]).label_warnings().is_empty());
    assert_eq!(
        data(&[0], &[3, 2, 2], &[1, 2, 3, 4, 5, 6, 7]).label_warnings(),
        [
            "rows: labels 2, 3 occur in validation rows and in no training row",
            "rows: labels 1, 2, 3, 4, 5 and 2 more occur in test rows and in no training row"
        ]
    );
    let sparse = data(&[0, 60_000], &[0], &[60_000]);
    assert_eq!(
        sparse.label_warnings(),
        ["rows: labels go up to 60000, of which 2 occur, so a model of them has 60001 classes; number them from 0"]
    );
    // A class that only test rows have is a class, which every model gets wrong.
    assert_eq!((sparse.classes().unwrap(), data(&[0, 1], &[0], &[5]).classes().unwrap()), (60_001, 6));
    // Labels from 1, as of the silhouettes, are no reason to warn.
    let from_one: Vec<u16> = (1..=101).collect();
    assert!(data(&from_one, &[1], &[101]).label_warnings().is_empty());
}

// ---- Thresholds ----

#[test]
fn table_a_threshold_is_named_with_its_meaning() {
    let grey: Vec<u8> = (0..12).map(|i| 20 * i).collect();
    let text: String = grey.chunks(2).map(|row| format!("{},{}\n", row[0], row[1])).collect();
    let doubles: Vec<u8> = grey.iter().flat_map(|&x| f32::from(x).to_le_bytes()).collect();
    let with = |name: &str, content: &[u8], threshold: f32| {
        let (_folder, path) = file(name, content);
        let binarise = Binarise::Threshold(threshold);
        let options = LoadOptions { binarise: Some(binarise), ..LoadOptions::default() };
        let data = load(&DataSpec::Path(path.clone()), &options).unwrap();
        let all = load_rows(&DataSpec::Path(path), &options).unwrap();
        let on = all.to_bits(binarise).unwrap().ones();
        let named = [&data.train, &data.valid, &all, &all.select(&[1, 0]).unwrap()];
        let named = named.map(|split| split.binarisation(binarise).to_string());
        assert!(named.iter().all(|name| *name == named[0]), "{named:?}");
        (named[0].clone(), on)
    };
    assert_eq!(with("a.csv", text.as_bytes(), 127.0), ("threshold:127".into(), 5));
    assert_eq!(with("a.npy", &npy("<f4", false, "(6, 2)", &doubles), 127.0), ("threshold:127".into(), 5));
    assert_eq!(with("a.npy", &npy("|u1", false, "(6, 2)", &grey), 0.5), ("threshold:0.5 of 255".into(), 5));
    assert_eq!(with("a.csv", &text.replace("20", "0.5").into_bytes(), 0.5), ("threshold:0.5".into(), 9));
    let shares: String = grey.chunks(2).map(|row| format!("{},0.5\n", f32::from(row[0]) / 255.0)).collect();
    assert_eq!(with("a.csv", shares.as_bytes(), 0.4), ("threshold:0.4".into(), 6 + 3));
    assert_eq!(with("a.csv", b"0,1\n".repeat(6).as_slice(), 0.5), ("none".into(), 6));
    // One split of zeros and ones beside one with other numbers is compared like it.
    let (folder, path) = file("a.csv", b"0,200\n".repeat(6).as_slice());
    let test = folder.path().join("test.csv");
    fs::write(&test, "1,0\n").unwrap();
    let binarise = Some(Binarise::Threshold(127.0));
    let options = LoadOptions { binarise, test: Some(test), ..LoadOptions::default() };
    assert_eq!(matrix(&load(&DataSpec::Path(path), &options).unwrap().test).as_slice(), [0.0, 0.0]);
}

#[test]
fn rejects_thresholds_that_leave_every_unit_off_or_on() {
    let refused = |name: &str, content: &[u8], threshold: f32| {
        let (_folder, path) = file(name, content);
        let options = LoadOptions { binarise: Some(Binarise::Threshold(threshold)), ..LoadOptions::default() };
        let spec = DataSpec::Path(path);
        let [one, other] = [load(&spec, &options).unwrap_err(), load_rows(&spec, &options).unwrap_err()];
        assert_eq!(one.to_string(), other.to_string());
        one.to_string().replace(&spec.to_string(), name)
    };
    let bytes = npy("|u1", false, "(6, 2)", &[7, 250].repeat(6));
    assert_eq!(
        refused("a.npy", &bytes, 127.0),
        "a.npy: threshold 127 leaves every unit off, since grey levels are divided by 255 before they are compared; \
         give a threshold of 0 or more and below 1, such as threshold:0.498 for 127 of 255"
    );
    assert_eq!(
        refused("a.idx", &idx(&[6, 2], &[7; 12]), -1.0),
        "a.idx: threshold -1 leaves every unit on, since grey levels are divided by 255 before they are compared; \
         give a threshold of 0 or more and below 1"
    );
    assert_eq!(
        refused("a.csv", b"0.25,1\n".repeat(6).as_slice(), 127.0),
        "a.csv: threshold 127 leaves every unit off, since the values lie between 0 and 1; give a threshold of 0 or \
         more and below 1"
    );
    assert_eq!(
        refused("a.csv", b"-3,90\n".repeat(6).as_slice(), 127.0),
        "a.csv: threshold 127 leaves every unit off, since the values lie between -3 and 90; give a threshold between \
         them"
    );
    let options = LoadOptions { binarise: Some(Binarise::Threshold(8.0)), ..LoadOptions::default() };
    let said = load(&DataSpec::Digits, &options).unwrap_err().to_string();
    assert!(said.ends_with("below 1, such as threshold:0.5 for 8 of 16"), "{said}");
    assert!(load_rows(&DataSpec::Digits, &options).is_err());
}

// ---- Malformed files, one by one ----

#[test]
fn rejects_truncated_idx() {
    let whole = idx(&[3, 4], &[1; 12]);
    assert_eq!(refusal("a.idx", &whole[..20]), "a.idx: IDX file is truncated: 12 bytes announced, 8 present");
    assert_eq!(refusal("a.idx", &whole[..9]), "a.idx: IDX file is truncated: 8 bytes announced, 5 present");
    assert_eq!(refusal("a.idx", &[]), "a.idx: IDX file is truncated: 4 bytes announced, 0 present");
    let short = gzip(&whole[..20]);
    assert_eq!(refusal("a.gz", &short), "a.gz: IDX file is truncated: 12 bytes announced, 8 present");
    let packed = gzip(&whole);
    assert!(refusal("a.gz", &packed[..packed.len() - 12]).contains("truncated"));
    let no_checksum = refusal("a.gz", &packed[..packed.len() - 4]);
    assert_eq!(no_checksum, "a.gz: IDX file cannot be decoded: the compressed stream ends too early");
}

#[test]
fn rejects_damaged_gzip() {
    let mut packed = gzip(&idx(&[3, 4], &[1; 12]));
    let checksum = packed.len() - 8;
    packed[checksum] ^= 1;
    assert!(refusal("a.gz", &packed).starts_with("a.gz: IDX file cannot be decoded: "));
}

#[test]
fn rejects_bytes_after_the_end() {
    assert_eq!(refusal("a.idx", &idx(&[2, 2], &[1; 5])), "a.idx: IDX file has 1 bytes after its end");
    assert_eq!(refusal("a.npy", &npy("|u1", false, "(2, 2)", &[1; 5])), "a.npy: npy file has 1 bytes after its end");
}

#[test]
fn rejects_foreign_files() {
    assert_eq!(refusal("a.idx", b"\x7fELF and more"), "a.idx: not a IDX file: it begins with other bytes");
    assert_eq!(refusal("a.npy", b"hello, world"), "a.npy: not a npy file: it begins with other bytes");
    assert_eq!(refusal("a.npz", b"hello, world"), "a.npz: not a npz file: it begins with other bytes");
    assert_eq!(refusal("a.amat", b"\xff\xfe\x00"), "a.amat: not a amat file: it begins with other bytes");
    assert!(refusal("a.jpeg", b"\xff\xd8\xff").starts_with("a.jpeg: unknown format; known: IDX "));
    assert!(refusal("a.npz", b"PK and nothing").starts_with("a.npz: npz file cannot be decoded: "));
}

#[test]
fn rejects_wrong_magic() {
    let mut floats = idx(&[1, 1], &[0; 4]);
    floats[2] = 0x0d;
    assert_eq!(refusal("a.idx", &floats), "a.idx: IDX file: `element type` is 0x0d, expected 0x08 (bytes)");
    let mut dims = idx(&[1, 1], &[0]);
    dims[3] = 9;
    assert_eq!(refusal("a.idx", &dims), "a.idx: IDX file: `number of dimensions` is 9, expected 1, 2 or 3");
    let labels = idx(&[4], &[0; 4]);
    assert_eq!(refusal("a.idx", &labels), "a.idx: has shape 4, expected 2 or 3 dimensions for images");
}

#[test]
fn rejects_lying_dimensions() {
    let huge = idx(&[u32::MAX, u32::MAX, u32::MAX], &[0; 9]);
    let expected = "a.idx: IDX file: `dimensions` is 4294967295 x 4294967295 x 4294967295, expected a product that fits into memory";
    assert_eq!(refusal("a.idx", &huge), expected);
    // Announced sizes that the compressed bytes cannot reach are refused before anything is unpacked.
    let bomb = gzip(&idx(&[u32::MAX, 784], &[0; 9]));
    assert!(refusal("a.gz", &bomb).contains("3367254359280 bytes are announced, more than 128 times the file"));
    // A bomb behind an honest header is not unpacked beyond it.
    let bomb = gzip(&idx(&[2, 2], &vec![0; 10_000_000]));
    assert_eq!(refusal("a.gz", &bomb), "a.gz: IDX file has 1 bytes after its end");
    let shape = "(18446744073709551615, 18446744073709551615)";
    assert!(refusal("a.npy", &npy("<f8", false, shape, &[0; 8])).contains("expected a product that fits into memory"));
    assert!(refusal("a.npy", &npy("<f8", false, "(9, 9)", &[0; 8])).contains("truncated: 648 bytes announced"));
    let shape = "(0, 4294967296, 4294967296)";
    let expected = "a.npy: has shape [0, 4294967296, 4294967296], expected pictures that fit into memory";
    assert_eq!(refusal("a.npy", &npy("|u1", false, shape, &[])), expected);
    assert_eq!(refusal("a.idx", &idx(&[2, 0], &[])), "a.idx: has shape 2 x 0, expected 1 unit or more");
}

#[test]
fn rejects_malformed_npy_headers() {
    for (descr, shape, text) in [
        ("<c8", "(1, 1)", "`descr` is <c8, expected bool, an integer type, float32 or float64"),
        ("<f4", "(1, 1", "the header is not"),
        ("<f4", "(-1, 1)", "the header is not"),
        ("<f4", "[[[[1]]]]", "the header is not"),
        ("<f4", "()", "has shape [], expected [samples, units]"),
        ("<f4", "(1,)", "has shape [1], expected [samples, units]"),
    ] {
        let error = refusal("a.npy", &npy(descr, false, shape, &1f32.to_le_bytes()));
        assert!(error.contains(text), "{error}");
    }
    let mut newer = npy("<f4", false, "(1, 1)", &[0; 4]);
    newer[6] = 4;
    assert!(refusal("a.npy", &newer).contains("has format version 4, this program reads up to 3"));
}

#[test]
fn rejects_values_outside_the_unit_interval() {
    let text = "a.csv: value 3.5 at row 2, column 3 lies outside 0..1; scale the values to 0..1, or binarise with `threshold:T`";
    assert_eq!(refusal("a.csv", b"0,0.5,1\n1,0,3.5\n"), text);
    let text = "a.amat: value NaN at row 1, column 2: missing values are not taken";
    assert_eq!(refusal("a.amat", b"0 nan\n"), text);
    assert_eq!(refusal("a.amat", b"7 inf\n"), "a.amat: value inf at row 1, column 2 is no finite number");
    let (_folder, path) = file("a.csv", b"a,b\n-7,0.5\n2,9\n");
    let with = |binarise| {
        let options = LoadOptions { binarise: Some(binarise), ..LoadOptions::default() };
        load_rows(&DataSpec::Path(path.clone()), &options)
    };
    assert!(matches!(with(Binarise::Fixed(0)), Err(Error::OutOfRange { row: 1, column: 1, .. })));
    assert_eq!(matrix(&with(Binarise::Threshold(1.0)).unwrap()).as_slice(), [0.0, 0.0, 1.0, 1.0]);
}

#[test]
fn rejects_empty_splits() {
    assert_eq!(refusal("a.idx", &idx(&[0, 784], &[])), "a.idx: holds no examples");
    assert_eq!(refusal("a.csv", b""), "a.csv: holds no examples");
    assert_eq!(refusal("a.csv", b"a,b\n"), "a.csv: holds no examples");
    assert_eq!(refusal("a.amat", b"\n\n"), "a.amat: holds no examples");
    assert_eq!(refusal("a.npy", &npy("<f4", true, "(0, 3)", &[])), "a.npy: holds no examples");
    let error = Split::new(Values::Bits(BitMatrix::zeros(3, 0)), None).unwrap_err();
    assert_eq!(error.to_string(), "Split::new: holds no examples");
    let (_folder, path) = file("a.csv", b"0,1\n1,1\n");
    let error = load(&DataSpec::Path(path), &LoadOptions::default()).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "2 rows cannot be split, 6 or more are needed; give validation and test rows in files of their own"
        ),
        "{error}"
    );
}

#[test]
fn rejects_ragged_text() {
    assert_eq!(refusal("a.csv", b"0,1\n1,1,0\n"), "a.csv: line 2 has 3 values, expected 2 as in the first");
    assert_eq!(refusal("a.amat", b"0 1\n\n1\n"), "a.amat: line 3 has 1 values, expected 2 as in the first");
}

#[test]
fn rejects_cells_that_are_no_numbers() {
    assert_eq!(refusal("a.csv", b"a,b\n0,1\n0,x1\n"), "a.csv: line 3, column 2: `x1` is not a number");
    assert_eq!(refusal("a.csv", b"0,\n"), "a.csv: value `` at row 1, column 2: missing values are not taken");
    assert_eq!(refusal("a.amat", b"0 1\n0 one\n"), "a.amat: line 2, column 2: `one` is not a number");
    let text = "a.csv: line 2, column 1: `-3` is not a label, a whole number from 0 to 65535";
    assert_eq!(refusal("a.csv", b"label,a\n-3,1\n"), text);
}

#[test]
fn rejects_malformed_libsvm() {
    for (content, text) in [
        ("1 0:1\n", "a.svm: line 1: index 0 is not allowed: indices are 1 to 4294967295"),
        ("1 3:1 3:0\n", "a.svm: line 1: index 3 is not allowed: it occurs twice in its line"),
        ("1 1\n", "a.svm: line 1, column 2: `1` is not index:value"),
        ("cat 1:1\n", "a.svm: line 1, column 1: `cat` is not a label"),
        (
            "-1 1:1\n3 1:1\n",
            "a.svm: line 2, column 1: `3` is not a label, since the labels of a file that holds -1 are -1 and 1",
        ),
        (
            "1 4000000000:1\n0\n",
            "a.svm: has shape 2 x 4000000000, expected at most 256 values for each byte of the file plus 2^20",
        ),
        // A few bytes that would unfold to ten million values.
        (
            "1\n-1 5110021:1 6:1 \n",
            "a.svm: has shape 2 x 5110021, expected at most 256 values for each byte of the file plus 2^20",
        ),
        ("1\n0\n", "a.svm: has shape 2 x 0, expected 1 unit or more"),
    ] {
        assert_eq!(refusal("a.svm", content.as_bytes()).replace(", a whole number from 0 to 65535, or -1", ""), text);
    }
}

#[test]
fn rejects_labels_that_do_not_count_the_examples() {
    let folder = folder_with(&[
        ("train-images-idx2-ubyte", idx(&[3, 2], &[1; 6])),
        ("train-labels-idx1-ubyte", idx(&[4], &[1; 4])),
    ]);
    let error = rows_of(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("train-images-idx2-ubyte: 4 labels for 3 examples"), "{error}");
}

#[test]
fn rejects_folders_without_training_images() {
    let folder = folder_with(&[("test-images-idx2-ubyte", idx(&[3, 2], &[1; 6]))]);
    let error = rows_of(folder.path()).unwrap_err().to_string();
    assert!(error.contains(": no training images, looked for train-images-idx3-ubyte.gz"), "{error}");
}

#[test]
fn rejects_splits_of_different_widths() {
    let folder = folder_with(&[
        ("train-images-idx2-ubyte", idx(&[6, 2], &[1; 12])),
        ("test-images-idx2-ubyte", idx(&[2, 3], &[1; 6])),
    ]);
    let error = load(&DataSpec::Path(folder.path().into()), &LoadOptions::default()).unwrap_err().to_string();
    assert!(error.ends_with(": the test split has 3 units, the training split has 2"), "{error}");
    assert!(matches!(rows_of(folder.path()), Err(Error::Width { found: 3, expected: 2, .. })));
}

#[test]
fn rejects_files_that_are_not_there() {
    let error = rows_of(Path::new("not/there.csv")).unwrap_err().to_string();
    assert!(error.starts_with("opening not/there.csv: "), "{error}");
}

#[test]
fn rejects_bad_values_in_memory() {
    let text = |outcome: gm_data::Result<Split>| outcome.unwrap_err().to_string();
    let reals = |value| Split::new(Values::Reals(Matrix::from_element(2, 2, value)), None);
    assert!(text(reals(1.5)).starts_with("Split::new: value 1.5 at row 1, column 1 lies outside 0..1"));
    assert!(reals(1.0).is_ok());
    assert!(text(Split::new(Values::Bits(BitMatrix::zeros(0, 3)), None)).contains("0 x 3"));
    assert!(
        Levels::new(2, 16, vec![0, 17])
            .unwrap_err()
            .to_string()
            .contains("`data` is 17, allowed: levels up to the scale")
    );
    assert!(
        Levels::new(2, 16, vec![0; 3]).is_err()
            && Levels::new(0, 16, vec![]).is_err()
            && Levels::new(2, 0, vec![0; 2]).is_err()
    );
    let image = reals(0.5).unwrap().with_image(3, 1);
    assert_eq!(text(image), "Split::with_image: `image` has pixels 3, expected 2");
}

#[test]
fn table_constant_data_are_allowed_and_reported() {
    for (name, content) in
        [("a.csv", &b"0,1\n0,1\n"[..]), ("b.csv", b"0.5,1\n0.5,1\n"), ("c.idx", &idx(&[2, 2], &[9; 4]))]
    {
        let info = outcome(name, content).unwrap().info();
        assert_eq!((info.constant_units, info.duplicates), (2, 1), "{name}");
    }
}

#[test]
fn fuzz_readers_refuse_damaged_files_without_panicking() {
    let folder = tempfile::tempdir().unwrap();
    let npz = folder.path().join("whole.npz");
    write_npz(&npz, &[("train", &[6, 2], &[1; 12])]).unwrap();
    let whole = [
        ("a.idx", idx(&[6, 2], &[1; 12])),
        ("a.gz", gzip(&idx(&[6, 2], &[1; 12]))),
        ("a.npy", npy("<f4", false, "(2, 3)", &[0; 24])),
        ("a.npz", fs::read(npz).unwrap()),
        ("a.csv", b"label,a\n1,0.5\n2,1\n".to_vec()),
        ("a.svm", b"1 1:1 2:0.5\n0 2:1\n".to_vec()),
    ];
    for (name, content) in whole {
        let path = folder.path().join(name);
        for position in 0..content.len() {
            for change in [1, 0x80, 0xff] {
                let mut damaged = content.clone();
                damaged[position] ^= change;
                fs::write(&path, damaged).unwrap();
                // The outcome is free; panics and endless allocation are not.
                let _ = rows_of(&path);
            }
            fs::write(&path, &content[..position]).unwrap();
            let _ = rows_of(&path);
        }
    }
}

// ---- Binarisation ----

/// Probabilities level / 20 for levels 0 to 20, in many equal examples.
fn ramp(rows: usize) -> Split {
    let levels = Levels::new(21, 20, (0..=20).collect::<Vec<u8>>().repeat(rows));
    levels.and_then(|levels| Split::new(Values::Levels(levels), None)).expect("levels up to the scale")
}

#[test]
fn table_binarise_is_read_and_printed() {
    for (text, binarise) in [
        ("none", Binarise::None),
        ("threshold:0.25", Binarise::Threshold(0.25)),
        ("fixed:12", Binarise::Fixed(12)),
        ("dynamic", Binarise::Dynamic),
    ] {
        assert_eq!(text.parse::<Binarise>().unwrap(), binarise);
        assert_eq!(binarise.to_string(), text);
    }
    assert_eq!("fixed".parse::<Binarise>().unwrap(), Binarise::Fixed(0));
    for (text, error) in [
        ("dinamic", "unknown binarisation `dinamic`, did you mean `dynamic`?; known: none, threshold, fixed, dynamic"),
        ("threshold:x", "Binarise: `binarise` is threshold:x, allowed: threshold:T with a finite number T"),
        ("fixed:-1", "Binarise: `binarise` is fixed:-1, allowed: fixed:SEED with a whole number SEED"),
        ("dynamic:2", "Binarise: `binarise` is dynamic:2, allowed: none and dynamic without an argument"),
    ] {
        assert_eq!(text.parse::<Binarise>().unwrap_err().to_string(), error);
    }
}

#[test]
fn rejects_grey_levels_as_binary_data() {
    let (split, streams) = (ramp(2), Streams::new(0));
    let error = split.binary_batch(&[0], Binarise::None, &streams).unwrap_err().to_string();
    assert!(
        error.contains("grey levels, `binarise` is none; allowed: threshold[:T], fixed[:SEED], dynamic"),
        "{error}"
    );
    let error = split.to_bits(Binarise::Dynamic).unwrap_err().to_string();
    assert!(error.contains("grey levels, `binarise` is dynamic; allowed: threshold[:T], fixed[:SEED]"), "{error}");
    assert_eq!((split.training_binarise(), split.evaluation_binarise()), (Binarise::Dynamic, Binarise::Fixed(0)));
}

#[test]
fn table_thresholds_are_exceeded_and_binary_data_stay() {
    let bits = ramp(1).to_bits(Binarise::Threshold(0.5)).unwrap();
    assert!((0..21).all(|unit| bits.get(unit, 0) == (unit > 10)));
    let reals = Split::new(Values::Reals(Matrix::from_column_slice(3, 1, &[0.2, 0.5, 0.7])), None).unwrap();
    assert_eq!(reals.to_bits(Binarise::Threshold(0.5)).unwrap().to_matrix().as_slice(), [0.0, 0.0, 1.0]);
    let bars = Dataset::builtin("bars-and-stripes:3").unwrap().train;
    let Values::Bits(bits) = bars.values() else { panic!("bars are binary") };
    for binarise in [Binarise::None, Binarise::Threshold(0.5), Binarise::Fixed(3), Binarise::Dynamic] {
        assert_eq!(&bars.to_bits(binarise).unwrap(), bits);
        assert_eq!(bars.binary_batch(&[5, 0, 5], binarise, &Streams::new(1)).unwrap(), bits.select(&[5, 0, 5]));
    }
}

#[test]
fn law_fixed_pixels_do_not_depend_on_the_batch() {
    let digits = Dataset::builtin("digits").unwrap();
    let whole = digits.train.to_bits(Binarise::Fixed(5)).unwrap();
    let rows = [77, 3, 77, 1000];
    let batch = digits.train.binary_batch(&rows, Binarise::Fixed(5), &Streams::new(9)).unwrap();
    assert_eq!(batch, whole.select(&rows.map(|row| row as usize)));
    assert_ne!(whole, digits.train.to_bits(Binarise::Fixed(6)).unwrap());
}

#[test]
fn law_dynamic_pixels_are_new_in_every_step() {
    let split = ramp(64);
    let rows: Vec<u32> = (0..64).collect();
    let step =
        |step| split.binary_batch(&rows, Binarise::Dynamic, &Streams::new(0).fork(Purpose::Binarise, step)).unwrap();
    assert_eq!(step(1), step(1));
    assert_ne!(step(1), step(2));
    assert_eq!(split.binary_batch(&[], Binarise::Dynamic, &Streams::new(0)).unwrap().samples(), 0);
}

#[test]
fn stable_draws_do_not_depend_on_threads() {
    let draw = || {
        let train = Dataset::builtin("digits").unwrap().train;
        let rows = train.epoch_order(&Streams::new(1), 0);
        let dynamic = train.binary_batch(&rows, Binarise::Dynamic, &Streams::new(2)).unwrap();
        (dynamic, train.to_bits(Binarise::Fixed(3)).unwrap())
    };
    let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(draw);
    assert_eq!(with(1), with(7));
}

/// The greatest deviation of a unit's count of ones, in standard deviations.
fn worst_deviation(bits: &BitMatrix, probability: impl Fn(usize) -> f64) -> f64 {
    let n = bits.samples() as f64;
    let deviation = |(unit, count): (usize, u64)| {
        let p = probability(unit);
        let spread = (n * p * (1.0 - p)).sqrt();
        let difference = (count as f64 - n * p).abs();
        if difference == 0.0 { 0.0 } else { difference / spread }
    };
    bits.unit_counts().into_iter().enumerate().map(deviation).fold(0.0, f64::max)
}

/// 21 units, alpha = 1e-6 for all of them: two-sided normal quantile of 1e-6 / 21 is 5.46.
const THRESHOLD: f64 = 5.5;

const DRAWS: usize = 40_000;

#[test]
fn stat_mean_pixels_are_on_as_often_as_their_levels_say() {
    let split = ramp(DRAWS);
    let rows: Vec<u32> = (0..DRAWS as u32).collect();
    let means = Split::new(Values::Reals(matrix(&split)), None).unwrap();
    for (seed, split) in [(11, &split), (12, &means)] {
        let dynamic = split.binary_batch(&rows, Binarise::Dynamic, &Streams::new(seed)).unwrap();
        let fixed = split.to_bits(Binarise::Fixed(seed)).unwrap();
        for bits in [dynamic, fixed] {
            let deviation = worst_deviation(&bits, |unit| unit as f64 / 20.0);
            assert!(deviation < THRESHOLD, "deviation {deviation}, threshold {THRESHOLD}, seed {seed}, n {DRAWS}");
        }
    }
}

#[test]
fn planted_mean_of_a_wrong_scale_is_caught() {
    let bits = ramp(DRAWS).to_bits(Binarise::Fixed(13)).unwrap();
    let deviation = worst_deviation(&bits, |unit| unit as f64 / 21.0);
    assert!(deviation > THRESHOLD, "deviation {deviation}");
}

#[test]
fn stable_orders_and_pixels() {
    let streams = Streams::new(3);
    assert_eq!(epoch_order(8, &streams, 0), ORDER_0);
    assert_eq!(epoch_order(8, &streams, 1), ORDER_1);
    let split = ramp(2);
    let dynamic = split.binary_batch(&[0, 1], Binarise::Dynamic, &streams).unwrap();
    assert_eq!(dynamic.words(), DYNAMIC);
    assert_eq!(split.to_bits(Binarise::Fixed(3)).unwrap().words(), FIXED);
}

const ORDER_0: [u32; 8] = [5, 0, 4, 6, 1, 2, 7, 3];
const ORDER_1: [u32; 8] = [3, 1, 4, 0, 2, 5, 7, 6];
const DYNAMIC: [u64; 2] = [2_014_096, 2_028_168];
const FIXED: [u64; 2] = [2_092_032, 2_062_352];

proptest! {
    #[test]
    fn law_epoch_orders_are_permutations(rows in 1u32..500, seed: u64, epoch: u64) {
        let mut order = epoch_order(rows, &Streams::new(seed), epoch);
        order.sort_unstable();
        prop_assert_eq!(order, (0..rows).collect::<Vec<_>>());
    }

    #[test]
    fn law_idx_round_trips(units in 1usize..200, rows in 1usize..9, seed: u64) {
        let mut state = seed;
        let cells: Vec<u8> = (0..units * rows).map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        }).collect();
        let split = outcome("a.gz", &gzip(&idx(&[rows as u32, units as u32], &cells))).unwrap();
        let divisor = if split.is_binary() { 1.0 } else { 255.0 };
        let expected: Vec<f32> = cells.iter().map(|&cell| f32::from(cell) / divisor).collect();
        prop_assert_eq!(matrix(&split), Matrix::from_vec(units, rows, expected.clone()));
        for (unit, mean) in split.unit_means().into_iter().enumerate() {
            let sum: f32 = (0..rows).map(|row| expected[row * units + unit]).sum();
            prop_assert!((mean - sum / rows as f32).abs() < 1e-6);
        }
    }
}

// ---- The real sets, where they are present ----

fn shared() -> PathBuf {
    let near = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    std::env::var_os("GM_SHARED").map_or(near, PathBuf::from)
}

#[test]
fn table_real_sets_have_their_documented_shapes_and_means() {
    let folder = shared();
    let options = LoadOptions { data_dir: Some(folder.clone()), ..LoadOptions::default() };
    for (name, means) in [
        ("mnist", [0.130_660, 0.0, 0.132_515]),
        ("binarized_mnist", [0.130_562, 0.131_127, 0.132_512]),
        ("caltech101_silhouettes_28", [0.551_055, 0.535_959, 0.539_015]),
    ] {
        if !folder.join(name).is_dir() {
            eprintln!("skipped: no {name} in {}; set GM_SHARED to a folder of data sets", folder.display());
            continue;
        }
        let data = load(&DataSpec::parse(name).unwrap(), &options).unwrap();
        let known = datasets().iter().find(|set| set.name == name).unwrap();
        assert_eq!(SplitName::ALL.map(|split| data.split(split).len()), known.rows.unwrap());
        let infos = SplitName::ALL.map(|split| data.split(split).info());
        assert!(infos.iter().all(|info| info.image == Some((28, 28)) && info.binary == known.binary));
        if name == "mnist" {
            let train = (5.0 * infos[0].density + infos[1].density) / 6.0;
            assert!((train - means[0]).abs() < 1e-6 && (infos[2].density - means[2]).abs() < 1e-6);
            assert_eq!(data.train.labels().unwrap()[..5], [5, 0, 4, 1, 9]);
            continue;
        }
        for (info, mean) in infos.iter().zip(means) {
            assert!((info.density - mean).abs() < 1e-6, "{name}: {}", info.density);
        }
        let counts = infos.map(|info| (info.constant_units, info.duplicates));
        match name {
            "binarized_mnist" => assert_eq!(counts, [(97, 0), (145, 0), (141, 0)]),
            _ => assert_eq!(counts.map(|(_, duplicates)| duplicates), [25, 6, 8]),
        }
    }
}
