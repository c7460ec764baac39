//! `ngx.socket` as a plugin sees it: Lua on one side, services on the other.

mod redis;

use ::lua::pdk::Phase;
use shared::settings::EgressRule;
use tokio::net::{UdpSocket, UnixListener};

use crate::lua::outbound::tests::lua::{open, run};
use crate::lua::outbound::tests::server::{Authority, Do, Service, say};
use crate::lua::outbound::tests::{local, outbound, settings};
use crate::lua::outbound::{Egress, Outbound, Settings};

/// Runs Lua in `access`, with a socket `s` that is connected to a service with these scripts.
async fn connected(scripts: Vec<Vec<Do>>, source: &str) -> (String, Service) {
    let service = Service::of(scripts).await;
    let source = source.replace("PORT", &service.address.port().to_string());
    let source = format!(
        "local s = ngx.socket.tcp() assert(s:connect('service.test', {})) {source}",
        service.address.port()
    );
    (run(Phase::Access, true, &source).await, service)
}

#[tokio::test]
async fn what_is_received() {
    let text = |text: &str| vec![say(text)];
    let slow = |first: &str, then: &str| vec![say(first), Do::Wait(60), say(then)];
    let cases = [
        (
            text("one\r\ntwo\nthree"),
            "return s:receive(), s:receive('*l'), s:receive()",
            "one two nil closed three",
        ),
        (text("o\rn\re\n"), "return s:receive()", "one"),
        (slow("on", "e\n"), "return s:receive()", "one"),
        (text("\n"), "return '[' .. s:receive() .. ']'", "[]"),
        (
            text("12345678"),
            "return s:receive(3), s:receive('2'), s:receive(0), s:receive(9)",
            "123 45  nil closed 678",
        ),
        (text("all of\nit"), "return s:receive('*a')", "all of\nit"),
        (
            text(""),
            "return '[' .. s:receive('*a') .. ']', s:receive('*a')",
            "[] nil closed ",
        ),
        (
            slow("ab", "cd"),
            "return s:receiveany(10), s:receiveany(1), s:receiveany(10)",
            "ab c d",
        ),
        (
            text("one--two--three"),
            "local r = s:receiveuntil('--') return r(), r(), r()",
            "one two nil closed three",
        ),
        (
            slow("one-", "-two"),
            "local r = s:receiveuntil('--') return r(), s:receive('*a')",
            "one two",
        ),
        (
            text("one--two"),
            "local r = s:receiveuntil('--', { inclusive = true }) return r(), r()",
            "one-- nil closed two",
        ),
        (
            text("hello, world! -agentzh\r\n--abcedhb blah"),
            "local r, all = s:receiveuntil('\\r\\n--abcedhb'), {}
             for piece in function() return r(4) end do all[#all + 1] = '[' .. piece .. ']' end
             return table.concat(all), s:receive('*a')",
            "[hell][o, w][orld][! -a][gent][zh]  blah",
        ),
        (
            text("abcdEND12END"),
            "local r = s:receiveuntil('END') return r(2), r(2), r(2), r(9), r(9), r(9)",
            "ab cd nil 12 nil nil closed ",
        ),
        (
            text("abENDc"),
            "local r = s:receiveuntil('END', { inclusive = true }) return r(4), r(4), r(4), s:receive('*a')",
            "abEN D nil c",
        ),
        // What an iterator has seen of the mark, others may receive before it.
        (
            text("abcdEND"),
            "local r = s:receiveuntil('END') return r(2), s:receive(5), r(2)",
            "ab cdEND nil closed ",
        ),
        (
            text("abcdENDefEND"),
            "local r = s:receiveuntil('END') return r(2), s:receive(3), r(9), (r(9))",
            "ab cdE NDef nil",
        ),
        (
            text("abcdEND"),
            "local r = s:receiveuntil('END', { inclusive = true }) return r(2), s:receive(5), r(2)",
            "ab cdEND nil closed ",
        ),
        (
            text("x"),
            "return s:receiveuntil('')",
            "nil pattern is empty",
        ),
        (
            vec![say("part"), Do::Wait(200), say("ly\n")],
            "s:settimeout(30) local a, b, c = s:receive() s:settimeouts(9, 9, 1000) return a, b, c, s:receive()",
            "nil timeout part ly",
        ),
        (
            vec![Do::Flood(17 << 20)],
            "local data, err = s:receive('*a') return data, err, s:receive()",
            "nil response too large nil closed ",
        ),
        (
            text("x"),
            "return s:receive(17 * 1024 * 1024)",
            "nil response too large ",
        ),
        (
            text("x"),
            "return pcall(s.receive, s, '*x')",
            "false bad argument #2 to 'receive' (bad pattern argument)",
        ),
        (
            text("x"),
            "return pcall(s.receive, s, -1)",
            "false bad argument #2 to 'receive' (bad pattern argument)",
        ),
    ];
    local(async {
        open(outbound(settings(), &[]));
        for (script, source, expected) in cases {
            let (got, _) = connected(vec![script], source).await;
            assert_eq!(got, expected, "{source}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_sent_and_what_closes_it() {
    let echo = || vec![Do::Take(6), say("got it\n")];
    let cases = [
        (echo(), "return s:send('abc123'), s:receive()", "6 got it"),
        (echo(), "return s:send({ 'ab', { 'c', 12 }, 3 }), s:receive()", "6 got it"),
        (echo(), "return s:send('') , s:send(123456), s:receive()", "0 6 got it"),
        (
            echo(),
            "return pcall(s.send, s, print)",
            "false bad argument #1 to 'send' (string, number, boolean, nil, or array table expected, got function)",
        ),
        (echo(), "return s:close(), s:close()", "1 nil closed"),
        (echo(), "s:close() return s:send('x')", "nil closed"),
        (echo(), "s:close() return s:receive()", "nil closed "),
        (echo(), "s:close() return s:setkeepalive()", "nil closed"),
        (echo(), "s:close() return s:getreusedtimes()", "nil closed"),
        (echo(), "s:close() return s:sslhandshake()", "nil closed"),
        (vec![Do::Reset], "ngx.sleep(0.05) return s:receive()", "nil connection reset by peer "),
        (
            vec![Do::Wait(300)],
            "s:settimeout(30) local big = ('x'):rep(16 * 1024 * 1024) local a, b = s:send(big) return a, b, s:send('x')",
            "nil timeout nil closed",
        ),
        (
            vec![Do::Take(2), say("bye")],
            "s:send('hi') return s:shutdown('send'), s:receive('*a'), s:shutdown('x')",
            "1 bye nil invalid direction",
        ),
        (
            echo(),
            "return s:setoption('tcp-nodelay', false), s:getoption('tcp-nodelay'), s:setoption('keepalive', true), s:getoption('keepalive')",
            "1 0 1 1",
        ),
        (echo(), "return s:getoption('x')", "nil unsupported option x"),
        (echo(), "return pcall(s.connect, s, {}, 1)", "false bad argument #1 to 'connect' (string expected, got table)"),
        (echo(), "return pcall(s.connect, s, 'h')", "false bad argument #2 to 'connect' (number expected, got no value)"),
        (echo(), "return pcall(s.connect, s, 'h', 70000)", "false bad port number: 70000"),
        (echo(), "return pcall(s.connect)", "false bad argument #1 to 'connect' (socket expected, got nil)"),
        (echo(), "return s:connect('nowhere.invalid', 1)", "nil nowhere.invalid could not be resolved (3: Host not found)"),
        (echo(), "return s:connect('service.test', 1)", "nil connection refused"),
        (
            echo(),
            "local t = ngx.thread.spawn(function() return s:receive() end)
             local a, b = s:receive() local c, d = s:close() s:send('abc123') local _, e = ngx.thread.wait(t)
             return a, b, c, d, e",
            "nil socket busy reading nil socket busy reading got it",
        ),
    ];
    local(async {
        open(outbound(settings(), &[]));
        for (script, source, expected) in cases {
            let (got, _) = connected(vec![script], source).await;
            // Where it was raised says nothing here.
            let got = got.replace("mine:1: ", "");
            assert_eq!(got, expected, "{source}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_connection_is_used_again_by_its_plugin() {
    let talk = || {
        vec![
            Do::Take(1),
            say("1\n"),
            Do::Take(1),
            say("2\n"),
            Do::Take(1),
            say("3\n"),
        ]
    };
    let again = "local function again(...) assert(s:connect('service.test', PORT, ...)) return s:getreusedtimes() end ";
    let cases = [
        (
            "s:send('x') s:receive() return s:getreusedtimes(), s:setkeepalive(), again(), s:send('x'), s:receive()",
            "0 1 1 1 2",
            1,
        ),
        // A pool of a name apart.
        ("s:setkeepalive() return again({ pool = 'mine' })", "0", 2),
        (
            "s:close() again({ pool = 'mine' }) s:setkeepalive(1000, 5) return again({ pool = 'mine' })",
            "1",
            2,
        ),
        ("s:setkeepalive(20) ngx.sleep(0.06) return again()", "0", 2),
        // What is left to be read.
        (
            "s:send('x') s:receive(1) return s:setkeepalive()",
            "nil unread data in buffer",
            1,
        ),
        (
            "s:send('x') ngx.sleep(0.05) local a, b = s:setkeepalive() return a, b, s:setkeepalive()",
            "nil connection in dubious state nil closed",
            1,
        ),
        ("s:setkeepalive(1000, 0) return again()", "0", 2),
    ];
    local(async {
        for (source, expected, connections) in cases {
            open(outbound(settings(), &[]));
            let source = format!("{again}{source}");
            let (got, service) = connected(vec![talk()], &source).await;
            assert_eq!(got, expected, "{source}");
            for _ in 0..100 {
                if *service.connections.borrow() == connections {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            assert_eq!(*service.connections.borrow(), connections, "{source}");
        }
        // What came with the configuration does not find those of the node's own, and what the service closed is not used.
        open(outbound(settings(), &[]));
        let service = Service::of(vec![vec![Do::Wait(100)]]).await;
        let port = service.address.port();
        let source = format!(
            "local s = ngx.socket.connect('service.test', {port}) local times = s:getreusedtimes() s:setkeepalive() return times"
        );
        assert_eq!(run(Phase::Access, true, &source).await, "0");
        assert_eq!(run(Phase::Access, false, &source).await, "0");
        assert_eq!(run(Phase::Access, true, &source).await, "1");
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        assert_eq!(run(Phase::Access, true, &source).await, "0");
    })
    .await;
}

#[tokio::test]
async fn tls_on_a_socket() {
    let authority = Authority::new("Authority");
    let trusted = authority.own.pem();
    let talk = || vec![vec![Do::Take(1), say("one\n"), Do::Take(1), say("two\n")]];
    let cases = [
        (
            "s:sslhandshake(nil, 'service.test', true), s:send('x'), s:receive()",
            "true 1 one",
        ),
        ("s:sslhandshake(), s:send('x'), s:receive()", "true 1 one"),
        (
            "s:sslhandshake(false, 'elsewhere.test', true)",
            "nil 62: hostname mismatch",
        ),
        (
            "s:sslhandshake(false, 'elsewhere.test'), s:send('x'), s:receive()",
            "true 1 one",
        ),
        (
            "s:sslhandshake(nil, nil, true), s:send('x'), s:receive(), s:setkeepalive(), s:connect('service.test', PORT), s:sslhandshake(nil, nil, true), s:getreusedtimes(), s:send('x'), s:receive()",
            "true 1 one 1 1 true 1 1 two",
        ),
        // What nobody verified is not enough for whoever wants it verified.
        (
            "s:sslhandshake(), s:send('x'), s:receive(), s:setkeepalive(), s:connect('service.test', PORT), s:sslhandshake(nil, nil, true), s:getreusedtimes(), s:send('x'), s:receive()",
            "true 1 one 1 1 true 0 1 one",
        ),
    ];
    local(async {
        for (source, expected) in cases {
            open(outbound(settings(), &[&trusted]));
            let shown = authority.signs("service.test", -1, 1);
            let service = Service::secure(talk(), shown).await;
            let port = service.address.port().to_string();
            let source = format!(
                "local s = ngx.socket.tcp() s:connect('service.test', PORT) return {source}"
            )
            .replace("PORT", &port);
            assert_eq!(
                run(Phase::Access, true, &source).await,
                expected,
                "{source}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn who_may_connect_where_and_when() {
    let private = || Settings {
        egress: Egress::default(),
        ..settings()
    };
    local(async {
        let service = Service::of(vec![vec![Do::Wait(500)]]).await;
        let port = service.address.port();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s").display().to_string();
        let _listener = UnixListener::bind(&path).expect("a socket");
        let tcp = format!("return ngx.socket.tcp():connect('service.test', {port})");
        let udp = format!("return ngx.socket.udp():setpeername('service.test', {port})");
        let unix = format!("return ngx.socket.connect('unix:{path}') ~= nil");
        let failed_unix = format!("return select(2, ngx.socket.tcp():connect('unix:{path}'))");
        let refused = "nil connection to 127.0.0.1 refused by 'custom_plugins_egress' (deny-private)";
        let disabled = "API disabled in the context of";
        for (phase, trusted, source, expected) in [
            (Phase::Access, true, &tcp, "1".to_owned()),
            (Phase::Access, false, &tcp, refused.to_owned()),
            (Phase::Access, true, &udp, "1".to_owned()),
            (Phase::Access, false, &udp, refused.to_owned()),
            (Phase::Access, true, &unix, "true".to_owned()),
            (
                Phase::Access,
                false,
                &failed_unix,
                format!("connection to unix:{path} refused: plugins that came with the configuration have no file system"),
            ),
            (Phase::Log, true, &tcp, format!("!mine:1: {disabled} log_by_lua*")),
            (Phase::HeaderFilter, true, &udp, format!("!mine:1: {disabled} header_filter_by_lua*")),
        ] {
            open(outbound(private(), &[]));
            let got = run(phase, trusted, source).await;
            assert_eq!(got, expected, "{phase:?} {trusted} {source}");
        }
        let rule = EgressRule::Allowlist;
        let egress = Egress { rule: Some(rule), ..Egress::default() };
        open(outbound(Settings { egress, ..settings() }, &[]));
        let got = run(Phase::Access, true, &failed_unix).await;
        assert_eq!(got, format!("connection to unix:{path} refused by 'custom_plugins_egress' (allowlist)"));
    })
    .await;
}

fn under_way(outbound: &Outbound) -> bool {
    let caller = crate::lua::outbound::tests::caller(true);
    outbound.flights.enter(&caller.plugin).is_err()
}

#[tokio::test]
async fn what_nobody_closes_is_closed_at_the_end() {
    local(async {
        let service = Service::of(vec![vec![Do::Take(1)]]).await;
        let few = Settings {
            requests: 2,
            ..settings()
        };
        let outbound = outbound(few, &[]);
        open(outbound.clone());
        let source = format!(
            "leaked = leaked or {{}}
             local all = {{}}
             for i = 1, 3 do
               local s = ngx.socket.tcp()
               leaked[#leaked + 1] = s
               all[i] = select(2, s:connect('service.test', {})) or 'ok'
             end
             return all[1], all[2], all[3]",
            service.address.port()
        );
        for _ in 0..3 {
            let got = run(Phase::Access, true, &source).await;
            assert_eq!(got, "ok ok too many connections");
            assert!(!under_way(&outbound));
        }
    })
    .await;
}

#[tokio::test]
async fn datagrams() {
    local(async {
        open(outbound(settings(), &[]));
        let other = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let port = other.local_addr().expect("an address").port();
        tokio::task::spawn_local(async move {
            let mut room = [0; 1500];
            while let Ok((count, from)) = other.recv_from(&mut room).await {
                let text = [b"got ", &room[..count]].concat();
                other.send_to(&text, from).await.expect("sent");
            }
        });
        for (source, expected) in [
            (
                "return u:send('one'), u:receive(), u:send({ 't', 2 }), u:receive(5)",
                "1 got one 1 got t",
            ),
            ("u:settimeout(20) return u:receive()", "nil timeout"),
            ("return u:close(), u:close()", "1 nil closed"),
            ("u:close() return u:send('x')", "nil closed"),
            ("return ngx.socket.udp():receive()", "nil closed"),
            (
                "return pcall(u.receive, u, 0)",
                "false bad argument #2 to 'receive' (bad max argument)",
            ),
            (
                "u:setpeername('service.test', 1) u:send('x') ngx.sleep(0.02) return u:receive()",
                "nil connection refused",
            ),
            (
                "return u:setpeername('unix:/x')",
                "nil datagrams go to hosts only",
            ),
        ] {
            let source = format!(
                "local u = ngx.socket.udp() assert(u:setpeername('service.test', {port})) {source}"
            );
            let got = run(Phase::Access, true, &source).await;
            assert_eq!(got, expected, "{source}");
        }
    })
    .await;
}
