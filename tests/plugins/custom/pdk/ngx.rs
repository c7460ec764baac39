//! The `ngx` shim (section 4).

use serde_json::json;
use tests::Request;

use super::{Row, Scene};

pub fn scenes() -> Vec<Scene> {
    let request = || {
        Request::new("POST", "/ngx/a%20b?x=1&y=two%20words&x=3&flag")
            .header("Host", "Client.Test:8080")
            .header("X-One", "1")
            .header("X-Two", "a")
            .header("X-Two", "b")
            .header("Cookie", "c=1; d=two")
            .form("f=1&g=x%20y&f=2")
    };
    let answer = json!({ "status": 207, "headers": [["X-Up", "1"], ["Content-Type", "text/x"]], "body": "upstream" });
    let scene = |name, rows| Scene {
        name,
        request: request(),
        answer: answer.clone(),
        rows,
    };
    vec![
        scene("ngx.var", VAR),
        scene("ngx.req", REQ),
        scene("ngx response", RESP),
        scene("ngx.re", RE),
        scene("ngx encoding", ENCODING),
        scene("ngx time", TIME),
        scene("ngx waiting", WAITING),
        scene("ngx others", OTHERS),
        scene("ngx unsupported", UNSUPPORTED),
        scene("ngx waits where it may not", NO_WAITING),
    ]
}

const VAR: &[Row] = &[
    (
        "access",
        "ngx.var.remote_addr, ngx.var.realip_remote_addr, ngx.var.server_addr",
        r#"["127.0.0.1","127.0.0.1","127.0.0.1"]"#,
    ),
    (
        "access",
        "tonumber(ngx.var.remote_port) > 0, ngx.var.server_port",
        r#"[true,"$string"]"#,
    ),
    (
        "access",
        "ngx.var.scheme, ngx.var.host, ngx.var.request_method",
        r#"["http","client.test","POST"]"#,
    ),
    (
        "access",
        "ngx.var.request_uri",
        r#"["/ngx/a%20b?x=1&y=two%20words&x=3&flag"]"#,
    ),
    ("access", "ngx.var.uri", r#"["/ngx/a b"]"#),
    (
        "access",
        "ngx.var.args, ngx.var.query_string, ngx.var.is_args",
        r#"["x=1&y=two%20words&x=3&flag","x=1&y=two%20words&x=3&flag","?"]"#,
    ),
    (
        "access",
        "tonumber(ngx.var.request_length) > 100, tonumber(ngx.var.request_time) >= 0",
        "[true,true]",
    ),
    ("access", "#ngx.var.request_id", "[32]"),
    (
        "access",
        "ngx.var.http_x_one, ngx.var.http_X_Two, ngx.var.http_none",
        r#"["1","a, b",null]"#,
    ),
    ("access", "ngx.var.http_host", r#"["Client.Test:8080"]"#),
    (
        "access",
        "ngx.var.cookie_c, ngx.var.cookie_d, ngx.var.cookie_e",
        r#"["1","two",null]"#,
    ),
    (
        "access",
        "ngx.var.arg_x, ngx.var.arg_y, ngx.var.arg_none",
        r#"["1","two%20words",null]"#,
    ),
    (
        "access",
        "ngx.var.content_type, ngx.var.content_length",
        r#"["application/x-www-form-urlencoded","15"]"#,
    ),
    (
        "access",
        "ngx.var.https, ngx.var.ssl_protocol, ngx.var.ssl_cipher, ngx.var.ssl_server_name",
        r#"["",null,null,null]"#,
    ),
    ("access", "ngx.var.server_protocol", r#"["HTTP/1.1"]"#),
    (
        "access",
        "ngx.var.time_iso8601:match('^%d+%-%d+%-%d+T') ~= nil, tonumber(ngx.var.msec) > 1.6e9, tonumber(ngx.var.pid) > 0",
        "[true,true,true]",
    ),
    (
        "access",
        "ngx.var.upstream_uri, ngx.var.upstream_scheme",
        r#"["/ngx/a%20b","http"]"#,
    ),
    ("access", "ngx.var.no_such_name", "[null]"),
    (
        "access",
        "(function() ngx.var.no_such_name = 1 end)()",
        "!variable \"no_such_name\" not found for writing; maybe it is a built-in variable that is not changeable or you forgot to use \"set $no_such_name '';\" in the config file to define it first",
    ),
    (
        "header_filter",
        "ngx.var.status, ngx.var.upstream_status, ngx.var.upstream_http_x_up, ngx.var.sent_http_x_up",
        r#"["207","207","1","1"]"#,
    ),
    (
        "log",
        "tonumber(ngx.var.bytes_sent) > 8, ngx.var.body_bytes_sent",
        r#"[true,"8"]"#,
    ),
    (
        "log",
        "ngx.var.upstream_addr:find('127.0.0.1:', 1, true)",
        "[1,10]",
    ),
    (
        "rewrite",
        "ngx.var.request_method, ngx.var.http_x_one",
        r#"["POST","1"]"#,
    ),
];

const REQ: &[Row] = &[
    ("access", "ngx.req.get_method()", r#"["POST"]"#),
    ("access", "ngx.req.get_headers()['x-two']", r#"[["a","b"]]"#),
    ("access", "ngx.req.get_headers().x_one", r#"["1"]"#),
    (
        "access",
        "ngx.req.get_headers(0, true)['X-One']",
        r#"["1"]"#,
    ),
    (
        "access",
        "select(2, ngx.req.get_headers(1))",
        r#"["truncated"]"#,
    ),
    (
        "access",
        "(ngx.req.get_uri_args())",
        r#"[{"x":["1","3"],"y":"two words","flag":true}]"#,
    ),
    ("access", "ngx.req.read_body()", "[]"),
    (
        "access",
        "(function() ngx.req.read_body() return (ngx.req.get_post_args()) end)()",
        r#"[{"f":["1","2"],"g":"x y"}]"#,
    ),
    (
        "access",
        "(function() ngx.req.read_body() return ngx.req.get_body_data() end)()",
        r#"["f=1&g=x%20y&f=2"]"#,
    ),
    ("access", "ngx.req.get_body_file()", "[null]"),
    ("access", "ngx.req.http_version()", "[1.1]"),
    ("access", "ngx.req.start_time() > 1.6e9", "[true]"),
    ("access", "ngx.req.is_internal()", "[false]"),
    (
        "access",
        "ngx.req.raw_header():find('^POST /ngx/a%%20b%?') ~= nil",
        "[true]",
    ),
    (
        "access",
        "ngx.req.raw_header(true):lower():find('x-one: 1', 1, true) ~= nil",
        "[true]",
    ),
    (
        "access",
        "ngx.req.set_uri('/x', true)",
        "!there are no locations here",
    ),
    ("access", "ngx.req.set_method('PUT')", "!bad method number"),
    (
        "rewrite",
        "(function() ngx.req.set_header('X-Added', 'early') return ngx.req.get_headers()['x-added'] end)()",
        r#"["early"]"#,
    ),
    (
        "header_filter",
        "ngx.req.get_headers()['x-added']",
        r#"["early"]"#,
    ),
];

const RESP: &[Row] = &[
    (
        "header_filter",
        "ngx.header['X-Up'], ngx.header.x_up, ngx.header.none",
        r#"["1","1",null]"#,
    ),
    (
        "header_filter",
        "(ngx.resp.get_headers())['x-up']",
        r#"["1"]"#,
    ),
    (
        "header_filter",
        "ngx.status, ngx.headers_sent",
        "[207,false]",
    ),
    (
        "header_filter",
        "(function() ngx.ctx.a = 'kept' return ngx.ctx.a end)()",
        r#"["kept"]"#,
    ),
    (
        "header_filter",
        "(function() ngx.resp.add_header('X-Added', '1') return ngx.header['X-Added'] end)()",
        r#"["1"]"#,
    ),
    (
        "body_filter",
        "type(ngx.arg[1]), type(ngx.arg[2])",
        r#"["$string","boolean"]"#,
    ),
    (
        "log",
        "ngx.ctx.a, ngx.status, ngx.headers_sent",
        r#"["kept",207,true]"#,
    ),
    (
        "access",
        "(select(2, pcall(function() return ngx.arg[1] end))):find('API disabled in the', 1, true) ~= nil",
        "[true]",
    ),
];

const RE: &[Row] = &[
    (
        "access",
        "ngx.re.match('hello 12', [[([a-z]+) (?<n>\\d+)]], 'jo')[0]",
        r#"["hello 12"]"#,
    ),
    (
        "access",
        "ngx.re.match('hello 12', [[([a-z]+) (?<n>\\d+)]]).n",
        r#"["12"]"#,
    ),
    ("access", "ngx.re.match('hello', 'x')", "[null]"),
    ("access", "ngx.re.match('x', '(')", r#"[null,"$string"]"#),
    ("access", "ngx.re.match('Hello', '^h', 'i')[0]", r#"["H"]"#),
    (
        "access",
        "ngx.re.match('a1b2', [[\\d]], '', { pos = 3 })[0]",
        r#"["2"]"#,
    ),
    (
        "access",
        "ngx.re.match('foobar', '(?<=foo)bar')[0]",
        r#"["bar"]"#,
    ),
    (
        "access",
        "ngx.re.match('abab', [[^(ab)\\1$]])[0]",
        r#"["abab"]"#,
    ),
    ("access", "ngx.re.find('hello', 'l+')", "[3,4]"),
    (
        "access",
        "ngx.re.find('a1b2', [[([a-z])(\\d)]], 'jo', { pos = 3 }, 2)",
        "[4,4]",
    ),
    (
        "access",
        "(function() local all = {} for m in ngx.re.gmatch('a1 b2', [[([a-z])\\d]], 'jo') do all[#all + 1] = m[1] end return table.concat(all, ',') end)()",
        r#"["a,b"]"#,
    ),
    (
        "access",
        "ngx.re.sub('hello', '(l)', '<$1>')",
        r#"["he<l>lo",1]"#,
    ),
    (
        "access",
        "ngx.re.gsub('hello', 'l', function(m) return m[0]:upper() end, 'jo')",
        r#"["heLLo",2]"#,
    ),
    (
        "access",
        "ngx.re.gsub('a b', '[a-z]', '[${0}]$$')",
        r#"["[a]$ [b]$",2]"#,
    ),
    (
        "access",
        "require('ngx.re').split('a,b,,c', ',')",
        r#"[["a","b","","c"]]"#,
    ),
    (
        "access",
        "(function() local split = require('ngx.re').split return #split('', ',') end)()",
        r#"["$number"]"#,
    ),
];

const ENCODING: &[Row] = &[
    (
        "access",
        "ngx.encode_base64('hi'), ngx.encode_base64('hi', true), ngx.decode_base64('aGk=')",
        r#"["aGk=","aGk","hi"]"#,
    ),
    ("access", "ngx.decode_base64('%')", "[null]"),
    ("access", "ngx.encode_base64(5)", r#"["NQ=="]"#),
    (
        "access",
        "ngx.escape_uri('a b/é~!'), ngx.escape_uri('a b', 0)",
        r#"["a%20b%2F%C3%A9~!","a%20b"]"#,
    ),
    (
        "access",
        "ngx.unescape_uri('a%20b+c%zz')",
        r#"["a b c%zz"]"#,
    ),
    (
        "access",
        "ngx.encode_args({ a = { 1, 2 } }), ngx.encode_args({ f = true }), ngx.encode_args({ n = false })",
        r#"["a=1&a=2","f",""]"#,
    ),
    (
        "access",
        "ngx.decode_args('a=1&b=x%20y&a=2&f')",
        r#"[{"a":["1","2"],"b":"x y","f":true}]"#,
    ),
    (
        "access",
        "ngx.md5('x'), #ngx.md5_bin('x'), #ngx.sha1_bin('x')",
        r#"["9dd4e461268c8034f5c8564e155c67a6",16,20]"#,
    ),
    (
        "access",
        "ngx.encode_base64(ngx.hmac_sha1('key', 'text'))",
        r#"["Np4pWetJRQM4shJ0j3fY3tdIR7s="]"#,
    ),
    (
        "access",
        "ngx.crc32_short('hello'), ngx.crc32_long('hello')",
        "[907060870,907060870]",
    ),
    (
        "access",
        "ngx.quote_sql_str([[a'b\\c]])",
        r#"["'a\\'b\\\\c'"]"#,
    ),
    (
        "access",
        "require('ngx.base64').encode_base64url('\\255\\254\\253')",
        r#"["__79"]"#,
    ),
    (
        "access",
        "require('ngx.base64').decode_base64url('__79') == '\\255\\254\\253'",
        "[true]",
    ),
];

const TIME: &[Row] = &[
    (
        "access",
        "ngx.now() > 1.6e9, ngx.time() % 1, ngx.now() - ngx.time() < 2",
        "[true,0,true]",
    ),
    (
        "access",
        "ngx.today():match('^%d%d%d%d%-%d%d%-%d%d$') ~= nil",
        "[true]",
    ),
    (
        "access",
        "ngx.localtime():match('^%d+%-%d+%-%d+ %d+:%d+:%d+$') ~= nil, ngx.utctime():match('^%d+%-%d+%-%d+ %d+:%d+:%d+$') ~= nil",
        "[true,true]",
    ),
    (
        "access",
        "ngx.http_time(1290079655)",
        r#"["Thu, 18 Nov 2010 11:27:35 GMT"]"#,
    ),
    (
        "access",
        "ngx.cookie_time(1290079655)",
        r#"["Thu, 18-Nov-10 11:27:35 GMT"]"#,
    ),
    (
        "access",
        "ngx.parse_http_time('Thu, 18 Nov 2010 11:27:35 GMT'), ngx.parse_http_time('x')",
        "[1290079655,null]",
    ),
    ("access", "ngx.update_time()", "[]"),
];

const WAITING: &[Row] = &[
    (
        "access",
        "(function() local begin = ngx.now() ngx.sleep(0.05) ngx.update_time() return ngx.now() - begin >= 0.045 end)()",
        "[true]",
    ),
    (
        "access",
        "(function() local t = ngx.thread.spawn(function(a) ngx.sleep(0.01) return a + 1, 'two' end, 1) return ngx.thread.wait(t) end)()",
        r#"[true,2,"two"]"#,
    ),
    (
        "access",
        "(function() local order = {} local function add(n, s) ngx.sleep(s) order[#order + 1] = n end local a, b = ngx.thread.spawn(add, 'a', 0.03), ngx.thread.spawn(add, 'b', 0.01) ngx.thread.wait(a) ngx.thread.wait(b) return table.concat(order) end)()",
        r#"["ba"]"#,
    ),
    (
        "access",
        "(function() local t = ngx.thread.spawn(function() error('inside') end) local ok, err = ngx.thread.wait(t) return ok, err:find('inside', 1, true) ~= nil end)()",
        "[false,true]",
    ),
    (
        "access",
        "(function() local t = ngx.thread.spawn(function() ngx.sleep(100) end) return (ngx.thread.kill(t)) end)()",
        "[1]",
    ),
    (
        "access",
        "(function() local a = ngx.thread.spawn(function() ngx.sleep(50) return 'a' end) local b = ngx.thread.spawn(function() ngx.sleep(0.01) return 'b' end) local ok, first = ngx.thread.wait(a, b) ngx.thread.kill(a) return ok, first end)()",
        r#"[true,"b"]"#,
    ),
    (
        "access",
        "(function() local semaphore = require('ngx.semaphore').new(0) ngx.thread.spawn(function() ngx.sleep(0.01) semaphore:post(1) end) return semaphore:wait(1), semaphore:count() end)()",
        "[true,0]",
    ),
    (
        "access",
        "require('ngx.semaphore').new(0):wait(0.01)",
        r#"["$any","timeout"]"#,
    ),
    (
        "access",
        "ngx.timer.running_count(), ngx.timer.pending_count()",
        "[0,0]",
    ),
    // Timers are not for streamed plugins.
    (
        "access",
        "(function() local ok, made = pcall(ngx.timer.at, 0, function() end) return ok and made == true end)()",
        "[false]",
    ),
    (
        "access",
        "(function() local ok, made = pcall(ngx.timer.every, 1, function() end) return ok and made == true end)()",
        "[false]",
    ),
];

const OTHERS: &[Row] = &[
    (
        "access",
        "ngx.null == require('cjson').null, type(ngx.null), tostring(ngx.null)",
        r#"[true,"userdata","userdata: NULL"]"#,
    ),
    (
        "access",
        "ngx.OK, ngx.ERROR, ngx.AGAIN, ngx.DONE, ngx.DECLINED",
        "[0,-1,-2,-4,-5]",
    ),
    (
        "access",
        "ngx.HTTP_GET, ngx.HTTP_HEAD, ngx.HTTP_POST, ngx.HTTP_PUT, ngx.HTTP_DELETE",
        "[2,4,8,16,32]",
    ),
    (
        "access",
        "ngx.HTTP_OK, ngx.HTTP_NOT_FOUND, ngx.HTTP_INTERNAL_SERVER_ERROR, ngx.HTTP_TOO_MANY_REQUESTS",
        "[200,404,500,429]",
    ),
    (
        "access",
        "ngx.STDERR, ngx.EMERG, ngx.ALERT, ngx.CRIT, ngx.ERR, ngx.WARN, ngx.NOTICE, ngx.INFO, ngx.DEBUG",
        "[0,1,2,3,4,5,6,7,8]",
    ),
    ("rewrite", "ngx.get_phase()", r#"["rewrite"]"#),
    ("access", "ngx.get_phase()", r#"["access"]"#),
    ("header_filter", "ngx.get_phase()", r#"["header_filter"]"#),
    ("body_filter", "ngx.get_phase()", r#"["body_filter"]"#),
    ("log", "ngx.get_phase()", r#"["log"]"#),
    ("access", "ngx.config.subsystem", r#"["http"]"#),
    (
        "access",
        "ngx.worker.id(), ngx.worker.count(), ngx.worker.pid() > 0, ngx.worker.exiting()",
        "[0,1,true,false]",
    ),
    (
        "access",
        "(function() local d = ngx.shared.kong_plugins d:delete('t') d:delete('n') return d:set('t', 'v'), (d:get('t')), (d:add('t', 1)), (d:incr('n', 2, 5)) end)()",
        r#"[true,"v",false,7]"#,
    ),
    (
        "access",
        "(function() local d = ngx.shared.kong_plugins d:set('e', 1, 100) local before = d:ttl('e') d:expire('e', 50) return before > 90, d:ttl('e') <= 50, (d:ttl('none')) end)()",
        "[true,true,null]",
    ),
    (
        "access",
        "(function() local d = ngx.shared.kong_plugins d:set('s', 'text') return d:incr('s', 1) end)()",
        r#"[null,"not a number"]"#,
    ),
    ("access", "ngx.shared.not_declared", "[null]"),
    (
        "access",
        "(function() local a = ngx.ctx a.x = { 1 } return ngx.ctx.x[1] end)()",
        "[1]",
    ),
    (
        "access",
        "(function() local s = ngx.socket.tcp() return type(s), s:send('x') end)()",
        r#"["table",null,"closed"]"#,
    ),
];

const UNSUPPORTED: &[Row] = &[
    (
        "access",
        "(function() local ok, err = pcall(ngx.location.capture, '/x') return ok, type(err), #err > 10 end)()",
        r#"[false,"string",true]"#,
    ),
    (
        "access",
        "(function() local ok, err = pcall(ngx.exec, '/x') return ok, type(err), #err > 10 end)()",
        r#"[false,"string",true]"#,
    ),
    (
        "access",
        "(function() local ok, err = pcall(ngx.req.socket) return ok, type(err), #err > 10 end)()",
        r#"[false,"string",true]"#,
    ),
];

const NO_WAITING: &[Row] = &[
    (
        "header_filter",
        "ngx.sleep(0.1)",
        "!API disabled in the context of header_filter_by_lua*",
    ),
    (
        "body_filter",
        "ngx.sleep(0.1)",
        "!API disabled in the context of body_filter_by_lua*",
    ),
    (
        "log",
        "ngx.sleep(0.1)",
        "!API disabled in the context of log_by_lua*",
    ),
    (
        "log",
        "require('resty.http').new():request_uri('http://127.0.0.1:1/')",
        "!API disabled in the context of log_by_lua*",
    ),
];
