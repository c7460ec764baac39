//! JSON as an ordered tree. Everything is read into it, changed in it and written out of it.

/// Deepest nesting that is read.
const DEEPEST: usize = 1000;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// A number, a string, `true`, `false` or `null`, as it is written.
    Scalar(Vec<u8>),
    /// Elements.
    Array(Vec<Tree>),
    /// Members in the order in which they came, equal names included.
    Object(Vec<Member>),
}

/// One member of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// What the name stands for; a lone surrogate has the three bytes that it would have in UTF-8.
    pub name: Vec<u8>,
    /// How it is written, quotes included.
    pub written: Vec<u8>,
    /// The value.
    pub value: Tree,
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// A member.
    Name(Vec<u8>),
    /// An element, counted from 1.
    Element(usize),
    /// All elements.
    All,
}

/// Reads a document; `None` if it is malformed.
pub fn parse(text: &[u8]) -> Option<Tree> {
    let mut reader = Reader { text, at: 0 };
    reader.blanks();
    let tree = reader.value(0)?;
    reader.blanks();
    (reader.at == text.len()).then_some(tree)
}

/// Reads a path by the grammar; what does not fit is one name.
pub fn path(text: &str) -> Vec<Step> {
    let literal = || vec![Step::Name(text.as_bytes().to_vec())];
    let mut steps = Vec::new();
    for (place, part) in text.split('.').enumerate() {
        let name: String = part.chars().take_while(|c| *c != '[').collect();
        let mut rest = &part[name.len()..];
        if name.contains(']') || (name.is_empty() && (rest.is_empty() || place > 0)) {
            return literal();
        }
        if !name.is_empty() {
            steps.push(Step::Name(name.into_bytes()));
        }
        while !rest.is_empty() {
            let Some(end) = rest.find(']').filter(|_| rest.starts_with('[')) else {
                return literal();
            };
            let inside = &rest[1..end];
            steps.push(match inside.parse::<usize>() {
                _ if inside == "*" => Step::All,
                Ok(number) if number > 0 && inside.bytes().all(|b| b.is_ascii_digit()) => {
                    Step::Element(number)
                }
                _ => return literal(),
            });
            rest = &rest[end + 1..];
        }
    }
    if steps.len() > DEEPEST {
        literal()
    } else {
        steps
    }
}

/// `text` as it is written in a string that a step made.
pub fn string(text: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'"' => out.extend(br#"\""#),
            b'\\' => out.extend(br"\\"),
            8 => out.extend(br"\b"),
            9 => out.extend(br"\t"),
            10 => out.extend(br"\n"),
            12 => out.extend(br"\f"),
            13 => out.extend(br"\r"),
            control @ 0..32 => out.extend(format!("\\u{control:04x}").into_bytes()),
            0xED if at + 2 < text.len()
                && (0xA0..0xC0).contains(&text[at + 1])
                && (0x80..0xC0).contains(&text[at + 2]) =>
            {
                let code =
                    0xD000 + u32::from(text[at + 1] - 0x80) * 64 + u32::from(text[at + 2] - 0x80);
                out.extend(format!("\\u{code:04x}").into_bytes());
                at += 2;
            }
            byte => out.push(byte),
        }
        at += 1;
    }
    out.push(b'"');
    out
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Option<Tree> {
        match self.peek()? {
            b'{' | b'[' if depth == DEEPEST => None,
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(|(_, written)| Tree::Scalar(written)),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Tree> {
        self.at += 1;
        let mut members = Vec::new();
        self.blanks();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(Tree::Object(members));
        }
        loop {
            self.blanks();
            let (name, written) = self.string()?;
            self.blanks();
            if self.next()? != b':' {
                return None;
            }
            self.blanks();
            let value = self.value(depth + 1)?;
            members.push(Member {
                name,
                written,
                value,
            });
            self.blanks();
            match self.next()? {
                b',' => {}
                b'}' => return Some(Tree::Object(members)),
                _ => return None,
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Tree> {
        self.at += 1;
        let mut elements = Vec::new();
        self.blanks();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(Tree::Array(elements));
        }
        loop {
            self.blanks();
            elements.push(self.value(depth + 1)?);
            self.blanks();
            match self.next()? {
                b',' => {}
                b']' => return Some(Tree::Array(elements)),
                _ => return None,
            }
        }
    }

    fn word(&mut self) -> Option<Tree> {
        let from = self.at;
        while self
            .peek()
            .is_some_and(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        {
            self.at += 1;
        }
        let word = &self.text[from..self.at];
        (matches!(word, b"true" | b"false" | b"null") || is_number(word))
            .then(|| Tree::Scalar(word.to_vec()))
    }

    /// What a string stands for, and how it is written.
    fn string(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        if self.next()? != b'"' {
            return None;
        }
        let (mut meaning, mut written) = (Vec::new(), vec![b'"']);
        loop {
            match self.next()? {
                b'"' => {
                    written.push(b'"');
                    return Some((meaning, written));
                }
                b'\\' => self.escape(&mut meaning, &mut written)?,
                0..32 => return None,
                byte => {
                    meaning.push(byte);
                    written.push(byte);
                }
            }
        }
    }

    fn escape(&mut self, meaning: &mut Vec<u8>, written: &mut Vec<u8>) -> Option<()> {
        let from = self.at - 1;
        let letter = self.next()?;
        let short = match letter {
            b'u' => return self.unicode(from, meaning, written),
            b'/' => {
                meaning.push(b'/');
                written.push(b'/');
                return Some(());
            }
            b'"' | b'\\' => letter,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            _ => return None,
        };
        meaning.push(short);
        written.extend([b'\\', letter]);
        Some(())
    }

    fn unicode(&mut self, from: usize, meaning: &mut Vec<u8>, written: &mut Vec<u8>) -> Option<()> {
        let first = self.four_digits()?;
        let behind = self.at;
        let mut units = vec![first];
        if self.next() == Some(b'\\') && self.next() == Some(b'u') {
            units.extend(self.four_digits());
        }
        let pair = char::decode_utf16(units.iter().copied()).next()?.ok();
        if pair.is_none_or(|c| c.len_utf16() == 1) {
            self.at = behind;
        }
        let Some(c) = pair else {
            meaning.extend([
                0xED,
                0x80 + (first >> 6 & 63) as u8,
                0x80 + (first & 63) as u8,
            ]);
            written.extend(&self.text[from..self.at]);
            return Some(());
        };
        let text = c.to_string().into_bytes();
        meaning.extend(&text);
        if c == '/' || !c.is_ascii() {
            written.extend(text);
        } else {
            written.extend(&self.text[from..self.at]);
        }
        Some(())
    }

    fn four_digits(&mut self) -> Option<u16> {
        let digits = self.text.get(self.at..self.at + 4)?;
        let text = std::str::from_utf8(digits).ok()?;
        if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        self.at += 4;
        u16::from_str_radix(text, 16).ok()
    }
}

fn is_number(word: &[u8]) -> bool {
    let text = std::str::from_utf8(word).unwrap_or_default();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}

impl Tree {
    /// Without any blank.
    pub fn write(&self) -> Vec<u8> {
        let list = |open: u8, items: Vec<Vec<u8>>, close: u8| {
            [&[open][..], &items.join(&b','), &[close]].concat()
        };
        match self {
            Tree::Scalar(text) => text.clone(),
            Tree::Array(elements) => list(b'[', elements.iter().map(Tree::write).collect(), b']'),
            Tree::Object(members) => {
                let member =
                    |member: &Member| [&member.written[..], b":", &member.value.write()].concat();
                list(b'{', members.iter().map(member).collect(), b'}')
            }
        }
    }

    /// Goes into an object: of equal names the last one wins, in the place and spelling of the first.
    pub fn enter(&mut self) {
        let Tree::Object(members) = self else { return };
        let mut distinct: Vec<Member> = Vec::new();
        for member in members.drain(..) {
            match distinct.iter_mut().find(|other| other.name == member.name) {
                Some(first) => first.value = member.value,
                None => distinct.push(member),
            }
        }
        *members = distinct;
    }

    /// Goes into every object that a path leads through.
    pub fn enter_along(&mut self, path: &[Step]) {
        if let [Step::Name(_), ..] = path {
            self.enter();
        }
        if let [step, rest @ ..] = path
            && !rest.is_empty()
        {
            self.children(step)
                .into_iter()
                .for_each(|child| child.enter_along(rest));
        }
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        matches!(self, Tree::Object(_))
    }

    /// A member.
    pub fn get(&mut self, name: &[u8]) -> Option<&mut Tree> {
        self.enter();
        let Tree::Object(members) = self else {
            return None;
        };
        members
            .iter_mut()
            .find(|member| member.name == name)
            .map(|member| &mut member.value)
    }

    /// Whether a member exists that is not `false`.
    pub fn holds(&mut self, name: &[u8]) -> bool {
        self.get(name)
            .is_some_and(|value| *value != Tree::Scalar(b"false".to_vec()))
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &[u8]) -> Option<Tree> {
        self.enter();
        let Tree::Object(members) = self else {
            return None;
        };
        let at = members.iter().position(|member| member.name == name)?;
        Some(members.remove(at).value)
    }

    /// Sets a member, in its place or at the end.
    pub fn set(&mut self, name: &[u8], value: Tree) {
        if let Some(old) = self.get(name) {
            *old = value;
        } else if let Tree::Object(members) = self {
            members.push(Member {
                name: name.to_vec(),
                written: string(name),
                value,
            });
        }
    }

    /// Gives a member another name; false if there is nothing to do.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> bool {
        if from == to {
            return false;
        }
        let Some(value) = self.remove(from) else {
            return false;
        };
        self.set(to, value);
        true
    }

    /// Appends to a member.
    pub fn append(&mut self, name: &[u8], value: Tree) {
        match self.get(name) {
            Some(old) => old.extend(value),
            None => self.set(name, Tree::Array(vec![value])),
        }
    }

    fn extend(&mut self, value: Tree) {
        let mut elements = match self.clone() {
            Tree::Array(elements) => elements,
            Tree::Scalar(text) if text == b"null" => Vec::new(),
            other => vec![other],
        };
        elements.push(value);
        *self = Tree::Array(elements);
    }

    /// Everything a step leads to from here.
    fn children(&mut self, step: &Step) -> Vec<&mut Tree> {
        if let Step::Name(name) = step {
            return self.get(name).into_iter().collect();
        }
        let Tree::Array(elements) = self else {
            return Vec::new();
        };
        let wanted = |place: usize| matches!(step, Step::All) || *step == Step::Element(place + 1);
        let places = elements.iter_mut().enumerate();
        places
            .filter(|(place, _)| wanted(*place))
            .map(|(_, element)| element)
            .collect()
    }

    /// Deletes what a path leads to.
    pub fn remove_at(&mut self, path: &[Step]) {
        match path {
            [] => {}
            [Step::Name(name)] => drop(self.remove(name)),
            [step] => {
                if let Tree::Array(elements) = self {
                    let mut place = 0;
                    elements.retain(|_| {
                        place += 1;
                        !matches!(step, Step::All) && *step != Step::Element(place)
                    });
                }
            }
            [step, rest @ ..] => self
                .children(step)
                .into_iter()
                .for_each(|child| child.remove_at(rest)),
        }
    }

    /// Sets what a path leads to, if it exists.
    pub fn replace_at(&mut self, path: &[Step], value: &Tree) {
        match path {
            [] => *self = value.clone(),
            [step, rest @ ..] => self
                .children(step)
                .into_iter()
                .for_each(|child| child.replace_at(rest, value)),
        }
    }

    /// Sets what a path leads to, if it does not exist and its parents are or can be objects.
    pub fn add_at(&mut self, path: &[Step], value: &Tree) {
        match path {
            [Step::Name(name)] if self.get(name).is_none() => self.set(name, value.clone()),
            [_] | [] => {}
            [step, rest @ ..] => {
                self.make_parent(step, rest);
                self.children(step)
                    .into_iter()
                    .for_each(|child| child.add_at(rest, value));
            }
        }
    }

    /// Appends to what a path leads to.
    pub fn append_at(&mut self, path: &[Step], value: &Tree) {
        match path {
            [] => self.extend(value.clone()),
            [Step::Name(name)] => self.append(name, value.clone()),
            [step, rest @ ..] => {
                self.make_parent(step, rest);
                self.children(step)
                    .into_iter()
                    .for_each(|child| child.append_at(rest, value));
            }
        }
    }

    /// An object for a member that is missing, if only members are to be found in it.
    fn make_parent(&mut self, step: &Step, rest: &[Step]) {
        let named = |step: &Step| matches!(step, Step::Name(_));
        if let Step::Name(name) = step
            && !rest.is_empty()
            && rest.iter().all(named)
            && self.get(name).is_none()
        {
            self.set(name, Tree::Object(Vec::new()));
        }
    }

    /// Keeps what the paths lead to and its parents; false if this is neither.
    pub fn keep_only(&mut self, paths: &[Vec<Step>]) -> bool {
        if paths.iter().any(Vec::is_empty) {
            return true;
        }
        let behind = |matches: &dyn Fn(&Step) -> bool| -> Vec<Vec<Step>> {
            paths
                .iter()
                .filter(|path| matches(&path[0]))
                .map(|path| path[1..].to_vec())
                .collect()
        };
        if paths.is_empty() {
            return false;
        }
        self.enter();
        match self {
            Tree::Scalar(_) => return false,
            Tree::Object(members) => members.retain_mut(|member| {
                let wanted = |step: &Step| matches!(step, Step::Name(name) if *name == member.name);
                let inside = behind(&wanted);
                member.value.keep_only(&inside)
            }),
            Tree::Array(elements) => {
                let mut place = 0;
                elements.retain_mut(|element| {
                    place += 1;
                    element.keep_only(&behind(&|step| {
                        *step == Step::All || *step == Step::Element(place)
                    }))
                });
            }
        }
        true
    }
}
