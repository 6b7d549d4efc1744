//! The holder that takes the turns of all holders of a shared limit, and what they say to each other.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::ledger::{Grant, Ledger, Moment, Turn};
use super::{Question, Questions, ServerClock, SharedDocument, VALID, Version};

/// A divider without a question for this long gives up.
const IDLE: Duration = Duration::from_secs(10);
/// Time between two changes for each holder, and at most: turns that arrive meanwhile share a change.
const GAP_FOR_EACH: Duration = Duration::from_micros(500);
const LONGEST_GAP: Duration = Duration::from_millis(50);
/// Changes of others that may come first before a turn is given up.
pub(super) const MOST_TRIES: u32 = 12;

/// Why a turn was given up.
pub(super) const CROWDED: &str = "other processes changed it first, again and again";

/// The answer to a turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// It was taken.
    Taken(Taken),
    /// Another holder takes the turns now.
    Elsewhere(Option<String>),
    /// The document is not reached or cannot be read.
    Failed(String),
}

/// What a turn brought.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Taken {
    /// The change.
    pub(super) revision: u64,
    /// `None` for a holder that leaves.
    pub(super) grant: Option<Grant>,
    /// Holders with a share.
    pub(super) holders: u32,
    /// A time that the server has reached.
    pub(super) now: u64,
}

/// How one process changes the document.
pub(super) struct Writer {
    pub(super) document: Arc<dyn SharedDocument>,
    pub(super) clock: ServerClock,
    /// The last change of this process: its revision, and when it was confirmed.
    own: Option<(u64, Instant)>,
}

impl Writer {
    pub(super) fn new(document: Arc<dyn SharedDocument>) -> Self {
        Self {
            document,
            clock: ServerClock::default(),
            own: None,
        }
    }

    /// The newest version, and the moment of now.
    pub(super) async fn read(&mut self) -> Result<(Ledger, Moment), String> {
        let version = self.document.read().await?;
        let (ledger, revision, written_at) = match &version {
            Some(version) => (parse(version)?, version.revision, version.at_millis),
            None => (Ledger::default(), 0, 0),
        };
        let at = Moment {
            revision,
            written_at,
            now: self.now(revision, written_at),
            is_known: self.own.is_some_and(|(_, at)| at.elapsed() < 2 * VALID),
        };
        Ok((ledger, at))
    }

    /// Replaces the version that was read; `None` if another change came first.
    pub(super) async fn write(
        &mut self,
        ledger: &Ledger,
        at: Moment,
    ) -> Result<Option<u64>, String> {
        let content = serde_json::to_vec(ledger).map_err(|error| error.to_string())?;
        let written = self.document.replace(at.revision, content).await?;
        if let Some(written) = written {
            self.own = Some((written, Instant::now()));
        }
        Ok(written)
    }

    /// The server's time, not later than it is.
    fn now(&mut self, revision: u64, written_at: u64) -> u64 {
        let now = Instant::now();
        let Some((own, at)) = self.own else {
            if self.clock.is_set() {
                return self.clock.read(written_at, Duration::ZERO, false, now);
            }
            // Before its first change a holder knows only that it is not earlier than the last one.
            return written_at;
        };
        let is_own = own == revision;
        let ago = if is_own { now - at } else { Duration::ZERO };
        self.clock.read(written_at, ago, is_own, now)
    }
}

/// Takes the turns of all.
pub(super) struct Divider {
    writer: Writer,
    name: String,
    questions: Box<dyn Questions>,
}

/// Who takes the turns.
pub(super) enum Found {
    /// This holder.
    Other(String),
    /// No holder did before: the one that looked does.
    Own(Divider),
    /// Each holder its own: the place carries no messages.
    Each,
}

impl Divider {
    /// The holder that the document names, unless that is `gone`; else `name` from now on. And the number of holders.
    pub(super) async fn find(
        document: &Arc<dyn SharedDocument>,
        clock: &ServerClock,
        name: &str,
        gone: Option<&str>,
    ) -> Result<(Found, u32), String> {
        let mut writer = Writer::new(Arc::clone(document));
        // A clock that was set forward is known to those who were there before.
        writer.clock = clock.clone();
        let mut questions = None;
        for attempt in 0..MOST_TRIES {
            let (mut ledger, at) = writer.read().await?;
            let holders = ledger.holders() as u32;
            let named = ledger.divider().filter(|named| Some(*named) != gone);
            if let Some(named) = named.filter(|named| *named != name) {
                return Ok((Found::Other(named.to_owned()), holders));
            }
            if questions.is_none() {
                // It listens before others can find its name.
                questions = document.listen(name).await?;
            }
            if questions.is_none() {
                return Ok((Found::Each, holders));
            }
            ledger.name_divider(name, at);
            if writer.write(&ledger, at).await?.is_some()
                && let Some(questions) = questions.take()
            {
                let name = name.to_owned();
                let own = Self {
                    writer,
                    name,
                    questions,
                };
                return Ok((Found::Own(own), holders));
            }
            pause(attempt, name).await;
        }
        Err(CROWDED.to_owned())
    }

    /// Takes turns until no more questions come, or another holder is named.
    pub(super) async fn divide(mut self) {
        let mut gap_ends = Instant::now();
        while let Ok(Some(first)) = timeout(IDLE, self.questions.next()).await {
            let mut asked = vec![first];
            // At least those that have arrived already.
            sleep_until(gap_ends).await;
            while let Ok(Some(next)) = timeout(Duration::ZERO, self.questions.next()).await {
                asked.push(next);
            }
            let turns: Vec<(Question, Turn)> = asked
                .into_iter()
                .filter_map(|question| {
                    // A version of gepa with other turns waits, and then takes its own.
                    let turn = serde_json::from_slice(&question.content).ok()?;
                    Some((question, turn))
                })
                .collect();
            let begun = Instant::now();
            let (answers, holders) = self.take(&turns).await;
            let is_over = answers
                .iter()
                .any(|answer| matches!(answer, Answer::Elsewhere(_)));
            for ((question, _), answer) in turns.iter().zip(answers) {
                let answer = serde_json::to_vec(&answer).unwrap_or_default();
                self.questions.answer(&question.id, answer).await;
            }
            if is_over {
                return;
            }
            gap_ends = begun + (GAP_FOR_EACH * holders).min(LONGEST_GAP);
        }
    }

    /// The answers to these turns, and the number of holders.
    async fn take(&mut self, asked: &[(Question, Turn)]) -> (Vec<Answer>, u32) {
        let turns: Vec<Turn> = asked.iter().map(|(_, turn)| turn.clone()).collect();
        let all = |answer: Answer| (vec![answer; turns.len()], 0);
        for attempt in 0..MOST_TRIES {
            let (mut ledger, at) = match self.writer.read().await {
                Ok(read) => read,
                Err(error) => return all(Answer::Failed(error)),
            };
            if ledger.divider() != Some(self.name.as_str()) {
                return all(Answer::Elsewhere(ledger.divider().map(str::to_owned)));
            }
            let grants = ledger.take_turns(&turns, at);
            let holders = ledger.holders() as u32;
            match self.writer.write(&ledger, at).await {
                Ok(Some(revision)) => {
                    let taken = grants.into_iter().map(|grant| {
                        Answer::Taken(Taken {
                            revision,
                            grant,
                            holders,
                            now: at.now,
                        })
                    });
                    return (taken.collect(), holders);
                }
                Ok(None) => pause(attempt, &self.name).await,
                Err(error) => return all(Answer::Failed(error)),
            }
        }
        all(Answer::Failed(CROWDED.to_owned()))
    }
}

fn parse(version: &Version) -> Result<Ledger, String> {
    serde_json::from_slice(&version.content).map_err(|error| {
        format!("its document cannot be read ({error}); use the same version of gepa everywhere")
    })
}

/// A short pause that differs between holders.
pub(super) async fn pause(attempt: u32, holder: &str) {
    let differs: u64 = holder.bytes().map(u64::from).sum();
    let millis = 1 + (differs * 7 + u64::from(attempt) * 13) % (5 << attempt.min(3));
    sleep(Duration::from_millis(millis)).await;
}
