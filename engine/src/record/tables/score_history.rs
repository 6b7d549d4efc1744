//! The pareto scores of accepted candidates at each moment of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use gepa_archive::CandidateIndex;

use crate::event::{CandidateAccepted, Decision, Event, EventBody, RevisedMean, RowExtended};
use crate::ids::Seq;
use crate::pages::EventPages;
use crate::posterior::Estimate;
use crate::record::rows::{CandidateRow, RunRow};
use crate::store::{Store, StoreError};

/// What the journal says about the pareto scores of accepted candidates. With it, a row is shown with
/// its scores at an earlier event: rows may grow, and an excluded example changes their means.
#[derive(Clone, Debug, Default)]
pub struct ScoreHistory {
    /// The last event that was taken in.
    last: Seq,
    /// By candidate, ascending by event.
    steps: BTreeMap<CandidateIndex, Vec<(Seq, Arc<Step>)>>,
    /// The last estimate of each candidate that an entry names.
    estimates: BTreeMap<CandidateIndex, Estimate>,
}

/// An entry of the journal that gives or changes the scores of one candidate.
#[derive(Debug)]
enum Step {
    Accepted(CandidateAccepted),
    Extended(RowExtended),
    Mean(RevisedMean),
}

impl ScoreHistory {
    /// Reads the entries that the run's journal has gained. Reads nothing if no score of the run
    /// changes after its candidate was accepted; [`row_at`](Self::row_at) then returns rows as they are.
    ///
    /// # Errors
    ///
    /// The store failed. The history then ends where the last page was read.
    pub async fn catch_up(
        &mut self,
        store: &dyn Store,
        run: &RunRow,
        candidates: &[CandidateRow],
    ) -> Result<(), StoreError> {
        if self.last == Seq(0) && !scores_change(store, run, candidates).await? {
            return Ok(());
        }
        let mut pages = EventPages::after(store, &run.run_id, self.last);
        while let Some(page) = pages.next().await? {
            for event in &page {
                self.take_in(event);
            }
        }
        Ok(())
    }

    /// The row of an accepted candidate with the pareto scores that it had after the event `seq`.
    /// Everything else in it is as in `row`.
    pub fn row_at(&self, row: &CandidateRow, seq: Seq) -> CandidateRow {
        let mut row = row.clone();
        let steps = row.index.and_then(|index| self.steps.get(&index));
        let steps = steps.into_iter().flatten();
        for (at, step) in steps.take_while(|(at, _)| *at <= seq) {
            match &**step {
                Step::Accepted(accepted) => row.accept(accepted.clone(), *at),
                // A row of another length comes from a damaged journal.
                Step::Extended(extended) => _ = row.extend(extended.clone()),
                Step::Mean(mean) => row.mean_score = mean.mean_score,
            }
        }
        row
    }

    /// The last estimate of a candidate that the journal names: what the engine compares where rows have
    /// different lengths. `None` where they do not grow.
    pub fn estimate(&self, candidate: CandidateIndex) -> Option<Estimate> {
        self.estimates.get(&candidate).copied()
    }

    fn take_in(&mut self, event: &Event) {
        self.last = event.seq;
        let EventBody::Decision(decision) = &event.body else {
            return;
        };
        match decision {
            // The fronts in these entries grow with the archive, and no row shows them.
            Decision::CandidateAccepted(accepted) => {
                let mut accepted = (**accepted).clone();
                accepted.front.clear();
                let leader = accepted.leader.iter();
                let leader = leader.map(|leader| (leader.candidate, leader.estimate));
                let own = accepted.estimate.map(|estimate| (accepted.index, estimate));
                self.estimates.extend(own.into_iter().chain(leader));
                self.add(accepted.index, event.seq, Step::Accepted(accepted));
            }
            Decision::RowExtended(extended) => {
                let mut extended = (**extended).clone();
                extended.front.clear();
                let leader = extended.leader;
                self.estimates.extend([
                    (extended.candidate, extended.estimate),
                    (leader.candidate, leader.estimate),
                ]);
                self.add(extended.candidate, event.seq, Step::Extended(extended));
            }
            Decision::ArchiveRevised(revised) => {
                for mean in &revised.means {
                    self.add(mean.candidate, event.seq, Step::Mean(*mean));
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, candidate: CandidateIndex, seq: Seq, step: Step) {
        let steps = self.steps.entry(candidate).or_default();
        steps.push((seq, Arc::new(step)));
    }
}

/// Whether scores can change after their candidate was accepted: because rows grow, or because
/// people excluded examples.
async fn scores_change(
    store: &dyn Store,
    run: &RunRow,
    candidates: &[CandidateRow],
) -> Result<bool, StoreError> {
    if !run.summary.excluded.is_empty() {
        return Ok(true);
    }
    let Some(seq) = candidates.iter().find_map(|row| row.accepted_seq) else {
        return Ok(false);
    };
    let event = store.event(&run.run_id, seq).await?;
    Ok(event.is_some_and(|event| match event.body {
        // The length is there only if rows grow.
        EventBody::Decision(Decision::CandidateAccepted(accepted)) => accepted.length.is_some(),
        _ => false,
    }))
}
