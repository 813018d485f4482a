//! The `lavawall` program.

use std::process::ExitCode;

use clap::Parser;
use lavawall::Cli;
use lavawall::Exit;
use lavawall::WipingAllocator;

#[global_allocator]
static ALLOCATOR: WipingAllocator = WipingAllocator;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => cli.run().into(),
        Err(error) => {
            // Help and version come this way too, and are no error. With no terminal to print to
            // there is nothing left to do.
            let _ = error.print();
            if error.use_stderr() { Exit::Usage } else { Exit::Ok }.into()
        }
    }
}
