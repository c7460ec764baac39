//! Reading a request's body: bounded in length and in silence.

use super::error::Failure;
use crate::config::Config;
use axum::body::{Body, HttpBody};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use std::time::Duration;

/// How long a client may send nothing in the middle of a body.
const SILENCE: Duration = Duration::from_secs(60);
/// What is read and thrown away of a refused body. A client that is still sending when the connection closes does
/// not get to read why.
const DISCARDED: u64 = 64 << 20;
const DISCARDING: Duration = Duration::from_secs(5);

/// How long a body may be, and which setting says so.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    bytes: u64,
    setting: &'static str,
}

impl Limit {
    pub fn of_bodies(config: &Config) -> Limit {
        Limit {
            bytes: config.admin_max_body_size.0,
            setting: "admin_max_body_size",
        }
    }

    /// Of whole configurations.
    pub fn of_files(config: &Config) -> Limit {
        Limit {
            bytes: config.admin_max_config_size.0,
            setting: "admin_max_config_size",
        }
    }
}

/// The whole body, if it is not too long.
pub async fn read(mut body: Body, headers: &HeaderMap, limit: Limit) -> Result<Bytes, Failure> {
    let announced = body.size_hint().lower();
    if announced <= limit.bytes {
        let mut bytes = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0));
        while let Some(piece) = next(&mut body).await? {
            if bytes.len() as u64 + piece.len() as u64 > limit.bytes {
                discard(body).await;
                return Err(too_long(limit));
            }
            bytes.extend_from_slice(&piece);
        }
        return Ok(bytes.freeze());
    }
    // A client that asked first has not sent anything and need not.
    if !headers.contains_key(header::EXPECT) {
        discard(body).await;
    }
    Err(too_long(limit))
}

async fn next(body: &mut Body) -> Result<Option<Bytes>, Failure> {
    loop {
        let frame = tokio::time::timeout(SILENCE, body.frame()).await;
        let frame = frame.map_err(|_| {
            Failure::message(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive in time",
            )
        })?;
        match frame {
            None => return Ok(None),
            Some(Err(_)) => return Err(Failure::bad_request("the body ended early")),
            Some(Ok(frame)) => {
                if let Ok(piece) = frame.into_data() {
                    return Ok(Some(piece));
                }
            }
        }
    }
}

async fn discard(mut body: Body) {
    let reading = async {
        let mut left = DISCARDED;
        while left > 0 {
            let Ok(Some(piece)) = next(&mut body).await else {
                return;
            };
            left = left.saturating_sub(piece.len() as u64);
        }
    };
    // Whatever came of it, the answer follows.
    let _ = tokio::time::timeout(DISCARDING, reading).await;
}

fn too_long(Limit { bytes, setting }: Limit) -> Failure {
    Failure::message(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("the body is longer than {bytes} bytes (setting '{setting}')"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use std::convert::Infallible;

    const TEN: Limit = Limit {
        bytes: 10,
        setting: "admin_max_body_size",
    };

    fn pieces(sizes: &[usize]) -> Body {
        let pieces: Vec<_> = sizes
            .iter()
            .map(|size| Ok::<_, Infallible>(Bytes::from(vec![b'x'; *size])))
            .collect();
        Body::from_stream(stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_body_of_just_the_limit_is_read() {
        let read = read(pieces(&[4, 6]), &HeaderMap::new(), TEN).await;
        assert_eq!(read.expect("short enough").len(), 10);
    }

    #[tokio::test]
    async fn longer_ones_are_refused_announced_or_not() {
        for body in [Body::from(vec![b'x'; 11]), pieces(&[4, 6, 1, 1000])] {
            let refused = read(body, &HeaderMap::new(), TEN)
                .await
                .expect_err("too long");
            assert_eq!(refused.into_reply().status, StatusCode::PAYLOAD_TOO_LARGE);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_coming_is_given_up() {
        let silent = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let refused = read(silent, &HeaderMap::new(), TEN)
            .await
            .expect_err("nothing comes");
        assert_eq!(refused.into_reply().status, StatusCode::REQUEST_TIMEOUT);
    }
}
