//! Tables of text and arrays as other programs write them: headers, indices, labels, missing values, separators, marks of
//! encodings, and compression.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use gm_core::BitMatrix;
use gm_data::{
    DataSpec, Dataset, Error, Header, LoadOptions, Reading, RowWeights, Split, TableOptions, Values, load, load_rows,
};
use tempfile::TempDir;

fn file(name: &str, content: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    fs::write(&path, content).expect("a temporary folder can be written");
    (folder, path)
}

fn rows_by(name: &str, content: impl AsRef<[u8]>, options: &LoadOptions) -> Result<Split, String> {
    let (folder, path) = file(name, content);
    let rows = load_rows(&DataSpec::Path(path), options);
    rows.map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

fn rows(name: &str, content: impl AsRef<[u8]>) -> Split {
    rows_by(name, content, &LoadOptions::default()).expect(name)
}

fn numbers() -> LoadOptions {
    LoadOptions { numbers: true, ..LoadOptions::default() }
}

fn table(header: Header, label: Option<&str>, drop: Option<&[&str]>) -> LoadOptions {
    let drop = drop.map(|columns| columns.iter().map(ToString::to_string).collect());
    LoadOptions {
        table: TableOptions { header, label: label.map(Into::into), drop, ..TableOptions::default() },
        ..numbers()
    }
}

fn values(rows: &Split) -> Vec<f32> {
    rows.to_matrix(&(0..rows.len() as u32).collect::<Vec<_>>()).as_slice().to_vec()
}

fn reading(rows: &Split) -> &Reading {
    rows.readings().first().expect("the reader tells what it did")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes everything")
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn doubles(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

// ---- Headers ----

#[test]
fn table_numbers_in_the_first_line_are_an_example() {
    for (content, counts) in [
        ("0,1,2,3\n0,3,3,2\n0,0,1,1\n", true),
        ("1,2,3\n-0.9,-0.8,0.04\n0.6,2.0,-0.2\n", true),
        ("10,20,35,47\n0.2,-0.01,-1.1,0.8\n0.5,0.1,0.2,0.3\n", true),
        ("1,1,0\n0.5,1,0\n2,1,0\n", false),
        ("3,2,1\n0.5,1,0\n2,1,0\n", false),
        ("1,2\n0.5,1\n2,1\n", false),
        ("True,False,True\n1,0,0\n0,0,1\n", false),
    ] {
        let rows = rows_by("a.csv", content, &numbers()).unwrap();
        let found = reading(&rows);
        assert_eq!((rows.len(), found.header, found.first_line_counts), (3, false, counts), "{content}");
        assert_eq!(found.first_line.as_deref(), content.lines().next(), "{content}");
    }
}

#[test]
fn table_names_in_the_first_line_are_a_header() {
    for content in [
        "left,right\n0,1\n1,0\n",
        "\"left\",\"right, or so\"\n0,1\n1,0\n",
        "# left,right\n0,1\n1,0\n",
        "NA,right\n0,1\n1,0\n",
        "\u{feff}left;right\r\n0;1\r\n1;0\r\n",
    ] {
        let rows = rows("a.csv", content);
        assert_eq!((rows.len(), rows.units(), reading(&rows).header), (2, 2, true), "{content}");
        assert_eq!(values(&rows), [0.0, 1.0, 1.0, 0.0], "{content}");
    }
    let amat = rows("a.txt", "left right\n0 1\n1 0\n");
    assert_eq!((amat.len(), reading(&amat).first_line.as_deref()), (2, Some("left right")));
}

#[test]
fn table_the_option_decides_over_the_first_line() {
    let content = "0,1,2\n0,1,1\n1,0,0\n";
    let named = rows_by("a.csv", content, &table(Header::Yes, None, None)).unwrap();
    assert_eq!((named.len(), named.is_binary(), reading(&named).header), (2, true, true));
    let read = rows_by("a.csv", content, &table(Header::No, None, None)).unwrap();
    assert_eq!((read.len(), reading(&read).header), (3, false));
    let error = rows_by("a.csv", "left,right\n0,1\n", &table(Header::No, None, None)).unwrap_err();
    assert_eq!(error, "a.csv: line 1, column 1: `left` is not a number");
    assert_eq!(
        "on".parse::<Header>().unwrap_err().to_string(),
        "unknown header `on`, did you mean `no`?; known: auto, yes, no"
    );
}

#[test]
fn rejects_options_of_tables_for_other_data() {
    let error = load(&DataSpec::Digits, &table(Header::Yes, None, None)).unwrap_err().to_string();
    assert!(
        error.starts_with("LoadOptions: `header` is yes for digits, allowed: nothing, except for a table"),
        "{error}"
    );
    let error = rows_by("a.svm", "1 1:1\n", &table(Header::Auto, None, Some(&["1"]))).unwrap_err();
    assert!(error.contains("`drop` is 1 for"), "{error}");
    let error = rows_by("a.npy", npy("|u1", "(1, 2)", &[0, 1]), &table(Header::No, None, None)).unwrap_err();
    assert!(error.contains("`header` is no for"), "{error}");
}

// ---- Indices and labels ----

#[test]
fn table_columns_with_the_name_of_an_index_are_left_out() {
    for (content, place) in [
        ("id,a,b\n17,0,1\n4,1,0\n", 1),
        (",a,b\n0,0,1\n1,1,0\n", 1),
        ("Unnamed: 0,a,b\n0,0,1\n1,1,0\n", 1),
        ("a,b,INDEX\n0,1,x7\n1,0,x9\n", 3),
        // pandas, with columns and rows without names.
        (",0,1\n0,0,1\n1,1,0\n", 1),
        (",0,1\n5,0,1\n9,1,0\n", 1),
    ] {
        let rows = rows("a.csv", content);
        assert_eq!(values(&rows), [0.0, 1.0, 1.0, 0.0], "{content}");
        let left_out: Vec<usize> = reading(&rows).left_out.iter().map(|column| column.number).collect();
        assert_eq!(left_out, [place], "{content}");
    }
    let kept = rows_by("a.csv", "id,a\n17,0\n4,1\n", &table(Header::Auto, None, Some(&["none"]))).unwrap();
    assert_eq!(values(&kept), [17.0, 0.0, 4.0, 1.0]);
    // The first value is missing; nothing numbers the rows.
    let error = rows_by("a.csv", ",0,1\n1,0,1\n0,1,1\n", &LoadOptions::default()).unwrap_err();
    assert_eq!(error, "a.csv: value `` at row 1, column 1: missing values are not taken");
}

#[test]
fn table_labels_have_usual_names_or_the_given_one() {
    for name in ["label", "Labels", "class", "target"] {
        let rows = rows("a.csv", format!("a,{name},b\n0,7,1\n1,2,0\n"));
        assert_eq!((rows.labels(), rows.units()), (Some(&[7, 2][..]), 2), "{name}");
        assert_eq!(reading(&rows).labels.as_ref().map(|column| column.number), Some(2), "{name}");
    }
    let content = "a,b,kind\n0,1,7\n1,0,2\n";
    for column in ["kind", "3"] {
        let named = rows_by("a.csv", content, &table(Header::Auto, Some(column), None)).unwrap();
        assert_eq!(named.labels(), Some(&[7, 2][..]), "{column}");
    }
    let none = rows_by("a.csv", "a,label\n0,1\n1,0\n", &table(Header::Auto, Some("none"), None)).unwrap();
    assert_eq!((none.units(), none.labels()), (2, None));
    let plain = rows_by("a.csv", "7,0,1\n2,1,0\n", &table(Header::Auto, Some("1"), Some(&["3"]))).unwrap();
    assert_eq!((plain.labels(), plain.units()), (Some(&[7, 2][..]), 1));
    let error = rows_by("a.csv", content, &table(Header::Auto, Some("knd"), None)).unwrap_err();
    assert_eq!(error, "a.csv: no column `knd`; columns are 1 to 3, named a, b, kind");
    let error = rows_by("a.csv", "0,1\n", &table(Header::Auto, None, Some(&["3"]))).unwrap_err();
    assert_eq!(error, "a.csv: no column `3`; columns are 1 to 2, without names, since there is no header");
}

#[test]
fn table_columns_of_arrays_are_chosen_by_number() {
    let array = npy("|u1", "(3, 3)", &[7, 0, 1, 2, 1, 0, 9, 1, 1]);
    let rows = rows_by("a.npy", &array, &table(Header::Auto, Some("1"), None)).unwrap();
    assert_eq!((rows.labels(), rows.is_binary(), rows.units()), (Some(&[7, 2, 9][..]), true, 2));
    let rows = rows_by("a.npy", &array, &table(Header::Auto, None, Some(&["1", "3"]))).unwrap();
    assert_eq!(values(&rows), [0.0, 1.0, 1.0]);
    let error = rows_by("a.npy", &array, &table(Header::Auto, None, Some(&["4"]))).unwrap_err();
    assert_eq!(error, "a.npy: no column `4`; columns are 1 to 3, without names");
}

#[test]
fn table_columns_that_rise_from_row_to_row_are_told() {
    let line = |row: u32| format!("{row},{},{}\n", row % 2, row / 3 % 2);
    let counted: String = (0..12).map(line).collect();
    let sparse_numbers: String =
        (0..12).map(|row| line(row).replacen(&row.to_string(), &(3 * row * row).to_string(), 1)).collect();
    let array: Vec<f64> = (0..12).flat_map(|row| [f64::from(row) + 5.0, f64::from(row % 2)]).collect();
    for (name, content) in [
        ("a.csv", counted.into_bytes()),
        ("b.amat", sparse_numbers.replace(',', " ").into_bytes()),
        ("named.csv", format!("when,a,b\n{sparse_numbers}").into_bytes()),
        ("a.npy", npy("<f8", "(12, 2)", &doubles(&array))),
    ] {
        let rows = rows_by(name, &content, &numbers()).unwrap();
        let rising: Vec<usize> = reading(&rows).rising.iter().map(|column| column.number).collect();
        assert_eq!(rising, [1], "{name}");
        let error = rows_by(name, &content, &LoadOptions::default()).unwrap_err();
        assert!(error.contains("the column rises from row to row: is it an index?"), "{error}");
    }
    let falling = "0,1,5\n1,3,4\n2,2,3\n3,7,2\n";
    assert_eq!(reading(&rows_by("a.csv", falling, &numbers()).unwrap()).rising.len(), 1);
    let short = "0,1\n1,3\n2,2\n";
    assert!(reading(&rows_by("a.csv", short, &numbers()).unwrap()).rising.is_empty());
}

#[test]
fn table_errors_name_the_column_of_the_file() {
    let error = rows_by("a.csv", "id,a,label,b\n1,0,3,1\n2,0,3,7\n", &LoadOptions::default()).unwrap_err();
    assert!(error.starts_with("a.csv: value 7 at row 2, column 4 lies outside 0..1"), "{error}");
    let error = rows_by("a.csv", "id,a,label,b\n1,0,3,1\n2,0,3,inf\n", &numbers()).unwrap_err();
    assert_eq!(error, "a.csv: value inf at row 2, column 4 is no finite number");
    let array = npy("<f8", "(2, 3)", &doubles(&[5.0, 0.0, 1.0, 6.0, 0.0, f64::NAN]));
    let error = rows_by("a.npy", array, &table(Header::Auto, None, Some(&["1"]))).unwrap_err();
    assert_eq!(error, "a.npy: value NaN at row 2, column 3: missing values are not taken");
}

// ---- Missing values ----

#[test]
fn rejects_missing_values_with_row_and_column() {
    for mark in ["", "?", "NA", "n/a", "#N/A", "null", "None", " ? ", "-"] {
        let error = rows_by("a.csv", format!("a,b,c\n0,1,1\n1,{mark},0\n"), &numbers()).unwrap_err();
        let shown = if mark.is_empty() { "``" } else { mark.trim() };
        assert_eq!(error, format!("a.csv: value {shown} at row 2, column 2: missing values are not taken"));
    }
    for (name, content) in [
        ("a.csv", &b"0,1,nan\n1,0,1\n"[..]),
        ("a.tsv", b"0\t1\tNaN\n1\t0\t1\n"),
        ("a.amat", b"0 1 -nan\n1 0 1\n"),
        ("a.svm", b"1 1:0 2:1 3:nan\n0 1:1\n"),
        ("a.npy", &npy("<f8", "(2, 3)", &doubles(&[0.0, 1.0, f64::NAN, 1.0, 0.0, 1.0]))),
    ] {
        for options in [LoadOptions::default(), numbers()] {
            let error = rows_by(name, content, &options).unwrap_err();
            assert_eq!(error, format!("{name}: value NaN at row 1, column 3: missing values are not taken"));
        }
    }
    let error = rows_by("a.csv", "?,?,?\n0,1,1\n", &LoadOptions::default()).unwrap_err();
    assert_eq!(error, "a.csv: value ? at row 1, column 1: missing values are not taken");
    let error = rows_by("a.csv", "a,label\n0,1\n1,\n", &LoadOptions::default()).unwrap_err();
    assert_eq!(error, "a.csv: value `` at row 2, column 2: missing values are not taken");
}

// ---- The forms of text and arrays ----

#[test]
fn oracle_all_forms_of_a_table_give_the_same_rows() {
    let expected = values(&rows("plain.csv", "a,b,c\n0,1,1\n1,0,0.5\n"));
    let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect()
    };
    let text = "a,b,c\r\n0,1,1\r\n1,0,0.5\r\n";
    let cells: Vec<u8> = [0.0_f32, 1.0, 1.0, 1.0, 0.0, 0.5].iter().flat_map(|cell| cell.to_le_bytes()).collect();
    let array = npy("<f4", "(2, 3)", &cells);
    let sparse = "1 2:1 3:1\n0 1:1 3:0.5\n";
    for (name, content) in [
        ("crlf.csv", text.as_bytes().to_vec()),
        ("marked.csv", [&b"\xef\xbb\xbf"[..], text.as_bytes()].concat()),
        ("little.csv", utf16(text, u16::to_le_bytes)),
        ("big.csv", utf16(text, u16::to_be_bytes)),
        ("semicolon.csv", text.replace(',', ";").into_bytes()),
        ("tab.csv", text.replace(',', "\t").into_bytes()),
        ("tab.tsv", text.replace(',', "\t").into_bytes()),
        ("spaces.csv", text.replace(',', "  ").into_bytes()),
        ("comma.txt", text.as_bytes().to_vec()),
        ("words.csv", b"a,b,c\nFalse,True,TRUE\ntrue,false,0.5\n".to_vec()),
        ("blank.csv", b"\n\na,b,c\n0,1,1\n\n1,0,.5\n\n".to_vec()),
        ("marked.amat", b"\xef\xbb\xbf0 1 1\r\n1 0 0.5\r\n".to_vec()),
        ("semicolon.amat", b"0;1;1\n1;0;0.5\n".to_vec()),
        ("marked.svm", [&b"\xef\xbb\xbf"[..], sparse.replace('\n', "\r\n").as_bytes()].concat()),
        ("zipped.csv.gz", gzip(text.as_bytes())),
        ("zipped-without-a-name.csv", gzip(text.as_bytes())),
        ("zipped.tsv.gz", gzip(text.replace(',', "\t").as_bytes())),
        ("zipped.amat.gz", gzip(b"0 1 1\n1 0 0.5\n")),
        ("zipped.svm.gz", gzip(sparse.as_bytes())),
        ("zipped.npy.gz", gzip(&array)),
        ("zipped.gz", gzip(&array)),
        ("rows.data", b"0,1,1\n1,0,0.5\n".to_vec()),
        ("rows.dat", b"0 1 1\n1 0 0.5\n".to_vec()),
        ("rows-without-extension", sparse.as_bytes().to_vec()),
        ("text.gz", gzip(b"0;1;1\n1;0;0.5\n")),
    ] {
        assert_eq!(values(&rows(name, content)), expected, "{name}");
    }
}

#[test]
fn table_npz_files_may_be_compressed_again() {
    let mut npz = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    npz.start_file("train.npy", zip::write::SimpleFileOptions::default()).unwrap();
    npz.write_all(&npy("|u1", "(2, 3)", &[0, 1, 1, 1, 0, 0])).unwrap();
    let bytes = npz.finish().unwrap().into_inner();
    assert_eq!(values(&rows("a.npz.gz", gzip(&bytes))), values(&rows("a.npz", bytes)));
}

#[test]
fn rejects_gzip_that_is_damaged_or_unfolds_to_too_much() {
    let mut damaged = gzip(b"0,1\n1,0\n");
    let checksum = damaged.len() - 8;
    damaged[checksum] ^= 1;
    assert!(rows_by("a.csv.gz", damaged, &LoadOptions::default()).unwrap_err().starts_with("reading a.csv.gz: "));
    let bomb = gzip(&[&b"1 1:1 #"[..], &vec![b'x'; 80 << 20]].concat());
    let error = rows_by("a.svm.gz", bomb, &LoadOptions::default()).expect_err("the file unfolds to 80 MiB");
    assert!(error.ends_with("it unfolds to more than 128 times its size and 64 MiB"), "{error}");
}

#[test]
fn rejects_text_that_is_no_table() {
    for content in ["# Read me\n\nThis is no table, 3 words.\n", "{\"model\": [0, 1]}\n", "[data]\nspec = 'x'\n"] {
        let error = rows_by("notes.md", content, &LoadOptions::default()).unwrap_err();
        assert!(error.starts_with("notes.md: unknown format"), "{error}");
    }
    let error = rows_by("a.csv", "id\n1\n2\n", &LoadOptions::default()).unwrap_err();
    assert_eq!(error, "a.csv: has shape 2 x 1, expected a column beside labels and columns left out");
}

// ---- Vectors, sparse rows and groups ----

#[test]
fn table_weights_are_one_number_a_row_in_any_shape() {
    let (folder, path) = file("rows.csv", "0,1\n1,0\n".repeat(4));
    let weighted = |name: &str, content: &[u8]| {
        let weights = folder.path().join(name);
        fs::write(&weights, content).expect("a temporary folder can be written");
        let options = LoadOptions { weights: Some(RowWeights::File(weights)), ..LoadOptions::default() };
        load(&DataSpec::Path(path.clone()), &options)
    };
    let eight = doubles(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let column = |text: &str| text.replace(',', "\n");
    let expected = weighted("a.csv", column("1,2,3,4,5,6,7,8").as_bytes()).unwrap().train;
    for (name, content) in [
        ("line.csv", b"1,2,3,4,5,6,7,8\n".to_vec()),
        ("named.csv", format!("weight\n{}", column("1,2,3,4,5,6,7,8")).into_bytes()),
        ("pandas.csv", ",weight\n0,1\n1,2\n2,3\n3,4\n4,5\n5,6\n6,7\n7,8\n".into()),
        ("vector.npy", npy("<f8", "(8,)", &eight)),
        ("column.npy", npy("<f8", "(8, 1)", &eight)),
        ("row.npy", npy("<f8", "(1, 8)", &eight)),
        ("line.csv.gz", gzip(b"1,2,3,4,5,6,7,8\n")),
    ] {
        let data = weighted(name, &content).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(data.train.weights(), expected.weights(), "{name}");
    }
    assert!(matches!(weighted("gap.csv", b"1\n?\n3\n"), Err(Error::Missing { row: 2, column: 1, .. })));
    let error = load(&DataSpec::Path(folder.path().join("vector.npy")), &LoadOptions::default()).unwrap_err();
    assert!(error.to_string().ends_with("has shape [8], expected [samples, units] or [samples, height, width]"));
}

#[test]
fn table_labels_of_idx_files_may_be_a_column() {
    let idx = |dims: &[u32], data: &[u8]| {
        let head =
            [&[0, 0, 8, dims.len() as u8][..], &dims.iter().flat_map(|dim| dim.to_be_bytes()).collect::<Vec<_>>()];
        [&head.concat()[..], data].concat()
    };
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: Vec<u8>| fs::write(folder.path().join(name), content).unwrap();
    write("train-images-idx2-ubyte", idx(&[3, 2], &[1; 6]));
    write("train-labels-idx1-ubyte", idx(&[3, 1], &[4, 5, 6]));
    let rows = load_rows(&DataSpec::Path(folder.path().into()), &LoadOptions::default()).unwrap();
    assert_eq!(rows.labels(), Some(&[4, 5, 6][..]));
    write("train-labels-idx1-ubyte", idx(&[3, 2], &[1; 6]));
    let error = load_rows(&DataSpec::Path(folder.path().into()), &LoadOptions::default()).unwrap_err().to_string();
    assert!(error.ends_with("has shape 3 x 2, expected 1 dimension for labels"), "{error}");
}

#[test]
fn table_sparse_rows_have_the_given_number_of_units() {
    let options = |units| LoadOptions { units, ..LoadOptions::default() };
    let (_folder, path) = file("a.svm", "1 2:0.5\n0 1:1\n");
    let units = |units| load_rows(&DataSpec::Path(path.clone()), &options(units)).map(|rows| rows.units());
    assert_eq!((units(None).unwrap(), units(Some(5)).unwrap()), (2, 5));
    assert!(matches!(units(Some(1)), Err(Error::Index { index: 2, .. })));
}

#[test]
fn table_one_hot_data_have_the_categories_of_their_groups() {
    let data = |units: usize, on: fn(usize, usize) -> bool| {
        let rows = Split::new(Values::Bits(BitMatrix::from_fn(units, 6, on)), None).unwrap();
        Dataset::new("rows", rows.clone(), rows.clone(), rows).unwrap()
    };
    let groups = data(12, |unit, row| unit % 4 == (row + unit / 4) % 4);
    assert_eq!((groups.one_hot_categories(), groups.categories().unwrap()), (Some(4), 4));
    assert_eq!(groups.with_categories(4).unwrap().train.values(), groups.train.values());
    let pairs = data(6, |unit, row| unit % 2 == row % 2);
    assert_eq!((pairs.one_hot_categories(), pairs.categories().unwrap()), (Some(2), 2));
    // As many ones in each row, but not one in each group.
    let shuffled = data(6, |unit, row| (unit + row) % 6 < 2);
    assert_eq!((shuffled.one_hot_categories(), shuffled.categories().unwrap()), (None, 2));
    assert_eq!(data(3, |_, _| true).one_hot_categories(), None);
}

#[cfg(target_os = "linux")]
#[test]
fn table_pipes_are_read_once() {
    let folder = tempfile::tempdir().unwrap();
    let table = |content: &[u8]| {
        let (inner, path) = file("inner", content);
        let pipe = folder.path().join("pipe");
        let _ = fs::remove_file(&pipe);
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there");
        assert!(made.success());
        let writer = std::thread::spawn({
            let (pipe, bytes) = (pipe.clone(), fs::read(path).unwrap());
            move || fs::write(pipe, bytes)
        });
        let rows = load_rows(&DataSpec::Path(pipe), &LoadOptions::default());
        writer.join().unwrap().unwrap();
        drop(inner);
        values(&rows.unwrap())
    };
    let expected = [0.0, 1.0, 1.0, 0.0];
    assert_eq!(table(b"0,1\n1,0\n"), expected);
    assert_eq!(table(&gzip(b"0 1\n1 0\n")), expected);
    assert_eq!(table(b"1 2:1\n0 1:1\n"), expected);
    assert_eq!(table(&npy("|u1", "(2, 2)", &[0, 1, 1, 0])), expected);
    assert_eq!(table(&[&[0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 2][..], &[0, 1, 1, 0]].concat()), expected);
}

#[test]
fn law_splits_keep_what_their_reader_made_of_the_file() {
    let (_folder, path) = file("a.csv", format!("id,a,label\n{}", "3,0,1\n4,1,0\n".repeat(4)));
    let data = load(&DataSpec::Path(path), &LoadOptions::default()).unwrap();
    for split in [&data.train, &data.valid, &data.test, &data.inverted().unwrap().train] {
        assert_eq!(split.readings(), data.train.readings());
        assert_eq!(split.readings().len(), 1);
    }
    assert_eq!(data.with_label_units(2).unwrap().train.readings(), data.train.readings());
    assert!(Dataset::builtin("digits").unwrap().train.readings().is_empty());
    assert!(Path::new(&data.train.readings()[0].file).ends_with("a.csv"));
}
