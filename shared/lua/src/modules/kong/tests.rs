//! `kong.tools` and the tables beside them.

use std::time::Duration;

use mlua::Value;

use crate::limits::Limits;
use crate::modules::tests::{check, check_raised, state};
use crate::script::Script;

#[test]
fn strings() {
    check(&[
        (
            "return table.concat(require('kong.tools.string').split('a,b,,c', ','), '|')",
            "a|b||c",
        ),
        (
            "return table.concat(require('kong.tools.string').splitn('a,b,c', ',', 2), '|')",
            "a|b,c",
        ),
        (
            "local t = {} for p in require('kong.tools.string').isplitn('a,b', ',') do t[#t + 1] = p end return table.concat(t, '|')",
            "a|b",
        ),
        ("return require('kong.tools.string').strip('  a b ')", "a b"),
        ("return require('kong.tools.string').strip(nil)", ""),
        (
            "return require('kong.tools.string').replace_dashes_lower('X-Y')",
            "x_y",
        ),
        (
            "return tostring(require('kong.tools.string').validate_utf8('é'))",
            "true",
        ),
        (
            "local ok, at = require('kong.tools.string').validate_utf8('a\\255') return tostring(ok) .. at",
            "false2",
        ),
        (
            "return require('kong.tools.string').bytes_to_str(5123456, 'm')",
            "4.89 MiB",
        ),
        (
            "return require('kong.tools.string').bytes_to_str(5123456, 'b')",
            "5123456",
        ),
        (
            "return require('kong.tools.string').str_to_bytes('2 KiB')",
            "2048",
        ),
        (
            "return require('kong.tools.utils').split('a b', ' ')[2]",
            "b",
        ),
    ]);
}

#[test]
fn tables() {
    let with = |rest: &str| {
        format!("local t, j = require('kong.tools.table'), require('cjson').encode {rest}")
    };
    for (rest, expected) in [
        ("return j(t.table_merge({ a = 1 }, { a = 2 }))", "{\"a\":2}"),
        (
            "return tostring(t.table_contains({ 'a', 'b' }, 'b'))",
            "true",
        ),
        (
            "return tostring(t.is_array({ 1, 2 })) .. tostring(t.is_array({ a = 1 }))",
            "truefalse",
        ),
        (
            "local a = { { 1 } } local b = t.cycle_aware_deep_copy(a) b[1][1] = 2 return a[1][1]",
            "1",
        ),
        (
            "local a = {} a.a = a local b = t.cycle_aware_deep_copy(a) return tostring(b.a == b and b ~= a)",
            "true",
        ),
        (
            "return j(t.deep_merge({ a = { b = 1 } }, { a = { c = 2 } }).a.c)",
            "2",
        ),
        ("return j(t.concat({ 1 }, { 2, 3 }))", "[1,2,3]"),
        (
            "return j(t.remove_nulls({ a = ngx.null, b = { c = ngx.null, d = 1 } }))",
            "{\"b\":{\"d\":1}}",
        ),
        ("return select('#', t.unpack(t.pack(1, nil, nil)))", "3"),
        (
            "return j(t.add_error({ a = 'x' }, 'a', 'y'))",
            "{\"a\":[\"x\",\"y\"]}",
        ),
    ] {
        check(&[(&with(rest), expected)]);
    }
}

#[test]
fn times_ids_and_digests() {
    check(&[
        (
            "return tostring(require('kong.tools.time').get_now_ms() > 1.7e12)",
            "true",
        ),
        (
            "return tostring(require('kong.tools.time').time_ns() > 1.7e18)",
            "true",
        ),
        (
            "return require('cjson').encode(require('kong.tools.timestamp').get_timestamps(1424217600000 + 3723004).minute - 1424217600000)",
            "3720000",
        ),
        (
            "local t = require('kong.tools.timestamp').get_timestamps(1709210096123) return ('%d %d %d %d'):format(t.second, t.hour, t.day, t.month)",
            "1709210096000 1709208000000 1709164800000 1706745600000",
        ),
        ("return #require('kong.tools.uuid').uuid()", "36"),
        (
            "return tostring(require('kong.tools.uuid').is_valid_uuid('x'))",
            "false",
        ),
        ("return #require('kong.tools.rand').random_string()", "32"),
        (
            "return require('kong.tools.sha256').sha256_hex('hello')",
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        ),
        (
            "return require('kong.tools.sha256').sha256_base64url('hello')",
            "LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ",
        ),
        (
            "local g = require('kong.tools.gzip') return g.inflate_gzip(g.deflate_gzip(('x'):rep(1e5))):sub(1, 3)",
            "xxx",
        ),
        (
            "local g = require('kong.tools.gzip') local out, said = g.inflate_gzip('nope') return tostring(out) .. type(said)",
            "nilstring",
        ),
        (
            "local c = require('kong.tools.cjson') return c.encode(c.decode_with_array_mt('[[]]'))",
            "[[]]",
        ),
    ]);
}

#[test]
fn gzip_has_a_limit() {
    let body = "local g, s = require('kong.tools.gzip'), ('x'):rep(9e6)
                return select(2, g.inflate_gzip(g.deflate_gzip(s) .. g.deflate_gzip(s)))";
    let script = Script::function(&format!("return function() {body} end")).expect("it compiles");
    let limits = Limits {
        cpu: Duration::from_secs(30),
        memory: 64 << 20,
    };
    let state = state();
    let said = state.call(&script, Value::Nil, limits);
    let said = said.expect("it is told").to_string().expect("text");
    assert_eq!(said, "longer than 16777216 bytes");
}

#[test]
fn addresses() {
    let with = |rest: &str| format!("local ip = require('kong.tools.ip') {rest}");
    for (rest, expected) in [
        (
            "return tostring(ip.is_valid_ip('1.2.3.4')) .. tostring(ip.is_valid_ip('1.2.3.4/8')) .. tostring(ip.is_valid_ip('::1'))",
            "truefalsetrue",
        ),
        (
            "return tostring(ip.is_valid_ip_or_cidr('10.0.0.0/8')) .. tostring(ip.is_valid_ip_or_cidr('10.0.0.0/33'))",
            "truefalse",
        ),
        ("return tostring(ip.is_valid_cidr_v4('::/0'))", "false"),
        (
            "return ip.hostname_type('1.2.3.4') .. ip.hostname_type('::1') .. ip.hostname_type('a.b')",
            "ipv4ipv6name",
        ),
        (
            "return table.concat({ ip.normalize_ipv4('1.2.3.4:80') }, ' ')",
            "1.2.3.4 80",
        ),
        (
            "return (ip.normalize_ipv6('[::1]:80'))",
            "0000:0000:0000:0000:0000:0000:0000:0001",
        ),
        (
            "return select(2, ip.normalize_ipv6('::g'))",
            "invalid ipv6 address: ::g",
        ),
        (
            "return table.concat({ ip.check_hostname('a.b:80') }, ' ')",
            "a.b 80",
        ),
        (
            "return select(2, ip.check_hostname('a..b'))",
            "invalid hostname: a..b",
        ),
        (
            "return ip.format_host('::1', 80)",
            "[0000:0000:0000:0000:0000:0000:0000:0001]:80",
        ),
    ] {
        check(&[(&with(rest), expected)]);
    }
}

#[test]
fn uris_types_and_headers() {
    check(&[
        (
            "return require('kong.tools.uri').normalize('/a/./b/../c%41%2f//d', true)",
            "/a/cA%2F/d",
        ),
        (
            "return require('kong.tools.uri').normalize('/a//b', false)",
            "/a//b",
        ),
        (
            "return require('kong.tools.uri').normalize('/../a/..', true)",
            "/",
        ),
        (
            "return require('kong.tools.uri').escape('/a b/é')",
            "/a%20b/%C3%A9",
        ),
        (
            "local t, s, p = require('kong.tools.mime_type').parse_mime_type('Text/HTML; charset=\"utf-8\"; q=1') return t .. s .. p.charset .. p.q",
            "texthtmlutf-81",
        ),
        (
            "return tostring(require('kong.tools.mime_type').parse_mime_type('text'))",
            "nil",
        ),
        (
            "return tostring(require('kong.tools.mime_type').includes({ type = 'text', subtype = '*' }, { type = 'text', subtype = 'html' }))",
            "true",
        ),
        (
            "return require('kong.tools.http').encode_args({ a = { 1, 2 }, b = 'x y', c = true })",
            "a%5B1%5D=1&a%5B2%5D=2&b=x%20y&c",
        ),
        (
            "return require('kong.tools.http').encode_args({ a = { 1, 2 } }, true, true)",
            "a[]=1&a[]=2",
        ),
        (
            "local d = require('kong.tools.http').parse_directive_header('max-age=60, no-store') return d['max-age'] .. tostring(d['no-store'])",
            "60true",
        ),
        (
            "return select(2, require('kong.tools.http').validate_header_name('a b'))",
            "bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'",
        ),
        (
            "return require('kong.tools.http').get_response_type('text/html, application/json;q=0.5')",
            "text/html; charset=utf-8",
        ),
    ]);
}

#[test]
fn tables_of_kong() {
    check(&[
        ("return require('kong.meta')._VERSION", "3.10.0"),
        (
            "return require('kong.constants').HEADERS.CONSUMER_ID",
            "X-Consumer-ID",
        ),
        (
            "local t = {} for _, p in ipairs(require('kong.constants').RATELIMIT.PERIODS) do t[#t + 1] = p end return #t .. #require('kong.constants').PROTOCOLS",
            "610",
        ),
    ]);
    check_raised(&[(
        "require('kong.constants').HEADERS.CONSUMER_ID = 'X'",
        "Cannot modify kong.constants.HEADERS.CONSUMER_ID. Protected by the sandbox.",
    )]);
}

#[test]
fn handlers_of_old_times() {
    check(&[
        (
            "local Base = require('kong.plugins.base_plugin') local H = Base:extend() \
             function H:new() H.super.new(self, 'mine') end function H:access() H.super.access(self) return self._name end \
             return H():access() .. tostring(H.log) .. tostring(H.response) .. tostring(H:is(Base))",
            "minenilniltrue",
        ),
        (
            "local Base = require('kong.plugins.base_plugin') local A = Base:extend() function A:log() return 'a' end \
             local B = A:extend() return B:log() .. B.super.log(B)",
            "aa",
        ),
    ]);
}

#[test]
fn tokens_are_taken_apart_and_verified() {
    let parser = "local parser = require('kong.plugins.jwt.jwt_parser') ";
    let token = "local token = parser.encode({ sub = 'ann', exp = ngx.time() + 60 }, 'secret') local jwt = assert(parser:new(token)) ";
    let cases = [
        ("return jwt.claims.sub .. jwt.header.alg .. jwt.header.typ", "annHS256JWT"),
        ("return tostring(jwt.token == token) .. #jwt.signature", "true32"),
        ("return tostring(jwt:verify_signature('secret')) .. tostring(jwt:verify_signature('other'))", "truefalse"),
        (
            "local _, rest = token:match('^([^.]*)(.*)$')
             return tostring(parser:new(ngx.encode_base64('{\"alg\":\"HS512\"}', true) .. rest):verify_signature('secret'))",
            "false",
        ),
        ("return tostring(jwt:verify_registered_claims({ 'exp' }))", "true"),
        ("return tostring(jwt:verify_registered_claims())", "true"),
        (
            "local ok, errors = jwt:verify_registered_claims({ 'exp', 'nbf' }) return tostring(ok) .. errors.nbf .. tostring(errors.exp)",
            "falsemust be a numbernil",
        ),
        (
            "local old = parser:new(parser.encode({ exp = 1, nbf = ngx.time() + 60 }, 'x'))
             local ok, errors = old:verify_registered_claims({ 'exp', 'nbf' }) return errors.exp .. ', ' .. errors.nbf",
            "token expired, token not valid yet",
        ),
        ("return tostring(jwt:check_maximum_expiration(0)) .. tostring(jwt:check_maximum_expiration(60))", "truetrue"),
        ("local ok, errors = jwt:check_maximum_expiration(10) return tostring(ok) .. errors.exp", "falseexceeds maximum allowed expiration"),
        ("return select(2, parser:new('a.b'))", "invalid JSON"),
        ("return select(2, parser:new('e30.e30.e30'))", "invalid alg"),
        ("return select(2, parser:new(ngx.encode_base64('{\"alg\":\"none\"}', true) .. '.e30.'))", "invalid alg"),
        ("return select(2, parser:new(ngx.encode_base64('{\"alg\":\"HS256\",\"typ\":\"X\"}', true) .. '.e30.'))", "invalid typ"),
        ("return select(2, parser:new(ngx.encode_base64('{\"alg\":\"HS256\"}', true) .. '.MQ.'))", "invalid claims"),
    ];
    let bodies = cases.map(|(body, expected)| (format!("{parser}{token}{body}"), expected));
    check(
        &bodies
            .each_ref()
            .map(|(body, expected)| (body.as_str(), *expected)),
    );
    check_raised(&[(
        "return require('kong.plugins.jwt.jwt_parser'):new()",
        "Token must be a string, got nil",
    )]);
}

#[test]
fn a_public_key_is_no_secret_of_a_token() {
    // Whoever knows the public key could sign with it otherwise.
    check(&[(
        "local parser = require('kong.plugins.jwt.jwt_parser')
         local public = '-----BEGIN PUBLIC KEY-----\\n'
           .. 'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEnpnYMF9Vhxwq/SJ4ycYeK93qjVCu\\n'
           .. 'vdPXEyQ33nXJRAnNCtQ12nEf83SSy4egWhp0vIVoywB+91xdODYEedXPEw==\\n-----END PUBLIC KEY-----'
         local forged = parser:new(parser.encode({ sub = 'ann' }, public))
         return tostring(forged:verify_signature(public))",
        "false",
    )]);
}
