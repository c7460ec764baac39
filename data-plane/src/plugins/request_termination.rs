//! `request-termination`: answers requests without an upstream.

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;
use shared::plugins::RequestTermination;
use tracing::warn;

use super::transform::args;
use super::transform::headers::{self, Name};
use super::{Answer, AnswerBody, Ctx, Flow, PhaseSet, Phases, Plugin};

mod echo;
#[cfg(test)]
mod tests;

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// The handler.
pub struct Handler {
    status: StatusCode,
    reply: Reply,
    trigger: Option<Trigger>,
}

/// What is answered; made once, unless the request is shown.
enum Reply {
    Bytes(HeaderValue, Bytes),
    /// No body was configured: whatever the status has of its own.
    Status,
    Echo(Option<String>),
}

/// A header or argument that must be there.
struct Trigger {
    text: String,
    header: Option<Name>,
}

impl Plugin for Handler {
    type Config = RequestTermination;

    fn new(config: &RequestTermination) -> Self {
        let message = config
            .message
            .clone()
            .or_else(|| default_message(config.status_code));
        let reply = match (config.echo, &config.body, message) {
            (true, _, message) => Reply::Echo(message),
            (false, Some(body), _) => {
                let kind = config.content_type.as_ref();
                Reply::Bytes(
                    kind.map_or(JSON, |kind| headers::value(kind.as_bytes())),
                    Bytes::from(body.clone()),
                )
            }
            (false, None, Some(message)) => {
                Reply::Bytes(JSON, Bytes::from(json!({ "message": message }).to_string()))
            }
            (false, None, None) => Reply::Status,
        };
        Self {
            status: final_status(config.status_code),
            reply,
            trigger: config.trigger.as_ref().map(|name| Trigger {
                text: name.to_string(),
                header: Name::lenient(name),
            }),
        }
    }
}

impl Phases for Handler {
    fn phases(&self) -> PhaseSet {
        PhaseSet {
            access: true,
            ..PhaseSet::default()
        }
    }

    fn access(&self, ctx: &mut Ctx) -> Flow {
        let query = ctx.upstream_query().unwrap_or_default();
        if self
            .trigger
            .as_ref()
            .is_some_and(|trigger| !trigger.fires(&ctx.request.headers, query))
        {
            return Flow::Continue;
        }
        match &self.reply {
            Reply::Bytes(kind, body) => {
                Answer::exact(self.status, kind.clone(), body.clone()).into()
            }
            Reply::Status => Answer {
                status: self.status,
                headers: HeaderMap::new(),
                body: AnswerBody::Status,
            }
            .into(),
            Reply::Echo(_) => Flow::Wait,
        }
    }

    fn access_wait<'a>(&'a self, ctx: &'a mut Ctx) -> LocalBoxFuture<'a, Flow> {
        Box::pin(async {
            // A body that can not be read whole is left out of the picture.
            let body = ctx
                .read_body(ctx.transform_limit())
                .await
                .unwrap_or_default();
            let message = if let Reply::Echo(message) = &self.reply {
                message.as_deref()
            } else {
                None
            };
            let shown = echo::describe(ctx, message, &body).to_string();
            Answer::exact(self.status, JSON, shown).into()
        })
    }
}

impl Trigger {
    fn fires(&self, headers: &HeaderMap, query: &str) -> bool {
        let in_header = self
            .header
            .as_ref()
            .is_some_and(|name| name.values(headers).next().is_some());
        in_header
            || args::values(query.as_bytes(), self.text.as_bytes())
                .next()
                .is_some()
    }
}

/// A status below 200 announces an answer and can not be one.
fn final_status(code: u16) -> StatusCode {
    let status = StatusCode::from_u16(code).ok();
    status
        .filter(|status| !status.is_informational())
        .unwrap_or_else(|| {
            warn!(
                code,
                "request-termination: not the status of an answer, 500 is sent"
            );
            StatusCode::INTERNAL_SERVER_ERROR
        })
}

/// The message of statuses that have one without being told.
fn default_message(status: u16) -> Option<String> {
    let text = match status {
        401 => "Unauthorized",
        404 => "Not found",
        405 => "Method not allowed",
        500 => "An unexpected error occurred",
        502 => "Bad gateway",
        503 => "Service unavailable",
        _ => return None,
    };
    Some(text.to_owned())
}
