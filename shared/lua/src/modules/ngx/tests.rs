//! `ngx` without a request.

use crate::modules::tests::{check, check_raised};

#[test]
fn encodings_are_those_of_openresty() {
    check(&[
        ("return ngx.encode_base64('hello')", "aGVsbG8="),
        ("return ngx.encode_base64('hello', true)", "aGVsbG8"),
        ("return ngx.encode_base64(nil)", ""),
        ("return ngx.encode_base64(12)", "MTI="),
        ("return ngx.decode_base64('aGVsbG8=')", "hello"),
        ("return ngx.decode_base64('aGVsbG8')", "hello"),
        ("return ngx.decode_base64('aGVsbG8=trailing')", "hello"),
        ("return tostring(ngx.decode_base64('a'))", "nil"),
        ("return tostring(ngx.decode_base64('a-_b'))", "nil"),
        ("return ngx.base64.encode_base64url('\\255\\254?')", "__4_"),
        ("return #ngx.base64.decode_base64url('__4_')", "3"),
        (
            "return select(2, ngx.base64.decode_base64url('+'))",
            "invalid input",
        ),
        (
            "return select(2, require('ngx.base64').decode_base64url(1))",
            "must provide a string",
        ),
        (
            "return ngx.escape_uri('a b/c?d=e&f+g%~!\\'()*')",
            "a%20b%2Fc%3Fd%3De%26f%2Bg%25~!'()*",
        ),
        (
            "return ngx.escape_uri('a b/c?d=e&f+g%é', 0)",
            "a%20b/c%3Fd=e&f+g%25%C3%A9",
        ),
        ("return ngx.escape_uri('a=b&c+d', 1)", "a=b%26c%2Bd"),
        ("return ngx.escape_uri(nil)", ""),
        ("return ngx.unescape_uri('a%20b+c%2')", "a b c%2"),
        (
            "return ngx.unescape_uri('try %search%%20%again%')",
            "try %search% %again%",
        ),
        (
            "return ngx.md5('hello')",
            "5d41402abc4b2a76b9719d911017c592",
        ),
        ("return #ngx.md5_bin('hello')", "16"),
        (
            "return require('resty.string').to_hex(ngx.sha1_bin('hello'))",
            "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
        ),
        (
            "return ngx.encode_base64(ngx.hmac_sha1('thisisverysecretstuff', 'some string we want to sign'))",
            "R/pvxzHC4NLtj7S+kXFg/NePTmk=",
        ),
        ("return ngx.crc32_short('hello')", "907060870"),
        ("return ngx.crc32_long('hello world')", "222957957"),
        (
            "return ngx.quote_sql_str('a\\'b\\\\c\\nd\\0')",
            "'a\\'b\\\\c\\nd\\0'",
        ),
    ]);
    check_raised(&[
        ("ngx.decode_base64(nil)", ":1: string argument only"),
        ("ngx.escape_uri('x', 'y')", ":1: \"type\" is not number"),
        ("ngx.escape_uri('x', 9)", ":1: \"type\" 9 out of range"),
        ("ngx.hmac_sha1('x')", ":1: expecting 2 arguments, but got 1"),
        (
            "ngx.hmac_sha1('x', {})",
            ":1: bad argument #2 to 'hmac_sha1' (string expected, got table)",
        ),
        ("ngx.quote_sql_str()", ":1: expecting one argument"),
    ]);
}

#[test]
fn arguments_are_written_and_read() {
    check(&[
        ("return ngx.encode_args({ a = 'b c' })", "a=b%20c"),
        ("return ngx.encode_args({ a = { 'x', 'y' } })", "a=x&a=y"),
        ("return ngx.encode_args({ a = true })", "a"),
        ("return ngx.encode_args({ a = false })", ""),
        ("return ngx.encode_args({ ['a&'] = 1 })", "a%26=1"),
        ("return ngx.encode_args({})", ""),
        ("return ngx.decode_args('a=1&b=2').b", "2"),
        ("return tostring(ngx.decode_args('a').a)", "true"),
        (
            "return table.concat(ngx.decode_args('a=1&a=2&a=3%20+').a, ',')",
            "1,2,3  ",
        ),
        ("return tostring(ngx.decode_args('a=').a)", ""),
        ("return tostring(next(ngx.decode_args('&=1&')))", "nil"),
        (
            "return select(2, ngx.decode_args('a=1&b=2&c=3', 2))",
            "truncated",
        ),
        (
            "return tostring(select(2, ngx.decode_args('a=1&b=2', 2)))",
            "nil",
        ),
        (
            "local n = 0 local args = ('a%d=1&'):rep(150):gsub('%%d', function() n = n + 1 return n end) for _ in pairs((ngx.decode_args(args))) do n = n + 1000 end return n",
            "100150",
        ),
    ]);
    check_raised(&[
        (
            "ngx.encode_args('x')",
            ":1: bad argument #1 to 'encode_args' (table expected, got string)",
        ),
        (
            "ngx.encode_args({ 1 })",
            ":1: attempt to use a non-string key in the \"args\" option table",
        ),
        (
            "ngx.encode_args({ a = print })",
            ":1: attempt to use function as query arg value",
        ),
        (
            "ngx.decode_args()",
            ":1: expecting 1 or 2 arguments but seen 0",
        ),
        (
            "ngx.decode_args(nil)",
            ":1: bad argument #1 to 'decode_args' (string expected, got nil)",
        ),
    ]);
}

#[test]
fn times_have_the_formats_of_http() {
    check(&[
        (
            "return ngx.http_time(1290079655)",
            "Thu, 18 Nov 2010 11:27:35 GMT",
        ),
        (
            "return ngx.cookie_time(1290079655)",
            "Thu, 18-Nov-10 11:27:35 GMT",
        ),
        (
            "return ngx.cookie_time(4102444800)",
            "Fri, 01-Jan-2100 00:00:00 GMT",
        ),
        (
            "return ngx.parse_http_time('Thu, 18 Nov 2010 11:27:35 GMT')",
            "1290079655",
        ),
        ("return tostring(ngx.parse_http_time('yesterday'))", "nil"),
        (
            "return tostring(ngx.time() > 1.7e9 and ngx.time() % 1 == 0 and ngx.now() >= ngx.time())",
            "true",
        ),
        (
            "return tostring(ngx.today():match('^%d%d%d%d%-%d%d%-%d%d$') == ngx.localtime():sub(1, 10))",
            "true",
        ),
        ("return #ngx.utctime()", "19"),
        ("return select('#', ngx.update_time())", "0"),
    ]);
    check_raised(&[(
        "ngx.http_time('x')",
        ":1: bad argument #1 to 'http_time' (number expected, got string)",
    )]);
}

#[test]
fn constants_and_the_worker_are_there() {
    check(&[
        (
            "return ngx.HTTP_NOT_FOUND + ngx.HTTP_POST + ngx.ERR + ngx.DECLINED",
            "411",
        ),
        (
            "return ngx.config.subsystem .. tostring(ngx.config.debug)",
            "httpfalse",
        ),
        ("return ngx.worker.id() .. ':' .. ngx.worker.count()", "0:1"),
        (
            "return tostring(ngx.worker.pid() > 0) .. tostring(ngx.worker.exiting())",
            "truefalse",
        ),
    ]);
    check_raised(&[
        (
            "ngx.worker.id = 1",
            "Cannot modify ngx.worker.id. Protected by the sandbox.",
        ),
        (
            "ngx.md5 = 1",
            "Cannot modify ngx.md5. Protected by the sandbox.",
        ),
    ]);
}
