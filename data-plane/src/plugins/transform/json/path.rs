//! Edits along paths: `customers[*].info.phone` (transformers.md 4.5). Here a property is present when its name
//! exists, whatever its value.

use std::borrow::Cow;

use super::members::{Members, Name};
use super::node::{Node, tails};
use super::{Document, MAX_DEPTH};

/// Where an edit applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    steps: Vec<Step>,
}

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The property of this name.
    Name(Box<[u8]>),
    /// The element at this place, counted from 0 (from 1 in the text).
    Index(usize),
    /// Every element.
    Every,
}

impl Path {
    /// One top-level property, dots and brackets included in its name.
    pub fn literal(name: &str) -> Self {
        Self {
            steps: vec![Step::Name(name.as_bytes().into())],
        }
    }

    /// `a.b[2].c[*]`; text that does not fit the grammar is a literal name.
    pub fn parse(text: &str) -> Self {
        match steps(text) {
            // What is nested deeper than any document can never match, and recursion stays within that depth.
            Some(steps) if steps.len() <= MAX_DEPTH => Self { steps },
            _ => Self::literal(text),
        }
    }

    /// The steps from the root.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

impl Step {
    pub(super) fn is_name(&self, name: &[u8]) -> bool {
        matches!(self, Step::Name(own) if **own == *name)
    }

    /// Whether it leads to the element at this place.
    pub(super) fn is_element(&self, at: usize) -> bool {
        matches!(self, Step::Every) || *self == Step::Index(at)
    }
}

fn steps(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for (i, part) in text.split('.').enumerate() {
        let (name, indexes) = part.split_at(part.find('[').unwrap_or(part.len()));
        if name.contains(']') || (name.is_empty() && (i > 0 || indexes.is_empty())) {
            return None;
        }
        if !name.is_empty() {
            steps.push(Step::Name(name.as_bytes().into()));
        }
        let mut rest = indexes;
        while !rest.is_empty() {
            let (index, after) = rest.strip_prefix('[')?.split_once(']')?;
            steps.push(index_step(index)?);
            rest = after;
        }
    }
    Some(steps)
}

fn index_step(text: &str) -> Option<Step> {
    if text == "*" {
        return Some(Step::Every);
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse::<usize>().ok()?.checked_sub(1).map(Step::Index)
}

impl<'a> Document<'a> {
    /// Deletes what the path leads to; element removal closes the gap.
    pub fn remove_at(&mut self, path: &'a Path) {
        self.root
            .at_last(&path.steps, false, &mut |node, step| match step {
                Step::Name(name) => {
                    if let Some(members) = node.open_object() {
                        members.remove(name);
                    }
                }
                Step::Index(at) => {
                    if let Some(elements) = node.elements()
                        && *at < elements.len()
                    {
                        elements.remove(*at);
                    }
                }
                Step::Every => {
                    if let Some(elements) = node.elements() {
                        elements.clear();
                    }
                }
            });
    }

    /// Sets what the path leads to, where it exists.
    pub fn replace_at(&mut self, path: &'a Path, value: &'a [u8]) {
        self.root.at_last(&path.steps, false, &mut |node, step| {
            node.each_existing(step, |old| *old = Node::from_text(Cow::Borrowed(value)));
        });
    }

    /// Sets what the path leads to, where it does not exist; creates the objects on the way, never an array.
    pub fn add_at(&mut self, path: &'a Path, value: &'a [u8]) {
        self.root.at_last(&path.steps, true, &mut |node, step| {
            if let Step::Name(name) = step
                && let Some(members) = node.open_object()
            {
                members.add(name, || Node::from_text(Cow::Borrowed(value)));
            }
        });
    }

    /// Appends to what the path leads to, as [`Document::append`] does; creates the objects on the way.
    pub fn append_at(&mut self, path: &'a Path, value: &'a [u8]) {
        self.root.at_last(&path.steps, true, &mut |node, step| {
            let existed = node.each_existing(step, |old| old.append(Cow::Borrowed(value)));
            if let Step::Name(name) = step
                && !existed
                && let Some(members) = node.open_object()
            {
                members.insert(Name::Given(name), Node::list(Cow::Borrowed(value)));
            }
        });
    }

    /// Gives the text of what the path leads to, where it exists, to `change`; what that returns is put in its place.
    pub fn change_at(&mut self, path: &'a Path, change: &mut dyn FnMut(&[u8]) -> Option<Vec<u8>>) {
        self.root.at_last(&path.steps, false, &mut |node, step| {
            node.each_existing(step, |old| {
                let mut text = Vec::new();
                old.write(&mut text);
                if let Some(changed) = change(&text) {
                    *old = Node::from_text(Cow::Owned(changed));
                }
            });
        });
    }

    /// Keeps only what the paths lead to and the parents on the way (transformers.md 4.6).
    pub fn keep_only(&mut self, paths: &[Path]) {
        let paths: Vec<&[Step]> = paths.iter().map(|path| &*path.steps).collect();
        self.root.keep_only(&paths);
    }
}

impl<'a> Node<'a> {
    /// Runs `change` on every node that the path's last step starts from.
    fn at_last(
        &mut self,
        steps: &'a [Step],
        create: bool,
        change: &mut impl FnMut(&mut Node<'a>, &'a Step),
    ) {
        let (step, rest) = match steps {
            [] => return,
            [last] => return change(self, last),
            [step, rest @ ..] => (step, rest),
        };
        if create
            && let Step::Name(name) = step
            && rest.iter().all(|step| matches!(step, Step::Name(_)))
            && let Some(members) = self.open_object()
        {
            members.add(name, || Node::Object(Box::<Members<'a>>::default()));
        }
        self.each_existing(step, |next| next.at_last(rest, create, change));
    }

    /// Runs `visit` on every child that the step leads to; false if there is none.
    fn each_existing(&mut self, step: &Step, mut visit: impl FnMut(&mut Node<'a>)) -> bool {
        let children: &mut [Node<'a>] = match step {
            Step::Name(name) => {
                let child = self.open_object().and_then(|members| members.get_mut(name));
                child.map(std::slice::from_mut).unwrap_or_default()
            }
            Step::Index(at) => {
                let child = self.elements().and_then(|elements| elements.get_mut(*at));
                child.map(std::slice::from_mut).unwrap_or_default()
            }
            Step::Every => self.elements().map(Vec::as_mut_slice).unwrap_or_default(),
        };
        children.iter_mut().for_each(&mut visit);
        !children.is_empty()
    }

    /// False: nothing of this node may stay.
    fn keep_only(&mut self, paths: &[&[Step]]) -> bool {
        if paths.is_empty() {
            return false;
        }
        if paths.iter().any(|path| path.is_empty()) {
            return true;
        }
        if let Some(members) = self.open_object() {
            members.retain(|name, child| {
                let inside: Vec<_> = tails(paths, |step| step.is_name(name)).collect();
                child.keep_only(&inside)
            });
            return true;
        }
        if let Some(elements) = self.elements() {
            let mut at = 0;
            elements.retain_mut(|element| {
                let inside: Vec<_> = tails(paths, |step| step.is_element(at)).collect();
                at += 1;
                element.keep_only(&inside)
            });
            return true;
        }
        false
    }
}
