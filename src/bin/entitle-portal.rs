//! `entitle-portal`: the vendor's Licensing Portal.

use std::process::ExitCode;

fn main() -> ExitCode {
    entitled::portal::cli::main()
}
