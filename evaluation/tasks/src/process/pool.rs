//! The idle children, and how fast new ones may be started.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex as AsyncMutex;

use super::ProcessError;
use super::settings::Launch;
use super::worker::Worker;

/// Children that wait for work, and the brake on starting more.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<Idle>,
    /// Held while one start is delayed, so that only one task at a time starts a broken program.
    delayed_start: AsyncMutex<()>,
    /// Starts in a row that led to no hello. A child that dies after its hello does not count: its
    /// rollout killed it, and the next start need not wait.
    futile_starts: Mutex<u32>,
}

#[derive(Debug, Default)]
struct Idle {
    workers: Vec<Worker>,
    closed: bool,
}

impl Pool {
    /// An idle child, or a new one. Waits before the start if the last start was futile.
    pub(super) async fn take(&self, launch: &Launch) -> Result<Worker, ProcessError> {
        if let Some(worker) = self.rested() {
            return Ok(worker);
        }
        if *self.locked_futile() == 0 {
            return self.start(launch).await;
        }
        let _turn = self.delayed_start.lock().await;
        // A task that held the lock before may have returned a child or changed the count.
        if let Some(worker) = self.rested() {
            return Ok(worker);
        }
        let futile = *self.locked_futile();
        tokio::time::sleep(delay_after(futile)).await;
        self.start(launch).await
    }

    /// Takes back a child that can serve again.
    pub(super) fn give_back(&self, worker: Worker) {
        let mut idle = self.locked_idle();
        if !idle.closed {
            idle.workers.push(worker);
        }
    }

    /// Keeps no child from now on, and returns the idle ones.
    pub(super) fn close(&self) -> Vec<Worker> {
        let mut idle = self.locked_idle();
        idle.closed = true;
        std::mem::take(&mut idle.workers)
    }

    fn rested(&self) -> Option<Worker> {
        self.locked_idle().workers.pop()
    }

    async fn start(&self, launch: &Launch) -> Result<Worker, ProcessError> {
        let started = Worker::start(launch).await;
        let mut futile = self.locked_futile();
        *futile = if started.is_ok() {
            0
        } else {
            futile.saturating_add(1)
        };
        started
    }

    fn locked_idle(&self) -> std::sync::MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn locked_futile(&self) -> std::sync::MutexGuard<'_, u32> {
        self.futile_starts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// 50 ms, doubled with every further futile start, at most 5 s.
fn delay_after(futile: u32) -> Duration {
    let Some(doublings) = futile.checked_sub(1) else {
        return Duration::ZERO;
    };
    let factor = 1 << doublings.min(7);
    Duration::from_millis(50 * factor).min(Duration::from_secs(5))
}
