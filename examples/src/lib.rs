//! What the examples share: the store that they use. Everything else of an example is in its own file, beside this
//! folder.

/// The store of every example: what `DELAY_STORE` says, or the file `delay.db` in the working folder.
#[must_use]
pub fn store() -> String {
    std::env::var("DELAY_STORE").unwrap_or_else(|_| "sqlite:delay.db".into())
}
