//! The figures that describe one run.

use std::cmp::Ordering;

use gepa_archive::CandidateIndex;
use gepa_engine::{CandidateAccepted, Decision, EventBody, Fact};

use super::item::Split;
use super::world::{LARGEST_SET, World};
use crate::searching::Searched;

/// The figures of one run; scores and shares from 0 to 1.
#[derive(Clone, Debug, Default)]
pub struct RunFigures {
    /// Replies of the reflection model.
    pub reflections: usize,
    /// Children that entered the archive.
    pub accepted: usize,
    /// Child minus parent on the pareto set, of each of them.
    pub deltas: Vec<f64>,
    /// Correlation of right answers, for each pair of members that has one.
    pub phi: Vec<f64>,
    /// Items of which one member of a pair answers one rightly, for each pair.
    pub discordant: Vec<f64>,
    /// Gates whose child was better than its parent, equal, and worse.
    pub gates: [usize; 3],
    /// Scores of parent and child on the pareto set, for each accepted child.
    pub families: Vec<(f64, f64)>,
    /// Child minus parent, of the seed's children.
    pub of_seed: Vec<f64>,
    /// Child minus parent, of all other children.
    pub of_others: Vec<f64>,
    /// The share of the accepted children after which half of the final gain on the pareto set was
    /// reached; `None` without a gain.
    pub half_gain: Option<f64>,
    /// On the pareto set.
    pub seed_score: f64,
    /// On the pareto set.
    pub best_score: f64,
    /// Exact, on the hidden test set.
    pub seed_test: f64,
    /// Exact, on the hidden test set.
    pub best_test: f64,
    /// The best score of any archive member on the hidden test set.
    pub reachable_test: f64,
    /// Mutations between the seed and the best.
    pub depth: usize,
}

impl RunFigures {
    /// The figures of a run in this world.
    pub fn of(world: &World, searched: &Searched) -> Self {
        let bodies = || searched.journal.iter().map(|event| &event.body);
        let members: Vec<&CandidateAccepted> = bodies()
            .filter_map(|body| match body {
                EventBody::Decision(Decision::CandidateAccepted(accepted)) => Some(&**accepted),
                _ => None,
            })
            .collect();
        let reflections =
            bodies().filter(|body| matches!(body, EventBody::Fact(Fact::ReflectionSettled(_))));
        let mut figures = Self {
            reflections: reflections.count(),
            accepted: members.len().saturating_sub(1),
            ..Self::default()
        };
        for (at, member) in members.iter().enumerate() {
            if let Some(parent) = member.parents.first().and_then(|p| find(&members, *p)) {
                let delta = member.mean_score - parent.mean_score;
                figures.deltas.push(delta);
                figures
                    .families
                    .push((parent.mean_score, member.mean_score));
                if parent.parents.is_empty() {
                    figures.of_seed.push(delta);
                } else {
                    figures.of_others.push(delta);
                }
            }
            for other in &members[..at] {
                let (phi, discordant) = agreement(&member.scores, &other.scores);
                figures.phi.extend(phi);
                figures.discordant.push(discordant);
            }
        }
        for body in bodies() {
            if let EventBody::Decision(Decision::GateDecided(gate)) = body {
                let place = match gate.child_sum.total_cmp(&gate.parent_sum) {
                    Ordering::Greater => 0,
                    Ordering::Equal => 1,
                    Ordering::Less => 2,
                };
                figures.gates[place] += 1;
            }
        }
        figures.half_gain = half_gain(&members);
        figures.take_scores(world, searched, &members);
        figures
    }

    fn take_scores(&mut self, world: &World, searched: &Searched, members: &[&CandidateAccepted]) {
        let test = |prompt: &str| world.expected(&world.read(prompt), Split::Test, LARGEST_SET);
        self.seed_test = test(world.seed_prompt());
        let texts = searched
            .journal
            .iter()
            .filter_map(|event| match &event.body {
                EventBody::Decision(Decision::CandidateProposed(proposed)) => {
                    Some(&proposed.candidate)
                }
                _ => None,
            });
        self.reachable_test = texts
            .filter(|candidate| {
                let id = candidate.content_id();
                members.iter().any(|member| member.candidate == id)
            })
            .filter_map(|candidate| candidate.text("instruction"))
            .map(|text| test(text))
            .fold(self.seed_test, f64::max);
        let Some(best) = &searched.result.best else {
            return;
        };
        let prompt = best.components.text("instruction");
        self.best_test = prompt.map_or(self.seed_test, |prompt| test(prompt));
        self.seed_score = members.first().map_or(0.0, |seed| seed.mean_score);
        self.best_score = best.mean_score.unwrap_or_default();
        let mut at = best.index.and_then(|index| find(members, index));
        while let Some(parent) = at.and_then(|member| member.parents.first()) {
            self.depth += 1;
            at = find(members, *parent);
        }
    }
}

fn half_gain(members: &[&CandidateAccepted]) -> Option<f64> {
    let seed = members.first()?.mean_score;
    let best = members.iter().map(|member| member.mean_score);
    let gain = best.fold(seed, f64::max) - seed;
    let mut children = members.iter().skip(1);
    let at = children.position(|member| member.mean_score - seed >= gain / 2.0)?;
    (gain > 0.0).then(|| (at + 1) as f64 / (members.len() - 1) as f64)
}

fn find<'a>(
    members: &[&'a CandidateAccepted],
    index: CandidateIndex,
) -> Option<&'a CandidateAccepted> {
    members.iter().find(|member| member.index == index).copied()
}

/// The phi coefficient of two rows of right and wrong answers, where both vary, and the share of
/// items on which they differ.
fn agreement(one: &[Option<f64>], other: &[Option<f64>]) -> (Option<f64>, f64) {
    let pairs = one
        .iter()
        .zip(other)
        .filter_map(|(a, b)| Some((*a)?).zip(*b));
    let (mut n, mut a, mut b, mut both) = (0.0, 0.0, 0.0, 0.0);
    for (x, y) in pairs {
        n += 1.0;
        a += x;
        b += y;
        both += x * y;
    }
    let (pa, pb, pab): (f64, f64, f64) = (a / n, b / n, both / n);
    let spread = (pa * (1.0 - pa) * pb * (1.0 - pb)).sqrt();
    let phi = (spread > 0.0).then(|| (pab - pa * pb) / spread);
    (phi, pa + pb - 2.0 * pab)
}
