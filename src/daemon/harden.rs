//! Process limits, set at start: no core dumps, more file descriptors.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

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

/// File descriptors besides those of connections: sources, files, listeners.
const OTHER_DESCRIPTORS: u64 = 128;

/// Raises the limit of file descriptors as far as the system allows; warns when that is too low for
/// this number of connections.
pub(crate) fn take_descriptors(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let allowed = if raised.is_ok() { limit.maximum } else { limit.current };
    let needed = connections as u64 + OTHER_DESCRIPTORS;
    if let Some(allowed) = allowed.filter(|allowed| *allowed < needed) {
        tracing::warn!(
            "http.max-connections = {connections} needs {needed} file descriptors, and the limit is \
             {allowed}: raise `ulimit -n`"
        );
    }
}
