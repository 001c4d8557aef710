//! Messages among the threads of one process, in the place of processes.

use std::io::{Error, Result};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use crate::shards::Exchange;

/// A thread with a channel to and from every thread.
#[derive(Debug)]
struct Thread {
    rank: usize,
    to: Vec<Sender<Vec<u8>>>,
    from: Vec<Mutex<Receiver<Vec<u8>>>>,
}

/// Exchanges among so many threads of this process, in order, which stand in for processes.
///
/// Each thread needs a pool of its own for what it computes: in a common pool one waits for what another cannot begin.
///
/// # Examples
///
/// ```
/// use gm_ascent::{Team, threads};
///
/// // Two shards, one in each thread.
/// let sums: Vec<f32> = std::thread::scope(|scope| {
///     let running: Vec<_> = threads(2)
///         .into_iter()
///         .map(|exchange| {
///             scope.spawn(move || {
///                 let team = Team::over(2, exchange)?;
///                 let mut own = [10.0_f32.powi(team.rank() as i32)];
///                 team.add_up(&mut [vec![&mut own[..]]])?;
///                 Ok::<f32, gm_core::Error>(own[0])
///             })
///         })
///         .collect();
///     running.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Result<_, _>>()
/// })?;
/// assert_eq!(sums, [11.0, 11.0]);
/// # Ok::<(), gm_core::Error>(())
/// ```
#[must_use]
pub fn threads(ranks: usize) -> Vec<Arc<dyn Exchange>> {
    let mut to: Vec<Vec<Sender<Vec<u8>>>> = (0..ranks).map(|_| vec![]).collect();
    let mut from: Vec<Vec<Mutex<Receiver<Vec<u8>>>>> = (0..ranks).map(|_| vec![]).collect();
    for sender in &mut to {
        for receiver in &mut from {
            let (send, receive) = channel();
            sender.push(send);
            receiver.push(Mutex::new(receive));
        }
    }
    let all = to.into_iter().zip(from).enumerate();
    all.map(|(rank, (to, from))| Arc::new(Thread { rank, to, from }) as Arc<dyn Exchange>).collect()
}

impl Thread {
    fn send(&self, to: usize, bytes: Vec<u8>) -> Result<()> {
        self.to[to].send(bytes).map_err(|_| Error::other(format!("thread {to} has ended")))
    }

    fn receive(&self, from: usize) -> Result<Vec<u8>> {
        let ended = || Error::other(format!("thread {from} has ended"));
        self.from[from].lock().map_err(|_| ended())?.recv().map_err(|_| ended())
    }
}

impl Exchange for Thread {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.to.len()
    }

    fn swap(&self, with: usize, out: &[f32], into: &mut [f32]) -> Result<()> {
        self.send(with, out.iter().flat_map(|x| x.to_ne_bytes()).collect())?;
        let bytes = self.receive(with)?;
        if bytes.len() != 4 * into.len() {
            return Err(Error::other(format!("{} bytes for {} numbers", bytes.len(), into.len())));
        }
        let numbers = bytes.as_chunks().0.iter().map(|bytes| f32::from_ne_bytes(*bytes));
        into.iter_mut().zip(numbers).for_each(|(to, number)| *to = number);
        Ok(())
    }

    fn gather(&self, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
        self.send(0, bytes.to_vec())?;
        if self.rank == 0 { (0..self.ranks()).map(|rank| self.receive(rank)).collect() } else { Ok(vec![]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_numbers_that_do_not_fit_and_threads_that_have_ended() {
        let mut all = threads(2);
        let (one, other) = (all.remove(0), all.remove(0));
        let unequal = std::thread::scope(|scope| {
            scope.spawn(|| other.swap(0, &[1.0], &mut [0.0; 2]));
            one.swap(1, &[1.0, 2.0], &mut [0.0; 2]).unwrap_err().to_string()
        });
        assert_eq!(unequal, "4 bytes for 2 numbers");
        drop(other);
        assert_eq!(one.swap(1, &[], &mut []).unwrap_err().to_string(), "thread 1 has ended");
    }
}
