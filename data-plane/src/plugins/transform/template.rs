//! Renders templates against a request (transformers.md 2.8). What the expressions say was read by
//! [`shared::types::Template`]; this half looks values up and fails as Lua would.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue};
use lua::Script;
use shared::types::{Meaning, Operand, Piece, Step, Template};

use super::args::{self, Arg};
use super::machine::{Environment, Roots};

/// A template, ready to be rendered.
#[derive(Clone, Debug)]
pub struct Compiled {
    source: Box<str>,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(Box<str>),
    /// The first of these that is neither nil nor false.
    Native(Vec<Operand>),
    Lua(Script),
    /// What Lua's compiler said.
    Broken(String),
}

impl Compiled {
    /// Compiles what the template leaves to Lua.
    pub fn new(template: &Template) -> Self {
        Self {
            source: template.source.as_str().into(),
            parts: template.pieces.iter().map(Part::new).collect(),
        }
    }

    /// Whether it leaves anything to Lua.
    pub fn runs_lua(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Lua(_)))
    }

    /// The first expression that Lua would not compile.
    pub fn syntax_error(&self) -> Option<&str> {
        self.parts.iter().find_map(|part| match part {
            Part::Broken(error) => Some(error.as_str()),
            _ => None,
        })
    }
}

impl Part {
    fn new(piece: &Piece) -> Self {
        match piece {
            Piece::Text(text) => Part::Text(text.as_str().into()),
            Piece::Expression(expression) => match &expression.meaning {
                Meaning::Native(operands) => Part::Native(operands.clone()),
                Meaning::Broken(error) => Part::Broken(error.clone()),
                Meaning::Lua => match Script::expression(&expression.source) {
                    Ok(script) => Part::Lua(script),
                    Err(failure) => Part::Broken(failure.to_string()),
                },
            },
        }
    }
}

/// What templates see: the request as it was when the plugin started.
pub struct Scope<'a> {
    /// Every header but Host.
    pub headers: &'a HeaderMap,
    /// Host.
    pub host: Option<&'a HeaderValue>,
    /// The raw query; empty without one.
    pub query: &'a str,
    /// Captures of the route's regular expression: number, name if it has one, text.
    pub captures: &'a [Captured<'a>],
    /// Whether `untrusted_lua` lets them be rendered at all.
    pub allowed: bool,
}

/// One capture: its number, its name if it has one, its text.
pub type Captured<'a> = (usize, Option<&'a str>, &'a str);

/// The texts of some templates for one request.
///
/// # Errors
/// What the error log says of it, in Kong's words.
pub fn render(templates: &[Compiled], scope: &Scope<'_>) -> Result<Vec<Vec<u8>>, String> {
    let mut renderer = Renderer {
        scope,
        templates,
        environment: None,
    };
    let render = |template| renderer.render(template);
    templates.iter().map(render).collect()
}

struct Renderer<'a> {
    scope: &'a Scope<'a>,
    templates: &'a [Compiled],
    /// Made for the first expression that needs Lua, for all of them.
    environment: Option<Environment>,
}

impl Renderer<'_> {
    fn render(&mut self, template: &Compiled) -> Result<Vec<u8>, String> {
        let fail = |error: &str| {
            format!(
                "failed to render the template {}, error:{error}",
                template.source
            )
        };
        // A template is compiled as a whole: what does not compile anywhere fails before anything runs.
        if let Some(error) = template.syntax_error().filter(|_| self.scope.allowed) {
            return Err(fail(error));
        }
        let mut out = Vec::new();
        for part in &template.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                _ if !self.scope.allowed => {
                    return Err(fail(&lua::Failure::Off.to_string()));
                }
                Part::Native(operands) => evaluate(operands, self.scope)
                    .map_err(|error| fail(&error))?
                    .print(&mut out),
                Part::Lua(script) => out.extend(
                    self.lua(script)
                        .map_err(|failure| fail(&failure.to_string()))?,
                ),
                Part::Broken(error) => return Err(fail(error)),
            }
        }
        Ok(out)
    }

    fn lua(&mut self, script: &Script) -> Result<Vec<u8>, lua::Failure> {
        let environment = match self.environment.take() {
            Some(environment) => environment,
            None => Environment::new(self.scope, self.roots())?,
        };
        self.environment.insert(environment).render(script)
    }

    /// Every name that some expression uses.
    fn roots(&self) -> Roots {
        let sources = self
            .templates
            .iter()
            .map(|template| Roots::of(&template.source));
        sources.fold(Roots::default(), Roots::or)
    }
}

fn evaluate<'a>(operands: &'a [Operand], scope: &Scope<'a>) -> Result<Value<'a>, String> {
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
        }
    }
}

fn follow<'a>(root: &str, steps: &'a [Step], scope: &Scope<'a>) -> Result<Value<'a>, String> {
    let Some((first, rest)) = steps.split_first() else {
        return Ok(Value::Nil); // Not a native form.
    };
    let mut value = match (root, first) {
        ("headers", Step::Key(name)) => header(name, scope),
        ("query_params", Step::Key(name)) => argument(name, scope),
        ("uri_captures", step) => captured(step, scope),
        _ => Value::Nil,
    };
    let mut parent = first;
    for step in rest {
        value = index(value, step).map_err(|kind| cannot_index(parent, kind))?;
        parent = step;
    }
    Ok(value)
}

/// Lua knows the name of what was looked up last, if it was one.
fn cannot_index(looked_up: &Step, kind: &str) -> String {
    match looked_up {
        Step::Key(name) => {
            format!("[string \"TMP\"]:1: attempt to index field '{name}' (a {kind} value)")
        }
        Step::Index(_) => format!("[string \"TMP\"]:1: attempt to index a {kind} value"),
    }
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
        (Value::List(_) | Value::Text(_), _) => Ok(Value::Nil),
        (Value::Nil, _) => Err("nil"),
        (Value::Boolean(_), _) => Err("boolean"),
    }
}

fn captured<'a>(step: &Step, scope: &Scope<'a>) -> Value<'a> {
    let is = |(number, name, _): &&Captured<'a>| match step {
        Step::Key(key) => *name == Some(key.as_str()),
        Step::Index(index) => i64::try_from(*number) == Ok(*index),
    };
    let found = scope.captures.iter().find(is);
    found.map_or(Value::Nil, |(_, _, text)| {
        Value::Text(Cow::Borrowed(text.as_bytes()))
    })
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
    use proptest::prelude::*;
    use shared::types::Text;

    use super::*;

    fn rendered(source: &str) -> Result<String, String> {
        rendered_if(true, source)
    }

    fn rendered_if(allowed: bool, source: &str) -> Result<String, String> {
        let template = Template::parse(source).expect("any text is one");
        in_scope(allowed, &Compiled::new(&template))
    }

    fn in_scope(allowed: bool, template: &Compiled) -> Result<String, String> {
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
            captures: &[(0, None, "/u/7"), (1, None, "7"), (2, Some("user"), "bob")],
            allowed,
        };
        let texts = render(std::slice::from_ref(template), &scope)?;
        Ok(String::from_utf8(texts.concat()).expect("UTF-8"))
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
                "/u/7|7|bob|bob",
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
            ("$(headers['x-foo'][3].x)", "attempt to index a nil value"),
            ("a$(shared.v = 1)", "')' expected near '='"),
            ("$()", "unexpected symbol near ')'"),
        ] {
            let expected = format!(
                "failed to render the template {source}, error:[string \"TMP\"]:1: {error}"
            );
            assert_eq!(rendered(source), Err(expected), "{source}");
        }
    }

    #[test]
    fn what_does_not_compile_fails_before_anything_runs() {
        let error = "[string \"TMP\"]:1: ')' expected near 'b'";
        let source = "$(nope.x)$(a b)";
        let expected = format!("failed to render the template {source}, error:{error}");
        assert_eq!(rendered(source), Err(expected));
    }

    #[test]
    fn expressions_that_are_no_look_ups_are_luas() {
        for (source, expected) in [
            ("$(query_params.a + 1)", "2"),
            ("$(#query_params.m)", "2"),
            ("$(type(headers['x-foo']))$(type(headers))", "tabletable"),
            ("$(query_params.a and 'yes' or 'no')", "yes"),
            (
                "$(query_params.b:sub(1, 1))$(headers.x_one:upper())",
                "xONE",
            ),
            ("$(headers['x' .. '-foo'])", "1, 2"),
            (
                "$(headers[1] == nil)$(query_params['f'] == true)",
                "truetrue",
            ),
            ("$(uri_captures['user'] .. uri_captures[1])", "bob7"),
            ("$(shared.v == nil)", "true"),
            ("$(10/4)-$(1 == 1)-$(not true)", "2.5-true-"),
            ("$(headers.X_One .. headers.host)", "onegw.test"),
        ] {
            assert_eq!(rendered(source).as_deref(), Ok(expected), "{source}");
        }
    }

    /// A native form both ways: natively, and by Lua.
    fn both_ways(expression: &str) -> [Result<String, String>; 2] {
        let source = format!("$({expression})");
        let template = Template::parse(&source).expect("any text is one");
        let native = Compiled::new(&template);
        assert!(
            matches!(native.parts[..], [Part::Native(_)]),
            "{expression}"
        );
        let script = Script::expression(expression).expect("it compiles");
        let lua = Compiled {
            source: source.into(),
            parts: vec![Part::Lua(script)],
        };
        [native, lua].map(|template| in_scope(true, &template))
    }

    fn operand() -> impl Strategy<Value = String> {
        let step = prop::sample::select(vec![
            ".a",
            ".b",
            ".f",
            ".m",
            ".e",
            ".nope",
            "['x-foo']",
            "['X-ONE']",
            "[\"x_one\"]",
            ".u_s",
            ".host",
            "[0]",
            "[1]",
            "[2]",
            "[3]",
            ".user",
            ".x_empty",
        ]);
        let root = prop::sample::select(vec!["headers", "query_params", "uri_captures"]);
        let path = (root, prop::collection::vec(step, 1..3))
            .prop_map(|(root, steps)| format!("{root}{}", steps.concat()));
        prop_oneof![
            4 => path,
            1 => prop::sample::select(vec!["'text'", "\"it's\"", "7", "0", "true", "false", "nil", "'a\\n'"]).prop_map(str::to_owned),
        ]
    }

    proptest! {
        #[test]
        fn native_forms_mean_what_they_mean_in_lua(operands in prop::collection::vec(operand(), 1..4)) {
            let [native, lua] = both_ways(&operands.join(" or "));
            prop_assert_eq!(native, lua);
        }
    }
}
