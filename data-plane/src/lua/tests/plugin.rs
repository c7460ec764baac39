//! Handlers as a revision has them: errors that may be skipped, memory that is too much.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::lua::{health, weight};
use crate::plugins::{Filter, Flow, Phases};

const ID: Uuid = Uuid::from_u128(0xD0);

/// A request for a route with a plugin of this name.
fn with(name: &str, on_error: &str, methods: &str) -> (Box<Ctx>, Arc<dyn Phases>) {
    worker::configure(lua::Options::default());
    let schema = format!(
        "return {{ name = '{name}', fields = {{ {{ config = {{ type = 'record', fields = {{}} }} }} }} }}"
    );
    let handler =
        format!("local Plugin = {{ PRIORITY = 1, VERSION = '1.0.0' }} {methods} return Plugin");
    let mut scene = routed();
    scene.documents.extend([
        (
            "custom_plugins",
            json!({
                "id": Uuid::from_u128(0xC0), "name": name, "schema": schema, "handler": handler, "on_error": on_error,
            }),
        ),
        ("plugins", json!({ "id": ID, "name": name, "config": {} })),
    ]);
    let ctx = scene.ctx();
    let handler = ctx.runtime.plugins.handler(&ID).expect("a handler");
    (ctx, handler)
}

fn access(handler: &dyn Phases, ctx: &mut Ctx) -> Flow {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, handler.access_wait(ctx))
}

/// What the control plane would hear of a plugin.
fn summary(name: &str) -> health::Summary {
    let mut all = health::summaries().into_iter();
    all.find(|summary| &*summary.name == name)
        .expect("it has run")
}

#[test]
fn an_error_ends_the_request_or_is_skipped_as_its_plugin_says() {
    let methods = "
        function Plugin.access() kong.response.set_header('X-Before', '1') error('no access') end
        function Plugin.header_filter() error('no filter') end
        function Plugin.body_filter()
          if not ngx.arg[2] then
            ngx.arg[1] = 'changed'
            error('no piece')
          end
        end
        function Plugin.log() error('no log') end";
    let body = |handler: &dyn Phases, ctx: &mut Ctx| {
        let piece = handler.chunk(ctx, Bytes::from_static(b"piece"), false);
        let last = handler.chunk(ctx, Bytes::from_static(b"last"), true);
        [piece, last].map(|data| data.map(|data| String::from_utf8_lossy(&data).into_owned()))
    };
    let (mut ctx, handler) = with("fails", "fail", methods);
    let Flow::Fail(error) = access(&*handler, &mut ctx) else {
        panic!("it goes on");
    };
    assert!(
        error.starts_with("access: handler.lua:2: no access"),
        "{error}"
    );
    assert!(matches!(handler.header_filter(&mut ctx), Filter::Fail(_)));
    assert!(body(&*handler, &mut ctx)[0].is_err());
    handler.log(&mut ctx);

    let (mut ctx, handler) = with("skips", "skip", methods);
    assert!(matches!(access(&*handler, &mut ctx), Flow::Continue));
    assert_eq!(ctx.promised.len(), 1, "what it did before stays");
    assert!(matches!(handler.header_filter(&mut ctx), Filter::Body(_)));
    let expected = ["changed", "last"].map(|data| Ok(data.to_owned()));
    assert_eq!(body(&*handler, &mut ctx), expected);
    handler.log(&mut ctx);
    // Both count.
    for name in ["fails", "skips"] {
        assert_eq!(summary(name).errors, 4, "{name}");
    }
}

#[test]
fn a_plugin_that_holds_too_much_is_suspended_and_then_begins_anew() {
    weight::limit(1 << 20);
    let (mut ctx, handler) = with(
        "hoards",
        "fail",
        "local held = {}
        function Plugin.access()
          held[#held + 1] = string.rep(#held .. ' ', 64 * 1024)
          kong.response.set_header('X-Held', #held)
        end",
    );
    let held = |ctx: &mut Ctx| match access(&*handler, ctx) {
        Flow::Continue => match ctx.promised.pop() {
            Some(crate::proxy::ctx::Promise::Set(_, values)) => {
                values[0].to_str().map(str::to_owned).expect("text")
            }
            _ => panic!("no header"),
        },
        Flow::Fail(error) => error,
        _ => panic!("it answers"),
    };
    let start = Instant::now();
    let weigh = |at| {
        let loaded = worker::all_made();
        weight::weigh(
            &worker::state().expect("a machine"),
            &loaded,
            start + Duration::from_secs(at),
        );
    };
    assert_eq!(held(&mut ctx), "1");
    weigh(0);
    assert!((128 << 10..1 << 20).contains(&summary("hoards").memory));
    for n in 2..=16 {
        assert_eq!(held(&mut ctx), n.to_string());
    }
    // Breaches count that come within ten minutes.
    for at in [0, 700, 710] {
        weigh(at);
        assert_eq!(summary("hoards").suspended, 0);
    }
    assert_eq!(held(&mut ctx), "17");
    assert!(summary("hoards").memory > 2 << 20);
    weigh(720);
    let suspended = "access: the plugin is suspended on this worker: it held 3 MiB of Lua memory, more than 1 MiB (custom_plugins_memory)";
    assert_eq!(held(&mut ctx), suspended);
    let summary = summary("hoards");
    assert_eq!((summary.suspended, summary.memory), (1, 0));
    assert_eq!(
        summary.last_error.as_deref(),
        suspended.strip_prefix("access: ")
    );
    assert!(worker::all_made().is_empty(), "what it held is let go of");
    // Over, with the next call.
    weight::look_back(Duration::from_secs(1000));
    assert_eq!(held(&mut ctx), "1");
    assert_eq!(super::plugin::summary("hoards").suspended, 0);
}
