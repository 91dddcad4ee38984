use super::*;
use proptest::prelude::*;

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

#[test]
fn owners_wake_in_order_of_time() {
    let mut queue = TimerQueue::new();
    let mut deadlines = [Deadline::default(); 3];
    for (owner, millis) in [30, 10, 20].into_iter().enumerate() {
        queue.schedule(&mut deadlines[owner], owner, at(millis));
    }
    assert_eq!(queue.next(), at(10));
    assert_eq!(queue.pop_due(at(9)), None);
    let order: Vec<usize> = std::iter::from_fn(|| queue.pop_due(at(30))).collect();
    assert_eq!(order, [1, 2, 0]);
    assert_eq!(queue.next(), Time::NEVER);
}

#[test]
fn an_earlier_deadline_replaces_a_later_one_and_not_the_other_way() {
    let mut queue = TimerQueue::new();
    let mut deadline = Deadline::default();
    queue.schedule(&mut deadline, 1, at(20));
    queue.schedule(&mut deadline, 1, at(10));
    queue.schedule(&mut deadline, 1, at(15));
    assert_eq!(queue.pop_due(at(10)), Some(1));
    assert!(deadline.take_due(at(10)));
    assert!(!deadline.take_due(at(10)), "served once");
    // The entry at 20 is stale.
    assert_eq!(queue.pop_due(at(20)), Some(1));
    assert!(!deadline.take_due(at(20)));
}

#[test]
fn never_is_not_kept() {
    let mut queue = TimerQueue::new();
    let mut deadline = Deadline::default();
    queue.schedule(&mut deadline, 1, Time::NEVER);
    assert_eq!(
        (queue.next(), queue.pop_due(at(1_000))),
        (Time::NEVER, None)
    );
}

proptest! {
    /// Against a plain table: whoever was asked for first is served at its time, each once.
    #[test]
    fn queue_equals_a_table(steps in proptest::collection::vec((0usize..5, 0u64..50, any::<bool>()), 1..200)) {
        let mut queue: TimerQueue<usize> = TimerQueue::new();
        let mut deadlines = [Deadline::default(); 5];
        let mut table = [None::<u64>; 5];
        let mut now = 0;
        for (owner, ahead, is_pause) in steps {
            if is_pause {
                now += ahead;
                let mut served = [false; 5];
                while let Some(owner) = queue.pop_due(at(now)) {
                    if deadlines[owner].take_due(at(now)) {
                        prop_assert!(!served[owner]);
                        served[owner] = true;
                    }
                }
                for (owner, due) in table.iter_mut().enumerate() {
                    let is_due = due.is_some_and(|due| due <= now);
                    prop_assert_eq!(served[owner], is_due);
                    if is_due {
                        *due = None;
                    }
                }
                prop_assert!(queue.next() > at(now));
            } else {
                queue.schedule(&mut deadlines[owner], owner, at(now + ahead));
                let due = table[owner].get_or_insert(now + ahead);
                *due = (*due).min(now + ahead);
            }
        }
    }
}
