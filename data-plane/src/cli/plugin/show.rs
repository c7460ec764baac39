//! How a person reads a report: a paragraph for each call, with what it changed.

use std::fmt::Write;

use super::paint::Paint;
use super::report::{Report, Run, ms};
use super::upstream::Got;
use crate::lua::trace::{Answering, Asking, End, Line, Traced};
use crate::proxy::ctx::Promise;

/// Where times stand.
const COLUMN: usize = 16;
/// The most of a body that is shown.
const LONGEST: usize = 4096;

/// The report as text.
pub(super) fn text(report: &Report, paint: Paint) -> String {
    let mut out = String::new();
    let _ = heading(&mut out, report, paint); // writing to a text cannot fail
    if let Some(run) = &report.run {
        let _ = happened(&mut out, report, run, paint);
    }
    out
}

fn heading(out: &mut String, report: &Report, paint: Paint) -> std::fmt::Result {
    let name = paint.title(&report.name);
    let Some(plugin) = &report.plugin else {
        writeln!(out, "{name} {}", paint.wrong("does not load"))?;
        for problem in &report.problems {
            let place = paint.title(&problem.place);
            writeln!(out, "{place}: {}", problem.message)?;
        }
        return Ok(());
    };
    let phases = plugin.phases.join(", ");
    let (version, priority) = (&plugin.version, plugin.priority);
    writeln!(out, "{name} {version}, priority {priority}: {phases}")?;
    writeln!(out, "{}", report.asked)
}

fn happened(out: &mut String, report: &Report, run: &Run, paint: Paint) -> std::fmt::Result {
    let mut upstream = run.upstream.as_ref();
    for traced in &run.calls {
        if let Some(got) = upstream.take_if(|got| got.at < traced.begun) {
            asked_upstream(out, got, paint)?;
        }
        call(out, traced, paint)?;
    }
    if let Some(got) = upstream {
        asked_upstream(out, got, paint)?;
    }
    for line in &run.others {
        writeln!(out, "\n{}", paint.title("node"))?;
        log(out, line, paint)?;
    }
    let idle = report.idle();
    if !idle.is_empty() {
        let idle = idle.join(", ");
        writeln!(out, "\n{}", paint.aside(&format!("not called: {idle}")))?;
    }
    answer(out, run, paint)
}

fn call(out: &mut String, traced: &Traced, paint: Paint) -> std::fmt::Result {
    let times = format!("{:.2} ms, cpu {:.2} ms", ms(traced.wall), ms(traced.cpu));
    let title = paint.title(&format!("{:COLUMN$}", traced.phase));
    writeln!(out, "\n{title}{}", paint.aside(&times))?;
    for line in &traced.lines {
        log(out, line, paint)?;
    }
    let mut seen = false;
    if let Some((before, after)) = &traced.request {
        seen |= request(out, before, after, paint)?;
    }
    seen |= promised(out, &traced.promised, paint)?;
    if let Some((before, after)) = &traced.response {
        seen |= response(out, before, after, paint)?;
    }
    if let Some(piece) = &traced.piece {
        let last = if piece.last { ", the last" } else { "" };
        let (before, after) = (piece.before, piece.after);
        let bytes = format!("piece: {before} -> {after} bytes{last}");
        match before == after {
            true => writeln!(out, "  {bytes}")?,
            false => writeln!(out, "  {}", paint.changed(&bytes))?,
        }
        seen = true;
    }
    end(out, &traced.end, seen || !traced.lines.is_empty(), paint)
}

fn end(out: &mut String, end: &End, seen: bool, paint: Paint) -> std::fmt::Result {
    match end {
        End::Returned if seen => Ok(()),
        End::Returned => writeln!(out, "  {}", paint.aside("nothing changed")),
        End::Quietly => writeln!(out, "  {}", paint.changed("ends the phase")),
        End::Failed(error) => {
            let mut lines = error.lines();
            let first = lines.next().unwrap_or_default();
            writeln!(out, "  {} {first}", paint.wrong("failed"))?;
            lines.try_for_each(|line| writeln!(out, "    {line}"))
        }
        End::Answered {
            status,
            headers,
            body,
        } => {
            let answered = format!("answers {status}");
            writeln!(out, "  {}", paint.changed(&answered))?;
            for (name, value) in headers {
                writeln!(out, "    {name}: {value}")?;
            }
            shown(body)
                .lines()
                .try_for_each(|line| writeln!(out, "    {line}"))
        }
    }
}

fn log(out: &mut String, line: &Line, paint: Paint) -> std::fmt::Result {
    let level = format!("{:7}", line.level);
    let level = match line.level.as_str() {
        "err" | "crit" | "alert" | "emerg" => paint.wrong(&level),
        "warn" => paint.changed(&level),
        _ => paint.aside(&level),
    };
    let mut lines = line.text.lines();
    writeln!(out, "  {level} {}", lines.next().unwrap_or_default())?;
    lines.try_for_each(|line| writeln!(out, "          {line}"))
}

/// What was changed of the request; whether anything was.
fn request(
    out: &mut String,
    before: &Asking,
    after: &Asking,
    paint: Paint,
) -> Result<bool, std::fmt::Error> {
    let mut lines = Vec::new();
    value(&mut lines, "method", &before.method, &after.method, paint);
    value(&mut lines, "path", &before.target, &after.target, paint);
    headers(&mut lines, &before.headers, &after.headers, paint);
    let bytes = |body: Option<usize>| match body {
        Some(bytes) => format!("{bytes} bytes"),
        None => "as it streams".to_owned(),
    };
    // A body that was read is the same body.
    if after.body.is_some() && before.body.is_some() {
        value(
            &mut lines,
            "body",
            &bytes(before.body),
            &bytes(after.body),
            paint,
        );
    }
    block(out, "request", &lines)
}

fn response(
    out: &mut String,
    before: &Answering,
    after: &Answering,
    paint: Paint,
) -> Result<bool, std::fmt::Error> {
    let mut lines = Vec::new();
    let (old, new) = (before.status.to_string(), after.status.to_string());
    value(&mut lines, "status", &old, &new, paint);
    headers(&mut lines, &before.headers, &after.headers, paint);
    block(out, "response", &lines)
}

fn promised(out: &mut String, promised: &[Promise], paint: Paint) -> Result<bool, std::fmt::Error> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut lines = Vec::new();
    for promise in promised {
        match promise {
            Promise::Set(name, values) => {
                let line = |value| paint.changed(&format!("~ {name}: {}", text(value)));
                lines.extend(values.iter().map(line));
            }
            Promise::Add(name, value) => {
                lines.push(paint.more(&format!("+ {name}: {}", text(value))));
            }
            Promise::Clear(name) => lines.push(paint.less(&format!("- {name}"))),
        }
    }
    block(out, "response, whichever it will be", &lines)
}

fn block(out: &mut String, title: &str, lines: &[String]) -> Result<bool, std::fmt::Error> {
    if lines.is_empty() {
        return Ok(false);
    }
    writeln!(out, "  {title}")?;
    for line in lines {
        writeln!(out, "    {line}")?;
    }
    Ok(true)
}

fn value(lines: &mut Vec<String>, name: &str, before: &str, after: &str, paint: Paint) {
    if before != after {
        lines.push(paint.changed(&format!("~ {name}: {before} -> {after}")));
    }
}

/// `+` for a name that was not there, `-` for one that is gone, `~` for one with other values.
fn headers(
    lines: &mut Vec<String>,
    before: &[(String, String)],
    after: &[(String, String)],
    paint: Paint,
) {
    let values = |headers: &[(String, String)], name: &str| -> Vec<String> {
        let same = headers.iter().filter(|(other, _)| other == name);
        same.map(|(_, value)| value.clone()).collect()
    };
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in before.iter().chain(after) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    for name in names {
        let (old, new) = (values(before, name), values(after, name));
        match (old.as_slice(), new.as_slice()) {
            (old, new) if old == new => {}
            ([], new) => {
                let line = |value: &String| paint.more(&format!("+ {name}: {value}"));
                lines.extend(new.iter().map(line));
            }
            (_, []) => lines.push(paint.less(&format!("- {name}"))),
            (old, new) => {
                let (old, new) = (old.join(", "), new.join(", "));
                lines.push(paint.changed(&format!("~ {name}: {old} -> {new}")));
            }
        }
    }
}

fn asked_upstream(out: &mut String, got: &Got, paint: Paint) -> std::fmt::Result {
    let title = paint.title(&format!("{:COLUMN$}", "upstream"));
    writeln!(out, "\n{title}{} {}", got.method, got.target)
}

fn answer(out: &mut String, run: &Run, paint: Paint) -> std::fmt::Result {
    let reply = match &run.reply {
        Ok(reply) => reply,
        Err(error) => {
            let said = paint.wrong("the client got no answer");
            return writeln!(out, "\n{said}: {error}");
        }
    };
    let status = http::StatusCode::from_u16(reply.status).unwrap_or_default();
    let reason = status.canonical_reason().unwrap_or_default();
    let line = format!("{} {reason}", reply.status);
    let line = paint.title(line.trim_end());
    let title = paint.title(&format!("{:COLUMN$}", "answer"));
    writeln!(out, "\n{title}{line}")?;
    for (name, value) in &reply.headers {
        writeln!(out, "  {name}: {value}")?;
    }
    if !reply.body.is_empty() {
        writeln!(out)?;
        let body = shown(&reply.body);
        body.lines()
            .try_for_each(|line| writeln!(out, "  {line}"))?;
    }
    match &reply.broken {
        Some(error) => writeln!(out, "  {} {error}", paint.wrong("the body broke off:")),
        None => Ok(()),
    }
}

/// A body as text, and how much of it is not shown.
fn shown(body: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(body) else {
        return format!("({} bytes that are no text)", body.len());
    };
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    let mut end = LONGEST;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let rest = text.len() - end;
    format!("{}\n(and {rest} bytes more)", &text[..end])
}
