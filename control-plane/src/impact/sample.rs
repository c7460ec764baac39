//! A text that a regular expression matches, made from its syntax.

use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind};

/// Repetitions beyond this many are no probe's business.
const LONGEST: usize = 4096;

/// A short text that `source` matches in full from its start, if one can be derived: `/users/\d+` gives `/users/0`.
/// `regex` is the compiled form that decides.
pub fn of(source: &str, regex: &Regex) -> Option<String> {
    let hir = regex_syntax::parse(source).ok()?;
    let mut text = String::new();
    write(&hir, &mut text)?;
    regex.is_match(&text).then_some(text)
}

/// Appends what `hir` matches. `None`: nothing does, or too long a text.
fn write(hir: &Hir, text: &mut String) -> Option<()> {
    match hir.kind() {
        // Whether the place fits is seen when the whole text is tried.
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(std::str::from_utf8(&literal.0).ok()?),
        HirKind::Class(class) => text.push(letter(class)?),
        HirKind::Repetition(repetition) => {
            // One where none would do: `/\d*` is rather about `/0` than about `/`.
            let most = repetition.max.unwrap_or(u32::MAX);
            for _ in 0..repetition.min.max(1).min(most) {
                write(&repetition.sub, text)?;
            }
        }
        HirKind::Capture(capture) => write(&capture.sub, text)?,
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write(part, text))?,
        HirKind::Alternation(parts) => write(parts.first()?, text)?,
    }
    (text.len() <= LONGEST).then_some(())
}

/// A character of the class: a digit or letter if it has one, since those mean nothing in a path.
fn letter(class: &Class) -> Option<char> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class.iter().map(|r| (r.start(), r.end())).collect(),
        Class::Bytes(class) => class
            .iter()
            .map(|r| (char::from(r.start()), char::from(r.end())))
            .collect(),
    };
    let has = |letter: &char| {
        ranges
            .iter()
            .any(|(low, high)| low <= letter && letter <= high)
    };
    let plain = ('a'..='z').chain('0'..='9').chain('A'..='Z').find(has);
    let seen = || ('!'..='~').find(has);
    plain.or_else(seen).or(ranges.first().map(|(low, _)| *low))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_matched_by_its_expression() {
        let cases = [
            ("/a", Some("/a")),
            (r"/users/\d+$", Some("/users/0")),
            (r"/u/(?<id>[^/]+)/o/(a|b)", Some("/u/a/o/a")),
            ("/x{3}y?", Some("/xxxy")),
            (r"/\d*", Some("/0")),
            ("/(?i)A", Some("/a")),
            (r"/[.]{2}", Some("/..")),
            (r"/a\b/b", Some("/a/b")),
            (r"/a\bb", None),
            ("/a{5000}", None),
        ];
        for (source, expected) in cases {
            let regex = Regex::new(&format!("^(?:{source})")).expect("the cases compile");
            assert_eq!(of(source, &regex).as_deref(), expected, "{source}");
        }
    }
}
