//! The `graft` binary: everything is in the library's `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    graft::cli::main()
}
