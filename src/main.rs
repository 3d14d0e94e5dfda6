//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    mtaudit::commands::main(std::env::args_os())
}
