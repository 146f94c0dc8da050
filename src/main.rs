//! The `auditlake` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    auditlake::cli::main()
}
