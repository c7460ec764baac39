//! Replays the corpora of the fuzz targets (`tests/fuzz`): every input that was worth keeping, in every build.

use std::fs;
use std::path::Path;

#[expect(dead_code, reason = "the property tests need more of it")]
#[path = "../../tests/fuzz/reference/mod.rs"]
mod reference;
#[path = "../../tests/fuzz/targets/mod.rs"]
mod targets;

/// Runs a target on every file of its corpus.
fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fuzz/corpus")
        .join(name);
    let files = fs::read_dir(&folder).expect("the corpus is part of the repository");
    let mut replayed = 0;
    for file in files {
        let path = file.expect("readable").path();
        let input = fs::read(&path).expect("readable");
        println!("{}", path.display());
        target(&input);
        replayed += 1;
    }
    assert!(replayed >= 24, "{} holds {replayed}", folder.display());
}

#[test]
fn the_corpus_of_the_json_editor_is_edited_as_the_reference_does() {
    replay("json", targets::json);
}

#[test]
fn the_corpus_of_forms_is_changed_as_the_reference_does() {
    replay("form", targets::form);
}

#[test]
fn the_corpus_of_multipart_bodies_is_changed_as_the_reference_does() {
    replay("multipart", targets::multipart);
}

#[test]
fn the_corpus_of_templates_is_cut_as_the_obvious_search_does() {
    replay("template", targets::template);
}

#[test]
fn the_corpus_of_entries_is_read_as_the_obvious_reading_does() {
    replay("pair", targets::pair);
}

#[test]
fn the_corpus_of_coded_bodies_is_opened_within_the_limit() {
    replay("coding", targets::coding);
}

#[test]
fn the_corpus_of_answers_is_read_the_same_however_it_is_cut() {
    replay("answer", targets::answer);
}
