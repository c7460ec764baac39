//! What is logged meanwhile: lines of the plugin go to the call that wrote them, warnings of the node are kept.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

use crate::lua::trace::{self, Line};

/// Where plugins log to.
const PLUGINS: &str = "lua";

/// Lines that belong to no call.
#[derive(Clone, Default)]
pub(super) struct Others(Arc<Mutex<Vec<Line>>>);

impl Others {
    /// Listens from now on, in the whole process.
    pub(super) fn listen() -> Self {
        let others = Self::default();
        let listening = Registry::default()
            .with(EnvFilter::new(format!("warn,{PLUGINS}=trace")))
            .with(others.clone());
        // Somebody listens already: only where this is no process of its own.
        let _ = listening.try_init();
        others
    }

    pub(super) fn take(&self) -> Vec<Line> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber> Layer<S> for Others {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let level = match *event.metadata().level() {
            Level::ERROR => "err",
            Level::WARN => "warn",
            Level::INFO => "notice",
            Level::DEBUG | Level::TRACE => "debug",
        };
        let mut line = Line {
            level: said.severity.unwrap_or_else(|| level.to_owned()),
            text: said.message + &said.fields,
        };
        if event.metadata().target() == PLUGINS {
            match trace::note(line) {
                Some(unheard) => line = unheard,
                None => return,
            }
        }
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line);
    }
}

/// The parts of a line.
#[derive(Default)]
struct Said {
    message: String,
    severity: Option<String>,
    fields: String,
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "severity" => self.severity = Some(value.to_owned()),
            _ => self.record_debug(field, &format_args!("{value}")),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a text cannot fail. A request id tells nothing where there is one request.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            "request_id" => Ok(()),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
