//! Benches of the parts; see `benches/`.
