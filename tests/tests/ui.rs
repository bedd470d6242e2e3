//! What the attributes say about mistakes, word for word, and what they accept.
//!
//! A file in `ui` is named after its mistake and does not compile; what the compiler says then is in the `.stderr`
//! beside it (`TRYBUILD=overwrite` writes it anew). A file in `ui/pass` compiles and runs. Those in `ui/cron` are about
//! the feature `cron`, that in `ui/without-cron` about its absence, and so with `process`; those in `ui/program` are about
//! programs.

#[test]
fn mistakes_are_refused_with_a_text_that_teaches() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/*.rs");
    cases.pass("ui/pass/*.rs");
    if cfg!(feature = "programs") {
        cases.compile_fail("ui/program/*.rs");
        cases.pass("ui/program/pass/*.rs");
    }
    if cfg!(feature = "cron") {
        cases.compile_fail("ui/cron/*.rs");
        cases.pass("ui/cron/pass/*.rs");
    } else {
        cases.compile_fail("ui/without-cron/*.rs");
    }
    if cfg!(feature = "process") {
        cases.compile_fail("ui/process/*.rs");
        cases.pass("ui/process/pass/*.rs");
    } else {
        cases.compile_fail("ui/without-process/*.rs");
    }
}
