//! The vectors of the transformers' design page (transformers.md 2.9, 2.10, 3.6, 3.7, 4.8), one JSON object per line of
//! `vectors/transformers-{q,r,a}.jsonl`: a configuration, what goes in, what must come out on the other side. They were
//! taken from the page's tables by a program; cells that say "unlisted headers are unchanged" are written out. The rules
//! that no table of the page shows are in `corners-{q,r,a}.jsonl`, named by section.
//!
//! Read [`Vector`], then `play` (how they are run), then `judge` (what counts as equal).

mod judge;
mod play;

use serde::Deserialize;
use serde_json::Value;

pub use play::Stage;

/// Each file and the plugin its vectors are about.
pub const FILES: [(&str, &str); 6] = [
    ("transformers-q", "request-transformer"),
    ("corners-q", "request-transformer"),
    ("transformers-r", "response-transformer"),
    ("corners-r", "response-transformer"),
    ("transformers-a", "response-transformer-advanced"),
    ("corners-a", "response-transformer-advanced"),
];

/// One line of the page.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vector {
    pub id: String,
    #[serde(default)]
    #[expect(dead_code, reason = "for the reader of the file")]
    note: Option<String>,
    /// The plugin's configuration.
    config: Value,
    /// The path of its route, where a regular expression has to yield captures.
    route: Option<String>,
    /// The consumer that the client is, by key-auth.
    consumer: Option<String>,
    /// What an earlier plugin put into `kong.ctx.shared`.
    shared: Option<Value>,
    #[serde(default)]
    request: Asked,
    #[serde(default)]
    upstream: Answered,
    /// What the upstream must see; nothing is looked at without it.
    sent: Option<Sent>,
    #[serde(default)]
    got: Got,
    /// Texts in the node's log while it serves the request. Where it fails, in one line with the request's id.
    #[serde(default)]
    log: Vec<String>,
    /// Texts in the node's log since it started.
    #[serde(default)]
    load_log: Vec<String>,
}

/// The client's request; `Host` is `gw.test`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// Method and target; `GET` of the upstream's script without it.
    line: Option<String>,
    #[serde(default)]
    headers: Vec<Line>,
    body: Option<Bytes>,
}

/// The upstream's answer. A body is sent as its `Content-Encoding` says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answered {
    status: Option<u16>,
    #[serde(default)]
    headers: Vec<Line>,
    body: Option<Bytes>,
    #[serde(default)]
    chunked: bool,
}

/// What must reach the upstream. What is not given is as the client sent it; headers are all those that neither proxy nor
/// client library add.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    line: Option<String>,
    /// That of the service without it.
    host: Option<String>,
    #[serde(default)]
    headers: Vec<Line>,
    body: Option<Body>,
}

/// What must reach the client. Status and body are the upstream's if not given.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Got {
    status: Option<u16>,
    /// Looked at in answers of the upstream only.
    #[serde(default)]
    headers: Vec<Line>,
    body: Option<Body>,
    /// Whether there is a `Content-Length`, where there is no body to have one.
    length: Option<bool>,
}

type Line = (String, String);

/// How a body is compared; one that is not given is compared byte for byte with what went in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum Body {
    /// These bytes.
    Text(Bytes),
    /// This value.
    Json(Value),
    /// These values of each name, in their order.
    Form(String),
}

/// A text, or pieces of which some are repeated.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Bytes {
    Whole(String),
    Pieces(Vec<Piece>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Piece {
    Once(String),
    Times(String, usize),
}

impl Bytes {
    fn bytes(&self) -> Vec<u8> {
        let text = |piece: &Piece| match piece {
            Piece::Once(text) => text.clone(),
            Piece::Times(text, times) => text.repeat(*times),
        };
        match self {
            Bytes::Whole(text) => text.clone().into_bytes(),
            Bytes::Pieces(pieces) => pieces.iter().map(text).collect::<String>().into_bytes(),
        }
    }
}

/// Every vector of a file.
pub fn load(file: &str) -> Vec<Vector> {
    let path = format!("{}/parity/vectors/{file}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.lines()
        .map(|line| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{path}: {error}: {line}"))
        })
        .collect()
}
