//! Documents become a typed, cross-referenced `Model`, or every issue found.
