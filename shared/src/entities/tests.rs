//! Tests of the entity declarations.
