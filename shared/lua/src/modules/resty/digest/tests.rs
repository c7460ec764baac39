//! Digests, strings and random bytes.

use crate::modules::tests::{check, check_raised};

#[test]
fn digests_are_fed_piece_by_piece() {
    let fed = |module: &str| {
        format!(
            "local d = require('{module}'):new() d:update('hel') d:update('lo') local hex = require('resty.string').to_hex(d:final()) \
             d:reset() d:update('hello world', 5) return tostring(hex == require('resty.string').to_hex(d:final())) .. hex"
        )
    };
    for (module, expected) in [
        ("resty.md5", "true5d41402abc4b2a76b9719d911017c592"),
        ("resty.sha1", "trueaaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"),
        (
            "resty.sha224",
            "trueea09ae9cc6768c50fcee903ed054556e5bfc8347907f12598aa24193",
        ),
        (
            "resty.sha256",
            "true2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        ),
        (
            "resty.sha384",
            "true59e1748777448c69de6b800d7a33bbfb9ff1b463e44354c3553bcdb9c666fa90125a3c79f90397bdf5f6a13de828684f",
        ),
        (
            "resty.sha512",
            "true9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043",
        ),
    ] {
        check(&[(&fed(module), expected)]);
    }
    check_raised(&[(
        "require('resty.md5'):new():update(nil)",
        ":1: bad argument #1 to 'update' (string expected, got nil)",
    )]);
}

#[test]
fn strings_and_random_bytes() {
    check(&[
        (
            "return require('resty.string').to_hex('a\\0\\255')",
            "6100ff",
        ),
        ("return require('resty.string').str_to_hex('a')", "61"),
        ("return require('resty.string').atoi('42')", "42"),
        ("return require('resty.string').atoi('x')", "-1"),
        ("return #require('resty.random').bytes(16, true)", "16"),
        (
            "local r = require('resty.random') return tostring(r.bytes(16) == r.bytes(16))",
            "false",
        ),
    ]);
    check_raised(&[(
        "require('resty.random').bytes(1e12)",
        "no more than 1048576 random bytes, got 1000000000000",
    )]);
}

#[test]
fn openssl() {
    check(&[
        (
            "local d = require('resty.openssl.digest').new('sha256') d:update('hel', 'lo') return require('resty.string').to_hex(d:final())",
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        ),
        (
            "return select(2, require('resty.openssl.digest').new('x'))",
            "digest.new: invalid digest type \"x\"",
        ),
        (
            "local h = require('resty.openssl.hmac').new('key', 'sha256') return require('resty.string').to_hex(h:final('The quick brown fox jumps over the lazy dog'))",
            "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8",
        ),
        (
            "local h = require('resty.openssl.hmac').new('key', 'md5') return require('resty.string').to_hex(h:final('The quick brown fox jumps over the lazy dog'))",
            "80070713463e7749b90c2dc24911e275",
        ),
        (
            "local h = require('resty.openssl.mac').new('key', 'HMAC', nil, 'sha1') h:update('The quick brown fox ', 'jumps over the lazy dog') return require('resty.string').to_hex(h:final())",
            "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9",
        ),
        (
            "return select(2, require('resty.openssl.mac').new('key', 'CMAC'))",
            "mac.new: invalid mac type \"CMAC\"",
        ),
        ("return #require('resty.openssl.rand').bytes(8)", "8"),
        (
            "return select(2, require('resty.openssl.pkey').new('x'))",
            "pkey.new: the key cannot be read",
        ),
    ]);
}

#[test]
fn tokens() {
    const TOKEN: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c";
    let with = |rest: &str| format!("local jwt, token = require('resty.jwt'), '{TOKEN}' {rest}");
    for (rest, expected) in [
        (
            "local o = jwt:verify('your-256-bit-secret', token) return tostring(o.verified) .. o.payload.name .. o.reason",
            "trueJohn Doeeverything is awesome~ :p",
        ),
        (
            "return jwt:verify('other', token).reason",
            "signature mismatch: SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
        ),
        ("return jwt:verify('x', 'a.b').reason", "invalid jwt string"),
        ("return jwt:load_jwt('a.b.c').reason", "invalid header: a"),
        ("return jwt:load_jwt(token).header.alg", "HS256"),
        (
            "local t = jwt:sign('k', { header = { typ = 'JWT', alg = 'HS512' }, payload = { exp = 1 } }) return jwt:verify('k', t).reason",
            "'exp' claim expired at Thu, 01 Jan 1970 00:00:01 GMT",
        ),
        (
            "local t = jwt:sign('k', { header = { alg = 'HS256' }, payload = { nbf = 4102444800 } }) return jwt:verify('k', t).reason",
            "'nbf' claim not valid until Fri, 01 Jan 2100 00:00:00 GMT",
        ),
        (
            "local t = jwt:sign('k', { header = { alg = 'HS256' }, payload = { a = 1 } }) return jwt:verify('k', t, { a = function(v) return v == 2 end }).reason",
            "Claim 'a' ('1') returned failure",
        ),
        (
            "local o = jwt:load_jwt(token) o.header.alg = 'none' return jwt:verify_jwt_obj('k', o).reason",
            "unsupported algorithm: none",
        ),
        (
            "jwt:set_alg_whitelist({ RS256 = 1 }) local o = jwt:verify('your-256-bit-secret', token) return tostring(o.verified) .. o.reason",
            "falsewhitelist unsupported alg: HS256",
        ),
        (
            "jwt:set_alg_whitelist({ RS256 = 1, HS256 = 1 }) return tostring(jwt:verify('your-256-bit-secret', token).verified)",
            "true",
        ),
        (
            "jwt:set_alg_whitelist({}) jwt:set_alg_whitelist(nil) return tostring(jwt:verify('your-256-bit-secret', token).verified)",
            "true",
        ),
        (
            "return tostring(select(2, pcall(function() local t = jwt:sign('k', { header = { alg = 'XX' }, payload = {} }) end)):match('unsupported algorithm: XX'))",
            "unsupported algorithm: XX",
        ),
    ] {
        check(&[(&with(rest), expected)]);
    }
}

#[test]
fn ranges_of_addresses() {
    let with = |rest: &str| {
        format!(
            "local m = require('resty.ipmatcher').new({{ '10.0.0.0/8', '::1', '0.0.0.0/32', 'fe80::/10' }}) {rest}"
        )
    };
    for (rest, expected) in [
        (
            "return tostring(m:match('10.1.2.3')) .. tostring(m:match('11.0.0.1')) .. tostring(m:match('::1')) .. tostring(m:match('::2'))",
            "truefalsetruefalse",
        ),
        (
            "return tostring(m:match('fe80::5')) .. tostring(m:match_bin('\\10\\0\\0\\1')) .. tostring(m:match_bin('\\11\\0\\0\\1'))",
            "truetruefalse",
        ),
        (
            "return select(2, m:match('x'))",
            "invalid ip address, not ipv4 and ipv6",
        ),
        (
            "return select(2, require('resty.ipmatcher').new({ '1.2.3' }))",
            "invalid ip address: 1.2.3",
        ),
        (
            "return require('resty.ipmatcher').new_with_value({ ['0.0.0.0/0'] = 'all' }):match('1.2.3.4')",
            "all",
        ),
    ] {
        check(&[(&with(rest), expected)]);
    }
}

#[test]
fn cookies() {
    check(&[
        (
            "return require('resty.cookie').bake({ key = 'a', value = 'b', path = '/', secure = true, httponly = true, max_age = 5, samesite = 'Lax' })",
            "a=b; Max-Age=5; Path=/; Secure; HttpOnly; SameSite=Lax",
        ),
        (
            "return select(2, require('resty.cookie').bake({ key = 'a' }))",
            "missing required cookie field \"key\" or \"value\"",
        ),
        (
            "return select(2, require('resty.cookie').bake({ key = 'a', value = 'b\\nc' }))",
            "a cookie may not hold control characters or ';'",
        ),
        (
            "return select(2, require('resty.cookie').bake({ key = 'a', value = 'b', samesite = 'x' }))",
            "SameSite value must be 'Strict', 'Lax', or 'None'",
        ),
    ]);
}
