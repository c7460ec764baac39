//! Functions in Lua that change a body, or members of it (transformers.md 4.7).

use lua::limits::Limits;
use lua::mlua::Value;
use lua::{Failure, Script};
use shared::plugins::advanced::Transform;
use shared::types::LuaFunction;
use tracing::error;

use crate::lua::worker;
use crate::plugins::transform::json::{Document, Path};

/// What is called with what.
pub(super) struct Functions {
    scripts: Vec<Result<Script, Failure>>,
    /// What is given to them; empty: the whole body.
    members: Vec<Member>,
}

/// A member of the body.
struct Member {
    path: Path,
    /// Only where it is this, as text.
    value: Option<Box<[u8]>>,
}

/// Why a body stays as it was before a function.
#[derive(Debug, thiserror::Error)]
enum NoResult {
    #[error("{0}")]
    Failed(#[from] Failure),
    #[error("it returned nothing")]
    Nothing,
    #[error("the body cannot be given to it: {0}")]
    Unreadable(String),
    #[error("what it returned is no JSON: {0}")]
    Unwritable(#[from] lua::json::Unwritable),
}

impl Functions {
    pub(super) fn new(config: &Transform, path: impl Fn(&str) -> Path) -> Self {
        let member = |selector: &shared::types::JsonSelector| Member {
            path: path(&selector.name),
            value: selector.value.as_ref().map(|value| value.as_bytes().into()),
        };
        Self {
            scripts: config.functions.iter().map(script).collect(),
            members: config.json.iter().map(member).collect(),
        }
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.scripts.is_empty()
    }

    /// Whether they get members rather than the whole body.
    pub(super) fn take_members(&self) -> bool {
        !self.members.is_empty()
    }

    /// Where the members are that they get.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.members.iter().map(|member| &member.path)
    }

    /// Lets them change the members that they get.
    pub(super) fn change_members<'a>(&'a self, document: &mut Document<'a>) {
        for member in &self.members {
            document.change_at(&member.path, &mut |text| {
                let wanted = member.value.as_ref();
                wanted
                    .is_none_or(|wanted| is_text(text, wanted))
                    .then(|| self.change(text.to_vec()))
            });
        }
    }

    /// Lets them change a JSON text, one after the other. One that fails changes nothing.
    pub(super) fn change(&self, mut text: Vec<u8>) -> Vec<u8> {
        for (place, script) in self.scripts.iter().enumerate() {
            match script
                .clone()
                .map_err(NoResult::from)
                .and_then(|script| call(&script, &text))
            {
                Ok(changed) => text = changed,
                Err(error) => {
                    error!(function = place + 1, %error, "response-transformer-advanced: a function changed nothing")
                }
            }
        }
        text
    }
}

fn script(function: &LuaFunction) -> Result<Script, Failure> {
    Script::function(&function.0)
}

fn call(script: &Script, text: &[u8]) -> Result<Vec<u8>, NoResult> {
    let state = worker::state()?;
    let text =
        std::str::from_utf8(text).map_err(|error| NoResult::Unreadable(error.to_string()))?;
    let (value, original) = state.read(text).map_err(NoResult::Unreadable)?;
    match state.call(script, value, Limits::default())? {
        Value::Nil => Err(NoResult::Nothing),
        result => Ok(state.write(&result, &original)?),
    }
}

/// Whether a JSON text, as text, is this one: strings without their quotes, all else as it is written.
fn is_text(json: &[u8], text: &[u8]) -> bool {
    if json.first() == Some(&b'"') {
        return serde_json::from_slice::<String>(json)
            .is_ok_and(|string| string.as_bytes() == text);
    }
    json == text
}
