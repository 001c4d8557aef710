//! Aligned sequences: FASTA, A2M, A3M and Stockholm files as the databases of protein families write them, and weights of
//! similar sequences.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use gm_core::VisibleKind;
use gm_data::{
    Alphabet, Binarise, DataSpec, Error, Inserts, LoadOptions, RowWeights, SequenceReading, Split, TableOptions,
    UnknownLetters, Values, load, load_rows,
};
use tempfile::TempDir;

fn file(name: &str, content: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    fs::write(&path, content).expect("a temporary folder can be written");
    (folder, path)
}

fn categories() -> LoadOptions {
    LoadOptions { numbers: true, ..LoadOptions::default() }
}

fn by(table: TableOptions) -> LoadOptions {
    LoadOptions { table, ..categories() }
}

fn of(alphabet: Alphabet) -> LoadOptions {
    by(TableOptions { alphabet: Some(alphabet), ..TableOptions::default() })
}

fn inserts(inserts: Inserts) -> LoadOptions {
    by(TableOptions { inserts, ..TableOptions::default() })
}

fn unknown(unknown_letters: UnknownLetters) -> LoadOptions {
    by(TableOptions { unknown_letters, ..TableOptions::default() })
}

fn read(name: &str, content: impl AsRef<[u8]>, options: &LoadOptions) -> Result<Split, String> {
    let (folder, path) = file(name, content);
    let rows = load_rows(&DataSpec::Path(path), options);
    rows.map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

/// The sequences as text, by their categories.
fn letters(rows: &Split) -> Vec<String> {
    let letters: Vec<char> = rows.alphabet().expect("sequences").letters().chars().collect();
    let text = |row: usize| (0..rows.units()).map(|unit| letters[rows.values().mean(unit, row) as usize]).collect();
    (0..rows.len()).map(text).collect()
}

fn read_letters(name: &str, content: impl AsRef<[u8]>, options: &LoadOptions) -> Vec<String> {
    letters(&read(name, content, options).expect(name))
}

fn found(rows: &Split) -> &SequenceReading {
    rows.readings()[0].sequences.as_ref().expect("the reader tells what it did")
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes everything")
}

// ---- FASTA ----

#[test]
fn table_letters_are_categories_in_the_order_of_the_alphabet() {
    let rows = read("a.fasta", ">all\n-ACDEFGHIKLMNPQRSTVWY\n", &categories()).unwrap();
    assert_eq!((rows.len(), rows.units(), rows.image()), (1, 21, None));
    assert!((0..21).all(|unit| rows.values().mean(unit, 0) == unit as f32));
    assert!(matches!(rows.values(), Values::Numbers(_)));
    assert_eq!(rows.alphabet().map(Alphabet::categories), Some(21));
    let names = rows.column_names().expect("columns have names");
    assert_eq!((names[0].as_str(), names[20].as_str()), ("p1", "p21"));
    let groups = rows.rows_for(VisibleKind::Softmax { categories: 21 }, Binarise::None).unwrap();
    assert_eq!(groups.units(), 441);
    assert!((0..21).all(|unit| groups.bits().get(22 * unit, 0)));
    // Gaps and alanines alone, whose categories are 0 and 1, are categories still.
    let few = read("a.fa", ">a\nA---\n>b\n-A-A\n", &categories()).unwrap();
    assert!(matches!(few.values(), Values::Numbers(_)) && few.image().is_none());
    assert_eq!(few.rows_for(VisibleKind::Softmax { categories: 21 }, Binarise::None).unwrap().units(), 84);
}

#[test]
fn table_fasta_of_all_kinds_says_the_same() {
    let expected = ["AC-Y", "ACDY", "WWWW"];
    let plain = ">a first\nAC-Y\n>b\nACDY\n>a again\nWWWW\n";
    for (name, content) in [
        ("a.fasta", plain.into()),
        ("a.fa", plain.replace('\n', "\r\n")),
        ("a.fas", plain.replace('>', ">>")),
        ("a.faa", plain.replace('>', "> ")),
        ("a.afa", format!("\u{feff}{plain}")),
        ("lines.fasta", ">a\nAC\n-Y\n\n>b\n\nA\nC\nDY\n>a\n WW WW\t\n".into()),
        ("lower.fasta", ">a\nac-y\n>b\nAcDy\n>a\nwwww\n".into()),
        ("points.fasta", plain.replace('-', ".")),
        ("other-gaps.fasta", plain.replace('-', "~")),
        ("comments.fasta", format!("; from a database\n{plain}; the end\n")),
        ("end.fasta", plain.trim_end().into()),
        ("rows.data", plain.into()),
        ("family.aln", format!("\n{plain}")),
    ] {
        let rows = read(name, &content, &categories()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(letters(&rows), expected, "{name}");
        let lower = if name == "lower.fasta" { 9 } else { 0 };
        let reading = found(&rows);
        assert_eq!((reading.lower_case, reading.gaps, reading.rows, reading.columns), (lower, 1, 3, 4), "{name}");
        if lower == 0 {
            assert_eq!(
                read_letters(&format!("{name}.gz"), gzip(content.as_bytes()), &categories()),
                expected,
                "{name}"
            );
        }
    }
    let wide: Vec<u8> = [0xfffe_u16].into_iter().chain(plain.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    assert!(read("wide.fasta", wide, &categories()).is_err(), "the mark of the other byte order");
    let wide: Vec<u8> = [0xfeff_u16].into_iter().chain(plain.encode_utf16()).flat_map(u16::to_be_bytes).collect();
    assert_eq!(read_letters("wide.fasta", wide, &categories()), expected);
}

#[test]
fn table_nucleotides_are_read_by_option() {
    let text = ">a\nACGU-\n>b\nacgtN\n";
    for (alphabet, expected) in [(Alphabet::Rna, ["ACGU-", "ACGU-"]), (Alphabet::Dna, ["ACGT-", "ACGT-"])] {
        let rows = read("a.fasta", text, &of(alphabet)).unwrap();
        assert_eq!(letters(&rows), expected);
        assert_eq!((found(&rows).unknown, found(&rows).nucleotides), (1, false));
        // The alphabet of the model is taken where no option names another.
        let usual = LoadOptions { alphabet: Some(alphabet), ..categories() };
        assert_eq!(read_letters("a.fasta", text, &usual), expected);
        let protein = LoadOptions { alphabet: Some(alphabet), ..of(Alphabet::Protein) };
        assert_eq!(read("a.fasta", text, &protein).unwrap().alphabet(), Some(Alphabet::Protein));
    }
    let rows = read("a.fasta", text, &categories()).unwrap();
    assert_eq!(letters(&rows), ["ACG--", "ACGTN"]);
    assert!(found(&rows).nucleotides, "nothing tells that these are no proteins");
    assert!(!found(&read("a.fasta", ">a\nACGTW\n", &categories()).unwrap()).nucleotides);
    assert!(!found(&read("a.fasta", ">a\n----\n", &categories()).unwrap()).nucleotides);
    let error = read("a.fasta", ">a b\nAC\n>c d\nAL\n", &of(Alphabet::Rna)).unwrap_err();
    assert_eq!(error, "a.fasta: sequence `c` (line 3) has `L` at position 2, which the alphabet rna lacks");
}

#[test]
fn table_unknown_letters_are_gaps_or_leave_a_sequence_out_or_are_refused() {
    let text = ">a\nACDE\n>b\nXCbZ\n>c\nA*-?\n>d\nWWWW\n";
    let rows = read("a.fasta", text, &categories()).unwrap();
    assert_eq!(letters(&rows), ["ACDE", "-C--", "A---", "WWWW"]);
    let reading = found(&rows);
    assert_eq!((reading.unknown, reading.unknown_rows, reading.gaps, reading.rows), (5, 2, 6, 4));
    let rows = read("a.fasta", text, &unknown(UnknownLetters::Drop)).unwrap();
    assert_eq!(letters(&rows), ["ACDE", "WWWW"]);
    let reading = found(&rows);
    assert_eq!((reading.unknown, reading.unknown_rows, reading.gaps, reading.rows), (5, 2, 0, 2));
    let error = read("a.fasta", text, &unknown(UnknownLetters::Refuse)).unwrap_err();
    assert_eq!(error, "a.fasta: sequence `b` (line 3) has `X` at position 1, which the alphabet protein lacks");
    for letter in "BJOUXZ*?".chars() {
        assert_eq!(read_letters("a.fasta", format!(">a\nA{letter}\n"), &categories()), ["A-"], "{letter}");
    }
    for letter in "BDHKMNRSVWXY*?".chars() {
        assert_eq!(read_letters("a.fasta", format!(">a\nA{letter}\n"), &of(Alphabet::Dna)), ["A-"], "{letter}");
    }
    let error = read("a.fasta", ">a\nX\n", &unknown(UnknownLetters::Drop)).unwrap_err();
    assert_eq!(error, "a.fasta: holds no examples");
}

#[test]
fn table_insertions_are_left_out_by_the_rule_of_the_format() {
    let a2m = ">a\nAC.D-Y\n>b\nAc.DEY\n>c\nA-gDEY\n";
    let expected = ["AD-Y", "ADEY", "ADEY"];
    // A column that is a match state for one sequence has an upper-case letter or a gap in all.
    let a2m_sound = ">a\nA.D-Y\n>b\nAcDEY\n>c\nAgDEY\n";
    for name in ["a.a2m", "a.a3m", "a.a2m.gz"] {
        let content = if name.ends_with("gz") { gzip(a2m_sound.as_bytes()) } else { a2m_sound.into() };
        let rows = read(name, content, &categories()).unwrap();
        assert_eq!(letters(&rows), expected, "{name}");
        assert_eq!((found(&rows).inserts, found(&rows).lower_case, found(&rows).columns), (2, 0, 4), "{name}");
    }
    // A3M files leave points out.
    assert_eq!(read_letters("a.a3m", ">a\nAD-Y\n>b\nAcccDEY\n", &categories()), ["AD-Y", "ADEY"]);
    assert_eq!(read_letters("a.fasta", a2m_sound, &inserts(Inserts::Drop)), expected);
    assert_eq!(read_letters("a.a2m", a2m_sound, &inserts(Inserts::Keep)), ["A-D-Y", "ACDEY", "AGDEY"]);
    assert_eq!(read_letters("a.fasta", a2m_sound, &categories()), ["A-D-Y", "ACDEY", "AGDEY"]);
    let error = read("a.a2m", a2m, &categories()).unwrap_err();
    assert_eq!(error, "a.a2m: sequence `b` (line 3) has 4 columns, expected 5 as the first sequence");
}

#[test]
fn rejects_sequences_that_are_not_aligned() {
    let error = read("a.fasta", ">long name\nACDE\n>short\nACD\n", &categories()).unwrap_err();
    assert_eq!(error, "a.fasta: sequence `short` (line 3) has 3 columns, expected 4 as the first sequence");
    let error = read("a.fasta", ">a\nACDE\n>b\n", &categories()).unwrap_err();
    assert_eq!(error, "a.fasta: sequence `b` (line 3) has 0 columns, expected 4 as the first sequence");
    let error = read("a.fasta", ">a\n>b\nACDE\n", &categories()).unwrap_err();
    assert_eq!(error, "a.fasta: sequence `b` (line 2) has 4 columns, expected 0 as the first sequence");
    assert!(read("a.fasta", ">a\n>b\n", &categories()).unwrap_err().starts_with("a.fasta: has shape 2 x 0"));
    // Names of all lengths are shown in part.
    let error = read("a.fasta", format!(">a\nAC\n>{}\nA\n", "n".repeat(99)), &categories()).unwrap_err();
    assert!(error.contains(&format!("sequence `{}...` (line 3)", "n".repeat(40))), "{error}");
}

#[test]
fn rejects_what_is_no_sequence() {
    let refused = |content: &str| read("a.fasta", content, &categories()).unwrap_err();
    for content in ["", "\n\n", "; a comment\n"] {
        assert_eq!(refused(content), "a.fasta: holds no examples", "{content:?}");
    }
    for content in ["ACDE\n", "1,0,1\n", "# STOCKHOLM 1.0\na AC\n//\n"] {
        assert_eq!(refused(content), "a.fasta: not a fasta file: it begins with other bytes", "{content:?}");
    }
    for (letter, shown) in [("1", '1'), ("é", 'é'), (",", ','), ("\u{0}", '\0'), ("!", '!'), ("@", '@')] {
        let expected =
            format!("a.fasta: sequence `a` (line 1) has `{shown}` at position 3, which the alphabet protein lacks");
        assert_eq!(refused(&format!(">a\nAC{letter}D\n")), expected);
    }
    let bytes = read("a.fasta", b">a\nAC\xffD\n", &categories()).unwrap_err();
    assert_eq!(bytes, "a.fasta: not a fasta file: it begins with other bytes");
    let error = read("a.fasta", ">one\nAC-Y\n", &LoadOptions::default()).unwrap_err();
    assert_eq!(error, "a.fasta: holds sequences, whose letters are categories and no numbers");
    let threshold = LoadOptions { binarise: Some(Binarise::Threshold(3.0)), ..categories() };
    assert!(read("a.fasta", ">one\nAC-Y\n", &threshold).unwrap_err().contains("holds sequences"));
}

// ---- Stockholm ----

const STOCKHOLM: &str = "# STOCKHOLM 1.0\n#=GF ID WW\n#=GS one AC P1\none/1-4   AC-Y\n#=GR one/1-4 SS HHHH\n\
                         two       ACDY\n#=GC SS_cons HHHH\nthree     WWWW\n//\n";

#[test]
fn table_stockholm_files_say_the_same() {
    let expected = ["AC-Y", "ACDY", "WWWW"];
    let blocks = "# STOCKHOLM 1.0\none/1-4 AC\ntwo AC\nthree WW\n\none/1-4 -Y\ntwo DY\nthree WW\n//\n";
    for (name, content) in [
        ("a.sto", STOCKHOLM.to_owned()),
        ("a.stk", STOCKHOLM.replace('\n', "\r\n")),
        ("a.stockholm", format!("\u{feff}{STOCKHOLM}")),
        ("rows.data", STOCKHOLM.into()),
        ("blocks.sto", blocks.into()),
        ("lower.sto", STOCKHOLM.replace("AC-Y", "ac.y").replace("WWWW", "wwww")),
        ("blank.sto", STOCKHOLM.replace("//\n", "//\n\n \n")),
    ] {
        let rows = read(name, &content, &categories()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(letters(&rows), expected, "{name}");
        assert_eq!((found(&rows).inserts, found(&rows).columns), (0, 4));
        assert_eq!(read_letters(&format!("{name}.gz"), gzip(content.as_bytes()), &categories()), expected, "{name}");
    }
}

#[test]
fn table_the_reference_line_marks_insert_columns() {
    let text = "# STOCKHOLM 1.0\na ACgD-Y\nb A.-DEY\n#=GC RF xx.xxx\n//\n";
    let rows = read("a.sto", text, &categories()).unwrap();
    assert_eq!(letters(&rows), ["ACD-Y", "A-DEY"]);
    assert_eq!((found(&rows).inserts, found(&rows).columns, found(&rows).gaps), (1, 5, 2));
    assert_eq!(read_letters("a.sto", text, &inserts(Inserts::Drop)), ["ACD-Y", "A-DEY"]);
    assert_eq!(read_letters("a.sto", text, &inserts(Inserts::Keep)), ["ACGD-Y", "A--DEY"]);
    let blocks = "# STOCKHOLM 1.0\na ACg\n#=GC RF xx.\n\na D-Y\n#=GC RF x~x\n//\n";
    assert_eq!(read_letters("a.sto", blocks, &categories()), ["ACDY"]);
    // Without the line, lower-case letters and points are insertions on request.
    let plain = "# STOCKHOLM 1.0\na ACgD-Y\nb A-.DEY\n//\n";
    assert_eq!(read_letters("a.sto", plain, &inserts(Inserts::Drop)), ["ACD-Y", "A-DEY"]);
    assert_eq!(read_letters("a.sto", plain, &categories()), ["ACGD-Y", "A--DEY"]);
    let error = read("a.sto", text.replace("xx.xxx", "xx.xx"), &categories()).unwrap_err();
    assert_eq!(error, "a.sto: sequence `a` (line 2) has 6 columns, expected 5 as its line #=GC RF");
    // What stands in a column that is left out does not matter.
    assert_eq!(read_letters("a.sto", text.replace('g', "!"), &categories()), ["ACD-Y", "A-DEY"]);
}

#[test]
fn rejects_damaged_stockholm_files() {
    let refused = |content: &str| read("a.sto", content, &categories()).unwrap_err();
    assert_eq!(refused(""), "a.sto: holds no examples");
    assert_eq!(refused("# STOCKHOLM 1.0\n//\n"), "a.sto: holds no examples");
    for content in [">a\nAC\n", "a AC\n//\n", "0,1\n"] {
        assert_eq!(refused(content), "a.sto: not a stockholm file: it begins with other bytes", "{content:?}");
    }
    let cut = &STOCKHOLM[..STOCKHOLM.len() - 3];
    assert_eq!(refused(cut), "a.sto: line 8: the file ends without a line //, so that sequences may be missing");
    let two = STOCKHOLM.repeat(2);
    assert_eq!(refused(&two), "a.sto: line 10: another alignment follows, expected one alignment a file");
    let bare = STOCKHOLM.replace("two       ACDY", "two");
    assert_eq!(refused(&bare), "a.sto: line 6: expected a name and the letters of a sequence");
    // A name that occurs twice continues the sequence.
    let twice = STOCKHOLM.replace("two ", "three ");
    assert_eq!(refused(&twice), "a.sto: sequence `three` (line 6) has 8 columns, expected 4 as the first sequence");
}

// ---- Options ----

#[test]
fn rejects_options_of_sequences_for_other_data() {
    for (options, shown) in [
        (of(Alphabet::Rna), "`alphabet` is rna"),
        (inserts(Inserts::Keep), "`inserts` is keep"),
        (unknown(UnknownLetters::Drop), "`unknown_letters` is drop"),
    ] {
        let allowed = "allowed: nothing, except for sequences (.fasta, .a2m, .sto and their relatives)";
        let error = read("a.csv", "0,1\n1,0\n", &options).unwrap_err();
        assert_eq!(error, format!("LoadOptions: {shown} for a.csv, {allowed}"));
        let error = load_rows(&DataSpec::Digits, &options).unwrap_err().to_string();
        assert_eq!(error, format!("LoadOptions: {shown} for digits, {allowed}"));
        let folder = tempfile::tempdir().unwrap();
        let error = load_rows(&DataSpec::Path(folder.path().into()), &options).unwrap_err().to_string();
        assert!(error.contains(shown), "{error}");
    }
    // The alphabet of a model is no option.
    let usual = LoadOptions { alphabet: Some(Alphabet::Dna), ..LoadOptions::default() };
    assert!(read("a.csv", "0,1\n1,0\n", &usual).is_ok());
    for table in [
        TableOptions { header: gm_data::Header::No, ..TableOptions::default() },
        TableOptions { label: Some("1".into()), ..TableOptions::default() },
        TableOptions { drop: Some(vec!["1".into()]), ..TableOptions::default() },
    ] {
        for (name, content) in [("a.fasta", ">a\nAC\n"), ("a.sto", STOCKHOLM)] {
            assert!(
                read(name, content, &by(table.clone())).unwrap_err().contains("allowed: nothing, except for a table")
            );
        }
    }
    for error in ["protien".parse::<Alphabet>().unwrap_err(), "kep".parse::<Inserts>().unwrap_err()] {
        assert!(error.to_string().contains("did you mean"), "{error}");
    }
    assert!("gaps".parse::<UnknownLetters>().unwrap_err().to_string().contains("gap, drop, refuse"));
}

// ---- Splits and weights ----

/// Twelve sequences of ten columns: six copies, and six that share few letters.
fn family() -> String {
    let copies = (0..6).map(|i| format!(">copy{i}\nACDEFGHIK{}\n", ["L", "M"][i % 2]));
    let others = (0..6).map(|i| format!(">other{i}\n{}\n", ["W", "Y", "V", "T", "S", "R"][i].repeat(10)));
    copies.chain(others).collect()
}

#[test]
fn table_weights_by_identity_count_similar_training_rows() {
    let (_folder, path) = file("family.fasta", family());
    let spec = DataSpec::Path(path);
    let weighted = |weights| load(&spec, &LoadOptions { weights: Some(weights), ..categories() }).unwrap();
    let data = weighted(RowWeights::Identity(0.9));
    assert_eq!(data.categories().unwrap(), 21);
    let train = &data.train;
    let copies = letters(train).iter().filter(|text| text.starts_with("ACDEF")).count();
    let expected = (train.len() - copies) as f64 + f64::from(u8::from(copies > 0));
    assert!(copies > 1, "all copies are held out");
    assert!((train.effective_rows().unwrap() - expected).abs() < 1e-9);
    assert_eq!(train.info().effective_rows, train.effective_rows());
    // Validation rows have no weights, and the categories keep those of training rows.
    assert_eq!((data.valid.weights(), data.valid.effective_rows()), (None, None));
    let groups = data.with_categories(21).unwrap().train;
    assert_eq!((groups.weights(), groups.effective_rows()), (train.weights(), train.effective_rows()));
    assert_eq!((groups.units(), groups.alphabet()), (210, Some(Alphabet::Protein)));
    let ratio =
        |weights: &[f32]| weights.iter().copied().fold(0.0, f32::max) / weights.iter().copied().fold(9.0, f32::min);
    assert!((ratio(train.weights().unwrap()) - copies as f32).abs() < 1e-5);
    // Copies differ in one of ten positions.
    assert!(weighted(RowWeights::Identity(0.95)).train.effective_rows().unwrap() > expected + 0.5);
}

#[test]
fn rejects_weights_by_identity_of_grey_levels_and_sequences_as_weights() {
    let weights = Some(RowWeights::Identity(0.8));
    let error =
        load(&DataSpec::Digits, &LoadOptions { weights: weights.clone(), ..LoadOptions::default() }).unwrap_err();
    let expected = "LoadOptions: `weights` is identity:0.8 for digits, which has grey levels, allowed: identity:X for zeros \
                    and ones, and for categories of softmax units";
    assert_eq!(error.to_string(), expected);
    let bars = load(&DataSpec::BarsAndStripes(3), &LoadOptions { weights, ..LoadOptions::default() }).unwrap();
    assert!(bars.train.effective_rows().is_some_and(|rows| rows < 16.0));
    let (folder, path) = file("family.fasta", family());
    let weights = Some(RowWeights::File(path.clone()));
    let error = load(&DataSpec::Path(path), &LoadOptions { weights, ..categories() }).unwrap_err();
    assert!(matches!(&error, Error::Weights { .. }) && error.to_string().contains("it holds sequences"), "{error}");
    drop(folder);
}

#[test]
fn table_validation_rows_come_from_a_file_with_the_same_rules() {
    let (folder, path) = file("family.fasta", family());
    let [valid, test] = ["valid.a2m", "test.sto"].map(|name| folder.path().join(name));
    fs::write(&valid, ">v\nACDEaaFGHIKL\n").unwrap();
    fs::write(&test, "# STOCKHOLM 1.0\nt ACDEFGHIKX\n//\n").unwrap();
    let options = LoadOptions { valid: Some(valid), test: Some(test.clone()), ..categories() };
    let data = load(&DataSpec::Path(path.clone()), &options).unwrap();
    assert_eq!((letters(&data.valid), letters(&data.test)), (vec!["ACDEFGHIKL".into()], vec!["ACDEFGHIK-".into()]));
    fs::write(&test, "# STOCKHOLM 1.0\nt ACDEFGHI\n//\n").unwrap();
    let error = load(&DataSpec::Path(path), &options).unwrap_err().to_string();
    assert!(error.ends_with("the test split has 8 units, the training split has 10"), "{error}");
}

// ---- A real family, where it is present ----

#[test]
fn table_the_ww_family_has_its_documented_shape() {
    let near = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("GM_SHARED").map_or(near, PathBuf::from);
    let path = folder.join("protein_ww/PF00397_ww.fasta");
    if !path.is_file() {
        eprintln!("skipped: no protein_ww in {}; set GM_SHARED to a folder of data sets", folder.display());
        return;
    }
    let rows = load_rows(&DataSpec::Path(path), &categories()).unwrap();
    assert_eq!((rows.len(), rows.units()), (17_233, 31));
    let reading = found(&rows);
    assert_eq!((reading.gaps, reading.unknown, reading.lower_case, reading.nucleotides), (30_269, 0, 0, false));
    assert_eq!(rows.info().duplicates, 17_233 - 7_503);
}
