//! Children overtaken by other children. They exist only under the free schedule, where the search
//! may move on without limit while a child waits for its slowest rollout.
//!
//! A child of a reflection is *stale* at its gate in two cases. First, `gate_lag` generations or
//! more were issued after its own; the ordered schedule never allows this. Second, its parent stood
//! on the front when it was drawn and no longer does. A child that has all its pareto scores is
//! never checked: its row is compared with the current archive, so nothing about it can be out of
//! date.

use gepa_archive::Origin;

use super::proposal::Proposal;
use super::state::Core;
use crate::config::{ScheduleKind, StaleChildren};
use crate::event::CloseReason;

impl Core {
    /// Why a child is too stale to go on; `None` if staleness does not end it.
    pub(super) fn dropped_as_stale(&self, proposal: &Proposal) -> Option<String> {
        let drops = self.config.settings().run.stale_children == StaleChildren::Drop;
        drops.then(|| self.staleness(proposal)).flatten()
    }

    /// Ends a proposal whose child came too late. The same text may be proposed again, so the
    /// outcomes of its minibatch are kept.
    pub(super) fn turn_away_stale(&mut self, proposal: Proposal, detail: String) {
        if let Some(trial) = &proposal.child_trial {
            self.memory.remember_turned_away(trial);
        }
        self.turn_away(proposal, CloseReason::Stale, detail);
    }

    /// Why a child is stale; `None` if it is not.
    fn staleness(&self, proposal: &Proposal) -> Option<String> {
        let run = &self.config.settings().run;
        if run.schedule == ScheduleKind::Ordered || proposal.origin != Origin::Reflection {
            return None;
        }
        let since = self.next_generation - 1 - proposal.generation;
        if since >= u64::from(run.gate_lag) {
            return Some(format!("{since} generations began after its own"));
        }
        let parent = *proposal.parents.first()?;
        (proposal.parent_survived && !self.archive.survives(parent))
            .then(|| format!("its parent, candidate {parent}, has left the front"))
    }
}
