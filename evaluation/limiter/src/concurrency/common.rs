//! The search as one of several that are made together: what it says to the others, and what it takes over.

use super::super::shares::{Common, Learned, Phase, View};
use super::{Admitted, Concurrency, LONGEST_PLATEAU, Said, SearchPhase};

/// The share of the level that is kept at least until the next turn.
const KEPT_IN_A_TURN: f64 = 0.7;

/// By which share of the level all of them raise it in a turn at most, once a call was refused.
const LARGEST_STRIDE: f64 = 0.1;

impl Concurrency {
    /// What was learned since the last [`adopt`](Self::adopt), to be said to the others.
    pub(in super::super) fn learned(&mut self) -> Learned {
        let learned = self.learned_so_far();
        self.said = Some(self.said_now(learned));
        self.is_measured = false;
        learned
    }

    /// Goes on from where all of them are now. Returns whether another one lowered the level.
    pub(in super::super) fn adopt(&mut self, view: &View) -> bool {
        let nothing = self.said_now(self.learned_so_far());
        let said = self.said.take().unwrap_or(nothing);
        let known = said.learned.now;
        // What happened since then is said the next time.
        let moved = self.level - said.level;
        let has_turned = self.phase() != known.phase || self.cuts != said.cuts;
        let was_lowered = self.view.is_some() && view.common.cuts > known.cuts;
        if was_lowered || self.cuts > self.known_cuts {
            self.stride = 1.0;
        } else if self.phase == SearchPhase::Growing {
            self.stride *= 2.0;
        }
        self.view = Some(*view);
        self.known_cuts = said.cuts;
        self.level = (view.common.level + moved).clamp(1.0, self.most);
        if was_lowered {
            self.cuts += 1;
            self.known_cuts += 1;
        }
        if was_lowered || !has_turned {
            self.refused_at = view.common.refused_at.max(self.level);
            self.enter(view.common.phase, was_lowered);
        }
        was_lowered
    }

    /// Calls of others that are in flight.
    pub(in super::super) fn in_flight_elsewhere(&self) -> usize {
        self.view
            .map_or(0, |view| view.in_flight_elsewhere as usize)
    }

    /// How many calls it may have in flight itself; `None` if it is alone. A part that was handed out shrinks
    /// with the level, and grows only by the next turn.
    pub(super) fn own_part(&self) -> Option<usize> {
        let view = self.view?;
        let kept = (self.level / view.common.level.max(1.0)).min(1.0);
        Some((view.part as f64 * kept) as usize)
    }

    /// How high the level may rise now. A raise is tried out only after the next turn, so it is small after
    /// a refusal and doubles from turn to turn.
    pub(super) fn highest(&self) -> f64 {
        self.view.map_or(self.most, |view| {
            let most = if view.common.cuts > 0 {
                (view.common.level * LARGEST_STRIDE).max(1.0)
            } else {
                view.common.level
            };
            let raise = self.stride.min(most) * self.share();
            (view.common.level + raise).min(self.most)
        })
    }

    /// Calls in flight when one was refused that had `others` beside it. What others had in flight is half a
    /// second old; calls that fill the level were as many as the level says.
    pub(super) fn others_of(&self, call: Admitted) -> f64 {
        let others = call.others as f64;
        if self.view.is_some() && call.is_bound {
            others.max(self.level.floor() - 1.0)
        } else {
            others
        }
    }

    fn said_now(&self, learned: Learned) -> Said {
        Said {
            learned,
            level: self.level,
            cuts: self.cuts,
        }
    }

    /// How low one process may bring the level of all in one turn. Others go on with their parts meanwhile,
    /// so a second refusal says little about the level that the first one led to.
    fn lowest(&self) -> f64 {
        if self.is_measured {
            return 1.0;
        }
        let common = self.view.map_or(0.0, |view| view.common.level);
        (common * KEPT_IN_A_TURN).max(1.0)
    }

    /// Its own part of the level, above 0 and up to 1.
    pub(super) fn share(&self) -> f64 {
        self.view.map_or(1.0, |view| {
            let part = view.part.max(1) as f64;
            (part / view.common.level.max(1.0)).clamp(1e-3, 1.0)
        })
    }

    fn learned_so_far(&self) -> Learned {
        let from = self.view.map(|view| view.common);
        let has_cut = u64::from(self.cuts > self.known_cuts);
        Learned {
            from,
            now: Common {
                level: self.level.max(self.lowest()),
                cuts: from.map_or(0, |from| from.cuts) + has_cut,
                phase: self.phase(),
                refused_at: self.refused_at.max(self.lowest()),
            },
        }
    }

    fn phase(&self) -> Phase {
        match self.phase {
            SearchPhase::Growing => Phase::Growing,
            SearchPhase::Climbing => Phase::Climbing,
            SearchPhase::Holding { .. } => Phase::Holding,
            SearchPhase::Probing => Phase::Probing,
        }
    }

    fn enter(&mut self, phase: Phase, was_lowered: bool) {
        if was_lowered && self.phase == SearchPhase::Probing {
            self.plateau = (self.plateau * 2).min(LONGEST_PLATEAU);
        }
        match phase {
            Phase::Holding if was_lowered || self.phase() != phase => self.hold(self.level),
            _ if self.phase() == phase => {}
            Phase::Holding => {}
            Phase::Growing => {
                self.phase = SearchPhase::Growing;
                self.stride = self.stride.min(2.0);
                self.raise_at = None;
                self.refusals_while_holding = 0;
            }
            Phase::Climbing => self.phase = SearchPhase::Climbing,
            Phase::Probing => {
                // Another one has held the level for a plateau.
                let held = self.level.floor() - 1.0;
                self.proven = Some(held);
                self.refusals.held(held);
                self.phase = SearchPhase::Probing;
            }
        }
    }
}
