//! What `require` gives, and to whom.

use mlua::Value;

use super::MODULES;
use crate::error::Failure;
use crate::state::{Options, State};
use crate::tests::{answer, raised};

/// A state whose scripts may load every module.
pub(super) fn state() -> State {
    let options = Options {
        requires: MODULES
            .iter()
            .map(|(name, ..)| (*name).to_owned())
            .chain(["no.such".to_owned()])
            .collect(),
        ..Options::default()
    };
    State::new(&options).expect("a state")
}

/// Runs bodies of functions, which must answer these texts.
pub(super) fn check(cases: &[(&str, &str)]) {
    let state = state();
    for (body, expected) in cases {
        assert_eq!(answer(&state, body).as_deref(), Ok(*expected), "{body}");
    }
}

/// Runs bodies of functions, which must raise something that ends with these texts.
pub(super) fn check_raised(cases: &[(&str, &str)]) {
    let state = state();
    for (body, expected) in cases {
        let said = raised(answer(&state, body));
        assert!(said.ends_with(expected), "{body}: {said}");
    }
}

#[test]
fn the_names_are_sorted_and_each_is_there_once() {
    assert!(MODULES.is_sorted_by(|(a, ..), (b, ..)| a < b));
}

#[test]
fn every_module_opens() {
    let state = state();
    for (name, ..) in MODULES {
        let body = format!("return type(require('{name}'))");
        let kind = answer(&state, &body).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(
            ["table", "function"].contains(&kind.as_str()),
            "{name}: {kind}"
        );
    }
}

#[test]
fn a_module_that_is_not_allowed_or_not_there_says_so() {
    check_raised(&[
        ("require 'no.such'", "module 'no.such' not found"),
        (
            "require 'nope'",
            "require 'nope' not allowed within sandbox",
        ),
        ("require()", "require 'nil' not allowed within sandbox"),
    ]);
    let bare = State::new(&Options::default()).expect("a state");
    assert_eq!(
        answer(&bare, "return require 'cjson'"),
        Err(Failure::Raised(
            "require 'cjson' not allowed within sandbox".to_owned()
        ))
    );
}

#[test]
fn modules_are_read_only_and_opened_once() {
    check_raised(&[
        (
            "require('cjson').decode = nil",
            "Cannot modify cjson.decode. Protected by the sandbox.",
        ),
        (
            "rawset(require('cjson.safe'), 'x', 1)",
            "Cannot modify cjson.safe.x. Protected by the sandbox.",
        ),
        (
            "require('cjson').array_mt.x = 1",
            "Cannot modify array.x. Protected by the sandbox.",
        ),
        (
            "require('resty.http').new():request_uri('http://h/')",
            "resty.http.send cannot be called here",
        ),
    ]);
    check(&[
        (
            "return tostring(require('cjson') == require('cjson'))",
            "true",
        ),
        ("return tostring(require('bit') == bit)", "true"),
        ("return tostring(require('table.new') == table.new)", "true"),
        ("return tostring(getmetatable(require('cjson')))", "false"),
    ]);
}

#[test]
fn settings_of_one_script_are_not_those_of_another() {
    let state = state();
    let set = "return tostring(require('cjson').encode_empty_table_as_object(false))";
    assert_eq!(answer(&state, set).as_deref(), Ok("false"));
    let other = "return require('cjson').encode({})";
    assert_eq!(answer(&state, other).as_deref(), Ok("{}"));
}

#[test]
fn a_plane_brings_the_functions_of_its_modules() {
    let state = state();
    super::provide(state.lua(), "resty.http", |lua| {
        let natives = lua.create_table()?;
        natives.set(
            "send",
            lua.create_function(|_, _: Value| Ok((Value::Nil, "sent")))?,
        )?;
        Ok(Value::Table(natives))
    });
    let body = "return select(2, require('resty.http').new():request_uri('http://h/'))";
    assert_eq!(answer(&state, body).as_deref(), Ok("sent"));
}

#[test]
fn trusted_code_finds_modules_through_its_own_require() {
    let options = Options {
        trust: shared::settings::UntrustedLua::On,
        ..Options::default()
    };
    let state = State::new(&options).expect("a state");
    for (body, expected) in [
        ("return require('cjson').encode({ 1 })", "[1]"),
        ("return require('pl.stringx').strip(' x ')", "x"),
        ("return type(require('io').open)", "function"),
        ("return tostring(pcall(require, 'no.such'))", "false"),
    ] {
        assert_eq!(answer(&state, body).as_deref(), Ok(expected), "{body}");
    }
}

#[test]
fn what_plugins_share_cannot_be_reached() {
    let own = "return tostring(getmetatable";
    check(&[
        ("local _, all = ipairs(string) return tostring(all)", "nil"),
        ("local _, all = pairs(string) return tostring(all)", "nil"),
        (
            "local _, all = ipairs(require('kong.constants').HEADERS) return tostring(all)",
            "nil",
        ),
        (
            "local all = '' for i, name in ipairs(require('kong.constants').RATELIMIT.PERIODS) do all = all .. i .. name end return all",
            "1second2minute3hour4day5month6year",
        ),
        (&format!("{own}(require('resty.http').new()))"), "false"),
        (
            &format!("{own}(require('resty.lrucache').new(1)))"),
            "false",
        ),
        (
            &format!("{own}(require('kong.plugins.base_plugin'):extend()))"),
            "false",
        ),
    ]);
}
