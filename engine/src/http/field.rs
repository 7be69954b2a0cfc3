//! Field values the engine itself must understand.
