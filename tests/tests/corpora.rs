//! Replays what the fuzzer kept, and holds the list of targets together.
//!
//! ```text
//! body (a function of its crate) ═ tests/fuzz/fuzz_targets/NAME.rs ═ [[bin]] NAME ═ fixtures/corpora/NAME/ ═ a row in docs/TESTING.md
//! ```
//!
//! The window's targets are replayed in its own tests: this package does not build the window.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

type Target = fn(&[u8]);

/// Targets of `y7ke`, by their names in `y7ke::fuzz::ALL`.
const OF_THE_WINDOW: [&str; 6] = ["add_field", "codes", "links", "picture", "safety_digits", "shown_text"];

/// A corpus at most, in files and in bytes, and all of them: they are kept in the repository for ever, and each
/// file is run by every `cargo test`.
const FILES_MAX: usize = 200;
const CORPUS_MAX: u64 = 256 << 10;
const CORPORA_MAX: u64 = 4 << 20;

fn bodies() -> Vec<(&'static str, Target)> {
    let crates: [&[(&str, Target)]; 5] = [
        y7ke_crypto::fuzz::ALL,
        y7ke_ledger::fuzz::ALL,
        y7ke_sync::fuzz::ALL,
        y7ke_transport::fuzz::ALL,
        y7ke_node::fuzz::ALL,
    ];
    crates.concat()
}

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/corpora")
}

fn corpus(name: &str) -> Vec<PathBuf> {
    let found = fs::read_dir(corpora().join(name)).expect("every target has a corpus");
    let mut files: Vec<_> = found.map(|file| file.expect("a file of the corpus").path()).collect();
    files.sort();
    files
}

fn names(found: fs::ReadDir, without: &str) -> BTreeSet<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name().into_string();
    found.map(|entry| name(entry).expect("a plain name").trim_end_matches(without).to_owned()).collect()
}

fn rows_of_the_table() -> BTreeSet<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/TESTING.md")).expect("the docs");
    let section = text.split("\n## ").find(|section| section.starts_with("Fuzz targets")).expect("the section");
    let name = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    section.lines().filter_map(name).collect()
}

fn replay(bodies: &[(&'static str, Target)]) {
    for (name, target) in bodies {
        for file in corpus(name) {
            eprintln!("{}", file.display());
            target(&fs::read(&file).expect("it can be read"));
        }
    }
}

#[test]
fn every_body_has_a_target_and_a_corpus_and_nothing_else_has() {
    let mut known: BTreeSet<String> = bodies().iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(known.len(), bodies().len(), "two bodies have one name");
    known.extend(OF_THE_WINDOW.map(str::to_owned));
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let targets = names(fs::read_dir(fuzz.join("fuzz_targets")).expect("the targets"), ".rs");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).expect("the manifest");
    let bins = manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""));
    assert_eq!(targets, known, "fuzz_targets and bodies");
    assert_eq!(bins.map(str::to_owned).collect::<BTreeSet<_>>(), known, "[[bin]] and bodies");
    assert_eq!(names(fs::read_dir(corpora()).expect("the corpora"), ""), known, "corpora and bodies");
    assert_eq!(rows_of_the_table(), known, "rows of docs/TESTING.md and bodies");
}

#[test]
fn corpora_are_small() {
    let mut all = 0;
    for name in names(fs::read_dir(corpora()).expect("the corpora"), "") {
        let sizes = corpus(&name).into_iter().map(|file| fs::metadata(file).expect("a file").len());
        let (count, size) = sizes.fold((0, 0), |(count, sum), size| (count + 1, sum + size));
        assert!((1..=FILES_MAX).contains(&count) && size <= CORPUS_MAX, "{name}: {count} files of {size} bytes");
        all += size;
    }
    assert!(all <= CORPORA_MAX, "{all} bytes");
}

#[test]
fn corpora_of_the_formats() {
    replay(y7ke_crypto::fuzz::ALL);
}

#[test]
fn corpora_of_the_ledger() {
    replay(y7ke_ledger::fuzz::ALL);
}

#[test]
fn corpora_of_sessions_and_lanes() {
    replay(y7ke_sync::fuzz::ALL);
    replay(y7ke_transport::fuzz::ALL);
}

#[test]
fn corpora_of_the_node() {
    replay(y7ke_node::fuzz::ALL);
}
