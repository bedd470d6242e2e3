//! Tokens that the stopper cancels.

use std::sync::Arc;

use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

use crate::stopper::{CancelLink, Stopper};

type Link = fn(&Stopper, &CancellationToken) -> CancelLink;
const LINKS: [Link; 2] = [Stopper::cancel_on_quiesce, Stopper::cancel_on_stop];

#[tokio::test]
async fn a_links_own_cancel_touches_only_itself_and_the_stopper_cancels_the_rest() {
    for link in LINKS {
        let (stopper, parent) = (Stopper::new(), CancellationToken::new());
        let [first, second, third] = [(); 3].map(|()| link(&stopper, &parent));
        second.cancel();
        assert_eq!([&first, &second, &third].map(|link| link.is_cancelled()), [false, true, false]);
        stopper.stop().await;
        assert_eq!([&first, &second, &third].map(|link| link.is_cancelled()), [true; 3]);
        assert!(!parent.is_cancelled());
    }
}

#[tokio::test]
async fn quiescing_cancels_at_once_and_stopping_only_after_the_tasks() {
    let (stopper, parent) = (Stopper::new(), CancellationToken::new());
    let (soon, late) = (stopper.cancel_on_quiesce(&parent), stopper.cancel_on_stop(&parent));
    let admission = stopper.admit("task").expect("admitted");
    stopper.request_stop();
    assert!(soon.is_cancelled());
    assert!(!late.is_cancelled());
    drop(admission);
    late.cancelled().await;
    assert!(stopper.is_stopping());
    stopper.stop().await;
}

#[tokio::test]
async fn a_stopper_that_is_past_it_hands_out_cancelled_tokens() {
    let stopper = Stopper::new();
    stopper.stop().await;
    for link in LINKS {
        assert!(link(&stopper, &CancellationToken::new()).is_cancelled());
    }
}

#[test]
fn a_parent_cancels_its_links_and_only_them() {
    let (stopper, parent, other) = (Stopper::new(), CancellationToken::new(), CancellationToken::new());
    for link in LINKS {
        let (mine, others) = (link(&stopper, &parent), link(&stopper, &other));
        parent.cancel();
        assert!(mine.is_cancelled());
        assert!(!others.is_cancelled());
    }
    assert!(!stopper.is_quiescing());
}

#[test]
fn a_dropped_link_is_cancelled_and_forgotten() {
    let (stopper, parent) = (Stopper::new(), CancellationToken::new());
    for link in LINKS {
        let link = link(&stopper, &parent);
        let token = link.token().clone();
        assert_eq!(stopper.shared.on_quiesce.len() + stopper.shared.on_stop.len(), 1);
        drop(link);
        assert_eq!(stopper.shared.on_quiesce.len() + stopper.shared.on_stop.len(), 0);
        assert!(token.is_cancelled());
    }
    assert!(!parent.is_cancelled());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_linked_while_the_stopper_stops_stays_alive() {
    for _ in 0..100 {
        let (stopper, start) = (Stopper::new(), Arc::new(Barrier::new(2)));
        let linker = {
            let (stopper, start) = (stopper.clone(), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                let parent = CancellationToken::new();
                let links: Vec<_> = (0..20).flat_map(|_| LINKS.map(|link| link(&stopper, &parent))).collect();
                for link in &links {
                    link.cancelled().await;
                }
            })
        };
        start.wait().await;
        stopper.stop().await;
        linker.await.expect("every token was cancelled");
    }
}
