//! Faults of a real PostgreSQL server, and of workers on it, under load. One checker looks at the history of each run:
//! nothing that was acknowledged is lost, each task ends once, epochs rise, and nothing old counts after something newer.
//!
//! `DELAY_FAULT_SECONDS` sets how long each fault is kept up; 10. `DELAY_FAULT_SECONDS=120` is the long form.

mod postgres_faults {
    mod checker;
    mod commits;
    mod disk;
    mod failover;
    mod kills;
    mod load;
    mod locks;
    mod workers;
}
