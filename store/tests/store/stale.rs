//! An iteration whose child is stale and whose pareto set began too early. The journal got these
//! events after the fixture of format 1.

use std::sync::Arc;

use gepa_archive::{CandidateIndex, Origin};
use gepa_engine::record::CandidateStatus;
use gepa_engine::{
    CandidateProposed, CloseReason, Decision, EventBody, Fact, RolloutsDropped, RunId, Seq, Store,
};
use gepa_evaluation::Stage;
use gepa_store::{MemoryStore, SqliteStore, rebuild};
use tempfile::TempDir;

use crate::everything::{append, everything};
use crate::script::{
    RUN, closed, gate, issued, journal, key, number, rollout, run_row, scored, started, text,
};

/// The child passed against its parent, but not against the candidate drawn in the parent's place.
/// One rollout of its pareto set was executed, two never began.
fn stale(iteration: u64) -> Vec<EventBody> {
    let (child, parents) = (text("stale"), vec![CandidateIndex(0)]);
    let mut early = started(key(iteration, 2), Stage::Pareto, &child, 0);
    if let EventBody::Decision(Decision::TrialStarted(started)) = &mut early {
        started.speculative = true;
    }
    let mut again = gate(iteration, &child, false);
    if let EventBody::Decision(Decision::GateDecided(gate)) = &mut again {
        gate.against = Some(CandidateIndex(1));
    }
    let mut end = closed(iteration, CloseReason::Stale, "not better than candidate 1");
    if let EventBody::Decision(Decision::ProposalClosed(closed)) = &mut end {
        closed.wasted = 1;
    }
    vec![
        issued(iteration, Origin::Reflection, parents.clone()),
        EventBody::Decision(Decision::CandidateProposed(Box::new(CandidateProposed {
            iteration,
            origin: Origin::Reflection,
            parents,
            candidate: child.clone(),
        }))),
        early,
        gate(iteration, &child, true),
        rollout(key(iteration, 2), Stage::Pareto, &child, 0, scored(0.5)),
        again,
        EventBody::Fact(Fact::RolloutsDropped(RolloutsDropped {
            trial: key(iteration, 2),
            positions: vec![1, 2],
        })),
        end,
    ]
}

#[tokio::test]
async fn a_stale_iteration_reads_back_and_counts_the_same_in_every_store() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("runs.db");
    let stores: [Arc<dyn Store>; 2] = [
        Arc::new(MemoryStore::new()),
        Arc::new(SqliteStore::open(path).unwrap()),
    ];
    let run: RunId = RUN.parse().unwrap();
    let mut bodies = vec![journal()[0].body.clone()];
    bodies.extend(stale(1));
    let events = number(1, bodies);
    for store in stores {
        store.create_run(run_row(RUN)).await.unwrap();
        append(&*store, &run, Seq(0), Arc::clone(&events))
            .await
            .unwrap();
        let found = everything(&*store, &run).await;
        assert_eq!(found.events, *events);
        let child = &found.candidates[1];
        assert_eq!(child.status, CandidateStatus::Rejected);
        assert_eq!(child.close_reason, Some(CloseReason::Stale));
        assert!(!child.gate.as_ref().unwrap().passed);
        let counters = &found.run.summary.counters;
        assert_eq!(
            (counters.speculative_rollouts, counters.wasted_rollouts),
            (1, 1)
        );
        assert_eq!(rebuild(&*store, &run).await.unwrap(), []);
    }
}
