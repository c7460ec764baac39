//! What a route asks of a request beside host and path: method, headers, server name.

use super::input::RouteInput;
use super::pattern::Compiler;
use http::{HeaderMap, HeaderName};
use regex::Regex;

/// A set of methods. The usual ones are bits, so that asking costs nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Methods(u16);

impl Methods {
    /// The bit of a usual method; nothing for others.
    pub(super) fn of(method: &str) -> Methods {
        const USUAL: [&str; 9] = [
            "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE",
        ];
        Methods(
            USUAL
                .iter()
                .position(|usual| *usual == method)
                .map_or(0, |bit| 1 << bit),
        )
    }

    fn with(self, other: Methods) -> Methods {
        Methods(self.0 | other.0)
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn overlaps(self, other: Methods) -> bool {
        self.0 & other.0 != 0
    }
}

/// The criteria that few routes have, kept apart so that the others stay small.
#[derive(Debug, Default)]
pub(super) struct Criteria {
    /// Methods without a bit.
    pub methods: Box<[Box<str>]>,
    headers: Box<[HeaderRule]>,
    snis: Box<[Name]>,
}

impl Criteria {
    /// The methods with a bit, and the rest of the criteria if there are any.
    pub(super) fn of(
        route: &RouteInput<'_>,
        patterns: &mut Compiler<'_>,
    ) -> (Methods, Option<Criteria>) {
        let usual = route
            .methods
            .iter()
            .fold(Methods::default(), |all, method| {
                all.with(Methods::of(method))
            });
        let rare = route
            .methods
            .iter()
            .filter(|method| Methods::of(method).is_empty());
        let headers = route
            .headers
            .iter()
            .filter(|(_, values)| !values.is_empty());
        let criteria = Criteria {
            methods: rare.map(|method| Box::from(*method)).collect(),
            headers: headers
                .map(|(name, values)| HeaderRule::new(name, values, patterns))
                .collect(),
            snis: route
                .snis
                .iter()
                .map(|sni| Name::new(sni.strip_suffix('.').unwrap_or(sni)))
                .collect(),
        };
        (usual, (!criteria.is_empty()).then_some(criteria))
    }

    fn is_empty(&self) -> bool {
        self.methods.is_empty() && self.headers.is_empty() && self.snis.is_empty()
    }

    /// Whether every header is there with a value that will do.
    pub(super) fn takes_headers(&self, headers: &HeaderMap) -> bool {
        self.headers.iter().all(|rule| rule.takes(headers))
    }

    /// Whether the server name will do; without TLS there is none to ask for.
    pub(super) fn takes_sni(&self, sni: Option<&str>, https: bool) -> bool {
        !https
            || self.snis.is_empty()
            || sni.is_some_and(|sni| self.snis.iter().any(|name| name.takes(sni)))
    }
}

/// A header that must be there with one of some values.
#[derive(Debug)]
struct HeaderRule {
    /// As configured, for the lookup that nearly always decides. `None` if no header can have that name.
    name: Option<HeaderName>,
    values: Box<[Value]>,
}

#[derive(Debug)]
enum Value {
    Text(Box<str>),
    Regex(Regex),
}

impl HeaderRule {
    fn new(name: &str, values: &[&str], patterns: &mut Compiler<'_>) -> HeaderRule {
        HeaderRule {
            name: HeaderName::from_bytes(name.as_bytes()).ok(),
            values: values
                .iter()
                .filter_map(|value| Value::new(value, patterns))
                .collect(),
        }
    }

    fn takes(&self, headers: &HeaderMap) -> bool {
        let Some(name) = &self.name else { return false };
        if headers
            .get_all(name)
            .iter()
            .any(|value| self.takes_value(value.as_bytes()))
        {
            return true;
        }
        // `X_A` and `X-A` are one header to the router, but not to the map.
        let name = name.as_str();
        name.contains(['-', '_'])
            && headers.iter().any(|(other, value)| {
                is_same_name(name, other.as_str()) && self.takes_value(value.as_bytes())
            })
    }

    fn takes_value(&self, value: &[u8]) -> bool {
        self.values.iter().any(|wanted| match wanted {
            Value::Text(text) => text.as_bytes().eq_ignore_ascii_case(value),
            Value::Regex(regex) => {
                std::str::from_utf8(value).is_ok_and(|value| regex.is_match(value))
            }
        })
    }
}

impl Value {
    fn new(value: &str, patterns: &mut Compiler<'_>) -> Option<Value> {
        match value.strip_prefix("~*") {
            Some(pattern) => patterns.header(pattern).map(Value::Regex),
            None => Some(Value::Text(Box::from(value))),
        }
    }
}

fn is_same_name(one: &str, other: &str) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte };
    one.len() == other.len()
        && one
            .bytes()
            .zip(other.bytes())
            .all(|(one, other)| fold(one) == fold(other))
}

/// A server name: plain, `*.x` or `x.*`. Case does not matter.
#[derive(Debug)]
enum Name {
    Plain(Box<str>),
    /// Ends so.
    Suffix(Box<str>),
    /// Begins so.
    Prefix(Box<str>),
}

impl Name {
    fn new(name: &str) -> Name {
        match (name.strip_prefix('*'), name.strip_suffix('*')) {
            (Some(suffix), _) => Name::Suffix(Box::from(suffix)),
            (None, Some(prefix)) => Name::Prefix(Box::from(prefix)),
            (None, None) => Name::Plain(Box::from(name)),
        }
    }

    fn takes(&self, name: &str) -> bool {
        let name = name.as_bytes();
        let part = match self {
            Name::Plain(_) => Some(name),
            Name::Suffix(suffix) => name
                .len()
                .checked_sub(suffix.len())
                .map(|start| &name[start..]),
            Name::Prefix(prefix) => name.get(..prefix.len()),
        };
        let (Name::Plain(text) | Name::Suffix(text) | Name::Prefix(text)) = self;
        part.is_some_and(|part| part.eq_ignore_ascii_case(text.as_bytes()))
    }
}
