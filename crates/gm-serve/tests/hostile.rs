//! Requests that a server must refuse: of other hosts, sites and users, too large, too slow, and too many.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use gm_core::{ModelData, ModelKind, Stack};
use gm_serve::{ServeSettings, Server};

/// A server that runs until it is dropped.
struct Running {
    host: String,
    token: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl Running {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("model.gm");
        let stack = Stack::zeros(&[4, 3]).expect("these layers are sound");
        let model = ModelData::from_stack(ModelKind::Rbm, stack).expect("the stack is that of an RBM");
        gm_data::save_model(&path, &model).expect("a temporary folder can be written");
        let server = Server::bind(&ServeSettings { threads: 1, ..ServeSettings::new(path) }).expect("a port is free");
        let address = server.address();
        let (host, token) = address["http://".len()..].split_once("/?token=").expect("the address has a token");
        let (host, token) = (host.to_owned(), token.to_owned());
        let stop = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&stop);
        let thread = std::thread::spawn(move || server.run(|| ended.load(Ordering::Relaxed)).expect("the server runs"));
        Self { host, token, stop, thread: Some(thread), _folder: folder }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.host).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time limit can be set");
        stream
    }

    /// The status of the answer to these bytes; 0 if the connection ends without an answer.
    fn status(&self, request: &[u8]) -> u16 {
        let mut stream = self.connect();
        // The server may answer and close before it has everything.
        let _ = stream.write_all(request);
        status(&mut stream)
    }

    fn port(&self) -> &str {
        self.host.rsplit(':').next().expect("a host has a port")
    }

    /// A request of the page itself, with headers in place of `HOST` and so on.
    fn get(&self, path: &str, headers: &str) -> Vec<u8> {
        format!("GET {path} HTTP/1.1\r\n{}Connection: close\r\n\r\n", self.filled(headers)).into_bytes()
    }

    fn post(&self, path: &str, headers: &str, body: &str) -> Vec<u8> {
        let length = body.len();
        let headers = self.filled(headers);
        format!("POST {path} HTTP/1.1\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
            .into_bytes()
    }

    fn filled(&self, headers: &str) -> String {
        headers
            .replace("<own>", &format!("Host: {}\r\nCookie: dgm-{}={}\r\n", self.host, self.port(), self.token))
            .replace("<host>", &self.host)
            .replace("<port>", self.port())
            .replace("<token>", &self.token)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The status of the answer on a connection; 0 if it ends without one.
fn status(stream: &mut TcpStream) -> u16 {
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let late = |error: &std::io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    assert!(!read.is_err_and(|error| late(&error)), "no end of the answer");
    let text = String::from_utf8_lossy(&answer);
    text.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0)
}

#[test]
fn table_the_page_itself_gets_its_files_with_a_strict_policy() {
    let server = Running::new();
    for path in ["/", "/main.js", "/style.css", "/icon.svg", "/api/shelf", "/api/runs"] {
        assert_eq!(server.status(&server.get(path, "<own>")), 200, "{path}");
    }
    let mut stream = server.connect();
    stream
        .write_all(&server.get("/?token=<token>".replace("<token>", &server.token).as_str(), "Host: <host>\r\n"))
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    for line in
        ["content-security-policy: default-src 'none'; script-src 'self';", "; HttpOnly; SameSite=Strict", "nosniff"]
    {
        assert!(head.contains(line), "{line} is not in {head}");
    }
    assert!(!body.contains("<script>") && !body.contains("style=") && !body.contains("://"), "the page is all its own");
}

#[test]
fn rejects_other_hosts_sites_and_users() {
    let server = Running::new();
    let cookie = "Cookie: dgm-<port>=<token>\r\n";
    let own = "Host: <host>\r\n";
    let with = |parts: &[&str]| parts.concat();
    let hosts =
        ["", "Host: localhost:<port>\r\n", "Host: evil.example\r\n", "Host: 127.0.0.1\r\n", "Host: <host>.\r\n"];
    let mut hostile: Vec<(String, String, u16)> = hosts.map(|host| ("/".into(), with(&[host, cookie]), 403)).into();
    hostile.push(("/".into(), with(&[own, "Host: evil.example\r\n", cookie]), 403));
    hostile.push(("http://evil.example/".into(), with(&[own, cookie]), 403));
    for origin in
        ["http://evil.example", "null", "https://<host>", "http://localhost:<port>", "http://<host>.evil.example"]
    {
        hostile.push(("/api/runs".into(), with(&[own, cookie, "Origin: ", origin, "\r\n"]), 403));
    }
    for given in ["", "<token>0", "0", "<token>".get(1..).unwrap_or_default()] {
        hostile.push(("/api/runs".into(), with(&[own, "Cookie: dgm-<port>=", given, "\r\n"]), 401));
    }
    hostile.push(("/api/runs".into(), own.into(), 401));
    hostile.push(("/main.js".into(), own.into(), 401));
    hostile.push(("/api/live".into(), own.into(), 401));
    hostile.push(("/".into(), with(&[own, "Cookie: dgm-1=<token>\r\n"]), 401));
    hostile.push(("/?token=".into(), own.into(), 401));
    hostile.push(("/?token=00".into(), own.into(), 401));
    hostile.push((server.filled("/api/runs?token=<token>"), own.into(), 401));
    for (path, headers, expected) in &hostile {
        // The host of HTTP/1.1 may be refused by the protocol itself.
        let found = server.status(&server.get(path, headers));
        assert!(found == *expected || found == 400 && headers.starts_with("Cookie"), "{path} {headers}: {found}");
    }
    assert!(hostile.len() >= 22, "{} requests", hostile.len());
}

#[test]
fn rejects_paths_methods_and_bodies_that_no_page_sends() {
    let server = Running::new();
    let paths = [
        "/../Cargo.toml",
        "/..%2f..%2fetc/passwd",
        "/assets/../../etc/passwd",
        "//etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/api/runs/../../etc/passwd",
        "/api/runs/..%2f..%2fetc/from/0",
        "/api/runs/0/moments/..%2f..%2fmodel",
        "/.git/config",
        "/api/runs/0/moments/%00",
        "/api/runs/-1/from/0",
        "/api/runs/99999999999999999999/from/0",
        "/api/runs/1/from/0",
        "/index.html",
        "/favicon.ico",
    ];
    for path in paths {
        let found = server.status(&server.get(path, "<own>"));
        assert!(found == 404 || found == 400, "{path}: {found}");
    }
    let own = "<own>Origin: http://<host>\r\nContent-Type: application/json\r\n";
    assert_eq!(server.status(&server.post("/api/runs", own, "{}")), 405);
    assert_eq!(server.status(&server.post("/", "<own>", "")), 403, "without origin");
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"] {
        let request = format!("{method} / HTTP/1.1\r\n{}Connection: close\r\n\r\n", server.filled("<own>"));
        let found = server.status(request.as_bytes());
        assert!((400..500).contains(&found), "{method}: {found}");
    }
    let long = server.get(&format!("/{}", "a".repeat(200_000)), "<own>");
    let head = server.get("/", &format!("<own>X: {}\r\n", "a".repeat(200_000)));
    let many = server.get("/", &format!("<own>{}", "X: a\r\n".repeat(500)));
    for request in [long, head, many, b"\x16\x03\x01\x02\x00\x01\x00".to_vec(), b"GET / HTTP/9.9\r\n\r\n".to_vec()] {
        let found = server.status(&request);
        assert!(found == 0 || (400..600).contains(&found), "{found}");
    }
    assert_eq!(server.status(&server.get("/", "<own>")), 200, "the server is well");
}

#[test]
fn rejects_bodies_that_are_too_large_too_slow_or_no_question() {
    let server = Running::new();
    let own = "<own>Origin: http://<host>\r\nContent-Type: application/json\r\n";
    let look = "/api/models/0/look";
    let sound = r#"{"row": [1, 0, 1, 0], "missing": [false, false, false, true], "fine": false, "seed": 1}"#;
    assert_eq!(server.status(&server.post(look, own, sound)), 200);
    let large = format!(r#"{{"row": [{}1]}}"#, "1,".repeat(2_000_000));
    let found = server.status(&server.post(look, own, &large));
    assert!(found == 413 || found == 0, "{found}");
    for body in [
        "",
        "{",
        "[]",
        r#"{"row": []}"#,
        r#"{"row": ["a"], "missing": [], "fine": false, "seed": 1}"#,
        &sound.replace("1, 0,", "2, 0,"),
    ] {
        let found = server.status(&server.post(look, own, body));
        assert!(found == 400 || found == 422, "{body}: {found}");
    }
    let text = own.replace("application/json", "text/plain");
    assert_eq!(server.status(&server.post(look, &text, sound)), 415);
    assert_eq!(server.status(&server.post("/api/models/7/look", own, sound)), 404);
    let mut slow = server.connect();
    slow.write_all(format!("POST {look} HTTP/1.1\r\n{}Content-Length: 100\r\n\r\n{{", server.filled(own)).as_bytes())
        .unwrap();
    assert_eq!(status(&mut slow), 408);
    assert_eq!(server.status(&server.get("/", "<own>")), 200, "the server is well");
}

#[test]
fn rejects_slow_requests_and_more_connections_than_there_are_places() {
    let server = Running::new();
    // The page keeps a connection, which stays while thousands of others come.
    let mut page = server.connect();
    let kept = server.get("/api/shelf", "<own>");
    let kept = String::from_utf8(kept).expect("a head").replace("Connection: close\r\n", "");
    let mut asked = |wanted: &str| {
        page.write_all(kept.as_bytes()).expect("the connection is open");
        let mut answer = [0; 4096];
        let length = page.read(&mut answer).expect("an answer");
        assert!(String::from_utf8_lossy(&answer[..length]).starts_with("HTTP/1.1 200"), "{wanted}");
    };
    asked("before");
    let mut silent: Vec<TcpStream> = vec![];
    for visitor in 0..3_000 {
        let mut stream = server.connect();
        if visitor % 3 == 1 {
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost:");
        }
        if visitor % 3 == 2 {
            // Whole requests without the token get their refusal and do not become known.
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: elsewhere\r\n\r\n");
        }
        silent.push(stream);
        if visitor % 500 == 499 {
            // The others are still open at this side.
            assert_eq!(server.status(&server.get("/", "<own>")), 200, "after {visitor} connections");
            asked("during");
            silent.drain(..silent.len() - 300);
        }
    }
    // Every one of them comes to its end: refused at once, or when the time for the head is over.
    assert!(silent.iter_mut().all(|stream| matches!(status(stream), 0 | 403 | 408)));
    assert_eq!(server.status(&server.get("/", "<own>")), 200);
}
