//! When the limits on model calls are worth an entry of the journal.

use gepa_evaluation::CallLimit;

use crate::event::{CallLimitsNoted, NotedLimit};
use crate::ids::Seq;

/// Least time between two notes, in seconds.
const CLOSEST: f64 = 1.0;

/// A note stands for at least this part of the run's time so far, which bounds their number.
const SMALLEST_PART: f64 = 1e-3;

/// Compares the limits of now with those noted last.
#[derive(Debug)]
pub(super) struct LimitsWatch {
    noted: Vec<NotedLimit>,
    /// Calls refused up to the last note.
    counted: Vec<(String, u64)>,
    before: Option<Seq>,
    next_at: f64,
}

impl LimitsWatch {
    /// A watch that begins now, where the limits are these; `before` is the last note of the journal.
    pub(super) fn new(now: &[CallLimit], before: Option<Seq>) -> Self {
        Self {
            noted: Vec::new(),
            counted: counts(now),
            before,
            next_at: 0.0,
        }
    }

    /// The note to journal, if the limits have changed and enough time has passed. `seconds` is the
    /// run's time of work.
    pub(super) fn look(&mut self, now: &[CallLimit], seconds: f64) -> Option<CallLimitsNoted> {
        if seconds < self.next_at {
            return None;
        }
        let limits: Vec<NotedLimit> = now.iter().map(|limit| self.since(limit)).collect();
        let is_same = |(now, noted): (&NotedLimit, &NotedLimit)| {
            now.refused == 0
                && now.provider == noted.provider
                && now.allowed == noted.allowed
                && now.closed == noted.closed
        };
        if limits.len() == self.noted.len() && limits.iter().zip(&self.noted).all(is_same) {
            return None;
        }
        self.noted.clone_from(&limits);
        self.counted = counts(now);
        self.next_at = seconds + CLOSEST.max(seconds * SMALLEST_PART);
        Some(CallLimitsNoted {
            limits,
            before: self.before,
        })
    }

    /// The note that was returned last is this entry.
    pub(super) fn noted_as(&mut self, seq: Seq) {
        self.before = Some(seq);
    }

    fn since(&self, limit: &CallLimit) -> NotedLimit {
        let known = self
            .counted
            .iter()
            .find(|(provider, _)| *provider == limit.provider);
        let counted = known.map_or(0, |(_, counted)| *counted);
        NotedLimit {
            provider: limit.provider.clone(),
            allowed: limit.allowed,
            refused: limit.refused.saturating_sub(counted),
            closed: limit.closed,
        }
    }
}

fn counts(limits: &[CallLimit]) -> Vec<(String, u64)> {
    let counts = limits.iter();
    counts
        .map(|limit| (limit.provider.clone(), limit.refused))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(allowed: u32, refused: u64) -> Vec<CallLimit> {
        vec![CallLimit {
            provider: "p".to_owned(),
            allowed,
            refused,
            closed: None,
        }]
    }

    #[test]
    fn only_changes_are_noted_and_refusals_are_counted_once() {
        let mut watch = LimitsWatch::new(&limit(8, 5), Some(Seq(7)));
        let first = watch.look(&limit(8, 6), 1.0).unwrap();
        assert_eq!((first.before, first.limits[0].refused), (Some(Seq(7)), 1));
        watch.noted_as(Seq(9));
        assert_eq!(watch.look(&limit(8, 6), 2.5), None);
        let next = watch.look(&limit(8, 9), 4.0).unwrap();
        assert_eq!((next.before, next.limits[0].refused), (Some(Seq(9)), 3));
        assert_eq!(watch.look(&limit(4, 9), 4.5), None, "too soon");
        let last = watch.look(&limit(4, 10), 5.0).unwrap();
        assert_eq!((last.limits[0].allowed, last.limits[0].refused), (4, 1));
    }

    #[test]
    fn a_run_of_many_hours_has_few_notes_even_if_its_limits_never_rest() {
        let mut watch = LimitsWatch::new(&limit(8, 0), None);
        let hours = 24;
        let looks = 0..hours * 3600;
        let notes = looks.filter(|second| {
            let now = limit(8 + second % 2, u64::from(*second));
            watch.look(&now, f64::from(*second)).is_some()
        });
        assert!(notes.count() < 6_000);
    }

    #[test]
    fn a_run_without_limits_notes_nothing() {
        let mut watch = LimitsWatch::new(&[], None);
        assert_eq!(watch.look(&[], 1.0), None);
    }
}
