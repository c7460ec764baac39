//! `kong.service.set_target_retry_callback`: a plugin says where a request goes next, after a target has failed it
//! (custom-plugins.md 3.2).

use std::rc::Rc;

use lua::Stored;
use lua::mlua::{Function, Value};
use lua::pdk::Phase;

use super::call::{Call, Identity, Limits, Outcome};
use super::worker;
use crate::proxy::ctx::Ctx;

/// A callback and whose it is.
pub struct Callback {
    /// It takes nothing and answers `{ host = …, port = … }`, or nil for the next address as usual.
    pub function: Stored,
    /// The plugin that set it.
    pub plugin: Rc<Identity>,
}

/// Host and port for the next try, if a plugin wants to say. A callback that fails is logged, and says nothing.
pub(crate) fn target(ctx: &mut Ctx) -> Option<(String, u16)> {
    let callback = ctx.lua.as_ref()?.retry.as_ref()?;
    let state = worker::state().ok()?;
    let function: Function = callback.function.get(state.lua())?;
    let plugin = callback.plugin.clone();
    let id = ctx.id;
    let mut call = Call::new(Phase::Balancer, plugin.clone(), Some(ctx));
    let limits = Limits::of(Phase::Balancer);
    let answer = match call.run_now(&state, function, (), limits) {
        Outcome::Returned(mut values) => values.pop_front()?,
        outcome => {
            let failure = outcome
                .failure()
                .unwrap_or_else(|| "it ended the phase".to_owned());
            let label = &plugin.label;
            tracing::error!(request_id = %id, "[{label}] retry callback: {failure}");
            return None;
        }
    };
    let Value::Table(answer) = answer else {
        return None;
    };
    let host = match answer.raw_get("host") {
        Ok(Value::String(host)) => host.to_string_lossy(),
        _ => return None,
    };
    let port: f64 = answer.raw_get("port").ok()?;
    let whole = port.fract() == 0.0 && (0.0..=65_535.0).contains(&port);
    whole.then_some((host, port as u16))
}
