//! Compiles `ui/main.slint` with the icons of lucide and one widget style for every system.

#![expect(clippy::disallowed_types, reason = "slint-build asks for a HashMap; one entry has one order")]

use std::collections::HashMap;
use std::path::PathBuf;

fn main() {
    let icons = HashMap::from([("lucide".to_owned(), PathBuf::from(lucide_slint::lib()))]);
    let config = slint_build::CompilerConfiguration::new().with_library_paths(icons).with_style("fluent".to_owned());
    if let Err(fault) = slint_build::compile_with_config("ui/main.slint", config) {
        eprintln!("{fault}");
        std::process::exit(1);
    }
}
