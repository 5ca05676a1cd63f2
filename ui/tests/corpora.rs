//! Replays what the fuzzer kept for the window's targets (`fixtures/corpora`).

use std::path::Path;

#[test]
fn corpora_of_the_window() {
    for (name, target) in y7ke::fuzz::ALL {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/corpora")).join(name);
        let files: Vec<_> = std::fs::read_dir(&folder).expect("every target has a corpus").collect();
        assert!(!files.is_empty(), "{name} has an empty corpus");
        let wrapper = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fuzz/fuzz_targets"));
        assert!(wrapper.join(format!("{name}.rs")).exists(), "{name} has no target");
        for file in files {
            let path = file.expect("a file of the corpus").path();
            eprintln!("{}", path.display());
            target(&std::fs::read(&path).expect("it can be read"));
        }
    }
}
