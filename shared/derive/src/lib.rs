//! The one procedural macro: a struct becomes a `Schema` or a list of settings, so that each is declared once.
