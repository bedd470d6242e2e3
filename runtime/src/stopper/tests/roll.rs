//! The list of those to be told, without races; those are in `models`.

use crate::stopper::roll::Roll;

#[test]
fn a_place_that_was_left_is_used_again_and_its_old_owner_cannot_touch_the_new_one() {
    let roll = Roll::new(1);
    let old = roll.enter(0, "old").expect("open");
    roll.leave(old);
    assert!(roll.enter(0, "new").is_ok());
    assert_eq!(roll.replace(old, "stale"), Ok(()), "an entry for nobody is dropped");
    roll.leave(old);
    assert_eq!(roll.len(), 1);
    assert_eq!(roll.close(), ["new"]);
}

#[test]
fn entries_are_told_in_their_order_and_once() {
    let roll = Roll::new(1);
    for entry in 0..3 {
        assert!(roll.enter(entry, entry).is_ok());
    }
    assert_eq!(roll.close(), [0, 1, 2]);
    assert!(roll.close().is_empty());
    assert_eq!(roll.enter(0, 3).err(), Some(3));
}
