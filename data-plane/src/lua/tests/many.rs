//! What waits holds no reference of Rust's, of which there are some 7,990 in one machine; nor is it lost.

use std::rc::Rc;
use std::time::Duration;

use lua::mlua::{FromLua, Lua, Table, Value};
use lua::pdk::Phase;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::lua::call::{Call, Identity, Limits, Outcome};
use crate::lua::outbound::tests::lua::{open, run};
use crate::lua::outbound::tests::{outbound, settings};
use crate::lua::stores::tests::{fresh, open_with};
use crate::lua::worker;

const LIMITS: Limits = Limits {
    cpu: Duration::from_secs(20),
    wall: Duration::from_secs(60),
};

/// How many references there is room for.
fn room(lua: &Lua) -> usize {
    let tables = std::iter::from_fn(|| lua.create_table().ok());
    tables.collect::<Vec<_>>().len()
}

/// Runs something with a thread, a worker and its machine of its own.
fn alone<F: Future<Output = ()>>(run: impl FnOnce() -> F + Send + 'static) {
    let thread = std::thread::spawn(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().expect("a runtime");
        tokio::task::LocalSet::new().block_on(&runtime, run());
    });
    thread.join().expect("no panic");
}

/// The names of trusted plugins of one worker.
struct Names(Table);

impl Names {
    fn new() -> Self {
        let state = worker::state().expect("a machine");
        let own = state.own_modules(None, "many").expect("memory");
        Self(state.plugin_environment(true, own).expect("memory"))
    }

    /// What one has.
    fn get<T: FromLua>(&self, name: &str) -> T {
        self.0.get(name).expect("it has the right type")
    }

    /// Runs code of a plugin.
    async fn run(&self, plugin: Rc<Identity>, source: &str) -> Outcome {
        let state = worker::state().expect("a machine");
        let script = lua::Script::module("many.lua", &format!("return function() {source} end"));
        let limits = lua::limits::Limits::default();
        let function = state.run_module(&script.expect("Lua"), self.0.clone(), true, limits);
        let Ok(Value::Function(function)) = function else {
            panic!("{function:?}");
        };
        let mut call = Call::new(Phase::Timer, plugin, None);
        call.run(&state, function, (), LIMITS).await
    }
}

fn plugin(number: usize) -> Identity {
    let name = format!("many{number}");
    Identity::new(
        name.as_str().into(),
        name.as_str().into(),
        true,
        Uuid::nil(),
    )
}

#[test]
fn light_threads_and_timers_hold_no_references() {
    const CALLS: usize = 34;
    alone(async || {
        let begin = "local threads = {}
            for i = 1, 256 do
              threads[i] = ngx.thread.spawn(function(...) ngx.sleep(1) return ... end, {}, 'x' .. i, print)
              assert(ngx.timer.at(3600, function(premature, t, s)
                assert(premature and type(t) == 'table' and s == 'x' .. i)
                ran = (ran or 0) + 1
              end, {}, 'x' .. i))
            end
            begun = (begun or 0) + 1
            for i = 1, 256 do
              local ok, t, s, f = ngx.thread.wait(threads[i])
              assert(ok and type(t) == 'table' and s == 'x' .. i and f == print)
            end
            waited = (waited or 0) + 1";
        let state = worker::state().expect("a machine");
        let names = Names::new();
        let before = room(state.lua());
        let calls = (0..CALLS).map(|n| names.run(Rc::new(plugin(n)), begin));
        let look = async {
            while names.get::<Option<usize>>("begun") != Some(CALLS) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            before.saturating_sub(room(state.lua()))
        };
        let look = tokio::time::timeout(Duration::from_secs(20), look);
        let (outcomes, used) = tokio::join!(futures_util::future::join_all(calls), look);
        for outcome in outcomes {
            assert!(outcome.failure().is_none(), "{outcome:?}");
        }
        let used = used.expect("all have begun");
        println!("{CALLS} calls, each with 256 light threads and 256 timers: {used} references");
        assert!(used <= 16, "{used} references");
        assert_eq!(names.get::<usize>("waited"), CALLS);
        worker::end().await;
        assert_eq!(names.get::<usize>("ran"), CALLS * 256);
    });
}

#[test]
fn timers_of_replaced_code_are_called_early() {
    alone(async || {
        let replaced = CancellationToken::new();
        let old = Rc::new(plugin(0).until(replaced.clone()));
        let begin = "seen = {}
            local function again(premature)
              seen[#seen + 1] = 'at ' .. tostring(premature) .. ' ' .. tostring(select(2, ngx.timer.at(0, again)))
            end
            assert(ngx.timer.at(3600, again))
            assert(ngx.timer.every(3600, function(premature) seen[#seen + 1] = 'every ' .. tostring(premature) end))
            assert(ngx.timer.at(0, function(premature) seen[#seen + 1] = 'now ' .. tostring(premature) end))
            local queue = {
              name = 'queue', max_batch_size = 2, max_coalescing_delay = 0.6, max_entries = 9, max_retry_time = 60,
              initial_retry_delay = 0.01, max_retry_delay = 60,
            }
            local function send(_, entries)
              seen[#seen + 1] = 'sent ' .. table.concat(entries, ' ')
              return true
            end
            for entry = 1, 3 do
              assert(require('kong.tools.queue').enqueue(queue, send, nil, entry))
            end";
        let other = "assert(ngx.timer.at(3600, function() seen[#seen + 1] = 'other' end))";
        let names = Names::new();
        for (plugin, source) in [(old, begin), (Rc::new(plugin(1)), other)] {
            let outcome = names.run(plugin, source).await;
            assert!(outcome.failure().is_none(), "{outcome:?}");
        }
        let seen = async || {
            tokio::time::sleep(Duration::from_millis(50)).await;
            names.get::<Vec<String>>("seen")
        };
        assert_eq!(seen().await, ["now false", "sent 1 2"]);
        replaced.cancel();
        let mut all = seen().await.split_off(2);
        all.sort();
        assert_eq!(all, ["at true process exiting", "every true"]);
        // A queue goes on until all is sent.
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(seen().await.split_off(4), ["sent 3"]);
        let pending = names
            .run(Rc::new(plugin(1)), "return ngx.timer.pending_count()")
            .await;
        assert!(format!("{pending:?}").contains("Integer(1)"), "{pending:?}");
    });
}

#[test]
fn whatever_a_call_waits_for_it_holds_no_references() {
    // Each waits for 0.4 seconds, or as long for a service that says nothing.
    let cases = [
        "ngx.sleep(0.4)",
        "ngx.thread.wait(ngx.thread.spawn(function(...) ngx.sleep(0.4) return ... end, {}, 'x'))",
        "require('ngx.semaphore').new(0):wait(0.4)",
        // One finds it out, the others wait for that one.
        "kong.cache:get('get', { ttl = 9 }, function() ngx.sleep(0.4) return 'found' end, {}, 'x')",
        "kong.cache:get('own' .. tostring({}), nil, function() ngx.sleep(0.4) return {} end, {}, 'x')",
        "kong.cache:get_bulk({ 'bulk', {}, function() ngx.sleep(0.4) return 1 end, 'x', n = 1 }, {})",
        "client:request_uri('http://service.test:PORT/', { method = 'POST', body = 'x', headers = { a = 'b' } })",
        "assert(client:connect({ scheme = 'http', host = 'service.test', port = PORT }))
         client:request({ path = '/', headers = { Host = 'service.test' } })",
        "local socket = ngx.socket.tcp()
         socket:settimeout(400)
         assert(socket:connect('service.test', PORT))
         socket:send({ 'a', 'b' })
         socket:receive('*l')",
        "local socket = ngx.socket.tcp()
         socket:settimeout(400)
         assert(socket:connect('service.test', PORT))
         socket:receiveuntil('mark')()",
        "local socket = ngx.socket.udp()
         socket:settimeout(400)
         assert(socket:setpeername('service.test', PORT))
         socket:send('x')
         socket:receive()",
    ];
    alone(async move || {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let silent = silent.expect("a port");
        let address = silent.local_addr().expect("an address");
        let _datagrams = tokio::net::UdpSocket::bind(address).await.expect("a port");
        let port = address.port();
        let _keeps = tokio::task::spawn_local(async move {
            let mut all = Vec::new();
            while let Ok(one) = silent.accept().await {
                all.push(one);
            }
        });
        open(outbound(settings(), &[]));
        open_with(&fresh());
        let state = worker::state().expect("a machine");
        for case in cases {
            let source = format!(
                "local client = require('resty.http').new() client:set_timeout(400) {case} return 'waited'"
            );
            let source = source.replace("PORT", &port.to_string());
            // What is made once for all.
            let once = run(Phase::Access, true, &source).await;
            assert_eq!(once, "waited", "{case}");
            open_with(&fresh());
            let before = room(state.lua());
            let began = std::time::Instant::now();
            let calls = (0..20).map(|_| run(Phase::Access, true, &source));
            let look = async {
                tokio::time::sleep(Duration::from_millis(200)).await;
                before.saturating_sub(room(state.lua()))
            };
            let (said, used) = tokio::join!(futures_util::future::join_all(calls), look);
            assert!(said.iter().all(|said| said == "waited"), "{case}: {said:?}");
            assert!(began.elapsed() >= Duration::from_millis(390), "{case}");
            println!("20 calls: {used} references: {case}");
            assert!(used <= 8, "{case}: {used} references");
        }
    });
}
