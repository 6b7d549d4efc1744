//! One set of limits for many processes that use the same key of a provider.
//!
//! The processes, the *holders*, keep one document, the [`Ledger`], at a place that all of them reach
//! ([`SharedDocument`]), and change it by compare-and-set. About twice a second a holder with work takes
//! a *grant*: a number of requests and of tokens that it may use within [`VALID`] of the moment it began
//! to ask. It *closes* the grant by its next change: it stops using it, then writes how much of it was
//! used.
//!
//! Where the place carries messages, one holder, the *divider*, takes the turns of all: they send it what they would write,
//! it makes one change for all turns that have arrived, and answers. The document names it. A holder that finds no holder
//! listening under that name names itself by compare-and-set, and a divider that finds another one named gives up. So
//! the number of changes does not grow with that of holders. It decides nothing: a divider that dies, hangs or is one
//! of two costs time, and the bound rests on compare-and-set and on the times at which holders ask, as without it.
//!
//! # The bound
//!
//! **Claim.** In no window of 60 s do all holders together send more requests, or reserve more tokens,
//! than the limit: also if any holder dies, if changes arrive late, and if wall clocks are set.
//!
//! A unit is *counted* in the document while its grant is open, and after the grant is closed for as long
//! as its entry exists. A grant is issued only if everything counted plus the grant is at most the limit,
//! and compare-and-set makes sure that this was true of the very document that the change replaced.
//!
//! Let a unit be used at time *u*, from a grant issued by the change at *i* and closed by the one at *c*.
//!
//! 1. *It is counted from i to c + 60 s, and i ≤ u ≤ c.* The holder uses nothing before its change is
//!    confirmed, so *i ≤ u*. It stops using the grant before it sends the change that closes it, so
//!    *u ≤ c*. The entry of closed units carries the server's time of the change at *c*, which the next
//!    writer reads from the document's metadata, and it is removed when the server's time is 60 s later.
//!    A writer takes the server's time of the newest change it has read, plus what its monotonic clock
//!    measured since, as the time of now; that is never ahead of the server's.
//! 2. *The same holds if the holder dies or is late.* Its grant is not used later than *i* + `VALID`,
//!    since the holder measures `VALID` with its monotonic clock from before the request for the grant.
//!    Another holder closes the grant in full, at a change that is `VALID` + [`GRACE`] later than *i* in
//!    server time, so again *u ≤ c*. A holder that comes back finds its grant gone and reports nothing.
//! 3. Take a window from *x* to *x* + 60 s. Let *q* be the time of the last change that issued a grant
//!    from which a unit was used in the window; *q ≤ x* + 60 s. Every unit used in the window at *u ≥ x*
//!    was issued at *i ≤ q*, and is counted until at least *u* + 60 s ≥ *x* + 60 s ≥ *q*. So at *q* all
//!    units used in the window were counted together, and their sum was at most the limit. ∎
//!
//! **Costs.** What calls reserve of the limit on the cost of a day counts in the same way: with the open grant, and
//! when the grant is closed it is added to what the day has cost, so the claim holds for every day in UTC. The count of a
//! day begins up to a turn late, since now is never ahead of the server's time; what was used in that turn counts for the
//! day on which the grant is closed, which is the new one or, for less than a turn, the one before. What a call did not
//! cost is taken off while its day lasts. A holder that dies has spent what its grant held and what its calls in flight
//! had reserved.
//!
//! Tokens that were reserved and not used are taken off the entry that counts them when the call ends. A
//! call that used more than it had reserved is counted with the rest from then on, as the limiter of one
//! process does.
//!
//! **Assumptions.** Monotonic clocks run at the same speed. A process is not stopped between the check of
//! a grant and the moment the request leaves it. The server's clock may be set back at any time, and set
//! forward while a holder is present: it measures the server's time with its own monotonic clock
//! ([`ServerClock`]). A holder that joins within a minute after the clock was set forward by *d* may count
//! up to *d* too little. The server keeps what it has confirmed.
//!
//! # How much of the limit is used
//!
//! A unit is counted for 60 s, plus the time from its use to the change that closes its grant, plus the
//! time from the end of its entry to the next change: at most two [`TURN`]s, one on average, and the
//! [`GRAIN`] of entries. With 0.5 s and 0.1 s that is 60 / 60.6 = 99 % of the limit on average, and
//! 60 / 61.1 = 98 % at worst, with holders that use what they take; what they do not use they give back. Calls in flight count with the
//! tokens that they reserve, so a limit on tokens is used to the part that reservations leave. Where a divider takes
//! the turns, more than 250 holders take them less often, 2 ms times their number apart, and where holders change the
//! document one by one, more than 20, 25 ms times their number apart: with 40 of these that is 60 / 61 = 98 % on average.

mod capacity;
mod clock;
#[cfg(test)]
mod day_tests;
mod divider;
mod health;
mod keeper;
mod ledger;
#[cfg(test)]
mod outage_tests;
#[cfg(test)]
pub(crate) mod place;
mod quota;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use async_trait::async_trait;

pub use capacity::{Common, Learned, Phase, View};
pub use clock::ServerClock;
pub(crate) use health::FAILURES_TO_OPEN;
pub use health::{CommonOutage, Signs};
pub use keeper::{Keeper, TURN};
pub use ledger::{
    Amount, DayView, Demand, GRACE, GRAIN, Grant, Ledger, Moment, SharedLimits, Turn, VALID,
};
pub(crate) use quota::{Closed, SharedQuota, Taken};

/// A document that many processes change, one change after the other.
#[async_trait]
pub trait SharedDocument: Send + Sync {
    /// The newest version; `None` if there is none yet.
    ///
    /// # Errors
    /// The place does not answer; the text says which place, for people.
    async fn read(&self) -> Result<Option<Version>, String>;

    /// Replaces the version with this revision, 0 for none, and returns the new revision; `None` if
    /// another change came first.
    ///
    /// # Errors
    /// The place does not answer. The change may have been made all the same.
    async fn replace(&self, revision: u64, content: Vec<u8>) -> Result<Option<u64>, String>;

    /// Sends a question to the holder that listens under this name, and waits about a second for the answer. `None`
    /// if no holder listens, no answer came, or the place carries no messages; the question may have arrived all the
    /// same.
    async fn ask(&self, _holder: &str, _question: Vec<u8>) -> Option<Vec<u8>> {
        None
    }

    /// Listens under this name, which is made of letters, digits and hyphens. `None` if the place carries no messages;
    /// holders then change the document one by one.
    ///
    /// # Errors
    /// The place does not answer.
    async fn listen(&self, _holder: &str) -> Result<Option<Box<dyn Questions>>, String> {
        Ok(None)
    }
}

/// Questions to one holder.
#[async_trait]
pub trait Questions: Send {
    /// The next question; `None` when there will be no more.
    async fn next(&mut self) -> Option<Question>;

    /// Sends an answer. It may be lost.
    async fn answer(&self, question: &str, answer: Vec<u8>);
}

/// A question of another holder, or of the same.
#[derive(Clone, Debug)]
pub struct Question {
    /// Names it in [`Questions::answer`].
    pub id: String,
    /// What was asked.
    pub content: Vec<u8>,
}

/// Where the documents of shared limits are kept.
pub trait SharedDocuments: Send + Sync {
    /// The document with this name, which is made of letters and digits.
    fn document(&self, name: &str) -> Arc<dyn SharedDocument>;

    /// The place, for people.
    fn place(&self) -> &str;
}

/// One version of a document.
#[derive(Clone, Debug)]
pub struct Version {
    /// Grows with each change.
    pub revision: u64,
    /// The time of the change in milliseconds, by the clock of the place that keeps the document.
    pub at_millis: u64,
    /// What was written.
    pub content: Vec<u8>,
}
