//! `lavawall cameras`: the cameras of this machine.

use clap::Args;

use crate::cli::error::CommandError;
use crate::cli::print;
use crate::source::camera;

/// List this machine's cameras: device, identity, name
///
/// Exits with 1 when there is none.
#[derive(Debug, Args)]
pub(crate) struct CamerasArguments {}

pub(crate) fn run(_: &CamerasArguments) -> Result<(), CommandError> {
    let cameras = camera::list();
    if cameras.is_empty() {
        return Err(CommandError::failure("this machine has no camera"));
    }
    for camera in &cameras {
        print::line(camera)?;
    }
    Ok(())
}
