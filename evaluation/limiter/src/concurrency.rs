//! How many calls may be under way: found out from what the provider accepts and refuses.
//!
//! Nobody says what the limit is, so it is searched for. At first the number doubles from round to
//! round. A refusal says how many calls were under way when one more was too many; that number is
//! held, since a provider refuses the call beyond its capacity and keeps the others. After a plateau
//! of accepted calls one call more is tried, and only if it is accepted does the number grow again.
//! A level that is refused although it was accepted for a while has another cause: there is less
//! capacity than before, or the limit is one on calls per minute; the level goes down until refusals
//! stop. Plateaus get longer while probes fail and shorter while they succeed, which is what keeps
//! refused calls rare.

use std::time::Duration;

use tokio::time::Instant;

use super::chance::{Chance, Meaning};

/// Calls that go out before anything is known: a provider that takes fewer refuses a handful.
const FIRST: f64 = 8.0;

/// While nothing is known, a full level grows by one part in `e` a second though no call has ended:
/// refusals come at once, and some models think for a minute.
const GROWTH_A_SECOND: f64 = 1.0;

/// The same beyond what is known not to slow calls down.
const GROWTH_IN_THE_DARK: f64 = 0.2;

/// As far as growth may go before it is known whether calls get slow.
const FIRST_IN_SIGHT: f64 = 64.0;

/// How far growth may go beyond a level at which calls were not slow.
const LEAP: f64 = 4.0;

/// Accepted calls before one call more is tried.
const PLATEAU: u32 = 96;
const SHORTEST_PLATEAU: u32 = 16;
const LONGEST_PLATEAU: u32 = 256;

/// A pause the provider asks for costs everybody: one part of the time at most goes into pauses
/// that probing brings about.
const PAUSE_PARTS: u32 = 40;

/// What is left of the level after one, two, ... refusals in a row.
const LEFT_AFTER: [f64; 4] = [1.0, 0.95, 0.75, 0.5];

/// Growth after it has turned out several times to be no lasting one.
const SLOWEST_GROWTH: f64 = 0.125;

/// What is left of a level that held for a while and then is refused again and again.
const LEFT_OF_HELD: f64 = 0.93;

/// The adaptive limit on calls under way.
#[derive(Debug)]
pub(super) struct Concurrency {
    most: f64,
    /// Fractions are used by a part of the calls.
    level: f64,
    stage: Stage,
    /// Calls that were under way when one more was refused.
    refused_at: f64,
    /// The last level that held for a whole plateau.
    proven: Option<f64>,
    /// Counts the refusals that lowered the level: calls admitted before one do not lower it again.
    cuts: u64,
    refused_in_a_row: usize,
    /// Refusals at a level that had held, since one call more was last accepted.
    held_in_vain: u32,
    plateau: u32,
    /// Up to here growth may follow what is accepted.
    in_sight: f64,
    /// Calls by which an accepted one raises the level: doubles it from round to round at 1.
    growth: f64,
    /// No call more is tried before.
    quiet_until: Option<Instant>,
    /// When a full level may be raised although no call has ended yet.
    ripe_at: Option<Instant>,
    /// The end of the last pause and its length: calls come back as slowly as they went.
    ramp: Option<(Instant, Duration)>,
    chance: Chance,
    /// What is added to the level, from call to call, so that fractions count.
    dither: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing is known above this level.
    Growing,
    /// On the way back to the level that was refused.
    Climbing,
    /// Just below the level that was refused; so many accepted calls until one more is tried.
    Holding { left: u32 },
    /// One call more is being tried.
    Probing,
}

/// Whether one more call may go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Now,
    At(Instant),
    /// Not before another call has ended.
    AfterACall,
}

/// What an admitted call remembers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admitted {
    cuts: u64,
    /// Calls under way when it was admitted.
    others: usize,
    /// Whether it was the level that held calls back.
    pub(super) is_bound: bool,
}

impl Concurrency {
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1) as f64;
        Self {
            most,
            level: FIRST.min(most),
            stage: Stage::Growing,
            refused_at: most,
            proven: None,
            cuts: 0,
            refused_in_a_row: 0,
            held_in_vain: 0,
            plateau: PLATEAU,
            in_sight: FIRST_IN_SIGHT,
            growth: 1.0,
            quiet_until: None,
            ripe_at: None,
            ramp: None,
            chance: Chance::new(FIRST.min(most)),
            dither: 0.0,
        }
    }

    pub(super) fn tighten(&mut self, most: usize) {
        self.most = self.most.min(most.max(1) as f64);
        self.level = self.level.min(self.most);
    }

    /// Whether one more call may go out.
    pub(super) fn room(&mut self, in_flight: usize, now: Instant) -> Room {
        if !self.is_below_level(in_flight) {
            return self.grown(in_flight, now);
        }
        let Some((from, lasts)) = self.ramp else {
            return Room::Now;
        };
        let share = (in_flight as f64 / self.level).min(1.0);
        let opens_at = from + lasts.mul_f64(share);
        if opens_at > now {
            return Room::At(opens_at);
        }
        Room::Now
    }

    fn is_below_level(&self, in_flight: usize) -> bool {
        in_flight < (self.level + self.dither).min(self.most) as usize
    }

    /// While nothing is known, a full level is raised by itself in time.
    fn grown(&mut self, in_flight: usize, now: Instant) -> Room {
        if self.stage != Stage::Growing || self.level >= self.most {
            return Room::AfterACall;
        }
        let rate = if self.level < self.in_sight {
            GROWTH_A_SECOND
        } else {
            GROWTH_IN_THE_DARK
        };
        let pause = Duration::from_secs_f64(1.0 / (rate * self.growth * self.level));
        let ripe_at = *self.ripe_at.get_or_insert(now + pause);
        if ripe_at > now {
            return Room::At(ripe_at);
        }
        self.level = (self.level + 1.0).min(self.most);
        self.ripe_at = None;
        if self.is_below_level(in_flight) {
            Room::Now
        } else {
            Room::AfterACall
        }
    }

    pub(super) fn level(&self) -> f64 {
        self.level
    }

    pub(super) fn admit(&mut self, others: usize) -> Admitted {
        self.chance.admitted();
        Admitted {
            cuts: self.cuts,
            others,
            // Calls that fill less than three quarters of the level say nothing about it.
            is_bound: (others + 1) as f64 >= self.level * 0.75,
        }
    }

    /// The provider took the call and served it.
    pub(super) fn accepted(&mut self, call: Admitted, now: Instant) {
        // The golden ratio spreads the calls that use a fraction evenly.
        self.dither = (self.dither + 0.618_033_988_749_895).fract();
        let is_recent = call.cuts == self.cuts;
        if is_recent {
            self.refused_in_a_row = 0;
        }
        if !call.is_bound {
            return;
        }
        match self.stage {
            Stage::Growing if self.level < self.in_sight => {
                self.level = (self.level + self.growth).min(self.most);
                self.ripe_at = None;
            }
            Stage::Climbing => {
                let gap = self.refused_at - self.level;
                self.level += (gap / 2.0).max(0.5) / self.level;
                if self.level >= self.refused_at {
                    self.hold(self.refused_at);
                }
            }
            Stage::Holding { left } if is_recent => self.held(left, now),
            Stage::Probing if is_recent && call.others as f64 >= self.level.floor() - 1.0 => {
                self.stage = Stage::Growing;
                self.ripe_at = None;
                self.held_in_vain = 0;
            }
            Stage::Growing | Stage::Holding { .. } | Stage::Probing => {}
        }
    }

    /// The provider refused the call because there were too many; whether that was news.
    pub(super) fn refused(
        &mut self,
        call: Admitted,
        retry_after: Option<Duration>,
        now: Instant,
    ) -> bool {
        if call.cuts != self.cuts || !self.is_meant() {
            return false;
        }
        self.cuts += 1;
        if let Some(pause) = retry_after {
            let is_proven = self.proven.is_some_and(|proven| proven >= self.level);
            self.ramp = (!is_proven).then_some((now + pause, pause));
        }
        // Only what trying brought about is a reason to try less.
        let was_tried = matches!(self.stage, Stage::Probing | Stage::Growing);
        let quiet_until = retry_after
            .filter(|_| was_tried)
            .map(|pause| now + pause * PAUSE_PARTS);
        self.quiet_until = self.quiet_until.max(quiet_until);
        // A call that went out among few is no reason to go down to so few.
        let others = (call.others as f64).clamp(self.level * LEFT_AFTER[3], self.level);
        let others = others.max(1.0);
        self.refused_at = others;
        self.refused_in_a_row += 1;
        match (self.stage, self.refused_in_a_row) {
            (Stage::Probing, _) => {
                let longest = longest_plateau(self.level);
                self.plateau = (self.plateau * 2).min(longest.max(self.plateau));
                self.hold(others);
            }
            // Soon tried again: whatever changed may still be changing.
            (Stage::Growing, 1) => {
                self.level = others;
                self.stage = Stage::Holding {
                    left: SHORTEST_PLATEAU,
                };
            }
            (Stage::Climbing | Stage::Holding { .. }, 1) => {
                self.held_in_vain += 1;
                let left = if self.held_in_vain > 1 {
                    LEFT_OF_HELD
                } else {
                    1.0
                };
                self.hold((others * left).max(1.0));
            }
            (_, in_a_row) => self.retreat(others, in_a_row),
        }
        true
    }

    /// Whether the refusal says that there were too many calls.
    fn is_meant(&mut self) -> bool {
        let is_expected = matches!(self.stage, Stage::Probing | Stage::Growing);
        match self.chance.refused(self.level, is_expected) {
            Meaning::TooMany => true,
            Meaning::Chance => false,
            Meaning::NotChance => {
                self.growth = 1.0;
                true
            }
            Meaning::WorthATry(level) => {
                self.cuts += 1;
                self.growth = SLOWEST_GROWTH;
                self.level = level;
                self.stage = Stage::Growing;
                self.ripe_at = None;
                false
            }
        }
    }

    /// Calls did not take longer than usual with so many under way.
    pub(super) fn not_slow(&mut self, in_flight: f64) {
        self.in_sight = self.in_sight.max(in_flight * LEAP);
    }

    /// Calls take longer than they should: to this level, and up again in small steps.
    pub(super) fn lower(&mut self, level: f64) {
        self.cuts += 1;
        self.growth = SLOWEST_GROWTH;
        self.refused_at = level;
        self.in_sight = level * LEAP;
        self.plateau = (self.plateau * 2).min(LONGEST_PLATEAU);
        self.hold(level);
    }

    /// Lowering the level did not help.
    pub(super) fn restore(&mut self, level: f64) {
        self.growth = 1.0;
        self.in_sight = self.in_sight.max(level * LEAP);
        self.hold(level.min(self.most));
    }

    /// The call took so long that nobody waited for its end.
    pub(super) fn timed_out(&mut self, call: Admitted) {
        if call.cuts == self.cuts {
            self.cuts += 1;
            self.hold((self.level * LEFT_AFTER[2]).max(1.0));
        }
    }

    fn held(&mut self, left: u32, now: Instant) {
        if left > 1 {
            self.stage = Stage::Holding { left: left - 1 };
            return;
        }
        if self.proven.is_some_and(|proven| self.level > proven * 1.1) {
            self.plateau = (self.plateau / 4).max(SHORTEST_PLATEAU);
            self.growth = 1.0;
        }
        self.proven = Some(self.level);
        self.chance.held(self.level);
        if self.level < self.most && self.quiet_until.is_none_or(|quiet| quiet <= now) {
            self.level = (self.level.floor() + 1.0).min(self.most);
            self.stage = Stage::Probing;
        }
    }

    /// Several refusals, one after the other: back to what held before, or down quickly.
    fn retreat(&mut self, others: f64, in_a_row: usize) {
        let left = LEFT_AFTER[in_a_row.clamp(1, LEFT_AFTER.len()) - 1];
        let level = (others * left).max(1.0);
        match self.proven.take_if(|_| in_a_row > 2) {
            // The growth was borrowed, from what a limit per minute had saved up.
            Some(proven) if proven < level => {
                self.plateau = (self.plateau * 2).min(LONGEST_PLATEAU);
                self.growth = (self.growth / 2.0).max(SLOWEST_GROWTH);
                self.hold(proven);
            }
            _ => {
                self.plateau = self.plateau.min(longest_plateau(level));
                self.level = level;
                self.stage = Stage::Climbing;
            }
        }
    }

    fn hold(&mut self, level: f64) {
        self.level = level;
        self.stage = Stage::Holding { left: self.plateau };
    }
}

/// Where few calls fit, many accepted ones take long, and a change would be noticed late.
fn longest_plateau(level: f64) -> u32 {
    PLATEAU.max(level as u32 * 12).min(LONGEST_PLATEAU)
}
