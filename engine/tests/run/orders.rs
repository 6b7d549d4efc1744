//! The orders in which candidates are listed.

use std::collections::BTreeMap;

use gepa_archive::CandidateIndex;
use gepa_engine::config::Evaluation;
use gepa_engine::record::{CandidateOrder, CandidateRow, CandidateStatus, ScoreHistory};
use gepa_engine::{Decision, EventBody};

use crate::probe::Probe;
use crate::world::{Finished, World, ids};

async fn finished(evaluation: Evaluation) -> Finished {
    let mut world = World::new();
    world.settings.search.evaluation = evaluation;
    world.settings.budget.max_rollouts = Some(500);
    world.sets.pareto = ids(100, 40);
    world.finish(Probe::new().shared()).await
}

async fn read(finished: &Finished, order: CandidateOrder) -> Vec<CandidateRow> {
    let (store, run) = (&*finished.store, &finished.result.run);
    let history = &mut ScoreHistory::default();
    order.read(store, run, history).await.unwrap()
}

/// The estimate that the last entry about each candidate has.
async fn estimates(finished: &Finished) -> BTreeMap<CandidateIndex, f64> {
    let mut found = BTreeMap::new();
    for event in finished.journal().await {
        let (own, leader) = match event.body {
            EventBody::Decision(Decision::CandidateAccepted(one)) => {
                let own = one.estimate.map(|estimate| (one.index, estimate.mean));
                (own, one.leader)
            }
            EventBody::Decision(Decision::RowExtended(one)) => {
                (Some((one.candidate, one.estimate.mean)), Some(one.leader))
            }
            _ => continue,
        };
        found.extend(own);
        found.extend(leader.map(|leader| (leader.candidate, leader.estimate.mean)));
    }
    found
}

#[tokio::test]
async fn by_score_the_winner_comes_first_and_rejected_candidates_come_last() {
    for evaluation in [Evaluation::Full, Evaluation::Growing] {
        let finished = finished(evaluation).await;
        let rows = read(&finished, CandidateOrder::Score).await;
        assert_eq!(rows[0].index, finished.result.run.summary.best);
        let members = rows
            .iter()
            .take_while(|row| row.status == CandidateStatus::Accepted)
            .count();
        assert!(members > 2 && members < rows.len(), "{members}");
        assert!(rows[members..].iter().all(|row| row.index.is_none()));
        let estimates = estimates(&finished).await;
        assert_eq!(estimates.is_empty(), evaluation == Evaluation::Full);
        let level = |row: &CandidateRow| {
            let estimate = row.index.and_then(|index| estimates.get(&index));
            estimate.copied().or(row.mean_score).unwrap()
        };
        let levels: Vec<f64> = rows[1..members].iter().map(level).collect();
        assert!(
            levels.is_sorted_by(|left, right| left >= right),
            "{levels:?}"
        );
        if evaluation == Evaluation::Growing {
            let means = rows[..members].iter().map(|row| row.mean_score);
            assert!(!means.is_sorted_by(|left, right| left >= right));
        }
    }
}

#[tokio::test]
async fn by_iteration_candidates_stand_in_the_order_of_iterations() {
    let finished = finished(Evaluation::Growing).await;
    let rows = read(&finished, CandidateOrder::Iteration).await;
    assert!(rows.is_sorted_by_key(|row| row.iteration));
    assert_eq!(rows[0].iteration, 0);
}
