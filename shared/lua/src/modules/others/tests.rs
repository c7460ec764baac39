//! `inspect`, `multipart`, `socket.url`, `resty.lrucache`, `resty.jit-uuid`.

use crate::modules::tests::check;

#[test]
fn inspect() {
    check(&[
        (
            "return require('inspect')({ 1, 'two', a = { b = true } })",
            "{ 1, \"two\",\n  a = {\n    b = true\n  }\n}",
        ),
        ("return require('inspect')({})", "{}"),
        ("return require('inspect').inspect({ 1, 2 })", "{ 1, 2 }"),
        ("return require('inspect')('a\"b\\n')", "'a\"b\\n'"),
        (
            "local t = {} t.t = t return require('inspect')(t)",
            "<1>{\n  t = <table 1>\n}",
        ),
        (
            "return require('inspect')({ { { 1 } } }, { depth = 2 })",
            "{ { {...} } }",
        ),
        (
            "return require('inspect')({ a = 1, ['b c'] = print }, { newline = '', indent = '' })",
            "{a = 1,[\"b c\"] = <function 1>}",
        ),
        (
            "return require('inspect')({ a = 1, b = 2 }, { newline = '', process = function(v, p) if p[#p] ~= 'b' then return v end end })",
            "{  a = 1}",
        ),
    ]);
}

#[test]
fn multipart() {
    const BODY: &str = "--X\\r\\nContent-Disposition: form-data; name=\"a\"\\r\\n\\r\\n1\\r\\n--X\\r\\nContent-Disposition: form-data; name=\"f\"; filename=\"f.txt\"\\r\\nContent-Type: text/plain\\r\\n\\r\\nline --X\\r\\nend\\r\\n--X--\\r\\n";
    let with = |rest: &str| {
        format!(
            "local m = require('multipart')('{BODY}', 'multipart/form-data; boundary=X') {rest}"
        )
    };
    for (rest, expected) in [
        ("return m:get('a').value", "1"),
        ("return m:get('f').value", "line --X\r\nend"),
        ("return m:get('f').headers[2]", "Content-Type: text/plain"),
        ("return tostring(m:get('x'))", "nil"),
        ("return m:get_all().a", "1"),
        ("return m:get_all_as_arrays().a[1]", "1"),
        (
            "m:delete('f') m:set_simple('a', 2) m:set_simple('b', 'x', 'x.bin', 'application/x') return m:tostring()",
            "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n2\r\n--X\r\nContent-Disposition: form-data; name=\"b\"; filename=\"x.bin\"\r\nContent-Type: application/x\r\n\r\nx\r\n--X--\r\n",
        ),
    ] {
        check(&[(&with(rest), expected)]);
    }
    let body = format!(
        "local b = '{BODY}' return tostring(require('multipart')(b, 'multipart/form-data; boundary=\"X\"'):tostring() == b)"
    );
    check(&[(&body, "true")]);
}

#[test]
fn urls() {
    let with = |rest: &str| format!("local url = require('socket.url') {rest}");
    for (rest, expected) in [
        (
            "local u = url.parse('https://u:p@h.x:8080/a/b;c?d=e#f') return table.concat({ u.scheme, u.user, u.password, u.host, u.port, u.path, u.params, u.query, u.fragment, u.authority }, ' ')",
            "https u p h.x 8080 /a/b c d=e f u:p@h.x:8080",
        ),
        ("return url.parse('http://[::1]:80/').host", "::1"),
        ("return select(2, url.parse(''))", "invalid url"),
        (
            "return url.build({ scheme = 'http', host = 'h', port = 80, path = '/p', query = 'q=1' })",
            "http://h:80/p?q=1",
        ),
        (
            "return url.build(url.parse('https://u:p@h.x:8080/a/b;c?d=e#f'))",
            "https://u:p@h.x:8080/a/b;c?d=e#f",
        ),
        (
            "return url.escape('a b/') .. url.unescape('%41')",
            "a%20b%2fA",
        ),
        (
            "return url.absolute('http://a/b/c/d;p?q', '../g')",
            "http://a/b/g",
        ),
        (
            "return url.absolute('http://a/b/c/d', 'g?y')",
            "http://a/b/c/g?y",
        ),
        ("return url.absolute('http://a/b/c/d', '/g')", "http://a/g"),
        (
            "return #url.parse_path('/a/b/') .. url.build_path({ 'a', 'b c', is_absolute = 1 })",
            "2/a/b%20c",
        ),
    ] {
        check(&[(&with(rest), expected)]);
    }
}

#[test]
fn caches() {
    let with = |rest: &str| format!("local c = require('resty.lrucache').new(2) {rest}");
    for (rest, expected) in [
        (
            "c:set('a', 1) c:set('b', 2) c:get('a') c:set('c', 3) return tostring(c:get('a')) .. tostring(c:get('b')) .. c:get('c')",
            "1nil3",
        ),
        (
            "c:set('a', 1, -1) local v, stale = c:get('a') return tostring(v) .. stale",
            "nil1",
        ),
        ("c:set('a', 1, nil, 7) return select(3, c:get('a'))", "7"),
        (
            "c:set('a', 1) c:delete('a') return tostring(c:get('a')) .. c:count() .. c:capacity()",
            "nil02",
        ),
        (
            "c:set('a', 1) c:set('b', 2) return table.concat(c:get_keys(), ',')",
            "b,a",
        ),
        (
            "c:set('a', 1) c:flush_all() return tostring(c:get('a')) .. c:count()",
            "nil0",
        ),
        (
            "return tostring(getmetatable(c)) .. select(2, require('resty.lrucache.pureffi').new(0))",
            "falsesize too small",
        ),
        ("for i = 1, 1000 do c:set(i, i) end return c:count()", "2"),
    ] {
        check(&[(&with(rest), expected)]);
    }
}

#[test]
fn ids() {
    check(&[
        (
            "return tostring(require('resty.jit-uuid').is_valid(require('resty.jit-uuid')()))",
            "true",
        ),
        (
            "return require('resty.jit-uuid').generate_v4():sub(15, 15)",
            "4",
        ),
        (
            "return require('resty.jit-uuid').generate_v5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'www.example.com')",
            "2ed6657d-e927-568b-95e1-2665a8aea6a2",
        ),
        (
            "return require('resty.jit-uuid').generate_v3('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'www.example.com')",
            "5df41881-3aed-3515-88a7-2f4a814cf09e",
        ),
        (
            "return select(2, require('resty.jit-uuid').generate_v5('x', 'y'))",
            "namespace must be a valid UUID",
        ),
    ]);
}

#[test]
fn yaml() {
    check(&[
        (
            "local d = require('lyaml').load('a: 1\\nb: [x, \"y\"]\\nc:\\n  d: true\\n') return d.a .. d.b[2] .. tostring(d.c.d)",
            "1ytrue",
        ),
        (
            "return #require('lyaml').load('---\\na\\n---\\nb\\n', { all = true })",
            "2",
        ),
        (
            "return tostring(require('lyaml').load('a: null').a == require('lyaml').null)",
            "true",
        ),
        (
            "return type((select(2, pcall(require('lyaml').load, 'a: [1'))))",
            "string",
        ),
        (
            "return require('lyaml').dump({ { a = 1, b = { 'x', 'true' }, c = {}, d = { e = 'é: \"q\"\\n' } } })",
            "---\na: 1\nb:\n  - x\n  - \"true\"\nc: {}\nd:\n  e: \"é: \\\"q\\\"\\n\"\n...\n",
        ),
        (
            "local y = require('lyaml') return y.load(y.dump({ { a = { { b = { 'c', { d = 1 } } } } } })).a[1].b[2].d",
            "1",
        ),
        (
            "local t = {} t.t = t return (select(2, pcall(require('lyaml').dump, { t })))",
            "cannot write a table that is within itself",
        ),
    ]);
}

#[test]
fn buffers() {
    check(&[
        (
            "local b = require('string.buffer').new() b:put('a', 1):putf('%02d', 5) return b:get(2) .. '|' .. tostring(b) .. #b",
            "a1|052",
        ),
        (
            "local b = require('string.buffer').new():set('abc'):skip(1) return b:tostring() .. b:get() .. #b",
            "bcbc0",
        ),
        (
            "local b = require('string.buffer').new() return tostring(b.ref) .. tostring(b.reserve)",
            "nilnil",
        ),
        (
            "return require('ngx.process').type() .. type(require('ngx.errlog').raw_log)",
            "workerfunction",
        ),
    ]);
}
