//! Process limits, set at start: no core dumps, more file descriptors, no end by `SIGXFSZ`.

use std::io;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getrlimit, set_dumpable_behavior, setrlimit,
};
use tokio::signal::unix::{SignalKind, signal};

/// Disables core dumps, and keeps other processes of the same user from reading this one's memory:
/// both would expose the generator's state and samples.
pub(crate) fn leave_no_core_dump() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none)
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable))
    {
        tracing::warn!("cannot disable core dumps: {error}");
    }
}

/// Makes a write beyond the limit on the size of files (`ulimit -f`, `LimitFSIZE=`) fail with `EFBIG`,
/// as one to a full disk fails; without a handler its signal, `SIGXFSZ`, ends the process.
///
/// # Errors
/// The system's error.
pub(crate) fn survive_file_size_limit() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _context = runtime.enter();
    // The handler stays for the life of the process, also without its receiver and its runtime.
    signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).map(drop)
}

/// File descriptors besides those of connections: sources, files, listeners.
const OTHER_DESCRIPTORS: u64 = 128;

/// Raises the limit of file descriptors as far as the system allows; warns when that is too low for
/// these connections and listening sockets.
pub(crate) fn take_descriptors(connections: usize, listening: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let allowed = if raised.is_ok() { limit.maximum } else { limit.current };
    let needed = (connections + listening) as u64 + OTHER_DESCRIPTORS;
    if let Some(allowed) = allowed.filter(|allowed| *allowed < needed) {
        tracing::warn!(
            "http.max-connections = {connections} needs {needed} file descriptors, and the limit is \
             {allowed}: raise `ulimit -n`"
        );
    }
}
