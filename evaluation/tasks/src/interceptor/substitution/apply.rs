//! Recognises the messages of one call and puts the candidate's texts into them.

use std::ops::Range;
use std::sync::Arc;

use gepa_archive::Candidate;
use serde_json::{Value, json};

use super::content::{role_of, set_text, text_of};
use super::pattern::{Values, find_text};
use super::plan::{Placed, PlannedMessage, PlannedModule, Rule, Substitution, SubstitutionPlan};
use super::refusal::Refusal;
use gepa_evaluation::{PatternPart, split_wildcards, wildcards_in};

/// A message of the call that was recognised.
struct Found {
    /// The message's place in the call.
    at: usize,
    /// The message's place in the plan.
    planned: usize,
    rule: Rule,
    /// The part of the message's text to replace.
    range: Range<usize>,
    values: Values,
}

/// A text to put in, or the reason against it.
enum Rendered {
    Text(String),
    Missing(Vec<String>),
}

impl SubstitutionPlan {
    /// Puts `candidate` into `messages`. In a pipeline `module` is the module of the call.
    ///
    /// A message that has the form of its baseline, or contains it, gets the candidate's text in its
    /// place, with the values its wildcards had; other text of the app stays. The seed therefore
    /// changes nothing. A system text of the candidate that has no such place is refused, unless the
    /// plan forces it in; other messages stay as they were sent.
    pub fn apply(
        &self,
        messages: &mut Vec<Value>,
        candidate: &Candidate,
        module: Option<usize>,
    ) -> Result<Substitution, Refusal> {
        let texts: Vec<Option<String>> = messages.iter().map(text_of).collect();
        let found = self.recognise(messages, &texts);
        let mut substitution = Substitution::default();
        for one in &found {
            for (name, value) in &one.values {
                let known = &mut substitution.values;
                known.entry(Arc::clone(name)).or_insert(value.clone());
            }
        }
        let mut missing = Vec::new();
        for one in &found {
            let planned = &self.messages[one.planned];
            let Some(component) = &planned.component else {
                continue;
            };
            let values = |name: &str| {
                let own = one.values.get(name);
                own.or_else(|| substitution.values.get(name))
                    .map(String::as_str)
            };
            match rendered(planned, candidate, &values) {
                Rendered::Text(text) => {
                    let sent = texts[one.at].as_deref().unwrap_or_default();
                    // What was found inside a message is without white space at its ends.
                    let is_part = one.rule == Rule::Literal;
                    let text = if is_part { text.trim() } else { &text };
                    put_text(&mut messages[one.at], sent, &one.range, text);
                    place(&mut substitution, component, one.rule);
                }
                Rendered::Missing(names) => {
                    missing.extend(names);
                    if !substitution.kept.contains(component) {
                        substitution.kept.push(Arc::clone(component));
                    }
                }
            }
        }
        if let Some(module) = module.and_then(|module| self.modules.get(module)) {
            self.put_module(module, messages, candidate, &mut substitution)?;
        } else if !self.is_pipeline() && self.forces_system {
            self.insert_missing(&found, messages, candidate, &mut substitution);
        } else if !self.is_pipeline() {
            self.check_all_found(&found, messages)?;
        }
        match (substitution.placed.is_empty(), substitution.kept.first()) {
            (false, _) => Ok(substitution),
            (true, Some(component)) => Err(Refusal::MissingValues {
                component: Arc::clone(component),
                missing: missing.join(", "),
            }),
            (true, None) => Err(Refusal::NothingMatched {
                sent: sent(messages),
                expected: beginnings(
                    self.messages
                        .iter()
                        .map(|planned| (planned.role.clone(), planned.baseline_text.clone())),
                ),
            }),
        }
    }

    /// The messages that are recognised, each by the surest rule that fits it.
    fn recognise(&self, messages: &[Value], texts: &[Option<String>]) -> Vec<Found> {
        let mut found: Vec<Found> = Vec::new();
        for (at, text) in with_text(texts) {
            let best = self.of_role(role_of(&messages[at])).filter_map(|planned| {
                let pattern = &self.messages[planned].baseline;
                let values = pattern.match_whole(text)?;
                Some((pattern.literal_length(), planned, values))
            });
            if let Some((_, planned, values)) = longest(best) {
                found.push(Found {
                    at,
                    planned,
                    rule: Rule::Pattern,
                    range: 0..text.len(),
                    values,
                });
            }
        }
        for (at, text) in with_text(texts) {
            if found.iter().any(|one| one.at == at) {
                continue;
            }
            let role = role_of(&messages[at]);
            // In a conversation every turn may have the same form; there is one system message.
            let free = self
                .of_role(role)
                .filter(|planned| role != "system" || !is_used(&found, *planned));
            let best = free.filter_map(|planned| {
                let pattern = &self.messages[planned].baseline;
                let (range, values) = pattern.find_within(text)?;
                Some((pattern.literal_length(), planned, (range, values)))
            });
            if let Some((_, planned, (range, values))) = longest(best) {
                found.push(Found {
                    at,
                    planned,
                    rule: Rule::Literal,
                    range,
                    values,
                });
            }
        }
        if !self.is_pipeline() && self.forces_system {
            self.take_by_role(messages, texts, &mut found);
        }
        found
    }

    /// Assigns the app's unrecognised system messages, in order, to the planned ones that evolve.
    fn take_by_role(&self, messages: &[Value], texts: &[Option<String>], found: &mut Vec<Found>) {
        let free: Vec<(usize, usize)> = with_text(texts)
            .filter(|(at, _)| role_of(&messages[*at]) == "system")
            .filter(|(at, _)| !found.iter().any(|one| one.at == *at))
            .map(|(at, text)| (at, text.len()))
            .collect();
        let unused: Vec<usize> = self
            .of_role("system")
            .filter(|planned| self.messages[*planned].component.is_some())
            .filter(|planned| !is_used(found, *planned))
            .collect();
        for ((at, length), planned) in free.into_iter().zip(unused) {
            found.push(Found {
                at,
                planned,
                rule: Rule::Role,
                range: 0..length,
                values: Values::new(),
            });
        }
    }

    /// Refuses a call that lacks the text of a system component.
    fn check_all_found(&self, found: &[Found], messages: &[Value]) -> Result<(), Refusal> {
        for planned in self.of_role("system").filter(|one| !is_used(found, *one)) {
            let message = &self.messages[planned];
            if let Some(component) = &message.component {
                return Err(would_be_lost(component, &message.baseline_text, messages));
            }
        }
        Ok(())
    }

    /// Puts a module's instruction into its call.
    fn put_module(
        &self,
        module: &PlannedModule,
        messages: &mut Vec<Value>,
        candidate: &Candidate,
        substitution: &mut Substitution,
    ) -> Result<(), Refusal> {
        let Some(instruction) = candidate.text(&module.component) else {
            return Ok(());
        };
        let systems: Vec<(usize, String)> = messages
            .iter()
            .enumerate()
            .filter(|(_, message)| role_of(message) == "system")
            .filter_map(|(at, message)| Some((at, text_of(message)?)))
            .collect();
        let baseline = module.baseline.as_str();
        let inside = systems.iter().find_map(|(at, text)| {
            let start = find_text(text, baseline)?;
            Some((*at, text, start..start + baseline.len()))
        });
        let rule = match (inside, systems.first()) {
            (Some((at, text, range)), _) => {
                put_text(&mut messages[at], text, &range, instruction.trim());
                Rule::Literal
            }
            _ if !self.forces_system => {
                return Err(would_be_lost(&module.component, baseline, messages));
            }
            (None, Some((at, _))) => {
                set_text(&mut messages[*at], instruction.to_string());
                Rule::Role
            }
            (None, None) => {
                messages.insert(0, json!({"role": "system", "content": &**instruction}));
                Rule::Inserted
            }
        };
        place(substitution, &module.component, rule);
        Ok(())
    }

    /// Puts system messages in front that the app has no message for.
    fn insert_missing(
        &self,
        found: &[Found],
        messages: &mut Vec<Value>,
        candidate: &Candidate,
        substitution: &mut Substitution,
    ) {
        let mut at = messages
            .iter()
            .take_while(|message| role_of(message) == "system")
            .count();
        for planned in self.of_role("system") {
            let message = &self.messages[planned];
            let Some(component) = message.component.as_ref() else {
                continue;
            };
            if is_used(found, planned) {
                continue;
            }
            let values = |name: &str| substitution.values.get(name).map(String::as_str);
            if let Rendered::Text(text) = rendered(message, candidate, &values) {
                messages.insert(at, json!({"role": "system", "content": text}));
                at += 1;
                place(substitution, component, Rule::Inserted);
            }
        }
    }

    fn of_role<'p>(&'p self, role: &'p str) -> impl Iterator<Item = usize> + 'p {
        let all = self.messages.iter().enumerate();
        all.filter(move |(_, planned)| planned.role == role)
            .map(|(index, _)| index)
    }
}

/// The candidate's text for a message. In a system message a wildcard without a value stays as it
/// is. In another message each wildcard of the seed must have a value; otherwise the model would
/// see the wildcard in place of the example. Braces that the seed did not have are plain text. But
/// if the new text has them in place of all of the seed's wildcards, they are misspelt wildcards.
fn rendered<'v>(
    planned: &PlannedMessage,
    candidate: &Candidate,
    value: &impl Fn(&str) -> Option<&'v str>,
) -> Rendered {
    let component = planned.component.as_deref();
    let text = component.and_then(|name| candidate.text(name));
    let pattern = text.map_or(planned.baseline_text.as_str(), |text| text);
    let of_seed = wildcards_in(&planned.baseline_text);
    let mut filled = String::with_capacity(pattern.len());
    let (mut missing, mut new, mut shows_seed) = (Vec::new(), Vec::new(), false);
    for part in split_wildcards(pattern) {
        match part {
            PatternPart::Text(text) => filled.push_str(text),
            PatternPart::Wildcard(name) => {
                let is_of_seed = of_seed.iter().any(|known| &**known == name);
                if let Some(text) = value(name) {
                    filled.push_str(text);
                    shows_seed |= is_of_seed;
                } else {
                    filled.extend(["{", name, "}"]);
                    let names = if is_of_seed { &mut missing } else { &mut new };
                    names.push(format!("{{{name}}}"));
                }
            }
        }
    }
    if !shows_seed {
        missing.append(&mut new);
    }
    if missing.is_empty() || planned.role == "system" {
        return Rendered::Text(filled);
    }
    Rendered::Missing(missing)
}

/// Replaces a part of a message's text. A message whose text stays the same is not touched, so that
/// its parts stay as the app divided them.
fn put_text(message: &mut Value, sent: &str, range: &Range<usize>, text: &str) {
    if sent[range.clone()] != *text {
        let (before, after) = (&sent[..range.start], &sent[range.end..]);
        set_text(message, [before, text, after].concat());
    }
}

fn would_be_lost(component: &Arc<str>, baseline: &str, messages: &[Value]) -> Refusal {
    Refusal::TextWouldBeLost {
        component: Arc::clone(component),
        sent: sent(messages),
        expected: format!("{:?}", beginning(baseline)),
    }
}

fn sent(messages: &[Value]) -> String {
    beginnings(messages.iter().map(|message| {
        let text = text_of(message).unwrap_or_default();
        (role_of(message).to_owned(), text)
    }))
}

fn place(substitution: &mut Substitution, component: &Arc<str>, rule: Rule) {
    let placed = &mut substitution.placed;
    if !placed.iter().any(|one| one.component == *component) {
        placed.push(Placed {
            component: Arc::clone(component),
            rule,
        });
    }
}

fn with_text(texts: &[Option<String>]) -> impl Iterator<Item = (usize, &str)> {
    let all = texts.iter().enumerate();
    all.filter_map(|(at, text)| Some((at, text.as_deref()?)))
}

fn is_used(found: &[Found], planned: usize) -> bool {
    found.iter().any(|one| one.planned == planned)
}

/// The match with the most literal text; the first of equal ones.
fn longest<T>(matches: impl Iterator<Item = (usize, usize, T)>) -> Option<(usize, usize, T)> {
    matches.reduce(|best, next| if next.0 > best.0 { next } else { best })
}

fn beginnings(messages: impl Iterator<Item = (String, String)>) -> String {
    const MOST: usize = 4;
    let mut shown: Vec<String> = messages
        .take(MOST)
        .map(|(role, text)| format!("{role} {:?}", beginning(&text)))
        .collect();
    if shown.is_empty() {
        shown.push("no message".to_owned());
    }
    shown.join(", ")
}

fn beginning(text: &str) -> String {
    const LONGEST: usize = 80;
    text.chars().take(LONGEST).collect()
}
