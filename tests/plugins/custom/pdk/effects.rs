//! What functions do: seen by the client, by the upstream, in the log.

use serde_json::{Value, json};
use tests::upstream::Seen;
use tests::wire::Reply;
use tests::{Request, script};

use super::{Effect, Stage};

/// Every effect of the tables below.
pub fn all() -> Vec<&'static Effect> {
    [SERVICE_REQUEST, RESPONSE, ANSWERS, LOG, NGX, SERVICE]
        .into_iter()
        .flatten()
        .collect()
}

const SERVICE_REQUEST: &[Effect] = &[
    (
        "access",
        "kong.service.request.set_path('/new path/%41?')",
        &[("sent:path", "/new%20path/%41??q=1&b=2&q=3")],
    ),
    (
        "access",
        "kong.service.request.set_path('no-slash')",
        &[("status", "500"), ("log", "path must start with /")],
    ),
    (
        "access",
        "kong.service.request.set_raw_query('a=%20&b')",
        &[("sent:path", "/e?a=%20&b")],
    ),
    (
        "access",
        "kong.service.request.set_raw_query('')",
        &[("sent:path", "/e")],
    ),
    (
        "access",
        "kong.service.request.set_raw_query('z=1') kong.response.set_header('X-R', kong.request.get_raw_query())",
        &[("header:x-r", "z=1"), ("sent:path", "/e?z=1")],
    ),
    (
        "access",
        "kong.service.request.set_query({ z = { '2', '1' }, ['a b'] = 'ü', f = true, no = false, e = '' })",
        &[("sent:path", "/e?a%20b=%C3%BC&e=&f&z=2&z=1")],
    ),
    (
        "access",
        "kong.service.request.set_query('x')",
        &[("status", "500"), ("log", "args must be a table")],
    ),
    (
        "access",
        "kong.service.request.clear_query_arg('q')",
        &[("sent:path", "/e?b=2")],
    ),
    (
        "access",
        "kong.service.request.clear_query_arg('none')",
        &[("sent:path", "/e?q=1&b=2&q=3")],
    ),
    (
        "access",
        "kong.service.request.set_method('PATCH')",
        &[("sent:method", "PATCH"), ("sent:body", "body")],
    ),
    (
        "access",
        "kong.service.request.set_method('FOO')",
        &[("status", "500"), ("log", "invalid method: FOO")],
    ),
    (
        "access",
        "kong.service.request.set_scheme('ftp')",
        &[("status", "500"), ("log", "invalid scheme: ftp")],
    ),
    (
        "access",
        "kong.service.request.set_scheme('https') kong.response.exit(200, ngx.var.upstream_scheme)",
        &[("body", "https")],
    ),
    (
        "access",
        "kong.service.request.set_header('X-A', 'new')",
        &[("sent:header:x-a", "new")],
    ),
    (
        "access",
        "kong.service.request.set_header('x_a', 5)",
        &[("sent:header:x_a", "5")],
    ),
    (
        "access",
        "kong.service.request.set_header('X-A', true)",
        &[("sent:header:x-a", "true")],
    ),
    (
        "access",
        "kong.service.request.set_header('X-A', { 'c', 'd' })",
        &[("sent:header:x-a", "c, d")],
    ),
    (
        "access",
        "kong.service.request.set_header('X-A', '')",
        &[("sent:header:x-a", "")],
    ),
    (
        "access",
        "kong.service.request.set_header('Host', 'new.test')",
        &[("sent:header:host", "new.test")],
    ),
    (
        "access",
        "kong.service.request.set_header('X', nil)",
        &[
            ("status", "500"),
            (
                "log",
                "invalid header value for \"X\": got nil, expected array of string, string, number or boolean",
            ),
        ],
    ),
    (
        "access",
        "kong.service.request.add_header('X-A', 'new')",
        &[("sent:header:x-a", "a, b, new")],
    ),
    (
        "access",
        "kong.service.request.clear_header('X-A')",
        &[("sent:header:x-a", "-")],
    ),
    (
        "access",
        "kong.service.request.set_headers({ ['X-A'] = 'one', ['X-B'] = { '1', '2' } })",
        &[("sent:header:x-a", "one"), ("sent:header:x-b", "1, 2")],
    ),
    (
        "access",
        "kong.service.request.set_raw_body('longer than before')",
        &[
            ("sent:body", "longer than before"),
            ("sent:header:content-length", "18"),
        ],
    ),
    (
        "access",
        "kong.service.request.set_raw_body('')",
        &[("sent:body", ""), ("sent:header:content-length", "0")],
    ),
    (
        "access",
        "kong.service.request.set_raw_body(5)",
        &[("status", "500"), ("log", "body must be a string")],
    ),
    (
        "access",
        "kong.service.request.set_body({ a = 1, l = { 1, 2 } }, 'application/json')",
        &[
            ("sent:json", r#"{"a":1,"l":[1,2]}"#),
            ("sent:header:content-type", "application/json"),
        ],
    ),
    (
        "access",
        "kong.service.request.set_body({ b = 'x y', a = { '1', '2' } }, 'application/x-www-form-urlencoded')",
        &[
            ("sent:body", "a=1&a=2&b=x%20y"),
            (
                "sent:header:content-type",
                "application/x-www-form-urlencoded",
            ),
        ],
    ),
    (
        "access",
        "kong.service.request.set_body({ part = 'text' }, 'multipart/form-data')",
        &[
            ("sent:holds", "name=\"part\"\r\n\r\ntext"),
            ("sent:type", "multipart/form-data; boundary="),
        ],
    ),
    (
        "access",
        "kong.service.request.set_body({ a = 1 }, 'text/plain')",
        &[("status", "500"), ("log", "unsupported content type")],
    ),
    (
        "access",
        "kong.service.request.enable_buffering()",
        &[("status", "200"), ("header:content-length", "$same")],
    ),
    (
        "header_filter",
        "kong.response.set_header('X-B', #kong.service.response.get_raw_body())",
        &[("status", "500")],
    ),
];

const RESPONSE: &[Effect] = &[
    (
        "header_filter",
        "kong.response.set_status(299)",
        &[("status", "299")],
    ),
    (
        "access",
        "kong.response.set_status(299)",
        &[("status", "200")],
    ),
    (
        "header_filter",
        "kong.response.set_header('X_Own', { 'a', 'b' })",
        &[("header:x-own", "a, b")],
    ),
    (
        "access",
        "kong.response.set_header('X-Own', 5.5)",
        &[("header:x-own", "5.5")],
    ),
    (
        "rewrite",
        "kong.response.set_header('X-Own', true)",
        &[("header:x-own", "true")],
    ),
    (
        "header_filter",
        "kong.response.set_header('Transfer-Encoding', 'x')",
        &[("status", "200"), ("header:transfer-encoding", "chunked")],
    ),
    (
        "header_filter",
        "kong.response.add_header('X-Own', 'a') kong.response.add_header('X-Own', 'b')",
        &[("header:x-own", "a, b")],
    ),
    (
        "header_filter",
        "kong.response.clear_header('Content-Type')",
        &[("header:content-type", "-")],
    ),
    (
        "header_filter",
        "kong.response.set_headers({ ['X-Own'] = 'a', ['X-Other'] = { 'b', 'c' } })",
        &[("header:x-own", "a"), ("header:x-other", "b, c")],
    ),
    (
        "body_filter",
        "local body = kong.response.get_raw_body() if body then kong.response.set_raw_body('<' .. #body .. '>') end",
        &[("body", "<$length>")],
    ),
    (
        "body_filter",
        "if kong.response.get_raw_body() then kong.response.set_raw_body('') end",
        &[("body", "")],
    ),
    (
        "body_filter",
        "local ctx, chunk = ngx.ctx, ngx.arg[1]
         if ngx.arg[2] then
           ngx.arg[1] = '<' .. (ctx.chunks or 'nothing') .. '>'
         else
           ctx.chunks = (ctx.chunks or '') .. chunk
           ngx.arg[1] = nil
         end",
        &[("body", "<of the upstream>")],
    ),
    (
        "body_filter",
        "if ngx.arg[2] then ngx.arg[1] = (ngx.arg[1] or '') .. '!' end",
        &[("ends", "!")],
    ),
    (
        "header_filter",
        "kong.response.exit(451, { a = 'early' })",
        &[("status", "451"), ("json", r#"{"a":"early"}"#)],
    ),
];

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";

const ANSWERS: &[Effect] = &[
    (
        "access",
        "kong.response.exit(201)",
        &[
            ("status", "201"),
            ("body", ""),
            ("header:content-length", "0"),
        ],
    ),
    (
        "rewrite",
        "kong.response.exit(418, 'early')",
        &[
            ("status", "418"),
            ("body", "early"),
            ("header:content-length", "5"),
        ],
    ),
    (
        "access",
        "kong.response.exit(418, { a = { 1, 2 }, b = false }, { ['X-Own'] = { 'c', 'd' } })",
        &[
            ("status", "418"),
            ("json", r#"{"a":[1,2],"b":false}"#),
            ("header:content-type", JSON),
            ("header:x-own", "c, d"),
        ],
    ),
    (
        "access",
        "kong.response.exit(200, { a = 1 }, { ['Content-Type'] = 'application/x-own' })",
        &[
            ("header:content-type", "application/x-own"),
            ("json", r#"{"a":1}"#),
        ],
    ),
    (
        "access",
        "kong.response.exit(200, 'x', { ['Content-Length'] = 100 })",
        &[("body", "x"), ("header:content-length", "1")],
    ),
    (
        "access",
        "kong.response.exit(204, '')",
        &[("status", "204"), ("body", "")],
    ),
    (
        "access",
        "kong.response.exit('200')",
        &[("status", "500"), ("log", "code must be a number")],
    ),
    (
        "access",
        "kong.response.exit(99)",
        &[
            ("status", "500"),
            ("log", "code must be a number between 100 and 599"),
        ],
    ),
    (
        "access",
        "kong.response.exit(200, 5)",
        &[
            ("status", "500"),
            ("log", "body must be a nil, string or table"),
        ],
    ),
    (
        "access",
        "kong.response.exit(200, 'x', 'y')",
        &[("status", "500"), ("log", "headers must be a nil or table")],
    ),
    (
        "access",
        "kong.response.set_header('X-Before', '1') kong.response.exit(200, 'x') kong.response.set_header('X-After', '1')",
        &[("header:x-before", "1"), ("header:x-after", "-")],
    ),
    (
        "access",
        "kong.response.error(404)",
        &[
            ("status", "404"),
            ("message", "Not found"),
            ("header:content-type", JSON),
        ],
    ),
    (
        "access",
        "kong.response.error(429)",
        &[("status", "429"), ("message", "Too many requests")],
    ),
    (
        "access",
        "kong.response.error(500)",
        &[
            ("status", "500"),
            ("message", "An unexpected error occurred"),
        ],
    ),
    (
        "access",
        "kong.response.error(502)",
        &[
            ("status", "502"),
            (
                "message",
                "An invalid response was received from the upstream server",
            ),
        ],
    ),
    (
        "access",
        "kong.response.error(503)",
        &[
            ("status", "503"),
            ("message", "The upstream server is currently unavailable"),
        ],
    ),
    (
        "access",
        "kong.response.error(504)",
        &[
            ("status", "504"),
            ("message", "The upstream server is timing out"),
        ],
    ),
    (
        "access",
        "kong.response.error(599)",
        &[
            ("status", "599"),
            ("message", "The upstream server responded with 599"),
        ],
    ),
    (
        "access",
        "kong.response.error(399)",
        &[
            ("status", "500"),
            ("log", "code must be a number between 400 and 599"),
        ],
    ),
    (
        "access",
        "kong.response.error(403, 'not \"you\"')",
        &[
            ("status", "403"),
            ("message", "not \"you\""),
            (
                "body",
                "{\n  \"message\":\"not \\\"you\\\"\",\n  \"request_id\":\"$id\"\n}",
            ),
        ],
    ),
    (
        "access",
        "kong.response.error(403, 'plain', { ['Content-Type'] = 'text/plain' })",
        &[
            ("header:content-type", "text/plain"),
            ("body", "plain\nrequest_id: $id\n"),
        ],
    ),
    (
        "access",
        "kong.response.error(500, 'a < b & c', { ['Content-Type'] = 'text/html' })",
        &[
            ("header:content-type", "text/html"),
            ("holds", "<p>a &lt; b &amp; c.</p>"),
            ("holds", "<p>request_id: $id</p>"),
        ],
    ),
    (
        "access",
        "kong.response.error(500, 'a<b', { ['Content-Type'] = 'application/xml' })",
        &[
            ("holds", "<message>a&lt;b</message>"),
            ("holds", "<requestid>$id</requestid>"),
        ],
    ),
    (
        "access",
        "kong.response.error(500, { code = 7 })",
        &[("status", "500"), ("holds", "\"code\":7")],
    ),
    (
        "access",
        "ngx.req.set_header('Accept', 'application/json;q=0.1, text/html;q=0.9, text/plain;q=0.5') kong.response.error(400, 'x')",
        &[("header:content-type", HTML), ("holds", "<p>x.</p>")],
    ),
    (
        "access",
        "ngx.req.set_header('Accept', 'text/plain') kong.response.error(400, 'x')",
        &[
            ("header:content-type", "text/plain; charset=utf-8"),
            ("body", "x\nrequest_id: $id\n"),
        ],
    ),
    (
        "access",
        "ngx.req.set_header('Accept', 'image/png') kong.response.error(400, 'x', { ['X-Own'] = '1' })",
        &[
            ("header:content-type", JSON),
            ("message", "x"),
            ("header:x-own", "1"),
        ],
    ),
];

const LOG: &[Effect] = &[
    ("access", "kong.log('p', 1, nil, true, '-plain')", &[("log", "[pdk] p1niltrue-plain"), ("logged as", "notice")]),
    ("access", "kong.log.emerg('level-emerg')", &[("log", "level-emerg")]),
    ("access", "kong.log.alert('level-alert')", &[("log", "level-alert")]),
    ("access", "kong.log.crit('level-crit')", &[("log", "level-crit")]),
    ("access", "kong.log.err('level-err')", &[("log", "level-err"), ("logged as", "err")]),
    ("access", "kong.log.warn('level-warn')", &[("log", "level-warn"), ("logged as", "warn")]),
    ("access", "kong.log.notice('level-notice')", &[("log", "level-notice"), ("logged as", "notice")]),
    ("access", "kong.log.info('level-info')", &[("not in the log", "level-info")]),
    ("access", "kong.log.debug('level-debug')", &[("not in the log", "level-debug")]),
    ("access", "kong.log.inspect('inspected', 1, true)", &[("not in the log", "inspected")]),
    ("access", "kong.log.deprecation('old-way', { after = '3.0', removal = '4.0' })", &[("log", "old-way"), ("logged as", "warn")]),
    ("access", "ngx.log(ngx.ERR, 'by-ngx ', 5)", &[("log", "by-ngx 5")]),
    ("access", "ngx.log(ngx.DEBUG, 'by-ngx-debug')", &[("not in the log", "by-ngx-debug")]),
    (
        "log",
        "kong.log.set_serialize_value('own.deep', 'value-of-own')
         local all = kong.log.serialize()
         kong.log.notice('serialized ', all.own.deep, ' ', all.request.method, ' ', all.response.status, ' ',
           all.request.headers['x-a'] ~= nil, ' ', all.service.name, ' ', all.route.name, ' ', all.client_ip, ' ',
           all.upstream_status, ' ', all.source, ' ', type(all.latencies.kong), ' ', type(all.started_at), ' ',
           #all.tries, ' ', all.request.headers.authorization, ' ', all.upstream_uri)",
        &[("log", "serialized value-of-own POST 200 true orders all 127.0.0.1 200 upstream number number 1 REDACTED /e?q=1&b=2&q=3")],
    ),
    (
        "log",
        "kong.log.set_serialize_value('request.method', 'added', { mode = 'add' })
         kong.log.set_serialize_value('none', 'replaced', { mode = 'replace' })
         local all = kong.log.serialize()
         kong.log.notice('modes ', all.request.method, ' ', all.none)",
        &[("log", "modes POST nil")],
    ),
];

const NGX: &[Effect] = &[
    (
        "access",
        "ngx.req.set_header('X-A', 'ngx')",
        &[("sent:header:x-a", "ngx")],
    ),
    (
        "access",
        "ngx.req.set_header('X-A', { '1', '2' })",
        &[("sent:header:x-a", "1, 2")],
    ),
    (
        "access",
        "ngx.req.clear_header('X-A')",
        &[("sent:header:x-a", "-")],
    ),
    (
        "access",
        "ngx.req.set_method(ngx.HTTP_PUT)",
        &[("sent:method", "PUT")],
    ),
    (
        "access",
        "ngx.req.set_uri_args('n=1')",
        &[("sent:path", "/e?n=1")],
    ),
    (
        "access",
        "ngx.req.set_uri_args({ n = 2 })",
        &[("sent:path", "/e?n=2")],
    ),
    (
        "access",
        "ngx.req.read_body() ngx.req.set_body_data('data')",
        &[("sent:body", "data"), ("sent:header:content-length", "4")],
    ),
    (
        "access",
        "ngx.var.upstream_uri = '/by-var'",
        &[("sent:path", "/by-var?q=1&b=2&q=3")],
    ),
    ("access", "ngx.var.args = 'v=1'", &[("sent:path", "/e?v=1")]),
    (
        "access",
        "ngx.var.upstream_host = 'var.test'",
        &[("sent:header:host", "var.test")],
    ),
    (
        "access",
        "ngx.var.remote_addr = '1.2.3.4'",
        &[("status", "500")],
    ),
    (
        "header_filter",
        "ngx.header['X-Own'] = { 'a', 'b' }",
        &[("header:x-own", "a, b")],
    ),
    (
        "header_filter",
        "ngx.header.x_own = 1",
        &[("header:x-own", "1")],
    ),
    (
        "header_filter",
        "ngx.header.content_type = nil",
        &[("header:content-type", "-")],
    ),
    (
        "header_filter",
        "ngx.resp.add_header('X-Own', 'a') ngx.resp.add_header('X-Own', 'b')",
        &[("header:x-own", "a, b")],
    ),
    ("header_filter", "ngx.status = 298", &[("status", "298")]),
    ("access", "ngx.exit(403)", &[("status", "403")]),
    ("access", "ngx.exit(ngx.OK)", &[("status", "200")]),
    (
        "access",
        "ngx.status = 202 ngx.say('said ', 1, { ' two ', { true } }) ngx.exit(ngx.HTTP_OK)",
        &[("status", "202"), ("body", "said 1 two true\n")],
    ),
    (
        "access",
        "ngx.header['X-Own'] = '1' ngx.print('a', 'b') ngx.print('c') ngx.flush(true) ngx.eof() ngx.exit(200)",
        &[("status", "200"), ("body", "abc"), ("header:x-own", "1")],
    ),
    (
        "access",
        "ngx.send_headers() ngx.say(tostring(ngx.headers_sent)) ngx.exit(200)",
        &[("body", "true\n")],
    ),
    (
        "access",
        "ngx.redirect('/there?x=1')",
        &[("status", "302"), ("header:location", "/there?x=1")],
    ),
    (
        "access",
        "ngx.redirect('https://other.test/', 308)",
        &[
            ("status", "308"),
            ("header:location", "https://other.test/"),
        ],
    ),
    ("access", "ngx.redirect('/x', 200)", &[("status", "500")]),
];

const SERVICE: &[Effect] = &[
    ("access", "kong.service.set_target('127.0.0.1', 1)", &[("status", "502")]),
    ("access", "kong.service.set_target('127.0.0.1', kong.router.get_service().port)", &[("status", "200")]),
    ("access", "kong.service.set_target(1, 2)", &[("status", "500"), ("log", "host must be a string")]),
    ("access", "kong.service.set_target('h', '80')", &[("status", "500"), ("log", "port must be an integer")]),
    ("access", "kong.service.set_target('h', 70000)", &[("status", "500"), ("log", "port must be an integer between 0 and 65535: given 70000")]),
    ("access", "local ok, err = kong.service.set_upstream('none') kong.response.exit(200, tostring(ok) .. ': ' .. tostring(err))", &[("body", "nil: could not find an Upstream named 'none'")]),
    ("access", "kong.service.set_upstream(1)", &[("status", "500"), ("log", "host must be a string")]),
    ("access", "kong.service.set_retries(0) kong.service.set_target('127.0.0.1', 1)", &[("status", "502")]),
    ("access", "kong.service.set_retries('x')", &[("status", "500"), ("log", "retries must be an integer")]),
    ("access", "kong.service.set_timeouts(1000, 1000, 50)", &[("status", "200")]),
    ("access", "kong.service.set_timeouts(0, 1, 1)", &[("status", "500"), ("log", "connect_timeout must be an integer between 1 and 2147483646: given 0")]),
    ("access", "kong.service.set_tls_verify(5)", &[("status", "500"), ]),
    ("access", "kong.service.set_tls_verify_depth('x')", &[("status", "500"), ]),
    ("access", "kong.service.set_tls_verify(true) kong.service.set_tls_verify_depth(2)", &[("status", "200")]),
    ("access", "kong.service.set_tls_verify_store(5)", &[("status", "500")]),
    ("access", "kong.service.set_tls_cert_key(5, 6)", &[("status", "500")]),
    ("access", "kong.service.set_target_retry_callback(5)", &[("status", "500")]),
    (
        "access",
        "kong.service.set_target('127.0.0.1', 1)
         local port = kong.router.get_service().port
         kong.service.set_target_retry_callback(function() return { host = '127.0.0.1', port = port } end)",
        &[("status", "200")],
    ),
];

/// A request with everything that effects change; its reply says how long the upstream's body is.
fn request(key: usize) -> Request {
    Request::new("POST", "/e?q=1&b=2&q=3")
        .header("X-Effect", &key.to_string())
        .header("X-A", "a")
        .header("X-A", "b")
        .header("Authorization", "secret")
        .header("Content-Type", "text/plain")
        .header(
            "X-Script",
            script(&json!({ "headers": [["Content-Type", "text/x"]], "body": BODY }))
                .trim_start_matches("/script/"),
        )
        .body("body")
}

/// What the upstream answers.
const BODY: &str = "of the upstream";

pub async fn play(stage: &Stage, key: usize, (phase, statements, facts): &Effect) -> Vec<String> {
    let (requests, from) = (
        stage.upstream.requests(),
        stage.gateway.node().process.stderr().len(),
    );
    let reply = stage.ask(&request(key)).await;
    let seen = (stage.upstream.requests() > requests).then(|| stage.upstream.last());
    let mut problems = Vec::new();
    for (fact, expected) in *facts {
        let id = reply.header("x-kong-request-id").unwrap_or("no id");
        let expected = expected
            .replace("$id", id)
            .replace("$length", &BODY.len().to_string());
        let expected = expected.replace("$same", &BODY.len().to_string());
        if let Some(got) = differs(stage, &reply, seen.as_ref(), from, (fact, &expected)).await {
            problems.push(format!(
                "{phase}: {statements}: {fact} is {got}, expected {expected}"
            ));
        }
    }
    problems
}

/// What stands in place of a fact that is not as expected.
async fn differs(
    stage: &Stage,
    reply: &Reply,
    seen: Option<&Seen>,
    from: usize,
    (fact, expected): (&str, &str),
) -> Option<String> {
    let joined = |lines: Vec<&str>| match lines.is_empty() {
        true => "-".to_owned(),
        false => lines.join(", "),
    };
    let unseen = || format!("nothing; the reply is {reply}");
    let parsed = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (right, got) = match fact {
        "status" => (reply.status.to_string() == expected, reply.to_string()),
        "body" => (reply.text() == expected, reply.to_string()),
        "holds" => (reply.text().contains(expected), reply.to_string()),
        "ends" => (reply.text().ends_with(expected), reply.to_string()),
        "message" => (
            parsed(&reply.body)["message"] == expected,
            reply.to_string(),
        ),
        "json" => (
            parsed(&reply.body) == parsed(expected.as_bytes()),
            reply.to_string(),
        ),
        "log" => (
            logged(stage, from, str::to_owned, expected).await.is_some(),
            "not there".to_owned(),
        ),
        "logged as" => (
            logged(stage, from, str::to_lowercase, expected)
                .await
                .is_some(),
            stage.gateway.node().process.stderr()[from..].to_owned(),
        ),
        "not in the log" => {
            // What is logged later shows that this would be there by now.
            let log = stage.gateway.node().process.stderr();
            (!log[from..].contains(expected), "there".to_owned())
        }
        "sent:method" => seen.map_or((false, unseen()), |seen| {
            (seen.method == expected, seen.method.clone())
        }),
        "sent:path" => seen.map_or((false, unseen()), |seen| {
            (seen.path == expected, seen.path.clone())
        }),
        "sent:body" => seen.map_or((false, unseen()), |seen| {
            (seen.body == expected.as_bytes(), text(&seen.body))
        }),
        "sent:holds" => seen.map_or((false, unseen()), |seen| {
            (text(&seen.body).contains(expected), text(&seen.body))
        }),
        "sent:json" => {
            let wanted = parsed(expected.as_bytes());
            seen.map_or((false, unseen()), |seen| {
                (parsed(&seen.body) == wanted, text(&seen.body))
            })
        }
        "sent:type" => seen.map_or((false, unseen()), |seen| {
            let kind = seen.header("content-type").unwrap_or("-");
            (kind.starts_with(expected), kind.to_owned())
        }),
        fact => match (
            fact.strip_prefix("header:"),
            fact.strip_prefix("sent:header:"),
        ) {
            (Some(name), _) => {
                let got = joined(reply.header_all(name).collect());
                (got == expected, format!("{got} in {reply}"))
            }
            (_, Some(name)) => seen.map_or((false, unseen()), |seen| {
                let lines = seen
                    .headers
                    .iter()
                    .filter(|line| line.0.eq_ignore_ascii_case(name));
                let got = joined(lines.map(|line| line.1.as_str()).collect());
                (got == expected, got)
            }),
            _ => panic!("no such fact: {fact}"),
        },
    };
    (!right).then_some(got)
}

/// Waits until what is logged from there on, changed by `form`, holds this text.
async fn logged(stage: &Stage, from: usize, form: fn(&str) -> String, text: &str) -> Option<()> {
    tests::wait::eventually_some(tests::wait::DEADLINE, async || {
        // The writer quotes what is quoted.
        let log = stage.gateway.node().process.stderr()[from..].replace("\\\"", "\"");
        form(&log).contains(text).then_some(())
    })
    .await
}
