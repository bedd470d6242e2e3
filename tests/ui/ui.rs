//! What the attributes say about mistakes, word for word, and what they accept.
//!
//! A file in `cases` is named after its mistake and does not compile; what the compiler says then is in the `.stderr`
//! beside it (`TRYBUILD=overwrite` writes it anew). A file in `cases/pass` compiles and runs. Those in `cases/cron` are about
//! the feature `cron`, that in `cases/without-cron` about its absence, and so with `process`; those in `cases/program` are about
//! programs.

#[test]
fn mistakes_are_refused_with_a_text_that_teaches() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("cases/*.rs");
    cases.pass("cases/pass/*.rs");
    if cfg!(feature = "programs") {
        cases.compile_fail("cases/program/*.rs");
        cases.pass("cases/program/pass/*.rs");
    }
    if cfg!(feature = "cron") {
        cases.compile_fail("cases/cron/*.rs");
        cases.pass("cases/cron/pass/*.rs");
    } else {
        cases.compile_fail("cases/without-cron/*.rs");
    }
    if cfg!(feature = "process") {
        cases.compile_fail("cases/process/*.rs");
        cases.pass("cases/process/pass/*.rs");
    } else {
        cases.compile_fail("cases/without-process/*.rs");
    }
}
