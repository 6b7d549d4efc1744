//! Rollouts that a stepped run has ordered and that have no outcome yet.

use std::collections::BTreeMap;

use gepa_archive::ContentId;
use gepa_evaluation::{ExampleId, Stage};

use crate::core::RolloutWork;
use crate::ids::{Timestamp, TrialKey};

/// Open rollouts by trial and position. What all rollouts of a trial share is held once.
#[derive(Default)]
pub(super) struct OpenRollouts {
    trials: BTreeMap<TrialKey, OpenTrial>,
}

struct OpenTrial {
    stage: Stage,
    candidate: ContentId,
    rollouts: BTreeMap<u32, OpenRollout>,
}

struct OpenRollout {
    example: ExampleId,
    again: bool,
    since: Timestamp,
}

/// A rollout that was open.
pub(super) struct Taken {
    pub(super) stage: Stage,
    pub(super) candidate: ContentId,
    pub(super) example: ExampleId,
    pub(super) again: bool,
    pub(super) since: Timestamp,
}

impl OpenRollouts {
    /// Adds a rollout that was ordered at `since`.
    pub(super) fn insert(&mut self, work: RolloutWork, since: Timestamp) {
        let of_trial = self.trials.entry(work.trial).or_insert_with(|| OpenTrial {
            stage: work.stage,
            candidate: work.candidate.content_id(),
            rollouts: BTreeMap::new(),
        });
        let open = OpenRollout {
            example: work.example,
            again: work.again,
            since,
        };
        of_trial.rollouts.insert(work.position as u32, open);
    }

    /// Takes a rollout out, because it has an outcome.
    pub(super) fn take(&mut self, trial: TrialKey, position: u32) -> Option<Taken> {
        let of_trial = self.trials.get_mut(&trial)?;
        let open = of_trial.rollouts.remove(&position)?;
        let taken = Taken {
            stage: of_trial.stage,
            candidate: of_trial.candidate,
            example: open.example,
            again: open.again,
            since: open.since,
        };
        if of_trial.rollouts.is_empty() {
            self.trials.remove(&trial);
        }
        Some(taken)
    }

    /// Drops rollouts of a trial.
    pub(super) fn withdraw(&mut self, trial: TrialKey, positions: &[u32]) {
        if let Some(of_trial) = self.trials.get_mut(&trial) {
            let rollouts = &mut of_trial.rollouts;
            rollouts.retain(|position, _| !positions.contains(position));
        }
    }

    /// Drops all of them.
    pub(super) fn clear(&mut self) {
        self.trials.clear();
    }
}
