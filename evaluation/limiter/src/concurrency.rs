//! Finds out from accepted and refused calls how many calls may be in flight.
//!
//! Providers do not publish their limit, so it is searched for. The number of calls in flight at
//! most is called the level. At first the level doubles from round to round. A refusal shows how
//! many calls were in flight when one more was too many. The level stays at that number, since a
//! provider refuses the call beyond its capacity and keeps the others. After a plateau of accepted
//! calls one more call is tried; only if it is accepted does the level grow again. If a level is
//! refused that was accepted for a whole plateau, the provider has less capacity than before, or
//! its limit is one on calls per minute. Then the level falls until refusals stop. Plateaus get
//! longer while probes fail and shorter while they succeed. This keeps refused calls rare.

use std::time::Duration;

use tokio::time::Instant;

use super::refusal_filter::{Meaning, RefusalFilter};
use super::shares::{Learned, View};

mod common;

/// The level before the first reply. A provider with less capacity refuses a handful of calls.
const FIRST_LEVEL: f64 = 8.0;

/// While growing, a full level rises by a factor of `e` a second, even if no call has ended:
/// refusals arrive at once, while some models take a minute to answer.
const GROWTH_A_SECOND: f64 = 1.0;

/// Growth rate above the growth limit, where latency has not been measured yet.
const GROWTH_UNMEASURED: f64 = 0.2;

/// The growth limit until latency has been measured.
const FIRST_GROWTH_LIMIT: f64 = 64.0;

/// The growth limit is this many times the level at which calls were last not slow.
const LEAP: f64 = 4.0;

/// Accepted calls before one more call is tried.
const PLATEAU: u32 = 96;
const SHORTEST_PLATEAU: u32 = 16;
const LONGEST_PLATEAU: u32 = 256;

/// A pause that the provider requests stops every call. After a pause of length `p` that a probe
/// caused, no call more is tried for 40 × `p`, so such pauses take at most one part in 40 of the
/// time.
const PAUSE_PARTS: u32 = 40;

/// Share of the level that is kept after one, two, three, four or more refusals in a row.
const KEPT_AFTER: [f64; 4] = [1.0, 0.95, 0.75, 0.5];

/// Lowest growth factor. Growth slows down each time a grown level did not last.
const SLOWEST_GROWTH: f64 = 0.125;

/// Share of a level that is kept when it had held and is then refused more than once.
const KEPT_OF_HELD: f64 = 0.93;

/// The adaptive limit on calls in flight.
#[derive(Debug)]
pub(super) struct Concurrency {
    most: f64,
    /// A level of 8.3 means 9 calls for 30 % of the time and 8 otherwise; see `dither`.
    level: f64,
    phase: SearchPhase,
    /// Calls that were in flight when one more was refused.
    refused_at: f64,
    /// The last level that held for a whole plateau.
    proven: Option<f64>,
    /// Counts the changes that lowered the level. A call admitted before the last one cannot lower
    /// it again.
    cuts: u64,
    refused_in_a_row: usize,
    /// Refusals while the level was held, since one more call was last accepted.
    refusals_while_holding: u32,
    plateau: u32,
    /// Below this level each accepted call raises the level; above it the level grows slowly with
    /// time.
    growth_limit: f64,
    /// By how much one accepted call raises the level. At 1 the level doubles from round to round.
    growth: f64,
    /// Before this instant no call more is tried.
    quiet_until: Option<Instant>,
    /// When a full level is raised even if no call has ended.
    raise_at: Option<Instant>,
    /// End and length of the last pause. After it calls are admitted gradually over the same
    /// length.
    ramp: Option<(Instant, Duration)>,
    refusals: RefusalFilter,
    /// A number in 0..1 that changes with each accepted call and is added to the level before
    /// rounding down.
    dither: f64,
    /// The search that this one is a part of, if several processes make it together.
    view: Option<View>,
    /// What was last said to the others.
    said: Option<Said>,
    /// The cuts that the others know of.
    known_cuts: u64,
    /// By how much all of them together may raise the level before their next turns.
    stride: f64,
    /// Whether the level was measured since that was last said to the others.
    is_measured: bool,
}

/// What was said to the others, and where the search stood.
#[derive(Clone, Copy, Debug)]
struct Said {
    learned: Learned,
    level: f64,
    cuts: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SearchPhase {
    /// No call has been refused yet, or the last probe was accepted: the level rises.
    Growing,
    /// After several refusals in a row: the level rises back to the one that was refused.
    Climbing,
    /// The level stays just below the refused one until `left` more calls are accepted.
    Holding { left: u32 },
    /// One more call is being tried.
    Probing,
}

/// When one more call may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Availability {
    Now,
    At(Instant),
    /// When another call has ended.
    AfterACall,
}

/// What is noted about a call when it is admitted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admitted {
    cuts: u64,
    /// Calls in flight when it was admitted.
    others: usize,
    /// Whether the calls in flight filled at least three quarters of the level.
    pub(super) is_bound: bool,
}

impl Concurrency {
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1) as f64;
        Self {
            most,
            level: FIRST_LEVEL.min(most),
            phase: SearchPhase::Growing,
            refused_at: most,
            proven: None,
            cuts: 0,
            refused_in_a_row: 0,
            refusals_while_holding: 0,
            plateau: PLATEAU,
            growth_limit: FIRST_GROWTH_LIMIT,
            growth: 1.0,
            quiet_until: None,
            raise_at: None,
            ramp: None,
            refusals: RefusalFilter::new(FIRST_LEVEL.min(most)),
            dither: 0.0,
            view: None,
            said: None,
            known_cuts: 0,
            stride: f64::INFINITY,
            is_measured: false,
        }
    }

    pub(super) fn tighten(&mut self, most: usize) {
        self.most = self.most.min(most.max(1) as f64);
        self.level = self.level.min(self.most);
    }

    /// When one more call may go out.
    pub(super) fn availability(&mut self, in_flight: usize, now: Instant) -> Availability {
        if !self.is_below_level(in_flight) {
            return self.grown(in_flight, now);
        }
        let Some((from, lasts)) = self.ramp else {
            return Availability::Now;
        };
        let share = (in_flight as f64 / self.level).min(1.0);
        let opens_at = from + lasts.mul_f64(share);
        if opens_at > now {
            return Availability::At(opens_at);
        }
        Availability::Now
    }

    fn is_below_level(&self, in_flight: usize) -> bool {
        match self.own_part() {
            Some(part) => in_flight < part,
            None => in_flight < (self.level + self.dither).min(self.most) as usize,
        }
    }

    /// While growing, a full level is raised with time alone.
    fn grown(&mut self, in_flight: usize, now: Instant) -> Availability {
        if self.phase != SearchPhase::Growing || self.level >= self.highest() {
            return Availability::AfterACall;
        }
        let rate = if self.level < self.growth_limit {
            GROWTH_A_SECOND
        } else {
            GROWTH_UNMEASURED
        };
        let pause = Duration::from_secs_f64(1.0 / (rate * self.growth * self.level * self.share()));
        let raise_at = *self.raise_at.get_or_insert(now + pause);
        if raise_at > now {
            return Availability::At(raise_at);
        }
        self.level = (self.level + 1.0).min(self.highest());
        self.raise_at = None;
        if self.is_below_level(in_flight) {
            Availability::Now
        } else {
            Availability::AfterACall
        }
    }

    pub(super) fn level(&self) -> f64 {
        self.level
    }

    pub(super) fn admit(&mut self, others: usize) -> Admitted {
        self.refusals.admitted();
        Admitted {
            cuts: self.cuts,
            others,
            // Calls that fill less than three quarters of the level do not show whether it holds.
            is_bound: (others + 1) as f64 >= self.level * 0.75,
        }
    }

    /// The provider took the call and served it.
    pub(super) fn accepted(&mut self, call: Admitted, now: Instant) {
        // Steps of the golden ratio spread the values evenly over 0..1.
        self.dither = (self.dither + 0.618_033_988_749_895).fract();
        let is_recent = call.cuts == self.cuts;
        if is_recent {
            self.refused_in_a_row = 0;
        }
        if !call.is_bound {
            return;
        }
        match self.phase {
            SearchPhase::Growing if self.level < self.growth_limit => {
                self.level = (self.level + self.growth).min(self.highest().max(self.level));
                self.raise_at = None;
            }
            SearchPhase::Climbing => {
                let gap = self.refused_at - self.level;
                self.level += (gap / 2.0).max(0.5) / self.level;
                if self.level >= self.refused_at {
                    self.hold(self.refused_at);
                }
            }
            SearchPhase::Holding { left } if is_recent => self.held(left, now),
            SearchPhase::Probing if is_recent && call.others as f64 >= self.level.floor() - 1.0 => {
                self.phase = SearchPhase::Growing;
                self.raise_at = None;
                self.refusals_while_holding = 0;
            }
            SearchPhase::Growing | SearchPhase::Holding { .. } | SearchPhase::Probing => {}
        }
    }

    /// The provider refused the call because there were too many. Returns whether the level changed
    /// for it.
    pub(super) fn refused(
        &mut self,
        call: Admitted,
        retry_after: Option<Duration>,
        now: Instant,
    ) -> bool {
        if call.cuts != self.cuts || !self.means_too_many() {
            return false;
        }
        self.cuts += 1;
        if let Some(pause) = retry_after {
            let is_proven = self.proven.is_some_and(|proven| proven >= self.level);
            self.ramp = (!is_proven).then_some((now + pause, pause));
        }
        // Only a pause that a probe or growth caused is a reason to try less often.
        let was_tried = matches!(self.phase, SearchPhase::Probing | SearchPhase::Growing);
        let quiet_until = retry_after
            .filter(|_| was_tried)
            .map(|pause| now + pause * PAUSE_PARTS);
        self.quiet_until = self.quiet_until.max(quiet_until);
        // A call that was admitted beside few others must not lower the level to that few.
        let others = self.others_of(call);
        let others = others.clamp(self.level * KEPT_AFTER[3], self.level);
        let others = others.max(1.0);
        self.refused_at = others;
        self.refused_in_a_row += 1;
        match (self.phase, self.refused_in_a_row) {
            (SearchPhase::Probing, _) => {
                let longest = longest_plateau(self.level);
                self.plateau = (self.plateau * 2).min(longest.max(self.plateau));
                self.hold(others);
            }
            // The next probe comes soon: the provider's capacity may still be changing.
            (SearchPhase::Growing, 1) => {
                self.level = others;
                self.phase = SearchPhase::Holding {
                    left: SHORTEST_PLATEAU,
                };
            }
            (SearchPhase::Climbing | SearchPhase::Holding { .. }, 1) => {
                self.refusals_while_holding += 1;
                let left = if self.refusals_while_holding > 1 {
                    KEPT_OF_HELD
                } else {
                    1.0
                };
                self.hold((others * left).max(1.0));
            }
            (_, in_a_row) => self.retreat(others, in_a_row),
        }
        true
    }

    /// Whether too many calls in flight caused the refusal.
    fn means_too_many(&mut self) -> bool {
        let is_expected = matches!(self.phase, SearchPhase::Probing | SearchPhase::Growing);
        match self.refusals.refused(self.level, is_expected) {
            Meaning::TooMany => true,
            Meaning::Noise => false,
            Meaning::ProbeFailed => {
                self.growth = 1.0;
                true
            }
            Meaning::ProbeLevel(level) => {
                self.cuts += 1;
                self.growth = SLOWEST_GROWTH;
                self.level = level;
                self.phase = SearchPhase::Growing;
                self.raise_at = None;
                false
            }
        }
    }

    /// Calls did not take longer than usual with `in_flight` calls in flight.
    pub(super) fn not_slow(&mut self, in_flight: f64) {
        self.growth_limit = self.growth_limit.max(in_flight * LEAP);
    }

    /// Calls take too long: goes down to `level`. From there it grows in small steps.
    pub(super) fn lower(&mut self, level: f64) {
        self.cuts += 1;
        self.is_measured = true;
        self.growth = SLOWEST_GROWTH;
        self.refused_at = level;
        self.growth_limit = level * LEAP;
        self.plateau = (self.plateau * 2).min(LONGEST_PLATEAU);
        self.hold(level);
    }

    /// A lower level did not make calls faster: goes back to `level`.
    pub(super) fn restore(&mut self, level: f64) {
        self.growth = 1.0;
        self.growth_limit = self.growth_limit.max(level * LEAP);
        self.hold(level.min(self.most));
    }

    /// The time limit ended the call.
    pub(super) fn timed_out(&mut self, call: Admitted) {
        if call.cuts == self.cuts {
            self.cuts += 1;
            self.hold((self.level * KEPT_AFTER[2]).max(1.0));
        }
    }

    fn held(&mut self, left: u32, now: Instant) {
        // Each call stands for those that others made meanwhile.
        let counts = (1.0 / self.share()) as u32;
        if left > counts {
            self.phase = SearchPhase::Holding {
                left: left - counts,
            };
            return;
        }
        if self.proven.is_some_and(|proven| self.level > proven * 1.1) {
            self.plateau = (self.plateau / 4).max(SHORTEST_PLATEAU);
            self.growth = 1.0;
        }
        self.proven = Some(self.level);
        self.refusals.held(self.level);
        if self.level < self.most && self.quiet_until.is_none_or(|quiet| quiet <= now) {
            self.level = (self.level.floor() + 1.0).min(self.most);
            self.phase = SearchPhase::Probing;
        }
    }

    /// Several refusals in a row: goes back to the level that held before, or down in growing
    /// steps.
    fn retreat(&mut self, others: f64, in_a_row: usize) {
        let left = KEPT_AFTER[in_a_row.clamp(1, KEPT_AFTER.len()) - 1];
        let level = (others * left).max(1.0);
        match self.proven.take_if(|_| in_a_row > 2) {
            // A limit per minute allows a burst after quiet seconds; the level grew on such a
            // burst.
            Some(proven) if proven < level => {
                self.plateau = (self.plateau * 2).min(LONGEST_PLATEAU);
                self.growth = (self.growth / 2.0).max(SLOWEST_GROWTH);
                self.hold(proven);
            }
            _ => {
                self.plateau = self.plateau.min(longest_plateau(level));
                self.level = level;
                self.phase = SearchPhase::Climbing;
            }
        }
    }

    fn hold(&mut self, level: f64) {
        self.level = level;
        self.phase = SearchPhase::Holding { left: self.plateau };
    }
}

/// Longest plateau at this level. A low level gets a short one: few calls at once take long to make
/// up many accepted calls, and a change of capacity would be noticed late.
fn longest_plateau(level: f64) -> u32 {
    PLATEAU.max(level as u32 * 12).min(LONGEST_PLATEAU)
}
