//! `delay ps` and `delay kill`, as an operator runs them beside a worker.

use std::process::{Command, Output};

use delay::process::Isolation;
use delay::{Function as _, TaskState};
use serde_json::Value;

use super::fixture::run;
use super::functions::{Works, begun, runtime};
use super::{Test, tests};

pub(crate) const TESTS: &[Test] = tests![an_operator_sees_each_process_and_kills_it];

fn delay(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_delay"));
    command.args(args).env_remove("DELAY_STORE").output().expect("the tool starts")
}

/// The processes of this worker.
fn processes() -> Vec<Value> {
    let listed = delay(&["ps", "--json"]);
    assert!(listed.status.success(), "{listed:?}");
    let document: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let own = format!("{}.", std::process::id());
    let is_own = |process: &&Value| process["id"].as_str().is_some_and(|id| id.starts_with(&own));
    document["processes"].as_array().unwrap().iter().filter(is_own).cloned().collect()
}

fn an_operator_sees_each_process_and_kills_it(isolation: Isolation) {
    run(async {
        let rt = runtime(isolation).await;
        assert_eq!(processes(), Vec::<Value>::new(), "those that only wait are not shown");
        let handle = Works::call(&rt, true).await.unwrap();
        begun(&handle).await;
        let [process] = processes().try_into().expect("one");
        assert_eq!(process["function"], Works::id());
        assert_eq!(process["task"], handle.id().to_string());
        assert!(process["cpu"].is_number() && process["age"].as_f64().unwrap() > 0.0, "{process}");
        assert!(process["memory"].as_u64().unwrap() > 1 << 20, "{process}");
        assert!(std::path::Path::new(&format!("/proc/{}", process["pid"])).exists(), "{process}");
        let text = String::from_utf8(delay(&["ps"]).stdout).unwrap();
        let heads = "ID PID FUNCTION TASK CPU MEMORY AGE";
        assert!(text.lines().next().unwrap().split_whitespace().eq(heads.split(' ')), "{text}");

        let id = process["id"].as_str().unwrap();
        assert!(delay(&["kill", id]).status.success());
        let record = handle.finished().await.unwrap();
        assert_eq!(record.state, TaskState::Failed);
        assert_eq!(record.error.as_deref(), Some("its process ended before the function did: it was killed"));
        assert_eq!(processes(), Vec::<Value>::new());
        let again = delay(&["kill", id]);
        assert_eq!(again.status.code(), Some(1), "{again:?}");
        assert!(String::from_utf8_lossy(&again.stderr).contains("delay ps"), "{again:?}");
        rt.stop().await.unwrap();
    });
}
