//! Writes the JavaScript and the types that call a module: `krylane-web-bind MODULE.wasm FOLDER`. What `wasm-bindgen`
//! does by its command line, in the very version that the module was compiled with.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(module), Some(folder)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: krylane-web-bind MODULE.wasm FOLDER");
        return ExitCode::from(2);
    };
    let mut bindgen = wasm_bindgen_cli_support::Bindgen::new();
    let written = bindgen
        .input_path(module)
        .out_name("krylane_module")
        .web(true)
        .map(|b| {
            b.typescript(true).omit_default_module_path(false).remove_name_section(true).remove_producers_section(true)
        })
        .and_then(|b| b.generate(folder));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e:#}");
            ExitCode::FAILURE
        }
    }
}
