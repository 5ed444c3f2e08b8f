//! The program `krylane`.

use std::process::ExitCode;

#[global_allocator]
static MEMORY: krylane::cli::Counting = krylane::cli::Counting;

fn main() -> ExitCode {
    quiet_mesa();
    krylane::cli::speak_at_the_end();
    quiet_lost_devices();
    ExitCode::from(krylane::cli::run(std::env::args_os()))
}

/// wgpu panics where a device is lost; the library catches that and makes an error of it, which says enough.
fn quiet_lost_devices() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !panic.location().is_some_and(|place| place.file().contains("wgpu")) {
            tell(panic);
        }
    }));
}

/// Mesa's device-select layer writes `error:` to stderr where there is no XDG_RUNTIME_DIR, as on servers. It has
/// nothing to select for a program without a window.
fn quiet_mesa() {
    if cfg!(target_os = "linux") && std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: the first statement of the program, before any other thread exists.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
