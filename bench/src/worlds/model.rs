//! Both models of a world behind one function: a chat in, a text and its tokens out.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use gepa_evaluation::Message;
use parking_lot::Mutex;

use super::item::Item;
use super::reading::Reading;
use super::reflector::rewrite;
use super::world::World;
use crate::draws::Key;

/// Prompts whose readings are cached.
const READINGS_KEPT: usize = 4_096;

/// The models of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Answers items.
    Policy,
    /// Rewrites instructions.
    Reflector,
}

/// A model's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The text.
    pub text: String,
    /// Tokens of the chat: a quarter of its characters.
    pub prompt_tokens: u64,
    /// Tokens of the text: a quarter of its characters.
    pub completion_tokens: u64,
}

/// The models of one world. Their answers are functions of the chat.
pub struct WorldModel {
    world: Arc<World>,
    /// Readings by the hash of the prompt. Reading a prompt takes far longer than answering with
    /// it.
    readings: Mutex<BTreeMap<Key, Arc<Reading>>>,
}

impl Role {
    /// The model's name in requests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Reflector => "reflector",
        }
    }

    /// The role of a model name.
    pub fn of_model(name: &str) -> Option<Self> {
        [Self::Policy, Self::Reflector]
            .into_iter()
            .find(|role| role.as_str() == name)
    }
}

impl WorldModel {
    /// The models of `world`.
    pub fn new(world: Arc<World>) -> Self {
        Self {
            world,
            readings: Mutex::default(),
        }
    }

    /// Their world.
    pub fn world(&self) -> &Arc<World> {
        &self.world
    }

    /// The answer to a chat. `sample` counts earlier answers to the same chat.
    ///
    /// For the policy, the system messages are the prompt and the other messages are the input.
    /// Without a system message, the text before the item is the prompt.
    pub fn answer(&self, role: Role, messages: &[Message], sample: u64) -> Answer {
        let text = match role {
            Role::Policy => self.policy(messages, sample),
            Role::Reflector => {
                let prompt: Vec<&str> = messages.iter().map(|m| m.content.as_str()).collect();
                rewrite(&self.world, &prompt.join("\n"), sample)
            }
        };
        let asked = messages.iter().map(|m| m.content.chars().count()).sum();
        Answer {
            prompt_tokens: quarter(asked),
            completion_tokens: quarter(text.chars().count()),
            text,
        }
    }

    /// The reading of a prompt, from the cache if it is there.
    pub fn reading(&self, prompt: &str) -> Arc<Reading> {
        let key = Key::of_text(prompt);
        let known = self.readings.lock().get(&key).cloned();
        known.unwrap_or_else(|| {
            let reading = Arc::new(self.world.read(prompt));
            let mut readings = self.readings.lock();
            if readings.len() >= READINGS_KEPT {
                readings.clear();
            }
            readings.insert(key, Arc::clone(&reading));
            reading
        })
    }

    fn policy(&self, messages: &[Message], sample: u64) -> String {
        let of_system = |is_system: bool| {
            let wanted = messages
                .iter()
                .filter(|message| (message.role == "system") == is_system);
            let texts: Vec<&str> = wanted.map(|message| message.content.as_str()).collect();
            texts.join("\n")
        };
        let (mut prompt, asked) = (of_system(true), of_system(false));
        let Some((before, item)) = self.item_in(&asked) else {
            return "Which request?".to_owned();
        };
        if prompt.is_empty() {
            before.clone_into(&mut prompt);
        }
        self.world.reply(&self.reading(&prompt), item, sample)
    }

    /// The last item in a text, and the text before it.
    fn item_in<'t>(&self, text: &'t str) -> Option<(&'t str, &Item)> {
        let (before, rest) = text.rsplit_once("[item ")?;
        let (id, _) = rest.split_once(']')?;
        Some((before, self.world.item(id)?))
    }
}

impl fmt::Debug for WorldModel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WorldModel")
            .field("family", &self.world.family())
            .field("seed", &self.world.seed())
            .finish_non_exhaustive()
    }
}

fn quarter(characters: usize) -> u64 {
    (characters as u64).div_ceil(4)
}
