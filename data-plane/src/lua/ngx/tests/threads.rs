//! `ngx.sleep`, `ngx.thread`, `ngx.timer`.

use std::rc::Rc;
use std::time::{Duration, Instant};

use lua::mlua::Function;
use lua::pdk::Phase;

use crate::lua::call::{Call, Identity, Limits};
use crate::lua::tests::{Scene, check, said};
use crate::lua::worker;

#[test]
fn sleep_waits() {
    let began = Instant::now();
    check(
        &Scene::default(),
        &[
            (Phase::Access, "ngx.sleep(0.05) return 1", "1"),
            (Phase::Access, "ngx.sleep(0) return 1", "1"),
            (
                Phase::Access,
                "ngx.sleep(-1)",
                "error: invalid sleep duration \"-1000\"",
            ),
            (
                Phase::Access,
                "ngx.sleep()",
                "error: bad argument #1 to 'sleep' (number expected, got no value)",
            ),
            (
                Phase::Access,
                "ngx.sleep('x')",
                "error: bad argument #1 to 'sleep' (number expected, got string)",
            ),
            (
                Phase::HeaderFilter,
                "ngx.sleep(1)",
                "error: API disabled in the context of header_filter_by_lua*",
            ),
            (
                Phase::Log,
                "ngx.sleep(1)",
                "error: API disabled in the context of log_by_lua*",
            ),
        ],
    );
    assert!(began.elapsed() >= Duration::from_millis(50));
}

#[test]
fn light_threads_run_beside_each_other() {
    let both = "local seen = {}
        local function run(name, time)
          seen[#seen + 1] = name
          ngx.sleep(time)
          seen[#seen + 1] = name
          return name, time
        end
        local a = ngx.thread.spawn(run, 'a', 0.06)
        local b = ngx.thread.spawn(run, 'b', 0.02)
        seen[#seen + 1] = 'main'
        local ok, first = ngx.thread.wait(a, b)
        local again, said = ngx.thread.wait(b)
        ngx.thread.wait(a)
        return table.concat(seen, ' '), ok, first, again, said";
    check(
        &Scene::default(),
        &[
            (Phase::Access, both, "'a b main b a', true, 'b', nil, 'already waited or killed'"),
            (
                Phase::Access,
                "local ok, said = ngx.thread.wait(ngx.thread.spawn(function() error('oh') end)) return ok, said:match('oh$')",
                "false, 'oh'",
            ),
            (
                Phase::Access,
                "local t = ngx.thread.spawn(function() ngx.sleep(60) end)
                 return ngx.thread.kill(t), select(2, ngx.thread.kill(t))",
                "1, 'already waited or killed'",
            ),
            // The handler has not ended before its threads have.
            (
                Phase::Access,
                "ngx.thread.spawn(function() ngx.sleep(0.01) kong.response.exit(418) end) return 'early'",
                "exit 418",
            ),
            (
                Phase::Access,
                "local t = ngx.thread.spawn(function() return ngx.thread.wait(ngx.thread.spawn(function() return 'deep' end)) end)
                 return ngx.thread.wait(t)",
                "true, true, 'deep'",
            ),
            (Phase::Access, "ngx.thread.spawn(function() while true do end end)", "error: execution time limit exceeded"),
            (
                Phase::Access,
                "for i = 1, 300 do ngx.thread.spawn(ngx.sleep, 60) end",
                "error: too many light threads: 256 are running",
            ),
            (Phase::Access, "ngx.thread.spawn()", "error: bad argument #1 to 'spawn' (function expected, got no value)"),
            (Phase::Access, "ngx.thread.wait()", "error: bad argument #1 to 'wait' (lua thread expected)"),
            (Phase::Access, "ngx.thread.wait(1)", "error: bad argument #1 to 'wait' (lua thread expected)"),
            (Phase::Access, "ngx.thread.kill(1)", "error: bad argument #1 to 'kill' (lua thread expected)"),
            (Phase::Log, "ngx.thread.spawn(print)", "error: API disabled in the context of log_by_lua*"),
        ],
    );
}

/// Runs a snippet of a trusted plugin, and lets its timers run for a while.
fn timed(source: &str, then: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let state = worker::state().expect("a machine");
        let identity = Identity::new("timed".into(), "timed".into(), true, uuid::Uuid::nil());
        let identity = Rc::new(identity);
        let own = state.own_modules(None, "timed").expect("memory");
        let environment = state.plugin_environment(true, own).expect("memory");
        for (place, source) in [source, "ngx.sleep(0.15)", then].into_iter().enumerate() {
            let script =
                lua::Script::module("timed.lua", &format!("return function() {source} end"));
            let function = state
                .run_module(
                    &script.expect("Lua"),
                    environment.clone(),
                    true,
                    lua::limits::Limits::default(),
                )
                .expect("a function");
            let function: Function = function.as_function().expect("a function").clone();
            let mut call = Call::new(Phase::Timer, identity.clone(), None);
            let outcome = call
                .run(&state, function, (), Limits::of(Phase::Timer))
                .await;
            if place == 2 {
                return format!("{outcome:?}");
            }
            assert!(outcome.failure().is_none(), "{outcome:?}");
        }
        String::new()
    })
}

#[test]
fn timers_call_back() {
    let seen = timed(
        "got = {}
         assert(ngx.timer.at(0.01, function(premature, a, b) got[#got + 1] = tostring(premature) .. a .. b end, 'x', 'y') == 1)
         assert(ngx.timer.at(0, function() got[#got + 1] = ngx.get_phase() end))
         assert(ngx.timer.every(0.05, function() got[#got + 1] = 'again' end))
         assert(ngx.timer.pending_count() == 3)",
        "assert(ngx.timer.running_count() == 0)
         return table.concat(got, ' ')",
    );
    assert!(seen.contains("timer falsexy again again"), "{seen}");
    let many = timed(
        "for i = 1, 256 do assert(ngx.timer.at(60, print)) end
         local ok, said = ngx.timer.at(60, print)
         assert(not ok and said == 'too many pending timers')",
        "return ngx.timer.pending_count()",
    );
    assert!(many.contains("Integer(256)"), "{many}");
}

#[test]
fn a_worker_that_ends_calls_timers_early() {
    let said = std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let seen = timed(
            "assert(not ngx.worker.exiting()) ngx.timer.at(3600, function(premature) ended = premature end)",
            "return 'begun'",
        );
        assert!(seen.contains("begun"), "{seen}");
        // Those of a runtime that has gone are gone with it.
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async {
            let state = worker::state().expect("a machine");
            let identity = Identity::new("timed".into(), "timed".into(), true, uuid::Uuid::nil());
            let identity = Rc::new(identity);
            let own = state.own_modules(None, "timed").expect("memory");
            let environment = state.plugin_environment(true, own).expect("memory");
            let run = |source: &str| {
                let script = lua::Script::module("timed.lua", &format!("return function() {source} end"));
                let function = state
                    .run_module(&script.expect("Lua"), environment.clone(), true, lua::limits::Limits::default())
                    .expect("a function");
                function.as_function().expect("a function").clone()
            };
            let begin = run("ngx.timer.at(3600, function(premature) ended = premature end)");
            let mut call = Call::new(Phase::Access, identity.clone(), None);
            call.run(&state, begin, (), Limits::of(Phase::Access)).await;
            worker::end().await;
            let look = run("return ended, ngx.worker.exiting(), select(2, ngx.timer.at(1, print))");
            let mut call = Call::new(Phase::Access, identity.clone(), None);
            let outcome = call.run(&state, look, (), Limits::of(Phase::Access)).await;
            format!("{outcome:?}")
        })
    })
    .join()
    .expect("no panic");
    assert!(
        said.contains("Boolean(true), Boolean(true)") && said.contains("process exiting"),
        "{said}"
    );
}

#[test]
fn timers_of_streamed_plugins_are_refused_unless_allowed() {
    check(
        &Scene::default(),
        &[
            (
                Phase::Access,
                "return ngx.timer.at(0, print)",
                "nil, 'timers are not allowed in plugins that came with the configuration (custom_plugins_timers)'",
            ),
            (
                Phase::Access,
                "return ngx.timer.every(0, print)",
                "nil, 'delay cannot be zero'",
            ),
            (
                Phase::Access,
                "return ngx.timer.at(-1, print)",
                "nil, 'invalid delay'",
            ),
            (
                Phase::Access,
                "ngx.timer.at()",
                "error: bad argument #1 to 'at' (number expected, got no value)",
            ),
            (
                Phase::Access,
                "ngx.timer.at(1)",
                "error: bad argument #2 to 'at' (function expected, got no value)",
            ),
            (
                Phase::Access,
                "ngx.timer.every(1, 2)",
                "error: bad argument #2 to 'every' (function expected, got number)",
            ),
        ],
    );
    assert_eq!(
        said(None, Phase::Timer, "return ngx.timer.running_count()"),
        "0"
    );
}

/// What handlers of `kong.tools.queue` get. The plugin is a streamed one, which may have no timers of its own.
#[test]
fn queues_gather_retry_and_forget() {
    let queue = "local Queue, got, conf = require('kong.tools.queue'), {}, {
           name = 'q', max_batch_size = 2, max_coalescing_delay = 0.05, max_entries = 3, max_retry_time = 0.3,
           initial_retry_delay = 0.01, max_retry_delay = 1,
         }
         local answer = function() return true end
         local function put(...)
           for _, entry in ipairs({ ... }) do
             assert(Queue.enqueue(conf, function(of, entries)
               got[#got + 1] = (of or 'none') .. ':' .. table.concat(entries, '+')
               return answer()
             end, nil, entry))
           end
         end
         local function seen(count)
           for _ = 1, 1000 do
             if #got >= count then break end
             ngx.sleep(0.01)
           end
           return table.concat(got, ' ')
         end\n";
    let case = |body: &str, expected: &str| {
        let body = format!("{queue}{body}");
        check(&Scene::default(), &[(Phase::Access, &body, expected)]);
    };
    case("put('a', 'b', 'c') return seen(2)", "'none:a+b none:c'");
    case("put('a') return seen(0), seen(1)", "'', 'none:a'");
    // The first two are on their way when the third is there; a full queue loses the oldest.
    case(
        "conf.max_batch_size = 5 put('a', 'b', 'c', 'd', 'e') return seen(1)",
        "'none:c+d+e'",
    );
    case(
        "conf.max_batch_size, conf.max_bytes = 5, 3 put('a', 'bb', 'c') return seen(1), Queue.enqueue(conf, print, nil, 'long')",
        "'none:bb+c', nil, 'string to be queued is longer (4 bytes) than the queue's max_bytes (3)'",
    );
    case(
        "local tries = 0
         answer = function() tries = tries + 1 if tries == 2 then error('thrown') end return tries > 2, 'not yet' end
         put('a', 'b') return seen(3)",
        "'none:a+b none:a+b none:a+b'",
    );
    case(
        "answer = function() return nil, 'never' end put('a', 'b') seen(2) ngx.sleep(0.6)
         answer = function() return true end put('c', 'd')
         for _ = 1, 1000 do
           if got[#got] == 'none:c+d' then break end
           ngx.sleep(0.01)
         end
         return got[1], got[2], got[#got], #got < 20",
        "'none:a+b', 'none:a+b', 'none:c+d', true",
    );
    // Whoever wants no pause between tries has one all the same.
    case(
        "conf.initial_retry_delay, conf.max_retry_delay, conf.max_retry_time = 0, 0, 60
         answer = function() return nil, 'never' end put('a', 'b')
         local began = ngx.now() seen(20) ngx.update_time() return ngx.now() - began >= 0.018",
        "true",
    );
    case(
        "local params = Queue.get_plugin_params('logger', { queue = { max_batch_size = 7 } }, 'named')
         return params.name, params.max_batch_size, params.max_entries, (params.log_tag:gsub(' plugin.*', ''))",
        "'named', 7, 10000, 'logger'",
    );
    case(
        "return Queue.enqueue({}, print)",
        "error: arg #1 (queue_conf) must include a name",
    );
}
