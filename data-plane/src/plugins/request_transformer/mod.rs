//! `request-transformer`: changes path, method, headers, body and query of what goes up (transformers.md 2).
//!
//! Read [`compile`] (a configuration made ready), [`steps`] (what needs no waiting), [`body`] (what has to read).
//! Every template is rendered before anything changes, so entries see the request as it came.

use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::LocalBoxFuture;
use lua::pdk::{Phase, within_phase};
use shared::plugins::{PluginConfig, RequestTransformer};
use uuid::Uuid;

use super::transform::template::Scope;
use super::{Ctx, Flow, PhaseSet, Phases, Plugin};
use crate::lua::call::{Call, Identity};
use crate::proxy::body::BodyError;
use compile::{Plan, Rendered};
use opened::opened;
use steps::{Parts, Texts};

mod body;
mod compile;
mod opened;
#[cfg(test)]
mod properties;
mod steps;
#[cfg(test)]
mod tests;

/// The handler.
pub struct Handler {
    plan: Plan,
    /// [`Plan::is_constant_headers`], the commonest of all configurations.
    constant_headers: bool,
    /// [`Plan::runs_lua`].
    runs_lua: bool,
}

impl Plugin for Handler {
    type Config = RequestTransformer;

    fn new(config: &RequestTransformer) -> Self {
        let plan = Plan::new(config);
        Self {
            constant_headers: plan.is_constant_headers(),
            runs_lua: plan.runs_lua(),
            plan,
        }
    }
}

impl Phases for Handler {
    fn phases(&self) -> PhaseSet {
        PhaseSet {
            access: !self.plan.is_empty(),
            ..PhaseSet::default()
        }
    }

    fn access(&self, ctx: &mut Ctx) -> Flow {
        if self.constant_headers {
            let (headers, host) = (&mut ctx.request.headers, &mut ctx.upstream.host);
            self.plan.change_headers(headers, host, &Rendered::new());
            return Flow::Continue;
        }
        if self.plan.may_read_body(&ctx.request.headers) {
            return Flow::Wait;
        }
        let plan = &self.plan;
        let apply = |parts: &mut Parts<'_>, texts: &Texts| {
            plan.head(parts, texts, None)?;
            plan.change_query(parts, texts);
            Ok(())
        };
        let done = if self.runs_lua {
            rendered(plan, ctx).and_then(|texts| with_parts(ctx, |parts| apply(parts, &texts)))
        } else {
            with_parts(ctx, |parts| {
                let texts = plan.render(&parts.scope())?;
                apply(parts, &texts)
            })
        };
        done.map_or_else(Flow::Fail, |()| Flow::Continue)
    }

    fn access_wait<'a>(&'a self, ctx: &'a mut Ctx) -> LocalBoxFuture<'a, Flow> {
        Box::pin(async {
            self.plan
                .run(ctx)
                .await
                .map_or_else(Into::into, |()| Flow::Continue)
        })
    }
}

/// Why the request can not go on.
enum Stop {
    Failed(String),
    Unread(BodyError),
}

impl From<String> for Stop {
    fn from(error: String) -> Self {
        Stop::Failed(error)
    }
}

impl From<BodyError> for Stop {
    fn from(error: BodyError) -> Self {
        Stop::Unread(error)
    }
}

impl From<Stop> for Flow {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Failed(error) => Flow::Fail(error),
            // Not passed on unchanged: a step that removes a field must not be evaded by a long body.
            Stop::Unread(error) => Flow::Unread(error),
        }
    }
}

impl Plan {
    async fn run(&self, ctx: &mut Ctx) -> Result<(), Stop> {
        let texts = match self.runs_lua() {
            true => rendered(self, ctx)?,
            false => with_parts(ctx, |parts| self.render(&parts.scope()))?,
        };
        let form = match self.copies_form(&ctx.request.headers) {
            true => opened(ctx).await?.map(|form| form.plain),
            false => None,
        };
        with_parts(ctx, |parts| self.head(parts, &texts, form.as_deref()))?;
        if let Some(kind) = self.body_kind(&ctx.request.headers)
            && let Some(body) = opened(ctx).await?
            && let Some(changed) =
                self.change_body(kind, &ctx.request.headers, &body.plain, &texts)?
        {
            body.replace(ctx, changed);
        }
        with_parts(ctx, |parts| self.change_query(parts, &texts));
        Ok(())
    }
}

/// Renders templates that need Lua: as a call of this plugin, which may act on the request. So they see a copy of it, as
/// it was when the plugin started.
fn rendered(plan: &Plan, ctx: &mut Ctx) -> Result<Texts, String> {
    thread_local! {
        static IDENTITY: Rc<Identity> = {
            let name: Arc<str> = RequestTransformer::NAME.into();
            Rc::new(Identity::new(name.clone(), name, false, Uuid::nil()))
        };
    }
    let (headers, host) = (ctx.request.headers.clone(), ctx.request.host.clone());
    let query = ctx.upstream_query().unwrap_or_default().to_owned();
    let (path, captures) = (ctx.request.path.clone(), ctx.captures.clone());
    let captured = captures.as_ref();
    let captured: Vec<_> = captured.map_or_else(Vec::new, |found| found.iter(&path).collect());
    let scope = Scope {
        headers: &headers,
        host: host.as_ref(),
        query: &query,
        captures: &captured,
        allowed: ctx.renders_templates(),
    };
    let mut call = Call::new(Phase::Access, IDENTITY.with(Rc::clone), Some(ctx));
    call.entered(|| within_phase(Phase::Access, || plan.render(&scope)))
}

fn with_parts<T>(ctx: &mut Ctx, run: impl FnOnce(&mut Parts<'_>) -> T) -> T {
    let templates = ctx.renders_templates();
    let (request, upstream) = (&mut ctx.request, &mut ctx.upstream);
    let captures = ctx.captures.as_ref();
    let path = &request.path;
    let captured: Vec<_> = captures.map_or_else(Vec::new, |captures| captures.iter(path).collect());
    run(&mut Parts {
        headers: &mut request.headers,
        client_host: request.host.as_ref(),
        client_query: request.target.get(request.path_len + 1..),
        captures: &captured,
        templates,
        method: &mut upstream.method,
        path: &mut upstream.path,
        query: &mut upstream.query,
        host: &mut upstream.host,
    })
}
