//! Finds out whether calls take longer because there are too many of them.
//!
//! A provider that queues calls refuses none of them: above its capacity calls only get slower. So
//! every kind of call has a usual duration, and calls are compared with it in blocks. If a block
//! takes much longer, the level is lowered to the number of calls that the provider seems to work
//! on at once (Little's law). This is a probe. If the next block is as slow, the number of calls is
//! not the cause: the level is restored, and the longer duration becomes the usual one.

use tokio::time::Instant;

use super::terms::CallKind;

/// The first usual duration of a kind is the mean over this many calls.
const FIRST_CALLS: u32 = 16;

/// Calls of a block. With this size the means of two blocks differ by about a tenth from chance
/// alone.
const BLOCK: u32 = 64;

/// A block is slow when its calls take at least 1.5 × their usual durations.
const TOO_SLOW: f64 = 1.5;

/// A block below 1.1 × the usual durations updates them.
const USUAL: f64 = 1.1;

/// Weight of one block in the running mean that is the usual duration.
const BLOCK_WEIGHT: f64 = 0.2;

/// A lowered level is 1.2 × what the provider seems to work on, so that it never runs out of work.
const RESERVE: f64 = 1.2;

/// A block is complete without its slowest calls: one part in 16 of it.
const TAIL_PARTS: u32 = 16;

/// Turns of a shared limit until all processes have gone down, and what they had in flight has ended.
const TURNS_OF_OTHERS: u32 = 3;

/// Compares durations with the usual ones, block by block.
#[derive(Debug, Default)]
pub(super) struct LatencyMonitor {
    usual: Vec<Usual>,
    number: u64,
    block: Block,
    probe: Option<LoweringProbe>,
}

/// What is noted about a call when it starts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observed {
    kind: CallKind,
    started: Instant,
    role: Role,
}

/// What to do about the level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Advice {
    /// Calls were not slow with this many in flight on average.
    Fine(f64),
    /// Calls are slow: go down to this level.
    Lower(f64),
    /// Fewer calls were as slow: go back to this level.
    Restore(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// One of the calls that give its kind the first usual duration.
    First,
    /// Belongs to the block with this number.
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
    /// Calls of the block that started while the level held other calls back.
    bound: u32,
}

/// The level was lowered to see whether calls get faster.
#[derive(Clone, Copy, Debug)]
struct LoweringProbe {
    before: f64,
    ratio: f64,
    /// Turns of a shared limit until the others have gone down as well.
    turns_left: u32,
}

impl LatencyMonitor {
    pub(super) fn admit(
        &mut self,
        kind: CallKind,
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

    /// A call has ended. `served` says whether the provider completed it.
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

    /// The level has changed for another reason, so the current block cannot be compared. Starts a
    /// new one.
    pub(super) fn disturbed(&mut self) {
        self.probe = None;
        self.begin();
    }

    /// A turn of a shared limit has passed. What was measured before the others went down as well does not
    /// count.
    pub(super) fn turn_passed(&mut self) {
        let Some(probe) = &mut self.probe else { return };
        if probe.turns_left > 0 {
            probe.turns_left -= 1;
            self.begin();
        }
    }

    fn judge(&mut self, level: f64) -> Option<Advice> {
        let ratio = self.block.sums.seconds / self.block.usual_seconds;
        let in_flight = self.block.in_flight / f64::from(self.block.sums.admitted) + 1.0;
        let is_bound = self.block.bound * 2 > self.block.sums.admitted;
        let advice = match self.probe.take() {
            _ if !ratio.is_finite() => None,
            Some(probe) if ratio > (probe.ratio * RESERVE).sqrt() => {
                for usual in &mut self.usual {
                    usual.seconds = usual.seconds.map(|seconds| seconds * ratio);
                }
                Some(Advice::Restore(probe.before))
            }
            None if ratio >= TOO_SLOW && is_bound => {
                let lower = (RESERVE * in_flight / ratio).max(1.0);
                (lower < level).then(|| {
                    self.probe = Some(LoweringProbe {
                        before: level,
                        ratio,
                        turns_left: TURNS_OF_OTHERS,
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
                *seconds += (mean - *seconds) * BLOCK_WEIGHT;
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
        self.admitted >= calls && self.ended >= calls - calls / TAIL_PARTS
    }

    fn mean(&self) -> Option<f64> {
        (self.completed > 0).then(|| self.seconds / f64::from(self.completed))
    }
}
