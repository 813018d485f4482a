//! `lavawall cameras`: what there is to point at the wall.

use clap::Args;

use crate::cli::print;
use crate::exitcode::Exit;
use crate::source::camera;

/// List this machine's cameras: device, identity, name
///
/// Exits with 1 when there is none.
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments) -> Exit {
    let cameras = camera::list();
    if cameras.is_empty() {
        print::error(&"this machine has no camera");
        return Exit::Failure;
    }
    cameras.iter().map(print::line).find(|shown| *shown != Exit::Ok).unwrap_or(Exit::Ok)
}
