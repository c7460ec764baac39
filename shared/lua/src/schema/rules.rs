//! Attributes that say which values a field takes, as [`Rules`].

use std::borrow::Cow;

use serde_json::Value as Json;
use shared::schema::{Pattern, Rules};

use super::node::Node;
use super::typedefs;
use crate::pattern::{self, Matcher};

/// Patterns, and what is said by them.
type Worded<T> = (T, Cow<'static, str>);

/// The steps that one match of a pattern may take: about 50 ms.
const STEPS: u32 = 10_000_000;

impl Node<'_> {
    /// The rules of a field, or of a condition.
    pub(super) fn rules(&self) -> Result<Rules, String> {
        Ok(Rules {
            eq: self.value("eq")?,
            ne: self.value("ne")?,
            not_one_of: self.values("not_one_of")?,
            one_of: self.values("one_of")?,
            gt: self.bound("gt")?,
            timestamp: self.boolean("timestamp")?.unwrap_or_default(),
            uuid: self.boolean("uuid")?.unwrap_or_default(),
            is_regex: self.boolean("is_regex")?.unwrap_or_default(),
            between: self.bounds("between")?,
            len_eq: self.length("len_eq")?,
            len_min: self.length("len_min")?,
            len_max: self.length("len_max")?,
            starts_with: self.text("starts_with")?.map(Cow::Owned),
            not_match: self.pattern("not_match")?,
            match_none: self.patterns("match_none")?,
            matches: self.pattern("match")?,
            match_all: self.patterns("match_all")?,
            match_any: self.any_pattern()?,
            contains: self.value("contains")?,
            custom: match (
                self.function("custom_validator")?,
                self.text(typedefs::NATIVE)?,
            ) {
                (Some(way), _) => Some(self.program.validator(way)),
                (None, Some(name)) => Some(typedefs::native(&name).ok_or_else(|| {
                    self.fault(typedefs::NATIVE, format!("unknown rule '{name}'"))
                })?),
                (None, None) => None,
            },
            exclusive: self.subsets()?,
            err: self.text("err")?.map(Cow::Owned),
            elements: None,
            required: false,
        })
    }

    /// What a condition of an entity check says of a value.
    pub(super) fn condition(&self) -> Result<Rules, String> {
        let mut rules = self.rules()?;
        rules.required = self.boolean("required")?.unwrap_or_default();
        if let Some(elements) = self.child("elements")? {
            let elements = self.deeper(|| elements.condition())?;
            rules.elements = Some(Box::new(elements));
        }
        Ok(rules)
    }

    fn pattern(&self, key: &str) -> Result<Option<Pattern>, String> {
        let Some(source) = self.text(key)? else {
            return Ok(None);
        };
        let pattern = lua_pattern(source);
        pattern.map(Some).map_err(|text| self.fault(key, text))
    }

    /// `{ { pattern = …, err = … }, … }`
    fn patterns(&self, key: &str) -> Result<Vec<Worded<Pattern>>, String> {
        let pair = |entry: Node<'_>| {
            let pattern = entry.pattern("pattern")?;
            let pattern = pattern.ok_or_else(|| entry.fault("pattern", REQUIRED))?;
            let err = entry.text("err")?;
            let err = err.unwrap_or_else(|| format!("invalid value: {}", pattern.source));
            Ok((pattern, err.into()))
        };
        self.children(key, pair)
    }

    /// `match_any = { patterns = { … }, err = … }`
    fn any_pattern(&self) -> Result<Option<Worded<Vec<Pattern>>>, String> {
        let Some(any) = self.child("match_any")? else {
            return Ok(None);
        };
        let sources = any.words("patterns")?;
        let sources = sources.ok_or_else(|| any.fault("patterns", REQUIRED))?;
        let patterns: Result<Vec<_>, _> = sources.into_iter().map(lua_pattern).collect();
        let patterns = patterns.map_err(|text| any.fault("patterns", text))?;
        let err = any.text("err")?.map_or("invalid value".into(), Cow::Owned);
        Ok(Some((patterns, err)))
    }

    fn subsets(&self) -> Result<Vec<Vec<Cow<'static, str>>>, String> {
        let key = "mutually_exclusive_subsets";
        let Some(sets) = self.values(key)? else {
            return Ok(Vec::new());
        };
        let set = |set: Json| match set {
            Json::Array(words) => words.into_iter().map(word).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let sets: Option<Vec<_>> = sets.into_iter().map(set).collect();
        sets.ok_or_else(|| self.fault(key, "expected a list of lists of strings"))
    }
}

const REQUIRED: &str = "required field missing";

fn word(value: Json) -> Option<Cow<'static, str>> {
    match value {
        Json::String(text) => Some(text.into()),
        _ => None,
    }
}

/// A pattern in Lua's language.
fn lua_pattern(source: String) -> Result<Pattern, String> {
    if let Some(fault) = pattern::fault(source.as_bytes()) {
        return Err(format!("{fault}, got '{source}'"));
    }
    let own = source.clone();
    Ok(Pattern::foreign(source, move |text| {
        let mut matcher = Matcher::limited(text.as_bytes(), own.as_bytes(), STEPS);
        let found = matcher.find(0, true);
        found
            .map(|found| found.is_some())
            .map_err(|text| format!("failed validating: {text}"))
    }))
}
