//! The one file that answers clients when something other than an upstream decides: texts, types and statuses of
//! proxy-and-routing.md 7.

use bytes::Bytes;
use http::header::{
    ACCEPT, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};

use super::body::BodyError;
use super::ctx::{Ctx, Maker, add};
use super::status_page::{Page, page};
use super::upstream::UpstreamError;
use crate::plugins::{Answer, AnswerBody};
use crate::router::Refusal;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Why a request ended without an upstream's answer.
#[derive(Debug)]
pub enum Halt {
    /// A plugin answered.
    Answer(Box<Answer>),
    /// The route refused the request (protocol, redirect, gRPC).
    Refused(Refusal),
    /// No route matched.
    NoRoute,
    /// The route that matched has no service.
    NoService,
    /// The request itself cannot be served.
    Protocol(StatusCode),
    /// The upstream could not be asked, or gave no answer.
    Upstream(UpstreamError),
    /// A body that had to be whole could not be had.
    Body(BodyError),
    /// A plugin failed; the text is for the log.
    Plugin(String),
    /// A plugin that guards this route is not in this node's software.
    UnknownPlugin(String),
}

/// Which generator makes the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Generator {
    /// Routing and plugin errors: the type comes from `Accept` alone.
    A,
    /// Protocol and proxy errors: `Accept`, else the request's content type, else `error_default_type`.
    B,
}

/// A body type of generated errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyType {
    /// `application/json`.
    Json,
    /// `text/plain`.
    Plain,
    /// `text/html`.
    Html,
    /// `application/xml`.
    Xml,
    /// gRPC: the error is in headers.
    Grpc,
}

impl BodyType {
    /// The type a media type or range asks for; unknown ones have none.
    pub fn from_media_type(text: &str) -> Option<Self> {
        let essence = text
            .split(';')
            .next()
            .unwrap_or("")
            .trim()
            .to_ascii_lowercase();
        Some(match essence.as_str() {
            "application/json" | "application/*" | "*/*" => Self::Json,
            "text/plain" | "text/*" => Self::Plain,
            "text/html" => Self::Html,
            "application/xml" => Self::Xml,
            _ => return None,
        })
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json; charset=utf-8",
            Self::Plain => "text/plain; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
            Self::Xml => "application/xml; charset=utf-8",
            Self::Grpc => "application/grpc",
        })
    }

    fn body(self, message: &str, id: &str) -> String {
        match self {
            Self::Json => Self::json(&serde_json::Value::from(message).to_string(), id),
            Self::Plain => format!("{message}\nrequest_id: {id}\n"),
            Self::Html => format!(
                "<!doctype html>\n<html>\n  <head>\n    <meta charset=\"utf-8\">\n    <title>Error</title>\n  </head>\n  <body>\n    \
                 <h1>Error</h1>\n    <p>{}.</p>\n    <p>request_id: {id}</p>\n  </body>\n</html>\n",
                escape(message)
            ),
            Self::Xml => format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>\n  <message>{}</message>\n  <requestid>{id}</requestid>\n</error>\n",
                escape(message)
            ),
            Self::Grpc => String::new(),
        }
    }

    /// The body of [`Self::Json`] for a message that is JSON already.
    fn json(message: &str, id: &str) -> String {
        format!("{{\n  \"message\":{message},\n  \"request_id\":\"{id}\"\n}}")
    }
}

/// Escapes text for HTML and XML. The reference inserts it as it is.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Of an `Accept` header the type with the highest `q`, the first one on ties. Unknown types count as JSON.
fn accepted(accept: &str) -> BodyType {
    let mut best = (0.0, BodyType::Json);
    for range in accept.split(',') {
        let q = range
            .split(';')
            .skip(1)
            .find_map(|parameter| {
                parameter
                    .trim()
                    .strip_prefix("q=")?
                    .trim()
                    .parse::<f32>()
                    .ok()
            })
            .unwrap_or(1.0);
        if q > best.0
            && let Some(kind) = BodyType::from_media_type(range)
        {
            best = (q, kind);
        }
    }
    best.1
}

/// The message of an error that a plugin words itself.
#[derive(Clone, Debug)]
pub enum Message {
    /// What the status says by itself.
    OfStatus,
    /// A text.
    Text(String),
    /// JSON, which goes into JSON as it is.
    Json(String),
}

/// An error that a plugin words itself: `kong.response.error` (custom-plugins.md 3.1). `headers` are the plugin's; a
/// `Content-Type` among them says the format and is sent exactly so, else `Accept` does.
pub fn worded(ctx: &Ctx, status: StatusCode, message: &Message, mut headers: HeaderMap) -> Answer {
    let text = match message {
        Message::OfStatus => &plugin_text(status),
        Message::Text(text) | Message::Json(text) => text,
    };
    if is_grpc(ctx.request.version, &ctx.request.headers) {
        headers.insert(CONTENT_TYPE, BodyType::Grpc.content_type());
        return grpc(status, Some(text), headers);
    }
    let named = text_of(&headers, &CONTENT_TYPE);
    let kind = match named {
        Some(named) => BodyType::from_media_type(named).unwrap_or(BodyType::Json),
        None => body_type(Generator::A, &ctx.request.headers, BodyType::Json),
    };
    if named.is_none() {
        headers.insert(CONTENT_TYPE, kind.content_type());
    }
    let id = ctx.id.as_str();
    let body = match (kind, message) {
        (BodyType::Json, Message::Json(json)) => BodyType::json(json, id),
        _ => kind.body(text, id),
    };
    Answer {
        status,
        headers,
        body: AnswerBody::Typed(body.into()),
    }
}

/// An answer for a gRPC client, which looks for how it went in headers. What the plugin says of these itself stays.
pub fn grpc(status: StatusCode, message: Option<&str>, mut headers: HeaderMap) -> Answer {
    let code = grpc_status(status);
    if !headers.contains_key(GRPC_STATUS) {
        headers.insert(GRPC_STATUS, HeaderValue::from(code));
    }
    let message = message.unwrap_or_else(|| grpc_text(code));
    if !headers.contains_key(GRPC_MESSAGE)
        && let Ok(message) = HeaderValue::from_bytes(message.as_bytes())
    {
        headers.insert(GRPC_MESSAGE, message);
    }
    Answer {
        status: StatusCode::OK,
        headers,
        body: AnswerBody::Exact(Bytes::new()),
    }
}

fn text_of<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a client speaks gRPC, so that it looks for errors in headers: HTTP/1.1 cannot carry it.
pub(crate) fn is_grpc(version: Version, headers: &HeaderMap) -> bool {
    version == Version::HTTP_2
        && text_of(headers, &CONTENT_TYPE).is_some_and(|t| t.starts_with("application/grpc"))
}

fn body_type(generator: Generator, headers: &HeaderMap, default: BodyType) -> BodyType {
    match (text_of(headers, &ACCEPT), generator) {
        (Some(accept), _) => accepted(accept),
        (None, Generator::A) => BodyType::Json,
        (None, Generator::B) => text_of(headers, &CONTENT_TYPE).map_or(default, |t| {
            BodyType::from_media_type(t).unwrap_or(BodyType::Json)
        }),
    }
}

/// The gRPC status an HTTP status stands for.
fn grpc_status(status: StatusCode) -> u16 {
    match status.as_u16() {
        401 => 16,
        403 => 7,
        404 => 5,
        409 => 6,
        429 => 8,
        499 => 1,
        501 => 12,
        503 => 14,
        504 => 4,
        500..600 => 13,
        400..500 => 3,
        200..300 => 0,
        _ => 2,
    }
}

/// How gRPC calls the statuses that stand for HTTP's.
fn grpc_text(code: u16) -> &'static str {
    match code {
        0 => "OK",
        1 => "Canceled",
        3 => "InvalidArgument",
        4 => "DeadlineExceeded",
        5 => "NotFound",
        6 => "AlreadyExists",
        7 => "PermissionDenied",
        8 => "ResourceExhausted",
        12 => "Unimplemented",
        13 => "Internal",
        14 => "Unavailable",
        16 => "Unauthenticated",
        _ => "Unknown",
    }
}

/// The text for a status where no plugin or router gave one.
pub fn status_text(status: StatusCode) -> String {
    let text = match status.as_u16() {
        400 => "Bad request",
        404 => "Not found",
        405 => "Method not allowed",
        408 => "Request timeout",
        411 => "Length required",
        412 => "Precondition failed",
        413 => "Payload too large",
        414 => "URI too long",
        417 => "Expectation failed",
        494 => "Request header or cookie too large",
        500 => "An unexpected error occurred",
        502 => "An invalid response was received from the upstream server",
        503 => "The upstream server is currently unavailable",
        504 => "The upstream server is timing out",
        other => return format!("The upstream server responded with {other}"),
    };
    text.to_owned()
}

/// The same for an answer of a plugin, which knows more statuses.
fn plugin_text(status: StatusCode) -> String {
    let text = match status.as_u16() {
        401 => "Unauthorized",
        402 => "Payment required",
        403 => "Forbidden",
        406 => "Not acceptable",
        407 => "Proxy authentication required",
        409 => "Conflict",
        410 => "Gone",
        415 => "Unsupported media type",
        416 => "Range not satisfiable",
        418 => "I'm a teapot",
        421 => "Misdirected request",
        422 => "Unprocessable entity",
        423 => "Locked",
        424 => "Failed dependency",
        425 => "Too early",
        426 => "Upgrade required",
        428 => "Precondition required",
        429 => "Too many requests",
        431 => "Request header fields too large",
        451 => "Unavailable for legal reasons",
        501 => "Not implemented",
        505 => "HTTP version not supported",
        506 => "Variant also negotiates",
        507 => "Insufficient storage",
        508 => "Loop detected",
        510 => "Not extended",
        511 => "Network authentication required",
        _ => return status_text(status),
    };
    text.to_owned()
}

/// Writes the answer to a halted request into `ctx.response` and gives its body.
pub fn respond(ctx: &mut Ctx, halt: Halt) -> Bytes {
    use Generator::{A, B};
    ctx.response.maker = Maker::Gateway;
    for framing in [CONTENT_LENGTH, TRANSFER_ENCODING, CONTENT_ENCODING, TRAILER] {
        ctx.response.headers.remove(framing);
    }
    ctx.keep_promises();
    let server_error = StatusCode::INTERNAL_SERVER_ERROR;
    match halt {
        Halt::Answer(answer) => answered(ctx, *answer),
        Halt::Refused(refusal) => refused(ctx, refusal),
        Halt::NoRoute => generated(
            ctx,
            A,
            StatusCode::NOT_FOUND,
            "no Route matched with those values",
        ),
        Halt::NoService => generated(
            ctx,
            A,
            StatusCode::SERVICE_UNAVAILABLE,
            "no Service found with those values",
        ),
        Halt::Protocol(status) => generated(ctx, B, status, &status_text(status)),
        Halt::Plugin(error) => {
            tracing::error!(request_id = %ctx.id, "{error}");
            generated(ctx, A, server_error, &status_text(server_error))
        }
        Halt::UnknownPlugin(plugin) => {
            tracing::error!(request_id = %ctx.id, plugin, "this node's software does not know the plugin");
            generated(
                ctx,
                A,
                StatusCode::SERVICE_UNAVAILABLE,
                "plugin unavailable",
            )
        }
        Halt::Upstream(error) => {
            tracing::warn!(request_id = %ctx.id, reason = error.reason(), "{error}");
            let (status, message) = error.answer();
            ctx.response.proxied = error.proxying_began();
            let generator = if ctx.response.proxied { B } else { A };
            generated(ctx, generator, status, &message)
        }
        Halt::Body(error) => {
            tracing::warn!(request_id = %ctx.id, reason = error.reason(), "{error}");
            let (status, message) = error.answer();
            let body = generated(ctx, B, status, message);
            if status == StatusCode::SERVICE_UNAVAILABLE {
                let soon = HeaderValue::from_static("1");
                ctx.response.headers.insert(RETRY_AFTER, soon);
            }
            body
        }
    }
}

fn answered(ctx: &mut Ctx, answer: Answer) -> Bytes {
    ctx.response.maker = Maker::Plugin;
    ctx.response.is_typed = matches!(answer.body, AnswerBody::Typed(_));
    // Over what is there: a plugin may answer when the upstream has, too.
    for name in answer.headers.keys() {
        ctx.response.headers.remove(name);
        for value in answer.headers.get_all(name) {
            add(&mut ctx.response.headers, name, value.clone());
        }
    }
    match answer.body {
        AnswerBody::Exact(body) | AnswerBody::Typed(body) => {
            ctx.response.status = answer.status;
            body
        }
        AnswerBody::Status => by_status(ctx, answer.status),
        AnswerBody::Message(message) => generated(ctx, Generator::A, answer.status, &message),
    }
}

/// What a status says when nobody gave it words.
fn by_status(ctx: &mut Ctx, status: StatusCode) -> Bytes {
    ctx.response.status = status;
    match page(status) {
        Page::Error => generated(ctx, Generator::B, status, &status_text(status)),
        Page::Empty => Bytes::new(),
        Page::Plain(body) => {
            let html = HeaderValue::from_static("text/html");
            ctx.response.headers.insert(CONTENT_TYPE, html);
            ctx.response.is_typed = true;
            Bytes::from(body)
        }
    }
}

/// A refusal of section 4: some have headers of their own, a redirect has no body.
fn refused(ctx: &mut Ctx, refusal: Refusal) -> Bytes {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::UPGRADE_REQUIRED);
    ctx.response.status = status;
    match refusal {
        Refusal::Redirect(_) => {
            if let Some(location) = location(ctx) {
                ctx.response.headers.insert(LOCATION, location);
            }
            return Bytes::new();
        }
        Refusal::GrpcsRequired => {
            let headers = &mut ctx.response.headers;
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
            headers.insert(GRPC_STATUS, HeaderValue::from_static("1"));
            headers.insert(GRPC_MESSAGE, HeaderValue::from_static(refusal.message()));
            return Bytes::new();
        }
        _ => {}
    }
    if let Some(upgrade) = refusal.upgrade() {
        ctx.response
            .headers
            .insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        ctx.response
            .headers
            .insert(UPGRADE, HeaderValue::from_static(upgrade));
    }
    generated(ctx, Generator::A, status, refusal.message())
}

/// `https://<forwarded host><raw target>`; the forwarded host has no port.
fn location(ctx: &Ctx) -> Option<HeaderValue> {
    let told = ctx
        .request
        .headers
        .get("x-forwarded-host")
        .filter(|_| ctx.conn.trusted);
    let host = told.or(ctx.request.host.as_ref())?.to_str().ok()?;
    let name = crate::router::split_host(host, 0).0.to_ascii_lowercase();
    HeaderValue::from_str(&format!("https://{name}{}", ctx.request.target)).ok()
}

fn generated(ctx: &mut Ctx, generator: Generator, status: StatusCode, message: &str) -> Bytes {
    let default = ctx.runtime.settings().error_default_type;
    let kind = if is_grpc(ctx.request.version, &ctx.request.headers) {
        BodyType::Grpc
    } else {
        body_type(generator, &ctx.request.headers, default)
    };
    // 494 is how the reference calls an oversized head; clients see 400.
    ctx.response.status = if status.as_u16() == 494 {
        StatusCode::BAD_REQUEST
    } else {
        status
    };
    ctx.response
        .headers
        .insert(CONTENT_TYPE, kind.content_type());
    if kind == BodyType::Grpc {
        ctx.response
            .headers
            .insert(GRPC_STATUS, HeaderValue::from(grpc_status(status)));
        if let Ok(message) = HeaderValue::from_str(message) {
            ctx.response.headers.insert(GRPC_MESSAGE, message);
        }
    }
    Bytes::from(kind.body(message, ctx.id.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_q_wins_and_the_first_on_ties() {
        let cases = [
            ("text/html;q=0.5, application/xml;q=0.9", BodyType::Xml),
            ("text/html, application/xml", BodyType::Html),
            ("image/png", BodyType::Json),
            ("*/*", BodyType::Json),
            ("text/*", BodyType::Plain),
            ("text/plain;q=0", BodyType::Json),
        ];
        for (accept, expected) in cases {
            assert_eq!(accepted(accept), expected, "{accept}");
        }
    }

    #[test]
    fn a_proxy_error_falls_back_to_the_content_type_and_then_to_the_setting() {
        let mut headers = HeaderMap::new();
        assert_eq!(
            body_type(Generator::A, &headers, BodyType::Plain),
            BodyType::Json
        );
        assert_eq!(
            body_type(Generator::B, &headers, BodyType::Plain),
            BodyType::Plain
        );
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        assert_eq!(
            body_type(Generator::B, &headers, BodyType::Plain),
            BodyType::Json
        );
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/grpc+proto"),
        );
        assert!(is_grpc(Version::HTTP_2, &headers) && !is_grpc(Version::HTTP_11, &headers));
    }

    #[test]
    fn bodies_have_the_documented_bytes() {
        assert_eq!(
            BodyType::Json.body("a \"b\"", "id"),
            "{\n  \"message\":\"a \\\"b\\\"\",\n  \"request_id\":\"id\"\n}"
        );
        assert_eq!(BodyType::Plain.body("m", "id"), "m\nrequest_id: id\n");
        assert!(
            BodyType::Html
                .body("<m>", "id")
                .contains("<p>&lt;m&gt;.</p>")
        );
        assert!(
            BodyType::Xml
                .body("m", "id")
                .starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<error>\n  <message>m")
        );
    }
}
