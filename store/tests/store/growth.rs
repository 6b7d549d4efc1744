//! The events of rows that grow, and the journal without them.

use std::sync::Arc;

use gepa_archive::CandidateIndex;
use gepa_engine::*;
use indexmap::IndexMap;

use crate::script::{bodies, mean_score, number};

/// A step of a row, and one more score for the row of a member.
pub(crate) fn refined(index: u32, position: u32, score: f64) -> Vec<EventBody> {
    let candidate = CandidateIndex(index);
    let estimate = Estimate {
        mean: 0.4,
        variance: 0.01,
        scored: 3,
    };
    let rung = Decision::RungDecided(RungDecided {
        iteration: 8,
        rung: 0,
        length: 2,
        estimate,
        against: candidate,
        probability: 0.3,
        goes_on: true,
    });
    let issued = Decision::RefinementIssued(RefinementIssued {
        iteration: 9,
        candidate,
        count: 1,
    });
    let extended = Decision::RowExtended(Box::new(RowExtended {
        iteration: 9,
        candidate,
        from: 2,
        to: 3,
        positions: vec![position],
        scores: vec![Some(score)],
        outcomes: vec![],
        mean_score: 0.361,
        objectives: IndexMap::from([("z".to_owned(), 0.2)]),
        estimate,
        front: vec![CandidateIndex(0), candidate],
        improvement: true,
        leader: Leader {
            candidate: CandidateIndex(2),
            mean_score: mean_score(2),
            estimate,
        },
        committed_rollouts: 9,
    }));
    let decisions = [rung, issued, extended];
    decisions.into_iter().map(EventBody::Decision).collect()
}

/// The journal without the events of rows that grow.
pub(crate) fn journal_of_whole_rows() -> Arc<[Event]> {
    let mut bodies = bodies();
    bodies.retain(|body| {
        let growing = ["rung_decided", "refinement_issued", "row_extended"];
        !growing.contains(&body.kind())
    });
    number(1, bodies)
}

/// The journal in the form of older programs, whose rows did not grow and whose snapshots had neither
/// score nor token count.
pub(crate) fn journal_of_format_1() -> Arc<[Event]> {
    let mut events = journal_of_whole_rows().to_vec();
    for event in &mut events {
        if let EventBody::Decision(Decision::SnapshotTaken(taken)) = &mut event.body {
            taken.score = None;
            taken.token_count = None;
        }
    }
    events.into()
}
