//! The end of a store.

use delay::store::{Action, Filter, Queues, UpkeepRules};
use delay::{Error, Result};
use delay_tests::{Fixture, Hand, task};

pub(crate) async fn closing_twice_is_closing_once(f: Fixture) -> Result<()> {
    f.store().close().await?;
    f.store().close().await
}

pub(crate) async fn what_was_begun_before_the_close_is_done(f: Fixture) -> Result<()> {
    let second = f.second().await?;
    let given = task();
    let id = given.id;
    let push = f.store().push(vec![given]);
    let close = f.store().close();
    let (pushed, closed) = tokio::join!(push, close);
    pushed?;
    closed?;
    if !std::ptr::eq(f.store().signals(), second.signals()) {
        assert!(second.get(vec![id]).await?[0].is_some());
    }
    Ok(())
}

pub(crate) async fn after_the_close_every_verb_fails(f: Fixture) -> Result<()> {
    let store = f.store();
    let hand = Hand::enlist(store).await?;
    store.close().await?;
    let answers: [(&str, Option<Error>); 11] = [
        ("push", store.push(vec![task()]).await.err()),
        ("enlist", Hand::enlist(store).await.err()),
        ("turn", hand.turn(Vec::new(), 1, Queues::All).await.err()),
        ("start", store.start(Vec::new()).await.err()),
        ("beat", store.beat(hand.id).await.err()),
        ("retire", store.retire(hand.id).await.err()),
        ("get", store.get(Vec::new()).await.err()),
        ("list", store.list(Filter::default()).await.err()),
        ("counts", store.counts().await.err()),
        ("upkeep", store.upkeep(UpkeepRules::default()).await.err()),
        ("act", store.act(Action::Retry, Vec::new()).await.err()),
    ];
    let wrong: Vec<_> =
        answers.iter().filter(|(_, error)| !error.as_ref().is_some_and(Error::is_unavailable)).collect();
    assert!(wrong.is_empty(), "these did not say that the store is closed: {wrong:?}");
    Ok(())
}
