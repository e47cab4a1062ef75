//! The server and its tools. `vestibule --help` lists the commands.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
