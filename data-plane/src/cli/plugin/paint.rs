//! Colours, where a person reads them on a terminal.

/// Puts texts into colours, or leaves them.
#[derive(Clone, Copy)]
pub(super) struct Paint {
    coloured: bool,
}

impl Paint {
    pub(super) fn new(coloured: bool) -> Self {
        Self { coloured }
    }

    fn with(self, code: &str, text: &str) -> String {
        match self.coloured {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }

    pub(super) fn title(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(super) fn aside(self, text: &str) -> String {
        self.with("2", text)
    }

    pub(super) fn more(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(super) fn less(self, text: &str) -> String {
        self.with("31", text)
    }

    pub(super) fn changed(self, text: &str) -> String {
        self.with("33", text)
    }

    pub(super) fn wrong(self, text: &str) -> String {
        self.with("1;31", text)
    }
}
