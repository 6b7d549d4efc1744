//! Fuzzes texts that become prompts.

use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_engine::reflection::{TextRules, read_reply};
use gepa_tasks::interceptor::SubstitutionPlan;
use gepa_evaluation::{PromptMessage, PromptTemplate, wildcards_in, wildcards_named};
use serde_json::Value;

const MOST_CHARS: usize = 2_000;

pub(crate) fn reflection_reply(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (current, reply) = text.split_once('\0').unwrap_or(("", &text));
    let rules = TextRules::new(Arc::from(current), wildcards_in(current), MOST_CHARS);
    if let Ok(new) = read_reply(reply, &rules) {
        assert!(new.chars().count() <= MOST_CHARS && !new.is_empty());
        let kept = wildcards_in(&new);
        for wildcard in &rules.wildcards {
            assert!(kept.contains(wildcard), "lost {wildcard}");
        }
    }
}

pub(crate) fn placeholders(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (pattern, value) = text.split_once('\0').unwrap_or((&text, "{a}"));
    let template = PromptTemplate {
        messages: vec![message("user", None, pattern)],
    };
    let Ok(candidate) = Candidate::new([("c", "text")]) else {
        return;
    };
    let unfilled = template.render(&candidate, |_| None);
    assert_eq!(
        unfilled[0].content, pattern,
        "nothing to put in changes nothing"
    );
    let wildcards = wildcards_named(pattern, |_| true);
    let filled = template.render(&candidate, |_| Some(value));
    if wildcards.is_empty() {
        assert_eq!(filled[0].content, pattern);
    }
}

/// The data are a pattern, a seed, a candidate and the app's messages, with NUL between them.
pub(crate) fn substitution(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let parts: Vec<&str> = text.splitn(4, '\0').collect();
    let [pattern, seed, changed, messages] = parts[..] else {
        return;
    };
    let Ok(Value::Array(mut messages)) = serde_json::from_str::<Value>(messages) else {
        return;
    };
    let (Ok(seed), Ok(changed)) = (
        Candidate::new([("system", seed)]),
        Candidate::new([("system", changed)]),
    ) else {
        return;
    };
    let template = PromptTemplate {
        messages: vec![
            message("system", Some("system"), ""),
            message("user", None, pattern),
        ],
    };
    let plan = SubstitutionPlan::new(&template, &seed, &[]);
    let sent = messages.len();
    if plan.apply(&mut messages, &changed, None).is_ok() {
        assert!(messages.len() >= sent, "no message of the app is dropped");
    }
}

fn message(role: &str, component: Option<&str>, pattern: &str) -> PromptMessage {
    PromptMessage {
        role: role.to_owned(),
        component: component.map(str::to_owned),
        pattern: pattern.to_owned(),
    }
}
