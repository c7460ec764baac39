//! Answers the schemas of `shared` whether Lua compiles (design decision 6: a schema names the check, a plane passes in
//! what answers it).

use std::cell::RefCell;

use shared::plugins::custom::{self, SourceError};
use shared::settings::UntrustedLua;
use shared::types::{LuaUnit, check_lua_with};

use crate::error::Failure;
use crate::plugin;
use crate::script::Script;
use crate::state::{Options, State};

thread_local! {
    // Chunks are run here once, when somebody wants to store them.
    static SCRATCH: RefCell<Option<State>> = const { RefCell::new(None) };
}

/// Makes this engine the one that answers, for the whole process. A plane calls it before it reads any configuration.
pub fn answer_schemas(options: Options) {
    let own = options.clone();
    custom::load_with(Box::new(move |source| {
        let loaded = scratch(&own, |state| Ok(plugin::declare(&own, state, source)));
        loaded.unwrap_or_else(|failure| {
            Err(vec![SourceError {
                field: "handler",
                message: failure.to_string(),
            }])
        })
    }));
    check_lua_with(Box::new(move |unit, source| match unit {
        LuaUnit::Expression => Script::expression(source)
            .map(drop)
            .map_err(|failure| failure.to_string()),
        LuaUnit::Function => function(&options, source),
        LuaUnit::Chunk => Script::chunk(source)
            .map(drop)
            .map_err(|failure| failure.to_string()),
    }));
}

/// What is wrong with a chunk that should return a function; the function itself is not called (transformers.md 4.1).
fn function(options: &Options, source: &str) -> Result<(), String> {
    if options.trust == UntrustedLua::Off {
        return Err(Failure::Off.to_string());
    }
    let checked =
        Script::function(source).and_then(|script| scratch(options, |state| state.prove(&script)));
    checked.map_err(|failure| match failure {
        Failure::NoFunction(_) => failure.to_string(),
        other => format!("Error parsing function: {other}"),
    })
}

fn scratch<T>(
    options: &Options,
    run: impl FnOnce(&State) -> Result<T, Failure>,
) -> Result<T, Failure> {
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.as_ref().is_none_or(State::is_worn) {
            *scratch = None;
            *scratch =
                Some(State::new(options).map_err(|error| Failure::Raised(error.to_string()))?);
        }
        let state = scratch.as_ref().expect("it was made above");
        run(state)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_compiled_and_their_chunk_is_run() {
        let check = |source: &str| function(&Options::default(), source);
        assert_eq!(check("return function(data) return data end"), Ok(()));
        assert_eq!(
            check("return function(data) error('not now') end"),
            Ok(()),
            "it is not called"
        );
        for (source, expected) in [
            (
                "return 5",
                "Bad return value from function, expected function type, got number",
            ),
            (
                "local x = 1",
                "Bad return value from function, expected function type, got nil",
            ),
            (
                "return function(",
                "Error parsing function: [string \"return function(\"]:1: <name> or '...' expected near '<eof>'",
            ),
            ("error('x', 0)", "Error parsing function: x"),
            (
                "while true do end",
                "Error parsing function: execution time limit exceeded",
            ),
            (
                "os.execute('true')",
                "Error parsing function: [string \"os.execute('true')\"]:1: attempt to call field 'execute' (a nil value)",
            ),
        ] {
            assert_eq!(check(source), Err(expected.to_owned()), "{source}");
        }
        let off = Options {
            trust: UntrustedLua::Off,
            ..Options::default()
        };
        assert_eq!(
            function(&off, "return print"),
            Err(Failure::Off.to_string())
        );
    }
}
