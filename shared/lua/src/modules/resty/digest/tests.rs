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
