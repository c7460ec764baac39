//! One file per entity. This is the list.
