//! `resty.http` as a plugin sees it: Lua on one side, services on the other.

use std::time::Instant;

use ::lua::mlua::{Function, Value};
use ::lua::pdk::Phase;
use uuid::Uuid;

use super::server::{Do, Service, ok, say};
use super::*;
use crate::lua::call::{Call, Identity, Limits, Outcome};
use crate::lua::worker;

/// Runs Lua as a handler of a plugin, and tells what it returns, as text; an error begins with `!`.
pub(in crate::lua) async fn run(phase: Phase, trusted: bool, source: &str) -> String {
    let state = worker::state().expect("a state");
    let own = state.own_modules(None, "mine").expect("memory");
    let environment = state.plugin_environment(trusted, own).expect("memory");
    let chunk = state
        .lua()
        .load(source)
        .set_name("=mine")
        .set_environment(environment);
    let function: Function = chunk.into_function().expect("it compiles");
    let identity = Identity::new(
        Arc::from("mine"),
        Arc::from("mine@1.0.0"),
        trusted,
        Uuid::nil(),
    );
    let mut call = Call::new(phase, Rc::new(identity), None);
    let limits = Limits {
        cpu: Duration::from_secs(5),
        wall: Duration::from_secs(30),
    };
    let outcome = match phase.waits() {
        true => call.run(&state, function, (), limits).await,
        false => call.run_now(&state, function, (), limits),
    };
    match outcome {
        Outcome::Returned(values) => {
            let text = |value: Value| match value {
                Value::String(text) => text.to_string_lossy(),
                value => value.to_string().expect("text"),
            };
            values.into_iter().map(text).collect::<Vec<_>>().join(" ")
        }
        Outcome::Failed(failure) => {
            let text = failure.to_string();
            format!("!{}", text.split("\nstack").next().unwrap_or_default())
        }
        other => format!("!{other:?}"),
    }
}

/// Lets this thread's plugins call out.
pub(in crate::lua) fn open(outbound: Rc<Outbound>) {
    OPEN.with_borrow_mut(|open| *open = Some(outbound));
}

/// Runs Lua in `access`, with a client `c`, and the port of a service with this script in place of `PORT`.
async fn asked(script: Vec<Do>, source: &str) -> (String, Service) {
    let service = Service::of(vec![script]).await;
    let source = source.replace("PORT", &service.address.port().to_string());
    let source = format!("local http = require('resty.http') local c = http.new() {source}");
    (run(Phase::Access, true, &source).await, service)
}

#[tokio::test]
async fn a_plugin_gets_answers() {
    let many = || {
        say(
            "HTTP/1.1 201 Made It\r\nx-one: 1\r\nx-two: 2\r\nX-Two: 3\r\nx-two: 4\r\nContent-Length: 2\r\n\r\nhi",
        )
    };
    let cases = [
        (
            many(),
            "return res.status, res.reason, res.body, err",
            "201 Made It hi nil",
        ),
        (
            many(),
            "return res.headers['X-One'], res.headers.x_one, res.headers['x-nine']",
            "1 1 nil",
        ),
        (
            many(),
            "return table.concat(res.headers['x-TWO'], ',')",
            "2,3,4",
        ),
        (
            many(),
            "return type(res.headers), res:read_body()",
            "table hi",
        ),
        (
            say("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
            "return res.status, '[' .. res.reason .. ']', res.has_body, '[' .. res.body .. ']'",
            "200 [] true []",
        ),
        (
            say("HTTP/1.1 204 No Content\r\n\r\n"),
            "return res.status, res.has_body, '[' .. res.body .. ']'",
            "204 false []",
        ),
        (
            say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
            "return res.body, res.headers.transfer_encoding",
            "hi chunked",
        ),
        (
            say("nonsense\r\n\r\n"),
            "return res, (err:gsub(':.*', ''))",
            "nil invalid response",
        ),
    ];
    local(async {
        open(outbound(settings(), &[]));
        for (answer, source, expected) in cases {
            let source =
                format!("local res, err = c:request_uri('http://service.test:PORT/') {source}");
            let (got, _) = asked(vec![Do::Read, answer], &source).await;
            assert_eq!(got, expected, "{source}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_plugin_says_what_is_sent() {
    let version = env!("CARGO_PKG_VERSION");
    let agent = format!("User-Agent: headgate-lua/{version}\r\n");
    let cases = [
        (
            "'/'",
            "nil",
            format!("GET / HTTP/1.1\r\nHost: HOST\r\n{agent}\r\n"),
        ),
        (
            "'/a?b=c'",
            "{ method = 'POST', body = 'text', headers = { ['x-a'] = 1 } }",
            format!(
                "POST /a?b=c HTTP/1.1\r\nHost: HOST\r\nX-A: 1\r\n{agent}Content-Length: 4\r\n\r\ntext"
            ),
        ),
        (
            "'/a?b=c'",
            "{ query = { ['x y'] = 'ä&' } }",
            format!("GET /a?x%20y=%C3%A4%26 HTTP/1.1\r\nHost: HOST\r\n{agent}\r\n"),
        ),
        (
            "'/a?b=c'",
            "{ query = '', path = '/p' }",
            format!("GET /p HTTP/1.1\r\nHost: HOST\r\n{agent}\r\n"),
        ),
        (
            "'/'",
            "{ query = { a = { 1, true, 'z' } } }",
            format!("GET /?a=1&a&a=z HTTP/1.1\r\nHost: HOST\r\n{agent}\r\n"),
        ),
        (
            "'/'",
            "{ query = { a = true, b = false } }",
            format!("GET /?a HTTP/1.1\r\nHost: HOST\r\n{agent}\r\n"),
        ),
        (
            "'/'",
            "{ headers = { Host = 'other', ['user-agent'] = 'mine', l = { 1, 'b' } } }",
            "GET / HTTP/1.1\r\nHost: other\r\n".to_owned(),
        ),
        (
            "'/'",
            "{ version = 1.0, method = 'DELETE' }",
            format!("DELETE / HTTP/1.0\r\nHost: HOST\r\n{agent}\r\n"),
        ),
        (
            "'/'",
            "{ method = 'PUT', body = 1.5 }",
            format!("PUT / HTTP/1.1\r\nHost: HOST\r\n{agent}Content-Length: 3\r\n\r\n1.5"),
        ),
    ];
    local(async {
        open(outbound(settings(), &[]));
        for (path, params, expected) in cases {
            let source = format!(
                "local res, err = c:request_uri('http://service.test:PORT' .. {path}, {params}) return res and 'sent' or err"
            );
            let (got, service) = asked(vec![Do::Read, ok("")], &source).await;
            assert_eq!(got, "sent", "{source}");
            let seen = service.requests.borrow()[0].clone();
            let host = format!("service.test:{}", service.address.port());
            let expected = expected.replace("HOST", &host);
            match params.contains("mine") {
                true => {
                    assert!(seen.starts_with(&expected), "{seen}");
                    for line in ["User-Agent: mine\r\n", "L: 1\r\n", "L: b\r\n"] {
                        assert!(seen.contains(line), "{seen}");
                    }
                }
                false => assert_eq!(seen, expected, "{source}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn arguments_of_a_wrong_type_are_raised_at_the_plugins_line() {
    local(async {
        open(outbound(settings(), &[]));
        for (params, expected) in [
            (
                "{ headers = 'x' }",
                "bad headers (table expected, got string)",
            ),
            (
                "{ headers = { a = {} , [{}] = 1 } }",
                "bad header name (string expected, got table)",
            ),
            (
                "{ headers = { a = print } }",
                "bad header (string expected, got function)",
            ),
            ("{ method = {} }", "bad method (string expected, got table)"),
            (
                "{ query = { a = print } }",
                "bad query (string expected, got function)",
            ),
            (
                "{ keepalive_timeout = {} }",
                "bad keepalive_timeout (number expected, got table)",
            ),
        ] {
            let source = format!("return c:request_uri('http://service.test:PORT/', {params})");
            let (got, service) = asked(vec![Do::Read, ok("")], &source).await;
            assert!(
                got.starts_with('!') && got.ends_with(expected),
                "{source}: {got}"
            );
            assert_eq!(*service.connections.borrow(), 0);
        }
        for (params, expected) in [
            (
                "{ headers = { ['a b'] = 1 } }",
                "nil invalid header name: a b",
            ),
            (
                "{ headers = { a = 'x\\r\\ny: z' } }",
                "nil invalid header value for \"a\"",
            ),
            ("{ method = 'A B' }", "nil invalid method: A B"),
            ("{ path = 'p' }", "nil bad uri: p"),
        ] {
            let source = format!("return c:request_uri('http://service.test:PORT/', {params})");
            let (got, _) = asked(vec![Do::Read, ok("")], &source).await;
            assert_eq!(got, expected, "{source}");
        }
        let (got, _) = asked(vec![], "return c:request_uri('http://service.test:99999/')").await;
        assert!(got.ends_with("bad port number: 99999"), "{got}");
    })
    .await;
}

#[tokio::test]
async fn failures_are_nil_and_words() {
    local(async {
        open(outbound(settings(), &[]));
        for (script, source, expected) in [
            (
                vec![Do::Read],
                "return c:request_uri('http://service.test:PORT/')",
                "nil closed",
            ),
            (
                vec![Do::Read, Do::Wait(3_000)],
                "c:set_timeout(60) return c:request_uri('http://service.test:PORT/')",
                "nil timeout",
            ),
            (
                vec![],
                "return c:request_uri('http://127.0.0.1:1/')",
                "nil connection refused",
            ),
            (
                vec![],
                "return c:request_uri('http://no.such.invalid/')",
                "nil no.such.invalid could not be resolved (3: Host not found)",
            ),
            (
                vec![],
                "return c:request_uri('nothing')",
                "nil bad uri: nothing",
            ),
            (
                vec![
                    Do::Read,
                    say("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"),
                    Do::Wait(900),
                ],
                "return c:request_uri('http://service.test:PORT/')",
                "nil response too large",
            ),
        ] {
            let (got, _) = asked(script, source).await;
            assert_eq!(got, expected, "{source}");
        }
    })
    .await;
}

#[tokio::test]
async fn step_by_step_as_lua_resty_http_has_it() {
    let script = || vec![Do::Read, ok("one"), Do::Read, ok("two"), Do::Wait(5_000)];
    let cases = [
        (
            "assert(c:connect('service.test', PORT))
             local res = assert(c:request({ path = '/a' }))
             local body = res:read_body()
             local kept = c:set_keepalive(1000, 5)
             assert(c:connect({ scheme = 'http', host = 'service.test', port = PORT }))
             local times = c:get_reused_times()
             local again = assert(c:request({ path = '/b' })):read_body()
             return res.status, body, kept, times, again, c:close(), select(2, c:close())",
            "200 one 1 1 two 1 not initialized",
        ),
        (
            "assert(c:connect('service.test', PORT))
             local res, pieces = assert(c:request({})), {}
             repeat
               local piece, err = res.body_reader(2)
               assert(not err, err)
               pieces[#pieces + 1] = piece
             until not piece
             return table.concat(pieces, '|'), res.body_reader(2)",
            "on|e nil",
        ),
        (
            "assert(c:connect('service.test', PORT))
             local res = assert(c:request({}))
             return c:set_keepalive()",
            "nil unread data in buffer",
        ),
        (
            "assert(c:connect('service.test', PORT))
             c:set_timeout(80)
             return select(2, c:ssl_handshake(nil, 'service.test', false))",
            "timeout",
        ),
        (
            "assert(c:connect('service.test', PORT)) c:close()
             return c:request({})",
            "nil not initialized",
        ),
    ];
    local(async {
        open(outbound(settings(), &[]));
        for (source, expected) in cases {
            let (got, _) = asked(script(), source).await;
            assert_eq!(got, expected, "{source}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_streamed_plugin_reaches_no_private_address() {
    local(async {
        open(outbound(
            Settings {
                egress: Egress::default(),
                ..settings()
            },
            &[],
        ));
        let service = Service::of(vec![vec![Do::Read, ok("1")]]).await;
        let port = service.address.port();
        for host in [
            "service.test",
            "127.0.0.1",
            "localhost",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "10.0.0.1",
        ] {
            let source =
                format!("return require('resty.http').new():request_uri('http://{host}:{port}/')");
            let got = run(Phase::Access, false, &source).await;
            assert!(got.starts_with("nil connection to "), "{host}: {got}");
            assert!(
                got.ends_with(" refused by 'custom_plugins_egress' (deny-private)"),
                "{host}: {got}"
            );
        }
        let source = format!(
            "local c = require('resty.http').new() return c:connect('service.test', {port})"
        );
        assert!(
            run(Phase::Access, false, &source)
                .await
                .contains("custom_plugins_egress")
        );
        let source = format!(
            "return require('resty.http').new():request_uri('http://service.test:{port}/').body"
        );
        assert_eq!(run(Phase::Access, true, &source).await, "1");
    })
    .await;
}

#[tokio::test]
async fn where_code_may_not_wait_nobody_is_called() {
    local(async {
        open(outbound(settings(), &[]));
        for (phase, context) in [
            (Phase::HeaderFilter, "header_filter_by_lua*"),
            (Phase::BodyFilter, "body_filter_by_lua*"),
            (Phase::Log, "log_by_lua*"),
        ] {
            let got = run(
                phase,
                true,
                "return require('resty.http').new():request_uri('http://h/')",
            )
            .await;
            assert!(
                got.ends_with(&format!("API disabled in the context of {context}")),
                "{got}"
            );
        }
    })
    .await;
}

/// Issue 5: a thousand handlers of one worker wait together for a service that takes 200 ms.
/// One after another they would take 200 seconds; on a machine of its own it is as long as it waits and works.
#[tokio::test]
async fn a_thousand_handlers_wait_together() {
    local(async {
        open(outbound(settings(), &[]));
        let service = Service::of(vec![vec![
            Do::Read,
            Do::Wait(200),
            ok("1"),
            Do::Wait(9_000),
        ]])
        .await;
        let source = format!(
            "return require('resty.http').new():request_uri('http://service.test:{}/').body",
            service.address.port()
        );
        let (start, before) = (Instant::now(), busy());
        let calls: Vec<_> = (0..1000)
            .map(|_| {
                let source = source.clone();
                tokio::task::spawn_local(async move { run(Phase::Access, true, &source).await })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.expect("no panic"), "1");
        }
        let (took, worked) = (start.elapsed(), busy() - before);
        let alone = worked + Duration::from_millis(200);
        assert!(alone < Duration::from_secs(2), "{worked:?} of work");
        assert!(took < Duration::from_secs(20), "{took:?}");
    })
    .await;
}
