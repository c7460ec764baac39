//! One value, taken apart or not.

use std::borrow::Cow;

use super::members::{Members, Name};
use super::scan::{MAX_DEPTH, Malformed, Raw, Scanner};
use super::{Kind, Step};

/// Small, because there is one for each element of an array that a path goes through.
#[derive(Debug)]
pub(super) enum Node<'a> {
    Raw(Raw<'a>),
    /// Text made here, as it will be written.
    Made(Box<[u8]>),
    Object(Box<Members<'a>>),
    Array(Vec<Node<'a>>),
    /// An array and what was appended to it: not worth taking apart for its end.
    Extended(Box<(Raw<'a>, Vec<Cow<'a, [u8]>>)>),
}

impl<'a> Node<'a> {
    pub(super) fn from_text(text: Cow<'a, [u8]>) -> Self {
        match text {
            Cow::Borrowed(text) => Node::Raw(Raw::Kept(text)),
            Cow::Owned(text) => Node::Made(text.into()),
        }
    }

    /// An array of one.
    pub(super) fn list(only: Cow<'a, [u8]>) -> Self {
        Node::Array(vec![Node::from_text(only)])
    }

    pub(super) fn kind(&self) -> Kind {
        let text = match self {
            Node::Object(_) => return Kind::Object,
            Node::Array(_) | Node::Extended(_) => return Kind::Array,
            Node::Raw(raw) => raw.text(),
            Node::Made(text) => text,
        };
        match text {
            [b'{', ..] => Kind::Object,
            [b'[', ..] => Kind::Array,
            b"null" => Kind::Null,
            b"false" => Kind::False,
            _ => Kind::Scalar,
        }
    }

    pub(super) fn append(&mut self, value: Cow<'a, [u8]>) {
        match (self.kind(), &mut *self) {
            (_, Node::Array(elements)) => elements.push(Node::from_text(value)),
            (_, Node::Extended(both)) => both.1.push(value),
            (Kind::Array, Node::Raw(raw)) => {
                let raw = std::mem::replace(raw, Raw::Kept(&[]));
                *self = Node::Extended(Box::new((raw, vec![value])));
            }
            (Kind::Array, Node::Made(_)) => {
                let elements = self.elements().into_iter();
                elements.for_each(|elements| elements.push(Node::from_text(value.clone())));
            }
            (Kind::Null, null) => *null = Node::list(value),
            (_, other) => {
                let old = std::mem::replace(other, Node::Array(Vec::new()));
                *other = Node::Array(vec![old, Node::from_text(value)]);
            }
        }
    }

    /// Members of an object that was taken apart.
    fn count(&self) -> usize {
        match self {
            Node::Object(members) => members.count(),
            _ => 0,
        }
    }

    /// The same, with texts of its own.
    pub(super) fn owned<'b>(self) -> Node<'b> {
        match self {
            Node::Object(members) => Node::Object(Box::new(members.owned())),
            Node::Array(elements) => Node::Array(elements.into_iter().map(Node::owned).collect()),
            other => {
                let mut text = Vec::new();
                other.write(&mut text);
                Node::Made(text.into())
            }
        }
    }

    /// Takes an object apart; `None` for any other kind.
    pub(super) fn open_object(&mut self) -> Option<&mut Members<'a>> {
        let is_object = |text: &[u8]| text.first() == Some(&b'{');
        match self {
            Node::Raw(raw) if is_object(raw.text()) => {
                *self = object(&mut Scanner::new(raw.text()), &[], 0, 0).ok()?;
            }
            Node::Made(text) if is_object(text) => {
                *self = object(&mut Scanner::new(text), &[], 0, 0).ok()?.owned();
            }
            _ => {}
        }
        match self {
            Node::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Takes an array apart; `None` for any other kind.
    pub(super) fn elements(&mut self) -> Option<&mut Vec<Node<'a>>> {
        let is_array = |text: &[u8]| text.first() == Some(&b'[');
        let mut added = Vec::new();
        match self {
            Node::Raw(raw) if is_array(raw.text()) => {
                *self = array(&mut Scanner::new(raw.text()), &[], 0).ok()?;
            }
            Node::Made(text) if is_array(text) => {
                *self = array(&mut Scanner::new(text), &[], 0).ok()?.owned();
            }
            Node::Extended(both) => {
                added = std::mem::take(&mut both.1);
                *self = array(&mut Scanner::new(both.0.text()), &[], 0).ok()?;
            }
            _ => {}
        }
        let Node::Array(elements) = self else {
            return None;
        };
        elements.extend(added.into_iter().map(Node::from_text));
        Some(elements)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Node::Raw(raw) => out.extend_from_slice(raw.written()),
            Node::Made(text) => out.extend_from_slice(text),
            Node::Object(members) => members.write(out),
            Node::Array(elements) => {
                let mut separator = b'[';
                for element in elements {
                    out.push(separator);
                    element.write(out);
                    separator = b',';
                }
                out.extend_from_slice(if separator == b'[' { b"[]" } else { b"]" });
            }
            Node::Extended(both) => {
                out.extend_from_slice(both.0.written());
                // Its closing bracket moves behind what was added.
                out.pop();
                for value in &both.1 {
                    if out.last() != Some(&b'[') {
                        out.push(b',');
                    }
                    out.extend_from_slice(value);
                }
                out.push(b']');
            }
        }
    }
}

/// Reads the value that comes next, inside `depth` others. It is taken apart as far as one of the paths goes through
/// it, so that nothing has to be read again for a step. `like` is how many members an object will have.
pub(super) fn read<'a>(
    scanner: &mut Scanner<'a>,
    paths: &[&[Step]],
    depth: usize,
    like: usize,
) -> Result<Node<'a>, Malformed> {
    let through = |name: bool| {
        paths
            .iter()
            .any(|path| matches!(path.first(), Some(step) if matches!(step, Step::Name(_)) == name))
    };
    match scanner.peek() {
        Some(b'{') if through(true) => object(scanner, paths, depth, like),
        Some(b'[') if through(false) => array(scanner, paths, depth),
        _ => scanner.value(depth).map(Node::Raw),
    }
}

/// Reads the object that comes next. The last of several equal names wins, in the first one's place.
pub(super) fn object<'a>(
    scanner: &mut Scanner<'a>,
    paths: &[&[Step]],
    depth: usize,
    like: usize,
) -> Result<Node<'a>, Malformed> {
    let mut members = Box::new(Members::with_capacity(like));
    open(scanner, b'{', depth)?;
    let mut more = !scanner.take(b'}');
    while more {
        let name = Name::from(scanner.name()?);
        let inside = beyond(paths, |step| step.is_name(name.text()));
        members.insert(name, read(scanner, &inside, depth + 1, 0)?);
        more = goes_on(scanner, b'}')?;
    }
    Ok(Node::Object(members))
}

fn array<'a>(
    scanner: &mut Scanner<'a>,
    paths: &[&[Step]],
    depth: usize,
) -> Result<Node<'a>, Malformed> {
    let mut elements = Vec::new();
    let every = beyond(paths, |step| *step == Step::Every);
    let single = paths
        .iter()
        .any(|path| matches!(path.first(), Some(Step::Index(_))));
    open(scanner, b'[', depth)?;
    let mut more = !scanner.take(b']');
    while more {
        // The objects of an array tend to be alike.
        let like = elements.last().map_or(0, Node::count);
        let element = if single {
            let inside = beyond(paths, |step| step.is_element(elements.len()));
            read(scanner, &inside, depth + 1, like)?
        } else {
            read(scanner, &every, depth + 1, like)?
        };
        elements.push(element);
        more = goes_on(scanner, b']')?;
    }
    Ok(Node::Array(elements))
}

/// What is left of the paths whose first step matches and is not their last: what the last step leads to stays whole.
fn beyond<'p>(paths: &[&'p [Step]], matches: impl Fn(&Step) -> bool) -> Vec<&'p [Step]> {
    let longer = paths.iter().filter(|path| path.len() > 1);
    tails(longer, matches).collect()
}

fn open(scanner: &mut Scanner<'_>, opening: u8, depth: usize) -> Result<(), Malformed> {
    scanner.expect(opening)?;
    scanner.blanks();
    (depth < MAX_DEPTH).then_some(()).ok_or(Malformed)
}

/// Behind an item: whether another one follows.
#[inline]
fn goes_on(scanner: &mut Scanner<'_>, closing: u8) -> Result<bool, Malformed> {
    scanner.blanks();
    if scanner.take(closing) {
        return Ok(false);
    }
    scanner.expect(b',')?;
    scanner.blanks();
    Ok(true)
}

/// What is left of the paths whose first step matches.
pub(super) fn tails<'i, 'p: 'i>(
    paths: impl IntoIterator<Item = &'i &'p [Step]>,
    matches: impl Fn(&Step) -> bool,
) -> impl Iterator<Item = &'p [Step]> {
    paths
        .into_iter()
        .filter_map(|path| path.split_first())
        .filter(move |(step, _)| matches(step))
        .map(|(_, rest)| rest)
}
