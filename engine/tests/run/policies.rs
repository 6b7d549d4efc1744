//! Policies from outside the configuration. Their answers are journaled, and the run can be
//! replayed without them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gepa_archive::{Archive, CandidateIndex};
use gepa_engine::policy::{
    ComponentQuestion, ComponentSelector, MinibatchQuestion, MinibatchSampler, ParetoEvaluation,
    Policies, RowPlan, RowQuestion, RowScore, RowStep, WinnerChoice,
};
use gepa_engine::record::RunSummary;
use gepa_engine::{
    Decision, Event, EventBody, Fact, PolicyPoint, RandomSource, RunId, Seq, StopReason, Store,
    replay,
};

use crate::probe::Probe;
use crate::world::{World, count, decisions, journal, memory};

/// Counts the questions that its policies get.
#[derive(Clone, Default)]
struct Asked(Arc<AtomicU64>);

impl Asked {
    fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// A policy for every point of the search, none of them replayable.
    fn policies(&self) -> Policies {
        let (parents, gates, stops) = (self.clone(), self.clone(), self.clone());
        Policies::new()
            .parent_by(move |question, draw| {
                parents.one_more();
                let live = question.archive.live();
                Some(live[draw.below(live.len())])
            })
            .accept_if(move |question| {
                gates.one_more();
                question.child_sum + 1.0 >= question.parent_sum
            })
            .stop_if("enough", move |standing| {
                stops.one_more();
                let done = standing.iteration - 1;
                (done >= 10).then(|| format!("{done} iterations are done"))
            })
            .minibatch(self.clone())
            .components(self.clone())
            .evaluation(self.clone())
            .winner(self.clone())
    }
}

impl MinibatchSampler for Asked {
    fn sample(&mut self, question: &MinibatchQuestion, _: &mut dyn RandomSource) -> Vec<usize> {
        self.one_more();
        let first = question.iteration as usize * 7;
        (first..first + question.size)
            .map(|at| at % question.examples)
            .collect()
    }
}

impl ComponentSelector for Asked {
    fn select(&mut self, question: &ComponentQuestion<'_>) -> Vec<usize> {
        self.one_more();
        let components = question.candidate.components().len();
        vec![(question.iteration / 2) as usize % components]
    }
}

impl ParetoEvaluation for Asked {
    fn row(&mut self, question: &RowQuestion<'_>, _: &mut dyn RandomSource) -> Box<dyn RowPlan> {
        Box::new(ByThrees {
            asked: self.clone(),
            pareto: question.instances.len(),
        })
    }

    fn first(&self, _: usize) -> usize {
        3
    }
}

/// Orders three examples at a time. It stops once fewer than half of at least six were right.
struct ByThrees {
    asked: Asked,
    pareto: usize,
}

impl RowPlan for ByThrees {
    fn next(&mut self, known: &[RowScore]) -> RowStep {
        self.asked.one_more();
        let right: f64 = known.iter().filter_map(|one| one.score).sum();
        let run = known.len();
        if run == self.pareto || (run >= 6 && 2.0 * right < run as f64) {
            return RowStep::Enter;
        }
        RowStep::Run((run..self.pareto.min(run + 3)).collect())
    }
}

impl WinnerChoice for Asked {
    fn rank(&mut self, archive: &Archive, count: usize) -> Vec<CandidateIndex> {
        self.one_more();
        archive.live().iter().rev().take(count).copied().collect()
    }
}

/// Runs to the end with foreign policies.
async fn whole(world: &World, asked: &Asked) -> (Arc<dyn Store>, RunId, Vec<Event>) {
    let store = memory();
    let builder = world.builder(&store, Probe::new().shared());
    let handle = builder.policies(asked.policies()).start().await.unwrap();
    let result = handle.finish().await.unwrap();
    let run = result.run.run_id;
    let events = journal(&store, &run).await;
    (store, run, events)
}

/// A store in which the run's journal holds only these events, as after a kill.
async fn cut_off(store: &Arc<dyn Store>, run: &RunId, events: &[Event]) -> Arc<dyn Store> {
    let mut row = store.run(run).await.unwrap();
    row.summary = RunSummary::default();
    let other = memory();
    other.create_run(row).await.unwrap();
    if !events.is_empty() {
        let batch = events.to_vec().into();
        let claim = other.claim(run).await.unwrap();
        other.append(claim.token(), Seq(0), batch).await.unwrap();
    }
    other
}

fn answers(events: &[Event]) -> u64 {
    let is_answer = |body: &EventBody| matches!(body, EventBody::Fact(Fact::PolicyDecided(_)));
    count(events, is_answer) as u64
}

/// All decisions except the end, whose counters say how often the run was resumed.
fn lineage(events: &[Event]) -> Vec<String> {
    let made = decisions(events).into_iter();
    made.filter(|text| !text.contains("run_finished")).collect()
}

#[tokio::test]
async fn every_answer_of_a_foreign_policy_is_journaled_before_what_follows_from_it() {
    let (world, asked) = (World::new(), Asked::default());
    let (store, run, events) = whole(&world, &asked).await;
    assert_eq!(answers(&events), asked.count());
    for point in [
        PolicyPoint::Parent,
        PolicyPoint::Minibatch,
        PolicyPoint::Components,
        PolicyPoint::Gate,
        PolicyPoint::Row,
        PolicyPoint::Stop,
        PolicyPoint::Winner,
    ] {
        let at = |body: &EventBody| matches!(body, EventBody::Fact(Fact::PolicyDecided(decided)) if decided.point == point);
        assert!(count(&events, at) > 0, "{point:?}");
    }
    let mut parents = Vec::new();
    for event in &events {
        match &event.body {
            EventBody::Fact(Fact::PolicyDecided(decided))
                if decided.point == PolicyPoint::Parent =>
            {
                parents.push((decided.iteration, decided.answer.clone()));
            }
            EventBody::Decision(Decision::ProposalIssued(issued)) => {
                let answer = serde_json::to_value(issued.parents[0]).unwrap();
                assert!(parents.contains(&(issued.iteration, answer)), "{issued:?}");
            }
            _ => {}
        }
    }
    let row = store.run(&run).await.unwrap();
    let enough = StopReason::Custom {
        name: "enough".to_owned(),
        detail: "10 iterations are done".to_owned(),
    };
    assert_eq!(row.summary.stop_reason, Some(enough));
    let newest = row.summary.counters.candidates_accepted - 1;
    assert_eq!(row.summary.best, Some(CandidateIndex(newest as u32)));
    let verified = replay::verify(&*store, &run, &world.config())
        .await
        .unwrap();
    assert_eq!(verified.pending, 0);
}

#[tokio::test]
async fn a_run_killed_anywhere_is_resumed_without_asking_again_what_is_recorded() {
    let (world, first) = (World::new(), Asked::default());
    let (store, run, events) = whole(&world, &first).await;
    for cut in (0..events.len()).step_by(17) {
        let stored = cut_off(&store, &run, &events[..cut]).await;
        let again = Asked::default();
        let builder = world.builder(&stored, Probe::new().shared());
        let handle = builder.policies(again.policies()).resume(run.clone()).await;
        handle.unwrap().finish().await.unwrap();
        let resumed = journal(&stored, &run).await;
        assert_eq!(lineage(&resumed), lineage(&events), "cut after {cut}");
        let recorded = answers(&events[..cut]);
        assert_eq!(
            again.count(),
            answers(&resumed) - recorded,
            "cut after {cut}"
        );
        replay::verify(&*stored, &run, &world.config())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_run_killed_anywhere_goes_on_without_its_policies() {
    let (mut world, asked) = (World::new(), Asked::default());
    world.settings.budget.max_iterations = Some(16);
    let (store, run, events) = whole(&world, &asked).await;
    for cut in (0..events.len()).step_by(23) {
        let stored = cut_off(&store, &run, &events[..cut]).await;
        replay::verify(&*stored, &run, &world.config())
            .await
            .unwrap();
        let builder = world.builder(&stored, Probe::new().shared());
        let handle = builder.resume(run.clone()).await.unwrap();
        handle.finish().await.unwrap();
        let resumed = journal(&stored, &run).await;
        assert_eq!(resumed[..cut], events[..cut]);
        assert_eq!(
            answers(&resumed),
            answers(&events[..cut]),
            "cut after {cut}"
        );
        let verified = replay::verify(&*stored, &run, &world.config()).await;
        assert_eq!(verified.unwrap().pending, 0, "cut after {cut}");
    }
}
