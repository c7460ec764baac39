//! `kong.log`.

use std::io;
use std::sync::{Arc, Mutex};

use lua::pdk::Phase;

use crate::lua::tests::{Scene, check, said};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn ngx_log_takes_no_tables_that_do_not_say_how_they_are_written() {
    let subscriber = tracing_subscriber::fmt().with_writer(io::sink).finish();
    tracing::subscriber::with_default(subscriber, || {
        let expected =
            "error: bad argument #3 to 'log' (expected table to have __tostring metamethod)";
        check(
            &Scene::default(),
            &[(Phase::Log, "ngx.log(ngx.EMERG, 'a', {})", expected)],
        );
    });
}

/// What a snippet logs where this level is shown: level, text.
pub(super) fn logged(level: tracing::Level, source: &str) -> Vec<String> {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(move || writer.clone())
        .without_time()
        .with_ansi(false)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let mut ctx = Scene::default().ctx();
        let said = said(Some(&mut ctx), Phase::Access, source);
        assert_eq!(said, "", "{source}");
    });
    let lines = lines.0.lock().expect("no panic");
    String::from_utf8_lossy(&lines)
        .lines()
        .map(|line| {
            line.split(" severity=")
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned()
        })
        .collect()
}

#[test]
fn a_line_names_place_and_plugin() {
    use tracing::Level;
    for (source, expected) in [
        (
            "kong.log('a', 1, nil, true, 1.5)",
            "INFO lua: test.lua:1 [test] a1niltrue1.5",
        ),
        ("\nkong.log.notice('a')", "INFO lua: test.lua:2 [test] a"),
        ("kong.log.emerg('a')", "ERROR lua: test.lua:1 [test] a"),
        ("kong.log.alert('a')", "ERROR lua: test.lua:1 [test] a"),
        ("kong.log.crit('a')", "ERROR lua: test.lua:1 [test] a"),
        ("kong.log.err('a')", "ERROR lua: test.lua:1 [test] a"),
        ("kong.log.warn('a')", "WARN lua: test.lua:1 [test] a"),
        ("kong.log.info('a')", "INFO lua: test.lua:1 [test] a"),
        ("kong.log.debug('a')", "DEBUG lua: test.lua:1 [test] a"),
        (
            "kong.log(setmetatable({}, { __tostring = function() return 'mine' end }))",
            "INFO lua: test.lua:1 [test] mine",
        ),
        (
            "local function deeper() kong.log('a') end deeper()",
            "INFO lua: test.lua:1 [test] a",
        ),
        ("print('a', 1)", "INFO lua: test.lua:1 [test] a\t1"),
        (
            "ngx.log(ngx.ERR, 'a', nil, ngx.null)",
            "ERROR lua: test.lua:1 [test] anilnull",
        ),
        (
            "kong.log.deprecation('a', 'b')",
            "WARN lua: test.lua:1 [test] ab",
        ),
        (
            "kong.log.deprecation('a', { after = '2.0', removal = '3.0' })",
            "WARN lua: test.lua:1 [test] a (deprecated after 2.0, scheduled for removal in 3.0)",
        ),
        (
            "kong.log.deprecation('a', { after = '2.0' })",
            "WARN lua: test.lua:1 [test] a (deprecated after 2.0)",
        ),
        (
            "kong.log.deprecation('a', { removal = '3.0' })",
            "WARN lua: test.lua:1 [test] a (scheduled for removal in 3.0)",
        ),
        (
            "kong.log.inspect({ 1, 'x' }, 'y', nil)",
            "DEBUG lua: test.lua:1 [test] { 1, \"x\" } \"y\" nil",
        ),
    ] {
        assert_eq!(logged(Level::DEBUG, source), [expected], "{source}");
    }
    let off =
        "kong.log.inspect.off() kong.log.inspect('a') kong.log.inspect.on() kong.log.inspect('b')";
    assert_eq!(
        logged(Level::DEBUG, off),
        ["DEBUG lua: test.lua:1 [test] \"b\""]
    );
}

#[test]
fn what_is_filtered_is_not_formatted() {
    let never = "local never = setmetatable({}, { __tostring = function() error('asked') end })
        kong.log.debug(never) kong.log.info(never) kong.log.inspect(never) ngx.log(ngx.DEBUG, never)
        kong.log.warn('seen')";
    assert_eq!(
        logged(tracing::Level::WARN, never),
        ["WARN lua: test.lua:3 [test] seen"]
    );
}

#[test]
fn a_plugin_writes_so_many_lines_a_second() {
    let lines = logged(
        tracing::Level::INFO,
        "for i = 1, 150 do kong.log(i) end print('x') ngx.log(ngx.ERR, 'x')",
    );
    assert_eq!(lines.len(), 101, "{lines:?}");
    assert_eq!(lines[99], "INFO lua: test.lua:1 [test] 100");
    assert!(
        lines[100].contains("the others are suppressed"),
        "{}",
        lines[100]
    );
}

#[test]
fn wrong_arguments_are_told() {
    check(
        &Scene::default(),
        &[
            (
                Phase::Access,
                "ngx.log()",
                "error: bad argument #1 to 'log' (number expected, got no value)",
            ),
            (
                Phase::Access,
                "ngx.log('x')",
                "error: bad argument #1 to 'log' (number expected, got string)",
            ),
            (Phase::Access, "ngx.log(9, 'x')", "error: bad log level: 9"),
        ],
    );
}

#[test]
fn values_that_log_themselves_come_to_an_end() {
    let source =
        "local t = setmetatable({}, { __tostring = function(t) kong.log.err(t) return 'x' end })
        return pcall(kong.log.err, t)";
    let mut ctx = Scene::default().ctx();
    let subscriber = tracing_subscriber::fmt().with_writer(io::sink).finish();
    let said = tracing::subscriber::with_default(subscriber, || {
        said(Some(&mut ctx), Phase::Access, source)
    });
    assert!(
        said.starts_with("false, '") && said.contains("C stack overflow"),
        "{said}"
    );
}
