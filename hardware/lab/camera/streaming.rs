//! Sending pictures: each cut into payloads with a header (UVC 1.0, section 2.4.3.2), one payload
//! for each request of the host.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use super::control::Terms;
use super::scene::{Lens, Scene};
use super::wire::Wire;

/// A payload's header: its own length, and flags.
const HEADER_BYTES: usize = 2;

/// Flags: the frame's number modulo 2, its end, an error in it, the end of the header.
const FRAME_ID: u8 = 0x01;
const END_OF_FRAME: u8 = 0x02;
const ERROR: u8 = 0x40;
const END_OF_HEADER: u8 = 0x80;

/// What was commanded.
pub(crate) struct Orders {
    pub(crate) scene: Scene,
    pub(crate) stalled: bool,
    pub(crate) damage_one: bool,
    pub(crate) cut_one: bool,
    /// What the host wants to see, and how often it has said so.
    terms: Option<Terms>,
    beginnings: u64,
}

/// The stream of pictures.
pub(crate) struct Streaming {
    wire: Arc<Wire>,
    orders: Mutex<Orders>,
    changed: Condvar,
}

/// One picture and what is to be done to it.
struct Shot {
    bytes: Vec<u8>,
    flags: u8,
    beginnings: u64,
}

impl Streaming {
    pub(crate) fn new(wire: Arc<Wire>) -> Self {
        let orders = Orders {
            scene: Scene::Lamps,
            stalled: false,
            damage_one: false,
            cut_one: false,
            terms: None,
            beginnings: 0,
        };
        Self { wire, orders: Mutex::new(orders), changed: Condvar::new() }
    }

    /// Changes what is shown, or what goes wrong.
    pub(crate) fn command(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// The host has decided what it wants: a new frame begins.
    pub(crate) fn begin(&self, terms: Terms) {
        self.command(|orders| {
            orders.terms = Some(terms);
            orders.beginnings += 1;
        });
    }

    /// Sends pictures until the plug is pulled.
    pub(crate) fn run(&self) {
        let mut lens = Lens::new();
        let mut due = Instant::now();
        let mut frame_id = 0;
        while self.wire.wait_until_wanted() {
            let terms = self.lock().terms.expect("a host says what it wants before it asks for it");
            thread::sleep(due.saturating_duration_since(Instant::now()));
            due = (due + terms.interval).max(Instant::now());
            let shot = self.shoot(&mut lens, terms, frame_id);
            frame_id ^= FRAME_ID;
            // The plug may be pulled in the middle of a frame.
            if self.send(&shot).is_err() {
                return;
            }
        }
    }

    /// Takes one picture, as it was commanded.
    fn shoot(&self, lens: &mut Lens, terms: Terms, frame_id: u8) -> Shot {
        let mut orders = self.lock();
        while orders.stalled {
            orders = self.changed.wait(orders).unwrap_or_else(PoisonError::into_inner);
        }
        let damage = if std::mem::take(&mut orders.damage_one) { ERROR } else { 0 };
        let is_cut = std::mem::take(&mut orders.cut_one);
        let (scene, beginnings) = (orders.scene, orders.beginnings);
        drop(orders);
        let mut bytes = lens.take(scene, terms.format);
        if is_cut {
            bytes.truncate(bytes.len() / 2);
        }
        Shot { bytes, flags: END_OF_HEADER | frame_id | damage, beginnings }
    }

    /// Sends a picture; the rest of it is dropped when the host begins anew.
    fn send(&self, shot: &Shot) -> io::Result<()> {
        let mut at = 0;
        while at < shot.bytes.len() && self.lock().beginnings == shot.beginnings {
            if !self.wire.wait_until_wanted() {
                return Ok(());
            }
            self.wire.answer_wanted(|most| {
                let end = shot.bytes.len().min(at + most - HEADER_BYTES);
                let flags = if end == shot.bytes.len() { END_OF_FRAME } else { 0 };
                let header = [u8::try_from(HEADER_BYTES).expect("it is two"), shot.flags | flags];
                let piece = [header.as_slice(), &shot.bytes[at..end]].concat();
                at = end;
                piece
            })?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
