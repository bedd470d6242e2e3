//! A course in `delay`, one idea per example, beside this folder:
//!
//! 1. `quickstart`: a function, a store, a runtime
//! 2. `checksum`: real work on real files, which may be killed at any moment
//! 3. `retry`: what a failure can say about itself
//! 4. `arguments`: what a function can take, and how a signature changes
//! 5. `state`: what no call can store
//! 6. `shutdown`: a process that ends well
//! 7. `transaction`: the queue inside your own database
//! 8. `cron`: functions that the clock calls
//! 9. `queues`: rates, pauses, and tasks that are pulled
//! 10. `webapp`: a web application that enqueues, and takes tasks in
//! 11. `dispatcher`: tasks that run in another program
//! 12. `isolate`: functions that may do what they like, in processes of their own
//! 13. `wasm_plugin`: programs of your users, inside your process
//! 14. `survive_deploy`: a computation that is suspended, stored and resumed
//! 15. `testing`: days that pass in no time
//!
//! This crate owns what they share, the store that they use, and nothing that an example is about.

/// The store of every example: what `DELAY_STORE` says, or the file `delay.db` in the working folder.
#[must_use]
pub fn store() -> String {
    std::env::var("DELAY_STORE").unwrap_or_else(|_| "sqlite:delay.db".into())
}
