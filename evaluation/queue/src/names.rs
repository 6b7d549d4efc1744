//! The names of streams and subjects, and the keys of work.

use gepa_evaluation::{ProposalRequest, TrialBatch};

/// The stream of work that waits for a worker or is being done.
pub(crate) const WORK_STREAM: &str = "GEPA_WORK";
/// The stream of answers that no engine has taken yet.
pub(crate) const ANSWER_STREAM: &str = "GEPA_ANSWERS";
/// The bucket of messages that are too large for a stream.
pub(crate) const LARGE_BUCKET: &str = "gepa-large";

/// Hexadecimal digits of a key. Two pieces of work of one run get the same key once in 2^64 pairs.
const KEY_DIGITS: usize = 32;

pub(crate) fn all_work() -> String {
    "gepa.work.>".to_owned()
}

pub(crate) fn all_answers() -> String {
    "gepa.answer.>".to_owned()
}

/// The work for one offer.
pub(crate) fn work_of(token: &str) -> String {
    format!("gepa.work.{token}.>")
}

/// One piece of work.
pub(crate) fn work(token: &str, run: &str, key: &str) -> String {
    format!("gepa.work.{token}.{}.{key}", plain(run))
}

/// The answers to a run.
pub(crate) fn answers_of(run: &str) -> String {
    format!("gepa.answer.{}.>", plain(run))
}

/// The answer to one rollout or proposal.
pub(crate) fn answer(run: &str, key: &str) -> String {
    format!("gepa.answer.{}.{key}", plain(run))
}

/// The consumer with which a run's engine reads its answers.
pub(crate) fn reader_of(run: &str) -> String {
    format!("run-{}", plain(run))
}

/// Where engines say which work they no longer want.
pub(crate) fn withdrawn(token: &str) -> String {
    format!("gepa.withdrawn.{token}")
}

/// Where workers say what they offer.
pub(crate) fn offered(name: &str) -> String {
    format!("gepa.offered.{}", plain(name))
}

/// Where engines say what they want.
pub(crate) fn wanted(name: &str) -> String {
    format!("gepa.wanted.{}", plain(name))
}

/// A text as one part of a subject. Texts with other characters are distinguished by their hash.
pub(crate) fn plain(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !text.is_empty() && text.len() <= 64 && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let kept: String = text.chars().filter(|c| is_plain(*c)).take(32).collect();
    format!("{kept}-{}", &blake3::hash(text.as_bytes()).to_hex()[..16])
}

/// The keys of a batch's rollouts, in order.
pub(crate) fn rollout_keys(batch: &TrialBatch) -> Vec<String> {
    let examples = batch.examples.iter();
    let keys = examples.map(|example| {
        // An id of a number and one of the same digits as a text are two ids.
        let example = serde_json::to_string(example).unwrap_or_default();
        let attempt = batch.attempt.to_string();
        key(&[
            "rollout",
            &batch.run_id,
            &batch.trial_id,
            &example,
            &attempt,
        ])
    });
    keys.collect()
}

/// The key of several rollouts that are handed over together.
pub(crate) fn joint_key(keys: &[String]) -> String {
    match keys {
        [one] => one.clone(),
        many => key(&many.iter().map(String::as_str).collect::<Vec<_>>()),
    }
}

/// The key of a call of the proposer.
pub(crate) fn proposal_key(request: &ProposalRequest) -> String {
    let mut parts = vec![
        "proposal".to_owned(),
        request.run_id.to_string(),
        request.iteration.to_string(),
        request.texts.to_string(),
        request.candidate.content_id().to_string(),
    ];
    for component in &request.components {
        parts.push(component.name.to_string());
        parts.push(component.attempt.to_string());
    }
    key(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}

fn key(parts: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex()[..KEY_DIGITS].to_owned()
}

/// A name that no other process has.
pub fn new_id() -> String {
    let mut bytes = [0_u8; 8];
    // Without a source of random numbers the time still tells processes apart.
    if getrandom::fill(&mut bytes).is_err() {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        bytes = (now.unwrap_or_default().as_nanos() as u64).to_le_bytes();
    }
    format!("{:016x}", u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_one_part_of_a_subject() {
        assert_eq!(plain("pl_12ab"), "pl_12ab");
        for text in ["a.b", "a b", "", "*", ">", "ü"] {
            let part = plain(text);
            assert!(!part.contains(['.', ' ', '*', '>']), "{part}");
        }
        assert_ne!(plain("a.b"), plain("a b"));
    }
}
