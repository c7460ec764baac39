//! Writes the response that a script describes.

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::sleep;

use super::Shared;
use crate::wire::chunk;

/// The longest wait a script may ask for.
const LONGEST_MS: u64 = 20_000;

/// How a document is cut into chunks.
const DOCUMENT_PIECE: usize = 256 * 1024;

/// Sends what `spec` says; true if the connection may stay open.
pub(super) async fn write(
    out: &mut OwnedWriteHalf,
    method: &str,
    spec: &Value,
    echo: &Value,
    shared: &Shared,
) -> io::Result<bool> {
    pause(spec, "delay_ms").await;
    if spec["close"] == true {
        return Ok(false);
    }
    if let Some(raw) = raw(spec) {
        out.write_all(&raw).await?;
        return Ok(false);
    }
    let response = Response::new(spec, echo, shared)?;
    out.write_all(&response.head(spec)).await?;
    if method == "HEAD" || matches!(response.status, 204 | 304) || response.status < 200 {
        return Ok(response.framing != Framing::Close);
    }
    pause(spec, "body_delay_ms").await;
    response.body(out, spec, shared).await
}

#[derive(PartialEq)]
enum Framing {
    Length,
    Chunked,
    Close,
}

struct Response<'a> {
    status: u64,
    framing: Framing,
    pieces: Vec<Cow<'a, [u8]>>,
    gzip: bool,
}

impl<'a> Response<'a> {
    fn new(spec: &Value, echo: &Value, shared: &'a Shared) -> io::Result<Response<'a>> {
        let framing = match spec["framing"].as_str() {
            _ if spec["chunks"].is_array() => Framing::Chunked,
            Some("chunked") => Framing::Chunked,
            Some("close") => Framing::Close,
            _ => Framing::Length,
        };
        let gzip = spec["gzip"] == true;
        let pieces = match spec["chunks"].as_array() {
            Some(chunks) => chunks.iter().map(piece).map(Cow::Owned).collect(),
            None if spec["document"] == true => {
                let document = shared.document.get().map_or(&[][..], Vec::as_slice);
                document.chunks(DOCUMENT_PIECE).map(Cow::Borrowed).collect()
            }
            None if gzip => vec![Cow::Owned(compressed(&body(spec, echo))?)],
            None => vec![Cow::Owned(body(spec, echo))],
        };
        Ok(Response {
            status: spec["status"].as_u64().unwrap_or(200),
            framing,
            pieces,
            gzip,
        })
    }

    fn head(&self, spec: &Value) -> Vec<u8> {
        let reason = spec["reason"].as_str().unwrap_or("Scripted");
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", self.status);
        let mut has_length = false;
        for (name, value) in pairs(&spec["headers"]) {
            has_length |= name.eq_ignore_ascii_case("content-length");
            head += &format!("{name}: {value}\r\n");
        }
        if self.gzip {
            head += "Content-Encoding: gzip\r\n";
        }
        let bodyless = matches!(self.status, 204 | 304);
        match self.framing {
            Framing::Chunked if !bodyless => head += "Transfer-Encoding: chunked\r\n",
            Framing::Length if !has_length && !bodyless => {
                let length: usize = self.pieces.iter().map(|piece| piece.len()).sum();
                head += &format!("Content-Length: {length}\r\n");
            }
            Framing::Close => head += "Connection: close\r\n",
            _ => {}
        }
        (head + "\r\n").into_bytes()
    }

    async fn body(
        &self,
        out: &mut OwnedWriteHalf,
        spec: &Value,
        shared: &Shared,
    ) -> io::Result<bool> {
        if let Some(keep) = spec["close_mid"].as_u64() {
            let mut part = self.pieces.concat();
            part.truncate(keep as usize);
            let chunked = self.framing == Framing::Chunked && !part.is_empty();
            out.write_all(&if chunked { chunk(&part) } else { part })
                .await?;
            return Ok(false);
        }
        let hold_after = spec["hold_after"].as_u64();
        let sent = self.pieces.iter().filter(|piece| !piece.is_empty());
        for (number, piece) in (0..).zip(sent) {
            if hold_after == Some(number) {
                hold(shared).await;
            }
            match self.framing {
                Framing::Chunked => out.write_all(&chunk(piece)).await?,
                _ => out.write_all(piece).await?,
            }
            pause(spec, "chunk_delay_ms").await;
        }
        if self.framing == Framing::Chunked {
            let mut end = String::from("0\r\n");
            for (name, value) in pairs(&spec["trailers"]) {
                end += &format!("{name}: {value}\r\n");
            }
            out.write_all((end + "\r\n").as_bytes()).await?;
        }
        Ok(self.framing != Framing::Close)
    }
}

fn body(spec: &Value, echo: &Value) -> Vec<u8> {
    if let Some(text) = spec["body_b64"].as_str() {
        return STANDARD.decode(text).unwrap_or_default();
    }
    match spec.get("json") {
        Some(value) => value.to_string().into_bytes(),
        None if spec["echo"] == true => echo.to_string().into_bytes(),
        None => spec["body"]
            .as_str()
            .unwrap_or_default()
            .as_bytes()
            .to_vec(),
    }
}

fn raw(spec: &Value) -> Option<Vec<u8>> {
    match (spec["raw"].as_str(), spec["raw_b64"].as_str()) {
        (Some(text), _) => Some(text.chars().map(|c| c as u8).collect()),
        (None, Some(text)) => STANDARD.decode(text).ok(),
        (None, None) => None,
    }
}

/// A chunk is a text, or a text and how often it is repeated.
fn piece(chunk: &Value) -> Vec<u8> {
    match chunk.as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => {
            let text = chunk[0].as_str().unwrap_or_default();
            text.repeat(chunk[1].as_u64().unwrap_or(1) as usize)
                .into_bytes()
        }
    }
}

fn pairs(list: &Value) -> impl Iterator<Item = (&str, &str)> {
    let lines = list.as_array().map(Vec::as_slice).unwrap_or_default();
    lines
        .iter()
        .filter_map(|line| Some((line[0].as_str()?, line[1].as_str()?)))
}

fn compressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// Waits for [`super::Upstream::release`], but not for ever.
async fn hold(shared: &Shared) {
    let limit = Duration::from_millis(LONGEST_MS);
    if let Ok(Ok(released)) = tokio::time::timeout(limit, shared.released.acquire()).await {
        released.forget();
    }
}

async fn pause(spec: &Value, key: &str) {
    if let Some(ms) = spec[key].as_u64() {
        sleep(Duration::from_millis(ms.min(LONGEST_MS))).await;
    }
}
