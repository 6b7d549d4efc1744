//! A generation is a group of proposals that begin together and are decided on together. Usually it
//! holds one proposal. With more, it follows the steps of the reference implementation's parallel
//! proposals (algorithm 1.8 and 1.9): all parents are judged in the order of their tasks, all gates
//! are committed at once, and all pareto scores are known before the first child enters the
//! archive.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use gepa_archive::CandidateIndex;

use super::hypotheses::gain;
use super::proposal::{Comparison, Proposal, Verdict};
use super::state::Core;
use super::trial::Trial;
use crate::event::CloseReason;

/// A proposal that passed its gate.
pub(super) type Passed = (Proposal, Option<Comparison>);

impl Core {
    /// Whether every gate of a generation can be committed.
    pub(super) fn gates_are_ready(&self, siblings: &Range<u64>) -> bool {
        let mut open = self.open.range(siblings.clone());
        open.all(|(_, proposal)| proposal.gate_is_ready())
    }

    /// Whether the pareto scores of every kept child of a generation can be committed.
    pub(super) fn paretos_are_ready(&self, siblings: &Range<u64>) -> bool {
        let mut open = self.open.range(siblings.clone());
        open.all(|(_, proposal)| proposal.pareto_is_ready())
    }

    /// Judges the parents whose traces have arrived. Among tasks with the same parent the earlier
    /// one goes first, because whether it uses its turn decides which component the later one
    /// rewrites.
    pub(super) fn judge_parents(&mut self, siblings: Range<u64>) {
        let mut waiting = BTreeSet::new();
        let mut skips: BTreeMap<CandidateIndex, usize> = BTreeMap::new();
        for iteration in siblings {
            let Some(mut proposal) = self.open.remove(&iteration) else {
                continue;
            };
            if let (Some(&parent), None) = (proposal.parents.first(), proposal.asker) {
                let traced = proposal
                    .parent_trial
                    .as_ref()
                    .is_some_and(Trial::is_complete);
                if !traced || waiting.contains(&parent) {
                    waiting.insert(parent);
                } else {
                    let skipped = skips.entry(parent).or_default();
                    if !proposal.parent_is_judged() {
                        self.move_turn_up(&mut proposal, *skipped);
                        self.judge_parent(&mut proposal);
                        self.end_companions(&proposal);
                    }
                    *skipped += usize::from(proposal.is_skipped());
                }
            }
            self.open.insert(iteration, proposal);
        }
    }

    /// Returns the children that go on, in the order in which they will enter the archive.
    pub(super) fn keep_best(&mut self, mut passed: Vec<Passed>) -> Vec<Passed> {
        let mut outranked = Self::take_lesser(&mut passed, |(one, gate)| (one.reflection(), *gate));
        self.best_first(&mut passed, |(_, comparison)| *comparison);
        outranked.extend(passed.split_off(passed.len().min(self.most_kept())));
        for (proposal, _) in outranked {
            self.turn_away(proposal, CloseReason::Outranked, String::new());
        }
        passed
    }

    /// The largest number of children of a generation that go on.
    pub(super) fn most_kept(&self) -> usize {
        let most = self.config.settings().search.keep_best;
        most.map_or(usize::MAX, |most| most as usize)
    }

    /// Orders children by their gain, if the settings limit how many go on.
    pub(super) fn best_first<T>(
        &self,
        passed: &mut [T],
        comparison: impl Fn(&T) -> Option<Comparison>,
    ) {
        if self.most_kept() == usize::MAX {
            return;
        }
        let gain = |one: &T| gain(comparison(one));
        passed.sort_by(|left, right| gain(right).total_cmp(&gain(left)));
    }

    /// Returns the turns of skipped tasks to their parent (reference algorithm 1.9). It does
    /// nothing if a later proposal has moved the parent's turn on.
    pub(super) fn give_turns_back(&mut self, turns: &BTreeMap<CandidateIndex, Turns>) {
        let components = self.config.seed().components().len();
        for (parent, turns) in turns {
            let cursor = &mut self.cursors[parent.position()];
            if *cursor == (turns.last + 1) % components {
                *cursor = (*cursor + components - turns.unused % components) % components;
            }
        }
    }

    fn move_turn_up(&self, proposal: &mut Proposal, skipped: usize) {
        let names = self.config.seed().components();
        let Some(turn) = proposal.turn.filter(|_| skipped > 0) else {
            return;
        };
        let moved = (turn + names.len() - skipped % names.len()) % names.len();
        if let (Some(rewrite), Some((name, _))) =
            (proposal.rewrites.first_mut(), names.get_index(moved))
        {
            rewrite.component = name.clone();
        }
    }
}

/// The turns that a generation took from one parent.
#[derive(Debug, Default)]
pub(super) struct Turns {
    last: usize,
    unused: usize,
}

impl Turns {
    /// Records a proposal's turn. Call it in the order of tasks.
    pub(super) fn note(turns: &mut BTreeMap<CandidateIndex, Self>, proposal: &Proposal) {
        if let (Some(parent), Some(turn)) = (proposal.parents.first(), proposal.turn) {
            let of_parent = turns.entry(*parent).or_default();
            of_parent.last = turn;
            of_parent.unused += usize::from(proposal.is_skipped());
        }
    }
}

impl Proposal {
    /// Whether the proposal ended before its parent was reflected on.
    fn is_skipped(&self) -> bool {
        matches!(
            self.verdict,
            Some(Verdict::Close(
                CloseReason::Perfect | CloseReason::NoScores,
                ..
            ))
        )
    }

    fn parent_is_judged(&self) -> bool {
        self.verdict.is_some()
            || self.child_trial.is_some()
            || self.rewrites.iter().any(|rewrite| rewrite.attempts > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::tests::{World, shuffler};
    use crate::config::{ComponentSelection, Duplicates, ScheduleKind};
    use crate::event::{CloseReason, Decision, EventBody, Fact};

    fn world(lags: (u32, u32), parents: u32, batches: u32, keep_best: Option<u32>) -> World {
        let mut world = World::new(lags.0, lags.1);
        world.settings.search.parents_per_generation = parents;
        world.settings.search.batches_per_parent = batches;
        world.settings.search.keep_best = keep_best;
        world
    }

    #[test]
    fn the_order_of_results_changes_no_generation() {
        let shapes = [
            ((1, 1), 2, 3, None, false),
            ((2, 4), 1, 4, Some(1), false),
            ((3, 6), 3, 2, Some(2), true),
        ];
        for (lags, parents, batches, keep_best, failing) in shapes {
            for duplicates in [Duplicates::Skip, Duplicates::Keep] {
                let mut world = world(lags, parents, batches, keep_best);
                world.failing = failing;
                world.settings.search.duplicates = duplicates;
                let expected = world.run(|_| 0).decisions();
                for seed in 0..8 {
                    let decisions = world.run(shuffler(seed)).decisions();
                    let context = format!("{parents} x {batches}, {duplicates:?}, shuffle {seed}");
                    assert!(expected == decisions, "{context}");
                }
            }
        }
    }

    #[test]
    fn a_generation_adds_nothing_before_all_its_pareto_scores_are_known() {
        let journal = world((1, 1), 2, 2, None).run(shuffler(5));
        let mut issued: Vec<u64> = Vec::new();
        let mut open = 0_usize;
        for entry in &journal.entries {
            match entry {
                EventBody::Decision(Decision::ProposalIssued(proposal)) => {
                    if open == 0 {
                        issued.clear();
                    }
                    issued.push(proposal.iteration);
                    open += 1;
                }
                EventBody::Decision(Decision::ProposalClosed(_)) => open -= 1,
                EventBody::Decision(Decision::CandidateAccepted(accepted))
                    if accepted.iteration > 0 =>
                {
                    assert!(issued.contains(&accepted.iteration));
                    open -= 1;
                }
                EventBody::Decision(Decision::TrialStarted(trial))
                    if issued.contains(&trial.trial.iteration) =>
                {
                    assert!(open > 0, "a trial of a generation that is over");
                }
                _ => {}
            }
        }
        assert_eq!(open, 0);
        assert!(issued.len() == 4 || issued.len() == 1);
    }

    #[test]
    fn only_the_best_of_a_generation_go_on() {
        for keep in [1, 2] {
            let journal = world((1, 1), 2, 3, Some(keep)).run(shuffler(7));
            let mut passed: BTreeMap<u64, f64> = BTreeMap::new();
            let mut outranked = 0;
            for entry in &journal.entries {
                match entry {
                    EventBody::Decision(Decision::GateDecided(gate)) if gate.passed => {
                        passed.insert(gate.iteration, gate.child_sum - gate.parent_sum);
                    }
                    EventBody::Decision(Decision::ProposalClosed(closed)) => {
                        let gain = passed.remove(&closed.iteration);
                        if closed.reason == CloseReason::Outranked {
                            outranked += 1;
                            let better = passed
                                .range(closed.iteration.saturating_sub(5)..closed.iteration + 6)
                                .filter(|(_, other)| Some(**other) >= gain)
                                .count();
                            assert!(better >= keep as usize);
                        }
                    }
                    _ => {}
                }
            }
            assert!(outranked > 0, "nobody was outranked with {keep} kept");
        }
    }

    #[test]
    fn generations_stay_within_the_budget_and_replay_from_any_cut() {
        for schedule in [ScheduleKind::Ordered, ScheduleKind::Free] {
            let mut world = world((2, 3), 2, 2, Some(2));
            world.settings.run.schedule = schedule;
            world.settings.search.components = ComponentSelection::RoundRobin;
            world.settings.budget.max_rollouts = Some(400);
            let whole = world.run(shuffler(11));
            let executed =
                whole.count(|entry| matches!(entry, EventBody::Fact(Fact::RolloutSettled(_))));
            assert!(executed <= 400, "{executed} rollouts");
            let (facts, decisions) = (whole.facts(), whole.decided());
            for cut in (0..facts.len()).step_by(23) {
                let mut core = world.core();
                let mut remade = core.take_decisions();
                for fact in &facts[..cut] {
                    core.settle(fact);
                    remade.extend(core.take_decisions());
                }
                let same = remade == decisions[..remade.len()];
                assert!(same, "cut after {cut} facts");
            }
        }
    }
}
