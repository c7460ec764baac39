//! The Lua engine that both planes may use: sandbox, limits, compilation (custom-plugins.md 2.1, 6.2, 6.3).
