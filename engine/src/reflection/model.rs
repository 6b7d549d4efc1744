//! The language model as a proposer.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use gepa_evaluation::{
    CallLimit, ChatRequest, ComponentRequest, ExampleRecord, LanguageModel, Message,
    ProposalRequest, ProposedTexts, Proposer, ProposerError, Purpose, SentPrompt, Usage,
    UsageBound,
};
use indexmap::IndexMap;

use super::Template;
use super::alternatives::{Form, Read, request, texts_in};
use super::asked::{demands, shorten};
use super::edits;
use super::fences::fence_around;
use super::tried::tried;
use crate::config::{Config, ReplyReading, RewriteMode};

/// Asks a language model for each component, with the reflection prompt of the configuration.
pub struct ModelProposer {
    model: Arc<dyn LanguageModel>,
    templates: IndexMap<Arc<str>, Template>,
    max_prompt_chars: usize,
    reading: ReplyReading,
    /// The components whose texts are written as edits.
    edited: Vec<Arc<str>>,
    keep_prompts: bool,
}

/// The new texts of one component, and what was said.
struct Rewritten {
    read: Read,
    usage: Usage,
    reply: String,
    sent: Vec<Message>,
}

impl ModelProposer {
    /// A proposer that asks `model` as `config` says.
    pub fn new(model: Arc<dyn LanguageModel>, config: &Config) -> Self {
        let names = config.seed().components().keys();
        let edited = names.filter(|name| config.rewrite_mode(name) == RewriteMode::Edit);
        Self {
            model,
            templates: config.templates().clone(),
            max_prompt_chars: config.settings().reflection.max_prompt_chars as usize,
            reading: config.settings().reflection.reading,
            edited: edited.cloned().collect(),
            keep_prompts: config.settings().reflection.keep_prompts,
        }
    }

    fn messages(&self, proposal: &ProposalRequest, component: &ComponentRequest) -> Vec<Message> {
        let name = &*component.name;
        if let Some(long) = &component.shorten {
            return vec![Message::new("user", shorten(long, component))];
        }
        let current = proposal.candidate.text(name).map_or("", |text| &**text);
        let records = proposal.records.iter().map(|record| record.headings(name));
        let records: Vec<ExampleRecord> = records.collect();
        let is_edited = self.writes_edits(component);
        // Every component of a candidate has a template.
        let template = self.templates.get(name).unwrap_or(&self.templates[0]);
        let mut prompt = template.render(name, current, &records, self.max_prompt_chars);
        if let Some(complaint) = &component.complaint {
            prompt.extend(["\n\nAn earlier reply could not be used: ", complaint]);
            if is_edited {
                prompt.push_str(". Answer again, with edits that avoid this.");
            } else {
                prompt.extend([
                    ". Answer again, with the complete new text inside one ",
                    &fence_around(current),
                    " block.",
                ]);
            }
        }
        if let Some(tried) = tried(name, current, &proposal.earlier) {
            prompt.push_str(&tried);
        }
        if let Some(hint) = &proposal.hint {
            prompt.extend([
                "\n\nA person who watches this work asks you to take the following into account:\n",
                hint,
            ]);
        }
        prompt.push_str(&demands(component));
        if is_edited {
            prompt.push_str(edits::REQUEST);
        }
        if proposal.texts > 1 {
            prompt.push_str(&if is_edited {
                edits::request_versions(proposal.texts)
            } else {
                request(proposal.texts)
            });
        }
        let mut message = Message::new("user", prompt);
        message.shared_prefix = template.fixed_prefix();
        vec![message]
    }

    /// Whether the new text is to be written as edits of the present one.
    fn writes_edits(&self, component: &ComponentRequest) -> bool {
        component.shorten.is_none() && self.edited.contains(&component.name)
    }

    async fn rewrite(
        &self,
        proposal: &ProposalRequest,
        component: &ComponentRequest,
    ) -> Result<Rewritten, ProposerError> {
        let messages = self.messages(proposal, component);
        let sent = if self.keep_prompts {
            messages.clone()
        } else {
            Vec::new()
        };
        let purpose = Purpose::Reflection;
        let answered = self.model.complete(ChatRequest { messages, purpose }).await;
        let completion = match answered {
            Ok(completion) => completion,
            Err(error) => {
                return Err(ProposerError {
                    sent: boxed(sent),
                    ..error.into()
                });
            }
        };
        let current = proposal.candidate.text(&component.name);
        let current = component.shorten.as_ref().or(current);
        let current = current.map_or("", |text| &**text);
        let form = if self.writes_edits(component) {
            Form::Edits
        } else {
            Form::Whole(self.reading)
        };
        match texts_in(&completion, current, form, proposal.texts) {
            Ok(read) => Ok(Rewritten {
                read,
                usage: completion.usage,
                reply: completion.text,
                sent,
            }),
            Err(error) => Err(ProposerError {
                sent: boxed(sent),
                usage: completion.usage,
                reply: Some(completion.text),
                ..error
            }),
        }
    }
}

fn boxed(messages: Vec<Message>) -> Option<Box<SentPrompt>> {
    (!messages.is_empty()).then(|| Box::new(SentPrompt { messages }))
}

#[async_trait]
impl Proposer for ModelProposer {
    async fn propose(&self, proposal: ProposalRequest) -> Result<ProposedTexts, ProposerError> {
        let mut proposed = ProposedTexts::default();
        for component in &proposal.components {
            let rewritten = self.rewrite(&proposal, component).await;
            let rewritten = rewritten.map_err(|error| ProposerError {
                usage: error.usage + proposed.usage,
                ..error
            })?;
            let name = Arc::clone(&component.name);
            if !rewritten.read.unread.is_empty() {
                let name = Arc::clone(&name);
                proposed.unread.insert(name, rewritten.read.unread);
            }
            proposed.texts.insert(name, rewritten.read.texts);
            proposed.usage += rewritten.usage;
            proposed.reply = Some(rewritten.reply);
            proposed.sent.extend(rewritten.sent);
        }
        Ok(proposed)
    }

    fn takes_all_components(&self) -> bool {
        false
    }

    fn usage_bound(&self, proposal: &ProposalRequest) -> Option<UsageBound> {
        let mut sum = UsageBound::default();
        for component in &proposal.components {
            let messages = self.messages(proposal, component);
            let bound = self.model.usage_bound(&messages)?;
            sum.tokens = sum.tokens.saturating_add(bound.tokens);
            sum.cost += bound.cost;
        }
        Some(sum)
    }

    fn usage_estimate(&self, proposal: &ProposalRequest) -> Option<UsageBound> {
        let mut sum = UsageBound::default();
        for component in &proposal.components {
            let messages = self.messages(proposal, component);
            let one = self.model.usage_estimate(&messages, Purpose::Reflection)?;
            sum.tokens = sum.tokens.saturating_add(one.tokens);
            sum.cost += one.cost;
        }
        Some(sum)
    }

    fn is_priced(&self) -> bool {
        self.model.is_priced()
    }

    fn obstacle(&self) -> Option<String> {
        self.model.obstacle()
    }

    fn call_limits(&self) -> Vec<CallLimit> {
        self.model.call_limit().into_iter().collect()
    }

    fn stop_waiting(&self) {
        self.model.stop_waiting();
    }
}

impl fmt::Debug for ModelProposer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ModelProposer")
            .field("model", &self.model.info())
            .finish_non_exhaustive()
    }
}
