//! The list of runs.

use std::collections::{BTreeMap, BTreeSet};

use gepa_ablation::way_on;
use gepa_engine::record::{RunRow, RunStatus};
use gepa_engine::{RunId, RunLabels, RunQuery, Seq, Store, StoreError, Timestamp};
use gepa_jobs::JobMark;
use serde::{Serialize, Serializer};

/// Runs that are read at once.
const PAGE: usize = 256;
/// More ids than a store has.
const ALL_IDS: usize = u32::MAX as usize;

/// The fewest characters of a short id.
const SHORTEST: usize = 6;

/// What the list says about a run. Figures have the names of `gepa export --what stats`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunEntry {
    /// The run.
    pub run_id: RunId,
    /// The end of its id that no other run's id ends with.
    pub short: String,
    /// Its name.
    pub name: String,
    /// Words by which it is found.
    pub tags: BTreeSet<String>,
    /// A text for people.
    pub note: String,
    /// When it was archived; `None` if it is not.
    #[serde(serialize_with = "as_text")]
    pub archived_at: Option<Timestamp>,
    /// How it stands. [`state`](Self::state) also knows runs whose process was killed.
    pub status: &'static str,
    /// Whether a process works on it.
    pub is_claimed: bool,
    /// How it stands, for people; see [`state_of`].
    pub state: &'static str,
    /// What goes on with it if it stopped before its end.
    pub way_on: Option<String>,
    /// When it was created.
    #[serde(serialize_with = "as_text")]
    pub created_at: Option<Timestamp>,
    /// When its last event was journaled.
    #[serde(serialize_with = "as_text")]
    pub updated_at: Option<Timestamp>,
    /// When it finished.
    #[serde(serialize_with = "as_text")]
    pub finished_at: Option<Timestamp>,
    /// The policy's provider and model.
    pub policy: String,
    /// The seed's mean pareto score.
    pub baseline_score: Option<f64>,
    /// The best mean pareto score.
    pub best_score: Option<f64>,
    /// The seed's mean held-out score.
    pub baseline_validation_score: Option<f64>,
    /// The best candidate's mean held-out score.
    pub best_validation_score: Option<f64>,
    /// Candidates tried.
    pub trials_tried: u64,
    /// Candidates accepted.
    pub candidates_accepted: u64,
    /// Size of the front.
    pub front_size: u64,
    /// Rollouts executed.
    pub total_rollouts: u64,
    /// Rollouts that failed.
    pub failed_rollouts: u64,
    /// Tokens of all calls.
    pub total_tokens: u64,
    /// Known cost in US dollars.
    pub total_cost_usd: f64,
    /// Calls without a known price.
    pub unpriced_calls: u64,
    /// Seconds for which processes worked on it.
    pub total_time_seconds: f64,
    /// Why it stopped.
    pub stop_detail: Option<String>,
    /// Why it was interrupted.
    pub interruption: Option<String>,
    /// The last event.
    pub seq: Seq,
}

/// Which runs a list shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunSelection {
    /// What the store can tell.
    pub query: RunQuery,
    /// Only runs that stand so for people; see [`state_of`].
    pub state: Option<&'static str>,
}

impl RunSelection {
    /// Selects the runs that stand so for people; see [`state_of`]. Returns whether there is such a state.
    pub fn stands(&mut self, state: &str) -> bool {
        let (statuses, state) = match state {
            KILLED => (vec![RunStatus::Running, RunStatus::Queued], Some(KILLED)),
            other => {
                let status: Option<RunStatus> = serde_json::from_value(other.into()).ok();
                let has_killed =
                    status.filter(|one| matches!(one, RunStatus::Running | RunStatus::Queued));
                (
                    status.into_iter().collect(),
                    has_killed.map(RunStatus::as_str),
                )
            }
        };
        let is_known = !statuses.is_empty();
        self.query.statuses = statuses;
        self.state = state;
        is_known
    }

    /// How many runs of the store are meant, with those that [`RunQuery::before`] leaves out.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn count(&self, store: &dyn Store) -> Result<usize, StoreError> {
        let mut all = self.clone();
        all.query.before = None;
        if all.state.is_none() {
            return store.count_runs(&all.query).await;
        }
        let mut count = 0;
        while let Some(page) = all.next(store, PAGE).await? {
            count += page.len();
        }
        Ok(count)
    }

    /// Of the next `size` runs that the store finds, those that are meant, each with whether a process works on
    /// it. `None` after the last one.
    async fn next(
        &mut self,
        store: &dyn Store,
        size: usize,
    ) -> Result<Option<Vec<(RunRow, bool)>>, StoreError> {
        let page = store.find_runs(&self.query, size).await?;
        let Some(last) = page.last() else {
            return Ok(None);
        };
        self.query.before = Some(last.run_id.clone());
        let mut meant = Vec::with_capacity(page.len());
        for run in page {
            let is_claimed = is_worked_on(store, &run).await?;
            if self
                .state
                .is_none_or(|wanted| wanted == state_of(&run, is_claimed))
            {
                meant.push((run, is_claimed));
            }
        }
        Ok(Some(meant))
    }
}

/// The newest runs of a store.
#[derive(Clone, Debug, PartialEq)]
pub struct NewestRuns {
    /// The runs, newest first.
    pub entries: Vec<RunEntry>,
    /// All runs of the store.
    pub of: usize,
    /// Those that are archived.
    pub archived: usize,
    /// All tags of the store's runs.
    pub tags: BTreeSet<String>,
}

impl NewestRuns {
    /// Up to `limit` runs that are meant. The store reads the rows of no others.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn read(
        store: &dyn Store,
        selection: &RunSelection,
        limit: usize,
    ) -> Result<Self, StoreError> {
        let ids = store.run_ids("", ALL_IDS).await?;
        let mut labels = store.labels().await?;
        let archived = labels.values().filter(|one| one.archived_at.is_some());
        let mut newest = Self {
            entries: Vec::new(),
            of: ids.len(),
            archived: archived.count(),
            tags: labels.values().flat_map(|one| one.tags.clone()).collect(),
        };
        let mut shorts = shorts(&ids);
        let mut rest = selection.clone();
        while newest.entries.len() < limit {
            let size = (limit - newest.entries.len()).min(PAGE);
            let Some(page) = rest.next(store, size).await? else {
                break;
            };
            for (run, is_claimed) in page {
                let labels = labels.remove(&run.run_id).unwrap_or_default();
                let short = shorts.remove(run.run_id.as_str()).unwrap_or_default();
                newest
                    .entries
                    .push(RunEntry::of(&run, labels, short, is_claimed));
            }
        }
        Ok(newest)
    }
}

impl RunEntry {
    fn of(run: &RunRow, labels: RunLabels, short: String, is_claimed: bool) -> Self {
        let (summary, counters) = (&run.summary, &run.summary.counters);
        Self {
            run_id: run.run_id.clone(),
            short,
            name: run.name.clone(),
            tags: labels.tags,
            note: labels.note,
            archived_at: labels.archived_at,
            status: summary.status.as_str(),
            is_claimed,
            state: state_of(run, is_claimed),
            way_on: (!is_claimed && !summary.status.is_terminal()).then(|| way_on(run)),
            created_at: Some(run.created_at),
            updated_at: summary.updated_at,
            finished_at: summary.finished_at,
            policy: format!("{}/{}", run.policy_provider, run.policy_model),
            baseline_score: summary.baseline_score,
            best_score: summary.best_score,
            baseline_validation_score: summary.baseline_validation_score,
            best_validation_score: summary.best_validation_score,
            trials_tried: counters.trials_tried,
            candidates_accepted: counters.candidates_accepted,
            front_size: summary.front_size,
            total_rollouts: counters.total_rollouts,
            failed_rollouts: counters.failed_rollouts,
            total_tokens: counters.total_tokens,
            total_cost_usd: counters.total_cost_usd(),
            unpriced_calls: counters.unpriced_calls,
            total_time_seconds: summary.active_seconds,
            stop_detail: summary.stop_reason.as_ref().map(ToString::to_string),
            interruption: summary.interruption.clone(),
            seq: summary.seq,
        }
    }
}

const KILLED: &str = "killed";

/// How a run stands, for people: `killed` if no process works on it though it was running, or though the command line
/// created it, since a server starts only jobs. Otherwise its status.
pub fn state_of(run: &RunRow, is_claimed: bool) -> &'static str {
    let is_left = match run.summary.status {
        RunStatus::Running => true,
        RunStatus::Queued => JobMark::of(run).is_none(),
        _ => false,
    };
    if is_left && !is_claimed {
        KILLED
    } else {
        run.summary.status.as_str()
    }
}

/// The entry of one run. Its short id is its whole id, since the others are not looked at.
pub(super) async fn entry(
    store: &dyn Store,
    run: &RunRow,
    is_claimed: bool,
) -> Result<RunEntry, StoreError> {
    let labels = store.labels().await?.remove(&run.run_id);
    let short = run.run_id.to_string();
    Ok(RunEntry::of(
        run,
        labels.unwrap_or_default(),
        short,
        is_claimed,
    ))
}

/// Whether a process works on the run. A run that is over needs no look at its claim.
pub(super) async fn is_worked_on(store: &dyn Store, run: &RunRow) -> Result<bool, StoreError> {
    let status = run.summary.status;
    if status.is_terminal() || status == RunStatus::Queued {
        return Ok(false);
    }
    store.is_claimed(&run.run_id).await
}

/// For each run the end of its id that no other id ends with. Its beginning is the time, which runs
/// of one day share.
fn shorts(runs: &[RunId]) -> BTreeMap<&str, String> {
    let mut ids: Vec<(Vec<u8>, &str)> = runs
        .iter()
        .map(RunId::as_str)
        .map(|id| (id.bytes().rev().collect(), id))
        .collect();
    ids.sort();
    let shared = |left: Option<&(Vec<u8>, &str)>, right: &[u8]| {
        let pairs = left
            .into_iter()
            .flat_map(|(left, _)| left.iter().zip(right));
        pairs.take_while(|(one, other)| one == other).count()
    };
    let mut found = BTreeMap::new();
    for (place, (backwards, id)) in ids.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|before| ids.get(before));
        let most = shared(before, backwards).max(shared(ids.get(place + 1), backwards));
        let length = (most + 1).max(SHORTEST).min(id.len());
        found.insert(*id, id[id.len() - length..].to_owned());
    }
    found
}

#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
fn as_text<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_some(&time.to_string()),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_id_is_the_end_of_one_run_only() {
        // Ids that share their ends, and one that is the end of another.
        let mut numbers: Vec<String> = (0_u64..300)
            .map(|number| format!("{:024x}", (number * number) << (number % 40)))
            .collect();
        numbers.extend([
            "aaaaaaaaaaaaaaaa".to_owned(),
            "b".repeat(8) + &"a".repeat(16),
        ]);
        numbers.sort();
        numbers.dedup();
        let ids = numbers.iter().map(|id| format!("pl_{id}").parse());
        let runs: Vec<RunId> = ids.map(|id| id.expect("a run id")).collect();
        let found = shorts(&runs);
        assert_eq!(found.len(), runs.len());
        for (id, short) in found {
            let ends = runs.iter().filter(|run| run.as_str().ends_with(&short));
            assert_eq!(ends.count(), 1, "{id} {short}");
            assert!(id.ends_with(&short) && short.len() >= SHORTEST);
        }
    }
}
