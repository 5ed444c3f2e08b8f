//! The program `krylane`.

use std::process::ExitCode;

#[global_allocator]
static MEMORY: krylane::cli::Counting = krylane::cli::Counting;

fn main() -> ExitCode {
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
