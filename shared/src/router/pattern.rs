//! Regex paths, compiled once, and what can be told of a path before one of them runs.

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind};
use std::collections::HashMap;
use std::sync::Arc;

/// Stands in a [`Pattern::key`] for any run of bytes up to the next slash. No byte of UTF-8 is this one.
pub(super) const SEGMENT: u8 = 0xff;

/// More wildcard segments than this are not worth a branch of the index.
const MAX_SEGMENTS: usize = 8;

/// A regex path.
#[derive(Debug)]
pub(super) struct Pattern {
    /// Anchored at the start.
    pub regex: Regex,
    /// Whether there are groups to capture.
    pub groups: bool,
    /// What every path that the regex matches begins with: literal bytes, and [`SEGMENT`] for a run without slashes
    /// that a slash follows. `/users/\d+/orders$` has the key `/users/ SEGMENT /orders`.
    pub key: Box<[u8]>,
}

impl Pattern {
    fn new(text: &str, compiled: Option<&Regex>) -> Option<Pattern> {
        let regex = match compiled {
            Some(regex) => regex.clone(),
            None => Regex::new(&format!("^(?:{text})")).ok()?,
        };
        let key = regex_syntax::parse(text)
            .map(|hir| Key::of(&hir))
            .unwrap_or_default();
        Some(Pattern {
            groups: regex.captures_len() > 1,
            regex,
            key,
        })
    }
}

/// Every pattern of one configuration, by its text, so that the next one compiles only what is new.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    paths: HashMap<Box<str>, Arc<Pattern>>,
    headers: HashMap<Box<str>, Regex>,
}

/// Collects the patterns of a configuration and takes what the previous one had compiled.
pub(super) struct Compiler<'a> {
    compiled: Patterns,
    previous: Option<&'a Patterns>,
}

impl<'a> Compiler<'a> {
    pub(super) fn new(previous: Option<&'a Patterns>) -> Compiler<'a> {
        Compiler {
            compiled: Patterns::default(),
            previous,
        }
    }

    /// A path's pattern; `None` if it does not compile, which the model has ruled out.
    pub(super) fn path(&mut self, text: &str, regex: Option<&Regex>) -> Option<Arc<Pattern>> {
        if let Some(known) = self.compiled.paths.get(text) {
            return Some(known.clone());
        }
        let before = self
            .previous
            .and_then(|previous| previous.paths.get(text).cloned());
        let pattern = before.or_else(|| Pattern::new(text, regex).map(Arc::new))?;
        self.compiled.paths.insert(Box::from(text), pattern.clone());
        Some(pattern)
    }

    /// The pattern of a header's value, which matches anywhere and in any case. The pattern itself stays as it is:
    /// lower-casing its text would turn `\S` into `\s`.
    pub(super) fn header(&mut self, text: &str) -> Option<Regex> {
        if let Some(known) = self.compiled.headers.get(text) {
            return Some(known.clone());
        }
        let before = self
            .previous
            .and_then(|previous| previous.headers.get(text).cloned());
        let regex =
            before.or_else(|| RegexBuilder::new(text).case_insensitive(true).build().ok())?;
        self.compiled.headers.insert(Box::from(text), regex.clone());
        Some(regex)
    }

    /// What the configuration uses.
    pub(super) fn finish(self) -> Patterns {
        self.compiled
    }
}

/// Reads a key off a parsed pattern, element by element, for as long as something certain can be said.
#[derive(Default)]
struct Key {
    bytes: Vec<u8>,
    /// Length of `bytes` up to the last certain byte: a wildcard tells nothing unless a slash follows it.
    certain: usize,
    /// Whether the text read last is a run without slashes of unknown length.
    in_run: bool,
    segments: usize,
}

impl Key {
    fn of(hir: &Hir) -> Box<[u8]> {
        let mut key = Key::default();
        key.read(hir);
        key.bytes.truncate(key.certain);
        key.bytes.into_boxed_slice()
    }

    /// Whether what follows `hir` can still be told.
    fn read(&mut self, hir: &Hir) -> bool {
        match hir.kind() {
            // Matches no bytes; that it may fail only leaves fewer paths.
            HirKind::Empty | HirKind::Look(_) => true,
            HirKind::Literal(literal) => self.literal(&literal.0),
            HirKind::Capture(capture) => self.read(&capture.sub),
            HirKind::Concat(parts) => parts.iter().all(|part| self.read(part)),
            HirKind::Class(_) | HirKind::Repetition(_) | HirKind::Alternation(_) => {
                if has_slash(hir) {
                    return false;
                }
                self.run()
            }
        }
    }

    fn run(&mut self) -> bool {
        if !self.in_run {
            if self.segments == MAX_SEGMENTS {
                return false;
            }
            self.segments += 1;
            self.in_run = true;
            self.bytes.push(SEGMENT);
        }
        true
    }

    fn literal(&mut self, literal: &[u8]) -> bool {
        let literal = match literal.iter().position(|&byte| byte == b'/') {
            _ if !self.in_run => literal,
            // What precedes the slash belongs to the run.
            Some(slash) => &literal[slash..],
            None => return true,
        };
        self.in_run = false;
        self.bytes.extend_from_slice(literal);
        self.certain = self.bytes.len();
        true
    }
}

/// Whether a match of `hir` may hold a slash.
fn has_slash(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => false,
        HirKind::Literal(literal) => literal.0.contains(&b'/'),
        HirKind::Class(Class::Unicode(class)) => class
            .iter()
            .any(|range| range.start() <= '/' && '/' <= range.end()),
        HirKind::Class(Class::Bytes(class)) => class
            .iter()
            .any(|range| range.start() <= b'/' && b'/' <= range.end()),
        HirKind::Repetition(repetition) => has_slash(&repetition.sub),
        HirKind::Capture(capture) => has_slash(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(has_slash),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_holds_what_is_certain_of_every_match() {
        for (pattern, key) in [
            ("/a", &b"/a"[..]),
            ("/a/b$", b"/a/b"),
            ("^/a", b"/a"),
            (r"/a\.b", b"/a.b"),
            (r"/users/\d+/orders$", b"/users/\xff/orders"),
            (r"/users/\d+", b"/users/"),
            (r"/users/\d*/orders", b"/users/\xff/orders"),
            (r"/u/(?<id>[^/]+)/o/(?<o>[^/]+)/x", b"/u/\xff/o/\xff/x"),
            (r"/v\d/x\d\.json/end", b"/v\xff/x\xff/end"),
            (r"/(a|b)/c", b"/\xff/c"),
            (r"/(a|b/)c/d", b"/"),
            ("/a|/b", b""),
            ("/a|b", b""),
            ("/ab?/c", b"/a\xff/c"),
            ("/a/?b", b"/a"),
            ("/.*/c", b"/"),
            ("(?i)/a/b", b"/\xff/"),
            (r"/a\b/c", b"/a/c"),
            (r"\S+/a", b""),
            (r"[^/]*/a", b"\xff/a"),
            ("", b""),
        ] {
            let found = Pattern::new(pattern, None).expect("the cases compile").key;
            assert_eq!(
                found.escape_ascii().to_string(),
                key.escape_ascii().to_string(),
                "{pattern}"
            );
        }
    }

    #[test]
    fn what_did_not_change_is_not_compiled_again() {
        let mut first = Compiler::new(None);
        let (path, _) = (
            first.path("/a", None).expect("compiles"),
            first.path("/b", None),
        );
        let first = first.finish();
        let mut second = Compiler::new(Some(&first));
        assert!(Arc::ptr_eq(
            &path,
            &second.path("/a", None).expect("compiles")
        ));
        assert_eq!(
            second.finish().paths.len(),
            1,
            "what is no longer used is forgotten"
        );
    }

    #[test]
    fn a_pattern_that_does_not_compile_is_no_pattern() {
        let mut compiler = Compiler::new(None);
        assert!(compiler.path("/(", None).is_none());
        assert!(compiler.header("(").is_none());
    }
}
