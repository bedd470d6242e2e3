//! The rules as a table: a site, and what its file is called.

use super::{Canonical, Site, canonical};

/// A package `app` in `/home/ada/ws/app`, built by Cargo from the workspace's folder.
const MEMBER: Site<'static> = Site {
    package: "app",
    manifest_dir: "/home/ada/ws/app",
    working_dir: "/home/ada/ws",
    out_dir: "",
    file: "",
};

/// The same package as a registry dependency; Cargo then runs the compiler in the package's folder.
const DEPENDENCY: Site<'static> = Site {
    package: "app",
    manifest_dir: "/home/ada/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/app-1.2.3",
    working_dir: "/home/ada/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/app-1.2.3",
    out_dir: "",
    file: "",
};

/// The same package checked out from Git, in a folder of a repository `suite`.
const CHECKOUT: Site<'static> = Site {
    package: "app",
    manifest_dir: "/home/ada/.cargo/git/checkouts/suite-9f3c2b1a0d4e5f67/0a1b2c3/crates/app",
    working_dir: "/home/ada/.cargo/git/checkouts/suite-9f3c2b1a0d4e5f67/0a1b2c3/crates/app",
    out_dir: "",
    file: "",
};

/// The same package on Windows.
const WINDOWS: Site<'static> = Site {
    package: "app",
    manifest_dir: r"C:\Users\Ada\ws\app",
    working_dir: r"C:\Users\Ada\ws",
    out_dir: "",
    file: "",
};

/// A build that is not Cargo's.
const BARE: Site<'static> = Site { package: "app", manifest_dir: "", working_dir: "", out_dir: "", file: "" };

/// What each file is called. `known` paths are given as they are, the others with a leading `?`.
const TABLE: &[(&str, Site<'static>, &str)] = &[
    // The package's own files.
    ("a member's file, relative to the workspace", Site { file: "app/src/main.rs", ..MEMBER }, "src/main.rs"),
    (
        "the same file by its full path",
        Site { file: "/home/ada/ws/app/src/main.rs", ..MEMBER },
        "src/main.rs",
    ),
    ("a module's file", Site { file: "app/src/mail/welcome.rs", ..MEMBER }, "src/mail/welcome.rs"),
    ("an integration test", Site { file: "app/tests/mail.rs", ..MEMBER }, "tests/mail.rs"),
    ("an example", Site { file: "app/examples/mail.rs", ..MEMBER }, "examples/mail.rs"),
    ("a bench", Site { file: "app/benches/mail.rs", ..MEMBER }, "benches/mail.rs"),
    ("another binary", Site { file: "app/src/bin/worker.rs", ..MEMBER }, "src/bin/worker.rs"),
    (
        "a nested member",
        Site { manifest_dir: "/home/ada/ws/crates/mail/app", file: "crates/mail/app/src/lib.rs", ..MEMBER },
        "src/lib.rs",
    ),
    (
        "a package that is its own workspace",
        Site { manifest_dir: "/home/ada/ws", file: "src/main.rs", ..MEMBER },
        "src/main.rs",
    ),
    (
        "a checkout in a folder called src",
        Site { manifest_dir: "/src", working_dir: "/src", file: "src/main.rs", ..MEMBER },
        "src/main.rs",
    ),
    (
        "a member called src in a checkout called src",
        Site { manifest_dir: "/src/src", working_dir: "/src", file: "src/src/main.rs", ..MEMBER },
        "src/main.rs",
    ),
    (
        "a checkout in the root folder",
        Site { manifest_dir: "/", working_dir: "/", file: "src/main.rs", ..MEMBER },
        "src/main.rs",
    ),
    (
        "a checkout in a folder named after a release",
        Site { manifest_dir: "/tmp/app-9.9.9", working_dir: "/tmp/app-9.9.9", file: "src/main.rs", ..MEMBER },
        "src/main.rs",
    ),
    (
        "a checkout below a folder called vendor",
        Site { manifest_dir: "/vendor/ws/app", working_dir: "/vendor/ws", file: "shared/jobs.rs", ..MEMBER },
        "../shared/jobs.rs",
    ),
    (
        "a folder whose name begins like the package's",
        Site { file: "app-tools/src/main.rs", ..MEMBER },
        "../app-tools/src/main.rs",
    ),
    // Segments.
    ("a leading dot", Site { file: "./app/src/main.rs", ..MEMBER }, "src/main.rs"),
    ("a way up and down again", Site { file: "app/src/../src/./main.rs", ..MEMBER }, "src/main.rs"),
    ("doubled separators", Site { file: "app//src///main.rs", ..MEMBER }, "src/main.rs"),
    (
        "a file beside the package, by #[path]",
        Site { file: "app/src/../../shared/jobs.rs", ..MEMBER },
        "../shared/jobs.rs",
    ),
    (
        "a file beside a nested package",
        Site { manifest_dir: "/home/ada/ws/crates/app", file: "crates/shared/jobs.rs", ..MEMBER },
        "../shared/jobs.rs",
    ),
    // Generated files.
    (
        "a build script's file",
        Site {
            out_dir: "/home/ada/ws/target/debug/build/app-0123456789abcdef/out",
            file: "/home/ada/ws/target/debug/build/app-0123456789abcdef/out/jobs.rs",
            ..MEMBER
        },
        "$OUT_DIR/jobs.rs",
    ),
    (
        "a build script's file below the package's own folder",
        Site {
            manifest_dir: "/home/ada/ws",
            file: "/home/ada/ws/target/debug/build/app-0123456789abcdef/out/deep/jobs.rs",
            ..MEMBER
        },
        "$OUT_DIR/deep/jobs.rs",
    ),
    (
        "a build script's file in the newer layout",
        Site { file: "/var/build/debug/build/app/0123456789abcdef/out/jobs.rs", ..MEMBER },
        "$OUT_DIR/jobs.rs",
    ),
    (
        "another package's generated file",
        Site { file: "/home/ada/ws/target/debug/build/mail-0123456789abcdef/out/jobs.rs", ..MEMBER },
        "mail/$OUT_DIR/jobs.rs",
    ),
    (
        "a folder called build without a hash is an ordinary one",
        Site { file: "app/src/build/app-tools/out/jobs.rs", ..MEMBER },
        "src/build/app-tools/out/jobs.rs",
    ),
    (
        "the examples of a documentation",
        Site { file: "/tmp/rustdoctestx9NRg8/doctest_bundle_2024.rs", ..MEMBER },
        "doctest_bundle_2024.rs",
    ),
    // Dependencies.
    (
        "a registry dependency",
        Site {
            file: "/home/ada/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/app-1.2.3/src/mail.rs",
            ..DEPENDENCY
        },
        "src/mail.rs",
    ),
    (
        "a registry dependency, not built by Cargo",
        Site { file: "/opt/cargo/registry/src/github.com-1ecc6299db9ec823/app-1.2.3/src/mail.rs", ..BARE },
        "src/mail.rs",
    ),
    (
        "a pre-release with build metadata",
        Site { file: "/c/registry/src/index/app-1.2.3-beta.1+linux.5/src/mail.rs", ..BARE },
        "src/mail.rs",
    ),
    (
        "another dependency's macro",
        Site { file: "/c/registry/src/index/mail-2d-kit-0.4.0-rc.1/src/lib.rs", ..MEMBER },
        "mail-2d-kit/src/lib.rs",
    ),
    (
        "a registry inside the workspace",
        Site { file: "/home/ada/ws/.cargo/registry/src/index/mail-0.4.0/src/lib.rs", ..MEMBER },
        "mail/src/lib.rs",
    ),
    (
        "a Git dependency",
        Site {
            file: "/home/ada/.cargo/git/checkouts/suite-9f3c2b1a0d4e5f67/0a1b2c3/crates/app/src/a.rs",
            ..CHECKOUT
        },
        "src/a.rs",
    ),
    (
        "another Git dependency's macro",
        Site { file: "/c/git/checkouts/suite-9f3c2b1a0d4e5f67/0a1b2c3/crates/x/src/a.rs", ..MEMBER },
        "suite/crates/x/src/a.rs",
    ),
    (
        "a Git dependency, not built by Cargo",
        Site { file: "/c/git/checkouts/app-9f3c2b1a0d4e5f67/0a1b2c3/src/a.rs", ..BARE },
        "src/a.rs",
    ),
    (
        "a vendored dependency",
        Site { file: "/home/ada/ws/vendor/mail/src/lib.rs", ..MEMBER },
        "mail/src/lib.rs",
    ),
    (
        "a vendored dependency with its release",
        Site { file: "/home/ada/ws/vendor/mail-0.4.0/src/lib.rs", ..MEMBER },
        "mail/src/lib.rs",
    ),
    (
        "a vendored package itself",
        Site {
            manifest_dir: "/home/ada/ws/vendor/app-1.2.3",
            working_dir: "/home/ada/ws/vendor/app-1.2.3",
            file: "/home/ada/ws/vendor/app-1.2.3/src/a.rs",
            ..MEMBER
        },
        "src/a.rs",
    ),
    ("a folder with @v1.2.3", Site { file: "/mods/app@v1.2.3/src/a.rs", ..BARE }, "src/a.rs"),
    ("a folder with @1.2.3", Site { file: "/mods/mail@1.2.3/src/a.rs", ..MEMBER }, "mail/src/a.rs"),
    (
        "a folder with @v0.0.0 and a date",
        Site { file: "/mods/mail@v0.0.0-20180228050457-302974c03f7e/src/a.rs", ..MEMBER },
        "mail/src/a.rs",
    ),
    (
        "@master is no release",
        Site { file: "/mods/mail@master/src/a.rs", ..MEMBER },
        "?/mods/mail@master/src/a.rs",
    ),
    (
        "a release of this package elsewhere",
        Site { file: "/remapped/app-1.2.3/src/a.rs", ..MEMBER },
        "src/a.rs",
    ),
    // Windows.
    ("backslashes", Site { file: r"app\src\main.rs", ..WINDOWS }, "src/main.rs"),
    ("a drive letter", Site { file: r"C:\Users\Ada\ws\app\src\main.rs", ..WINDOWS }, "src/main.rs"),
    (
        "a drive letter in lower case",
        Site { file: r"c:\Users\Ada\ws\app\src\main.rs", ..WINDOWS },
        "src/main.rs",
    ),
    ("mixed separators", Site { file: r"C:\Users\Ada\ws/app/src\main.rs", ..WINDOWS }, "src/main.rs"),
    ("a verbatim path", Site { file: r"\\?\C:\Users\Ada\ws\app\src\main.rs", ..WINDOWS }, "src/main.rs"),
    (
        "a verbatim package folder",
        Site { manifest_dir: r"\\?\c:\Users\Ada\ws\app", file: r"app\src\main.rs", ..WINDOWS },
        "src/main.rs",
    ),
    (
        "a share",
        Site {
            manifest_dir: r"\\nas\code\app",
            working_dir: r"\\nas\code\app",
            file: r"\\?\UNC\nas\code\app\src\main.rs",
            ..WINDOWS
        },
        "src/main.rs",
    ),
    (
        "a registry dependency on Windows",
        Site {
            file: r"D:\cargo\registry\src\index.crates.io-1949cf8c6b5b557f\mail-0.4.0\src\lib.rs",
            ..WINDOWS
        },
        "mail/src/lib.rs",
    ),
    (
        "a build script's file on Windows",
        Site { file: r"C:\Users\Ada\ws\target\debug\build\app-0123456789abcdef\out\jobs.rs", ..WINDOWS },
        "$OUT_DIR/jobs.rs",
    ),
    ("a way up from a drive's root", Site { file: r"C:\..\Users\Ada\ws\app\a.rs", ..WINDOWS }, "a.rs"),
    // Remapped and unknown forms, which keep their full text.
    ("a prefix remapped to nothing", Site { file: "app/src/main.rs", ..MEMBER }, "src/main.rs"),
    (
        "the standard library",
        Site { file: "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/core/src/lib.rs", ..MEMBER },
        "?/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/core/src/lib.rs",
    ),
    ("a remapped prefix", Site { file: "/remapped/src/a.rs", ..MEMBER }, "?/remapped/src/a.rs"),
    ("a file elsewhere", Site { file: "/etc/jobs.rs", ..MEMBER }, "?/etc/jobs.rs"),
    ("another drive", Site { file: r"D:\jobs\a.rs", ..WINDOWS }, "?D:/jobs/a.rs"),
    ("a way up out of the workspace", Site { file: "../elsewhere/a.rs", ..MEMBER }, "?../elsewhere/a.rs"),
    ("no folder to go by", Site { file: "src/main.rs", ..BARE }, "?src/main.rs"),
    ("no file at all", Site { file: "<macro expansion>", ..MEMBER }, "?<macro expansion>"),
    ("nothing", Site { file: "", ..MEMBER }, "?"),
];

#[test]
fn every_row_of_the_table_holds() {
    let wrong: Vec<String> = TABLE
        .iter()
        .filter_map(|(case, site, expected)| {
            let canonical = canonical(site);
            let shown = if canonical.known { canonical.file } else { format!("?{}", canonical.file) };
            (shown != *expected).then(|| format!("{case}: {} is {shown}, not {expected}", site.file))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_is_not_thinned_out() {
    assert!(TABLE.len() >= 50, "{} rows", TABLE.len());
}

/// The places from which one and the same file of one package may be compiled.
#[test]
fn one_file_has_one_identity_wherever_it_is_compiled() {
    let sites = [
        Site { file: "app/src/mail.rs", ..MEMBER },
        Site { file: "/home/ada/ws/app/src/mail.rs", ..MEMBER },
        Site { manifest_dir: "/src", working_dir: "/src", file: "src/mail.rs", ..MEMBER },
        Site { manifest_dir: "/build", working_dir: "/build", file: "/build/src/mail.rs", ..MEMBER },
        Site {
            file: "/home/ada/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/app-1.2.3/src/mail.rs",
            ..DEPENDENCY
        },
        Site {
            file: "/home/ada/.cargo/git/checkouts/suite-9f3c2b1a0d4e5f67/0a1b2c3/crates/app/src/mail.rs",
            ..CHECKOUT
        },
        Site { file: r"app\src\mail.rs", ..WINDOWS },
        Site { file: r"\\?\c:\Users\Ada\ws\app\src\mail.rs", ..WINDOWS },
    ];
    for site in sites {
        assert_eq!(canonical(&site), Canonical { file: "src/mail.rs".to_owned(), known: true }, "{site:?}");
    }
}

/// Whatever text arrives, a known name is relative and free of `.`, backslashes and this machine's folders.
#[test]
fn a_known_name_never_holds_a_folder_of_this_machine() {
    for (case, site, _) in TABLE {
        let Canonical { file, known } = canonical(site);
        if known {
            assert!(
                !file.starts_with('/') && !file.contains('\\') && !file.contains("ada"),
                "{case}: {file}"
            );
            assert!(!file.split('/').any(|part| part == "." || part.is_empty()), "{case}: {file}");
        }
    }
}
