//! The figures that describe one run.

use gepa_archive::CandidateIndex;
use gepa_bench::worlds::{LARGEST_SET, Searched, Split, World};
use gepa_engine::{CandidateAccepted, Decision, EventBody, Fact};

/// The figures of one run; scores and shares from 0 to 1.
#[derive(Clone, Debug, Default)]
pub(crate) struct RunFigures {
    /// Replies of the reflection model.
    pub(crate) reflections: usize,
    /// Children that entered the archive.
    pub(crate) accepted: usize,
    /// Child minus parent on the pareto set, of each of them.
    pub(crate) deltas: Vec<f64>,
    /// Correlation of right answers, for each pair of members that has one.
    pub(crate) phi: Vec<f64>,
    /// Items of which one member of a pair answers one rightly, for each pair.
    pub(crate) discordant: Vec<f64>,
    pub(crate) seed_score: f64,
    pub(crate) best_score: f64,
    /// Exact, on the hidden test set.
    pub(crate) seed_test: f64,
    pub(crate) best_test: f64,
    /// The best score of any archive member on the hidden test set.
    pub(crate) reachable_test: f64,
    /// Mutations between the seed and the best.
    pub(crate) depth: usize,
}

impl RunFigures {
    pub(crate) fn of(world: &World, searched: &Searched) -> Self {
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
                figures.deltas.push(member.mean_score - parent.mean_score);
            }
            for other in &members[..at] {
                let (phi, discordant) = agreement(&member.scores, &other.scores);
                figures.phi.extend(phi);
                figures.discordant.push(discordant);
            }
        }
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
