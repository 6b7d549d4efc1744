//! Reading an app's rollout response, of whichever generation.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::{Map, Value};

/// The content of a response.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RolloutResponse {
    pub(crate) reward: f64,
    pub(super) objectives: IndexMap<Arc<str>, f64>,
    /// The `info` of each step, in order.
    pub(super) infos: Vec<Map<String, Value>>,
    /// An error that kept the app from using the model's reply.
    pub(super) error: Option<String>,
}

/// The fields that may hold a reward, the most specific first.
const REWARDS: [&str; 7] = [
    "/outcome_reward",
    "/outcome_objectives/reward",
    "/outcome_score",
    "/mean_return",
    "/reward_mean",
    "/episode_returns",
    "/episode_rewards",
];

impl RolloutResponse {
    /// Reads a body; the error says what is missing. Only an object can have a reward.
    pub(crate) fn read(body: &[u8]) -> Result<Self, String> {
        let json: Value = serde_json::from_slice(body)
            .map_err(|error| format!("the app's response is not valid JSON: {error}"))?;
        if !json.is_object() {
            return Err(
                "the app's response is no JSON object, and a reward is a field of one: expected \
                 `metrics.outcome_reward`, `metrics.outcome_score` or `metrics.mean_return`"
                    .to_owned(),
            );
        }
        let reward = reward_of(&json).ok_or_else(|| {
            "the app's response has no reward: expected `metrics.outcome_reward`, \
             `metrics.outcome_score` or `metrics.mean_return`"
                .to_owned()
        })?;
        let steps = steps_of(&json);
        Ok(Self {
            reward,
            objectives: objectives_of(&json),
            infos: steps
                .iter()
                .filter_map(|step| step.get("info")?.as_object().cloned())
                .collect(),
            error: steps.iter().find_map(|step| lost_reply(step)),
        })
    }
}

/// The objects that hold rewards, the newer name second.
fn containers(json: &Value) -> [Option<&Value>; 3] {
    [json.get("metrics"), json.get("reward_info"), Some(json)]
}

fn reward_of(json: &Value) -> Option<f64> {
    let containers = containers(json);
    let of_field = REWARDS.iter().find_map(|pointer| {
        let found = containers.iter().flatten();
        found
            .filter_map(|container| container.pointer(pointer))
            .find_map(number)
    });
    // `{"metrics": 0.75}`; what else stands in place of the fields is none.
    of_field.or_else(|| containers.iter().flatten().find_map(|value| value.as_f64()))
}

/// A number, or the mean of a list of numbers.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(holds) => Some(f64::from(u8::from(*holds))),
        Value::String(text) => text
            .trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite()),
        Value::Array(items) if !items.is_empty() => {
            let numbers: Option<Vec<f64>> = items.iter().map(Value::as_f64).collect();
            let numbers = numbers?;
            Some(numbers.iter().sum::<f64>() / numbers.len() as f64)
        }
        _ => None,
    }
}

fn objectives_of(json: &Value) -> IndexMap<Arc<str>, f64> {
    let named = containers(json)
        .into_iter()
        .flatten()
        .find_map(|container| container.get("outcome_objectives")?.as_object());
    named
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "reward")
        .filter_map(|(name, value)| Some((Arc::from(name.as_str()), value.as_f64()?)))
        .collect()
}

fn steps_of(json: &Value) -> Vec<&Value> {
    let trajectories = json.get("trajectories").and_then(Value::as_array);
    trajectories
        .into_iter()
        .flatten()
        .filter_map(|trajectory| trajectory.get("steps")?.as_array())
        .flatten()
        .collect()
}

/// The error of a step that has nothing of a reply: the call failed after it left the interceptor.
fn lost_reply(step: &Value) -> Option<String> {
    let info = step.get("info")?;
    let error = info
        .get("error")?
        .as_str()
        .filter(|text| !text.is_empty())?;
    let is_blank = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    let has_nothing = is_blank(info.get("response_json"))
        && is_blank(info.get("response_text"))
        && is_blank(step.get("tool_calls"));
    has_nothing.then(|| error.to_owned())
}

#[cfg(test)]
mod tests {
    use gepa_testing::optional_data;

    use super::super::feedback::feedback;
    use super::*;

    fn check_reward(body: &str, expected: Option<f64>) {
        let reward = RolloutResponse::read(body.as_bytes()).map(|read| read.reward);
        assert_eq!(reward.ok(), expected, "{body}");
    }

    #[test]
    fn the_reward_of_every_generation_is_found_in_the_order_of_the_contract() {
        check_reward(
            r#"{"metrics":{"outcome_reward":0.1,"outcome_score":0.2}}"#,
            Some(0.1),
        );
        check_reward(
            r#"{"metrics":{"outcome_reward":null,"outcome_objectives":{"reward":0.3},"mean_return":1}}"#,
            Some(0.3),
        );
        check_reward(
            r#"{"metrics":{"outcome_score":null,"mean_return":0.4}}"#,
            Some(0.4),
        );
        check_reward(r#"{"reward_info":{"outcome_reward":0.5}}"#, Some(0.5));
        check_reward(r#"{"metrics":{"reward_mean":0.6}}"#, Some(0.6));
        check_reward(r#"{"metrics":{"episode_returns":[1.0,0.0]}}"#, Some(0.5));
        check_reward(r#"{"metrics":{"episode_returns":0.25}}"#, Some(0.25));
        check_reward(r#"{"metrics":{"episode_rewards":[0.5]}}"#, Some(0.5));
        check_reward(r#"{"metrics":0.75}"#, Some(0.75));
        check_reward(r#"{"metrics":{"outcome_reward":"0.5"}}"#, Some(0.5));
        check_reward(r#"{"outcome_reward":true}"#, Some(1.0));
    }

    #[test]
    fn a_response_without_a_reward_has_none() {
        for body in [
            "{}",
            "[]",
            "nonsense",
            r#"{"metrics":{}}"#,
            r#"{"metrics":{"outcome_score":null,"episode_returns":[]}}"#,
            r#"{"metrics":{"outcome_score":NaN}}"#,
            r#"{"metrics":{"outcome_score":1e999}}"#,
            "[1]",
            "[0.5, 1]",
            "[{\"outcome_reward\": 1}]",
            "0.3",
            "true",
            "\"1\"",
            "null",
            r#"{"metrics":[1]}"#,
            r#"{"metrics":true}"#,
            r#"{"metrics":{"outcome_score":[true]}}"#,
            r#"{"metrics":{"outcome_score":"high"}}"#,
            r#"{"metrics":{"outcome_score":"inf"}}"#,
        ] {
            check_reward(body, None);
        }
    }

    #[test]
    fn other_numeric_objectives_are_kept() {
        let body = r#"{"metrics":{"outcome_objectives":{"reward":1,"brevity":0.5,"note":"x"}}}"#;
        let read = RolloutResponse::read(body.as_bytes()).unwrap();
        assert_eq!(
            read.objectives,
            IndexMap::from([(Arc::from("brevity"), 0.5)])
        );
    }

    /// The recorded answers of real apps, from the optional folder beside the workspace or where
    /// `SHARED_SYNTH` says; none, said aloud, without it.
    fn recorded(app: &str) -> Vec<Value> {
        let part = format!("captures/taskapp_{app}.json");
        let Some(file) = optional_data("SHARED_SYNTH", "synth", &part) else {
            return Vec::new();
        };
        let text = std::fs::read_to_string(file).unwrap();
        let mut found = Vec::new();
        collect_responses(&serde_json::from_str(&text).unwrap(), &mut found);
        assert!(found.len() > 1, "{app}: {} answers", found.len());
        found
    }

    fn collect_responses(value: &Value, found: &mut Vec<Value>) {
        if value.get("trajectories").is_some() && value.get("metrics").is_some() {
            found.push(value.clone());
            return;
        }
        match value {
            Value::Array(items) => items.iter().for_each(|item| collect_responses(item, found)),
            Value::Object(fields) => fields
                .values()
                .for_each(|item| collect_responses(item, found)),
            _ => {}
        }
    }

    #[test]
    fn recorded_answers_have_the_reward_and_the_feedback_of_their_apps() {
        for app in ["heartdisease", "iris", "banking77", "banking77_pipeline"] {
            for response in recorded(app) {
                let read = RolloutResponse::read(response.to_string().as_bytes()).unwrap();
                let expected = response["metrics"]["mean_return"].as_f64();
                assert_eq!(Some(read.reward), expected, "{app}");
                let told = feedback(&read.infos, read.reward);
                assert!(told.contains("the expected answer is `"), "{app}: {told}");
                let info = &response["trajectories"][0]["steps"][0]["info"];
                assert_eq!(read.error.is_some(), !info["error"].is_null(), "{app}");
            }
        }
    }
}
