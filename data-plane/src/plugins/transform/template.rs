//! Renders templates against a request (transformers.md 2.8). What the expressions say was read by
//! [`shared::types::Template`]; this half looks values up and fails as Lua would.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue};
use shared::types::{Expression, Operand, Piece, Step, Template};

use super::args::{self, Arg};

/// What templates see: the request as it was when the plugin started.
pub struct Scope<'a> {
    /// Every header but Host.
    pub headers: &'a HeaderMap,
    /// Host.
    pub host: Option<&'a HeaderValue>,
    /// The raw query; empty without one.
    pub query: &'a str,
    /// Captures of the route's regular expression.
    pub captures: &'a dyn Fn(&Step) -> Option<String>,
    /// Whether `untrusted_lua` lets them be rendered at all.
    pub allowed: bool,
}

/// The text of a template for one request.
///
/// # Errors
/// What the error log says of it, in Kong's words.
pub fn render(template: &Template, scope: &Scope<'_>) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    for piece in &template.pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Expression(expression) => evaluate(expression, scope)
                .map_err(|error| {
                    format!(
                        "failed to render the template {}, error:{error}",
                        template.source
                    )
                })?
                .print(&mut out),
        }
    }
    Ok(out)
}

/// What Kong logs when somebody meets a template with `untrusted_lua = off`.
const OFF: &str =
    "loading of untrusted Lua code disabled because 'untrusted_lua' config option is set to 'off'";

fn evaluate<'a>(expression: &'a Expression, scope: &Scope<'a>) -> Result<Value<'a>, String> {
    if !scope.allowed {
        return Err(OFF.to_owned());
    }
    let operands = expression.meaning.as_ref().map_err(String::clone)?;
    let mut value = Value::Nil;
    for operand in operands {
        value = match operand {
            Operand::Path { root, steps } => follow(root, steps, scope)?,
            Operand::Text(text) => Value::Text(Cow::Borrowed(text.as_bytes())),
            Operand::Boolean(value) => Value::Boolean(*value),
            Operand::Nil => Value::Nil,
        };
        if !matches!(value, Value::Nil | Value::Boolean(false)) {
            break;
        }
    }
    Ok(value)
}

enum Value<'a> {
    Nil,
    Boolean(bool),
    Text(Cow<'a, [u8]>),
    List(Vec<Value<'a>>),
    /// One of the tables themselves.
    Table,
}

impl Value<'_> {
    /// As `tostring(value or '')` does, but a list prints its elements.
    fn print(&self, out: &mut Vec<u8>) {
        match self {
            Value::Nil | Value::Boolean(false) => {}
            Value::Boolean(true) => out.extend_from_slice(b"true"),
            Value::Text(text) => out.extend_from_slice(text),
            Value::List(values) => {
                for (i, value) in values.iter().enumerate() {
                    if i > 0 {
                        out.extend_from_slice(b", ");
                    }
                    value.print(out);
                }
            }
            Value::Table => out.extend_from_slice(b"table"),
        }
    }
}

fn follow<'a>(root: &str, steps: &'a [Step], scope: &Scope<'a>) -> Result<Value<'a>, String> {
    let Some((first, rest)) = steps.split_first() else {
        return Ok(if is_table(root) {
            Value::Table
        } else {
            Value::Nil
        });
    };
    let mut value = match (root, first) {
        ("headers", Step::Key(name)) => header(name, scope),
        ("query_params", Step::Key(name)) => argument(name, scope),
        ("uri_captures", step) => (scope.captures)(step).map_or(Value::Nil, |text| {
            Value::Text(Cow::Owned(text.into_bytes()))
        }),
        (root, _) if is_table(root) => Value::Nil,
        (root, _) => return Err(cannot_index(&format!("global '{root}'"), "nil")),
    };
    let mut parent = first;
    for step in rest {
        value = index(value, step).map_err(|kind| {
            let name = if let Step::Key(name) = parent {
                name
            } else {
                "?"
            };
            cannot_index(&format!("field '{name}'"), kind)
        })?;
        parent = step;
    }
    Ok(value)
}

fn is_table(root: &str) -> bool {
    matches!(root, "headers" | "query_params" | "uri_captures" | "shared")
}

fn cannot_index(what: &str, kind: &str) -> String {
    format!("[string \"TMP\"]:1: attempt to index {what} (a {kind} value)")
}

/// A value inside a value; the kind of what has none inside.
fn index<'a>(value: Value<'a>, step: &Step) -> Result<Value<'a>, &'static str> {
    match (value, step) {
        (Value::List(values), Step::Index(at)) => {
            let at = usize::try_from(*at).ok().and_then(|at| at.checked_sub(1));
            Ok(at
                .and_then(|at| values.into_iter().nth(at))
                .unwrap_or(Value::Nil))
        }
        // Lua looks into the methods of strings, where nothing is that could be printed.
        (Value::List(_) | Value::Text(_) | Value::Table, _) => Ok(Value::Nil),
        (Value::Nil, _) => Err("nil"),
        (Value::Boolean(_), _) => Err("boolean"),
    }
}

fn header<'a>(name: &str, scope: &Scope<'a>) -> Value<'a> {
    if name.eq_ignore_ascii_case("host") {
        return list(scope.host.into_iter().map(header_text));
    }
    let found = list(scope.headers.get_all(name).iter().map(header_text));
    if !matches!(found, Value::Nil) || !name.contains('_') {
        return found;
    }
    list(
        scope
            .headers
            .get_all(name.replace('_', "-"))
            .iter()
            .map(header_text),
    )
}

fn header_text(value: &HeaderValue) -> Value<'_> {
    Value::Text(Cow::Borrowed(value.as_bytes()))
}

fn argument<'a>(name: &str, scope: &Scope<'a>) -> Value<'a> {
    list(
        args::values(scope.query.as_bytes(), name.as_bytes()).map(|value| match value {
            Arg::Flag => Value::Boolean(true),
            Arg::Text(text) => Value::Text(text),
        }),
    )
}

/// None, one, or a list.
fn list<'a>(mut values: impl Iterator<Item = Value<'a>>) -> Value<'a> {
    match (values.next(), values.next()) {
        (None, _) => Value::Nil,
        (Some(one), None) => one,
        (Some(one), Some(two)) => Value::List([one, two].into_iter().chain(values).collect()),
    }
}

#[cfg(test)]
mod tests {
    use shared::types::Text;

    use super::*;

    fn rendered(source: &str) -> Result<String, String> {
        rendered_if(true, source)
    }

    fn rendered_if(allowed: bool, source: &str) -> Result<String, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-foo", "1"),
            ("x-foo", "2"),
            ("x-one", "one"),
            ("x-empty", ""),
            ("u_s", "under"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let scope = Scope {
            headers: &headers,
            host: Some(&HeaderValue::from_static("gw.test")),
            query: "a=1&b=x%20y&m=1&m=2&f&e=",
            captures: &|step| match step {
                Step::Index(0) => Some("/u/7".to_owned()),
                Step::Index(1) => Some("7".to_owned()),
                Step::Key(name) if name == "user" => Some("bob".to_owned()),
                _ => None,
            },
            allowed,
        };
        let template = Template::parse(source).expect("native");
        render(&template, &scope).map(|text| String::from_utf8(text).expect("UTF-8"))
    }

    #[test]
    fn with_untrusted_lua_off_only_texts_without_a_template_work() {
        assert_eq!(rendered_if(false, "plain $").as_deref(), Ok("plain $"));
        let error = rendered_if(false, "$(headers.x_one)").expect_err("it is a template");
        assert_eq!(
            error,
            "failed to render the template $(headers.x_one), error:loading of untrusted \
             Lua code disabled because 'untrusted_lua' config option is set to 'off'"
        );
    }

    #[test]
    fn values_are_looked_up_and_printed() {
        for (source, expected) in [
            ("plain a$b $ #", "plain a$b $ #"),
            ("$(1", "$(1"),
            ("{$(1)}$$(1)", "{1}$1"),
            ("$('$(x)')", "$(x)"),
            ("$(headers['x-one'])", "one"),
            ("$(headers.x_one)", "one"),
            ("$(headers['X-ONE'])", "one"),
            ("$(headers.u_s)$(headers['u-s'])", "under"),
            ("$(headers.host)$(headers.Host)", "gw.testgw.test"),
            ("$(headers['x-foo'])", "1, 2"),
            (
                "$(headers['x-foo'][2])$(headers['x-foo'][3])$(headers['x-foo'].n)",
                "2",
            ),
            ("$(headers['x-one'][1])", ""),
            ("$(headers['not a name'])$(headers[1])", ""),
            (
                "$(query_params.b)-$(query_params.f)-$(query_params.m)",
                "x y-true-1, 2",
            ),
            ("$(query_params.nope)$(query_params.e)", ""),
            ("$(query_params.nope or headers.nope or 'd')", "d"),
            ("$(headers.x_empty or 'd')", ""),
            ("$(query_params.A)", ""),
            (
                "$(uri_captures[0])|$(uri_captures[1])|$(uri_captures.user)|$(uri_captures[2])",
                "/u/7|7|bob|",
            ),
            ("$(false)$(nil)$(true)", "true"),
            ("$(shared.v)$(nope)", ""),
        ] {
            assert_eq!(rendered(source).as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn failures_say_what_lua_says() {
        for (source, error) in [
            (
                "$(consumer.username)",
                "attempt to index global 'consumer' (a nil value)",
            ),
            (
                "$(query_params.nope.x)",
                "attempt to index field 'nope' (a nil value)",
            ),
            (
                "$(query_params.f.x)",
                "attempt to index field 'f' (a boolean value)",
            ),
            (
                "$(headers['x-foo'][3].x)",
                "attempt to index field '?' (a nil value)",
            ),
            ("a$(shared.v = 1)", "')' expected near '='"),
            ("$()", "unexpected symbol near ')'"),
        ] {
            let expected = format!(
                "failed to render the template {source}, error:[string \"TMP\"]:1: {error}"
            );
            assert_eq!(rendered(source), Err(expected), "{source}");
        }
    }
}
