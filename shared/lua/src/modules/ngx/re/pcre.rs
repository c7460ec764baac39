//! PCRE2 without what could go wrong with it: every call is within limits, and ends when its caller's time is used up.
//!
//! The safe wrapper (`pcre2`) is not used, since it sets no limits of matching.

#![allow(unsafe_code)]

use std::ptr::{self, NonNull};

use libc::{c_int, c_void};
use pcre2_sys as pcre;

use crate::limits::overrun;

unsafe extern "C" {
    /// The bindings leave it out. The first argument of the callback is a block of what is being matched.
    fn pcre2_set_callout_8(
        context: *mut pcre::pcre2_match_context_8,
        callback: Option<unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int>,
        data: *mut c_void,
    ) -> c_int;
}

/// Steps back that one match may take (custom-plugins.md 4).
const MATCH_LIMIT: u32 = 1_000_000;
/// How deep these may nest.
const DEPTH_LIMIT: u32 = 1_000_000;
/// Memory of one match, in KiB.
const HEAP_LIMIT: u32 = 32 << 10;
/// Memory of a compiled pattern, in bytes.
const LONGEST_CODE: usize = 1 << 20;
/// Room for the states that a DFA is in at once, in integers.
const DFA_ROOM: usize = 4096;

/// No match.
const NO_MATCH: c_int = pcre::PCRE2_ERROR_NOMATCH;

/// A pattern, with what its matches need.
pub(super) struct Regex {
    code: NonNull<pcre::pcre2_code_8>,
    context: NonNull<pcre::pcre2_match_context_8>,
    data: NonNull<pcre::pcre2_match_data_8>,
    dfa: bool,
    utf: bool,
    groups: usize,
    size: usize,
    names: Vec<(Vec<u8>, usize)>,
}

/// What is wrong with a pattern, and where.
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) at: usize,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The time of the call is used up.
    Overrun,
    /// A number of PCRE2's, such as that a limit is reached.
    Code(c_int),
}

/// Where the groups of a match begin and end, the whole match first.
pub(super) type Groups = Vec<Option<(usize, usize)>>;

impl Regex {
    /// Compiles; `options` are PCRE2's.
    pub(super) fn new(pattern: &[u8], options: u32, dfa: bool) -> Result<Self, Wrong> {
        let (mut error, mut at) = (0, 0);
        // Only with callouts can a match be ended from without.
        let options = options | pcre::PCRE2_AUTO_CALLOUT;
        // SAFETY: no preconditions; null is checked below.
        let compile = unsafe { pcre::pcre2_compile_context_create_8(ptr::null_mut()) };
        if !compile.is_null() {
            // SAFETY: the context was just made.
            unsafe { pcre::pcre2_set_max_pattern_compiled_length_8(compile, LONGEST_CODE) };
        }
        // SAFETY: pattern and length belong together, the context is null or alive, the others are locals.
        let code = unsafe {
            pcre::pcre2_compile_8(
                pattern.as_ptr(),
                pattern.len(),
                options,
                &raw mut error,
                &raw mut at,
                compile,
            )
        };
        // SAFETY: it is null, which is allowed, or was made above and is used no more.
        unsafe { pcre::pcre2_compile_context_free_8(compile) };
        let Some(code) = NonNull::new(code) else {
            let message = message(error);
            return Err(Wrong { message, at });
        };
        let memory = || Wrong {
            message: "no memory".to_owned(),
            at: 0,
        };
        // SAFETY: no preconditions; null is checked.
        let context = NonNull::new(unsafe { pcre::pcre2_match_context_create_8(ptr::null_mut()) });
        // SAFETY: the code is alive; null is checked.
        let data = NonNull::new(unsafe {
            pcre::pcre2_match_data_create_from_pattern_8(code.as_ptr(), ptr::null_mut())
        });
        let (Some(context), Some(data)) = (context, data) else {
            // SAFETY: each is null, which is allowed, or was made above and is used no more.
            unsafe {
                pcre::pcre2_match_context_free_8(option(context));
                pcre::pcre2_match_data_free_8(option(data));
                pcre::pcre2_code_free_8(code.as_ptr());
            }
            return Err(memory());
        };
        // SAFETY: the context is alive; the callback is a function that needs no data.
        unsafe {
            pcre::pcre2_set_match_limit_8(context.as_ptr(), MATCH_LIMIT);
            pcre::pcre2_set_depth_limit_8(context.as_ptr(), DEPTH_LIMIT);
            pcre::pcre2_set_heap_limit_8(context.as_ptr(), HEAP_LIMIT);
            pcre2_set_callout_8(context.as_ptr(), Some(callout), ptr::null_mut());
        }
        let mut regex = Self {
            code,
            context,
            data,
            dfa,
            utf: options & pcre::PCRE2_UTF != 0,
            groups: 0,
            size: 0,
            names: Vec::new(),
        };
        regex.groups = regex.number(pcre::PCRE2_INFO_CAPTURECOUNT) as usize;
        regex.size = regex.size();
        regex.names = regex.names();
        Ok(regex)
    }

    /// How many groups it has, without the whole match.
    pub(super) fn groups(&self) -> usize {
        self.groups
    }

    /// The names of groups, and which they are of.
    pub(super) fn named(&self) -> &[(Vec<u8>, usize)] {
        &self.names
    }

    /// Whether it matches characters and not bytes.
    pub(super) fn is_utf(&self) -> bool {
        self.utf
    }

    /// Bytes that it takes.
    pub(super) fn memory(&self) -> usize {
        self.size
    }

    /// The first match that begins at `from` or behind it, into `groups`.
    pub(super) fn find(
        &self,
        text: &[u8],
        from: usize,
        groups: &mut Groups,
    ) -> Result<bool, Failure> {
        groups.clear();
        if from > text.len() {
            return Ok(false);
        }
        let (code, data, context) = (
            self.code.as_ptr(),
            self.data.as_ptr(),
            self.context.as_ptr(),
        );
        let found = if self.dfa {
            let mut room = vec![0; DFA_ROOM];
            // SAFETY: all pointers are alive and nobody else uses them: the type is neither Send nor Sync, and the
            // callout does not come here. `from` lies in the text, the workspace has the length that is told.
            unsafe {
                pcre::pcre2_dfa_match_8(
                    code,
                    text.as_ptr(),
                    text.len(),
                    from,
                    0,
                    data,
                    context,
                    room.as_mut_ptr(),
                    room.len(),
                )
            }
        } else {
            // SAFETY: as above.
            unsafe { pcre::pcre2_match_8(code, text.as_ptr(), text.len(), from, 0, data, context) }
        };
        match found {
            NO_MATCH => return Ok(false),
            pcre::PCRE2_ERROR_CALLOUT => return Err(Failure::Overrun),
            ..0 => return Err(Failure::Code(found)),
            _ => {}
        }
        // A DFA has no groups; what it finds beside the longest match is shorter.
        let count = if self.dfa { 1 } else { found as usize };
        // SAFETY: there was a match, so that many pairs are set; PCRE2 says how many there are at all.
        let pairs = unsafe {
            let pairs = pcre::pcre2_get_ovector_count_8(data) as usize;
            let vector = pcre::pcre2_get_ovector_pointer_8(data);
            std::slice::from_raw_parts(vector, 2 * count.min(pairs))
        };
        groups.extend(pairs.chunks_exact(2).map(|pair| {
            // One that took no part is the greatest number; `\K` can put the start behind the end.
            let range = (pair[0], pair[1].max(pair[0]));
            (range.1 <= text.len()).then_some(range)
        }));
        groups.resize(self.groups + 1, None);
        if groups[0].is_none() {
            return Ok(false);
        }
        Ok(true)
    }

    fn number(&self, what: u32) -> u32 {
        let mut number = 0u32;
        // SAFETY: the code is alive, and what is asked for are numbers of this size.
        unsafe {
            pcre::pcre2_pattern_info_8(self.code.as_ptr(), what, (&raw mut number).cast::<c_void>())
        };
        number
    }

    fn size(&self) -> usize {
        let mut size = 0usize;
        // SAFETY: the code is alive, and its size is a number of this size.
        unsafe {
            pcre::pcre2_pattern_info_8(
                self.code.as_ptr(),
                pcre::PCRE2_INFO_SIZE,
                (&raw mut size).cast::<c_void>(),
            )
        };
        size
    }

    fn names(&self) -> Vec<(Vec<u8>, usize)> {
        let count = self.number(pcre::PCRE2_INFO_NAMECOUNT) as usize;
        let width = self.number(pcre::PCRE2_INFO_NAMEENTRYSIZE) as usize;
        if count == 0 || width < 3 {
            return Vec::new();
        }
        let mut table: *const u8 = ptr::null();
        // SAFETY: the code is alive, and the table is told as a pointer.
        unsafe {
            pcre::pcre2_pattern_info_8(
                self.code.as_ptr(),
                pcre::PCRE2_INFO_NAMETABLE,
                (&raw mut table).cast::<c_void>(),
            )
        };
        if table.is_null() {
            return Vec::new();
        }
        // SAFETY: the table has `count` entries of `width` bytes and lives as long as the code.
        let table = unsafe { std::slice::from_raw_parts(table, count * width) };
        // Two bytes of number, then the name up to a zero.
        let entry = |entry: &[u8]| {
            let number = usize::from(entry[0]) << 8 | usize::from(entry[1]);
            let name = entry[2..].split(|byte| *byte == 0).next();
            (name.unwrap_or_default().to_vec(), number)
        };
        table.chunks_exact(width).map(entry).collect()
    }
}

impl Drop for Regex {
    fn drop(&mut self) {
        // SAFETY: they are alive, and this is their last use.
        unsafe {
            pcre::pcre2_match_data_free_8(self.data.as_ptr());
            pcre::pcre2_match_context_free_8(self.context.as_ptr());
            pcre::pcre2_code_free_8(self.code.as_ptr());
        }
    }
}

fn option<T>(pointer: Option<NonNull<T>>) -> *mut T {
    pointer.map_or(ptr::null_mut(), NonNull::as_ptr)
}

/// What PCRE2 says of an error.
fn message(error: c_int) -> String {
    let mut text = [0u8; 256];
    // SAFETY: the buffer has the length that is told.
    let length = unsafe { pcre::pcre2_get_error_message_8(error, text.as_mut_ptr(), text.len()) };
    let length = usize::try_from(length).unwrap_or(0).min(text.len());
    String::from_utf8_lossy(&text[..length]).into_owned()
}

/// Asked at every item of a pattern whether to go on.
unsafe extern "C" fn callout(_: *mut c_void, _: *mut c_void) -> c_int {
    match overrun() {
        true => pcre::PCRE2_ERROR_CALLOUT,
        false => 0,
    }
}
