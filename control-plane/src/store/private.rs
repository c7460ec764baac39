//! Kinds that only the control plane needs: same tables, but no revision, no log and no place in the digest.
//!
//! Their names hold a slash, which no entity's does.

/// Whether documents of that kind stay out of revisions.
pub(super) fn is_private(kind: &str) -> bool {
    kind.contains('/')
}
