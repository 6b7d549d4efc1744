//! Renders complete snapshots from rows when they are read.

use std::borrow::Cow;

use gepa_archive::CandidateIndex;
use gepa_engine::record::{CandidateRow, RunRow, ScoreHistory, SnapshotRow};
use gepa_engine::{Counters, RunId, ValidationResult};
use gepa_evaluation::{Message, PromptTemplate, Section};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// A snapshot as people and clients see it. It always has messages, a score and a token count.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SnapshotView {
    /// The id of the snapshot.
    pub snapshot_id: String,
    /// The id of the run.
    pub run_id: RunId,
    /// Equal to `run_id`, under the name that job clients use.
    pub job_id: RunId,
    /// Why the snapshot was taken.
    pub tag: Cow<'static, str>,
    /// The subject's mean pareto score.
    pub score: f64,
    /// Estimated tokens of the messages.
    pub token_count: u64,
    /// When it was taken, ISO 8601.
    pub created_at: String,
    /// The subject's messages, wildcards left as `{name}`.
    pub messages: Vec<Message>,
    /// The candidate, the archive and the counters.
    pub payload: SnapshotPayload,
}

/// The content of a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SnapshotPayload {
    /// The candidate that was best when the snapshot was taken.
    pub best_prompt: BestPrompt,
    /// Its messages.
    pub best_prompt_messages: Vec<Message>,
    /// Its mean pareto score.
    pub best_score: f64,
    /// Every member of the archive at the time.
    pub archive: Vec<ArchiveItem>,
    /// Validation results at the time, baseline first.
    pub validation: Vec<ValidationResult>,
    /// All counters at the time.
    #[serde(flatten)]
    pub counters: Counters,
    /// Known cost in dollars at the time.
    pub total_cost_usd: f64,
    /// Calls until then whose price is unknown; `total_cost_usd` is without them.
    #[serde(default)]
    pub unpriced_calls: u64,
}

/// A candidate as a prompt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BestPrompt {
    /// Its content id.
    pub id: String,
    /// A name for people.
    pub name: String,
    /// Its index in the archive.
    pub index: CandidateIndex,
    /// Its components.
    pub components: IndexMap<String, String>,
    /// Its parts in order.
    pub sections: Vec<Section>,
    /// Equal to `sections`, under the name that older clients read.
    pub prompt_sections: Vec<Section>,
}

/// A member of the archive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ArchiveItem {
    /// Its index in the archive.
    pub index: CandidateIndex,
    /// Its content id.
    pub candidate_id: String,
    /// Its parents.
    pub parents: Vec<CandidateIndex>,
    /// Mean pareto score.
    pub score: f64,
    /// Scores in the order of the pareto set; `null` if the rollout failed.
    pub instance_scores: Vec<Option<f64>>,
    /// Means of its further objectives.
    pub objectives: IndexMap<String, f64>,
    /// Its messages, wildcards left as `{name}`.
    pub messages: Vec<Message>,
    /// `template`: the object holds the whole prompt.
    pub payload_kind: Cow<'static, str>,
    /// The prompt in the form that job clients read.
    pub object: PromptObject,
}

/// A prompt in the form that job clients read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PromptObject {
    /// `template`.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The prompt.
    pub data: PromptData,
}

/// The content of a [`PromptObject`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PromptData {
    /// The prompt's parts in order.
    pub sections: Vec<Section>,
    /// Equal to `sections`, under the name that older clients read.
    pub prompt_sections: Vec<Section>,
}

/// Renders a snapshot from the candidates of its run. `None` if its subject or its best candidate
/// is not among them. The history says which scores they had at the time.
pub(crate) fn render_snapshot(
    run: &RunRow,
    snapshot: &SnapshotRow,
    candidates: &[CandidateRow],
    history: &ScoreHistory,
) -> Option<SnapshotView> {
    let mut members: Vec<CandidateRow> = candidates
        .iter()
        .filter(|row| row.accepted_seq.is_some_and(|seq| seq <= snapshot.seq))
        .map(|row| history.row_at(row, snapshot.seq))
        .collect();
    // Candidates come in the order they were proposed, which depends on timing.
    members.sort_by_key(|row| row.index);
    let find = |index| members.iter().find(|row| row.index == Some(index));
    let (best, subject) = (find(snapshot.best)?, find(snapshot.subject)?);
    let best_score = if snapshot.best == snapshot.subject {
        snapshot.score
    } else {
        best.mean_score.unwrap_or_default()
    };
    let archive = members
        .iter()
        .filter(|row| row.evicted_seq.is_none_or(|seq| seq > snapshot.seq))
        .filter_map(|row| archive_item(&run.template, row))
        .collect();
    Some(SnapshotView {
        snapshot_id: snapshot.snapshot_id.clone(),
        run_id: run.run_id.clone(),
        job_id: run.run_id.clone(),
        tag: snapshot.tag.as_str().into(),
        score: snapshot.score,
        token_count: snapshot.token_count,
        created_at: snapshot.created_at.to_string(),
        messages: messages(&run.template.sections(&subject.components)),
        payload: SnapshotPayload {
            best_prompt: best_prompt(run, best, snapshot.best),
            best_prompt_messages: messages(&run.template.sections(&best.components)),
            best_score,
            archive,
            validation: snapshot.validation.clone(),
            total_cost_usd: snapshot.counters.total_cost_usd(),
            unpriced_calls: snapshot.counters.unpriced_calls,
            counters: snapshot.counters.clone(),
        },
    })
}

fn archive_item(template: &PromptTemplate, row: &CandidateRow) -> Option<ArchiveItem> {
    let sections = template.sections(&row.components);
    Some(ArchiveItem {
        index: row.index?,
        candidate_id: row.candidate_id.to_string(),
        parents: row.parents.clone(),
        score: row.mean_score?,
        instance_scores: row.scores.clone()?,
        objectives: row.objectives.clone(),
        messages: messages(&sections),
        payload_kind: "template".into(),
        object: PromptObject {
            kind: "template".into(),
            data: PromptData {
                prompt_sections: sections.clone(),
                sections,
            },
        },
    })
}

fn best_prompt(run: &RunRow, row: &CandidateRow, index: CandidateIndex) -> BestPrompt {
    let sections = run.template.sections(&row.components);
    BestPrompt {
        id: row.candidate_id.to_string(),
        name: format!("{} candidate {index}", run.name),
        index,
        components: row
            .components
            .components()
            .iter()
            .map(|(name, text)| (name.to_string(), text.to_string()))
            .collect(),
        prompt_sections: sections.clone(),
        sections,
    }
}

fn messages(sections: &[Section]) -> Vec<Message> {
    sections
        .iter()
        .map(|section| Message::new(section.role.clone(), section.content.clone()))
        .collect()
}
