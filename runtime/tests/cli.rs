//! The program `delay`, run as people and scripts run it, on real files that the library has prepared.

mod cli {
    mod acting;
    mod choosing;
    mod doctoring;
    mod fixture;
    mod listing;
    mod migrating;
    mod opening;
    mod pipes;
    mod queueing;
    mod showing;
    mod surveying;
}
