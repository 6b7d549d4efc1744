//! Starts the jobs of a server: those that its store holds, or those that a fleet hands out.

use std::sync::Arc;

use gepa_engine::record::RunStatus;
use gepa_engine::{RunQuery, Store, StoreError};
use gepa_jobs::JobMark;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::fleet::Fleet;
use super::hunt::{hear, hunt};
use super::shared::Shared;
use super::slots::Slots;
use super::source::JobSource;
use super::supervisor::Supervisor;
use crate::access::Access;
use crate::settings::ServerSettings;

impl Supervisor {
    /// Starts every job in the store that has not ended, oldest first.
    pub(crate) async fn start(
        store: Arc<dyn Store>,
        source: Arc<dyn JobSource>,
        settings: ServerSettings,
        access: Access,
        fleet: Option<Arc<dyn Fleet>>,
    ) -> Result<Arc<Self>, StoreError> {
        let supervisor = Arc::new(Self {
            shared: Arc::new(Shared {
                slots: Slots::new(settings.max_jobs),
                store,
                source,
                settings,
                access,
                fleet: fleet.clone(),
                unable: Mutex::default(),
                submitted: Mutex::default(),
                jobs: Mutex::default(),
            }),
            closing: watch::Sender::new(false),
            tasks: Mutex::default(),
        });
        if let Some(fleet) = fleet {
            fleet.adopt().await?;
            supervisor.join(&fleet);
            return Ok(supervisor);
        }
        let query = RunQuery {
            statuses: vec![
                RunStatus::Queued,
                RunStatus::Running,
                RunStatus::Paused,
                RunStatus::Interrupted,
            ],
            ..RunQuery::default()
        };
        let runs = supervisor
            .shared
            .store
            .find_runs(&query, usize::MAX)
            .await?;
        let open = runs
            .into_iter()
            .rev()
            .filter(|run| JobMark::of(run).is_some());
        for run in open {
            supervisor.start_job(&run, None);
        }
        Ok(supervisor)
    }

    /// Begins to take jobs from the queue of a fleet.
    fn join(self: &Arc<Self>, fleet: &Arc<dyn Fleet>) {
        let closing = || self.closing.subscribe();
        let hunting = hunt(Arc::clone(self), Arc::clone(fleet), closing());
        let hearing = hear(Arc::clone(self), Arc::clone(fleet), closing());
        let mut tasks = self.tasks.lock();
        tasks.set.spawn(hunting);
        tasks.set.spawn(hearing);
    }
}
