//! Where a write comes from: what the change log and the audit keep of it.

use std::net::IpAddr;

/// Who writes, from where, and what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// `token:ci`, `loopback`, `expiry`.
    pub name: String,
    /// Where the request came from; `None`: this process itself, or a command beside it.
    pub from: Option<IpAddr>,
    /// `PATCH /services/orders`. A write that says so is audited even if it takes no revision.
    pub action: Option<String>,
}

impl Author {
    /// Somebody of that name.
    pub fn new(name: impl Into<String>) -> Author {
        Author {
            name: name.into(),
            from: None,
            action: None,
        }
    }

    /// Says where the request came from.
    #[must_use]
    pub fn at(mut self, address: Option<IpAddr>) -> Author {
        self.from = address;
        self
    }

    /// Says what was asked.
    #[must_use]
    pub fn doing(mut self, action: impl Into<String>) -> Author {
        self.action = Some(action.into());
        self
    }
}

impl From<&str> for Author {
    fn from(name: &str) -> Author {
        Author::new(name)
    }
}

impl From<&Author> for Author {
    fn from(author: &Author) -> Author {
        author.clone()
    }
}
