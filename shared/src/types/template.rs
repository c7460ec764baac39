//! `$( … )` templates. The simple look-ups, which most are, are read here; all else is Lua's.

use super::{Text, text_value};

mod parse;

/// Text with expressions in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template {
    /// As it was written.
    pub source: String,
    /// In order; empty for the empty template.
    pub pieces: Vec<Piece>,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// As it is.
    Text(String),
    /// Rendered per request.
    Expression(Expression),
}

/// What stands between `$(` and `)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// Without `$(` and `)`.
    pub source: String,
    /// What it says.
    pub meaning: Meaning,
}

/// How an expression gets its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Of these, the first that is neither nil nor false.
    Native(Vec<Operand>),
    /// What Lua makes of it.
    Lua,
    /// It does not compile: what Lua's compiler says, with which rendering fails.
    Broken(String),
}

/// One side of an `or`: the first that is neither nil nor false is the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// `root.key['key'][1]`.
    Path {
        /// `headers`, `query_params`, `uri_captures`, `shared`, or a name that does not exist.
        root: String,
        /// What is looked up in turn.
        steps: Vec<Step>,
    },
    /// A quoted text, unescaped, or a whole number.
    Text(String),
    /// `true` or `false`.
    Boolean(bool),
    /// `nil`.
    Nil,
}

/// One look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `.key`, `['key']`, `["key"]`.
    Key(String),
    /// `[n]`.
    Index(i64),
}

impl Template {
    /// Whether it is the same for every request.
    pub fn is_constant(&self) -> bool {
        self.pieces
            .iter()
            .all(|piece| matches!(piece, Piece::Text(_)))
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.source.is_empty()
    }

    /// The first expression that Lua would not compile.
    pub fn syntax_error(&self) -> Option<&str> {
        self.pieces.iter().find_map(|piece| match piece {
            Piece::Expression(Expression {
                meaning: Meaning::Broken(error),
                ..
            }) => Some(error.as_str()),
            _ => None,
        })
    }
}

impl Text for Template {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(parse::template(text))
    }
}

text_value!(Template);
