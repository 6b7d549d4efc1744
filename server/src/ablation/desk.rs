//! The ablations of one server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gepa_ablation::{Ablation, AblationError, AblationReport, AblationStep, Follower, Scoring};
use gepa_engine::record::{CandidateRow, RunRow};
use gepa_engine::{RunId, SteeredBy, Store, StoreError};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::progress::{Progress, State};
use super::request::{AblateError, AblateRequest};
use super::unfinished::Unfinished;
use crate::access::{Caller, TenantQuota};
use crate::jobs::JobSource;

/// Ablations that go on at once.
const MOST: usize = 4;
/// Time between two looks at a run on which a process works.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
const DAY_MICROSECONDS: i64 = 86_400_000_000;

/// The ablations that this server began, in memory. What they bought is in the store.
pub(crate) struct Ablations {
    source: Arc<dyn JobSource>,
    begun: Mutex<BTreeMap<RunId, Arc<Begun>>>,
    requested: Mutex<RequestedToday>,
    tasks: Mutex<JoinSet<()>>,
    closing: watch::Sender<bool>,
}

/// Rollouts that tenants requested on a day in UTC.
#[derive(Default)]
struct RequestedToday {
    day: i64,
    by_tenant: BTreeMap<String, u64>,
}

struct Begun {
    /// `None` while its settings are checked.
    progress: Mutex<Option<Progress>>,
    cancel: watch::Sender<bool>,
}

impl Ablations {
    /// Ablations of runs whose tasks come from `source`.
    pub(crate) fn new(source: Arc<dyn JobSource>) -> Self {
        Self {
            source,
            begun: Mutex::default(),
            requested: Mutex::default(),
            tasks: Mutex::default(),
            closing: watch::Sender::new(false),
        }
    }

    /// Checks what a person asks for and begins it.
    pub(crate) async fn begin(
        &self,
        store: Arc<dyn Store>,
        run: &RunId,
        request: AblateRequest,
        caller: &Caller,
        quotas: &[TenantQuota],
    ) -> Result<Value, AblateError> {
        let begun = self.reserve(run)?;
        let prepared = self.prepare(&store, run, &request, caller, quotas).await;
        let (ablation, row) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                self.begun.lock().remove(run);
                return Err(error);
            }
        };
        let mut progress = Progress::new(&request, &row);
        progress.note = ablation.note();
        *begun.progress.lock() = Some(progress);
        let by = SteeredBy {
            who: request.who,
            why: request.why,
            ..SteeredBy::default()
        };
        self.spawn(work(begun, ablation, by));
        self.state(&*store, run).await
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock();
        while tasks.try_join_next().is_some() {}
        tasks.spawn(work);
    }

    /// Ends an ablation; calls in flight are finished and stored.
    pub(crate) fn cancel(&self, run: &RunId) -> Result<(), AblateError> {
        let begun = self.begun.lock().get(run).map(Arc::clone);
        let open = begun.filter(|begun| begun.is_open());
        open.ok_or_else(|| AblateError::Idle(run.clone()))?
            .cancel
            .send_replace(true);
        Ok(())
    }

    /// How the ablation of a run stands.
    pub(crate) async fn state(&self, store: &dyn Store, run: &RunId) -> Result<Value, AblateError> {
        let known = self.begun.lock().get(run).map(Arc::clone);
        let progress = known.and_then(|begun| begun.progress.lock().clone());
        let Some(mut progress) = progress else {
            let row = store.run(run).await?;
            return Ok(Unfinished::of(store, &row).await?.described(store).await?);
        };
        // The run that goes on has counted its rollouts itself.
        if let Some(now) = &progress.now
            && let Ok(row) = store.run(&now.run_id).await
        {
            progress.executed += row.summary.counters.total_rollouts;
        }
        Ok(json!(progress))
    }

    /// Cancels all of them and waits until what they bought is stored.
    pub(crate) async fn shut_down(&self) {
        self.closing.send_replace(true);
        for begun in self.begun.lock().values() {
            begun.cancel.send_replace(true);
        }
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        while tasks.join_next().await.is_some() {}
    }

    /// Takes the place of the only ablation of this run.
    fn reserve(&self, run: &RunId) -> Result<Arc<Begun>, AblateError> {
        if *self.closing.borrow() {
            return Err(AblateError::Closing);
        }
        let mut all = self.begun.lock();
        if all.get(run).is_some_and(|begun| begun.is_open()) {
            return Err(AblateError::Goes(run.clone()));
        }
        let open = all.values().filter(|begun| begun.is_open()).count();
        if open >= MOST {
            return Err(AblateError::Full(open));
        }
        let begun = Arc::new(Begun {
            progress: Mutex::new(None),
            cancel: watch::Sender::new(false),
        });
        all.insert(run.clone(), Arc::clone(&begun));
        Ok(begun)
    }

    async fn prepare(
        &self,
        store: &Arc<dyn Store>,
        run: &RunId,
        request: &AblateRequest,
        caller: &Caller,
        quotas: &[TenantQuota],
    ) -> Result<(Ablation, CandidateRow), AblateError> {
        let row = store.run(run).await?;
        if store.is_claimed(run).await? {
            return Err(AblateError::Busy(run.clone()));
        }
        let others = Unfinished::of(&**store, &row).await?;
        if others.is_worked_on(&**store).await? {
            return Err(AblateError::GoesElsewhere(run.clone()));
        }
        let candidate = candidate(&**store, &row, request.iteration).await?;
        let prepared = self.source.stored(&row).await;
        let prepared = prepared.map_err(|error| AblateError::UnknownEvaluator {
            run: run.clone(),
            error,
        })?;
        if let Some(changed) = prepared.other_app {
            return Err(AblateError::OtherApp(changed));
        }
        let scoring = Scoring {
            store: Arc::clone(store),
            config: prepared.config,
            described: prepared.described,
            evaluator: prepared.evaluator,
            proposer: prepared.proposer,
        };
        let ablation = Ablation::new(scoring, row, candidate.clone(), request.settings()).await?;
        self.ask_quota(caller, quotas, request.max_rollouts)?;
        Ok((ablation, candidate))
    }

    /// Counts the budget for the caller's tenant, if its quota of the day holds it.
    fn ask_quota(
        &self,
        caller: &Caller,
        quotas: &[TenantQuota],
        rollouts: u64,
    ) -> Result<(), AblateError> {
        let quota = quotas.iter().find(|quota| quota.tenant == caller.tenant);
        let Some(quota) = quota.and_then(|quota| quota.rollouts_per_day) else {
            return Ok(());
        };
        let day = gepa_engine::Timestamp::now().0.div_euclid(DAY_MICROSECONDS);
        let mut requested = self.requested.lock();
        requested
            .add(day, &caller.tenant, rollouts, quota)
            .map_err(|asked| AblateError::OverQuota {
                tenant: caller.tenant.clone(),
                quota,
                asked,
            })
    }
}

impl RequestedToday {
    /// Adds the rollouts of a budget, unless the quota does not hold them. The error is what was added before.
    fn add(&mut self, day: i64, tenant: &str, rollouts: u64, quota: u64) -> Result<(), u64> {
        if self.day != day {
            self.day = day;
            self.by_tenant.clear();
        }
        let sum = self.by_tenant.entry(tenant.to_owned()).or_default();
        if sum.saturating_add(rollouts) > quota {
            return Err(*sum);
        }
        *sum += rollouts;
        Ok(())
    }
}

impl Begun {
    fn is_open(&self) -> bool {
        self.progress.lock().as_ref().is_none_or(Progress::is_open)
    }

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        if let Some(progress) = &mut *self.progress.lock() {
            change(progress);
        }
    }
}

async fn candidate(
    store: &dyn Store,
    run: &RunRow,
    iteration: Option<u64>,
) -> Result<CandidateRow, AblateError> {
    let mut candidates = store.candidates(&run.run_id).await?.into_iter();
    let found = candidates.find(|row| match iteration {
        Some(iteration) => row.iteration == iteration,
        None => row.index.is_some() && row.index == run.summary.best,
    });
    found.ok_or_else(|| AblateError::NoCandidate(run.run_id.clone()))
}

async fn work(begun: Arc<Begun>, mut ablation: Ablation, by: SteeredBy) {
    let follower = Follower {
        told: Box::new({
            let begun = Arc::clone(&begun);
            move |step: AblationStep<'_>| begun.change(|progress| progress.take_in(&step))
        }),
        cancelled: begun.cancel.subscribe(),
    };
    let found = match ablation.find(&follower).await {
        Ok(report) => keep(&begun, &ablation, &report, by).await,
        Err(error) => Err(error),
    };
    begun.change(|progress| {
        progress.now = None;
        match found {
            Ok(seq) => {
                progress.state = State::Done;
                progress.seq = Some(seq);
            }
            Err(AblationError::Cancelled) => progress.state = State::Cancelled,
            Err(error) => {
                tracing::warn!(%error, "an ablation failed");
                progress.state = State::Failed;
                progress.error = Some(error.to_string());
            }
        }
    });
}

/// Writes the findings into the journal, as soon as no process works on the run.
async fn keep(
    begun: &Begun,
    ablation: &Ablation,
    report: &AblationReport,
    by: SteeredBy,
) -> Result<gepa_engine::Seq, AblationError> {
    let mut cancelled = begun.cancel.subscribe();
    loop {
        match ablation.keep(report, by.clone()).await {
            Err(AblationError::Store(StoreError::Claimed { .. })) => {
                begun.change(|progress| progress.state = State::Waiting);
            }
            other => return other,
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            _ = cancelled.wait_for(|cancelled| *cancelled) => return Err(AblationError::Cancelled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_of_a_day_add_up_to_the_quota_of_the_tenant() {
        let mut requested = RequestedToday::default();
        assert_eq!(requested.add(1, "a", 300, 500), Ok(()));
        assert_eq!(requested.add(1, "a", 201, 500), Err(300));
        assert_eq!(requested.add(1, "b", 500, 500), Ok(()));
        assert_eq!(requested.add(1, "a", 200, 500), Ok(()));
        assert_eq!(requested.add(1, "a", 1, 500), Err(500));
        assert_eq!(requested.add(2, "a", 500, 500), Ok(()));
    }
}
