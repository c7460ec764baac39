//! What each call of a plugin's code did, for `headgate-dp plugin test`. Nothing is noted unless that command switches it
//! on: a call then costs the look at one flag.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use lua::pdk::Phase;
use rustix::time::{ClockId, clock_gettime};

use super::call::{Call, Halted, Outcome};
use crate::plugins::AnswerBody;
use crate::proxy::body::RequestBody;
use crate::proxy::ctx::{Ctx, Promise};

static ON: AtomicBool = AtomicBool::new(false);
static NOTED: Mutex<Vec<Traced>> = Mutex::new(Vec::new());

thread_local! {
    /// Where the lines of the code that runs on this thread go.
    static LINES: RefCell<Option<Vec<Line>>> = const { RefCell::new(None) };
}

/// One call that has ended.
#[derive(Clone, Debug)]
pub struct Traced {
    /// The plugin's name.
    pub plugin: String,
    /// The phase, as Kong calls it.
    pub phase: &'static str,
    /// When it began.
    pub begun: Instant,
    /// How long it took, waiting included.
    pub wall: Duration,
    /// What it used of the processor.
    pub cpu: Duration,
    /// The request before and after; none in calls without one.
    pub request: Option<(Asking, Asking)>,
    /// The head of the answer before and after, where there is one.
    pub response: Option<(Answering, Answering)>,
    /// What it wants of the head of an answer that is still to come.
    pub promised: Vec<Promise>,
    /// The piece of a body filter.
    pub piece: Option<Piece>,
    /// What it logged.
    pub lines: Vec<Line>,
    /// How it ended.
    pub end: End,
}

/// What goes to the upstream, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The headers, `host` among them.
    pub headers: Vec<(String, String)>,
    /// How long the body is, if all of it is here.
    pub body: Option<usize>,
}

/// What goes to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answering {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: Vec<(String, String)>,
}

/// A piece of a body on its way to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its bytes before.
    pub before: usize,
    /// And after; none if nothing was left of it.
    pub after: usize,
    /// Whether it is the last.
    pub last: bool,
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How grave it is.
    pub level: String,
    /// What it says.
    pub text: String,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It returned.
    Returned,
    /// It ended its phase without an answer.
    Quietly,
    /// It answered the client.
    Answered {
        /// The status.
        status: u16,
        /// The headers that it gave.
        headers: Vec<(String, String)>,
        /// The body or the message that it gave.
        body: Vec<u8>,
    },
    /// It failed.
    Failed(String),
}

/// A call that runs.
pub(super) struct Watch {
    traced: Option<Box<Traced>>,
    promised: usize,
}

/// From now on calls are noted, in the whole process.
pub fn switch_on() {
    ON.store(true, Ordering::Relaxed);
}

/// What was noted since the last time, in the order in which the calls began.
pub fn take() -> Vec<Traced> {
    let mut noted = std::mem::take(&mut *NOTED.lock().unwrap_or_else(PoisonError::into_inner));
    noted.sort_by_key(|traced| traced.begun);
    noted
}

/// Notes a line of the code that runs on this thread; gives it back if none runs.
pub fn note(line: Line) -> Option<Line> {
    LINES.with_borrow_mut(|lines| match lines {
        Some(lines) => {
            lines.push(line);
            None
        }
        None => Some(line),
    })
}

/// A call begins; nothing if nobody wants to know.
pub(super) fn begin(call: &mut Call<'_>) -> Option<Watch> {
    if !ON.load(Ordering::Relaxed) {
        return None;
    }
    let phase = call.phase;
    let piece = call.chunk.as_ref().map(|chunk| Piece {
        before: chunk.data.as_ref().map_or(0, bytes::Bytes::len),
        after: 0,
        last: chunk.last,
    });
    let plugin = call.plugin.name.to_string();
    let ctx = call.request().ok();
    let promised = ctx.as_ref().map_or(0, |ctx| ctx.promised.len());
    let request = ctx.as_ref().map(|ctx| twice(asking(ctx)));
    let response = ctx.and_then(|ctx| answering(phase, ctx)).map(twice);
    Some(Watch {
        traced: Some(Box::new(Traced {
            plugin,
            phase: phase.name(),
            begun: Instant::now(),
            wall: Duration::ZERO,
            cpu: Duration::ZERO,
            request,
            response,
            promised: Vec::new(),
            piece,
            lines: Vec::new(),
            end: End::Failed(
                "it has not ended: it waits where it may not, or nobody waits for it".to_owned(),
            ),
        })),
        promised,
    })
}

/// Runs a part of a call.
pub(super) fn during<T>(watch: &mut Option<Watch>, run: impl FnOnce() -> T) -> T {
    let Some(traced) = watch.as_mut().and_then(|watch| watch.traced.as_mut()) else {
        return run();
    };
    let lines = std::mem::take(&mut traced.lines);
    let outer = LINES.replace(Some(lines));
    let before = used();
    let result = run();
    traced.cpu += used().saturating_sub(before);
    traced.lines = LINES.replace(outer).unwrap_or_default();
    result
}

/// A call has ended.
pub(super) fn end(watch: Option<Watch>, call: &mut Call<'_>, outcome: &Outcome) {
    let Some(mut watch) = watch else {
        return;
    };
    let promised = watch.promised;
    let Some(traced) = watch.traced.as_mut() else {
        return;
    };
    if let (Some(piece), Some(chunk)) = (&mut traced.piece, &call.chunk) {
        piece.after = chunk.data.as_ref().map_or(0, bytes::Bytes::len);
    }
    traced.end = end_of(outcome);
    let phase = call.phase;
    let Ok(ctx) = call.request() else {
        return;
    };
    if let Some((_, after)) = &mut traced.request {
        *after = asking(ctx);
    }
    if let (Some((_, after)), Some(now)) = (&mut traced.response, answering(phase, ctx)) {
        *after = now;
    }
    traced.promised = ctx.promised.get(promised..).unwrap_or_default().to_vec();
}

/// Whoever drops a watch has it noted: also a call that nobody goes on with.
impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(mut traced) = self.traced.take() {
            traced.wall = traced.begun.elapsed();
            let mut noted = NOTED.lock().unwrap_or_else(PoisonError::into_inner);
            noted.push(*traced);
        }
    }
}

fn end_of(outcome: &Outcome) -> End {
    match outcome {
        Outcome::Returned(_) => End::Returned,
        Outcome::Halted(Halted::Quietly) => End::Quietly,
        Outcome::Halted(Halted::Answer(answer)) => End::Answered {
            status: answer.status.as_u16(),
            headers: pairs(&answer.headers),
            body: match &answer.body {
                AnswerBody::Message(text) => text.as_bytes().to_vec(),
                AnswerBody::Exact(bytes) => bytes.to_vec(),
                _ => Vec::new(),
            },
        },
        failed => End::Failed(failed.failure().unwrap_or_default()),
    }
}

fn twice<T: Clone>(value: T) -> (T, T) {
    (value.clone(), value)
}

fn asking(ctx: &Ctx) -> Asking {
    let path = match ctx.upstream.path.as_str() {
        "" => ctx.request.raw_path(), // no route was looked for yet
        path => path,
    };
    let query = ctx.upstream_query().map(|query| format!("?{query}"));
    let host = ctx.upstream.host.as_ref().or(ctx.request.host.as_ref());
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let host = host.map(|host| ("host".to_owned(), text(host)));
    Asking {
        method: ctx.upstream_method().to_string(),
        target: format!("{path}{}", query.unwrap_or_default()),
        headers: host
            .into_iter()
            .chain(pairs(&ctx.request.headers))
            .collect(),
        body: match &ctx.request.body {
            RequestBody::Full(bytes) => Some(bytes.len()),
            RequestBody::Empty => Some(0),
            RequestBody::Stream { .. } | RequestBody::Sent => None,
        },
    }
}

fn answering(phase: Phase, ctx: &Ctx) -> Option<Answering> {
    let answered = matches!(
        phase,
        Phase::Response | Phase::HeaderFilter | Phase::BodyFilter | Phase::Log
    );
    answered.then(|| Answering {
        status: ctx.response.status.as_u16(),
        headers: pairs(&ctx.response.headers),
    })
}

/// Headers as texts, in their order.
pub fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.to_string(), value)
    };
    headers.iter().map(pair).collect()
}

/// What this thread has used of the processor.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanos)
}
