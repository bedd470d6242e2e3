//! A schema of a test's own on the shared server: what most tests need.

use super::shared::{shared_psql, shared_url};

/// A name for a schema that nobody else has. It is removed, with all that the test made in it, when this is dropped.
#[derive(Debug)]
pub struct Schema {
    name: String,
}

impl Schema {
    /// A new one. It is the store's to make it: nothing is there yet.
    ///
    /// # Panics
    /// If the shared server cannot be had; see [`shared_url`].
    #[must_use]
    pub fn fresh() -> Self {
        // The server is started here, so that a test that cannot have one says so first of all.
        let _ = shared_url();
        Self { name: format!("t_{}", delay::TaskId::new().to_string().replace('-', "_")) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL of a store in it.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_with("")
    }

    /// The URL of a store in it, with more options such as `notify=off`.
    #[must_use]
    pub fn url_with(&self, options: &str) -> String {
        let mark = if shared_url().contains('?') { '&' } else { '?' };
        let more = if options.is_empty() { String::new() } else { format!("&{options}") };
        format!("{}{mark}schema={}{more}", shared_url(), self.name)
    }

    /// Runs SQL in it, and gives the rows, columns parted by `|`.
    ///
    /// # Panics
    /// If it fails, with the server's message.
    pub fn psql(&self, sql: &str) -> String {
        shared_psql(&format!("SET search_path TO {}; {sql}", self.name))
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Left for whoever looks into it; it goes with the server.
            return;
        }
        shared_psql(&format!("SET client_min_messages = error; DROP SCHEMA IF EXISTS {} CASCADE", self.name));
    }
}
