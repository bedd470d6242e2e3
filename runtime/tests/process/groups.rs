//! Groups, as far as the control groups of this machine go; what is missing is said, and its refusal tested.

use std::fs;
use std::sync::Arc;

use delay::process::{
    Cause, Cgroups, Executor, Factory, Group, GroupLimits, Image, Isolation, ProcessPolicy, Services,
};

use super::fixture::{executor, run};
use super::{Test, tests};

pub(crate) const TESTS: &[Test] = tests![process_group_is_a_cgroup_that_the_process_is_made_in];

fn process_group_is_a_cgroup_that_the_process_is_made_in(isolation: Isolation) {
    run(async {
        let (parent, limited) = match Cgroups::of_this_machine() {
            Cgroups::Unified(parent) => (parent, true),
            Cgroups::Hybrid { unified, legacy } => {
                eprintln!("hybrid: {} belong to version 1", legacy.join(", "));
                (unified, false)
            }
            other => {
                eprintln!("no cgroup version 2 here ({other:?}): groups are refused");
                let error =
                    Group::create("/sys/fs/cgroup", "delay-test", GroupLimits::default()).unwrap_err();
                assert!(error.is_not_isolated(), "{error}");
                return;
            }
        };
        let name = format!("delay-test-{}", std::process::id());
        let group = match Group::create(&parent, &name, GroupLimits::default()) {
            Ok(group) => Arc::new(group),
            Err(error) => {
                eprintln!("{} is not delegated to this user: {}", parent.display(), error.chain());
                assert!(error.is_not_isolated() && error.to_string().contains("delegated"), "{error}");
                return;
            }
        };
        let limits = GroupLimits::default().memory(64 << 20);
        match Group::create(&parent, &format!("{name}-limited"), limits) {
            Ok(group) => {
                assert!(limited);
                assert_eq!(fs::read_to_string(group.folder().join("memory.max")).unwrap().trim(), "67108864");
            }
            Err(error) => {
                assert!(error.is_not_isolated() && error.to_string().contains("`memory`"), "{error}");
                assert!(limited || error.to_string().contains("version 1"), "{error}");
            }
        }
        let (stopper, executor) = executor(isolation, 2).await;
        let outside = Executor::new_process(&executor).await.unwrap();
        let factory = group.factory(Arc::new(executor));
        let mut process = factory.new_process().await.unwrap();
        let handle = process.handle();
        let member = handle.pid().unwrap().to_string();
        assert_eq!(fs::read_to_string(group.folder().join("cgroup.procs")).unwrap().trim(), member);
        process.start(&Image::new("spin", []), &ProcessPolicy::default()).await.unwrap();
        group.kill().unwrap();
        let served = process.serve(&Services::new()).await.unwrap();
        assert_eq!(served.cause, Cause::Signal(libc::SIGKILL), "it was not us, and not the others");
        assert!(outside.handle().pid().is_some(), "who is not in the group lives");
        let folder = group.folder().to_owned();
        drop((factory, group, outside, process));
        assert!(!folder.exists(), "an empty group is removed");
        stopper.stop().await;
    });
}
