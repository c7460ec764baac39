//! Code that would end or hold the process, or reach other scripts.

use super::*;

#[test]
fn what_nests_through_c_does_not_use_up_the_stack() {
    // The stack that threads have if nobody asks for another.
    let small = std::thread::Builder::new().stack_size(2 << 20).spawn(|| {
        let state = state();
        for body in [
            "local function f() return coroutine.wrap(f)() end return f()",
            "local function f() local ok, e = coroutine.resume(coroutine.create(f)) error(e, 0) end f()",
            "local function f() table.sort({ 2, 1 }, f) end f()",
            "local t = setmetatable({}, { __lt = function(a, b) table.sort({ a, b }) end }) table.sort({ t, t })",
            "local o o = setmetatable({}, { __tostring = function() return string.format('%s', o) end }) return tostring(o)",
            "local o o = setmetatable({}, { __index = function() return os.time(o) end }) return os.time(o)",
            "local function f() return coroutine.wrap(function() table.sort({ 2, 1 }, f) end)() end f()",
        ] {
            let said = raised(answer(&state, body));
            assert!(said.ends_with("C stack overflow"), "{body}: {said}");
            let flat = "local c = coroutine.wrap(function() return 1 end) return c()";
            assert_eq!(answer(&state, flat).as_deref(), Ok("1"), "after {body}");
        }
    });
    small.expect("a thread").join().expect("no overflow");
}

#[test]
fn coroutines_that_fail_and_yield_leave_the_count_of_levels_as_it_was() {
    let body = "local n = 0 \
                for i = 1, 1000 do \
                  pcall(coroutine.wrap(function() error('x') end)) \
                  local c = coroutine.wrap(function() pcall(coroutine.yield) n = n + 1 error('x') end) \
                  c() pcall(c) pcall(table.sort, { 2, 1 }, function() error('x') end) \
                  pcall(coroutine.resume) pcall(coroutine.wrap) \
                end return n";
    assert_eq!(answer(&state(), body).as_deref(), Ok("1000"));
}

#[test]
fn no_function_of_the_engine_works_for_ever() {
    let state = state();
    let began = Instant::now();
    for (body, expected) in [
        ("return #(''):rep(1e15)", Ok("0")),
        ("return #(''):rep(1e18, '')", Ok("0")),
        (
            "return ('x'):rep(1e6):gsub('.*', ('%0'):rep(1e4))",
            Err(Failure::Memory),
        ),
        (
            "return ('a'):rep(1.6e7):find('(a*)%1%1%1%1%1x')",
            Err(Failure::TooLong),
        ),
        (
            "return table.insert({}, -2147483647, 1)",
            Err(Failure::TooLong),
        ),
    ] {
        assert_eq!(
            answer(&state, body).as_deref(),
            expected.as_ref().copied(),
            "{body}"
        );
    }
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn too_little_memory_is_told_wherever_it_is_met() {
    for memory in (0..300_000).step_by(1009) {
        let state = state();
        for body in [
            "local t = {} for i = 1, 100 do t[i] = ('x'):rep(i * 20):gsub('x', 'yy'):match('y.*') end",
            "for a in ('a b c d'):gmatch('%a') do a:rep(1000):find('b') end return (('x'):gsub('x', function(x) return x:rep(40000) end))",
            "local t = {} for i = 1, 3000 do t[i] = {} end string.find('x', unpack(t))",
        ] {
            let script =
                Script::function(&format!("return function() {body} end")).expect("it compiles");
            let limits = Limits {
                memory,
                ..Limits::default()
            };
            match state.call(&script, Value::Nil, limits).map(drop) {
                Err(Failure::Raised(said)) => {
                    assert!(!said.contains("error object"), "{memory}: {said}")
                }
                Ok(()) | Err(Failure::Memory) => {}
                other => panic!("{memory}: {other:?}"),
            }
        }
    }
}

#[test]
fn nothing_can_be_put_into_protected_tables() {
    let state = state();
    for body in [
        "table.insert(string, 'x')",
        "table.insert(string, 1, 'x')",
        "table.move({ 1 }, 1, 1, 1, string)",
        "string[1] = 'x'",
        "rawset(ngx, 1, 'x')",
    ] {
        let said = raised(answer(&state, body));
        assert!(
            said.ends_with("Protected by the sandbox."),
            "{body}: {said}"
        );
        let seen = "return tostring(string[1]) .. tostring(ngx[1])";
        assert_eq!(answer(&state, seen).as_deref(), Ok("nilnil"), "{body}");
    }
}

#[test]
fn names_that_are_given_are_those_of_the_sandbox() {
    let options = Options {
        environment: [
            "string",
            "string.upper",
            "ngx.var",
            "table.sort",
            "xpcall",
            "rawset",
            "table.insert",
        ]
        .map(str::to_owned)
        .to_vec(),
        ..Options::default()
    };
    let state = State::new(&options).expect("names within names do no harm");
    assert_eq!(render(&state, "string.upper('a')").as_deref(), Ok("A"));
    assert_eq!(
        render(&state, "type(table.sort)").as_deref(),
        Ok("function")
    );
    for expression in [
        "rawset(string, 'upper', 1)",
        "table.insert(string, 1)",
        "rawset(ngx, 'x', 1)",
    ] {
        let said = raised(render(&state, expression));
        assert!(
            said.ends_with("Protected by the sandbox."),
            "{expression}: {said}"
        );
    }
    let ended = render(
        &state,
        "xpcall(type, function() while true do end end) or 'no'",
    );
    assert_eq!(ended, Err(Failure::TooLong));
}
