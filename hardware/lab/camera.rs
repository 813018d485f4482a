//! A USB camera made of software: speaks USB/IP to a virtual host controller, whose `uvcvideo`
//! driver takes it for a real one. What it shows, and what goes wrong with it, can be commanded
//! while it streams.

mod control;
mod descriptors;
mod scene;
mod streaming;
mod usbip;
mod wire;

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use control::{Answer, Control};
pub(crate) use scene::Scene;
use streaming::Streaming;
use usbip::Request;
use wire::Wire;

/// A host that does not ask for anything within this time has not taken the device.
const ENUMERATION_BEGINS: Duration = Duration::from_secs(5);

/// How long to wait before the host is asked again to take the device.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// A camera that is plugged in for as long as this lives.
pub(crate) struct Camera {
    wire: Arc<Wire>,
    control: Arc<Mutex<Control>>,
    streaming: Arc<Streaming>,
    threads: Vec<JoinHandle<()>>,
}

impl Camera {
    /// Plugs the camera into the host that listens at `host`, however often that must be tried
    /// within `patience`.
    pub(crate) fn plug(host: SocketAddr, patience: Duration) -> io::Result<Self> {
        let end = Instant::now() + patience;
        loop {
            match Self::try_plug(host) {
                Err(error) if Instant::now() >= end => return Err(error),
                Err(_) => thread::sleep(TRY_AGAIN),
                camera => return camera,
            }
        }
    }

    fn try_plug(host: SocketAddr) -> io::Result<Self> {
        let mut socket = TcpStream::connect(host)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(ENUMERATION_BEGINS))?;
        // A forwarded port takes any connection; only a host that has the device asks it something.
        let first = usbip::read(&mut socket)?;
        socket.set_read_timeout(None)?;
        let wire = Arc::new(Wire::new(socket.try_clone()?));
        let streaming = Arc::new(Streaming::new(Arc::clone(&wire)));
        let control = Arc::new(Mutex::new(Control::default()));
        let sender = Arc::clone(&streaming);
        let answerer = Answerer {
            wire: Arc::clone(&wire),
            streaming: Arc::clone(&streaming),
            control: Arc::clone(&control),
        };
        let threads = vec![
            thread::spawn(move || sender.run()),
            thread::spawn(move || answerer.run(first, socket)),
        ];
        Ok(Self { wire, control, streaming, threads })
    }

    /// The frequency of the mains that the host has told it, in Hz.
    pub(crate) fn power_line_hz(&self) -> Option<u32> {
        self.control.lock().expect("no holder panics").power_line_hz()
    }

    /// Shows something else from the next frame on.
    pub(crate) fn show(&self, scene: Scene) {
        self.streaming.command(|orders| orders.scene = scene);
    }

    /// Stops sending frames, or goes on.
    pub(crate) fn stall(&self, stalled: bool) {
        self.streaming.command(|orders| orders.stalled = stalled);
    }

    /// Marks the next frame as damaged.
    pub(crate) fn damage_one(&self) {
        self.streaming.command(|orders| orders.damage_one = true);
    }

    /// Ends the next frame half way.
    pub(crate) fn cut_one(&self) {
        self.streaming.command(|orders| orders.cut_one = true);
    }
}

impl Drop for Camera {
    /// Pulls the plug.
    fn drop(&mut self) {
        self.wire.close();
        self.stall(false);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Takes the host's requests.
struct Answerer {
    wire: Arc<Wire>,
    streaming: Arc<Streaming>,
    control: Arc<Mutex<Control>>,
}

impl Answerer {
    fn run(mut self, first: Request, mut socket: TcpStream) {
        let mut next = Ok(first);
        let ended = loop {
            match next.and_then(|request| self.answer(request)) {
                Ok(()) => next = usbip::read(&mut socket),
                Err(error) => break error,
            }
        };
        self.wire.close();
        let pulled = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
        assert!(pulled.contains(&ended.kind()), "the host says nonsense: {ended}");
    }

    fn answer(&mut self, request: Request) -> io::Result<()> {
        match request {
            Request::Unlink { sequence, target } => self.wire.unlink(sequence, target),
            Request::Submit {
                sequence, endpoint: descriptors::STREAM_ENDPOINT, length, ..
            } => {
                self.wire.want(sequence, length);
                Ok(())
            }
            Request::Submit { sequence, setup, data, .. } => {
                let answer = self.control.lock().expect("no holder panics").answer(setup, &data);
                match answer {
                    Answer::Data(bytes) => self.wire.answer(sequence, Ok(&bytes)),
                    Answer::Taken => self.wire.taken(sequence, data.len()),
                    Answer::Stream(terms) => {
                        self.streaming.begin(terms);
                        self.wire.taken(sequence, data.len())
                    }
                    Answer::Refused => self.wire.answer(sequence, Err(usbip::STALLED)),
                }
            }
        }
    }
}
