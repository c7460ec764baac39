//! What `pre-function` and `post-function` may be told (custom-plugins.md 8): the same, run first and last.

use derive::PluginConfig;
use serde::Deserialize;

use super::PluginConfig as Declared;
use crate::types::{LuaChunk, Owner};

/// What the two have in common.
pub trait Functions: Declared {
    /// The chunks of each phase: `certificate`, `rewrite`, `access`, `header_filter`, `body_filter`, `log`.
    fn chunks(&self) -> [Vec<&str>; 6];
}

macro_rules! functions {
    ($(#[$doc:meta])* $config:ident, $chunk:ident, $name:literal, $priority:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, PluginConfig)]
        #[plugin(name = $name, priority = $priority, no_consumer)]
        #[check(at_least_one_of("certificate", "rewrite", "access", "header_filter", "body_filter", "log"))]
        pub struct $config {
            /// Chunks that run during the TLS handshake, in this order.
            #[schema(default = [])]
            pub certificate: Vec<LuaChunk<$chunk>>,
            /// Chunks that run before a route is looked for. Only of global configurations.
            #[schema(default = [])]
            pub rewrite: Vec<LuaChunk<$chunk>>,
            /// Chunks that run before the upstream is asked.
            #[schema(default = [])]
            pub access: Vec<LuaChunk<$chunk>>,
            /// Chunks that run when the head of the answer is known.
            #[schema(default = [])]
            pub header_filter: Vec<LuaChunk<$chunk>>,
            /// Chunks that run on each piece of the answer's body.
            #[schema(default = [])]
            pub body_filter: Vec<LuaChunk<$chunk>>,
            /// Chunks that run after the last byte of the answer.
            #[schema(default = [])]
            pub log: Vec<LuaChunk<$chunk>>,
        }

        #[doc = concat!("Whose chunks the errors of `", $name, "` speak of.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $chunk;

        impl Owner for $chunk {
            const NAME: &'static str = $name;
        }

        impl Functions for $config {
            fn chunks(&self) -> [Vec<&str>; 6] {
                [
                    &self.certificate,
                    &self.rewrite,
                    &self.access,
                    &self.header_filter,
                    &self.body_filter,
                    &self.log,
                ]
                .map(|chunks| chunks.iter().map(LuaChunk::source).collect())
            }
        }
    };
}

functions!(
    /// Runs Lua before all other plugins.
    PreFunction, OfPreFunction, "pre-function", 1000000
);
functions!(
    /// Runs Lua after all other plugins.
    PostFunction, OfPostFunction, "post-function", -1000
);
