//! From JSON to Lua, token by token, as lua-cjson reads: what it takes beyond JSON is taken, what it says is said.

use mlua::{Lua, Table, Value};

use super::ARRAY;
use super::settings::Settings;
use crate::limits::{TOO_LONG, overrun};
use crate::native::Raise;

/// No text may nest deeper, whatever `decode_max_depth` says: a machine has room for some thousands of tables that Rust
/// holds.
const DEEPEST: usize = 1000;

/// Tokens between two looks at the clock.
const STRIDE: u32 = 1024;

type Result<T> = std::result::Result<T, Raise>;

enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    Colon,
    Comma,
    End,
    /// A text, a number, a boolean or null.
    Value(&'static str, Value),
    Wrong(&'static str),
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Value(name, _) | Token::Wrong(name) => name,
        }
    }
}

const STRING: &str = "T_STRING";

pub(super) fn decode(lua: &Lua, text: &[u8], settings: Settings) -> Result<Value> {
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err("JSON parser does not support UTF-16 or UTF-32".into());
    }
    let array = match settings.decode_array_with_array_mt {
        true => Some(lua.named_registry_value(ARRAY)?),
        false => None,
    };
    let mut reader = Reader {
        lua,
        text,
        at: 0,
        start: 0,
        tokens: 0,
        unescaped: Vec::new(),
        most: DEEPEST.min(usize::try_from(settings.decode_max_depth).unwrap_or(DEEPEST)),
        invalid_numbers: settings.decode_invalid_numbers,
        array,
    };
    let value = reader.value()?;
    match reader.token()? {
        Token::End => Ok(value),
        other => Err(reader.expected("the end", &other)),
    }
}

/// What has begun and not ended.
enum Open {
    /// With the name of the member that is being read.
    Object(Table, Value),
    /// With the place of the element that is being read.
    Array(Table, usize),
}

struct Reader<'a> {
    lua: &'a Lua,
    text: &'a [u8],
    /// What is read next.
    at: usize,
    /// Where the last token began, or was wrong.
    start: usize,
    tokens: u32,
    /// The string that is being read, if it has escapes.
    unescaped: Vec<u8>,
    most: usize,
    invalid_numbers: bool,
    /// What marks arrays.
    array: Option<Table>,
}

impl Reader<'_> {
    fn expected(&self, what: &str, found: &Token) -> Raise {
        let (found, place) = (found.name(), self.start + 1);
        format!("Expected {what} but found {found} at character {place}").into()
    }

    /// The value that begins with the next token.
    fn value(&mut self) -> Result<Value> {
        let mut open: Vec<Open> = Vec::new();
        let mut token = self.token()?;
        loop {
            let mut value = match token {
                Token::Value(_, value) => value,
                Token::ObjectBegin => {
                    self.descend(open.len() + 1)?;
                    let table = self.lua.create_table()?;
                    token = self.token()?;
                    if !matches!(token, Token::ObjectEnd) {
                        let key = self.key(token)?;
                        open.push(Open::Object(table, key));
                        token = self.token()?;
                        continue;
                    }
                    Value::Table(table)
                }
                Token::ArrayBegin => {
                    self.descend(open.len() + 1)?;
                    let table = self.lua.create_table()?;
                    if let Some(array) = &self.array {
                        table.set_metatable(Some(array.clone()))?;
                    }
                    token = self.token()?;
                    if !matches!(token, Token::ArrayEnd) {
                        open.push(Open::Array(table, 1));
                        continue;
                    }
                    Value::Table(table)
                }
                other => return Err(self.expected("value", &other)),
            };
            // It is whole, and so may be what it is in.
            token = loop {
                let Some(within) = open.last_mut() else {
                    return Ok(value);
                };
                let table = match within {
                    Open::Object(table, key) => {
                        table.raw_set(&*key, value)?;
                        match self.token()? {
                            Token::ObjectEnd => table.clone(),
                            Token::Comma => {
                                let next = self.token()?;
                                *key = self.key(next)?;
                                break self.token()?;
                            }
                            other => return Err(self.expected("comma or object end", &other)),
                        }
                    }
                    Open::Array(table, place) => {
                        table.raw_set(*place, value)?;
                        *place += 1;
                        match self.token()? {
                            Token::ArrayEnd => table.clone(),
                            Token::Comma => break self.token()?,
                            other => return Err(self.expected("comma or array end", &other)),
                        }
                    }
                };
                open.pop();
                value = Value::Table(table);
            };
        }
    }

    /// The name of a member, and the colon behind it.
    fn key(&mut self, token: Token) -> Result<Value> {
        let key = match token {
            Token::Value(STRING, key) => key,
            other => return Err(self.expected("object key string", &other)),
        };
        match self.token()? {
            Token::Colon => Ok(key),
            other => Err(self.expected("colon", &other)),
        }
    }

    fn descend(&self, depth: usize) -> Result<()> {
        if depth <= self.most {
            return Ok(());
        }
        Err(format!(
            "Found too many nested data structures ({depth}) at character {}",
            self.at
        )
        .into())
    }

    /// The byte there; the end of the text is a zero, as a zero is the end.
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    fn token(&mut self) -> Result<Token> {
        self.tokens = self.tokens.wrapping_add(1);
        if self.tokens.is_multiple_of(STRIDE) && overrun() {
            return Err(TOO_LONG.into());
        }
        while matches!(self.byte(self.at), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.start = self.at;
        let single = match self.byte(self.at) {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b':' => Token::Colon,
            b',' => Token::Comma,
            0 => return Ok(Token::End),
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' => {
                if !self.invalid_numbers && self.is_invalid_number() {
                    return Ok(Token::Wrong("invalid number"));
                }
                return Ok(self.number());
            }
            b't' | b'f' | b'n' | b'N' | b'i' | b'I' | b'+' => return Ok(self.word()),
            _ => return Ok(Token::Wrong("invalid token")),
        };
        self.at += 1;
        Ok(single)
    }

    fn word(&mut self) -> Token {
        const WORDS: [(&[u8], &str, Value); 3] = [
            (b"true", "T_BOOLEAN", Value::Boolean(true)),
            (b"false", "T_BOOLEAN", Value::Boolean(false)),
            (b"null", "T_NULL", Value::NULL),
        ];
        for (word, name, value) in WORDS {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Token::Value(name, value);
            }
        }
        if self.invalid_numbers && self.is_invalid_number() {
            return self.number();
        }
        Token::Wrong("invalid token")
    }

    /// Whether what begins here is a number of C and none of JSON: signed with `+`, hexadecimal, with zeroes before it,
    /// infinite, or none.
    fn is_invalid_number(&self) -> bool {
        let at = match self.byte(self.at) {
            b'+' => return true,
            b'-' => self.at + 1,
            _ => self.at,
        };
        match self.byte(at) {
            b'0' => matches!(self.byte(at + 1), b'x' | b'X' | b'0'..=b'9'),
            byte if byte <= b'9' => false,
            _ => {
                let word = self.text.get(at..at + 3).unwrap_or_default();
                word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"nan")
            }
        }
    }

    fn number(&mut self) -> Token {
        match super::number::read(&self.text[self.at..]) {
            Some((number, length)) => {
                self.at += length;
                Token::Value("T_NUMBER", Value::Number(number))
            }
            None => Token::Wrong("invalid number"),
        }
    }

    fn string(&mut self) -> Result<Token> {
        let mut at = self.at + 1;
        let mut copied = at;
        self.unescaped.clear();
        loop {
            let rest = &self.text[at.min(self.text.len())..];
            // A zero is the end, even within a string.
            at += memchr::memchr3(b'"', b'\\', 0, rest).unwrap_or(rest.len());
            match self.byte(at) {
                b'"' => break,
                b'\\' => {
                    self.unescaped.extend_from_slice(&self.text[copied..at]);
                    match self.escape(at) {
                        Ok(length) => at += length,
                        Err(wrong) => {
                            self.start = at;
                            return Ok(Token::Wrong(wrong));
                        }
                    }
                    copied = at;
                }
                _ => {
                    self.start = at;
                    return Ok(Token::Wrong("unexpected end of string"));
                }
            }
        }
        self.at = at + 1;
        let rest = &self.text[copied..at];
        let string = if self.unescaped.is_empty() {
            self.lua.create_string(rest)?
        } else {
            self.unescaped.extend_from_slice(rest);
            self.lua.create_string(&self.unescaped)?
        };
        Ok(Token::Value(STRING, Value::String(string)))
    }

    /// Reads the escape at `at` and says how long it is.
    fn escape(&mut self, at: usize) -> std::result::Result<usize, &'static str> {
        let byte = match self.byte(at + 1) {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 8,
            b't' => b'\t',
            b'n' => b'\n',
            b'f' => 12,
            b'r' => b'\r',
            b'u' => return self.unicode(at).ok_or("invalid unicode escape code"),
            _ => return Err("invalid escape code"),
        };
        self.unescaped.push(byte);
        Ok(2)
    }

    /// `\uXXXX`, or two of them.
    fn unicode(&mut self, at: usize) -> Option<usize> {
        let high = self.hex4(at + 2)?;
        let (code, length) = if high & 0xF800 == 0xD800 {
            if high & 0x400 != 0 || self.text.get(at + 6..at + 8) != Some(b"\\u") {
                return None;
            }
            let low = self.hex4(at + 8)?;
            if low & 0xFC00 != 0xDC00 {
                return None;
            }
            (((high & 0x3FF) << 10 | low & 0x3FF) + 0x10000, 12)
        } else {
            (high, 6)
        };
        let mut utf8 = [0; 4];
        let character = char::from_u32(code)?.encode_utf8(&mut utf8);
        self.unescaped.extend_from_slice(character.as_bytes());
        Some(length)
    }

    fn hex4(&self, at: usize) -> Option<u32> {
        let digits = self.text.get(at..at + 4)?;
        digits.iter().try_fold(0, |code, digit| {
            Some(code << 4 | char::from(*digit).to_digit(16)?)
        })
    }
}
