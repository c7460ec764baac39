//! What OpenResty's documentation shows, and that no pattern holds the worker.

use std::time::{Duration, Instant};

use mlua::Value;

use super::cache::{Cache, Options};
use crate::error::Failure;
use crate::limits::Limits;
use crate::modules::tests::{check, check_raised, state};
use crate::script::Script;
use crate::tests::answer;

#[test]
fn matches_are_told_as_openresty_tells_them() {
    check(&[
        ("return ngx.re.match('hello, 1234', '[0-9]+')[0]", "1234"),
        (
            "local m = ngx.re.match('hello, 1234', '([0-9])[0-9]+') return m[0] .. m[1]",
            "12341",
        ),
        ("return tostring(ngx.re.match('hello', '[0-9]+'))", "nil"),
        ("return select('#', ngx.re.match('hello', '[0-9]+'))", "1"),
        (
            "local m = ngx.re.match('hello, 1234', '([0-9])(?<remaining>[0-9]+)') return m[0] .. m[1] .. m[2] .. m.remaining",
            "12341234234",
        ),
        (
            "local m = ngx.re.match('hello, world', '(world)|(hello)|(?<named>howdy)') return tostring(m[1]) .. m[2] .. tostring(m[3]) .. tostring(m.named)",
            "falsehellofalsefalse",
        ),
        (
            "local m = ngx.re.match('hello, world', '(?<named>\\\\w+), (?<named>\\\\w+)', 'D') return m.named[1] .. m.named[2]",
            "helloworld",
        ),
        (
            "local c = {} ngx.re.match('1234, hello', '[0-9]+', '', c) return c.pos",
            "5",
        ),
        (
            "local c = { pos = 2 } local m = ngx.re.match('1234, hello', '[0-9]+', '', c) return m[0] .. c.pos",
            "2345",
        ),
        (
            "return tostring(ngx.re.match('abc', 'c', '', { pos = 9 }))",
            "nil",
        ),
        (
            "local t = {} ngx.re.match('abc', 'b', 'jo', nil, t) return t[0]",
            "b",
        ),
        ("return ngx.re.match('HELLO', 'hello', 'ijo')[0]", "HELLO"),
        ("return ngx.re.match('a\\nb', 'a.b', 's')[0]", "a\nb"),
        ("return ngx.re.match('x\\ny', '^y', 'm')[0]", "y"),
        ("return ngx.re.match('ab', 'a b', 'x')[0]", "ab"),
        ("return tostring(ngx.re.match('ba', 'a', 'a'))", "nil"),
        ("return ngx.re.match('aé', '^.(.)$', 'u')[1]", "é"),
        ("return ngx.re.match('aaa', 'a|aa|aaa', 'd')[0]", "aaa"),
        ("return ngx.re.match('foobar', 'foo(?=bar)')[0]", "foo"),
        ("return ngx.re.match('abab', '(ab)\\\\1')[0]", "abab"),
        ("return ngx.re.match(1234, 3)[0]", "3"),
        (
            "local f, t = ngx.re.find('hello, 1234', '([0-9]+)', 'jo') return f .. ':' .. t",
            "8:11",
        ),
        (
            "local f, t = ngx.re.find('hello, 1234', '([0-9])([0-9]+)', 'jo', nil, 2) return f .. ':' .. t",
            "9:11",
        ),
        (
            "local f, t, e = ngx.re.find('abc', '(x)?b', '', nil, 1) return tostring(f) .. tostring(t) .. tostring(e)",
            "nilnilnil",
        ),
        (
            "return select(3, ngx.re.find('abc', 'b', '', nil, 1))",
            "nth out of bound",
        ),
        (
            "return table.concat({ ngx.re.find('aé1', '1', 'u') }, ' ')",
            "4 4",
        ),
        (
            "local out = {} for m in ngx.re.gmatch('hello, world!', '([a-z]+)', 'i') do out[#out + 1] = m[1] end return table.concat(out, '|')",
            "hello|world",
        ),
        (
            "local n = 0 for m in ngx.re.gmatch('abc', '') do n = n + 1 end return n",
            "4",
        ),
        (
            "local i = ngx.re.gmatch('a', 'b') return tostring(i()) .. tostring(i())",
            "nilnil",
        ),
    ]);
}

#[test]
fn replacements_are_those_of_openresty() {
    check(&[
        (
            "local s, n = ngx.re.sub('hello, 1234', '([0-9])[0-9]', '[$0][$1]') return s .. n",
            "hello, [12][1]341",
        ),
        (
            "local s, n = ngx.re.sub('hello, 1234', '[0-9]', '${0}00') return s .. n",
            "hello, 1002341",
        ),
        (
            "return (ngx.re.sub('hello, 1234', '[0-9]', '$$'))",
            "hello, $234",
        ),
        (
            "return (ngx.re.sub('hello, 1234', '([0-9])[0-9]', function(m) return '[' .. m[0] .. '][' .. m[1] .. ']' end))",
            "hello, [12][1]34",
        ),
        (
            "local s, n = ngx.re.gsub('hello, world', '([a-z])[a-z]+', '[$0,$1]', 'i') return s .. n",
            "[hello,h], [world,w]2",
        ),
        (
            "local s, n = ngx.re.gsub('hello, world', '([a-z])[a-z]+', function(m) return '[' .. m[0] .. ',' .. m[1] .. ']' end, 'i') return s .. n",
            "[hello,h], [world,w]2",
        ),
        (
            "local s, n = ngx.re.gsub('hello', '', '-') return s .. n",
            "-h-e-l-l-o-6",
        ),
        (
            "local s, n = ngx.re.gsub('hé', '', function() return '-' end, 'u') return s .. n",
            "-h-é-3",
        ),
        (
            "local s, n = ngx.re.gsub('hé', '', '-', 'u') return s .. n",
            "-h-é-3",
        ),
        (
            "local s, n = ngx.re.gsub('baac', 'a*', '-') return s",
            "-b--c-",
        ),
        (
            "local s, n = ngx.re.gsub('abc', 'x', 'y') return s .. n",
            "abc0",
        ),
        ("return (ngx.re.gsub('abc', 'b', '$1$12'))", "ac"),
        ("return (ngx.re.gsub('abc', 'b', 5))", "a5c"),
        ("return (ngx.re.gsub('foobar', 'foo\\\\Kbar', 'X'))", "fooX"),
        (
            "return select(3, ngx.re.sub('abc', 'b', '$x'))",
            "failed to compile the replacement template",
        ),
        (
            "return select(3, ngx.re.sub('abc', 'b', '${1'))",
            "failed to compile the replacement template",
        ),
        (
            "return select(3, ngx.re.sub('abc', 'b', 'x$'))",
            "failed to compile the replacement template",
        ),
    ]);
}

#[test]
fn texts_are_split() {
    let split =
        |arguments: &str| format!("return table.concat(require('ngx.re').split({arguments}), '|')");
    for (arguments, expected) in [
        ("'a,b,c,d', ','", "a|b|c|d"),
        ("'a,b,c,d', '(,)'", "a|,|b|,|c|,|d"),
        ("'a,b,c,d', ',', nil, { pos = 5 }", "c|d"),
        ("'a,b,c,d', ',', nil, nil, 3", "a|b|c,d"),
        (
            "'a,b,c,d', ',', nil, nil, 3, { 'x', 'x', 'x', 'x' }",
            "a|b|c,d",
        ),
        ("',a,', ','", "|a|"),
        ("'abc', ''", "a|b|c"),
        ("'abc', 'x'", "abc"),
        ("'', ','", ""),
        ("'aXbXc', 'x', 'ij'", "a|b|c"),
    ] {
        check(&[(&split(arguments), expected)]);
    }
}

#[test]
fn what_is_wrong_is_told_or_raised() {
    let message = "pcre2_compile() failed: missing closing parenthesis in \"(abc\"";
    check(&[
        ("return select(2, ngx.re.match('x', '(abc'))", message),
        ("return select(3, ngx.re.find('x', '(abc'))", message),
        ("return select(2, ngx.re.gmatch('x', '(abc'))", message),
        ("return select(3, ngx.re.sub('x', '(abc', ''))", message),
        ("return select(3, ngx.re.gsub('x', '(abc', print))", message),
        (
            "return select(2, require('ngx.re').split('x', '(abc'))",
            message,
        ),
        (
            "return select(2, ngx.re.match('x', 'a)b'))",
            "pcre2_compile() failed: unmatched closing parenthesis in \"a)b\" at \")b\"",
        ),
        // Not UTF-8.
        (
            "return select(2, ngx.re.match('\\255', '.', 'u'))",
            "pcre_exec() failed: -23",
        ),
    ]);
    check_raised(&[
        (
            "ngx.re.match('x', 'x', 'q')",
            ":1: unknown flag \"q\" (flags \"q\")",
        ),
        (
            "ngx.re.match('x', 'x', {})",
            ":1: bad options: string expected, got table",
        ),
        (
            "ngx.re.match('x', 'x', '', 5)",
            ":1: bad argument #4 (table expected, got number)",
        ),
        (
            "ngx.re.match('x', 'x', '', nil, 5)",
            ":1: bad argument #5 to 'match' (table expected, got number)",
        ),
        (
            "ngx.re.gsub('x', 'x', function() error('in') end)",
            ":1: in",
        ),
    ]);
}

#[test]
fn no_pattern_holds_the_worker() {
    let state = state();
    for body in [
        // The limit counts anew wherever a match may begin; so these end by the clock.
        "return ngx.re.match(('a'):rep(1.5e7), '[^x]*+y')",
        "return ngx.re.match(('a'):rep(1e6), '(?>a*)[bc]', 'd')",
        "return ngx.re.gsub(('a'):rep(1e6), 'a*?', ('$0x'):rep(1e4))",
        "return ngx.re.gsub(('a'):rep(1e6), 'a*', ('$0'):rep(1e4))",
        "return ngx.re.gsub('a', 'a', function() while true do end end)",
        "local n = 0 while true do n = n + 1 ngx.re.match('x', 'x' .. n) end",
        "while true do ngx.re.gmatch('x', '')() end",
    ] {
        let began = Instant::now();
        let ended = answer(&state, body);
        assert!(
            matches!(ended, Err(Failure::TooLong | Failure::Memory)),
            "{body}: {ended:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(20), "{body}");
    }
    for pattern in ["(a+)+$", "^(a|a)*$"] {
        let script = Script::function(&format!(
            "return function() return select(2, ngx.re.match(('a'):rep(40) .. '!', '{pattern}')) end"
        ));
        let limits = Limits {
            cpu: Duration::from_secs(30),
            ..Limits::default()
        };
        let said = state.call(&script.expect("it compiles"), Value::Nil, limits);
        let said = said.expect("it is told").to_string();
        assert_eq!(said.expect("text"), "pcre_exec() failed: -47", "{pattern}");
    }
    let deep = "return tostring(select(2, ngx.re.match('x', ('('):rep(300) .. (')'):rep(300))))";
    let said = answer(&state, deep).expect("it is told");
    assert!(said.contains("parentheses are too deeply nested"), "{said}");
}

#[test]
fn a_machine_keeps_so_many_patterns() {
    let mut cache = Cache::default();
    for i in 0..1500 {
        let regex = cache.get(format!("x{i}").as_bytes(), Options::default());
        assert!(regex.is_ok());
        // This one is used all the time, so it stays.
        assert!(cache.get(b"always", Options::default()).is_ok());
    }
    assert_eq!(cache.count(), 1000);
}
