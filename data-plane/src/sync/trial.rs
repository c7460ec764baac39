//! The crash-loop guard: which content is on trial, and which one is not booted any more.
//!
//! A marker is written before a version begins to serve and taken away once it has run healthy for 60 s or the process
//! stopped in order. A start that finds one knows that the last process did not end well.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use shared::sync::Digest;

/// So many crashes on trial put content into quarantine.
const CRASHES: u32 = 2;

/// The marker's file, `trial`. It must outlive the process, not the machine: no fsync.
#[derive(Debug)]
pub(super) struct Trial {
    file: PathBuf,
    marks: Marks,
}

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Marks {
    trying: Option<Trying>,
    /// Ran healthy for 60 s.
    proven: Option<Hex>,
    /// Not booted while anything else is.
    quarantined: Option<Hex>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Trying {
    digest: Hex,
    crashes: u32,
}

/// A digest as JSON has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Hex(Digest);

impl TryFrom<String> for Hex {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Digest::from_hex(&text)
            .map(Self)
            .ok_or("expected 80 hexadecimal digits")
    }
}

impl From<Hex> for String {
    fn from(hex: Hex) -> Self {
        hex.0.to_string()
    }
}

/// What was on trial before, to be put back if the new candidate does not get to serve.
#[must_use]
pub(super) struct Before(Option<Trying>);

impl Trial {
    /// Reads the marker and counts a crash if it finds one. A damaged file is no marker, and reported.
    pub(super) fn open(folder: &Path) -> (Self, Option<String>) {
        let file = folder.join("trial");
        let (marks, error) = match read(&file) {
            Ok(marks) => (marks, None),
            Err(error) => (Marks::default(), Some(format!("trial: {error}"))),
        };
        let mut trial = Self { file, marks };
        if let Some(trying) = &mut trial.marks.trying {
            trying.crashes += 1;
            trial.write();
        }
        (trial, error)
    }

    /// The content that the last process ended with, unless it ended well.
    pub(super) fn crashed(&self) -> Option<Digest> {
        let trying = self.marks.trying.as_ref()?;
        (trying.crashes > 0).then_some(trying.digest.0)
    }

    /// The content not to boot while anything else loads.
    pub(super) fn doubtful(&self) -> Option<Digest> {
        match &self.marks.trying {
            Some(trying) if trying.crashes >= CRASHES => Some(trying.digest.0),
            _ => self.quarantined(),
        }
    }

    /// The content that was put aside for good.
    pub(super) fn quarantined(&self) -> Option<Digest> {
        self.marks.quarantined.map(|hex| hex.0)
    }

    /// Another version boots in the place of this content.
    pub(super) fn quarantine(&mut self, digest: Digest) {
        self.marks.quarantined = Some(Hex(digest));
        self.marks
            .trying
            .take_if(|trying| trying.digest.0 == digest);
        self.marks.proven.take_if(|proven| proven.0 == digest);
        self.write();
    }

    /// Content is about to serve. Content that crashed before keeps its count.
    pub(super) fn begin(&mut self, digest: Digest) -> Before {
        let before = self.marks.trying.clone();
        let again = before.clone().filter(|trying| trying.digest.0 == digest);
        self.marks.trying = Some(again.unwrap_or(Trying {
            digest: Hex(digest),
            crashes: 0,
        }));
        self.write();
        Before(before)
    }

    /// It did not get to serve after all.
    pub(super) fn undo(&mut self, before: Before) {
        self.marks.trying = before.0;
        self.write();
    }

    /// Content has run healthy for 60 s.
    pub(super) fn healthy(&mut self, digest: Digest) {
        self.marks
            .trying
            .take_if(|trying| trying.digest.0 == digest);
        self.marks.proven = Some(Hex(digest));
        self.write();
    }

    /// Whether content once ran healthy for 60 s, the newest that did.
    pub(super) fn is_proven(&self, digest: &Digest) -> bool {
        self.marks.proven.is_some_and(|proven| proven.0 == *digest)
    }

    /// Other content took the place of what is in quarantine.
    pub(super) fn replaced(&mut self) {
        if self.marks.quarantined.take().is_some() {
            self.write();
        }
    }

    /// The process stops in order.
    pub(super) fn stopped(&mut self) {
        if self.marks.trying.take().is_some() {
            self.write();
        }
    }

    /// The guard is a help, not a condition: a full disk must not keep a version from serving.
    fn write(&self) {
        let draft = self.file.with_extension("draft");
        let json = serde_json::to_vec(&self.marks).expect("marks have a JSON form");
        let written =
            super::cache::write_private(&draft, &json).and_then(|_| fs::rename(&draft, &self.file));
        if let Err(error) = written {
            tracing::warn!(file = %self.file.display(), %error, "the crash-loop guard cannot write its marker");
        }
    }
}

fn read(file: &Path) -> io::Result<Marks> {
    match fs::read(file) {
        Ok(json) => Ok(serde_json::from_slice(&json)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Marks::default()),
        Err(error) => Err(error),
    }
}
