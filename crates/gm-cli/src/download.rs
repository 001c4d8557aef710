//! Files from a server. A download resumes where it stopped, and a file is kept only if its size and checksum are
//! right.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gm_data::FileInfo;
use sha2::{Digest, Sha256};
use ureq::Agent;
use ureq::http::StatusCode;

use crate::console::Interrupt;
use crate::error::{Error, Result};

/// A file to fetch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// Its name in the folder and on the server.
    pub(crate) name: &'a str,
    /// Its size in bytes.
    pub(crate) bytes: u64,
    /// The SHA-256 of its content, in hexadecimal.
    pub(crate) sha256: &'a str,
}

impl From<&'static FileInfo> for Wanted<'static> {
    fn from(file: &'static FileInfo) -> Self {
        Self { name: file.name, bytes: file.bytes, sha256: file.sha256 }
    }
}

/// The origin of a file in the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The folder held it already, with the right checksum.
    Present,
    /// It came from the server.
    Fetched,
}

/// Fetches files from one server into one folder.
#[derive(Debug)]
pub(crate) struct Download<'a> {
    agent: Agent,
    /// The address of the folder on the server, without a slash at the end.
    server: &'a str,
    folder: &'a Path,
    /// The pause before another attempt.
    pause: Duration,
    interrupt: Interrupt,
}

/// The number of attempts without new bytes after which a file is given up.
const ATTEMPTS: u32 = 4;
/// The number of bytes that are read at a time.
const CHUNK: usize = 64 * 1024;
/// The time for which a server may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// The reason why an attempt ended.
enum Broken {
    /// Another attempt may help.
    Again(String),
    /// No further attempt can help.
    For(Error),
}

impl<'a> Download<'a> {
    /// Fetches files of the folder at `server`, an address such as `https://example.org/data`, into an existing folder.
    pub(crate) fn new(server: &'a str, folder: &'a Path) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .user_agent(concat!("dgm/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: config.into(),
            server: server.trim_end_matches('/'),
            folder,
            pause: Duration::from_secs(1),
            interrupt: Interrupt::listen(),
        }
    }

    /// Fetches a file unless the folder holds it already. `progress` takes the number of bytes that are there.
    ///
    /// The bytes are kept in `NAME.part` until the file is complete and its checksum is right, so that a later call
    /// resumes there.
    ///
    /// # Errors
    ///
    /// [`Error::Content`] if the folder holds a file of this name with another checksum, [`Error::Download`] when the
    /// server does not give the file or gives another one, [`Error::Io`] when it cannot be written,
    /// [`gm_core::Error::Interrupted`] on request.
    pub(crate) fn file(&self, wanted: Wanted<'_>, mut progress: impl FnMut(u64)) -> Result<Found> {
        let path = self.folder.join(wanted.name);
        if path.exists() {
            return match checksum(&path)? == wanted.sha256 {
                true => Ok(Found::Present),
                false => Err(Error::Content {
                    path,
                    detail:
                        "is not the file of that name in this data set (its SHA-256 differs); move it away to fetch it"
                            .into(),
                }),
            };
        }
        let part = self.folder.join(format!("{}.part", wanted.name));
        self.complete(wanted, &part, &mut progress)?;
        std::fs::rename(&part, &path).map_err(Error::io("renaming", &part))?;
        Ok(Found::Fetched)
    }

    /// Brings the part to its full length. It tries again as long as attempts bring new bytes.
    fn complete(&self, wanted: Wanted<'_>, part: &Path, progress: &mut dyn FnMut(u64)) -> Result<()> {
        let mut file = exclusive(part)?;
        let mut fruitless = 0;
        loop {
            let before = length(&mut file, part)?;
            let end = self.attempt(wanted, &mut file, part, progress);
            let after = length(&mut file, part)?;
            let why = match end {
                Ok(()) if after == wanted.bytes => return self.keep(wanted, &mut file, part),
                Ok(()) => format!("the server ended after {after} of {} bytes", wanted.bytes),
                Err(Broken::Again(why)) => why,
                Err(Broken::For(error)) => return Err(error),
            };
            fruitless = if after > before { 0 } else { fruitless + 1 };
            if fruitless == ATTEMPTS {
                return Err(self.failed(wanted, why));
            }
            tracing::debug!("{}: {why}; trying again", wanted.name);
            std::thread::sleep(self.pause);
        }
    }

    /// Keeps a part of full length, or removes it if its content is wrong.
    fn keep(&self, wanted: Wanted<'_>, file: &mut File, part: &Path) -> Result<()> {
        let found = checksum(part)?;
        if found == wanted.sha256 {
            return file.sync_all().map_err(Error::io("writing", part));
        }
        std::fs::remove_file(part).map_err(Error::io("removing", part))?;
        Err(self.failed(wanted, format!("the content is wrong: its SHA-256 is {found}, not {}", wanted.sha256)))
    }

    /// Appends the bytes of one request.
    fn attempt(
        &self,
        wanted: Wanted<'_>,
        file: &mut File,
        part: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> std::result::Result<(), Broken> {
        let there = length(file, part)?;
        if there == wanted.bytes {
            return Ok(());
        }
        let mut request = self.agent.get(self.address(wanted));
        if there > 0 {
            request = request.header("Range", format!("bytes={there}-"));
        }
        let response = request.call().map_err(|error| Broken::Again(error.to_string()))?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if there > 0 => {}
            // The server sends the whole file again, since it cannot send parts.
            StatusCode::OK | StatusCode::RANGE_NOT_SATISFIABLE => cut(file, part)?,
            status if status.is_server_error() => return Err(Broken::Again(format!("the server answers {status}"))),
            status => return Err(Broken::For(self.failed(wanted, format!("the server answers {status}")))),
        }
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            return Err(Broken::Again("the server has no such part".into()));
        }
        self.append(wanted, &mut response.into_body().into_reader(), file, part, progress)
    }

    fn append(
        &self,
        wanted: Wanted<'_>,
        body: &mut impl Read,
        file: &mut File,
        part: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> std::result::Result<(), Broken> {
        let mut there = length(file, part)?;
        let mut chunk = vec![0; CHUNK];
        loop {
            if self.interrupt.is_set() {
                return Err(Broken::For(gm_core::Error::Interrupted { op: "fetch" }.into()));
            }
            let count = match body.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) => return Err(Broken::Again(error.to_string())),
            };
            there += count as u64;
            if there > wanted.bytes {
                cut(file, part)?;
                let why = format!("the server's file is larger than {} bytes", wanted.bytes);
                return Err(Broken::For(self.failed(wanted, why)));
            }
            file.write_all(&chunk[..count]).map_err(Error::io("writing", part))?;
            progress(there);
        }
    }

    fn address(&self, wanted: Wanted<'_>) -> String {
        format!("{}/{}", self.server, wanted.name)
    }

    fn failed(&self, wanted: Wanted<'_>, detail: String) -> Error {
        Error::Download { address: self.address(wanted), detail }
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::For(error)
    }
}

/// Opens the part of a file, and locks it for this process alone.
fn exclusive(part: &Path) -> Result<File> {
    let opened = OpenOptions::new().read(true).append(true).create(true).open(part);
    let file = opened.map_err(Error::io("opening", part))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => {
            Err(Error::Content { path: PathBuf::from(part), detail: "another process is fetching this file".into() })
        }
    }
}

fn length(file: &mut File, part: &Path) -> Result<u64> {
    file.seek(SeekFrom::End(0)).map_err(Error::io("reading", part))
}

/// Removes the content of a part.
fn cut(file: &File, part: &Path) -> Result<()> {
    file.set_len(0).map_err(Error::io("writing", part))
}

/// The SHA-256 of a file's content, in hexadecimal.
fn checksum(path: &Path) -> Result<String> {
    let mut digest = Sha256::new();
    let mut file = File::open(path).map_err(Error::io("opening", path))?;
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk).map_err(Error::io("reading", path))? {
            0 => break,
            count => digest.update(&chunk[..count]),
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::hints::CommandLine;

    /// The answer of a server to a request. The last of a list of answers is repeated.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Way {
        /// The server sends the file, or the requested part.
        Honest,
        /// The connection breaks after half of the bytes.
        Broken,
        /// The server always sends the whole file.
        Whole,
        /// The server sends a status and no content.
        Status(u16),
        /// One byte of the file is changed.
        Damaged,
        /// The file has one byte more.
        Longer,
    }

    /// The first byte of the requested range, if a range was requested.
    type Asked = Option<usize>;

    /// The answers of a server, the part that is there before, and the expected outcome.
    type Case<'a, T> = (&'a [Way], &'a [u8], T);

    /// A local server, and the ranges that were requested.
    struct Server {
        address: String,
        asked: Arc<Mutex<Vec<Asked>>>,
    }

    impl Server {
        fn start(content: &[u8], ways: &[Way]) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            let asked = Arc::new(Mutex::new(vec![]));
            let (content, ways, record) = (content.to_vec(), ways.to_vec(), Arc::clone(&asked));
            std::thread::spawn(move || {
                for (request, stream) in listener.incoming().enumerate() {
                    let (way, mut stream) = (ways[request.min(ways.len() - 1)], stream.unwrap());
                    let from = range(&stream);
                    record.lock().unwrap().push(from);
                    answer(&mut stream, &content, way, from);
                }
            });
            Self { address, asked }
        }

        fn asked(&self) -> Vec<Asked> {
            self.asked.lock().unwrap().clone()
        }
    }

    /// The first byte of the range that a request names, if it names one.
    fn range(stream: &TcpStream) -> Option<usize> {
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let head: Vec<String> = lines.map_while(std::result::Result::ok).take_while(|line| !line.is_empty()).collect();
        let range = head.iter().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
        range.and_then(|range| range.trim_end_matches('-').parse().ok())
    }

    /// Answers one request.
    fn answer(stream: &mut TcpStream, content: &[u8], way: Way, from: Option<usize>) {
        let mut body = content[from.unwrap_or(0).min(content.len())..].to_vec();
        let mut status = if from.is_some() { 206 } else { 200 };
        match way {
            Way::Status(other) => (status, body) = (other, vec![]),
            Way::Whole => (status, body) = (200, content.to_vec()),
            Way::Damaged => body[0] ^= 1,
            Way::Longer => body.push(0),
            Way::Honest | Way::Broken => {}
        }
        let head = format!("HTTP/1.1 {status} OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        let sent = if way == Way::Broken { body.len() / 2 } else { body.len() };
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body[..sent]));
    }

    /// Fetches a file of 1,000 bytes from a server with these answers.
    fn fetched(ways: &[Way], already: &[u8]) -> (std::result::Result<Found, String>, Vec<Asked>, Option<Vec<u8>>) {
        let content = content();
        let folder = tempfile::tempdir().unwrap();
        if !already.is_empty() {
            std::fs::write(folder.path().join("rows.gz.part"), already).unwrap();
        }
        let server = Server::start(&content, ways);
        let found = fetch(&server.address, folder.path(), &content)
            .map_err(|error| error.line(&CommandLine::with(&[("--mirror", None)])));
        (found, server.asked(), std::fs::read(folder.path().join("rows.gz")).ok())
    }

    fn fetch(server: &str, folder: &Path, content: &[u8]) -> Result<Found> {
        let mut download = Download::new(server, folder);
        download.pause = Duration::ZERO;
        let sha256: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        download.file(Wanted { name: "rows.gz", bytes: content.len() as u64, sha256: &sha256 }, |_| {})
    }

    fn content() -> Vec<u8> {
        (0..1_000_u32).map(|i| (i * i / 7) as u8).collect()
    }

    #[test]
    fn law_a_file_comes_whole_whatever_breaks_on_the_way() {
        let half = &content()[..500];
        let cases: [Case<'_, &[Asked]>; 6] = [
            (&[Way::Honest], &[], &[None]),
            (&[Way::Honest], half, &[Some(500)]),
            (&[Way::Broken, Way::Broken, Way::Honest], &[], &[None, Some(500), Some(750)]),
            (&[Way::Whole], half, &[Some(500)]),
            (&[Way::Status(503), Way::Status(503), Way::Honest], &[], &[None, None, None]),
            (&[Way::Status(416), Way::Honest], half, &[Some(500), None]),
        ];
        for (ways, already, asked) in cases {
            let (found, requests, file) = fetched(ways, already);
            assert_eq!(found, Ok(Found::Fetched), "{ways:?}");
            assert_eq!(requests, asked, "{ways:?}");
            assert_eq!(file.unwrap(), content(), "{ways:?}");
        }
    }

    #[test]
    fn rejects_content_of_another_file() {
        let cases: [Case<'_, (&str, usize)>; 5] = [
            (&[Way::Damaged], &[], ("the content is wrong: its SHA-256 is", 1)),
            (&[Way::Honest], &[7; 500], ("the content is wrong: its SHA-256 is", 1)),
            (&[Way::Longer], &[], ("the server's file is larger than 1000 bytes", 1)),
            (&[Way::Status(404)], &[], ("the server answers 404", 1)),
            (&[Way::Status(503)], &[], ("the server answers 503", 4)),
        ];
        for (ways, already, (says, requests)) in cases {
            let (found, asked, file) = fetched(ways, already);
            let error = found.unwrap_err();
            assert!(error.contains(says) && error.contains("/rows.gz: "), "{ways:?}: {error}");
            assert!(error.contains("--mirror URL"), "{error}");
            assert_eq!((asked.len(), file), (requests, None), "{ways:?}");
        }
    }

    #[test]
    fn rejects_a_damaged_part_once_and_fetches_it_anew_afterwards() {
        let (content, folder) = (content(), tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("rows.gz.part"), [7; 500]).unwrap();
        let server = Server::start(&content, &[Way::Honest]);
        assert!(fetch(&server.address, folder.path(), &content).is_err());
        assert_eq!(fetch(&server.address, folder.path(), &content).unwrap(), Found::Fetched);
        assert_eq!(fetch(&server.address, folder.path(), &content).unwrap(), Found::Present);
        assert_eq!(server.asked(), [Some(500), None]);
    }

    #[test]
    fn rejects_a_file_of_that_name_with_other_content_and_leaves_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.gz");
        std::fs::write(&path, "mine").unwrap();
        let error = fetch("http://127.0.0.1:1", folder.path(), &content()).unwrap_err().line(&CommandLine::default());
        assert!(error.contains("rows.gz: is not the file of that name in this data set"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    }

    #[test]
    fn rejects_servers_that_are_not_there_and_parts_that_are_taken() {
        let (content, folder) = (content(), tempfile::tempdir().unwrap());
        let error = fetch("http://127.0.0.1:1", folder.path(), &content).unwrap_err().line(&CommandLine::default());
        assert!(error.starts_with("http://127.0.0.1:1/rows.gz: "), "{error}");
        let _held = exclusive(&folder.path().join("rows.gz.part")).unwrap();
        let error = fetch("http://127.0.0.1:1", folder.path(), &content).unwrap_err().line(&CommandLine::default());
        assert!(error.contains("another process is fetching this file"), "{error}");
    }
}
