//! One file per plugin: what it may be told, which credentials it owns. This is the list.
