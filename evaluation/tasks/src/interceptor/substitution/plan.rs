//! The messages and modules that are expected of an app before it sends any call.

use std::sync::Arc;

use gepa_archive::Candidate;
use indexmap::IndexMap;
use serde_json::Value;

use super::content::{role_of, text_of};
use super::pattern::Pattern;
use crate::task_app::PipelineModule;
use gepa_evaluation::PromptTemplate;

/// The rules that put candidates into an app's messages; constant over a run.
#[derive(Clone, Debug)]
pub struct SubstitutionPlan {
    pub(super) messages: Vec<PlannedMessage>,
    pub(super) modules: Vec<PlannedModule>,
    /// Whether the candidate replaces system messages that do not contain the seed's text.
    pub(super) forces_system: bool,
}

/// A message that the app sends by default.
#[derive(Clone, Debug)]
pub(super) struct PlannedMessage {
    pub(super) role: String,
    pub(super) component: Option<Arc<str>>,
    pub(super) baseline: Pattern,
    pub(super) baseline_text: String,
}

/// A module of a pipeline.
#[derive(Clone, Debug)]
pub(super) struct PlannedModule {
    pub(super) component: Arc<str>,
    /// The text in the app's call that the candidate replaces, without white space at its ends.
    pub(super) baseline: String,
}

/// The result of a substitution in one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Substitution {
    /// The components that got in, and how.
    pub placed: Vec<Placed>,
    /// Components whose text names wildcards for which the app's message has no value. Their
    /// messages were forwarded unchanged.
    pub kept: Vec<Arc<str>>,
    /// The wildcards of the app's messages, with their values.
    pub values: IndexMap<Arc<str>, String>,
}

/// One component in one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The component.
    pub component: Arc<str>,
    /// The rule that put it in.
    pub rule: Rule,
}

/// The ways a component gets into a message, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The whole message had the form of the baseline.
    Pattern,
    /// The baseline stood inside the message and was replaced there.
    Literal,
    /// The whole system message was replaced, as the config demands.
    Role,
    /// The app sent no such message, so one was put in front, as the config demands.
    Inserted,
}

impl Rule {
    /// The name used in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pattern => "pattern",
            Self::Literal => "literal",
            Self::Role => "role",
            Self::Inserted => "inserted",
        }
    }
}

impl SubstitutionPlan {
    /// The plan for an app whose own messages are `template` filled with `seed`. Components that
    /// neither a message nor a module names count as system messages. A module without a baseline
    /// has its seed text for one, because the app was given that.
    pub fn new(template: &PromptTemplate, seed: &Candidate, pipeline: &[PipelineModule]) -> Self {
        let modules: Vec<PlannedModule> = pipeline
            .iter()
            .map(|module| PlannedModule {
                component: module.component.as_str().into(),
                baseline: module
                    .baseline
                    .as_deref()
                    .or_else(|| seed.text(&module.component).map(|text| &**text))
                    .map_or_else(String::new, |text| text.trim().to_owned()),
            })
            .collect();
        let is_module = |name: &str| modules.iter().any(|module| &*module.component == name);
        let mut messages: Vec<PlannedMessage> = template
            .messages
            .iter()
            .filter(|message| !message.component.as_deref().is_some_and(is_module))
            .map(|message| {
                let component = message.component.as_deref();
                let seed_text = component.and_then(|name| seed.text(name));
                let text = seed_text.map_or(message.pattern.as_str(), |text| text);
                PlannedMessage::new(&message.role, component, text)
            })
            .collect();
        for (name, text) in seed.components() {
            let is_planned = messages
                .iter()
                .any(|message| message.component.as_ref() == Some(name));
            if !is_planned && !is_module(name) {
                messages.push(PlannedMessage::new("system", Some(name), text));
            }
        }
        Self {
            messages,
            modules,
            forces_system: false,
        }
    }

    /// The same plan; with `forces`, system messages without the seed's text are replaced whole, and
    /// missing ones put in front, instead of being refused.
    #[must_use]
    pub fn forcing_system(self, forces: bool) -> Self {
        Self {
            forces_system: forces,
            ..self
        }
    }

    /// Whether calls belong to the modules of a pipeline.
    pub fn is_pipeline(&self) -> bool {
        !self.modules.is_empty()
    }

    /// The module whose text stands in a call's system messages; the longest text if there are
    /// several. `None` if two modules have that text.
    pub fn module_by_text(&self, messages: &[Value]) -> Option<usize> {
        let texts: Vec<String> = messages
            .iter()
            .filter(|message| role_of(message) == "system")
            .filter_map(text_of)
            .collect();
        let baselines = self.modules.iter().map(|module| module.baseline.as_str());
        let found: Vec<(usize, &str)> = baselines
            .enumerate()
            .filter(|(_, baseline)| !baseline.is_empty())
            .filter(|(_, baseline)| texts.iter().any(|text| text.contains(*baseline)))
            .collect();
        let (index, longest) = found.iter().max_by_key(|(_, baseline)| baseline.len())?;
        let of_that_text = found.iter().filter(|(_, baseline)| baseline == longest);
        (of_that_text.count() == 1).then_some(*index)
    }

    /// The module of the call at this place in its rollout, for calls whose text names no module.
    pub fn module_by_order(&self, order: usize) -> Option<usize> {
        self.is_pipeline().then(|| order % self.modules.len())
    }

    /// The component of a module.
    pub fn module_component(&self, module: usize) -> Option<&Arc<str>> {
        self.modules.get(module).map(|module| &module.component)
    }
}

impl PlannedMessage {
    fn new(role: &str, component: Option<&str>, baseline: &str) -> Self {
        Self {
            role: role.to_owned(),
            component: component.map(Arc::from),
            baseline: Pattern::new(baseline),
            baseline_text: baseline.to_owned(),
        }
    }
}
