//! The JSON editor alone: megabytes of body per second on one core, for five steps on documents of about 100 KiB.
//!
//! `cargo bench -p data-plane --bench json`; what the plugins cost around it is in `tests/bench` (transformers).

use std::fmt::Write;
use std::hint::black_box;
use std::time::Instant;

use data_plane::plugins::transform::json::{Document, Path};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seconds that one document is edited for.
const SECONDS: f64 = 2.0;

fn main() {
    let records = records();
    let spaced = records.replace(',', ",\n        ").replace("\":", "\": ");
    let escaped = records.replace('/', "\\/").replace('ü', "\\u00fc");
    for (name, text, edit) in [
        ("records", &records, top as fn(&[u8]) -> usize),
        ("records, indented", &spaced, top),
        ("records, escaped", &escaped, top),
        ("records, nested steps", &records, nested),
        ("indented, nested steps", &spaced, nested),
        ("1,600 properties", &properties(), top),
        ("numbers", &numbers(), top),
        ("long strings", &strings(), top),
    ] {
        let speed = speed(text.as_bytes(), edit);
        println!("{name:24} {:4} KiB {speed:6.0} MB/s", text.len() / 1024);
    }
}

/// The best of many: what others do on the machine only makes it slower.
fn speed(text: &[u8], edit: fn(&[u8]) -> usize) -> f64 {
    let (start, mut best) = (Instant::now(), f64::MAX);
    while start.elapsed().as_secs_f64() < SECONDS {
        let one = Instant::now();
        black_box(edit(black_box(text)));
        best = best.min(one.elapsed().as_secs_f64());
    }
    text.len() as f64 / best / 1e6
}

fn top(text: &[u8]) -> usize {
    let mut document = Document::parse(text).expect("well formed");
    document.remove(b"secret");
    document.rename(b"old", b"new");
    document.set(b"total", b"\"many\"".into());
    document.set(b"added", b"1".into());
    document.append(b"list", b"\"more\"".into());
    document.write().len()
}

fn nested(text: &[u8]) -> usize {
    let paths = [
        "items[*].info.phone",
        "items[*].name",
        "items[*].info.zip",
        "items[*].tags",
        "meta.seen",
    ];
    let paths = paths.map(Path::parse);
    let along: Vec<&Path> = paths.iter().collect();
    let mut document = Document::parse_along(text, &along).expect("well formed");
    document.remove_at(&paths[0]);
    document.replace_at(&paths[1], b"\"somebody\"");
    document.add_at(&paths[2], b"12345");
    document.append_at(&paths[3], b"\"more\"");
    document.add_at(&paths[4], b"true");
    document.write().len()
}

/// An object with the properties that the steps name, and `rest`.
fn document(rest: &str) -> String {
    format!(
        r#"{{"meta":{{"page":1}},"secret":"s3cr3t","total":330,"old":1,"list":[1,2,3],{rest}}}"#
    )
}

fn list(name: &str, count: usize, item: impl Fn(usize) -> String) -> String {
    let items: Vec<String> = (0..count).map(item).collect();
    document(&format!("\"{name}\":[{}]", items.join(",")))
}

fn records() -> String {
    list("items", 330, |i| {
        format!(
            r#"{{"id":{i},"uuid":"{:032x}","name":"Customer {i}","email":"c{i}@example.com","active":{},"balance":{}.{:02},"tags":["a","bb","ccc"],"info":{{"phone":"+49 30 {i:07}","city":"Zürich","note":"He said \"hi\"\nand left https://example.com/x/y"}},"score":null}}"#,
            i as u128 * 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835 % u128::MAX,
            i % 2 == 0,
            i * 37,
            i % 100
        )
    })
}

fn properties() -> String {
    let mut rest = String::new();
    for i in 0..1600 {
        let comma = if i == 0 { "" } else { "," };
        write!(rest, r#"{comma}"field{i:04}":"{:048}""#, i * 7919).expect("a string");
    }
    document(&rest)
}

fn numbers() -> String {
    list("rows", 700, |row| {
        let cell = |i: usize| (row * 7919 + i * 104_729) % 10_usize.pow(1 + (i % 11) as u32);
        let cells: Vec<String> = (0..20).map(|i| cell(i).to_string()).collect();
        format!("[{}]", cells.join(","))
    })
}

fn strings() -> String {
    list("texts", 110, |i| {
        format!(
            "\"{i} {}\"",
            "Lorem ipsum dolor sit amet, consectetur adipiscing elit. ".repeat(16)
        )
    })
}
