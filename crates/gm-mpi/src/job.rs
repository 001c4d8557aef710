//! The start and the end of MPI, and messages among its processes.

use std::io;

use ferrompi::{Communicator, Mpi, ThreadLevel};
use gm_ascent::Exchange;

use crate::pieces::swapped;

/// The most numbers or bytes of one message: 1 GiB of numbers.
const MOST: usize = 1 << 28;

/// The tag of numbers that are swapped.
const NUMBERS: i32 = 1;
/// The tag of the length of bytes that are gathered, and of the bytes.
const BYTES: i32 = 2;

/// An MPI job, of which this process is a part. It ends when it is dropped.
///
/// # Examples
///
/// ```no_run
/// use gm_ascent::Exchange;
///
/// let job = gm_mpi::Job::start()?;
/// println!("{} of {}", job.world().rank(), job.world().ranks());
/// job.end()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Job {
    mpi: Mpi,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Job({:?})", self.world())
    }
}

impl Job {
    /// Starts MPI. A process that no launcher has started is a job of its own.
    ///
    /// # Errors
    ///
    /// Those of the MPI library, and an error for a library that allows messages from one thread only.
    pub fn start() -> io::Result<Self> {
        let mpi = Mpi::init_thread(ThreadLevel::Serialized).map_err(io::Error::other)?;
        match mpi.thread_level() {
            ThreadLevel::Serialized | ThreadLevel::Multiple => Ok(Self { mpi }),
            level => Err(io::Error::other(format!("the MPI library has thread level {level:?}, needed: Serialized"))),
        }
    }

    /// The processes of the job.
    #[must_use]
    pub fn world(&self) -> World {
        World { all: self.mpi.world() }
    }

    /// Ends MPI, after all processes have come here.
    ///
    /// # Errors
    ///
    /// Those of the MPI library.
    pub fn end(self) -> io::Result<()> {
        self.mpi.world().barrier().map_err(io::Error::other)
    }

    /// Ends all processes of the job at once.
    pub fn abort(self, status: u8) -> ! {
        self.mpi.world().abort(status.into())
    }
}

/// The processes of an MPI job.
///
/// # Examples
///
/// ```no_run
/// use std::sync::Arc;
///
/// let job = gm_mpi::Job::start()?;
/// let team = gm_ascent::Team::over(4, Arc::new(job.world()))?;
/// println!("shards {:?}", team.own());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct World {
    all: Communicator,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "World({} of {})", self.rank(), self.ranks())
    }
}

impl Exchange for World {
    fn rank(&self) -> usize {
        self.all.rank() as usize
    }

    fn ranks(&self) -> usize {
        self.all.size() as usize
    }

    fn swap(&self, with: usize, out: &[f32], into: &mut [f32]) -> io::Result<()> {
        let with = with as i32;
        swapped(out, into, MOST, |out, into| {
            let expected = into.len();
            let status = self.all.sendrecv(out, with, NUMBERS, into, with, NUMBERS).map_err(io::Error::other)?;
            arrived(with, status.count, expected)
        })
    }

    fn gather(&self, bytes: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        if self.rank() > 0 {
            self.all.send(&[bytes.len() as u64], 0, BYTES).map_err(io::Error::other)?;
            let mut pieces = bytes.chunks(MOST);
            pieces.try_for_each(|piece| self.all.send(piece, 0, BYTES)).map_err(io::Error::other)?;
            return Ok(vec![]);
        }
        let others = (1..self.all.size()).map(|from| self.received(from));
        std::iter::once(Ok(bytes.to_vec())).chain(others).collect()
    }
}

impl World {
    /// Bytes of any length from another process.
    fn received(&self, from: i32) -> io::Result<Vec<u8>> {
        let mut length = [0_u64];
        self.all.recv(&mut length, from, BYTES).map_err(io::Error::other)?;
        let mut bytes = vec![0; length[0] as usize];
        for piece in bytes.chunks_mut(MOST) {
            let expected = piece.len();
            let status = self.all.recv(piece, from, BYTES).map_err(io::Error::other)?;
            arrived(from, status.count, expected)?;
        }
        Ok(bytes)
    }
}

/// Refuses a message of another length.
fn arrived(from: i32, count: Option<usize>, expected: usize) -> io::Result<()> {
    if count == Some(expected) {
        return Ok(());
    }
    let text = format!("process {from} has sent {} numbers, expected {expected}", count.unwrap_or_default());
    Err(io::Error::new(io::ErrorKind::InvalidData, text))
}
