//! The `auditlake` program; everything is in the library.

use std::process::ExitCode;

/// Gives memory back that many threads used in turn; the system's allocator keeps an arena for each of them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    auditlake::cli::main()
}
