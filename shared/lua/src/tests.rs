//! What a script can see, and what it cannot do.

mod hostile;
mod many;
mod words;

use std::time::{Duration, Instant};

use mlua::Value;
use shared::settings::{LuaJit, UntrustedLua};

use crate::error::Failure;
use crate::limits::Limits;
use crate::script::Script;
use crate::state::{Options, State};

fn state() -> State {
    State::new(&Options::default()).expect("a state")
}

/// What a function with this body answers, as Lua prints it.
pub(crate) fn answer(state: &State, body: &str) -> Result<String, Failure> {
    let script = Script::function(&format!("return function() {body} end"))?;
    let value = state.call(&script, Value::Nil, Limits::default())?;
    Ok(value.to_string().expect("it prints"))
}

pub(crate) fn raised(result: Result<String, Failure>) -> String {
    match result {
        Err(Failure::Raised(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn render(state: &State, expression: &str) -> Result<String, Failure> {
    let script = Script::expression(expression)?;
    let roots = state.lua().create_table().expect("memory");
    let list = state
        .lua()
        .create_sequence_from(["1", "2"])
        .expect("memory");
    roots.set("headers", list).expect("memory");
    let environment = state.template_environment(roots).expect("memory");
    let text = state.render(&script, &environment, Limits::default())?;
    Ok(String::from_utf8(text).expect("text"))
}

#[test]
fn expressions_print_what_kong_prints() {
    let state = state();
    for (expression, expected) in [
        ("1 + 1", "2"),
        ("10 / 4", "2.5"),
        ("1 == 1", "true"),
        ("nil", ""),
        ("false", ""),
        ("'a' .. 'b'", "ab"),
        ("('x'):rep(3)", "xxx"),
        ("headers", "1, 2"),
        ("#headers", "2"),
        ("type(headers)", "table"),
        ("nope or 'd'", "d"),
        ("(function() return 'f' end)()", "f"),
        ("ngx.null", "userdata: NULL"),
    ] {
        assert_eq!(
            render(&state, expression).as_deref(),
            Ok(expected),
            "{expression}"
        );
    }
}

#[test]
fn expressions_fail_as_lua_words_it() {
    let state = state();
    for (expression, expected) in [
        ("a b", "[string \"TMP\"]:1: ')' expected near 'b'"),
        ("", "[string \"TMP\"]:1: unexpected symbol near ')'"),
        ("shared.v = 1", "[string \"TMP\"]:1: ')' expected near '='"),
        (
            "consumer.username",
            "[string \"TMP\"]:1: attempt to index global 'consumer' (a nil value)",
        ),
        (
            "string.upper('a')",
            "[string \"TMP\"]:1: attempt to index global 'string' (a nil value)",
        ),
        (
            "tostring(1)",
            "[string \"TMP\"]:1: attempt to call global 'tostring' (a nil value)",
        ),
        (
            "os.time()",
            "[string \"TMP\"]:1: attempt to index global 'os' (a nil value)",
        ),
        (
            "require('cjson')",
            "require 'cjson' not allowed within sandbox",
        ),
        (
            "headers.nope.x",
            "[string \"TMP\"]:1: attempt to index field 'nope' (a nil value)",
        ),
        (
            "1 + {}",
            "[string \"TMP\"]:1: attempt to perform arithmetic on a table value",
        ),
    ] {
        assert_eq!(raised(render(&state, expression)), expected, "{expression}");
    }
}

#[test]
fn further_names_and_modules_are_given_by_name() {
    let options = Options {
        requires: vec!["bit".to_owned(), "no.such".to_owned()],
        environment: ["string", "tostring", "math.floor"]
            .map(str::to_owned)
            .to_vec(),
        ..Options::default()
    };
    let state = State::new(&options).expect("a state");
    assert_eq!(render(&state, "string.upper('a')").as_deref(), Ok("A"));
    assert_eq!(render(&state, "tostring(1)").as_deref(), Ok("1"));
    assert_eq!(render(&state, "math.floor(1.5)").as_deref(), Ok("1"));
    assert!(render(&state, "math.ceil(1.5)").is_err());
    assert_eq!(
        render(&state, "require('bit').band(6, 3)").as_deref(),
        Ok("2")
    );
    assert!(raised(render(&state, "require('no.such')")).ends_with("module 'no.such' not found"));
}

#[test]
fn trust_opens_the_sandbox_or_closes_it() {
    let options = |trust| Options {
        trust,
        ..Options::default()
    };
    let whole = State::new(&options(UntrustedLua::On)).expect("a state");
    assert_eq!(
        render(&whole, "os.getenv('NO_SUCH_VARIABLE') or 'none'").as_deref(),
        Ok("none")
    );
    assert_eq!(
        answer(&whole, "return type(io.open)").as_deref(),
        Ok("function")
    );
    let nothing = State::new(&options(UntrustedLua::Off)).expect("a state");
    assert_eq!(render(&nothing, "1"), Err(Failure::Off));
    assert_eq!(answer(&nothing, "return 1"), Err(Failure::Off));
}

#[test]
fn what_could_reach_out_is_absent() {
    let state = state();
    for name in [
        "load",
        "loadstring",
        "loadfile",
        "dofile",
        "collectgarbage",
        "debug",
        "ffi",
        "io.open",
        "io.popen",
        "os.execute",
        "os.getenv",
        "os.exit",
        "os.remove",
        "os.rename",
        "os.tmpname",
        "package",
        "newproxy",
        "getfenv",
        "setfenv",
        "string.dump",
        "math.randomseed",
        "jit.off",
        "module",
    ] {
        assert_eq!(
            answer(&state, &format!("return {name}")).as_deref(),
            Ok("nil"),
            "{name}"
        );
    }
    for name in [
        "assert",
        "error",
        "ipairs",
        "next",
        "pairs",
        "pcall",
        "print",
        "select",
        "tonumber",
        "tostring",
        "type",
        "unpack",
        "xpcall",
        "setmetatable",
        "getmetatable",
        "rawget",
        "rawset",
        "rawequal",
        "require",
        "bit.band",
        "coroutine.create",
        "coroutine.resume",
        "coroutine.running",
        "coroutine.status",
        "coroutine.wrap",
        "coroutine.yield",
        "io.type",
        "math.floor",
        "os.clock",
        "os.date",
        "os.difftime",
        "os.time",
        "string.find",
        "string.format",
        "table.new",
        "table.clear",
        "table.clone",
        "table.isarray",
        "table.isempty",
        "table.nkeys",
        "table.move",
        "table.pack",
        "table.unpack",
        "table.sort",
    ] {
        assert_eq!(
            answer(&state, &format!("return type({name})")).as_deref(),
            Ok("function"),
            "{name}"
        );
    }
    for name in ["_VERSION", "jit.os", "jit.arch", "jit.version"] {
        assert_eq!(
            answer(&state, &format!("return type({name})")).as_deref(),
            Ok("string"),
            "{name}"
        );
    }
}

#[test]
fn what_all_scripts_share_cannot_be_changed() {
    let state = state();
    for (body, expected) in [
        (
            "string.upper = nil",
            "Cannot modify string.upper. Protected by the sandbox.",
        ),
        (
            "rawset(table, 'insert', print)",
            "Cannot modify table.insert. Protected by the sandbox.",
        ),
        (
            "ngx.null = 1",
            "Cannot modify ngx.null. Protected by the sandbox.",
        ),
        (
            "setmetatable(string, {})",
            "cannot change a protected metatable",
        ),
    ] {
        let said = raised(answer(&state, body));
        assert!(said.ends_with(expected), "{body}: {said}");
    }
    for (body, expected) in [
        ("return tostring(getmetatable(''))", "false"),
        ("return tostring(getmetatable(string))", "false"),
        ("return tostring(getmetatable(_G))", "false"),
        ("return tostring(getmetatable(print))", "false"),
        ("return tostring(getmetatable({}))", "nil"),
        (
            "local t = setmetatable({}, { __index = { a = 1 } }) return getmetatable(t).__index.a + t.a",
            "2",
        ),
        ("mine = 1 return _G.mine", "1"),
        ("return tostring(mine)", "nil"),
        (
            "local n = 0 for name in pairs(math) do n = n + 1 end return tostring(n > 10)",
            "true",
        ),
    ] {
        assert_eq!(answer(&state, body).as_deref(), Ok(expected), "{body}");
    }
}

#[test]
fn tables_have_what_openresty_added() {
    let state = state();
    for (body, expected) in [
        ("return tostring(table.isempty({}))", "true"),
        ("return tostring(table.isempty({ 1 }))", "false"),
        ("return table.nkeys({ 1, 2, a = 3 })", "3"),
        ("return tostring(table.isarray({ 1, 2 }))", "true"),
        ("return tostring(table.isarray({ 1, a = 2 }))", "false"),
        (
            "return tostring(table.isarray({ [1] = 1, [3] = 1 }))",
            "false",
        ),
        (
            "local a = { 1 } local b = table.clone(a) b[1] = 2 return a[1]",
            "1",
        ),
        (
            "local t = { 3, 1, 2 } table.sort(t) return table.concat(t)",
            "123",
        ),
        (
            "local t = { 3, 1, 2 } table.sort(t, function(a, b) return a > b end) return table.concat(t)",
            "321",
        ),
        (
            "return select('#', table.unpack(table.pack(1, nil, 3), 1, 3))",
            "3",
        ),
        (
            "return table.concat({ xpcall(function() error('e', 0) end, function(e) return e .. '!' end) }, '', 2)",
            "e!",
        ),
    ] {
        assert_eq!(answer(&state, body).as_deref(), Ok(expected), "{body}");
    }
}

/// Whatever it does, it ends about in time, alone, and the machine is as good as before.
#[test]
fn hostile_code_harms_only_its_own_call() {
    let too_long = [
        "while true do end",
        "for i = 1, 1e12 do end",
        "local n = 0 for i = 1, 1e12 do n = n + i % 7 end return n",
        "local function f() return f() end return f()",
        "while true do pcall(function() while true do end end) end",
        "return pcall(function() while true do end end)",
        "return xpcall(function() while true do end end, function() while true do end end)",
        "return xpcall(error, function() while true do end end)",
        "local c = coroutine.wrap(function() while true do end end) while true do pcall(c) end",
        "local c = coroutine.create(function() while true do coroutine.yield() end end) while true do coroutine.resume(c) end",
        "error(setmetatable({}, { __tostring = function() while true do end end })) ",
        "return tostring(setmetatable({}, { __tostring = function() while true do end end }))",
        "local t = setmetatable({}, { __index = function(t, k) while true do end end }) return t.x",
        "return ('a'):rep(40):find(('a?'):rep(40) .. ('a'):rep(40))",
        "return ('a'):rep(100000):find('.-.-.-.-.-b')",
        "return ('a'):rep(1000):gsub('a', function() while true do end end)",
        "table.sort({ 3, 2, 1 }, function() while true do end end)",
        "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.sort(t) end",
        "while true do local s = ('x'):rep(1000000):upper() end",
        "repeat until false",
    ];
    let state = state();
    for body in too_long {
        let began = Instant::now();
        let ended = answer(&state, body);
        if !body.starts_with("error(") {
            assert_eq!(ended, Err(Failure::TooLong), "{body}");
        } else {
            assert_eq!(raised(ended), "(error object is a table value)");
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{body}");
        assert_eq!(
            answer(&state, "return 1 + 1").as_deref(),
            Ok("2"),
            "after {body}"
        );
    }
}

#[test]
fn memory_has_a_limit_for_each_call() {
    let state = state();
    for body in [
        "local t = {} for i = 1, 1e9 do t[i] = {} end",
        "local s = 'x' while true do s = s .. s end",
        "return ('x'):rep(1e7) .. ('y'):rep(1e7) .. ('z'):rep(1.5e7)",
        "return table.concat({ ('x'):rep(1.6e7), ('y'):rep(1.6e7) })",
        "return table.new(1e8, 0)",
    ] {
        let ended = answer(&state, body);
        assert!(
            matches!(ended, Err(Failure::Memory | Failure::TooLong)),
            "{body}: {ended:?}"
        );
        assert_eq!(
            answer(&state, "return 1 + 1").as_deref(),
            Ok("2"),
            "after {body}"
        );
    }
    assert!(!state.is_worn());
    let said = raised(answer(&state, "return ('x'):rep(1e9)"));
    assert!(said.ends_with("resulting string too large"), "{said}");
}

#[test]
fn recursion_has_a_limit() {
    let state = state();
    for (body, expected) in [
        (
            "local function f(n) return 1 + f(n + 1) end return f(1)",
            "stack overflow",
        ),
        (
            "local function f(s) return (s:gsub('.', f)) end return f('x')",
            "overflow",
        ),
        (
            "local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x",
            "loop in gettable",
        ),
        (
            "return ('('):rep(300):find(('('):rep(300))",
            "too many captures",
        ),
    ] {
        let said = raised(answer(&state, body));
        assert!(said.contains(expected), "{body}: {said}");
    }
}

#[test]
fn what_is_no_function_is_told() {
    let state = state();
    let script = Script::function("return 5").expect("it compiles");
    let ended = state
        .call(&script, Value::Nil, Limits::default())
        .map(|_| ());
    assert_eq!(ended, Err(Failure::NoFunction("number")));
    assert!(Script::function("return function( end").is_err());
    let long = format!("--{}", "x".repeat(1 << 20));
    assert!(Script::function(&long).is_err());
    assert!(
        Script::function("\u{1b}LJ\u{2}").is_err(),
        "bytecode is refused"
    );
}

#[test]
fn a_chunk_runs_once_and_keeps_its_locals() {
    let state = state();
    let script = Script::function("local n = 0 return function() n = n + 1 return n end")
        .expect("it compiles");
    for expected in 1..=3_u8 {
        let value = state
            .call(&script, Value::Nil, Limits::default())
            .expect("it runs");
        assert_eq!(value.to_string().expect("a number"), expected.to_string());
    }
}

#[test]
fn a_state_forgets_scripts_that_nobody_holds() {
    let state = state();
    for _ in 0..200 {
        answer(&state, "return 1").expect("it runs");
    }
    assert!(state.loaded() < 100, "{}", state.loaded());
}

#[test]
fn the_compiler_is_off_where_the_setting_says_so() {
    let compiled = |jit: LuaJit, trusted: bool| {
        let options = Options {
            jit,
            trust: UntrustedLua::On,
            ..Options::default()
        };
        let state = State::new(&options).expect("a state");
        // A loop long enough to be compiled, if it may be: then there are more traces than before.
        let source = "local traceinfo = require('jit.util').traceinfo
            local function traces() local n = 0 while traceinfo(n + 1) do n = n + 1 end return n end
            local before = traces()
            local function add(a) local sum = 0 for n = 1, 1000 do sum = sum + n % a end return sum end
            for n = 1, 100 do add(n) end
            return traces() > before";
        let script = Script::module("handler.lua", source).expect("it compiles");
        let own = state.own_modules(None, "x").expect("memory");
        let environment = state.plugin_environment(true, own).expect("memory");
        let run = state.run_module(&script, environment, trusted, Limits::module());
        run.expect("it runs") == Value::Boolean(true)
    };
    // Without the build that makes compiled loops notice the hook, nothing is ever compiled.
    let on = cfg!(check_hook);
    assert_eq!(compiled(LuaJit::On, false), on);
    assert_eq!(compiled(LuaJit::Trusted, true), on);
    assert!(!compiled(LuaJit::Trusted, false));
    assert!(!compiled(LuaJit::Off, true));
}

#[test]
fn luajit_says_what_it_is() {
    let version = crate::version();
    let number = version.strip_prefix("LuaJIT 2.1");
    assert!(
        number.is_some_and(|rest| rest.starts_with('.')),
        "{version}"
    );
}
