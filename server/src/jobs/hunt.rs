//! Takes jobs of a fleet when there is a slot, and carries commands that other engines sent.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::acts::log_refusal;
use super::fleet::Fleet;
use super::supervisor::Supervisor;

/// The pause between looks at the queue when no wake-up arrives. A job whose engine died is free when
/// its claim expires, which causes no wake-up.
const LOOK: Duration = Duration::from_secs(1);

/// How often what was submitted here is forgotten if another engine has ended it.
const FORGET: Duration = Duration::from_mins(1);

/// Takes one job after the other until the server ends.
pub(super) async fn hunt(
    supervisor: Arc<Supervisor>,
    fleet: Arc<dyn Fleet>,
    mut closing: watch::Receiver<bool>,
) {
    loop {
        let ticket = supervisor.next_ticket();
        let place = supervisor.shared().slots.enter(ticket);
        let slot = tokio::select! {
            slot = place.slot() => slot,
            _ = closing.changed() => return,
        };
        drop(place);
        let unable = supervisor.shared().unable.lock().jobs();
        let quotas = supervisor.shared().access.quotas();
        let next = match fleet.take(&unable, &quotas).await {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!(%error, "no job could be taken, trying again");
                None
            }
        };
        match next {
            Some(job) if *closing.borrow() => {
                let _ = fleet.leave(&job, false).await;
                return;
            }
            Some(job) => supervisor.start_taken(job, ticket, slot),
            None => {
                drop(slot);
                tokio::select! {
                    () = fleet.changed(LOOK) => {}
                    _ = closing.changed() => return,
                }
            }
        }
    }
}

/// Passes commands on that other engines sent for jobs of this one.
pub(super) async fn hear(
    supervisor: Arc<Supervisor>,
    fleet: Arc<dyn Fleet>,
    mut closing: watch::Receiver<bool>,
) {
    let mut forgot = Instant::now();
    loop {
        tokio::select! {
            () = fleet.changed(LOOK) => {}
            _ = closing.changed() => return,
        }
        if forgot.elapsed() >= FORGET {
            supervisor.shared().forget_ended().await;
            forgot = Instant::now();
        }
        let jobs = supervisor.shared().known();
        if jobs.is_empty() {
            continue;
        }
        match fleet.received(&jobs).await {
            Ok(commands) => {
                for (job, command) in commands {
                    if let Err(refused) = supervisor.receive(&job, &command) {
                        log_refusal(&job, &refused);
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "commands could not be read, trying again"),
        }
        let notes = supervisor.shared().changed_notes();
        for (job, note) in notes {
            if let Err(error) = fleet.note(&job, &note).await {
                tracing::debug!(%error, "what a job waits for was not noted");
            }
        }
    }
}
