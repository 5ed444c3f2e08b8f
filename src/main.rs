//! The program `krylane`.

use std::process::ExitCode;

fn main() -> ExitCode {
    quiet_mesa();
    ExitCode::from(krylane::cli::run(std::env::args_os()))
}

/// Mesa's device-select layer writes `error:` to stderr where there is no XDG_RUNTIME_DIR, as on servers. It has
/// nothing to select for a program without a window.
fn quiet_mesa() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: the first statement of the program, before any other thread exists.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
