//! What a careless or curious plugin can do (sections 6 and 10.5): each case ends its own request as the table says,
//! soon, and harms nobody: a plugin beside it on the same worker works on, the node runs, its memory is bounded.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::wire::{Conn, Reply};
use tests::{Request, http2};

use super::{Stage, handler, source};

const HANDLER: &str = include_str!("lua/hostile.lua");
const CONTROL: &str = include_str!("lua/control.lua");

/// The limits are 100 ms of CPU and less; a debug build on a busy machine takes longer.
const SOON: Duration = Duration::from_secs(30);

/// Twice what a state may have (256 MiB), for the worker's and the one that plugins are tried in, and the program.
const MOST_MEMORY: u64 = 640 * 1024 * 1024;

/// How a request ends.
enum Ends {
    /// 500, and the message that says nothing.
    Fails,
    /// 200 and this body.
    Says(&'static str),
    /// 200, and an error that says that this name is protected.
    Protected(&'static str),
    /// 200 and a body that begins so.
    Begins(&'static str),
    /// This status and body.
    Answers(u16, &'static str),
    /// As the upstream answers.
    Passes,
    /// In any way.
    Somehow,
}
use Ends::{Answers, Begins, Fails, Passes, Protected, Says, Somehow};

/// The cases of `hostile.lua`, by name.
const CASES: &[(&str, Ends)] = &[
    ("endless loop", Fails),
    ("endless loop in JIT code", Fails),
    ("endless repeat of a PDK call", Fails),
    ("pcall around the limit", Fails),
    ("xpcall whose handler is endless too", Fails),
    ("coroutine inside pcall around the limit", Fails),
    ("resumed coroutines around the limit", Fails),
    ("a coroutine that yields for ever", Fails),
    ("endless iterator", Fails),
    ("endless __index", Fails),
    ("endless __tostring in tostring", Fails),
    ("endless comparison in table.sort", Fails),
    ("endless replacement in gsub", Fails),
    ("a million coroutines", Fails),
    ("a pattern of many stars", Fails),
    ("a quadratic gsub over a megabyte", Fails),
    ("nested captures without end", Fails),
    ("catastrophic regular expression", Says("nil string")),
    (
        "catastrophic gsub of regular expressions",
        Says("nil nil string"),
    ),
    ("string.rep of a gigabyte", Fails),
    ("string.rep with a long separator", Fails),
    ("string.format of a huge width", Fails),
    ("string.format with too few values", Fails),
    ("unpack of very many", Fails),
    ("an order that contradicts itself", Somehow),
    ("table.concat with a long separator", Fails),
    ("gsub that grows a text without end", Fails),
    ("deep recursion", Fails),
    ("deep recursion through pcall", Somehow),
    ("deep recursion through metamethods", Fails),
    ("__index in a circle", Fails),
    ("coroutines within coroutines", Fails),
    ("recursion in a replacement", Fails),
    ("error(nil)", Fails),
    ("error of a table", Fails),
    ("error of a function", Fails),
    ("error whose __tostring is endless", Fails),
    ("error whose __tostring throws", Fails),
    ("error whose __tostring gives no text", Fails),
    ("error of bytes that are no text", Fails),
    ("error of a megabyte", Fails),
    ("error in an error handler", Begins("false")),
    ("rawset on kong", Begins("false ")),
    ("rawset on ngx", Begins("false ")),
    ("assignment to kong", Protected("kong.log")),
    (
        "assignment within the PDK",
        Protected("kong.request.get_header"),
    ),
    ("assignment to ngx", Protected("ngx.sleep")),
    ("assignment to string", Protected("string.upper")),
    ("assignment to a module", Begins("false ")),
    ("table.insert into the PDK", Begins("false ")),
    ("table.clear of the PDK", Somehow),
    ("a metatable for kong", Begins("false ")),
    ("the metatable of strings", Says("false")),
    ("the metatable of kong", Says("false")),
    ("the metatable of strings changed", Begins("false ")),
    ("next over the PDK", Says("function")),
    ("names that a sandbox has not", Says("found: ")),
    ("modules that a sandbox has not", Says("found: ")),
    (
        "JSON nested too deep",
        Begins("nil Found too many nested data structures (1001)"),
    ),
    (
        "JSON of a table in itself",
        Begins("nil Cannot serialise, excessive depth"),
    ),
    ("exit with a table in itself", Fails),
    ("a header of ten megabytes", Somehow),
    ("a hundred thousand headers", Somehow),
    ("CR LF in a response header's value", Somehow),
    ("CR LF in a response header's name", Somehow),
    ("CR LF in ngx.header", Somehow),
    ("CR LF in a request header's value", Somehow),
    ("CR LF in a request header's name", Somehow),
    ("CR LF in a path and a query", Somehow),
    ("CR LF in headers of a third party's request", Somehow),
    ("exit inside pcall", Answers(403, "left")),
    ("exit inside xpcall", Answers(403, "left")),
    ("exit in a coroutine", Answers(403, "left")),
    ("exit in a resumed coroutine", Answers(403, "left")),
    ("exit in a comparison", Somehow),
    ("exit with a status of text", Fails),
    ("exit with status 99", Fails),
    ("exit with status 600", Fails),
    ("exit with status NaN", Fails),
    ("exit without status", Fails),
    ("exit with a function", Fails),
    ("exit with odd headers", Fails),
    ("exit with headers of functions", Fails),
    ("exit with 101", Somehow),
    ("exit with 204 and a body", Answers(204, "")),
    ("a million lines of log", Somehow),
    ("a forged line of log", Says("logged")),
    ("timers", Says("false")),
    ("timers that repeat", Says("false")),
    ("an endless thread", Fails),
    ("a hundred thousand threads", Somehow),
    ("odd sleeps", Begins("false")),
    ("a lot of memory in __gc", Says("made")),
    ("bodies of odd encodings", Somehow),
    ("numbers that are none", Somehow),
    ("os.date of odd formats", Somehow),
    ("header_filter: endless loop", Fails),
    ("header_filter: throws", Fails),
    ("header_filter: waits", Fails),
    ("header_filter: asks a third party", Fails),
    ("header_filter: yields", Fails),
    ("header_filter: waits in a coroutine inside pcall", Passes),
    ("body_filter: endless loop", Passes),
    ("body_filter: throws", Passes),
    ("body_filter: waits", Passes),
    ("body_filter: grows", Passes),
    ("body_filter: sets an odd chunk", Somehow),
    ("log: endless loop", Passes),
    ("log: throws", Passes),
    ("log: waits", Passes),
    ("log: exits", Passes),
    ("log: serializes and breaks it", Passes),
];

/// Those that take what memory there is; each gets a plugin of its own, for three breaches suspend one.
const GREEDY: &[(&str, Ends)] = &[
    ("memory bomb of tables", Fails),
    ("memory bomb of strings", Fails),
    ("memory bomb behind pcall", Fails),
    ("table.concat of gigabytes", Fails),
    ("a table of a thousand million places", Fails),
    // Its later phases may miss what it takes from itself.
    ("overwriting globals", Somehow),
];

impl Ends {
    /// What is wrong with this end, if anything.
    fn judge(&self, reply: &Reply) -> Option<String> {
        let text = reply.text();
        let right = match self {
            Fails => {
                let message = serde_json::from_slice::<serde_json::Value>(&reply.body);
                let message = message
                    .map(|body| body["message"].clone())
                    .unwrap_or_default();
                reply.status == 500 && message == "An unexpected error occurred"
            }
            Says(body) => (reply.status, &*text) == (200, *body),
            Begins(body) => reply.status == 200 && text.starts_with(body),
            Protected(name) => {
                let message = format!("Cannot modify {name}. Protected by the sandbox.");
                reply.status == 200 && text.starts_with("false ") && text.ends_with(&message)
            }
            Answers(status, body) => (reply.status, &*text) == (*status, *body),
            Passes => reply.status == 200 && text == "of the upstream",
            Somehow => true,
        };
        let injected = reply.header("x-injected").is_some();
        match right && reply.note != "client timeout" && !injected {
            true => None,
            false => Some(reply.to_string().chars().take(600).collect()),
        }
    }
}

/// A request for a case of a plugin; its body is no text.
fn case(plugin: &str, name: &str) -> Request {
    let answer = json!({ "body": "of the upstream", "headers": [["Content-Type", "text/plain"]] });
    let script = tests::script(&answer);
    Request::new("POST", &format!("/{plugin}"))
        .header("X-Case", name)
        .header("X-Script", script.trim_start_matches("/script/"))
        .header("Content-Type", "application/json; charset=utf-16")
        .body(b"\xff\xfe{\0\"\0\xd8\0%zz\0".to_vec())
}

/// The plugin beside, which must not notice.
async fn control(stage: &Stage, after: &str) -> Option<String> {
    let begin = Instant::now();
    let reply = stage
        .ask(&Request::get("/control").header("X-Control", "1"))
        .await;
    let right = reply.status == 200 && reply.header("x-controlled") == Some("yes");
    match right && begin.elapsed() < SOON {
        true => None,
        false => Some(format!("after '{after}', {:?}: {reply}", begin.elapsed())),
    }
}

/// Runs a case; gives what went wrong.
async fn run(stage: &mut Stage, plugin: &str, (name, ends): &(&str, Ends)) -> Vec<String> {
    let (begin, before) = (Instant::now(), stage.upstream.requests());
    let reply = stage.ask(&case(plugin, name)).await;
    let took = begin.elapsed();
    let mut problems = Vec::new();
    problems.extend(
        ends.judge(&reply)
            .map(|why| format!("'{name}' ends with {why}")),
    );
    if took > SOON {
        problems.push(format!("'{name}' takes {took:?}"));
    }
    if stage.upstream.requests() > before {
        let seen = stage.upstream.last();
        if seen.header("x-injected").is_some() || stage.upstream.requests() > before + 1 {
            problems.push(format!("'{name}' gives the upstream {seen:?}"));
        }
    }
    problems.extend(control(stage, name).await);
    assert!(
        stage.gateway.nodes[0].process.is_running(),
        "'{name}' ended the node: {problems:#?}"
    );
    problems
}

async fn stage() -> Stage {
    let stage = Stage::start(&["--untrusted-lua", "sandbox"]).await;
    stage.alone("control", CONTROL).await;
    stage
}

#[tokio::test]
async fn a_hostile_plugin_harms_only_its_own_request() {
    let mut stage = stage().await;
    stage.alone("hostile", HANDLER).await;
    for number in 0..GREEDY.len() {
        stage.alone(&format!("greedy-{number}"), HANDLER).await;
    }
    stage.gateway.settled().await;
    let mut problems = Vec::new();
    for case in CASES {
        problems.extend(run(&mut stage, "hostile", case).await);
    }
    for (number, case) in GREEDY.iter().enumerate() {
        problems.extend(run(&mut stage, &format!("greedy-{number}"), case).await);
    }
    let process = &stage.gateway.node().process;
    let (memory, log) = (process.peak_memory(), process.stderr());
    println!(
        "{} cases, at most {} MiB",
        CASES.len() + GREEDY.len(),
        memory >> 20
    );
    if memory > MOST_MEMORY {
        problems.push(format!("the node took {} MiB", memory >> 20));
    }
    let flood = log.matches("flood ").count();
    if flood > 200 {
        problems.push(format!("{flood} lines of the flood were logged"));
    }
    if let Some(line) = log.lines().find(|line| line.starts_with("forged line")) {
        problems.push(format!("a line of the log was forged: {line}"));
    }
    assert!(
        problems.is_empty(),
        "{} of them: {problems:#?}",
        problems.len()
    );
}

/// The limit is told by its name, with the plugin and the phase, and is no use to the plugin.
#[tokio::test]
async fn the_log_says_which_plugin_overran_which_limit() {
    let mut stage = stage().await;
    stage.alone("hostile", HANDLER).await;
    stage.gateway.settled().await;
    let mut problems = Vec::new();
    for case in [("endless loop", Fails), ("log: throws", Passes)] {
        problems.extend(run(&mut stage, "hostile", &case).await);
    }
    assert!(problems.is_empty(), "{problems:#?}");
    let line = stage
        .logged(&["hostile@6.6.6", "access", "execution time limit exceeded"])
        .await;
    assert!(
        line.contains("request_id"),
        "the line names its request: {line}"
    );
    stage
        .logged(&["hostile@6.6.6", "log", "thrown in log", "handler.lua:"])
        .await;
    // One that waits for ever goes with its client, and others are served on the worker and connection beside it.
    let node = stage.gateway.node();
    let mut waiting = Conn::plain(node.proxy).await.expect("the port is open");
    let request = case("hostile", "an infinite sleep").bytes("gateway.test");
    waiting.send(&request).await.expect("it is sent");
    let mut sender = http2::connect(node.proxy_tls).await;
    let sleeper = {
        let (mut sender, request) = (sender.clone(), case("hostile", "an infinite sleep"));
        tokio::spawn(async move { http2::ask(&mut sender, &request).await })
    };
    for _ in 0..5 {
        let request = Request::get("/control").header("X-Control", "1");
        http2::ask(&mut sender, &request).await.expect_status(200);
    }
    assert!(!sleeper.is_finished(), "the sleeper sleeps");
    sleeper.abort();
    drop(waiting);
    assert_eq!(control(&stage, "the sleepers").await, None);
}

/// Endless code outside of requests: the control plane refuses it, or the node goes on without it.
#[tokio::test]
async fn endless_code_at_load_is_refused_and_in_configure_is_ended() {
    let stage = stage().await;
    let admin = stage.gateway.admin();
    let endless = "while true do end";
    let bomb = "local t = {} while true do t[#t + 1] = (\"x\"):rep(1e6) .. #t end";
    for (field, what) in [
        ("handler", endless),
        ("handler", bomb),
        ("schema", endless),
        ("schema", bomb),
    ] {
        let mut body = source("greedy", "", &handler(""));
        body[field] = json!(format!("{what}\n{}", body[field].as_str().expect("source")));
        let begin = Instant::now();
        let refused = admin
            .post("/custom-plugins", body)
            .await
            .expect_status(400)
            .json();
        assert!(refused["fields"][field].is_string(), "{what}: {refused}");
        assert!(begin.elapsed() < SOON, "{what} takes {:?}", begin.elapsed());
        if what == endless {
            let message = refused["fields"][field].as_str().unwrap_or_default();
            assert!(
                message.contains("execution time limit exceeded"),
                "{refused}"
            );
        }
    }
    let configure = handler(
        "function Plugin:configure() while true do end end\n\
         function Plugin:access() kong.response.set_header('X-Configured', '1') end",
    );
    stage.alone("configured", &configure).await;
    let reply = stage.gateway.get("/configured").await.expect_status(200);
    assert_eq!(reply.header("x-configured"), Some("1"));
    stage
        .logged(&["configured", "configure", "execution time limit exceeded"])
        .await;
    assert_eq!(control(&stage, "configure").await, None);
}

/// A worker uses the coroutines of handlers again. One that a plugin has kept may be another plugin's by then, amid a
/// request of somebody else's.
#[tokio::test]
async fn the_coroutine_of_a_handler_is_nobodys_to_resume() {
    let stage = stage().await;
    let thief = handler(
        r#"
        local saved
        function Plugin:access()
          if not saved then
            saved = coroutine.running()
            return
          end
          local ok, said = coroutine.resume(saved, true)
          return kong.response.exit(200, tostring(ok) .. " " .. tostring(said))
        end"#,
    );
    let victim = handler(
        r#"
        function Plugin:access()
          kong.log("the victim waits")
          ngx.sleep(1)
          return kong.response.exit(200, kong.request.get_header("x-secret"))
        end"#,
    );
    stage.alone("thief", &thief).await;
    stage.alone("victim", &victim).await;
    stage.gateway.get("/thief").await.expect_status(200);
    let address = stage.gateway.node().proxy;
    let waiting = tokio::spawn(async move {
        let request = Request::get("/victim").header("X-Secret", "of the victim");
        tests::wire::exchange(address, &request).await
    });
    stage.logged(&["[victim]", "the victim waits"]).await;
    let stolen = stage.get("/thief").await.expect_status(200);
    assert_eq!(stolen.text(), "false cannot resume non-suspended coroutine");
    let reply = waiting.await.expect("no panic").expect_status(200);
    assert_eq!(reply.text(), "of the victim");
}
