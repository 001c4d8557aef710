//! `cargo xtask reproduce`: trains the recipes, measures them on the full test set and writes the table of the book.

mod place;
mod recipe;
mod row;
mod state;
mod table;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::Result;
use crate::process::{self, Step, root, target};
pub(crate) use place::Place;
use row::Row;
use state::State;

/// The file of the rows, below the root.
const ROWS: &str = "recipes/reproduce.toml";
/// The folder of measurements, below the root, with one file per row. It is kept with the sources, and the table is
/// made from it.
const RECORDS: &str = "docs/results";
/// The chapter, below the root.
const CHAPTER: &str = "docs/src/results.md";
/// The lines of the README before and after its table.
const SUMMARY: (&str, &str) = ("<!-- results -->\n", "<!-- end of results -->\n");

/// Options of the command.
#[derive(Args, Debug)]
pub(crate) struct Reproduce {
    /// Names of recipes, such as rbm-784-16; all recipes by default.
    names: Vec<String>,
    /// The folder that has one folder for each data set.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["quick", "table"])]
    data_dir: Option<PathBuf>,
    /// The folder of runs and figures; a run or figure in it is not made again [default: runs/reproduce].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Does the same with tiny models on the built-in digits, in seconds, and does not change the book.
    #[arg(long)]
    quick: bool,
    /// The program to run; by default it is built in release mode.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Only writes the tables of the book and of the README, from the records in docs/results.
    #[arg(long, conflicts_with_all = ["quick", "names"])]
    table: bool,
}

/// Runs `dgm` with arguments and returns its standard output.
type Dgm<'a> = &'a dyn Fn(Vec<String>) -> Result<String>;

impl Reproduce {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<()> {
        let rows = row::read(&root().join(ROWS))?;
        let chosen = row::choose(&rows, &self.names)?;
        let out = self.folder();
        if self.quick && self.out.is_none() && out.exists() {
            // Figures of an earlier version would hide those of this one.
            fs::remove_dir_all(&out)?;
        }
        if !self.table {
            let program = process::program(self.program.as_deref())?.display().to_string();
            let dgm = |arguments: Vec<String>| Step::new("dgm", program.clone(), arguments).output();
            let place = Place::here()?;
            for row in chosen {
                println!("==> {}", row.recipe);
                let job = Job { row, rows: &rows, out: &out, data_dir: self.data_dir.as_deref(), quick: self.quick };
                let state = job.run(&dgm, &place)?;
                if !self.quick {
                    let records = root().join(RECORDS);
                    fs::create_dir_all(&records)?;
                    state.write(&State::path(&records, &row.recipe))?;
                }
            }
        }
        if self.quick {
            return announced(&out.join("results.md"), &table::render(&rows, &states(&rows, &out)?));
        }
        let states = states(&rows, &root().join(RECORDS))?;
        announced(&root().join(CHAPTER), &table::render(&rows, &states))?;
        let readme = root().join("README.md");
        announced(&readme, &with_summary(&fs::read_to_string(&readme)?, &table::summary(&rows, &states))?)
    }

    fn folder(&self) -> PathBuf {
        let usual = if self.quick { target().join("ci/reproduce") } else { root().join("runs/reproduce") };
        self.out.clone().unwrap_or(usual)
    }
}

/// The record of each row, if there is one.
fn states(rows: &[Row], out: &Path) -> Result<Vec<Option<State>>> {
    rows.iter().map(|row| State::read(&State::path(out, &row.recipe))).collect()
}

fn announced(path: &Path, text: &str) -> Result<()> {
    write(path, text)?;
    println!("{}", path.display());
    Ok(())
}

/// The README with its table replaced.
fn with_summary(readme: &str, summary: &str) -> Result<String> {
    let (begin, end) = SUMMARY;
    let parts = readme.split_once(begin).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    let (before, after) = parts.ok_or("README.md has no place for the table of results")?;
    Ok(format!("{before}{begin}{summary}{end}{after}"))
}

fn write(path: &Path, text: &str) -> Result<()> {
    // The new file is renamed over the old one, so that an interruption leaves a whole file.
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, text).map_err(|error| format!("writing {}: {error}", unfinished.display()))?;
    fs::rename(&unfinished, path).map_err(|error| format!("writing {}: {error}", path.display()).into())
}

/// One row to be trained and measured.
struct Job<'a> {
    row: &'a Row,
    /// All rows, which include the one whose model this row starts from.
    rows: &'a [Row],
    out: &'a Path,
    data_dir: Option<&'a Path>,
    quick: bool,
}

impl Job<'_> {
    /// Trains and measures the row where this has not been done, keeps the record, and returns it.
    fn run(&self, dgm: Dgm, place: &Place) -> Result<State> {
        let path = State::path(self.out, &self.row.recipe);
        let mut state = self.trained(dgm, place)?;
        if state.quick != self.quick {
            return Err(format!(
                "{} belongs to a run {} --quick; name another folder with --out",
                path.display(),
                if state.quick { "with" } else { "without" }
            )
            .into());
        }
        if state.evaluation.is_none() {
            state.evaluation = Some(self.measure(dgm)?);
            state.date = place.date.clone();
            state.write(&path)?;
            if !self.row.finetune {
                dgm(strings(["report", &self.run_folder(), "--quiet"]))?;
            }
        }
        Ok(state)
    }

    /// Trains the row if it has not been trained, and keeps the record.
    fn trained(&self, dgm: Dgm, place: &Place) -> Result<State> {
        fs::create_dir_all(self.out).map_err(|error| format!("creating {}: {error}", self.out.display()))?;
        let path = State::path(self.out, &self.row.recipe);
        if let Some(state) = State::read(&path)? {
            return Ok(state);
        }
        let state = self.train(dgm, place)?;
        state.write(&path)?;
        Ok(state)
    }

    /// The model that a classifier starts from; it is trained now if it does not exist.
    fn start(&self, dgm: Dgm, place: &Place) -> Result<Option<String>> {
        let Some(start) = &self.row.start else { return Ok(None) };
        let row =
            self.rows.iter().find(|row| row.recipe == *start).ok_or("a row starts from a row that does not exist")?;
        let job = Job { row, ..*self };
        job.trained(dgm, place)?;
        Ok(Some(format!("{}/model.gm", job.run_folder())))
    }

    fn run_folder(&self) -> String {
        self.out.join(&self.row.recipe).display().to_string()
    }

    /// Trains from the start, or continues where an earlier call was interrupted.
    fn train(&self, dgm: Dgm, place: &Place) -> Result<State> {
        let run = self.run_folder();
        let finished = || state::is_finished(Path::new(&run));
        let command = if self.row.finetune { "finetune" } else { "train" };
        if !Path::new(&run).join("config.toml").exists() {
            let config = self.config()?;
            let mut arguments = strings([command]);
            arguments.extend(self.start(dgm, place)?);
            arguments.extend(strings(["--config", &config, "--out", &run]));
            arguments.extend(self.data_options());
            dgm(arguments)?;
        } else if !finished() {
            let complete =
                format!("; if the run is already finished, call `dgm report {run}` and then the same command");
            dgm(strings([command, "--resume", &run])).map_err(|error| format!("{error}{complete}"))?;
        }
        // A signal ends training with status 130, which is an error here, so the model has been trained.
        if !finished() {
            return Err(format!("{run}: dgm has not finished the run; the same command continues it").into());
        }
        State::trained(&self.row.recipe, Path::new(&run), self.quick, place)
    }

    /// The path of the recipe, or of a copy for tiny models.
    fn config(&self) -> Result<String> {
        let recipe = root().join("recipes").join(format!("{}.toml", self.row.recipe));
        if !self.quick {
            return Ok(recipe.display().to_string());
        }
        let path = self.out.join(format!("{}.toml", self.row.recipe));
        write(&path, &recipe::shrink(&fs::read_to_string(&recipe)?)?)?;
        Ok(path.display().to_string())
    }

    fn measure(&self, dgm: Dgm) -> Result<serde_json::Value> {
        let run = self.run_folder();
        let (model, kept) = (format!("{run}/model.gm"), format!("{run}/eval.json"));
        let mut arguments = strings(["eval", &model, "--json", "--force", "--out", &kept]);
        arguments.extend(if self.quick { &self.row.quick } else { &self.row.eval }.iter().cloned());
        arguments.extend(self.data_options());
        Ok(serde_json::from_str(&dgm(arguments)?)?)
    }

    fn data_options(&self) -> Vec<String> {
        let folder = self.data_dir.filter(|_| !self.quick);
        folder.map_or(Vec::new(), |folder| strings(["--data-dir", &folder.display().to_string()]))
    }
}

fn strings<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(String::from).to_vec()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// A folder for one test, removed when the test passes.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn place() -> Place {
        Place { commit: "abc".into(), machine: "a machine".into(), date: "2026-11-24".into() }
    }

    /// A stand-in for dgm that fails at the given command.
    fn fake(calls: &RefCell<Vec<String>>, fails: &str, arguments: &[String]) -> Result<String> {
        calls.borrow_mut().push(arguments.join(" "));
        if arguments[0] == fails {
            return Err("interrupted".into());
        }
        if arguments[0] == "train" {
            let run = PathBuf::from(&arguments[arguments.len() - 1]);
            fs::create_dir_all(&run)?;
            fs::write(run.join("config.toml"), "seed = 5\n")?;
            fs::write(run.join("metrics.jsonl"), "{\"epoch\":1,\"seconds\":2.0}\n{\"epoch\":2,\"seconds\":4.5}\n")?;
            fs::write(run.join("report.html"), "page")?;
        }
        Ok(r#"{"mean_log_prob":{"value":-1.0,"low":-1.5,"high":-0.5,"side":"estimate","method":"ais"},"seconds":7.0,"seed":0}"#.into())
    }

    #[test]
    fn law_an_interrupted_reproduction_goes_on_where_it_was() {
        let out = folder("goes-on");
        let rows = row::read(&root().join(ROWS)).unwrap();
        let job = Job { row: &rows[0], rows: &rows, out: &out, data_dir: None, quick: false };
        let calls = RefCell::default();
        let path = State::path(&out, &rows[0].recipe);
        let dgm = |fails: &'static str| {
            let calls = &calls;
            move |arguments: Vec<String>| fake(calls, fails, &arguments)
        };
        assert!(job.run(&dgm("train"), &place()).is_err() && !path.exists());
        // A run that was begun is resumed.
        fs::create_dir_all(out.join(&rows[0].recipe)).unwrap();
        fs::write(out.join(&rows[0].recipe).join("config.toml"), "seed = 5\n").unwrap();
        assert!(job.run(&dgm("eval"), &place()).is_err());
        let state = State::read(&path).unwrap().unwrap();
        assert_eq!((state.train_seconds, state.seed, state.evaluation.is_none()), (4.5, 5, true));
        job.run(&dgm("none"), &place()).unwrap();
        job.run(&dgm("none"), &place()).unwrap();
        let words: Vec<String> =
            calls.borrow().iter().map(|call| call.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
        let model = format!("eval {}", out.join(&rows[0].recipe).join("model.gm").display());
        let report = format!("report {}", out.join(&rows[0].recipe).display());
        assert_eq!(words, ["train --config", "train --resume", &model, &model, &report]);
        let text = table::render(&rows, &states(&rows, &out).unwrap());
        assert!(text.contains("-1.00") && text.contains("2026-11-24") && text.contains("4.5 s"), "{text}");
        fs::remove_dir_all(out).unwrap();
    }

    #[test]
    fn golden_the_tables_are_what_the_records_say() {
        let rows = row::read(&root().join(ROWS)).unwrap();
        let states = states(&rows, &root().join(RECORDS)).unwrap();
        let chapter = fs::read_to_string(root().join(CHAPTER)).unwrap();
        assert!(chapter == table::render(&rows, &states), "`cargo xtask reproduce --table` writes {CHAPTER} anew");
        let readme = fs::read_to_string(root().join("README.md")).unwrap();
        let expected = with_summary(&readme, &table::summary(&rows, &states)).unwrap();
        assert!(readme == expected, "`cargo xtask reproduce --table` writes the table of the README anew");
        assert!(with_summary("no place", "").is_err());
    }

    #[test]
    fn rejects_quick_figures_in_the_place_of_long_ones() {
        let out = folder("quick");
        let rows = row::read(&root().join(ROWS)).unwrap();
        let quick = Job { row: &rows[0], rows: &rows, out: &out, data_dir: None, quick: true };
        let calls = RefCell::default();
        let dgm = |arguments: Vec<String>| fake(&calls, "none", &arguments);
        quick.run(&dgm, &place()).unwrap();
        assert!(calls.borrow()[1].ends_with(&rows[0].quick.join(" ")), "{:?}", calls.borrow());
        let long = Job { quick: false, ..quick };
        assert!(
            long.run(&dgm, &place()).unwrap_err().to_string().ends_with("with --quick; name another folder with --out")
        );
        fs::remove_dir_all(out).unwrap();
    }

    #[test]
    fn rejects_runs_that_did_not_finish() {
        let out = folder("unfinished");
        let rows = row::read(&root().join(ROWS)).unwrap();
        let job = Job { row: &rows[0], rows: &rows, out: &out, data_dir: Some(Path::new("data")), quick: false };
        let error = job.run(&|_| Ok(String::new()), &place()).unwrap_err().to_string();
        assert!(error.contains("has not finished the run"), "{error}");
        fs::remove_dir_all(out).unwrap();
    }
}
