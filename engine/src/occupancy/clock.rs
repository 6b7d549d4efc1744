//! The time for which processes worked on a run, without pauses and the time between processes.

use crate::ids::Timestamp;
use crate::record::{Rest, RunSummary};

/// Turns times of the journal into microseconds of work.
#[derive(Clone, Debug)]
pub struct WorkClock {
    began: Timestamp,
    ended: Timestamp,
    /// Each rest with the microseconds of all rests before it.
    rests: Vec<(Rest, i64)>,
}

impl WorkClock {
    /// The clock of a run as it stands. Where rests were not recorded, its time includes them.
    pub fn of(summary: &RunSummary) -> Self {
        let mut before = 0;
        let began = summary.started_at.unwrap_or_default();
        // What people do to a run that is over is no part of its time.
        let ended = summary.finished_at.or(summary.updated_at).unwrap_or(began);
        let rests = summary.rests.iter().flatten();
        let rests = rests
            .filter(|rest| rest.from < ended)
            .map(|rest| {
                let entry = (*rest, before);
                before += rest.to.0 - rest.from.0;
                entry
            })
            .collect();
        Self {
            began,
            ended,
            rests,
        }
    }

    /// Microseconds of work up to `time`.
    pub fn micros(&self, time: Timestamp) -> i64 {
        let time = time.clamp(self.began, self.ended);
        let passed = self.rests.partition_point(|(rest, _)| rest.from <= time);
        let rested = match passed.checked_sub(1).and_then(|last| self.rests.get(last)) {
            Some((rest, before)) => before + time.min(rest.to).0 - rest.from.0,
            None => 0,
        };
        (time.0 - self.began.0 - rested).max(0)
    }

    /// Microseconds of work in all.
    pub fn whole(&self) -> i64 {
        self.micros(self.ended)
    }

    /// The time at which `micros` microseconds of work were done: after a rest that begins then.
    pub fn time_at(&self, micros: i64) -> Timestamp {
        let rested = |(rest, before): &&(Rest, i64)| rest.from.0 - self.began.0 - before <= micros;
        let rests = self.rests.iter().take_while(rested);
        let rested: i64 = rests.map(|(rest, _)| rest.to.0 - rest.from.0).sum();
        Timestamp(self.began.0 + micros + rested)
    }

    /// The rests, with the microseconds of work at which each began.
    pub fn rests(&self) -> impl Iterator<Item = (i64, Rest)> {
        self.rests
            .iter()
            .map(|(rest, before)| (rest.from.0 - self.began.0 - before, *rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_rests_is_no_work() {
        let rest = |from, to| Rest {
            from: Timestamp(from),
            to: Timestamp(to),
            paused: false,
        };
        let summary = RunSummary {
            started_at: Some(Timestamp(100)),
            updated_at: Some(Timestamp(1_000)),
            rests: Some(vec![rest(200, 500), rest(700, 750)]),
            ..RunSummary::default()
        };
        let clock = WorkClock::of(&summary);
        let times = [0, 100, 150, 200, 300, 500, 600, 700, 720, 760, 1_000, 5_000];
        let work = times.map(|time| clock.micros(Timestamp(time)));
        assert_eq!(
            work,
            [0, 0, 50, 100, 100, 100, 200, 300, 300, 310, 550, 550]
        );
        assert_eq!(clock.whole(), 550);
        let back = [0, 99, 100, 299, 300, 550].map(|micros| clock.time_at(micros).0);
        assert_eq!(back, [100, 199, 500, 699, 750, 1_000]);
        let begun: Vec<i64> = clock.rests().map(|(at, _)| at).collect();
        assert_eq!(begun, [100, 300]);
        let over = RunSummary {
            finished_at: Some(Timestamp(700)),
            ..summary
        };
        let clock = WorkClock::of(&over);
        assert_eq!((clock.whole(), clock.rests().count()), (300, 1));
    }
}
