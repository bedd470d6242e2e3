//! Nothing: the tests' own features lead through here to the cases (see `Cargo.toml`).
