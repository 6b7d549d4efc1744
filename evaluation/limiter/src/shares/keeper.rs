//! Takes the turns of one holder.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::super::limiter::Limiter;
use super::divider::{Answer, CROWDED, Divider, Found, MOST_TRIES, Taken, Writer, pause};
use super::quota::{Closed, Report};
use super::{SharedDocument, Turn, VALID};

/// Time between two turns of a holder with work, where few share the limit.
pub const TURN: Duration = Duration::from_millis(500);
/// Time of the place for one turn. The more holders there are, the less often each takes its turn, since changes that
/// come at once are made again.
const FOR_EACH: Duration = Duration::from_millis(25);
/// The same where one holder makes the changes of all.
const FOR_EACH_DIVIDED: Duration = Duration::from_millis(2);
/// A holder whose divider does not answer this often in a row takes its next turns itself, where at most [`FEW`] share
/// the limit: their changes seldom meet.
const UNANSWERED: u32 = 2;
const FEW: u32 = 20;
const TURNS_ALONE: u32 = 20;
/// Longest time between two turns; grants are longer.
const LONGEST_TURN: Duration = Duration::from_secs(2);
/// The closing of a grant is remembered this long; no call takes tokens back later.
const REMEMBERED: usize = 200;

/// Keeps the share of one limiter.
pub struct Keeper {
    writer: Writer,
    limiter: Weak<Limiter>,
    holder: String,
    number: u64,
    /// Whether the limiter had no use for a grant at the last turn.
    is_idle: bool,
    /// Holders at the last turn.
    holders: u32,
    /// Who takes the turns.
    divider: Chosen,
    /// Takes the turns of all, where this holder does.
    dividing: Option<Dividing>,
    /// Questions without an answer, in a row.
    unanswered: u32,
    /// Turns that it takes itself before it asks again.
    turns_alone: u32,
    /// What was not written yet.
    report: Report,
    /// The grant of a change of which it is not known whether it was made.
    unsure: Option<u64>,
    /// The changes that closed grants, by grant.
    closed_by: BTreeMap<u64, u64>,
}

/// Who takes the turns of a holder.
#[derive(Clone, Debug, PartialEq)]
enum Chosen {
    /// It is to be found out; not this one.
    Unknown { gone: Option<String> },
    /// This holder, perhaps itself.
    Holder(String),
    /// Each its own: the place carries no messages.
    Each,
}

/// Ends with the keeper.
struct Dividing(JoinHandle<()>);

impl Drop for Dividing {
    fn drop(&mut self) {
        self.0.abort();
    }
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
            writer: Writer::new(document),
            limiter: Arc::downgrade(limiter),
            holder: holder.into(),
            number: 0,
            is_idle: true,
            holders: 1,
            divider: Chosen::Unknown { gone: None },
            dividing: None,
            unanswered: 0,
            turns_alone: 0,
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
                sleep(self.pace()).await;
            }
        }
    }

    fn pace(&self) -> Duration {
        match self.divider {
            Chosen::Each => TURN.max(FOR_EACH * self.holders),
            _ => TURN.max(FOR_EACH_DIVIDED * self.holders).min(LONGEST_TURN),
        }
    }

    /// One turn: closes the grant, and takes the next one.
    ///
    /// # Errors
    /// The document is not reached or cannot be read.
    pub async fn turn(&mut self, limiter: &Arc<Limiter>) -> Result<(), String> {
        let mut closed = limiter.close_share();
        self.take_over(std::mem::take(&mut closed.report));
        let demand = self.report.demand;
        self.is_idle = demand.requests == 0 && demand.in_flight == 0;
        if self.is_idle
            && self.report.used.is_none()
            && self.unsure.is_none()
            && self.has_nothing_to_say()
        {
            return Ok(());
        }
        for attempt in 0..MOST_TRIES {
            // The grant's time begins before it can have been issued.
            let begun = Instant::now();
            let turn = self.next_turn(&closed);
            let before = self.unsure;
            let taken = match self.chosen().await? {
                Chosen::Each => {
                    let (mut ledger, at) = self.writer.read().await?;
                    let grants = ledger.take_turns(std::slice::from_ref(&turn), at);
                    self.unsure = Some(turn.number);
                    let written = self.writer.write(&ledger, at).await?;
                    written.map(|revision| Taken {
                        revision,
                        grant: grants.into_iter().flatten().next(),
                        holders: ledger.holders() as u32,
                        now: at.now,
                    })
                }
                Chosen::Holder(divider) => {
                    self.unsure = Some(turn.number);
                    match self.ask(&divider, &turn).await? {
                        Some(taken) => Some(taken),
                        // It may have been taken all the same.
                        None => continue,
                    }
                }
                Chosen::Unknown { .. } => None,
            };
            let Some(taken) = taken else {
                self.unsure = before;
                pause(attempt, &self.holder).await;
                continue;
            };
            self.unsure = None;
            self.holders = taken.holders;
            self.turns_alone = self.turns_alone.saturating_sub(1);
            self.writer.clock.hear(taken.now, Instant::now());
            if let Some((closed, _)) = self.report.used {
                self.closed_by.insert(closed, taken.revision);
                while self.closed_by.len() > REMEMBERED {
                    self.closed_by.pop_first();
                }
            }
            self.report = Report::default();
            if let Some(grant) = taken.grant {
                limiter.open_share(turn.number, &grant, begun + VALID);
            }
            return Ok(());
        }
        Err(CROWDED.to_owned())
    }

    /// Finds out who takes the turns, and begins to take them where no holder does.
    async fn chosen(&mut self) -> Result<Chosen, String> {
        if self.unanswered >= UNANSWERED && self.holders <= FEW {
            (self.unanswered, self.turns_alone) = (0, TURNS_ALONE);
            self.dividing = None;
        }
        if self.turns_alone > 0 {
            return Ok(Chosen::Each);
        }
        if let Chosen::Unknown { gone } = &self.divider {
            let (document, clock) = (&self.writer.document, &self.writer.clock);
            let found = Divider::find(document, clock, &self.holder, gone.as_deref());
            let (found, holders) = found.await?;
            self.holders = holders;
            self.divider = match found {
                Found::Other(name) => Chosen::Holder(name),
                Found::Own(divider) => {
                    self.dividing = Some(Dividing(tokio::spawn(divider.divide())));
                    Chosen::Holder(self.holder.clone())
                }
                Found::Each => Chosen::Each,
            };
        }
        Ok(self.divider.clone())
    }

    /// `None` if another holder is to be asked, or found.
    async fn ask(&mut self, divider: &str, turn: &Turn) -> Result<Option<Taken>, String> {
        let question = serde_json::to_vec(turn).map_err(|error| error.to_string())?;
        let answer = self.writer.document.ask(divider, question).await;
        let answer = answer.and_then(|answer: Vec<u8>| serde_json::from_slice(&answer).ok());
        match answer.clone() {
            Some(Answer::Taken(taken)) => {
                self.unanswered = 0;
                Ok(Some(taken))
            }
            Some(Answer::Failed(error)) => Err(error),
            Some(Answer::Elsewhere(Some(name))) if name != divider => {
                self.unsure = turn.unsure;
                self.divider = Chosen::Holder(name);
                Ok(None)
            }
            Some(Answer::Elsewhere(_)) | None => {
                self.unanswered += u32::from(answer.is_none());
                self.divider = Chosen::Unknown {
                    gone: Some(divider.to_owned()),
                };
                Ok(None)
            }
        }
    }

    fn next_turn(&mut self, closed: &Closed) -> Turn {
        self.number += 1;
        Turn {
            holder: self.holder.clone(),
            number: self.number,
            unsure: self.unsure,
            used: self.report.used,
            returned: self.returned_by_change(),
            excess: self.report.excess,
            returned_costs: self.report.returned_costs.clone(),
            excess_cost: self.report.excess_cost,
            demand: self.report.demand,
            leaves: self.is_idle,
            pause: closed.pause,
            limits: closed.limits,
            learned: closed.learned,
            signs: self.report.signs,
        }
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

    fn returned_by_change(&self) -> Vec<(u64, u64)> {
        let returned = self.report.returned.iter();
        let returned = returned.filter_map(|(number, tokens)| {
            let change = self.closed_by.get(number)?;
            Some((*change, *tokens))
        });
        returned.collect()
    }
}
