//! A radix tree over the beginnings of paths, with every host's tree in one arena.
//!
//! A key is a literal prefix, or what is certain of a regex ([`super::pattern::Pattern::key`]), in which [`SEGMENT`]
//! stands for a run up to the next slash. A [`SEGMENT`] is always a node of its own, so that the walk from its parent
//! to its children is one jump.

use super::pattern::SEGMENT;
use std::ops::Range;

/// No node, or no rank: greater than every other.
pub(super) const NONE: u32 = u32::MAX;

/// A route that becomes a candidate where its key ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Candidate {
    /// The place of the route's piece in the order of priority; 0 is tried first.
    pub rank: u32,
    /// The destination port that the host asks for, or [`Candidate::ANY_PORT`].
    pub port: u32,
}

impl Candidate {
    pub(super) const ANY_PORT: u32 = u32::MAX;
}

/// A candidate on its way into a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item<'a> {
    pub key: &'a [u8],
    pub candidate: Candidate,
}

#[derive(Debug, Default)]
struct Node {
    /// Where the text between parent and node lies in `labels`.
    label: u32,
    label_length: u32,
    /// The children lie side by side, ordered by first byte.
    children: u32,
    child_count: u16,
    /// The first byte of the label, here so that looking for a child reads nodes alone.
    first: u8,
    /// Bytes of the path from the root of the walk to the end of the label. A walk starts at a host's root or below
    /// a [`SEGMENT`].
    depth: u32,
    candidates: u32,
    candidate_count: u32,
    /// The nearest node above, within the walk, that has candidates or a [`SEGMENT`] child.
    up: u32,
    /// The best rank among the candidates here and below the [`SEGMENT`] child.
    best: u32,
}

/// Every tree of a router.
#[derive(Debug, Default)]
pub(super) struct Forest {
    nodes: Vec<Node>,
    labels: Vec<u8>,
    candidates: Vec<Candidate>,
}

/// A place on a walk: a node whose key the path begins with.
pub(super) struct Stop<'t> {
    /// In order of rank.
    pub candidates: &'t [Candidate],
    /// The best rank that can be found here and along the branch.
    pub best: u32,
    /// The root of another walk, and where in the path that one starts.
    pub branch: Option<(u32, usize)>,
}

impl Forest {
    /// The places at which `path`, from `start` on, goes by candidates; the longest key first, because that mostly
    /// is the best one and spares a look at the others.
    pub(super) fn walk<'t>(
        &'t self,
        root: u32,
        path: &'t [u8],
        start: usize,
    ) -> impl Iterator<Item = Stop<'t>> {
        let deepest = self.deepest(root, &path[start..]);
        let first = if self.is_stop(deepest) {
            deepest
        } else {
            self.node(deepest).up
        };
        let place = |at: u32| (at != NONE).then_some(at);
        std::iter::successors(place(first), move |&at| place(self.node(at).up)).map(move |at| {
            let node = self.node(at);
            let branch = self.segment_child(node).and_then(|child| {
                let from = start + node.depth as usize;
                let slash = path[from..].iter().position(|&byte| byte == b'/')?;
                Some((child, from + slash))
            });
            Stop {
                candidates: self.candidates_of(node),
                best: node.best,
                branch,
            }
        })
    }

    fn deepest(&self, root: u32, path: &[u8]) -> u32 {
        let mut at = root;
        let mut rest = path;
        while let Some(&byte) = rest.first() {
            let Some(child) = self.child(self.node(at), byte) else {
                break;
            };
            let Some(below) = rest.strip_prefix(self.label(self.node(child))) else {
                break;
            };
            (at, rest) = (child, below);
        }
        at
    }

    fn child(&self, node: &Node, byte: u8) -> Option<u32> {
        let children = &self.nodes[node.children as usize..][..usize::from(node.child_count)];
        let place = children
            .binary_search_by_key(&byte, |child| child.first)
            .ok()?;
        Some(node.children + place as u32)
    }

    /// No byte is greater than [`SEGMENT`], so that child is the last.
    fn segment_child(&self, node: &Node) -> Option<u32> {
        let last = node.children + u32::from(node.child_count.checked_sub(1)?);
        (self.node(last).first == SEGMENT).then_some(last)
    }

    fn is_stop(&self, at: u32) -> bool {
        let node = self.node(at);
        node.candidate_count > 0 || self.segment_child(node).is_some()
    }

    fn node(&self, at: u32) -> &Node {
        &self.nodes[at as usize]
    }

    fn label(&self, node: &Node) -> &[u8] {
        &self.labels[node.label as usize..][..node.label_length as usize]
    }

    fn candidates_of(&self, node: &Node) -> &[Candidate] {
        &self.candidates[node.candidates as usize..][..node.candidate_count as usize]
    }
}

/// Planting.
impl Forest {
    /// Adds a tree and returns its root.
    pub(super) fn plant(&mut self, items: &mut Vec<Item<'_>>) -> u32 {
        items.sort_unstable();
        items.dedup();
        let root = self.push(Node {
            up: NONE,
            best: NONE,
            ..Node::default()
        });
        // A list of what is left to do instead of recursion: how deep keys nest is up to whoever writes them.
        let mut left = vec![Growth {
            at: root,
            items: 0..items.len(),
            read: 0,
            walk: 0,
        }];
        while let Some(growth) = left.pop() {
            self.grow(growth, items, &mut left);
        }
        self.rate(root);
        root
    }

    pub(super) fn shrink_to_fit(&mut self) {
        self.nodes.shrink_to_fit();
        self.labels.shrink_to_fit();
        self.candidates.shrink_to_fit();
    }

    #[cfg(test)]
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    fn push(&mut self, node: Node) -> u32 {
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    /// Gives a node its candidates and its children.
    fn grow(&mut self, growth: Growth, items: &[Item<'_>], left: &mut Vec<Growth>) {
        let Growth {
            at,
            items: range,
            read,
            walk,
        } = growth;
        let own = items[range.clone()]
            .iter()
            .take_while(|item| item.key.len() == read)
            .count();
        let (first_candidate, first_child) =
            (self.candidates.len() as u32, self.nodes.len() as u32);
        self.candidates.extend(
            items[range.clone()][..own]
                .iter()
                .map(|item| item.candidate),
        );
        let mut from = range.start + own;
        while from < range.end {
            let (label, until) = branch(items, from..range.end, read);
            let key = &items[from].key[read..read + label];
            let (is_segment, until_read) = (key[0] == SEGMENT, read + label);
            let walk = if is_segment { until_read } else { walk };
            let node = Node {
                label: self.labels.len() as u32,
                label_length: label as u32,
                first: key[0],
                depth: (until_read - walk) as u32,
                up: NONE,
                best: NONE,
                ..Node::default()
            };
            self.labels.extend_from_slice(key);
            let child = self.push(node);
            left.push(Growth {
                at: child,
                items: from..until,
                read: until_read,
                walk,
            });
            from = until;
        }
        let count = self.nodes.len() as u32 - first_child;
        let node = &mut self.nodes[at as usize];
        (node.candidates, node.candidate_count) = (first_candidate, own as u32);
        (node.children, node.child_count) = (first_child, count as u16);
        self.link(at);
    }

    /// Tells the children which node above them a walk stops at next.
    fn link(&mut self, at: u32) {
        let up = if self.is_stop(at) {
            at
        } else {
            self.node(at).up
        };
        let (children, count) = (
            self.node(at).children as usize,
            usize::from(self.node(at).child_count),
        );
        for child in &mut self.nodes[children..][..count] {
            // Below a segment begins a walk of its own.
            child.up = if child.first == SEGMENT { NONE } else { up };
        }
    }

    /// Works out the best ranks of the tree planted last. Children come after their parents, so from the end.
    fn rate(&mut self, root: u32) {
        let mut subtrees = vec![NONE; self.nodes.len() - root as usize];
        for at in (root..self.nodes.len() as u32).rev() {
            let below = |child: u32| subtrees[(child - root) as usize];
            let node = self.node(at);
            let own = self
                .candidates_of(node)
                .first()
                .map_or(NONE, |candidate| candidate.rank);
            let best = self
                .segment_child(node)
                .map_or(own, |child| own.min(below(child)));
            let children = node.children..node.children + u32::from(node.child_count);
            subtrees[(at - root) as usize] = children
                .map(below)
                .min()
                .map_or(own, |children| children.min(own));
            self.nodes[at as usize].best = best;
        }
    }
}

/// A node that has yet to get its candidates and children.
struct Growth {
    at: u32,
    items: Range<usize>,
    /// How much of the items' keys leads to the node.
    read: usize,
    /// Where in the keys the node's walk starts.
    walk: usize,
}

/// The length of the label of the child that begins with the first item of `range`, and where its items end.
fn branch(items: &[Item<'_>], range: Range<usize>, read: usize) -> (usize, usize) {
    let first = &items[range.start].key[read..];
    let count = items[range.clone()].partition_point(|item| item.key[read] == first[0]);
    if first[0] == SEGMENT {
        return (1, range.start + count);
    }
    // The items are in order, so what the first and the last have in common all have in common.
    let last = &items[range.start + count - 1].key[read..];
    let shared = first
        .iter()
        .zip(last)
        .take_while(|(one, other)| one == other && **one != SEGMENT)
        .count();
    (shared, range.start + count)
}
