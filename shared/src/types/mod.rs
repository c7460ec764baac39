//! Values that parse themselves.
