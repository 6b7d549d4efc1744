//! What one event holds that no row does: output, feedback and trace of a rollout, the reply of a
//! reflection.

use gepa_engine::{Event, EventBody, Fact, RolloutSettled, RunId, Seq, Store};
use gepa_evaluation::Outcome;
use serde_json::{Map, Value, json};

use super::content::ViewError;

/// Most characters of one text in an answer. A page says that a text was cut.
const LONGEST_TEXT: usize = 200_000;

/// What stands after the number of characters that an answer lacks.
const CUT: &str = " further characters are not shown; `gepa export --what events` has them]";

pub(super) async fn event(store: &dyn Store, run: &RunId, seq: Seq) -> Result<Value, ViewError> {
    let found = read(store, run, seq).await?;
    let Event { at, body, .. } = found;
    match body {
        EventBody::Fact(
            Fact::RolloutSettled(settled)
            | Fact::RolloutRecalled(settled)
            | Fact::RolloutSuspended(settled),
        ) => Ok(rollout(run, seq, &settled)),
        EventBody::Fact(Fact::ReflectionSettled(settled) | Fact::ReflectionRecalled(settled)) => {
            let mut value = json!(settled);
            bound(&mut value);
            Ok(json!({"kind": "reflection", "seq": seq, "at": at.to_string(), "reflection": value}))
        }
        EventBody::Fact(Fact::AblationNoted(noted)) => {
            let mut value = json!(noted);
            bound(&mut value);
            Ok(json!({"kind": "ablation", "seq": seq, "at": at.to_string(), "ablation": value}))
        }
        _ => Err(ViewError::Missing(format!(
            "event {seq} is neither a rollout, nor a reflection, nor an ablation"
        ))),
    }
}

/// One event of a journal.
pub(super) async fn read(store: &dyn Store, run: &RunId, seq: Seq) -> Result<Event, ViewError> {
    let found = store.event(run, seq).await?;
    found.ok_or_else(|| ViewError::Missing(format!("the journal has no event {seq}")))
}

fn rollout(run: &RunId, seq: Seq, settled: &RolloutSettled) -> Value {
    let usage = settled.usage + settled.judge_usage;
    let mut value = json!({
        "kind": "rollout",
        "seq": seq,
        "trial_id": settled.trial.id(run),
        "candidate_id": settled.candidate,
        "seed": settled.example,
        "stage": settled.stage.as_str(),
        "iteration": settled.trial.iteration,
        "attempts": settled.attempts,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "unknown_tokens": usage.unknown_tokens,
        "tokens": usage.total_tokens(),
        "cost_usd": usage.known_dollars(),
        "started_at": settled.started_at.to_string(),
        "finished_at": settled.finished_at.to_string(),
        "seconds": settled.finished_at.seconds_since(settled.started_at),
    });
    if let Value::Object(fields) = &mut value {
        fields.extend(outcome(&settled.outcome));
    }
    bound(&mut value);
    value
}

fn outcome(outcome: &Outcome) -> Map<String, Value> {
    let fields = match outcome {
        Outcome::Scored(scored) => json!({
            "outcome": "scored",
            "score": scored.score,
            "objectives": scored.objectives,
            "feedback": scored.feedback,
            "output": scored.output,
            "trace": scored.trace,
        }),
        Outcome::Failed(failure) => json!({
            "outcome": failure.kind.as_str(),
            "score": null,
            "error": failure.message,
        }),
    };
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// Cuts the long texts in a value, and says how much of each is missing.
fn bound(value: &mut Value) {
    match value {
        Value::String(text) => {
            let cut = text.char_indices().nth(LONGEST_TEXT);
            if let Some((at, _)) = cut {
                let missing = text.chars().count() - LONGEST_TEXT;
                text.truncate(at);
                text.push_str("\n[");
                text.push_str(&missing.to_string());
                text.push_str(CUT);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(bound),
        Value::Object(fields) => fields.values_mut().for_each(bound),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_so() {
        let mut value = json!({"deep": ["é".repeat(LONGEST_TEXT + 7)]});
        bound(&mut value);
        let text = value["deep"][0].as_str().unwrap();
        assert!(
            text.contains("[7 further characters"),
            "{}",
            &text[text.len() - 90..]
        );
        let mut short = json!("short");
        bound(&mut short);
        assert_eq!(short, json!("short"));
    }
}
