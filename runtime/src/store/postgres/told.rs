//! What the statements of a turn are told.

use super::base::Base;
use super::marks::Ranges;
use super::push::micros;
use super::settle::Finish;
use super::sql::Parameter;
use super::turn::Wish;

/// What a claim is told.
pub(super) struct ToClaim {
    now: Option<i64>,
    ranges: Ranges,
    want: i32,
    rotation: i64,
}

impl ToClaim {
    pub(super) fn of(base: &Base, wish: &Wish<'_>) -> Self {
        Self {
            now: base.now(),
            ranges: base.marks().ranges(wish.queues),
            want: i32::try_from(wish.want).unwrap_or(i32::MAX),
            rotation: wish.token & 0xffff,
        }
    }

    pub(super) fn parameters<'a>(&'a self, wish: &'a Wish<'_>) -> Vec<Parameter<'a>> {
        let Ranges { queues, from, to, first, last, low } = &self.ranges;
        let (worker, era) = (&wish.worker.0, &wish.era);
        let mut parameters: Vec<Parameter<'_>> = vec![
            &self.now,
            worker,
            era,
            &self.want,
            &self.rotation,
            queues,
            from,
            to,
            first,
            last,
            low,
            &wish.token,
        ];
        if let Some(granted) = &wish.granted {
            parameters.push(granted);
        }
        parameters
    }
}

/// What a settling statement is told, beside what ends.
pub(super) struct ToSettle {
    now: Option<i64>,
    due: i64,
    keep: i64,
    tombstone: i64,
}

impl ToSettle {
    pub(super) fn of(base: &Base) -> Self {
        Self {
            now: base.now(),
            due: base.marks().due(),
            keep: micros(base.retention.succeeded),
            tombstone: micros(base.retention.tombstone),
        }
    }

    pub(super) fn parameters<'a>(&'a self, wish: &'a Wish<'_>, finish: &'a Finish<'_>) -> Vec<Parameter<'a>> {
        static NOTHING: Finish<'static> = Finish::NOTHING;
        let varied: &Finish<'a> = if finish.varied { finish } else { &NOTHING };
        let mut parameters: Vec<Parameter<'_>> = vec![
            &self.now,
            &wish.worker.0,
            &wish.era,
            &finish.ids,
            &finish.epochs,
            &varied.states,
            &varied.keeps,
            &varied.errors,
            &varied.results,
            &self.keep,
            &self.tombstone,
            &self.due,
            &wish.over,
        ];
        if let Some(tids) = finish.tids.as_ref().filter(|tids| !tids.is_empty()) {
            parameters.push(tids);
        }
        parameters
    }
}
