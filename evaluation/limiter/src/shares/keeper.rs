//! Takes the turns of one holder.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::super::limiter::Limiter;
use super::quota::Report;
use super::{Amount, Ledger, ServerClock, SharedDocument, Signs, Turn, VALID};

/// Time between two turns of a holder with work, where few share the limit.
pub const TURN: Duration = Duration::from_millis(500);
/// Time of the place for one turn. The more holders there are, the less often each takes its turn, since changes that
/// come at once are made again.
const FOR_EACH: Duration = Duration::from_millis(25);
/// Changes of others that may come first before a turn is given up.
const MOST_TRIES: u32 = 12;
/// The closing of a grant is remembered this long; no call takes tokens back later.
const REMEMBERED: usize = 200;

/// Keeps the share of one limiter.
pub struct Keeper {
    document: Arc<dyn SharedDocument>,
    limiter: Weak<Limiter>,
    holder: String,
    number: u64,
    /// Whether the limiter had no use for a grant at the last turn.
    is_idle: bool,
    /// Holders at the last turn.
    holders: u32,
    clock: ServerClock,
    /// The last change of this holder: its revision, and when it was confirmed.
    own: Option<(u64, Instant)>,
    /// What was not written yet.
    report: Report,
    /// The grant of a change of which it is not known whether it was made.
    unsure: Option<u64>,
    /// The changes that closed grants, by grant.
    closed_by: BTreeMap<u64, u64>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = formatter.debug_struct("Keeper");
        out.field("holder", &self.holder).finish_non_exhaustive()
    }
}

impl Keeper {
    /// Keeps the share of `limiter` in `document` under the name `holder`, which no other holder has.
    pub fn new(
        document: Arc<dyn SharedDocument>,
        limiter: &Arc<Limiter>,
        holder: impl Into<String>,
    ) -> Self {
        Self {
            document,
            limiter: Arc::downgrade(limiter),
            holder: holder.into(),
            number: 0,
            is_idle: true,
            holders: 1,
            clock: ServerClock::default(),
            own: None,
            report: Report::default(),
            unsure: None,
            closed_by: BTreeMap::new(),
        }
    }

    /// Takes turns until the limiter is gone.
    pub async fn keep(mut self) {
        while let Some(limiter) = self.limiter.upgrade() {
            let trouble = match timeout(VALID, self.turn(&limiter)).await {
                Ok(Ok(())) => None,
                Ok(Err(trouble)) => Some(trouble),
                Err(_) => Some(format!("no answer within {} s", VALID.as_secs())),
            };
            limiter.note_share(trouble);
            let wanted = limiter.share_wanted();
            drop(limiter);
            if self.is_idle {
                // A call after a time without calls does not wait for the next turn.
                let _ = timeout(TURN, wanted.notified()).await;
            } else {
                sleep(TURN.max(FOR_EACH * self.holders)).await;
            }
        }
    }

    /// One turn: closes the grant, and takes the next one.
    ///
    /// # Errors
    /// The document is not reached or cannot be read.
    pub async fn turn(&mut self, limiter: &Arc<Limiter>) -> Result<(), String> {
        let closed = limiter.close_share();
        let is_idle = closed.report.demand.requests == 0 && closed.report.demand.in_flight == 0;
        self.take_over(closed.report);
        self.is_idle = is_idle;
        if is_idle
            && self.report.used.is_none()
            && self.unsure.is_none()
            && self.has_nothing_to_say()
        {
            return Ok(());
        }
        for attempt in 0..MOST_TRIES {
            let version = self.document.read().await?;
            let (mut ledger, revision, written_at) = match &version {
                Some(version) => (read(&version.content)?, version.revision, version.at_millis),
                None => (Ledger::default(), 0, 0),
            };
            self.find_out(&ledger);
            let now = self.now(revision, written_at);
            self.number += 1;
            let number = self.number;
            let returned = self.returned_by_change();
            let turn = Turn {
                holder: &self.holder,
                number,
                used: self.report.used,
                returned,
                excess: self.report.excess,
                returned_costs: self.report.returned_costs.clone(),
                excess_cost: self.report.excess_cost,
                knows_time: self.own.is_some_and(|(_, at)| at.elapsed() < 2 * VALID),
                demand: self.report.demand,
                pause: closed.pause,
                limits: closed.limits,
                learned: closed.learned,
                signs: self.report.signs,
            };
            let grant = if is_idle {
                ledger.leave(&turn, revision, written_at, now);
                None
            } else {
                Some(ledger.take_turn(&turn, revision, written_at, now))
            };
            self.holders = ledger.holders() as u32;
            let content = serde_json::to_vec(&ledger).map_err(|error| error.to_string())?;
            // The grant's time begins before it can have been issued.
            let begun = Instant::now();
            let before = self.unsure.replace(number);
            let written = self.document.replace(revision, content).await?;
            let Some(written) = written else {
                self.unsure = before;
                sleep(pause_after(attempt, &self.holder)).await;
                continue;
            };
            self.unsure = None;
            self.own = Some((written, Instant::now()));
            if let Some((closed, _)) = self.report.used {
                self.closed_by.insert(closed, written);
                while self.closed_by.len() > REMEMBERED {
                    self.closed_by.pop_first();
                }
            }
            self.report = Report::default();
            if let Some(grant) = grant {
                limiter.open_share(number, &grant, begun + VALID);
            }
            return Ok(());
        }
        Err("other processes changed it first, again and again".to_owned())
    }

    fn has_nothing_to_say(&self) -> bool {
        let report = &self.report;
        report.returned.is_empty()
            && report.excess == 0
            && report.returned_costs.is_empty()
            && report.excess_cost == 0
            && report.signs.is_silent()
    }

    /// Adds what the limiter says to what was not written yet.
    fn take_over(&mut self, report: Report) {
        self.report.returned.extend(report.returned);
        self.report.excess += report.excess;
        self.report.returned_costs.extend(report.returned_costs);
        self.report.excess_cost += report.excess_cost;
        self.report.demand = report.demand;
        self.report.signs = self.report.signs.then(report.signs);
        // While a change is uncertain the limiter has no grant to close.
        self.report.used = report.used.or(self.report.used);
    }

    /// Finds out whether a change was made whose confirmation was lost.
    fn find_out(&mut self, ledger: &Ledger) {
        let held = ledger.grant_of(&self.holder);
        if held.is_some() && held == self.unsure {
            // It was. Its grant was never used, and what it said is written.
            self.report.used = held.map(|number| (number, Amount::default()));
            self.report.returned.clear();
            self.report.excess = 0;
            self.report.returned_costs.clear();
            self.report.excess_cost = 0;
            self.report.signs = Signs::default();
            self.unsure = None;
            return;
        }
        let closes = self.report.used.map(|(number, _)| number);
        if held != closes && (held.is_some() || self.unsure.is_some()) {
            // An earlier change may have said it already. Nothing is ever taken back twice.
            self.report.returned.clear();
            self.report.returned_costs.clear();
        }
    }

    /// The server's time, not later than it is.
    fn now(&mut self, revision: u64, written_at: u64) -> u64 {
        let now = Instant::now();
        let Some((own, at)) = self.own else {
            // Before its first change a holder knows only that it is not earlier than the last one.
            return written_at;
        };
        let is_own = own == revision;
        let ago = if is_own { now - at } else { Duration::ZERO };
        self.clock.read(written_at, ago, is_own, now)
    }

    fn returned_by_change(&self) -> Vec<(u64, u64)> {
        let returned = self.report.returned.iter();
        let returned = returned.filter_map(|(number, tokens)| {
            let change = self.closed_by.get(number)?;
            Some((*change, *tokens))
        });
        returned.collect()
    }
}

fn read(content: &[u8]) -> Result<Ledger, String> {
    serde_json::from_slice(content).map_err(|error| {
        format!("its document cannot be read ({error}); use the same version of gepa everywhere")
    })
}

/// A short pause that differs between holders.
fn pause_after(attempt: u32, holder: &str) -> Duration {
    let differs: u64 = holder.bytes().map(u64::from).sum();
    Duration::from_millis(1 + (differs * 7 + u64::from(attempt) * 13) % (5 << attempt.min(3)))
}
