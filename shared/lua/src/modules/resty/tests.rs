//! `resty.http` over a plane that writes down what it is asked.

use mlua::{Lua, LuaString, MultiValue, Table, Value};

use crate::modules::tests::state;
use crate::state::State;
use crate::tests::answer;

/// A state whose plane answers every request with 200, and a text of what it was asked.
fn asked() -> State {
    let state = state();
    crate::modules::provide(state.lua(), "resty.http", |lua| {
        let natives = lua.create_table()?;
        for name in [
            "send", "connect", "secure", "request", "keep", "reused", "close",
        ] {
            let echo = move |lua: &Lua, arguments: MultiValue| {
                let told = told(lua, name, arguments)?;
                Ok(match name {
                    "send" | "request" => {
                        let headers = lua.create_table()?;
                        headers.set("Content-Type", "text/plain")?;
                        headers.set("X-Multi-Part", vec!["1", "2"])?;
                        let values = (200, "OK", headers, true, told);
                        mlua::IntoLuaMulti::into_lua_multi(values, lua)?
                    }
                    _ => mlua::IntoLuaMulti::into_lua_multi(told, lua)?,
                })
            };
            natives.set(name, lua.create_function(echo)?)?;
        }
        Ok(Value::Table(natives))
    });
    state
}

/// The arguments, with the fields of tables by their names.
fn told(lua: &Lua, name: &str, arguments: MultiValue) -> mlua::Result<LuaString> {
    fn shown(value: Value) -> mlua::Result<String> {
        Ok(match value {
            Value::Table(table) => fields(&table)?,
            Value::String(text) => text.to_string_lossy(),
            other => other.to_string()?,
        })
    }
    fn fields(table: &Table) -> mlua::Result<String> {
        let mut all = Vec::new();
        for pair in table.pairs::<String, Value>() {
            let (key, value) = pair?;
            all.push(format!("{key}={}", shown(value)?));
        }
        all.sort();
        Ok(format!("{{{}}}", all.join(" ")))
    }
    let values = arguments
        .into_iter()
        .map(shown)
        .collect::<mlua::Result<Vec<_>>>()?;
    lua.create_string(format!("{name}({})", values.join(", ")))
}

fn check(cases: &[(&str, &str)]) {
    let state = asked();
    for (body, expected) in cases {
        let body = format!("local http = require('resty.http'); local c = http.new(); {body}");
        assert_eq!(answer(&state, &body).as_deref(), Ok(*expected), "{body}");
    }
}

#[test]
fn uris_are_taken_apart_as_lua_resty_http_does() {
    let state = asked();
    for (uri, expected) in [
        ("http://h", "http h 80 / -"),
        ("https://h", "https h 443 / -"),
        ("http://h/", "http h 80 / -"),
        ("http://h:8080/a/b", "http h 8080 /a/b -"),
        ("http://h/a?b=c&d", "http h 80 /a b=c&d"),
        ("http://h?b=c", "http h 80 / b=c"),
        ("http://h:81?b", "http h 81 / b"),
        ("http://[::1]/a", "http [::1] 80 /a -"),
        ("https://[::1]:8443/a", "https [::1] 8443 /a -"),
        ("http://h/a?b?c", "http h 80 /a b?c"),
        ("http://h.test/a:b", "http h.test 80 /a:b -"),
        ("http:/h", "bad uri: http:/h"),
        ("h/a", "bad uri: h/a"),
        ("", "bad uri: "),
        ("http://", "bad uri: http://"),
        ("http:///a", "bad uri: http:///a"),
        ("HTTP://h", "bad uri: HTTP://h"),
        ("ftp://h", "bad uri: ftp://h"),
        (" http://h", "bad uri:  http://h"),
    ] {
        let body = format!(
            "local t, err = require('resty.http').new():parse_uri('{uri}', false)
             if not t then return err end
             return table.concat({{ t[1], t[2], t[3], t[4], t[5] ~= '' and t[5] or '-' }}, ' ')"
        );
        assert_eq!(answer(&state, &body).as_deref(), Ok(expected), "{uri}");
    }
    check(&[
        ("return c:parse_uri('http://h/a?b')[4]", "/a?b"),
        ("return tostring(c:parse_uri('http://h/a?b')[5])", "nil"),
        ("return select(2, c:parse_uri(nil))", "bad uri: nil"),
        (
            "return select(2, c:request_uri('//h/a'))",
            "schemaless URIs require a request context: //h/a",
        ),
    ]);
}

#[test]
fn a_request_asks_for_what_it_was_told() {
    check(&[
        (
            "return c:request_uri('http://h:81/a?b=c').body",
            "send({host=h path=/a port=81 query=b=c scheme=http})",
        ),
        (
            "return c:request_uri('https://h/a?b', { method = 'POST', path = '/p', query = { x = 1 }, body = 'text',
               ssl_verify = false, ssl_server_name = 'n', keepalive = false, keepalive_timeout = 5,
               keepalive_pool = 6, version = 1.0, headers = { A = 'b' } }).body",
            "send({body=text headers={A=b} host=h keepalive=false keepalive_pool=6 keepalive_timeout=5 method=POST \
             path=/p port=443 query={x=1} scheme=https ssl_server_name=n ssl_verify=false version=1})",
        ),
        (
            "c:set_timeout(7); return c:request_uri('http://h').body",
            "send({connect_timeout=7 host=h path=/ port=80 query= read_timeout=7 scheme=http send_timeout=7})",
        ),
        (
            "c:set_timeouts(1, 2, 3); return c:request_uri('http://h').body",
            "send({connect_timeout=1 host=h path=/ port=80 query= read_timeout=3 scheme=http send_timeout=2})",
        ),
        (
            "return c:request_uri('http://h', { body = { 'a', 1, 'b' } }).body",
            "send({body=a1b host=h path=/ port=80 query= scheme=http})",
        ),
        (
            "local left = { 'b', 'a' }
             return c:request_uri('http://h', { body = function() return table.remove(left) end }).body",
            "send({body=ab host=h path=/ port=80 query= scheme=http})",
        ),
        (
            "return select(2, c:request_uri('http://h', { body = function() return nil, 'broken' end }))",
            "broken",
        ),
        ("return select(2, c:request_uri('no uri'))", "bad uri: no uri"),
    ]);
}

#[test]
fn an_answer_is_what_lua_resty_http_answers() {
    check(&[
        (
            "local res, err = c:request_uri('http://h'); return res.status .. res.reason .. tostring(err)",
            "200OKnil",
        ),
        ("return type(c:request_uri('http://h').status)", "number"),
        (
            "return tostring(c:request_uri('http://h').has_body)",
            "true",
        ),
        (
            "local res = c:request_uri('http://h'); return tostring(res.body == res:read_body())",
            "true",
        ),
        (
            "local res = c:request_uri('http://h'); res.body_reader(); return tostring(res.body_reader())",
            "nil",
        ),
        (
            "return c:request_uri('http://h').headers['Content-Type']",
            "text/plain",
        ),
        (
            "return c:request_uri('http://h').headers['content-type']",
            "text/plain",
        ),
        (
            "return c:request_uri('http://h').headers.CONTENT_TYPE",
            "text/plain",
        ),
        (
            "return c:request_uri('http://h').headers.x_multi_part[2]",
            "2",
        ),
        (
            "return tostring(c:request_uri('http://h').headers.absent)",
            "nil",
        ),
        (
            "return tostring(c:request_uri('http://h').headers[1])",
            "nil",
        ),
        (
            "local h = c:request_uri('http://h').headers; h['content-type'] = 'x'; return h['Content-Type']",
            "x",
        ),
        (
            "local h = c:request_uri('http://h').headers; h.New = 'x'; return h.new",
            "x",
        ),
        (
            "local names = {}
             for name in pairs(c:request_uri('http://h').headers) do names[#names + 1] = name end
             table.sort(names); return table.concat(names, ' ')",
            "Content-Type X-Multi-Part",
        ),
    ]);
}

#[test]
fn a_proxy_is_used_as_its_options_say() {
    let with = |uri: &str, options: &str| {
        format!(
            "local res, err = c:request_uri('{uri}', {{ proxy_opts = {{ {options} }} }}); return err or res.body"
        )
    };
    for (uri, options, expected) in [
        (
            "http://h",
            "http_proxy = 'http://p:3128', http_proxy_authorization = 'Basic x'",
            "send({host=h path=/ port=80 proxy_authorization=Basic x proxy_host=p proxy_port=3128 query= scheme=http})",
        ),
        (
            "https://h",
            "https_proxy = 'http://p'",
            "send({host=h path=/ port=443 proxy_host=p proxy_port=80 query= scheme=https})",
        ),
        (
            "http://h",
            "https_proxy = 'http://p'",
            "send({host=h path=/ port=80 query= scheme=http})",
        ),
        (
            "http://a.h.test",
            "http_proxy = 'http://p', no_proxy = 'x,.h.test'",
            "send({host=a.h.test path=/ port=80 query= scheme=http})",
        ),
        (
            "http://h",
            "http_proxy = 'http://p', no_proxy = '*'",
            "send({host=h path=/ port=80 query= scheme=http})",
        ),
        (
            "http://h",
            "http_proxy = 'https://p'",
            "protocol https not supported for proxy connections",
        ),
        ("http://h", "http_proxy = 'p'", "bad uri: p"),
    ] {
        check(&[(&with(uri, options), expected)]);
    }
    check(&[(
        "c:set_proxy_options({ http_proxy = 'http://p' }); return c:request_uri('http://h').body",
        "send({host=h path=/ port=80 proxy_host=p proxy_port=80 query= scheme=http})",
    )]);
}

#[test]
fn step_by_step_a_client_has_a_connection() {
    let connected = "connect({host=h port=80 scheme=http})";
    check(&[
        ("return tostring(c:connect('h', 80))", "true"),
        (
            "return tostring(c:connect({ scheme = 'https', host = 'h' }))",
            "true",
        ),
        (
            "return select(2, c:connect({ host = 'h', port = 80 }))",
            "'scheme' is required when providing a port",
        ),
        (
            "return select(2, c:connect({ scheme = 'ftp', host = 'h' }))",
            "unsupported scheme: ftp",
        ),
        (
            "return select(2, c:connect('unix:/tmp/x'))",
            "unix sockets are not supported",
        ),
        ("return select(2, c:request({}))", "not initialized"),
        ("return select(2, c:get_reused_times())", "not initialized"),
        ("return select(2, c:set_keepalive())", "not initialized"),
        ("return select(2, c:close())", "not initialized"),
        ("return select(2, c:ssl_handshake())", "not initialized"),
        ("c:connect('h', 80); return tostring(c:close())", "1"),
        (
            "c:connect('h', 80); c:close(); return select(2, c:request({}))",
            "not initialized",
        ),
        (
            "c:connect('h', 80); return c:ssl_handshake(nil, 'n', true)",
            &format!("secure({connected}, n, true, nil)"),
        ),
        (
            "c:connect('h', 80); return c:ssl_handshake()",
            &format!("secure({connected}, h, false, nil)"),
        ),
        (
            "c:connect('h', 80); return c:set_keepalive(10, 20)",
            &format!("keep({connected}, 10, 20)"),
        ),
        (
            "c:connect('h', 80); return c:get_reused_times()",
            &format!("reused({connected})"),
        ),
        (
            "c:connect('h', 80); return c:request({ path = '/p' }).reason",
            "OK",
        ),
        ("return select(2, c:read_body({}))", "no body to be read"),
        ("return require('resty.http')._VERSION", "0.17.2"),
    ]);
}

#[test]
fn claims_are_what_validators_ask_for() {
    let state = state();
    let cases = [
        ("a = v.equals(1)", "nil", "ok"),
        ("a = v.equals(2)", "nil", "Claim 'a' ('1') returned failure"),
        ("b = v.required()", "nil", "'b' claim is required."),
        ("b = v.opt_equals(2)", "nil", "ok"),
        ("b = v.equals(2)", "nil", "'b' claim is required."),
        ("s = v.matches('^te')", "nil", "ok"),
        ("s = v.opt_matches_any_of({ 'x', '^t' })", "nil", "ok"),
        ("s = v.equals_any_of({ 'x', 'text' })", "nil", "ok"),
        (
            "s = v.equals_any_of({ 'x' })",
            "nil",
            "Claim 's' ('text') returned failure",
        ),
        ("l = v.contains_any_of({ 'q', 'y' })", "nil", "ok"),
        (
            "l = v.contains_any_of({ 'q' })",
            "nil",
            "Claim 'l' ('list') returned failure",
        ),
        (
            "a = v.chain(v.greater_than(0), v.less_than_or_equal(1))",
            "nil",
            "ok",
        ),
        (
            "a = v.chain(v.greater_than(0), v.less_than(1))",
            "nil",
            "Claim 'a' ('1') returned failure",
        ),
        ("exp = v.is_not_expired()", "999", "ok"),
        (
            "exp = v.is_not_expired()",
            "1000",
            "'exp' claim expired at Thu, 01 Jan 1970 00:16:40 GMT",
        ),
        (
            "exp = v.is_not_expired()",
            "1000 v.set_system_leeway(1)",
            "ok",
        ),
        (
            "exp = v.is_not_before()",
            "999",
            "'exp' claim not valid until Thu, 01 Jan 1970 00:16:40 GMT",
        ),
        (
            "s = v.is_not_expired()",
            "1",
            "'s' is malformed.  Expected to be a positive numeric value.",
        ),
        ("exp = v.is_at()", "1000", "ok"),
    ];
    for (spec, now, expected) in cases {
        let (now, leeway) = now.split_once(' ').unwrap_or((now, ""));
        let body = format!(
            "local jwt, v = require('resty.jwt'), require('resty.jwt-validators')
             v.set_system_leeway(0) v.set_system_clock(function() return {now} end) {leeway}
             local payload = {{ a = 1, s = 'text', l = {{ 'x', 'y' }}, exp = 1000 }}
             local token = jwt:sign('secret', {{ header = {{ typ = 'JWT', alg = 'HS256' }}, payload = payload }})
             local object = jwt:verify('secret', token, {{ {spec} }})
             return object.verified and 'ok' or (object.reason:gsub('table: %w+', 'list'))"
        );
        assert_eq!(answer(&state, &body).as_deref(), Ok(expected), "{spec}");
    }
}
