//! `dgm serve`: the address, the end by a signal, and errors.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::common::Workshop;

/// Asks a server for the page of this address, and gives the first line of the answer.
fn status_of(address: &str) -> std::io::Result<String> {
    let (host, rest) = address.trim_start_matches("http://").split_once('/').unwrap_or_default();
    let mut stream = TcpStream::connect(host)?;
    write!(stream, "GET /{rest} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

#[cfg(unix)]
#[test]
fn table_the_address_works_until_a_signal_ends_the_server_in_peace() {
    let workshop = Workshop::with_model();
    for (what, json) in [("model.gm", false), ("model.gm", true), ("--chapter", true)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dgm"));
        command.args(["serve", what, "-q"]).args(json.then_some("--json")).current_dir(workshop.path(""));
        let mut server = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(server.stdout.take().unwrap());
        let address = if json {
            let mut deserializer = serde_json::Deserializer::from_reader(&mut out).into_iter::<Value>();
            let document = deserializer.next().unwrap().unwrap();
            let path = if what == "model.gm" { Value::from(what) } else { Value::Null };
            assert_eq!((&document["schema"], &document["path"]), (&"gm-serve/1".into(), &path));
            document["address"].as_str().unwrap().to_owned()
        } else {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            line.trim().to_owned()
        };
        assert_eq!(status_of(&address).unwrap(), "HTTP/1.1 200 OK");
        assert_eq!(status_of(address.split('?').next().unwrap()).unwrap(), "HTTP/1.1 401 Unauthorized");
        assert!(Command::new("kill").args(["-INT", &server.id().to_string()]).status().unwrap().success());
        assert_eq!(server.wait().unwrap().code(), Some(0));
        let mut rest = String::new();
        out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest.trim(), "", "one document and no more");
    }
}

#[test]
fn rejects_what_cannot_be_shown() {
    let workshop = Workshop::with_model();
    assert_eq!(
        workshop.refuses(&["serve"]),
        "runs does not exist, allowed: a run, a folder of runs or a model file; train a run first, for instance by \
         `dgm train rbm --data digits`"
    );
    workshop.write("notes.txt", "not a model");
    let error = workshop.refuses(&["serve", "notes.txt"]);
    assert!(error.starts_with("notes.txt: "), "{error}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let error = workshop.refuses(&["serve", "model.gm", "--port", &port]);
    assert!(error.starts_with(&format!("listening on 127.0.0.1:{port}: ")), "{error}");
    assert!(error.ends_with("; choose another --port, or leave it out for a free one"), "{error}");
    workshop.dgm(&["serve", "model.gm", "--port", "0"]).assert().code(2);
    workshop.dgm(&["serve", "model.gm", "--chapter"]).assert().code(2);
}
