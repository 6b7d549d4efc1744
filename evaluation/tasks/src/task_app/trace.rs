//! The trace of a rollout for reflection, made from the intercepted calls.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::interceptor::{CallOutcome, CallRecord};
use gepa_evaluation::{REASONING_KEY, split_reasoning};

/// Headings of an example's record.
const INPUTS: &str = "Inputs";
const OUTPUTS: &str = "Generated Outputs";
const COMPONENTS: &str = "components";

/// The model's output in a call: its text without the reasoning at the beginning, else the
/// arguments of its tool calls.
pub(super) fn output_of(call: &CallRecord) -> Option<String> {
    let CallOutcome::Answered {
        text, tool_calls, ..
    } = &call.outcome
    else {
        return None;
    };
    if !text.trim().is_empty() || tool_calls.is_empty() {
        return Some(split_reasoning(text).answer.to_owned());
    }
    let arguments: Vec<&str> = tool_calls
        .iter()
        .filter_map(|call| call.pointer("/function/arguments")?.as_str())
        .collect();
    Some(if arguments.len() == tool_calls.len() {
        arguments.join("\n")
    } else {
        Value::Array(tool_calls.clone()).to_string()
    })
}

/// The record of a rollout; in a pipeline each component also gets that of its own calls.
pub(super) fn trace_of(calls: &[CallRecord]) -> Value {
    let answered: Vec<&CallRecord> = calls.iter().filter(|call| call.is_answered()).collect();
    let mut trace = record_of(&answered);
    let mut components = Map::new();
    for call in &answered {
        let Some(component) = &call.module else {
            continue;
        };
        if !components.contains_key(&**component) {
            let own: Vec<&CallRecord> = answered
                .iter()
                .copied()
                .filter(|call| call.module.as_ref() == Some(component))
                .collect();
            components.insert(component.to_string(), Value::Object(record_of(&own)));
        }
    }
    if !components.is_empty() {
        trace.insert(COMPONENTS.to_owned(), Value::Object(components));
    }
    Value::Object(trace)
}

/// The inputs of the first call, and the outputs of all calls.
fn record_of(calls: &[&CallRecord]) -> Map<String, Value> {
    let mut record = Map::new();
    if let Some(first) = calls.first() {
        record.insert(INPUTS.to_owned(), inputs_of(first));
    }
    let outputs: Vec<Value> = calls
        .iter()
        .filter_map(|call| output_of(call).map(Value::from))
        .collect();
    let outputs = match outputs.as_slice() {
        [one] => one.clone(),
        _ => Value::Array(outputs),
    };
    record.insert(OUTPUTS.to_owned(), outputs);
    let reasoning: Vec<Value> = calls
        .iter()
        .filter_map(|call| reasoning_of(call).map(Value::from))
        .collect();
    if !reasoning.is_empty() {
        record.insert(REASONING_KEY.to_owned(), Value::Array(reasoning));
    }
    record
}

fn reasoning_of(call: &CallRecord) -> Option<&str> {
    match &call.outcome {
        CallOutcome::Answered { text, .. } => split_reasoning(text).reasoning,
        _ => None,
    }
}

/// The values of the app's wildcards; if none are known, the text of the user messages.
fn inputs_of(call: &CallRecord) -> Value {
    let mut inputs = Map::new();
    let values = call.substitution.as_ref().map(|found| &found.values);
    for (name, value) in values.into_iter().flatten() {
        add_input(&mut inputs, name, value);
    }
    if inputs.is_empty() {
        let texts: Vec<&str> = call.user_texts().collect();
        let name: Arc<str> = "message".into();
        add_input(&mut inputs, &name, &texts.join("\n\n"));
    }
    Value::Object(inputs)
}

/// Adds a value. If the text lists fields as `name: value` lines, adds each under its own name.
fn add_input(inputs: &mut Map<String, Value>, name: &str, text: &str) {
    let (fields, rest): (Vec<&str>, Vec<&str>) =
        text.lines().partition(|line| field_of(line).is_some());
    if fields.len() < 2 {
        inputs.insert(name.to_owned(), Value::from(text));
        return;
    }
    for (field, value) in fields.into_iter().filter_map(field_of) {
        inputs.insert(field.to_owned(), Value::from(value));
    }
    let rest = rest.join("\n");
    if !rest.trim().is_empty() {
        inputs.insert(name.to_owned(), Value::from(rest.trim()));
    }
}

fn field_of(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let is_name = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    (is_name && !value.trim().is_empty()).then(|| (name, value.trim()))
}
