//! What Penlight's documentation shows.

use crate::modules::tests::{check, check_raised};

/// Calls of one module, whose answers are shown as `pl.pretty` writes them in one line.
fn shown(module: &str, cases: &[(&str, &str)]) {
    for (call, expected) in cases {
        let body = format!(
            "local m, w = require('{module}'), require('pl.pretty').write
             local function all(...) local t = {{}} for i = 1, select('#', ...) do t[i] = (w((select(i, ...)), '')) end return table.concat(t, ' ') end
             return all(m.{call})"
        );
        check(&[(&body, expected)]);
    }
}

#[test]
fn stringx() {
    shown(
        "pl.stringx",
        &[
            ("split('a b  c')", r#"{"a","b","c"}"#),
            ("split('a,b,,c', ',')", r#"{"a","b","","c"}"#),
            ("split('a,b,', ',')", r#"{"a","b",""}"#),
            ("split('a,b,c', ',', 2)", r#"{"a","b,c"}"#),
            ("split('', ',')", "{}"),
            ("strip('  a ')", r#""a""#),
            ("strip('--a-b--', '-')", r#""a-b""#),
            ("lstrip(' a ')", r#""a ""#),
            ("rstrip(' a ')", r#"" a""#),
            ("startswith('abc', 'ab')", "true"),
            ("startswith('abc', { 'x', 'a' })", "true"),
            ("endswith('abc', 'bc')", "true"),
            ("endswith('bc', 'abc')", "false"),
            ("join(',', { 1, 2 })", r#""1,2""#),
            ("splitlines('a\\nb\\r\\nc')", r#"{"a","b","c"}"#),
            ("partition('a=b=c', '=')", r#""a" "=" "b=c""#),
            ("rpartition('a=b=c', '=')", r#""a=b" "=" "c""#),
            ("partition('a', '=')", r#""a" "" """#),
            ("replace('a.b.c', '.', '%')", r#""a%b%c""#),
            ("replace('aaa', 'a', 'b', 2)", r#""bba""#),
            ("count('banana', 'an')", "2"),
            ("lfind('abcabc', 'c')", "3"),
            ("rfind('abcabc', 'c')", "6"),
            ("ljust('a', 3)", r#""a  ""#),
            ("rjust('7', 3, '0')", r#""007""#),
            ("center('a', 3)", r#"" a ""#),
            ("title('hello wORLD')", r#""Hello World""#),
            ("shorten('abcdefgh', 6)", r#""abc...""#),
            ("isalpha('abc')", "true"),
            ("isdigit('12a')", "false"),
            ("isspace('')", "false"),
            ("at('abc', 2)", r#""b""#),
            ("expandtabs('a\\tb', 4)", r#""a   b""#),
            ("wrap('aa bb cc', 5)", r#"{"aa bb","cc"}"#),
        ],
    );
    check_raised(&[
        (
            "require('pl.stringx').strip(nil)",
            "argument 1 expected a 'string' got a 'nil'",
        ),
        (
            "require('pl.stringx').strip = 1",
            "Cannot modify pl.stringx.strip. Protected by the sandbox.",
        ),
    ]);
}

#[test]
fn tablex() {
    shown(
        "pl.tablex",
        &[
            ("size({ 1, a = 2 })", "2"),
            ("copy({ 1, a = 2 })", "{1,a=2}"),
            ("deepcopy({ { 1 } })", "{{1}}"),
            ("deepcompare({ a = { 1 } }, { a = { 1 } })", "true"),
            ("deepcompare({ a = { 1 } }, { a = { 2 } })", "false"),
            ("compare({ 1, 2 }, { 1, 2 })", "true"),
            ("find({ 'a', 'b' }, 'b')", "2"),
            (
                "find_if({ 1, 5 }, function(n, least) return n > least end, 2)",
                "2 true",
            ),
            (
                "map(function(n, by) return n * by end, { a = 1, 2 }, 10)",
                "{20,a=10}",
            ),
            ("imap(tostring, { 1, 2 })", r#"{"1","2"}"#),
            ("reduce(function(a, b) return a + b end, { 1, 2, 3 })", "6"),
            ("filter({ 1, 2, 3 }, function(n) return n > 1 end)", "{2,3}"),
            ("keys({ a = 1 })", r#"{"a"}"#),
            ("values({ a = 1 })", "{1}"),
            ("merge({ a = 1, b = 2 }, { b = 3, c = 4 })", "{b=2}"),
            ("merge({ a = 1 }, { b = 3 }, true)", "{a=1,b=3}"),
            ("difference({ a = 1, b = 2 }, { b = 1 })", "{a=1}"),
            ("makeset({ 'a' })", "{a=true}"),
            ("count_map({ 'a', 'b', 'a' })", "{a=2,b=1}"),
            ("range(1, 3)", "{1,2,3}"),
            ("sub({ 1, 2, 3 }, 2)", "{2,3}"),
            ("zip({ 1, 2 }, { 3, 4 })", "{{1,3},{2,4}}"),
            ("insertvalues({ 1, 4 }, 2, { 2, 3 })", "{1,2,3,4}"),
            ("removevalues({ 1, 2, 3 }, 2, 2)", "{1,3}"),
            (
                "pairmap(function(k, v) return v .. k end, { a = 1 })",
                r#"{"1a"}"#,
            ),
            ("index_by({ 10, 20, 30 }, { 1, 3 })", "{10,30}"),
            ("union({ a = 1 }, { b = 2 })", "{a=1,b=2}"),
            ("readonly({ 5 })[1]", "5"),
        ],
    );
    check_raised(&[
        (
            "require('pl.tablex').readonly({}).x = 1",
            "Attempt to modify read-only table",
        ),
        (
            "require('pl.tablex').size(nil)",
            "argument 1 is not \"iterable\"",
        ),
    ]);
    check(&[
        (
            "local t = {} for k in require('pl.tablex').sort({ b = 1, a = 2 }) do t[#t + 1] = k end return table.concat(t)",
            "ab",
        ),
        (
            "local t = {} for k in require('pl.tablex').sortv({ b = 1, a = 2 }) do t[#t + 1] = k end return table.concat(t)",
            "ba",
        ),
    ]);
}

#[test]
fn utils_types_and_pretty() {
    shown(
        "pl.utils",
        &[
            ("split('a b')", r#"{"a","b"}"#),
            ("split('a.b', '.', true)", r#"{"a","b"}"#),
            ("splitv('a,b', ',')", r#""a" "b""#),
            ("escape('a.b')", r#""a%.b""#),
            ("choose(true, 1, 2)", "1"),
            ("is_callable(print)", "true"),
            ("is_type('x', 'string')", "true"),
            ("pack(1, 2).n", "2"),
            ("memoize(function(n) return n * 2 end)(4)", "8"),
            ("bind1(math.max, 5)(3)", "5"),
            ("raise('x')", r#"nil "x""#),
        ],
    );
    shown(
        "pl.types",
        &[
            ("is_empty({})", "true"),
            ("is_empty(' ', true)", "true"),
            ("is_integer(1.5)", "false"),
            ("to_bool('yes')", "true"),
            ("to_bool('no')", "false"),
            ("type({})", r#""table""#),
            ("is_callable({})", "false"),
        ],
    );
    check(&[
        (
            "return require('pl.pretty').write({ 1, 'b', x = { y = true }, ['a b'] = 2 })",
            "{\n  1,\n  \"b\",\n  [\"a b\"] = 2,\n  x = {\n    y = true\n  }\n}",
        ),
        ("return require('pl.pretty').write({})", "{\n}"),
        (
            "local t = {} t.t = t return require('pl.pretty').write(t, '')",
            "{t=<cycle>}",
        ),
        ("return require('pl.compat').dir_separator", "/"),
    ]);
}

#[test]
fn lists_and_classes() {
    check(&[
        (
            "local L = require('pl.List') return tostring(L{ 3, 1, 2 }:sort():append(9))",
            "{1,2,3,9}",
        ),
        (
            "local L = require('pl.List') return L{ 1, 2 }:map(function(n) return n * 2 end):concat('-')",
            "2-4",
        ),
        (
            "local L = require('pl.List') return L.range(1, 4):filter(function(n) return n % 2 == 0 end):len()",
            "2",
        ),
        (
            "return require('pl.stringx').split('b a'):sort():concat()",
            "ab",
        ),
        (
            "local class = require('pl.class') local A = class() function A:_init(n) self.n = n end function A:get() return self.n end local B = class(A) function B:_init(n) self:super(n + 1) end local C = class(B) function C:_init(n) self:super(n + 1) end return C(1):get()",
            "3",
        ),
        (
            "local class = require('pl.class') local A = class() local B = class(A) local b = B() return tostring(b:is_a(A)) .. tostring(A:class_of(b)) .. tostring(B:class_of(A()))",
            "truetruefalse",
        ),
        (
            "local A = require('pl.class'){ _init = function(self) self.x = 5 end, get = function(self) return self.x end } return A():get()",
            "5",
        ),
        (
            "return tostring(getmetatable(require('pl.List')()))",
            "false",
        ),
    ]);
}

#[test]
fn templates() {
    check(&[
        (
            "return require('pl.template').substitute('Hello $(name)!', { name = 'x' })",
            "Hello x!",
        ),
        (
            "return require('pl.template').substitute('# for i = 1, 2 do\\n<$(i)>\\n# end\\nend', {})",
            "<1>\n<2>\nend",
        ),
        (
            "return require('pl.template').substitute('$(a)', { _parent = { a = 'up' } })",
            "up",
        ),
        (
            "return require('pl.template').substitute('<%[a]>', { a = 1, _inline_escape = '%', _brackets = '[]' })",
            "<1>",
        ),
        (
            "local t = require('pl.template').compile('$(f(2))') return t:render({ f = function(n) return n * 2 end })",
            "4",
        ),
        ("return require('pl.template').substitute('$(x)', {})", ""),
        (
            "return tostring(select(2, require('pl.template').substitute('$(a b)', {})):match('expected near'))",
            "expected near",
        ),
        (
            "return tostring(select(2, require('pl.template').substitute('$(print())', {})):match('attempt to call'))",
            "attempt to call",
        ),
        (
            "return tostring(select(2, require('pl.template').substitute('# string.rep = 1', { _escape = '#' })):match('attempt to index'))",
            "attempt to index",
        ),
    ]);
}

#[test]
fn path() {
    shown(
        "pl.path",
        &[
            ("splitpath('/a/b.txt')", r#""/a" "b.txt""#),
            ("splitpath('b.txt')", r#""" "b.txt""#),
            ("splitpath('/b')", r#""/" "b""#),
            ("splitext('/a.x/b.tar.gz')", r#""/a.x/b.tar" ".gz""#),
            ("splitext('/a.x/b')", r#""/a.x/b" """#),
            ("dirname('/a/b/c')", r#""/a/b""#),
            ("basename('/a/b/c.lua')", r#""c.lua""#),
            ("extension('/a/b/c.lua')", r#"".lua""#),
            ("join('a', 'b', 'c')", r#""a/b/c""#),
            ("join('a/', 'b')", r#""a/b""#),
            ("join('a', '/b', 'c')", r#""/b/c""#),
            ("join('', 'b')", r#""b""#),
            ("normpath('/a//b/./c/../d')", r#""/a/b/d""#),
            ("normpath('../a/../../b')", r#""../../b""#),
            ("normpath('a/..')", r#"".""#),
            ("normpath('/../a')", r#""/a""#),
            ("isabs('/a')", "true"),
            ("isabs('a')", "false"),
            ("relpath('/a/b/c', '/a/d')", r#""../b/c""#),
            ("relpath('/a', '/a')", r#"".""#),
            ("common_prefix('/a/b/c', '/a/b/d')", r#""/a/b""#),
            ("common_prefix('/a/b', '/a/b/d')", r#""/a/b""#),
            ("common_prefix('/a/bc', '/a/bd')", r#""/a""#),
        ],
    );
    check_raised(&[
        (
            "require('pl.path').exists('/etc')",
            "pl.path.exists is not supported: modules see no files",
        ),
        (
            "require('pl.path').dirname(1)",
            "argument 1 expected a 'string' got a 'number'",
        ),
    ]);
}

#[test]
fn sets() {
    let set = "local Set = require('pl.Set') local a, b = Set { 'x', 'y' }, Set({ 'y', 'z' }) ";
    for (body, expected) in [
        ("tostring(a + b)", "[x,y,z]"),
        ("tostring(a * b)", "[y]"),
        ("tostring(a - b)", "[x]"),
        ("tostring(a ^ b)", "[x,z]"),
        ("tostring(#a)", "2"),
        ("tostring(a == Set { 'y', 'x' })", "true"),
        ("tostring(a < a + b)", "true"),
        ("tostring(a <= b)", "false"),
        ("tostring(a.x) .. tostring(a.z)", "truenil"),
        ("table.concat(Set.values(a):sort(), ' ')", "x y"),
        ("tostring(Set.union(a, 'q'))", "[q,x,y]"),
        ("tostring(Set.map(a, string.upper))", "[X,Y]"),
        (
            "tostring(Set.isempty(Set())) .. tostring(Set.isdisjoint(a, b))",
            "truefalse",
        ),
        ("tostring(Set(a) == a)", "true"),
    ] {
        check(&[(&format!("{set}return {body}"), expected)]);
    }
}

#[test]
fn maps() {
    let map = "local Map = require('pl.Map') local m = Map { b = 2, a = 1 } ";
    for (body, expected) in [
        ("table.concat(m:keys():sort(), ' ')", "a b"),
        ("table.concat(m:values():sort(), ' ')", "1 2"),
        ("m:items()[1][1] .. m:items()[2][2]", "a2"),
        ("m:get('a') .. tostring(m:get('keys')) .. m:len()", "1nil2"),
        ("m:setdefault('a', 9) .. m:setdefault('c', 9) .. m.c", "199"),
        (
            "tostring(m == Map { a = 1, b = 2 }) .. tostring(m == Map { a = 1 })",
            "truefalse",
        ),
        ("m:update({ a = 5 }).a", "5"),
        ("table.concat(m:getvalues({ 'b', 'a' }), ' ')", "2 1"),
        ("tostring(Map { a = 1 })", "{a=1}"),
    ] {
        check(&[(&format!("{map}return {body}"), expected)]);
    }
    let map = "local Map = require('pl.OrderedMap') local m = Map() m:set('z', 1) m.y = 2 m:set('x', 'three') ";
    for (body, expected) in [
        ("tostring(m)", "{z=1,y=2,x=\"three\"}"),
        ("table.concat(m:keys(), ' ')", "z y x"),
        ("table.concat(m:values(), ' ')", "1 2 three"),
        (
            "(function() m.y = nil m.z = 7 m.y = 8 return tostring(m) end)()",
            "{z=7,x=\"three\",y=8}",
        ),
        (
            "tostring(m:insert(1, 'w', 0):insert(2, 'x'))",
            "{w=0,x=\"three\",z=1,y=2}",
        ),
        ("tostring(m:sort())", "{x=\"three\",y=2,z=1}"),
        (
            "(function() local all = {} for key, value in pairs(m) do all[#all + 1] = key .. value end return table.concat(all, ' ') end)()",
            "z1 y2 xthree",
        ),
        ("tostring(Map { { b = 1 }, { a = 2 } }) .. #m", "{b=1,a=2}3"),
        ("tostring(m.nothing) .. m:get('y')", "nil2"),
        ("tostring(Map(m))", "{z=1,y=2,x=\"three\"}"),
    ] {
        check(&[(&format!("{map}return {body}"), expected)]);
    }
}
