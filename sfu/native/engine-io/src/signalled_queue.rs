//! A bounded queue between two threads with a descriptor that is readable exactly while something waits.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::system::Signal;

/// The queue. Each call takes its lock once, for as long as the moves take.
#[derive(Debug)]
pub(crate) struct SignalledQueue<T> {
    state: Mutex<State<T>>,
    signal: Signal,
    capacity: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    /// Items that were pushed out by newer ones.
    lost: u64,
}

impl<T> SignalledQueue<T> {
    pub(crate) fn new(capacity: usize) -> io::Result<Self> {
        let state = State {
            items: VecDeque::new(),
            lost: 0,
        };
        Ok(Self {
            state: Mutex::new(state),
            signal: Signal::new()?,
            capacity,
        })
    }

    /// Append `item`, or give it back if the queue is full.
    pub(crate) fn try_push(&self, item: T) -> Result<(), T> {
        let mut state = self.lock();
        if state.items.len() >= self.capacity {
            return Err(item);
        }
        self.append(&mut state, item);
        Ok(())
    }

    /// Append `item` even if the queue is full.
    pub(crate) fn push_beyond_capacity(&self, item: T) {
        self.append(&mut self.lock(), item);
    }

    /// Move all of `items` in; the oldest make room if the queue is full, and count as lost.
    pub(crate) fn push_all_evicting(&self, items: &mut Vec<T>) {
        let mut state = self.lock();
        for item in items.drain(..) {
            if state.items.len() >= self.capacity {
                state.items.pop_front();
                state.lost += 1;
            }
            self.append(&mut state, item);
        }
    }

    /// Move at most `limit` items, oldest first, to the end of `into`.
    pub(crate) fn take(&self, limit: usize, into: &mut Vec<T>) {
        let mut state = self.lock();
        if state.items.is_empty() {
            return;
        }
        let count = limit.min(state.items.len());
        into.extend(state.items.drain(..count));
        if state.items.is_empty() {
            // Under the lock, or a push between the two would be signalled before and cleared after.
            self.signal.clear();
        }
    }

    /// Items lost so far.
    pub(crate) fn lost(&self) -> u64 {
        self.lock().lost
    }

    fn append(&self, state: &mut State<T>, item: T) {
        if state.items.is_empty() {
            self.signal.raise();
        }
        state.items.push_back(item);
    }

    /// A panic of the other side cannot leave the state half changed: every change under the lock is a single move.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> AsFd for SignalledQueue<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.signal.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::system::Poller;

    fn is_readable<T>(queue: &SignalledQueue<T>) -> bool {
        let mut poller = Poller::new(std::iter::once(queue.as_fd()));
        poller.wait(Some(Duration::ZERO));
        poller.is_ready(0)
    }

    #[test]
    fn the_descriptor_is_readable_exactly_while_items_wait() {
        let queue = SignalledQueue::new(4).unwrap();
        assert!(!is_readable(&queue));
        queue.try_push(1).unwrap();
        queue.try_push(2).unwrap();
        assert!(is_readable(&queue));
        let mut taken = Vec::new();
        queue.take(1, &mut taken);
        assert!(is_readable(&queue));
        queue.take(9, &mut taken);
        assert!(!is_readable(&queue));
        assert_eq!(taken, [1, 2]);
    }

    #[test]
    fn a_full_queue_refuses_or_loses_its_oldest_as_asked() {
        let queue = SignalledQueue::new(2).unwrap();
        queue.push_all_evicting(&mut vec![1, 2, 3, 4, 5]);
        assert_eq!(queue.lost(), 3);
        assert_eq!(queue.try_push(6), Err(6));
        queue.push_beyond_capacity(7);
        let mut taken = Vec::new();
        queue.take(9, &mut taken);
        assert_eq!(taken, [4, 5, 7]);
    }
}
