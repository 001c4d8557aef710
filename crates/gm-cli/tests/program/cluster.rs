//! The chapter of the book on many runs and many machines: its commands, and its scripts with stand-ins for Slurm.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::Workshop;

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

/// The code blocks of a chapter, with their languages.
fn blocks(text: &str) -> Vec<(String, String)> {
    let block = |block: &str| block.split_once('\n').map(|(language, code)| (language.to_owned(), code.to_owned()));
    text.split("```").skip(1).step_by(2).filter_map(block).collect()
}

/// The words of an output, without times.
fn words(text: &str) -> Vec<&str> {
    let is_time = |word: &str| {
        word.split_once('.').is_some_and(|(_, decimals)| decimals.len() == 1 && word.parse::<f64>().is_ok())
    };
    text.split_whitespace().filter(|word| !is_time(word)).collect()
}

/// Runs the commands of a chapter, up to a heading if there is one, and compares what they say with the blocks that show it. With the variable
/// `DGM_WRITE_BOOK` the blocks are written anew. The answer counts commands and blocks.
fn follow(name: &str, end: Option<&str>) -> (usize, usize) {
    let workshop = Workshop::new();
    let chapter = fs::read_to_string(docs(name)).expect("the chapter");
    let part = end.and_then(|end| chapter.split_once(end)).map_or(&*chapter, |(part, _)| part);
    let mut written = chapter.clone();
    let (mut said, mut shown, mut run) = (String::new(), 0, 0);
    for (language, code) in blocks(part) {
        match language.as_str() {
            "toml" => workshop.write("rates.toml", &code),
            "sh" => {
                let code = code.replace("\\\n", " ");
                for line in code.lines().filter(|line| line.starts_with("dgm ") && *line != "dgm demo") {
                    let line = line.split(" #").next().unwrap_or_default();
                    said = workshop.says(&line.split_whitespace().skip(1).collect::<Vec<_>>());
                    run += 1;
                }
            }
            "text" => {
                if std::env::var_os("DGM_WRITE_BOOK").is_some() && words(&said) != words(&code) {
                    written = written.replace(&code, &said);
                } else {
                    assert_eq!(words(&said), words(&code), "the program says\n{said}");
                }
                shown += 1;
            }
            _ => {}
        }
    }
    if written != chapter {
        fs::write(docs(name), written).expect("the chapter can be written");
    }
    (run, shown)
}

#[test]
fn golden_the_commands_of_the_chapter_say_what_it_shows() {
    let (run, shown) = follow("src/cluster.md", None);
    assert!(run >= 5 && shown >= 3, "{run} commands, {shown} outputs");
}

#[test]
fn golden_the_first_steps_say_what_their_chapter_shows() {
    let (run, shown) = follow("src/start.md", Some("## Use it"));
    assert!(run == 4 && shown == 4, "{run} commands, {shown} outputs");
}

#[cfg(unix)]
mod slurm {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::{Command, Output};

    use super::{Workshop, docs, fs};

    /// The line of shell with which a stand-in for `srun` leaves out options.
    const OPTIONS: &str = "while [ \"${1#--}\" != \"$1\" ]; do shift; done";

    /// The program, and stand-ins for commands of Slurm: `srun` runs a command, `scontrol` keeps its arguments.
    fn with_slurm(srun: &str) -> Workshop {
        let workshop = Workshop::new();
        fs::create_dir(workshop.path("bin")).expect("a folder");
        let stand_in = |name: &str, text: &str| {
            workshop.write(name, format!("#!/bin/sh\n{text}\n"));
            fs::set_permissions(workshop.path(name), fs::Permissions::from_mode(0o755)).expect("a program");
        };
        stand_in("bin/srun", &format!("{OPTIONS}\n{srun}"));
        stand_in("bin/scontrol", "echo \"$@\" >> scontrol.txt");
        // One process of dgm-mpi does what dgm does.
        for name in ["bin/dgm", "bin/dgm-mpi"] {
            symlink(env!("CARGO_BIN_EXE_dgm"), workshop.path(name)).expect("a link");
        }
        workshop
    }

    /// Runs a script as a task of an array job.
    fn script(workshop: &Workshop, name: &str, arguments: &[&str], task: [&str; 2]) -> Output {
        let path = std::env::var("PATH").unwrap_or_default();
        Command::new("bash")
            .arg(docs("slurm").join(name))
            .args(arguments)
            .current_dir(workshop.path(""))
            .env("PATH", format!("{}:{path}", workshop.path("bin").display()))
            .envs([("SLURM_JOB_ID", "17"), ("SLURM_CPUS_PER_TASK", "2")])
            .envs([("SLURM_ARRAY_TASK_ID", task[0]), ("SLURM_ARRAY_TASK_COUNT", task[1])])
            .output()
            .expect("bash is there")
    }

    const RUN: &str = "checkpoint_every = 20\n[data]\nspec = 'digits'
[model]\nkind = 'rbm'\nhidden = 24\nepochs = 200\nbatch_size = 100\nchains = 100\n[monitor]\nevery = 50\n";

    #[test]
    fn stable_a_job_that_is_stopped_goes_back_into_the_queue_and_goes_on() {
        stopped_and_resumed("train.sh", RUN);
    }

    #[test]
    fn stable_a_job_of_several_nodes_goes_back_into_the_queue_and_goes_on() {
        stopped_and_resumed("mpi.sh", &format!("shards = 4\n{RUN}"));
    }

    fn stopped_and_resumed(name: &str, config: &str) {
        // The stand-in sends SIGTERM once there is a checkpoint, as Slurm does before the time limit.
        let workshop = with_slurm(
            "\"$@\" & child=$!\nuntil ls run/checkpoints/*.gmck >/dev/null 2>&1; do sleep 0.01; done\nkill -TERM $child\nwait $child",
        );
        workshop.write("config.toml", config);
        let output = script(&workshop, name, &["config.toml", "run"], ["1", "1"]);
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        assert_eq!(workshop.text("scontrol.txt"), "requeue 17\n");
        assert!(!workshop.path("run/model.gm").exists());
        workshop.write("bin/srun", format!("#!/bin/sh\n{OPTIONS}\nexec \"$@\"\n"));
        let output = script(&workshop, name, &["config.toml", "run"], ["1", "1"]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(workshop.text("scontrol.txt"), "requeue 17\n", "a finished job is not sent again");
        workshop.json(&["train", "--config", "config.toml", "--out", "whole", "--no-report"]);
        assert!(workshop.read("run/model.gm") == workshop.read("whole/model.gm"));
    }

    #[test]
    fn table_the_tasks_of_an_array_make_a_sweep() {
        let workshop = with_slurm("exec \"$@\"");
        workshop.write(
            "seeds.toml",
            format!(
                "[sweep]\nmethod = 'grid'\n[settings]\nseed = [1, 2, 3]\n{}",
                RUN.replace("200", "2").replace("checkpoint_every = 20\n", "").replace("50", "1")
            ),
        );
        for task in ["1", "2"] {
            let output = script(&workshop, "sweep.sh", &["seeds.toml", "runs"], [task, "2"]);
            assert!(output.status.success(), "{output:?}");
        }
        let document = workshop.json(&["compare", "runs"]);
        let runs = document["groups"][0]["runs"].as_array().expect("runs");
        assert!(runs.len() == 3 && runs.iter().all(|run| run["state"] == "finished"), "{document:#}");
        let output = script(&workshop, "sweep.sh", &["seeds.toml", "runs"], ["3", "2"]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }

    #[test]
    fn stable_the_tasks_of_an_array_measure_the_parts_of_an_evaluation() {
        let workshop = with_slurm("exec \"$@\"");
        workshop.write("config.toml", RUN.replace("200", "2").replace("50", "1"));
        workshop.says(&["train", "--config", "config.toml", "--out", "run", "--no-report"]);
        for task in ["1", "2", "2"] {
            let output = script(&workshop, "eval.sh", &["run", "digits"], [task, "2"]);
            assert!(output.status.success(), "{output:?}");
        }
        let merged = workshop.json(&["merge", "run/parts/1-of-2.json", "run/parts/2-of-2.json"]);
        let whole = workshop.json(&["eval", "run", "--data", "digits", "--shards", "2"]);
        assert_eq!(merged["log_partition"], whole["log_partition"]);
        assert_eq!(merged["mean_log_prob"], whole["mean_log_prob"]);
    }

    #[test]
    fn rejects_jobs_without_arguments() {
        let workshop = with_slurm("exec \"$@\"");
        for name in ["train.sh", "sweep.sh", "eval.sh", "mpi.sh"] {
            let output = script(&workshop, name, &["one"], ["1", "1"]);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.code() == Some(1) && said.contains(&format!("usage: sbatch {name} ")), "{output:?}");
        }
    }
}
