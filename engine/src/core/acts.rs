//! What a person can do to a run, and when it is refused.

use std::sync::Arc;

use gepa_archive::{Candidate, CandidateIndex};
use gepa_evaluation::ExampleId;

use super::limits::LimitsRefused;
use super::state::Core;
use crate::config::{BudgetSettings, Duplicates};
use crate::event::{
    CandidateInjected, CandidateVetoed, ExampleExcluded, Fact, HintGiven, SteeredBy,
};
use crate::reflection::{control_character_in, with_plain_lines};

/// The most characters of a hint: it stands in every reflection prompt.
pub const MOST_HINT_CHARS: usize = 4_000;

/// What a person does to a run.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Steering {
    /// Try a candidate.
    Inject {
        /// The texts. Components that it lacks have those of the parent, or of the best candidate.
        candidate: Box<Candidate>,
        /// Whether it must do better than a parent on a minibatch first.
        gated: bool,
        /// That parent; `None` for the best candidate.
        parent: Option<CandidateIndex>,
    },
    /// A candidate may be neither a parent nor the winner.
    Veto(CandidateIndex),
    /// A text for the reflection model; an empty one takes the one in force away.
    Hint(String),
    /// An example counts no longer.
    Exclude(ExampleId),
    /// Start nothing further for now.
    Pause,
    /// End a pause.
    Resume,
    /// End the search early, then score the best candidates on held-out examples.
    Stop,
    /// Other limits: those that are given replace those in force.
    Extend(Box<BudgetSettings>),
}

impl Steering {
    /// The name of the act in commands and in the API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Inject { .. } => "inject",
            Self::Veto(_) => "veto",
            Self::Hint(_) => "hint",
            Self::Exclude(_) => "exclude",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Stop => "stop",
            Self::Extend(_) => "extend",
        }
    }
}

/// Why an act was refused. Nothing is written then.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SteeringRefused {
    /// The run is over.
    #[error(
        "the run is over, so `{0}` would change nothing; raise the limit that ended it first (`gepa steer RUN extend`), or begin a new run from it (`gepa branch`)"
    )]
    Over(&'static str),
    /// No further proposal begins.
    #[error(
        "the search has ended and no further proposal begins, so `{0}` would change nothing; wait for the end of the run, then raise its limits"
    )]
    Ending(&'static str),
    /// The candidate has other components than the seed.
    #[error(
        "the given components are {found}, and those of this run are {wanted}; give texts for some of these"
    )]
    OtherComponents {
        /// Components given.
        found: String,
        /// Components of the seed.
        wanted: String,
    },
    /// A text breaks a rule of its component.
    #[error("the text of `{component}` breaks a rule of `texts.{component}`: {message}")]
    BreaksRule {
        /// The component.
        component: String,
        /// Which rule, and how.
        message: String,
    },
    /// A text has a control character.
    #[error("the text of `{component}` has {found}; take it out")]
    ControlCharacter {
        /// The component.
        component: String,
        /// The character and its line.
        found: String,
    },
    /// The archive holds the text already.
    #[error("this text is candidate {0} already; change it, or leave it")]
    Known(CandidateIndex),
    /// There is no such candidate in the archive.
    #[error(
        "there is no candidate {candidate} in the archive; the last one is {last} (`gepa show RUN --candidates` lists them)"
    )]
    NoSuchCandidate {
        /// The candidate named.
        candidate: CandidateIndex,
        /// The last one there is.
        last: CandidateIndex,
    },
    /// The seed cannot be vetoed.
    #[error("candidate 0 is the seed: every result is compared with it, so it cannot be vetoed")]
    Seed,
    /// The candidate has left the archive.
    #[error("candidate {0} has left the archive already")]
    Gone(CandidateIndex),
    /// The parent named for an injected text has left the archive.
    #[error(
        "candidate {0} has left the archive, so no text is compared with it; name another parent, or none for the best candidate"
    )]
    ParentGone(CandidateIndex),
    /// No set has the example.
    #[error("no set of this run has an example `{0}`")]
    NoSuchExample(ExampleId),
    /// The example was excluded before.
    #[error("example `{0}` is excluded already")]
    Excluded(ExampleId),
    /// The set would be empty.
    #[error("example `{example}` is the last one of the {set} set that counts; a set needs one")]
    LastOne {
        /// The example.
        example: ExampleId,
        /// Its set.
        set: &'static str,
    },
    /// The hint is too long.
    #[error(
        "the hint has {0} characters; it may have {MOST_HINT_CHARS}, since every reflection prompt holds it"
    )]
    HintTooLong(usize),
    /// There is no hint to take away.
    #[error("the hint is empty, and there is none in force that it could take away")]
    NoHint,
    /// The run is paused already.
    #[error("the run is paused already")]
    Paused,
    /// The run is not paused.
    #[error("the run is not paused")]
    NotPaused,
    /// No limit is named, or all are in force already.
    #[error("no limit changes; name one that is not in force, for example `--max-rollouts 5000`")]
    SameLimits,
    /// The limits cannot be applied.
    #[error("{0}")]
    Limits(String),
    /// The process that works on the run has ended.
    #[error("the process that worked on the run has ended; try again")]
    ProcessEnded,
    /// The run has not begun.
    #[error("the run has not begun yet; try again when its seed is being scored")]
    NotBegun,
}

impl Core {
    /// The fact of an act, or why the act is refused. `active_seconds` is the time, in seconds, for
    /// which processes worked on the run.
    pub(crate) fn act(
        &mut self,
        steering: Steering,
        by: SteeredBy,
        is_paused: bool,
        active_seconds: f64,
    ) -> Result<Fact, SteeringRefused> {
        self.check_timely(&steering)?;
        match steering {
            Steering::Inject {
                candidate,
                gated,
                parent,
            } => {
                if let Some(parent) = parent {
                    self.check_live(parent).map_err(|refused| match refused {
                        SteeringRefused::Gone(parent) => SteeringRefused::ParentGone(parent),
                        other => other,
                    })?;
                }
                let candidate = Box::new(self.completed(&candidate, parent)?);
                Ok(Fact::CandidateInjected(CandidateInjected {
                    candidate,
                    gated,
                    parent,
                    taken_from: None,
                    by,
                }))
            }
            Steering::Veto(candidate) => {
                if candidate == CandidateIndex(0) {
                    return Err(SteeringRefused::Seed);
                }
                self.check_live(candidate)?;
                Ok(Fact::CandidateVetoed(CandidateVetoed {
                    candidate,
                    content: self.candidate_of(candidate).content_id(),
                    replaced: true,
                    by,
                }))
            }
            Steering::Hint(text) => {
                let text = text.trim().to_owned();
                let length = text.chars().count();
                if length > MOST_HINT_CHARS {
                    return Err(SteeringRefused::HintTooLong(length));
                }
                if text.is_empty() && self.steered.hint.is_none() {
                    return Err(SteeringRefused::NoHint);
                }
                Ok(Fact::HintGiven(HintGiven { text, by }))
            }
            Steering::Exclude(example) => {
                let example = self.named_example(example);
                self.check_excluded(&example)?;
                Ok(Fact::ExampleExcluded(ExampleExcluded { example, by }))
            }
            Steering::Pause if is_paused => Err(SteeringRefused::Paused),
            Steering::Pause => Ok(Fact::RunPaused(by)),
            Steering::Resume if !is_paused => Err(SteeringRefused::NotPaused),
            Steering::Resume => Ok(Fact::RunContinued(by)),
            Steering::Stop => Ok(Fact::StopRequested(crate::event::StopRequested {
                reason: crate::stop::StopReason::Requested,
                by,
            })),
            Steering::Extend(given) => {
                let before = self.limits().clone();
                let after = before.with_changes(&BudgetSettings::default(), &given);
                if after == before {
                    return Err(SteeringRefused::SameLimits);
                }
                self.check_limits(&after, active_seconds)
                    .map_err(SteeringRefused::limits)?;
                Ok(Fact::LimitsChanged(Box::new(crate::event::LimitsChanged {
                    before,
                    after,
                    by,
                })))
            }
        }
    }

    fn check_timely(&self, steering: &Steering) -> Result<(), SteeringRefused> {
        let name = steering.name();
        match steering {
            Steering::Extend(_) | Steering::Exclude(_) => Ok(()),
            _ if self.is_finished() => Err(SteeringRefused::Over(name)),
            Steering::Inject { .. } | Steering::Hint(_) | Steering::Stop
                if self.stop_reason().is_some() =>
            {
                Err(SteeringRefused::Ending(name))
            }
            _ => Ok(()),
        }
    }

    /// The given texts in the components of the seed, completed from the parent.
    fn completed(
        &self,
        given: &Candidate,
        parent: Option<CandidateIndex>,
    ) -> Result<Candidate, SteeringRefused> {
        let base = parent.or_else(|| self.archive.best()).unwrap_or_default();
        for (name, text) in given.components() {
            if let Some(found) = control_character_in(text) {
                return Err(SteeringRefused::ControlCharacter {
                    component: name.to_string(),
                    found,
                });
            }
        }
        let texts = given.components().iter();
        let texts = texts.map(|(name, text)| (&**name, Arc::from(with_plain_lines(text))));
        let Ok(candidate) = self.candidate_of(base).with_texts(texts) else {
            return Err(SteeringRefused::OtherComponents {
                found: names(given),
                wanted: names(self.config.seed()),
            });
        };
        for (name, text) in given.components() {
            let rules = self.config.demands_on(name);
            let text = with_plain_lines(text);
            if let Some(Err(broken)) = rules.map(|rules| rules.check(&text)) {
                return Err(SteeringRefused::BreaksRule {
                    component: name.to_string(),
                    message: broken.message.replace("the new text", "it"),
                });
            }
        }
        let skips = self.config.settings().search.duplicates == Duplicates::Skip;
        match self.contents.get(&candidate.content_id()) {
            Some(known) if skips => Err(SteeringRefused::Known(*known)),
            _ => Ok(candidate),
        }
    }

    fn check_live(&self, candidate: CandidateIndex) -> Result<(), SteeringRefused> {
        match self.archive.get(candidate) {
            None => Err(SteeringRefused::NoSuchCandidate {
                candidate,
                last: CandidateIndex(self.archive.len().saturating_sub(1) as u32),
            }),
            Some(entry) if entry.evicted => Err(SteeringRefused::Gone(candidate)),
            Some(_) => Ok(()),
        }
    }

    /// The example that is written so. A person cannot see whether an id is the number 3 or the text `3`.
    fn named_example(&self, example: ExampleId) -> ExampleId {
        let other = match &example {
            ExampleId::Seed(seed) => ExampleId::from(seed.to_string().as_str()),
            ExampleId::Name(name) => match name.parse::<u64>() {
                Ok(seed) if seed.to_string() == **name => ExampleId::Seed(seed),
                _ => return example,
            },
        };
        let sets = self.config.sets();
        let has = |example: &ExampleId| {
            let mut all = [&sets.train, &sets.pareto, &sets.validation].into_iter();
            all.any(|set| set.contains(example))
        };
        if !has(&example) && has(&other) {
            other
        } else {
            example
        }
    }

    fn check_excluded(&self, example: &ExampleId) -> Result<(), SteeringRefused> {
        if self.steered.is_excluded(example) {
            return Err(SteeringRefused::Excluded(example.clone()));
        }
        let sets = self.config.sets();
        let all = [
            ("train", &sets.train),
            ("pareto", &sets.pareto),
            ("validation", &sets.validation),
        ];
        let mut holding = all
            .iter()
            .filter(|(_, set)| set.contains(example))
            .peekable();
        if holding.peek().is_none() {
            return Err(SteeringRefused::NoSuchExample(example.clone()));
        }
        let counts = |one: &&ExampleId| !self.steered.is_excluded(one);
        let emptied = holding.find(|(_, set)| set.iter().filter(counts).count() < 2);
        emptied.map_or(Ok(()), |(set, _)| {
            Err(SteeringRefused::LastOne {
                example: example.clone(),
                set,
            })
        })
    }
}

fn names(candidate: &Candidate) -> String {
    let names = candidate.components().keys();
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

impl SteeringRefused {
    fn limits(refused: LimitsRefused) -> Self {
        Self::Limits(match refused {
            LimitsRefused::BelowSpent {
                key, after, spent, ..
            } => format!(
                "`{key}` cannot be {after}: {spent} is spent or promised already; set it to {spent} or more"
            ),
            LimitsRefused::Over(reason) => format!(
                "the run is over and other limits cannot make it go on; it ended by: {reason}; begin a new run from it with `gepa branch`"
            ),
            LimitsRefused::StillOver(reason) => format!(
                "the run is over and would end again at once under these limits: {reason}{}; raise the limit that this names",
                reason.lacking()
            ),
        })
    }
}
