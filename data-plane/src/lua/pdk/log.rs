//! `kong.log` (custom-plugins.md 3.1), `ngx.log` and `print`: a line names the place in the code and the plugin.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use lua::Raise;
use lua::mlua::{self, Lua, MultiValue, Table, Value};
use lua::pdk::Host;
use tracing::Level;

use super::inspect;
use super::values::kind;
use crate::lua::call;
use crate::telemetry::logs;

/// Lines of one plugin in a second (6.3).
const MOST: u32 = 100;
/// The longest line, in bytes, as in OpenResty.
const LONGEST: usize = 4096;
/// How deep `__tostring` may log values that have a `__tostring`: each takes room on the thread's stack.
const DEEPEST: u32 = 32;

/// How grave a line is, in the order of `ngx.log`'s numbers, which begin with 0.
const SEVERITIES: [(&str, Level); 9] = [
    ("emerg", Level::ERROR), // ngx.STDERR
    ("emerg", Level::ERROR),
    ("alert", Level::ERROR),
    ("crit", Level::ERROR),
    ("err", Level::ERROR),
    ("warn", Level::WARN),
    ("notice", Level::INFO),
    ("info", Level::INFO),
    ("debug", Level::DEBUG),
];

/// A place in [`SEVERITIES`].
type Severity = usize;
const WARN: Severity = 5;
const NOTICE: Severity = 6;
const INFO: Severity = 7;
const DEBUG: Severity = 8;

pub(super) fn bind(host: &mut Host<'_>) -> mlua::Result<()> {
    for (name, severity) in [
        ("kong.log()", NOTICE),
        ("kong.log.emerg", 1),
        ("kong.log.alert", 2),
        ("kong.log.crit", 3),
        ("kong.log.err", 4),
        ("kong.log.warn", WARN),
        ("kong.log.notice", NOTICE),
        ("kong.log.info", INFO),
        ("kong.log.debug", DEBUG),
    ] {
        host.function(name, move |lua: &Lua, values: MultiValue| {
            if wanted(severity) {
                let text = joined(lua, &values, false)?;
                write(severity, place(lua).as_deref(), &text);
            }
            Ok(())
        })?;
    }
    host.function("kong.log.deprecation", |lua: &Lua, values: MultiValue| {
        deprecation(lua, values)
    })?;
    inspecting(host)?;
    host.function("ngx.log", |lua: &Lua, mut values: MultiValue| {
        let severity = match values.pop_front() {
            Some(Value::Integer(number)) => number,
            Some(Value::Number(number)) => number as i64,
            other => {
                let got = other.as_ref().map_or("no value", kind);
                return Err(
                    format!("bad argument #1 to 'log' (number expected, got {got})").into(),
                );
            }
        };
        let severity = match usize::try_from(severity) {
            Ok(severity) if severity < SEVERITIES.len() => severity,
            _ => return Err(format!("bad log level: {severity}").into()),
        };
        if wanted(severity) {
            let text = joined(lua, &values, true)?;
            write(severity, place(lua).as_deref(), &text);
        }
        Ok(())
    })
}

/// What `print` does in plugins.
pub(in crate::lua) fn print(lua: &Lua, text: &str) {
    if wanted(NOTICE) {
        write(NOTICE, place(lua).as_deref(), text);
    }
}

/// A warning of the PDK's own about what the running plugin does.
pub(in crate::lua) fn warn(text: &str) {
    write(WARN, None, text);
}

/// An error of the PDK's own about what the running plugin does.
pub(in crate::lua) fn error(text: &str) {
    write(4, None, text);
}

/// Whether such a line goes anywhere.
fn wanted(severity: Severity) -> bool {
    match SEVERITIES[severity].1 {
        Level::ERROR => tracing::enabled!(target: "lua", Level::ERROR),
        Level::WARN => tracing::enabled!(target: "lua", Level::WARN),
        Level::INFO => {
            let silent = severity == INFO && !logs::shows_info();
            !silent && tracing::enabled!(target: "lua", Level::INFO)
        }
        _ => tracing::enabled!(target: "lua", Level::DEBUG),
    }
}

/// The values as texts, one behind the other. `strict` refuses tables that do not say how they are written, as `ngx.log`
/// does.
fn joined(lua: &Lua, values: &MultiValue, strict: bool) -> Result<String, Raise> {
    let mut text = String::new();
    for (at, value) in values.iter().enumerate() {
        if strict
            && let Value::Table(table) = value
            && !says_text(table)
        {
            let at = at + 2;
            return Err(format!(
                "bad argument #{at} to 'log' (expected table to have __tostring metamethod)"
            )
            .into());
        }
        push(lua, &mut text, value)?;
    }
    Ok(text)
}

fn says_text(table: &Table) -> bool {
    let found = table.metatable().map(|meta| meta.raw_get("__tostring"));
    matches!(found, Some(Ok(Value::Function(_))))
}

/// As `tostring` says it.
fn push(lua: &Lua, out: &mut String, value: &Value) -> Result<(), Raise> {
    thread_local!(static DEPTH: Cell<u32> = const { Cell::new(0) });
    struct Up;
    impl Drop for Up {
        fn drop(&mut self) {
            DEPTH.set(DEPTH.get() - 1);
        }
    }
    match value {
        Value::String(text) => out.push_str(&text.to_string_lossy()),
        Value::Integer(_) | Value::Number(_) => {
            if let Some(text) = lua.coerce_string(value.clone())? {
                out.push_str(&text.to_string_lossy());
            }
        }
        value if value.is_null() => out.push_str("null"),
        other => {
            if DEPTH.get() >= DEEPEST {
                return Err("C stack overflow".into());
            }
            DEPTH.set(DEPTH.get() + 1);
            let _up = Up;
            out.push_str(&other.to_string()?);
        }
    }
    Ok(())
}

/// File and line of the plugin's code that called.
fn place(lua: &Lua) -> Option<String> {
    // Between the plugin and here lie what raises errors and what makes a table callable.
    const OURS: [&str; 4] = ["[C]", "engine", "pdk", "sandbox"];
    (0..8).find_map(|level| {
        lua.inspect_stack(level, |frame| {
            let source = frame.source();
            let file = source.short_src.as_deref()?;
            let line = frame.current_line()?;
            (!OURS.contains(&file)).then(|| format!("{file}:{line}"))
        })?
    })
}

/// Writes a line, unless the plugin has written too many.
fn write(severity: Severity, place: Option<&str>, text: &str) {
    let (plugin, id) = call::with(|call| {
        let id = call.request().ok().map(|ctx| ctx.id);
        Ok((Some(call.plugin.name.clone()), id))
    })
    .unwrap_or((None, None));
    if !admitted(plugin.as_ref()) {
        return;
    }
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut line = String::with_capacity(end + 64);
    if let Some(place) = place {
        line.push_str(place);
        line.push(' ');
    }
    if let Some(plugin) = plugin {
        line.push('[');
        line.push_str(&plugin);
        line.push_str("] ");
    }
    line.push_str(&text[..end]);
    let (severity, level) = SEVERITIES[severity];
    let request_id = id.as_ref().map(tracing::field::display);
    match level {
        Level::ERROR => tracing::error!(target: "lua", severity, request_id, "{line}"),
        Level::WARN => tracing::warn!(target: "lua", severity, request_id, "{line}"),
        Level::INFO => tracing::info!(target: "lua", severity, request_id, "{line}"),
        _ => tracing::debug!(target: "lua", severity, request_id, "{line}"),
    }
}

/// The lines of one plugin in the second that runs.
struct Rate {
    since: Instant,
    lines: u32,
    suppressed: u64,
}

thread_local! {
    static RATES: RefCell<HashMap<Arc<str>, Rate, RandomState>> = RefCell::default();
    /// Plugins that have switched `kong.log.inspect` off.
    static SILENT: RefCell<HashSet<Arc<str>, RandomState>> = RefCell::default();
}

/// Counts a line of a plugin; whether it may be written. How many were not is told with the next that may.
fn admitted(plugin: Option<&Arc<str>>) -> bool {
    let name = plugin.cloned().unwrap_or_default();
    RATES.with_borrow_mut(|rates| {
        let now = Instant::now();
        let rate = rates.entry(name).or_insert(Rate {
            since: now,
            lines: 0,
            suppressed: 0,
        });
        if now.duration_since(rate.since) >= Duration::from_secs(1) {
            if rate.suppressed > 0 {
                let (suppressed, plugin) = (rate.suppressed, plugin.map(AsRef::as_ref));
                tracing::warn!(target: "lua", plugin, suppressed, "log lines of a plugin were suppressed");
            }
            *rate = Rate {
                since: now,
                lines: 0,
                suppressed: 0,
            };
        }
        rate.lines = rate.lines.saturating_add(1);
        let admitted = rate.lines <= MOST;
        if !admitted {
            if rate.suppressed == 0 {
                let plugin = plugin.map(AsRef::as_ref);
                tracing::warn!(target: "lua", plugin, most = MOST, "more log lines within a second than a plugin may write: the others are suppressed");
            }
            rate.suppressed += 1;
        }
        admitted
    })
}

fn deprecation(lua: &Lua, mut values: MultiValue) -> Result<(), Raise> {
    if !wanted(WARN) {
        return Ok(());
    }
    let terms = match values.back() {
        Some(Value::Table(table)) => Some(table.clone()),
        _ => None,
    };
    if terms.is_some() {
        values.pop_back();
    }
    let mut text = joined(lua, &values, false)?;
    if let Some(terms) = terms {
        let term = |name: &str| -> Result<Option<String>, Raise> {
            let value: Value = terms.raw_get(name)?;
            let text = lua.coerce_string(value)?;
            Ok(text.map(|text| text.to_string_lossy()))
        };
        match (term("after")?, term("removal")?) {
            (Some(after), Some(removal)) => text.push_str(&format!(
                " (deprecated after {after}, scheduled for removal in {removal})"
            )),
            (Some(after), None) => text.push_str(&format!(" (deprecated after {after})")),
            (None, Some(removal)) => {
                text.push_str(&format!(" (scheduled for removal in {removal})"));
            }
            (None, None) => {}
        }
    }
    write(WARN, place(lua).as_deref(), &text);
    Ok(())
}

fn inspecting(host: &mut Host<'_>) -> mlua::Result<()> {
    let name = || call::with(|call| Ok(call.plugin.name.clone())).unwrap_or_default();
    host.function(
        "kong.log.inspect()",
        move |lua: &Lua, values: MultiValue| {
            if !wanted(DEBUG) || SILENT.with_borrow(|silent| silent.contains(&name())) {
                return Ok(());
            }
            let shown: Vec<String> = values.iter().map(inspect::shown).collect();
            write(DEBUG, place(lua).as_deref(), &shown.join(" "));
            Ok(())
        },
    )?;
    host.function("kong.log.inspect.on", move |_, ()| {
        SILENT.with_borrow_mut(|silent| silent.remove(&name()));
        Ok(())
    })?;
    host.function("kong.log.inspect.off", move |_, ()| {
        SILENT.with_borrow_mut(|silent| silent.insert(name()));
        Ok(())
    })
}
