//! Settings that are one word of a fixed list.

use super::SettingValue;

/// Declares an enum of words. A word given as `refused` is known but asks for what is not built yet.
macro_rules! words {
    (
        $(#[$doc:meta])* $name:ident, $hint:literal {
            $($(#[$vdoc:meta])* $word:literal => $variant:ident,)*
        }
        refused { $($later:literal => $why:literal,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl SettingValue for $name {
            const HINT: &'static str = $hint;

            fn parse(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    $($later => Err($why.to_owned()),)*
                    _ => Err(super::suggest::among(text, &[$($word),*])),
                }
            }

            fn render(&self) -> String {
                match self { $(Self::$variant => $word,)* }.to_owned()
            }
        }
    };
}

words! {
    /// How much is logged, in Kong's words.
    LogLevel, "`debug`, `info`, `notice`, `warn`, `error`, `crit`, `alert` or `emerg`" {
        /// Everything.
        "debug" => Debug,
        /// What happens while all is well.
        "info" => Info,
        /// What an operator wants to have seen once.
        "notice" => Notice,
        /// What may need attention.
        "warn" => Warn,
        /// What failed.
        "error" => Error,
        /// As `error`: these three are one level here.
        "crit" => Crit,
        /// As `error`.
        "alert" => Alert,
        /// As `error`.
        "emerg" => Emerg,
    }
    refused {}
}

impl LogLevel {
    /// The level of the logging library that holds this one.
    pub fn filter(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info | Self::Notice => "info",
            Self::Warn => "warn",
            Self::Error | Self::Crit | Self::Alert | Self::Emerg => "error",
        }
    }
}

words! {
    /// Which rules choose among routes.
    RouterFlavor, "`traditional_compatible`" {
        /// Kong's rules of matching and priority by hosts, paths, methods and headers.
        "traditional_compatible" => TraditionalCompatible,
    }
    refused {
        "traditional" => "the router `traditional` is not built; `traditional_compatible` takes the same routes",
        "expressions" => "the router `expressions` is not built yet",
    }
}

words! {
    /// Whether configuration may hold Lua, and how freely it runs.
    UntrustedLua, "`off`, `sandbox` or `on`" {
        /// A value that holds a template fails, and functions are refused.
        "off" => Off,
        /// Lua sees a short list of names.
        "sandbox" => Sandbox,
        /// Lua sees everything, files and environment included.
        "on" => On,
    }
    refused {}
}

words! {
    /// Which Lua is compiled to machine code.
    LuaJit, "`on`, `trusted` or `off`" {
        /// All of it.
        "on" => On,
        /// Only plugins that lie on the machine.
        "trusted" => Trusted,
        /// None.
        "off" => Off,
    }
    refused {}
}

words! {
    /// Where Lua plugins may connect to.
    EgressRule, "`any`, `deny-private` or `allowlist`" {
        /// Everywhere.
        "any" => Any,
        /// Not to this machine, nor to networks that are not public, nor to what clouds tell their machines.
        "deny-private" => DenyPrivate,
        /// Only to what is named.
        "allowlist" => Allowlist,
    }
    refused {}
}

words! {
    /// The type of an error's body when the client names none.
    ErrorType, "`text/plain`, `text/html`, `application/json` or `application/xml`" {
        /// Plain text.
        "text/plain" => Plain,
        /// A page.
        "text/html" => Html,
        /// A JSON object.
        "application/json" => Json,
        /// An XML document.
        "application/xml" => Xml,
    }
    refused {
        "application/grpc" => "gRPC is not built yet",
    }
}
