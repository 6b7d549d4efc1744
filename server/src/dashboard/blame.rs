//! Where each line of a candidate's texts comes from: the iteration it came in with, the examples
//! and feedback from which it was written, what gate and pareto set said, and who kept it.

use std::collections::{BTreeMap, BTreeSet};

use gepa_archive::{CandidateIndex, Origin};
use gepa_engine::record::{CandidateRow, GateRow, ReflectionRow};
use gepa_engine::{EventBody, Fact, RunId, Seq, Store};
use gepa_evaluation::{ExampleId, Outcome, Stage};
use serde::Serialize;
use serde_json::Value;

use super::content::ViewError;
use super::rollout::read;
use super::rollout_index::RolloutIndex;
use super::run_rows::RunRows;

/// Most characters of a feedback that are shown.
const LONGEST_FEEDBACK: usize = 600;
/// Most characters of one text whose words are compared with those of a line.
const LONGEST_READ: usize = 20_000;
/// A line of the parent with at least this share of common words was rewritten, not removed.
const SAME_LINE: f64 = 0.5;

/// The origin of each line of a candidate.
#[derive(Clone, Debug, Serialize)]
pub struct Blame {
    /// The iteration that proposed the candidate.
    pub iteration: u64,
    /// Its index in the archive.
    pub index: Option<CandidateIndex>,
    /// Its lines, in order; empty ones are left out.
    pub lines: Vec<BlamedLine>,
    /// The candidates with which the lines came in, by iteration.
    pub births: BTreeMap<u64, Birth>,
}

/// One line of a text.
#[derive(Clone, Debug, Serialize)]
pub struct BlamedLine {
    /// The component.
    pub component: String,
    /// The number of the line in the component's text, from 1.
    pub number: usize,
    /// The line.
    pub text: String,
    /// The iteration it came in with; 0 for the seed.
    pub birth: u64,
    /// The line of the parent that it replaced, if one is similar.
    pub replaced: Option<String>,
    /// The examples of the minibatch whose feedback and trace share most words with it, closest first.
    pub examples: Vec<ExampleId>,
    /// Accepted descendants of its first candidate that have it.
    pub kept: usize,
    /// Accepted descendants of its first candidate that lack it.
    pub lost: usize,
}

/// A candidate with which lines came in.
#[derive(Clone, Debug, Serialize)]
pub struct Birth {
    /// Its index in the archive.
    pub index: Option<CandidateIndex>,
    /// How it was made.
    pub origin: Origin,
    /// The iterations of its parents.
    pub parents: Vec<u64>,
    /// What the gate said.
    pub gate: Option<GateRow>,
    /// Its mean pareto score.
    pub mean_score: Option<f64>,
    /// The highest mean pareto score of its parents.
    pub parent_score: Option<f64>,
    /// The events of the reflections that wrote it.
    pub reflections: Vec<Seq>,
    /// The parent's work from which it was written.
    pub examples: Vec<Cause>,
}

/// A parent's rollout that the reflection model saw.
#[derive(Clone, Debug, Serialize)]
pub struct Cause {
    /// The example.
    pub seed: ExampleId,
    /// The parent's score.
    pub score: Option<f64>,
    /// The child's score at the gate.
    pub child_score: Option<f64>,
    /// The event of the parent's rollout.
    pub seq: Option<Seq>,
    /// The evaluator's feedback, cut at 600 characters.
    pub feedback: Option<String>,
    /// The words of feedback and trace.
    #[serde(skip)]
    words: BTreeSet<String>,
}

/// What the origin of lines is looked up in.
struct History<'a> {
    candidates: &'a [CandidateRow],
    by_index: BTreeMap<CandidateIndex, &'a CandidateRow>,
}

pub(super) async fn blame(
    store: &dyn Store,
    rows: &RunRows,
    iteration: u64,
    index: &RolloutIndex,
) -> Result<Blame, ViewError> {
    let history = History::new(&rows.candidates);
    let row = rows.of_iteration(iteration)?;
    let mut lines = history.lines(row);
    let mut births = BTreeMap::new();
    for iteration in lines.iter().map(|line| line.birth).collect::<BTreeSet<_>>() {
        let row = rows.of_iteration(iteration)?;
        let mut birth = history.birth(row, &rows.reflections);
        birth.examples = causes(store, rows, row, &history, index).await?;
        births.insert(iteration, birth);
    }
    for line in &mut lines {
        if let Some(birth) = births.get(&line.birth) {
            line.examples = closest(&line.text, line.replaced.as_deref(), &birth.examples);
        }
    }
    Ok(Blame {
        iteration,
        index: row.index,
        lines,
        births,
    })
}

impl<'a> History<'a> {
    fn new(candidates: &'a [CandidateRow]) -> Self {
        let members = candidates.iter();
        Self {
            candidates,
            by_index: members.filter_map(|row| Some((row.index?, row))).collect(),
        }
    }

    fn parents(&self, row: &CandidateRow) -> impl Iterator<Item = &'a CandidateRow> {
        let parents = row.parents.iter();
        parents
            .filter_map(|index| self.by_index.get(index).copied())
            .collect::<Vec<_>>()
            .into_iter()
    }

    fn lines(&self, row: &CandidateRow) -> Vec<BlamedLine> {
        let mut lines = Vec::new();
        for (component, text) in row.components.components() {
            for (position, line) in text.lines().enumerate() {
                if line.trim().is_empty() {
                    continue;
                }
                let birth = self.first_with(row, component, line.trim());
                let (kept, lost) = self.descendants(birth, component, line.trim());
                lines.push(BlamedLine {
                    component: component.to_string(),
                    number: position + 1,
                    text: line.to_owned(),
                    birth: birth.iteration,
                    replaced: self.replaced(birth, component, line.trim()),
                    examples: Vec::new(),
                    kept,
                    lost,
                });
            }
        }
        lines
    }

    /// The candidate with which the line came in: the line is in it and in none of its parents.
    fn first_with(&self, row: &'a CandidateRow, component: &str, line: &str) -> &'a CandidateRow {
        let mut row = row;
        // A parent has a smaller index than its child, so this ends.
        while let Some(parent) = self
            .parents(row)
            .find(|parent| parent.iteration < row.iteration && has(parent, component, line))
        {
            row = parent;
        }
        row
    }

    fn replaced(&self, birth: &CandidateRow, component: &str, line: &str) -> Option<String> {
        let wanted = words(line);
        let parents = self.parents(birth);
        let removed = parents.flat_map(|parent| {
            let text = text_of(parent, component);
            text.lines()
                .map(str::trim)
                .filter(|old| !old.is_empty() && !has(birth, component, old))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        });
        let scored = removed.map(|old| (similarity(&wanted, &words(&old)), old));
        let best = scored.max_by(|left, right| left.0.total_cmp(&right.0))?;
        (best.0 >= SAME_LINE).then_some(best.1)
    }

    /// How many accepted descendants of a candidate have the line, and how many lack it.
    fn descendants(&self, birth: &CandidateRow, component: &str, line: &str) -> (usize, usize) {
        let mut family: BTreeSet<CandidateIndex> = birth.index.into_iter().collect();
        let (mut kept, mut lost) = (0, 0);
        for row in self.candidates {
            let Some(index) = row.index else { continue };
            if !row.parents.iter().any(|parent| family.contains(parent)) {
                continue;
            }
            family.insert(index);
            if has(row, component, line) {
                kept += 1;
            } else {
                lost += 1;
            }
        }
        (kept, lost)
    }

    fn birth(&self, row: &CandidateRow, reflections: &[ReflectionRow]) -> Birth {
        let calls = reflections
            .iter()
            .filter(|call| call.iteration == row.iteration && call.failure.is_none());
        let scores = self.parents(row).filter_map(|parent| parent.mean_score);
        Birth {
            index: row.index,
            origin: row.origin,
            parents: self.parents(row).map(|parent| parent.iteration).collect(),
            gate: row.gate.clone(),
            mean_score: row.mean_score,
            parent_score: scores.max_by(f64::total_cmp),
            reflections: calls.map(|call| call.seq).collect(),
            examples: Vec::new(),
        }
    }
}

/// The parent's rollouts on the minibatch of the iteration that made the candidate.
async fn causes(
    store: &dyn Store,
    rows: &RunRows,
    row: &CandidateRow,
    history: &History<'_>,
    index: &RolloutIndex,
) -> Result<Vec<Cause>, ViewError> {
    let minibatch = rows.trials.iter().find(|trial| {
        trial.stage == Stage::MinibatchParent && trial.key.iteration == row.iteration
    });
    let (Some(minibatch), Some(parent)) = (minibatch, history.parents(row).next()) else {
        return Ok(Vec::new());
    };
    let mut causes = Vec::new();
    for example in &minibatch.examples {
        let last = |of: &CandidateRow| {
            let of_example = || {
                let entries = index.of_candidate(&of.candidate_id);
                entries.filter(|entry| index.example(entry.example) == Some(example))
            };
            // An outcome of an earlier trial may have been reused. The latest one before the
            // child's own work is the one that was shown. If there is none, a proposal of a later
            // iteration bought it for both.
            let earlier = of_example().filter(|entry| u64::from(entry.iteration) <= row.iteration);
            earlier.last().or_else(|| of_example().next()).copied()
        };
        let (shown, child) = (last(parent), last(row));
        let (feedback, words) = match shown {
            Some(entry) => told(store, &rows.run.run_id, entry.seq).await?,
            None => (None, BTreeSet::new()),
        };
        causes.push(Cause {
            seed: example.clone(),
            score: shown.and_then(|entry| entry.score()),
            child_score: child.and_then(|entry| entry.score()),
            seq: shown.map(|entry| entry.seq),
            feedback,
            words,
        });
    }
    Ok(causes)
}

/// The feedback of a rollout, and the words of all that a reflection on it could read.
async fn told(
    store: &dyn Store,
    run: &RunId,
    seq: Seq,
) -> Result<(Option<String>, BTreeSet<String>), ViewError> {
    let body = read(store, run, seq).await?.body;
    let EventBody::Fact(Fact::RolloutSettled(settled) | Fact::RolloutRecalled(settled)) = body
    else {
        return Ok((None, BTreeSet::new()));
    };
    let (text, trace) = match &*settled.outcome {
        Outcome::Scored(scored) => (scored.feedback.as_deref(), scored.trace.as_ref()),
        Outcome::Failed(failure) => (Some(failure.message.as_str()), None),
    };
    let mut found = words(&start_of(text.unwrap_or_default()));
    collect(trace.unwrap_or(&Value::Null), &mut found);
    let feedback = text.map(|text| text.chars().take(LONGEST_FEEDBACK).collect());
    Ok((feedback, found))
}

/// The words of the texts in a trace. The names of its fields are the same in every trace.
fn collect(trace: &Value, found: &mut BTreeSet<String>) {
    match trace {
        Value::String(text) => found.extend(words(&start_of(text))),
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, found)),
        _ => {}
    }
}

fn start_of(text: &str) -> String {
    text.chars().take(LONGEST_READ).collect()
}

/// The examples whose feedback and trace share words with what is new in the line. A word counts the
/// more the fewer of the examples have it, and one that all of them have does not count. Without such
/// words, those with the lowest scores.
fn closest(line: &str, replaced: Option<&str>, causes: &[Cause]) -> Vec<ExampleId> {
    let old = words(replaced.unwrap_or_default());
    let new: BTreeSet<String> = words(line).difference(&old).cloned().collect();
    let weight = |word: &String| {
        let with = causes.iter().filter(|cause| cause.words.contains(word));
        1.0 / with.count() as f64 - 1.0 / causes.len() as f64
    };
    let mut ranked: Vec<(f64, &Cause)> = causes
        .iter()
        .map(|cause| (new.intersection(&cause.words).map(weight).sum(), cause))
        .collect();
    let most = ranked.iter().map(|(shared, _)| *shared).fold(0.0, f64::max);
    if most < 1e-9 {
        let score = |cause: &Cause| cause.score.unwrap_or(f64::NEG_INFINITY);
        let lowest = causes.iter().map(score).fold(f64::INFINITY, f64::min);
        let worst = causes.iter().filter(|cause| score(cause) <= lowest);
        return worst.map(|cause| cause.seed.clone()).collect();
    }
    ranked.sort_by(|left, right| right.0.total_cmp(&left.0));
    let close = ranked.iter().filter(|(shared, _)| shared * 2.0 >= most);
    close.map(|(_, cause)| cause.seed.clone()).collect()
}

fn text_of<'r>(row: &'r CandidateRow, component: &str) -> &'r str {
    let text = row.components.components().get(component);
    text.map_or("", |text| &**text)
}

fn has(row: &CandidateRow, component: &str, line: &str) -> bool {
    let text = text_of(row, component);
    text.lines().any(|other| other.trim() == line)
}

/// The words of a text, without those of one or two letters.
fn words(text: &str) -> BTreeSet<String> {
    text.split(|symbol: char| !symbol.is_alphanumeric())
        .filter(|word| word.chars().count() > 2)
        .map(str::to_lowercase)
        .collect()
}

/// The share of words that two lines have in common.
fn similarity(left: &BTreeSet<String>, right: &BTreeSet<String>) -> f64 {
    let all = left.union(right).count();
    if all == 0 {
        return 0.0;
    }
    left.intersection(right).count() as f64 / all as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(seed: u64, score: f64, told: &str) -> Cause {
        Cause {
            seed: ExampleId::Seed(seed),
            score: Some(score),
            child_score: None,
            seq: None,
            feedback: None,
            words: words(told),
        }
    }

    fn blamed(line: &str, causes: &[Cause]) -> Vec<ExampleId> {
        closest(line, Some("Answer in one word."), causes)
    }

    #[test]
    fn a_line_comes_from_the_examples_that_share_its_rare_words() {
        let causes = [
            cause(1, 0.0, "amber stones: the expected answer is red"),
            cause(2, 0.0, "river stones: the expected answer is red"),
            cause(3, 1.0, "river: the expected answer is blue"),
        ];
        let rule = "If the text has amber, the answer is red.";
        assert_eq!(blamed(rule, &causes), [ExampleId::Seed(1)]);
        let both = "All stones are red.";
        assert_eq!(blamed(both, &causes), [1, 2].map(ExampleId::Seed));
        // Every example has these words, so the failures stand for them.
        let common = "Give the expected answer.";
        assert_eq!(blamed(common, &causes), [1, 2].map(ExampleId::Seed));
    }
}
