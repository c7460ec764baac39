//! Tests of the plugin declarations.
