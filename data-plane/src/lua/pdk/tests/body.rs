//! Bodies of answers, piece by piece.

use bytes::Bytes;
use lua::pdk::Phase;

use super::response::answered;
use crate::lua::call::{Call, Chunk};
use crate::lua::tests::{Scene, said};
use crate::proxy::ctx::Ctx;

/// What a body filter makes of the pieces of a body, and whether it ended it.
fn filtered(ctx: &mut Ctx, source: &str, pieces: &[(&'static str, bool)]) -> Vec<(String, bool)> {
    let state = crate::lua::worker::state().expect("a machine");
    let script =
        lua::Script::module("test.lua", &format!("return function() {source} end")).expect("Lua");
    let own = state.own_modules(None, "test").expect("memory");
    let environment = state.plugin_environment(false, own).expect("memory");
    let function = state
        .run_module(&script, environment, false, lua::limits::Limits::default())
        .expect("a function");
    let function = function.as_function().expect("a function").clone();
    let name: std::sync::Arc<str> = "test".into();
    let id = crate::lua::tests::INSTANCE;
    let identity = crate::lua::call::Identity::new(name.clone(), name, false, id);
    let identity = std::rc::Rc::new(identity);
    pieces
        .iter()
        .map(|(piece, last)| {
            let mut call = Call::new(Phase::BodyFilter, identity.clone(), Some(ctx));
            call.chunk = Some(Chunk {
                data: Some(Bytes::from_static(piece.as_bytes())),
                last: *last,
            });
            let limits = crate::lua::call::Limits::of(Phase::BodyFilter);
            let outcome = call.run_now(&state, function.clone(), (), limits);
            assert!(outcome.failure().is_none(), "{outcome:?}");
            let chunk = call.chunk.take().expect("a piece");
            let data = chunk.data.unwrap_or_default();
            (String::from_utf8_lossy(&data).into_owned(), chunk.last)
        })
        .collect()
}

#[test]
fn a_body_is_held_back_until_it_is_whole() {
    let pieces = [("ab", false), ("", false), ("c", true)];
    let left = |data: &str, last| (data.to_owned(), last);
    let source = "local body = kong.response.get_raw_body() if body then kong.response.set_raw_body('<' .. body .. '>') end";
    assert_eq!(
        filtered(&mut answered(), source, &pieces),
        [left("", false), left("", false), left("<abc>", true)]
    );
    assert_eq!(
        filtered(&mut answered(), "kong.response.get_raw_body()", &pieces),
        [left("", false), left("", false), left("abc", true)]
    );
    assert_eq!(
        filtered(
            &mut answered(),
            "kong.response.set_raw_body('')",
            &[("ab", false)]
        ),
        [left("", true)]
    );
    assert_eq!(
        filtered(
            &mut answered(),
            "kong.response.get_raw_body() kong.response.get_raw_body()",
            &[("a", true)]
        ),
        [left("a", true)]
    );
    let mut ctx = answered();
    assert_eq!(
        said(
            Some(&mut ctx),
            Phase::BodyFilter,
            "kong.response.set_raw_body(1)"
        ),
        "error: body must be a string"
    );
}

#[test]
fn a_body_beyond_response_buffer_max_passes_as_it_is() {
    let scene = Scene {
        config: crate::config::Config {
            response_buffer_max: shared::settings::Size(4),
            ..crate::config::Config::default()
        },
        ..Scene::default()
    };
    let left = |data: &str, last| (data.to_owned(), last);
    let wraps = "local body, err = kong.response.get_raw_body()
        if body then kong.response.set_raw_body('<' .. body .. '>') end
        if not body and err then assert(err == 'the body is longer than response_buffer_max', err) end";
    let refuses = "local _, err = kong.response.get_raw_body()
        if err then kong.response.set_raw_body('no') end";
    for (source, pieces, expected) in [
        (
            wraps,
            &[("ab", false), ("cd", true)][..],
            vec![left("", false), left("<abcd>", true)],
        ),
        (
            wraps,
            &[("ab", false), ("cd", false), ("e", false), ("f", true)],
            vec![
                left("", false),
                left("", false),
                left("abcde", false),
                left("f", true),
            ],
        ),
        (wraps, &[("abcde", true)], vec![left("abcde", true)]),
        (
            refuses,
            &[("abcd", false), ("e", false)],
            vec![left("", false), left("no", true)],
        ),
    ] {
        assert_eq!(filtered(&mut scene.ctx(), source, pieces), expected);
    }
}
