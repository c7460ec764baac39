//! The patterns that a machine has compiled. The ones that were not used for longest go first.

use std::collections::HashMap;
use std::rc::Rc;

use pcre2_sys as pcre;

use super::pcre::{Regex, Wrong};

/// How many are kept.
const MOST: usize = 1000;
/// Bytes that these may take together.
const MEMORY: usize = 16 << 20;

/// What the letters of `options` say.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Options {
    pcre: u32,
    dfa: bool,
    /// `D`: names may be those of several groups.
    pub(super) duplicates: bool,
}

impl Options {
    /// # Errors
    /// The letter that says nothing.
    pub(super) fn parse(letters: &[u8]) -> Result<Self, u8> {
        let mut options = Self::default();
        for letter in letters {
            options.pcre |= match letter {
                b'a' => pcre::PCRE2_ANCHORED,
                b'd' => {
                    options.dfa = true;
                    0
                }
                b'D' => {
                    options.duplicates = true;
                    pcre::PCRE2_DUPNAMES
                }
                b'i' => pcre::PCRE2_CASELESS,
                b'J' => pcre::PCRE2_ALT_BSUX | pcre::PCRE2_MATCH_UNSET_BACKREF,
                b'm' => pcre::PCRE2_MULTILINE,
                b's' => pcre::PCRE2_DOTALL,
                // Text is always checked: what is not UTF-8 could lead PCRE2 astray.
                b'u' | b'U' => pcre::PCRE2_UTF,
                b'x' => pcre::PCRE2_EXTENDED,
                // Every pattern is kept; code of the machine cannot be ended as surely as PCRE2's own matcher.
                b'o' | b'j' => 0,
                other => return Err(*other),
            };
        }
        Ok(options)
    }
}

#[derive(Default)]
pub(super) struct Cache {
    patterns: HashMap<Options, HashMap<Box<[u8]>, Entry>>,
    count: usize,
    memory: usize,
    uses: u64,
}

struct Entry {
    regex: Rc<Regex>,
    used: u64,
}

impl Cache {
    pub(super) fn get(&mut self, pattern: &[u8], options: Options) -> Result<Rc<Regex>, Wrong> {
        self.uses += 1;
        let of = self.patterns.entry(options).or_default();
        if let Some(entry) = of.get_mut(pattern) {
            entry.used = self.uses;
            return Ok(entry.regex.clone());
        }
        let regex = Rc::new(Regex::new(pattern, options.pcre, options.dfa)?);
        self.count += 1;
        self.memory += regex.memory();
        let entry = Entry {
            regex: regex.clone(),
            used: self.uses,
        };
        of.insert(pattern.into(), entry);
        while self.count > MOST || self.memory > MEMORY && self.count > 1 {
            self.forget();
        }
        Ok(regex)
    }

    fn forget(&mut self) {
        let all = self.patterns.iter();
        let all = all.flat_map(|(options, of)| {
            of.iter()
                .map(move |(pattern, entry)| (entry.used, options, pattern))
        });
        let Some((_, options, pattern)) = all.min_by_key(|(used, ..)| *used) else {
            return;
        };
        let (options, pattern) = (*options, pattern.clone());
        if let Some(entry) = self
            .patterns
            .get_mut(&options)
            .and_then(|of| of.remove(&pattern))
        {
            self.count -= 1;
            self.memory -= entry.regex.memory();
        }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.count
    }
}
