//! The connection to the host, and the requests for pictures that wait for an answer.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::usbip;

/// Writing and waiting are under one lock: a request that was taken back is never answered.
pub(crate) struct Wire {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    socket: TcpStream,
    /// Sequence and length of each request for a piece of a picture, oldest first.
    wanted: VecDeque<(u32, u32)>,
    closed: bool,
}

impl Wire {
    pub(crate) fn new(socket: TcpStream) -> Self {
        let state = State { socket, wanted: VecDeque::new(), closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// The host wants a piece of a picture.
    pub(crate) fn want(&self, sequence: u32, length: u32) {
        self.lock().wanted.push_back((sequence, length));
        self.changed.notify_all();
    }

    /// Waits until a piece is wanted. False when the plug has been pulled.
    pub(crate) fn wait_until_wanted(&self) -> bool {
        let state = self.lock();
        let idle = |state: &mut State| state.wanted.is_empty() && !state.closed;
        let state = self.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        !state.closed
    }

    /// Answers the oldest request for a piece, if there still is one. `make` is told how long the
    /// answer may be. False when there was none.
    pub(crate) fn answer_wanted(&self, make: impl FnOnce(usize) -> Vec<u8>) -> io::Result<bool> {
        let mut state = self.lock();
        let Some((sequence, length)) = state.wanted.pop_front() else { return Ok(false) };
        let piece = make(length as usize);
        state.socket.write_all(&usbip::answer(sequence, Ok(&piece)))?;
        Ok(true)
    }

    /// Answers a control request for data.
    pub(crate) fn answer(&self, sequence: u32, result: Result<&[u8], i32>) -> io::Result<()> {
        self.lock().socket.write_all(&usbip::answer(sequence, result))
    }

    /// Answers a control request that brought data, or none.
    pub(crate) fn taken(&self, sequence: u32, length: usize) -> io::Result<()> {
        self.lock().socket.write_all(&usbip::taken(sequence, length))
    }

    /// Takes back the request `target`.
    pub(crate) fn unlink(&self, sequence: u32, target: u32) -> io::Result<()> {
        let mut state = self.lock();
        let before = state.wanted.len();
        state.wanted.retain(|(waiting, _)| *waiting != target);
        let status = if state.wanted.len() < before { usbip::TAKEN_BACK } else { 0 };
        state.socket.write_all(&usbip::unlinked(sequence, status))
    }

    /// Pulls the plug.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        // It may have been pulled at the other end.
        let _ = state.socket.shutdown(Shutdown::Both);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
