//! `resty.redis` against a service that speaks RESP.

use std::cell::RefCell;
use std::rc::Rc;

use ::lua::pdk::Phase;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpListener;

use super::{local, open, outbound, run, settings};

/// A service with answers to commands, as they are on the wire. What it does not know it refuses.
struct Redis {
    port: u16,
    asked: Rc<RefCell<Vec<String>>>,
}

impl Redis {
    async fn knowing(answers: &'static [(&'static str, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked: Rc<RefCell<Vec<String>>> = Rc::default();
        let all = asked.clone();
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let all = all.clone();
                tokio::task::spawn_local(async move {
                    let mut stream = BufStream::new(stream);
                    while let Some(command) = command(&mut stream).await {
                        let known = answers.iter().find(|(of, _)| *of == command);
                        let answer = known.map_or("-ERR unknown command\r\n", |(_, answer)| answer);
                        all.borrow_mut().push(command);
                        stream.write_all(answer.as_bytes()).await.expect("sent");
                        stream.flush().await.expect("sent");
                    }
                });
            }
        });
        Self { port, asked }
    }
}

/// The words of a command, with blanks between.
async fn command(stream: &mut BufStream<tokio::net::TcpStream>) -> Option<String> {
    async fn number(stream: &mut BufStream<tokio::net::TcpStream>, kind: char) -> Option<usize> {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        line.strip_prefix(kind)?.strip_suffix("\r\n")?.parse().ok()
    }
    let mut words = Vec::new();
    for _ in 0..number(stream, '*').await? {
        let mut word = vec![0; number(stream, '$').await? + 2];
        stream.read_exact(&mut word).await.ok()?;
        let word = word.strip_suffix(b"\r\n")?;
        words.push(String::from_utf8_lossy(word).into_owned());
    }
    Some(words.join(" "))
}

const ANSWERS: &[(&str, &str)] = &[
    ("auth secret", "+OK\r\n"),
    ("auth me secret", "+OK\r\n"),
    ("auth wrong", "-WRONGPASS invalid\r\n"),
    ("select 3", "+OK\r\n"),
    ("set k v", "+OK\r\n"),
    ("set k 1.5", "+OK\r\n"),
    ("get k", "$5\r\na\r\nbc\r\n"),
    ("get none", "$-1\r\n"),
    ("get empty", "$0\r\n\r\n"),
    ("incr n", ":42\r\n"),
    ("mget k none", "*2\r\n$1\r\nv\r\n$-1\r\n"),
    ("lrange none 0 -1", "*0\r\n"),
    ("blpop none 1", "*-1\r\n"),
    ("exec", "*3\r\n+OK\r\n-ERR wrong kind\r\n*1\r\n:7\r\n"),
    ("hmset h f 1", "+OK\r\n"),
    ("hmset h f 1 g 2", "+OK\r\n"),
    (
        "hgetall h",
        "*4\r\n$1\r\nf\r\n$1\r\n1\r\n$1\r\ng\r\n$1\r\n2\r\n",
    ),
    ("bf.add d 1", ":1\r\n"),
    ("evalsha 1a 1 k", "-NOSCRIPT none\r\n"),
    (
        "subscribe c",
        "*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n",
    ),
    (
        "unsubscribe c",
        "*3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n",
    ),
    ("odd", "?what\r\n"),
    ("bad length", "$x\r\n"),
    ("bad count", "*x\r\n"),
    ("cut", "$9\r\nabc"),
    ("slow", ""),
    ("ping", "+PONG\r\n"),
];

#[tokio::test]
async fn a_plugin_speaks_with_redis() {
    let cases = [
        ("c:auth('secret'), c:auth('me', 'secret'), c:select(3)", "OK OK OK"),
        ("c:auth('wrong')", "false WRONGPASS invalid"),
        ("c:set('k', 'v'), c:set('k', 1.5), c:get('k'), c:get('empty')", "OK OK a\r\nbc "),
        ("c:get('none') == ngx.null, c:blpop('none', 1) == ngx.null", "true true"),
        ("c:incr('n') + 1", "43"),
        ("#c:lrange('none', 0, -1)", "0"),
        ("(function() local r = c:mget('k', 'none') return #r, r[1], r[2] == ngx.null end)()", "2 v true"),
        (
            "(function() local r = c:exec() return r[1], r[2][1], r[2][2], r[3][1] end)()",
            "OK false ERR wrong kind 7",
        ),
        ("c:hmset('h', { f = 1 }), c:hmset('h', 'f', 1, 'g', 2)", "OK OK"),
        (
            "(function() local h = c:array_to_hash(c:hgetall('h')) return h.f, h.g, redis.array_to_hash({ 1, 2 })[1] end)()",
            "1 2 2",
        ),
        ("(function() redis.register_module_prefix('bf') return c:bf():add('d', 1) end)()", "1"),
        ("c:evalsha('1a', 1, 'k')", "false NOSCRIPT none"),
        ("c:nonsense()", "false ERR unknown command"),
        (
            "(function() c:init_pipeline() local none = c:get('k') c:incr('n') c:nonsense() c:get('none')
              local r = c:commit_pipeline()
              return none, #r, r[1], r[2], r[3][1], r[3][2], r[4] == ngx.null end)()",
            "nil 4 a\r\nbc 42 false ERR unknown command true",
        ),
        ("(function() c:init_pipeline() c:get('k') c:cancel_pipeline() return c:incr('n'), c:commit_pipeline() end)()", "42 nil no pipeline"),
        (
            "(function() local a = c:subscribe('c') local b, e = c:get('k') local k, f = c:set_keepalive()
              local m = c:read_reply() local u = c:unsubscribe('c')
              return a[1], a[3], b, e, k, f, m[1], m[3], u[3], c:get('k') end)()",
            "subscribe 1 nil subscribed state nil subscribed state message hi 0 a\r\nbc",
        ),
        ("c:read_reply()", "nil not subscribed"),
        ("c:odd()", "nil unknown prefix: \"63\""),
        ("c:bad('length')", "nil bad length: x"),
        ("c:bad('count')", "nil bad length: x"),
        ("(function() c:set_timeout(30) local a, b = c:cut() return a, b, c:ping() end)()", "nil timeout nil closed"),
        ("(function() c:set_timeouts(9, 9, 30) local a, b = c:slow() return a, b, c:ping() end)()", "nil timeout nil closed"),
        ("c:get_reused_times(), c:set_keepalive(1000, 5), c:connect('service.test', PORT), c:get_reused_times(), c:ping()", "0 1 1 1 PONG"),
        ("c:close(), c:close()", "1 nil closed"),
        ("redis:new():get('k')", "nil closed"),
        ("pcall(c.connect, c, 'service.test')", "false bad argument #2 port: number expected, got nil"),
        ("pcall(c.connect, c, 1)", "false bad argument #1 host: string expected, got number"),
        ("c:connect('service.test', 1)", "nil connection refused"),
        ("pcall(function() redis.x = 1 end)", "false mine:1: Cannot modify resty.redis.x. Protected by the sandbox."),
    ];
    local(async {
        let server = Redis::knowing(ANSWERS).await;
        for (source, expected) in cases {
            open(outbound(settings(), &[]));
            let source = format!(
                "local redis = require('resty.redis') local c = redis:new() assert(c:connect('service.test', PORT)) return {source}"
            )
            .replace("PORT", &server.port.to_string());
            let got = run(Phase::Access, true, &source).await;
            assert_eq!(got, expected, "{source}");
        }
        let asked = server.asked.borrow();
        assert!(asked.contains(&"mget k none".to_owned()), "{asked:?}");
    })
    .await;
}

#[tokio::test]
async fn nested_lists_have_an_end() {
    local(async {
        let nested: &'static str = Box::leak("*1\r\n".repeat(5000).into_boxed_str());
        let answers: &'static [(&str, &str)] = Box::leak(Box::new([("deep", nested)]));
        let server = Redis::knowing(answers).await;
        open(outbound(settings(), &[]));
        let source = format!(
            "local c = require('resty.redis').new() c:connect('service.test', {}) return c:deep()",
            server.port
        );
        let got = run(Phase::Access, true, &source).await;
        assert_eq!(got, "nil too many nested lists");
    })
    .await;
}
