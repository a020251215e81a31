//! The command line of the entitlement agent.

use entitled::cli::{Arguments, run};
use std::{env, process::ExitCode};

fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).without_time().with_target(false).init();
    let arguments = match Arguments::read(env::args_os()) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Standard error may be closed; the exit code is left.
            let _ = error.print();
            return ExitCode::from(Arguments::usage_exit_code(&error, env::args_os()));
        }
    };
    let json = arguments.json;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("entitlectl: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(run(arguments));
    // A name that nobody resolves would be waited for.
    runtime.shutdown_background();
    match done {
        Ok(code) => code,
        Err(error) => {
            if json {
                eprintln!(
                    "{}",
                    serde_json::json!({ "code": error.code(), "detail": error.to_string() })
                );
            } else {
                eprintln!("entitlectl: {error}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}
