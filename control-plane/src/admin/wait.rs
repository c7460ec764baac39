//! Answers that wait for the data planes: `?wait=applied[:all|:95%|:1]&timeout=5s` (sync-protocol.md 3.2).

use super::Admin;
use super::error::Failure;
use super::query::Query;
use super::reply::Reply;
use crate::store::Committed;
use crate::sync::Quorum;
use http::{HeaderName, HeaderValue, StatusCode};
use std::time::Duration;

/// How many of the connected nodes run the write.
const APPLIED: HeaderName = HeaderName::from_static("headgate-applied");
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);

/// What a write waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wait {
    quorum: Quorum,
    timeout: Duration,
}

impl Wait {
    /// Reads `wait` and `timeout`; without `wait` nothing is waited for.
    pub fn parse(query: &Query) -> Result<Option<Wait>, Failure> {
        let Some(text) = query.first("wait") else {
            return Ok(None);
        };
        let quorum = quorum(text).ok_or_else(|| {
            Failure::invalid_option(
                "wait",
                "expected applied, applied:all, applied:95% or applied:1",
            )
        })?;
        let timeout = match query.first("timeout") {
            None => DEFAULT_TIMEOUT,
            Some(text) => duration(text)
                .filter(|timeout| *timeout <= LONGEST_TIMEOUT)
                .ok_or_else(|| {
                    Failure::invalid_option("timeout", "expected a time such as 5s, 10m at most")
                })?,
        };
        Ok(Some(Wait { quorum, timeout }))
    }
}

fn quorum(text: &str) -> Option<Quorum> {
    let how = match text.strip_prefix("applied")? {
        "" => return Some(Quorum::All),
        rest => rest.strip_prefix(':')?,
    };
    if how == "all" {
        return Some(Quorum::All);
    }
    match how.strip_suffix('%') {
        None => how.parse().ok().map(Quorum::Count),
        Some(percent) => {
            let percent: f64 = percent.parse().ok()?;
            (0.0..=100.0)
                .contains(&percent)
                .then_some(Quorum::Percent(percent))
        }
    }
}

/// `500ms`, `5s`, `10m`, `1h`, `7d`; a bare number is seconds.
pub fn duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let count: u64 = digits.parse().ok()?;
    let millis = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    count.checked_mul(millis).map(Duration::from_millis)
}

/// The answer to a write: names its revision, and who runs it if that was asked.
pub async fn answer(
    admin: &Admin,
    wait: Option<Wait>,
    reply: Reply,
    committed: Committed,
) -> Reply {
    let mut reply = reply.at(committed.revision);
    let Some(Wait { quorum, timeout }) = wait else {
        return reply;
    };
    let applied = admin
        .hub
        .wait_applied(committed.revision, quorum, timeout)
        .await;
    if !applied.reached {
        reply.status = StatusCode::ACCEPTED;
    }
    let text = format!("{}/{}", applied.applied, applied.connected);
    let text = HeaderValue::try_from(text).expect("digits and a slash");
    reply.with(APPLIED, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Wait>, Failure> {
        Wait::parse(&Query::parse(Some(text)).expect("few arguments"))
    }

    #[test]
    fn waits_name_a_share_of_the_nodes_and_a_time() {
        let seconds = Duration::from_secs;
        let cases = [
            ("wait=applied", Quorum::All, seconds(5)),
            ("wait=applied:all&timeout=1m", Quorum::All, seconds(60)),
            ("wait=applied:95%25", Quorum::Percent(95.0), seconds(5)),
            (
                "wait=applied:1&timeout=250ms",
                Quorum::Count(1),
                Duration::from_millis(250),
            ),
        ];
        for (text, quorum, timeout) in cases {
            let found = parse(text).expect("valid");
            assert_eq!(found, Some(Wait { quorum, timeout }), "{text}");
        }
        assert_eq!(parse("timeout=x").expect("nothing to wait for"), None);
        for text in [
            "wait=1",
            "wait=applied:",
            "wait=applied:101%25",
            "wait=applied&timeout=1h",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
