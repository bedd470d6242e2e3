//! What changes when this program is not root's.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use delay::process::{Config, Executor, Isolation};
use delay::stopper::Stopper;

use super::fixture::run;

pub(crate) fn full_isolation_is_refused() {
    run(async {
        let stopper = Stopper::new();
        let config = Config::default().isolation(Isolation::Full);
        let error = Executor::start(&stopper, config).await.unwrap_err();
        assert!(error.is_not_isolated(), "{error}");
        assert!(
            error.to_string().contains("CAP_SETUID") && error.to_string().contains("SingleUser"),
            "{error}"
        );
        stopper.stop().await;
    });
}

/// Runs this very program again, as `nobody`.
pub(crate) fn everything_again_as_nobody() {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("process");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let ended = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&program)
        .current_dir("/")
        .output()
        .expect("setpriv of util-linux is there");
    let out = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{out}\n{}", String::from_utf8_lossy(&ended.stderr));
    assert!(out.contains("full::is_refused_without_the_privilege") && out.contains("single_user::"), "{out}");
}
