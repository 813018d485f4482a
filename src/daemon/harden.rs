//! What the process gives up at start, and what it takes.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Leaves no core dump, and lets no other process of the same user read this one's memory: both
/// would hold the generator's state and samples.
pub(crate) fn leave_no_core_dump() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none)
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable))
    {
        tracing::warn!("core dumps cannot be turned off: {error}");
    }
}

/// Descriptors that are needed for other things than connections: sources, files, listeners.
const OTHER_DESCRIPTORS: u64 = 128;

/// Takes as many file descriptors as the system allows, and says so when that is too few for this
/// many connections.
pub(crate) fn take_descriptors(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let allowed = if raised.is_ok() { limit.maximum } else { limit.current };
    let needed = connections as u64 + OTHER_DESCRIPTORS;
    if let Some(allowed) = allowed.filter(|allowed| *allowed < needed) {
        tracing::warn!(
            "http.max-connections = {connections} needs {needed} file descriptors, and {allowed} are \
             allowed: raise `ulimit -n`"
        );
    }
}
