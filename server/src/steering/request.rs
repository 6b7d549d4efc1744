//! The request for an act, as the API and the control socket carry it.

use std::collections::BTreeMap;

use gepa_archive::{Candidate, CandidateIndex};
use gepa_engine::config::BudgetSettings;
use gepa_engine::{ExampleId, SteeredBy, Steering};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An act, with what it needs. Fields that the act does not use must be absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SteerRequest {
    /// `inject`, `veto`, `hint`, `exclude`, `pause`, `resume`, `stop` or `extend`.
    pub act: String,
    /// Of `inject`: the text of each component, in the order of the seed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub components: Option<Map<String, Value>>,
    /// Of `inject`: whether the text must do better than its parent on a minibatch first. By default
    /// it must.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gated: Option<bool>,
    /// Of `inject`: the candidate that it is compared with; by default the best one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// Of `veto`: the candidate's index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<u32>,
    /// Of `hint`: the text; empty to take the hint in force away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Of `exclude`: the example.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<ExampleId>,
    /// Of `extend`: the new limits, by key of `[budget]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<BTreeMap<String, Value>>,
    /// Who acts.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub who: String,
    /// Why.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// Why a request names no act.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRequest(String);

/// The most characters of a name and of a reason.
const MOST_WORDS: usize = 1_000;

impl SteerRequest {
    /// The act and the person behind it.
    ///
    /// # Errors
    ///
    /// The act is unknown, or a field is missing, superfluous or of another form.
    pub fn read(self) -> Result<(Steering, SteeredBy), BadRequest> {
        for (name, text) in [("who", &self.who), ("why", &self.why)] {
            if text.chars().count() > MOST_WORDS {
                return Err(bad(format!("`{name}` may have {MOST_WORDS} characters")));
            }
        }
        self.check_fields()?;
        let by = SteeredBy {
            who: self.who,
            why: self.why,
            at_rest: false,
        };
        let steering = match self.act.as_str() {
            "inject" => Steering::Inject {
                candidate: Box::new(candidate(self.components)?),
                gated: self.gated.unwrap_or(true),
                parent: self.parent.map(CandidateIndex),
            },
            "veto" => Steering::Veto(CandidateIndex(needed(self.candidate, "candidate")?)),
            "hint" => Steering::Hint(needed(self.text, "text")?),
            "exclude" => Steering::Exclude(needed(self.example, "example")?),
            "pause" => Steering::Pause,
            "resume" => Steering::Resume,
            "stop" => Steering::Stop,
            _ => Steering::Extend(Box::new(limits(needed(self.limits, "limits")?)?)),
        };
        Ok((steering, by))
    }

    fn check_fields(&self) -> Result<(), BadRequest> {
        let used: &[&str] = match self.act.as_str() {
            "inject" => &["components", "gated", "parent"],
            "veto" => &["candidate"],
            "hint" => &["text"],
            "exclude" => &["example"],
            "extend" => &["limits"],
            "pause" | "resume" | "stop" => &[],
            other => {
                return Err(bad(format!(
                    "`act` is `{other}`; it can be inject, veto, hint, exclude, pause, resume, stop or extend"
                )));
            }
        };
        let given = [
            ("components", self.components.is_some()),
            ("gated", self.gated.is_some()),
            ("parent", self.parent.is_some()),
            ("candidate", self.candidate.is_some()),
            ("text", self.text.is_some()),
            ("example", self.example.is_some()),
            ("limits", self.limits.is_some()),
        ];
        let mut given = given.iter();
        match given.find(|(name, is_given)| *is_given && !used.contains(name)) {
            None => Ok(()),
            Some((name, _)) => Err(bad(format!("`{}` takes no `{name}`", self.act))),
        }
    }
}

fn needed<T>(value: Option<T>, name: &str) -> Result<T, BadRequest> {
    value.ok_or_else(|| bad(format!("`{name}` is missing")))
}

fn candidate(components: Option<Map<String, Value>>) -> Result<Candidate, BadRequest> {
    let components = needed(components, "components")?;
    let mut texts = Vec::new();
    for (name, text) in &components {
        let Some(text) = text.as_str() else {
            return Err(bad(format!("the text of component `{name}` is no string")));
        };
        texts.push((name.as_str(), text));
    }
    Candidate::new(texts).map_err(|error| bad(error.to_string()))
}

fn limits(given: BTreeMap<String, Value>) -> Result<BudgetSettings, BadRequest> {
    for name in given.keys() {
        if !BudgetSettings::KEYS.contains(&&**name) {
            return Err(bad(format!(
                "there is no limit `{name}`; there are {}",
                BudgetSettings::KEYS.join(", ")
            )));
        }
    }
    let limits: BudgetSettings = serde_json::from_value(Value::Object(given.into_iter().collect()))
        .map_err(|error| bad(format!("a limit is of another form: {error}")))?;
    let unusable = [limits.max_cost_usd, limits.max_seconds, limits.target_score];
    if unusable.iter().flatten().any(|limit| !limit.is_finite()) {
        return Err(bad("a limit is no finite number".to_owned()));
    }
    Ok(limits)
}

fn bad(message: String) -> BadRequest {
    BadRequest(message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<(Steering, SteeredBy), String> {
        let request: SteerRequest =
            serde_json::from_value(value).map_err(|error| error.to_string())?;
        request.read().map_err(|error| error.to_string())
    }

    #[test]
    fn every_key_of_the_budget_is_a_limit() {
        for key in BudgetSettings::KEYS {
            let given = read(json!({"act": "extend", "limits": {*key: 1}}));
            assert!(given.is_ok(), "{key}: {given:?}");
        }
        let refused = read(json!({"act": "extend", "limits": {"max_rolouts": 1}}));
        assert!(refused.unwrap_err().contains("least_spread"));
    }

    #[test]
    fn each_act_takes_its_own_fields_and_no_others() {
        let (steering, by) = read(json!({"act": "veto", "candidate": 3, "why": "leaks"})).unwrap();
        assert_eq!(steering, Steering::Veto(CandidateIndex(3)));
        assert_eq!(by.why, "leaks");
        let limits = read(json!({"act": "extend", "limits": {"max_rollouts": 9}})).unwrap();
        assert!(matches!(limits.0, Steering::Extend(one) if one.max_rollouts == Some(9)));
        let broken = [
            (json!({"act": "fly"}), "`act` is `fly`"),
            (json!({"act": "veto"}), "`candidate` is missing"),
            (json!({"act": "pause", "text": "x"}), "takes no `text`"),
            (json!({"act": "pause", "color": 1}), "unknown field"),
            (
                json!({"act": "extend", "limits": {"rollouts": 1}}),
                "no limit `rollouts`; there are max_rollouts",
            ),
            (
                json!({"act": "extend", "limits": {"max_rollouts": "many"}}),
                "another form",
            ),
            (
                json!({"act": "inject", "components": {"system": 3}}),
                "is no string",
            ),
        ];
        for (request, expected) in broken {
            let message = read(request.clone()).unwrap_err();
            assert!(message.contains(expected), "{request}: {message}");
        }
    }
}
