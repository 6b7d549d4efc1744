//! Whether calls take longer because there are too many of them.
//!
//! A provider that queues refuses nothing: beyond its capacity calls only get slower. So every kind of
//! call has a usual duration, and calls are compared with it in blocks. Where they take much longer,
//! the level is lowered to what the provider seems to work on at once (Little's law). That is a trial:
//! if the next block is as slow, the cause lies elsewhere, the level comes back, and the longer
//! duration is the usual one from then on.

use tokio::time::Instant;

use super::Kind;

/// Calls that give a kind its first usual duration.
const FIRST_CALLS: u32 = 16;

/// Calls of a block, at least: the means of two blocks differ by a tenth from chance alone.
const BLOCK: u32 = 64;

/// So many times the usual duration is too slow.
const TOO_SLOW: f64 = 1.5;

/// Up to so many times the usual duration a block says what is usual.
const USUAL: f64 = 1.1;

/// How much a block changes the usual duration.
const NEWS: f64 = 0.2;

/// Calls beyond what the provider works on, so that it never runs out of work.
const RESERVE: f64 = 1.2;

/// The slowest of a block are not waited for.
const NOT_WAITED_FOR: u32 = 16;

/// Compares durations, block by block.
#[derive(Debug, Default)]
pub(super) struct Slowness {
    usual: Vec<Usual>,
    number: u64,
    block: Block,
    trial: Option<Trial>,
}

/// What a call remembers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observed {
    kind: Kind,
    started: Instant,
    role: Role,
}

/// What to do about the level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Advice {
    /// Calls are as fast as ever with so many under way.
    Fine(f64),
    Lower(f64),
    Restore(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Among the first of its kind.
    First,
    /// Of the block with this number.
    Member(u64),
    None,
}

#[derive(Clone, Copy, Debug, Default)]
struct Usual {
    seconds: Option<f64>,
    first: Sums,
    block: Sums,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    admitted: u32,
    ended: u32,
    completed: u32,
    seconds: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Block {
    sums: Sums,
    usual_seconds: f64,
    in_flight: f64,
    /// Members that went out while the level was what held calls back.
    bound: u32,
}

/// A level that was lowered to see whether it helps.
#[derive(Clone, Copy, Debug)]
struct Trial {
    before: f64,
    ratio: f64,
}

impl Slowness {
    pub(super) fn admit(
        &mut self,
        kind: Kind,
        in_flight: usize,
        is_bound: bool,
        now: Instant,
    ) -> Observed {
        if self.usual.len() <= kind.0 {
            self.usual.resize(kind.0 + 1, Usual::default());
        }
        let usual = &mut self.usual[kind.0];
        let role = if usual.seconds.is_some() {
            if self.block.sums.admitted < BLOCK {
                self.block.sums.admitted += 1;
                self.block.in_flight += in_flight as f64;
                self.block.bound += u32::from(is_bound);
                Role::Member(self.number)
            } else {
                Role::None
            }
        } else if usual.first.admitted < FIRST_CALLS {
            usual.first.admitted += 1;
            Role::First
        } else {
            Role::None
        };
        Observed {
            kind,
            started: now,
            role,
        }
    }

    /// A call has ended, served or not.
    pub(super) fn ended(
        &mut self,
        call: Observed,
        served: bool,
        level: f64,
        now: Instant,
    ) -> Option<Advice> {
        let seconds = now.saturating_duration_since(call.started).as_secs_f64();
        let usual = &mut self.usual[call.kind.0];
        match call.role {
            Role::First => {
                usual.first.count(served, seconds);
                if usual.first.is_over(FIRST_CALLS) {
                    usual.seconds = usual.first.mean();
                    usual.first = Sums::default();
                }
                None
            }
            Role::Member(number) if number == self.number => {
                self.block.sums.count(served, seconds);
                if served {
                    usual.block.count(true, seconds);
                    self.block.usual_seconds += usual.seconds.unwrap_or(seconds);
                }
                let is_over = self.block.sums.is_over(BLOCK);
                is_over.then(|| self.judge(level)).flatten()
            }
            Role::Member(_) | Role::None => None,
        }
    }

    /// The level has changed for another reason: what was being compared is not comparable.
    pub(super) fn disturbed(&mut self) {
        self.trial = None;
        self.begin();
    }

    fn judge(&mut self, level: f64) -> Option<Advice> {
        let ratio = self.block.sums.seconds / self.block.usual_seconds;
        let in_flight = self.block.in_flight / f64::from(self.block.sums.admitted) + 1.0;
        let is_bound = self.block.bound * 2 > self.block.sums.admitted;
        let advice = match self.trial.take() {
            _ if !ratio.is_finite() => None,
            Some(trial) if ratio > (trial.ratio * RESERVE).sqrt() => {
                for usual in &mut self.usual {
                    usual.seconds = usual.seconds.map(|seconds| seconds * ratio);
                }
                Some(Advice::Restore(trial.before))
            }
            None if ratio >= TOO_SLOW && is_bound => {
                let lower = (RESERVE * in_flight / ratio).max(1.0);
                (lower < level).then(|| {
                    self.trial = Some(Trial {
                        before: level,
                        ratio,
                    });
                    Advice::Lower(lower)
                })
            }
            _ => {
                if ratio < USUAL {
                    self.learn();
                }
                (ratio < TOO_SLOW).then_some(Advice::Fine(in_flight))
            }
        };
        self.begin();
        advice
    }

    fn learn(&mut self) {
        for usual in &mut self.usual {
            if let (Some(seconds), Some(mean)) = (&mut usual.seconds, usual.block.mean()) {
                *seconds += (mean - *seconds) * NEWS;
            }
        }
    }

    fn begin(&mut self) {
        self.number += 1;
        self.block = Block::default();
        for usual in &mut self.usual {
            usual.block = Sums::default();
        }
    }
}

impl Sums {
    fn count(&mut self, served: bool, seconds: f64) {
        self.ended += 1;
        if served {
            self.completed += 1;
            self.seconds += seconds;
        }
    }

    fn is_over(&self, calls: u32) -> bool {
        self.admitted >= calls && self.ended >= calls - calls / NOT_WAITED_FOR
    }

    fn mean(&self) -> Option<f64> {
        (self.completed > 0).then(|| self.seconds / f64::from(self.completed))
    }
}
