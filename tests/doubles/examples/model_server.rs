//! A chat completions server on loopback that needs no model: the rulebook answers, and the server
//! counts calls and tokens in a ledger of its own. The acceptance tests let task apps and the
//! engine use it.
//!
//! `cargo run -p gepa-testing --example model_server -- --listen 127.0.0.1:0`
//! prints the address and serves until it is killed. `GET /ledger` and `POST /control` are
//! described at [`Behaviour`](gepa_testing::Behaviour).

#![expect(clippy::print_stdout, reason = "it prints its address")]

use std::net::SocketAddr;

use gepa_evaluation::{ChatRequest, LanguageModel, Message, Purpose};
use gepa_rulebook::RulebookModel;
use gepa_testing::{ModelCall, ModelReply, ModelServer};
use serde_json::{Value, json};

/// Calls kept for `GET /ledger?calls=N`.
const CALLS_KEPT: usize = 4_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let address: SocketAddr = match arguments.as_slice() {
        [] => SocketAddr::from(([127, 0, 0, 1], 0)),
        [flag, address] if flag == "--listen" => address.parse()?,
        _ => return Err("usage: model_server [--listen ADDRESS:PORT]".into()),
    };
    let server = ModelServer::answering(reply)
        .controlled()
        .keeping(CALLS_KEPT)
        .start_on(address)
        .await?;
    println!("{}", server.base_url());
    tokio::signal::ctrl_c().await?;
    Ok(())
}

/// The rulebook's answer to a call, in the form that the call requests.
fn reply(call: &ModelCall) -> ModelReply {
    let messages: Vec<Message> = call
        .texts()
        .map(|(role, text)| Message::new(role, text))
        .collect();
    let tool = call.body.pointer("/tools/0/function");
    let shows_examples = messages
        .iter()
        .any(|message| message.content.contains("# Example "));
    if tool.is_none() && shows_examples {
        return said(completed(messages, Purpose::Reflection));
    }
    let choices = choices_of(tool, &messages);
    let case: Vec<Message> = messages.iter().map(as_case).collect();
    let (answer, prompt_tokens, completion_tokens) = match completed(case.clone(), Purpose::Rollout)
    {
        Ok(done) => done,
        Err(problem) => return ModelReply::text(problem),
    };
    let answer = if choices.is_empty() || choices.contains(&answer) {
        answer
    } else {
        without_rules(&choices, &case)
    };
    let Some(tool) = tool else {
        return ModelReply::text(answer).reporting(prompt_tokens, completion_tokens);
    };
    let mut reply = ModelReply::text("").reporting(prompt_tokens, completion_tokens);
    "tool_calls".clone_into(&mut reply.finish_reason);
    reply.tool_calls = vec![json!({
        "id": format!("call_{}", call.index),
        "type": "function",
        "function": {
            "name": tool.get("name"),
            "arguments": json!({argument_of(tool): answer}).to_string(),
        },
    })];
    reply
}

type Completed = Result<(String, u64, u64), String>;

fn completed(messages: Vec<Message>, purpose: Purpose) -> Completed {
    let request = ChatRequest { messages, purpose };
    // The handler is called on a worker thread of the runtime; reflecting takes milliseconds.
    let done = tokio::task::block_in_place(|| {
        tokio::runtime::Handle::current().block_on(RulebookModel.complete(request))
    });
    done.map(|done| {
        let usage = done.usage;
        (done.text, usage.prompt_tokens, usage.completion_tokens)
    })
    .map_err(|problem| problem.message)
}

fn said(completed: Completed) -> ModelReply {
    match completed {
        Ok((text, prompt_tokens, completion_tokens)) => {
            ModelReply::text(text).reporting(prompt_tokens, completion_tokens)
        }
        Err(problem) => ModelReply::text(problem),
    }
}

/// The answers that the tool accepts. If it accepts any text, the numbered list in the messages.
fn choices_of(tool: Option<&Value>, messages: &[Message]) -> Vec<String> {
    let properties = tool.and_then(|tool| tool.pointer("/parameters/properties")?.as_object());
    let listed = properties
        .and_then(|known| known.values().next()?.get("enum")?.as_array())
        .map(|values| values.iter().filter_map(Value::as_str).map(str::to_owned));
    if let Some(listed) = listed {
        return listed.collect();
    }
    let lines = messages.iter().flat_map(|message| message.content.lines());
    lines.filter_map(numbered).map(str::to_owned).collect()
}

/// `3. card_arrival`, a choice in a list.
fn numbered(line: &str) -> Option<&str> {
    let (number, choice) = line.trim().split_once(". ")?;
    let is_choice = number.parse::<u32>().is_ok() && !choice.contains(' ');
    is_choice.then_some(choice)
}

/// A user message in the form that the rulebook reads: without the list of choices, and with inputs
/// named by the last word of their names (`Customer Query: ..` becomes `query: ..`).
fn as_case(message: &Message) -> Message {
    if message.role != "user" {
        return message.clone();
    }
    let lines = message
        .content
        .lines()
        .filter(|line| numbered(line).is_none());
    let known: Vec<String> = lines
        .map(|line| match line.split_once(": ") {
            Some((name, value)) if name.split(' ').count() > 1 => {
                let last = name.rsplit(' ').next().unwrap_or(name);
                format!("{}: {value}", last.to_lowercase())
            }
            _ => line.to_owned(),
        })
        .collect();
    Message::new("user", known.join("\n"))
}

/// The answer if no rule decides: the suggested choice, otherwise the choice that shares the most
/// words with the case; the first one among equals.
fn without_rules(choices: &[String], case: &[Message]) -> String {
    let asked = case.iter().rfind(|message| message.role == "user");
    let text = asked.map_or("", |message| message.content.as_str());
    let suggested = text.lines().find_map(|line| line.strip_prefix("intent: "));
    if let Some(suggested) = suggested.filter(|name| choices.iter().any(|known| known == name)) {
        return suggested.to_owned();
    }
    let words = words_of(text);
    let shared = |choice: &String| {
        let names = words_of(choice);
        names.iter().filter(|word| words.contains(word)).count()
    };
    let best = choices.iter().map(shared).max().unwrap_or(0);
    let first = choices.iter().find(|choice| shared(choice) == best);
    first.cloned().unwrap_or_default()
}

fn words_of(text: &str) -> Vec<String> {
    text.split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

/// The name of the argument that carries the answer.
fn argument_of(tool: &Value) -> &str {
    let required = tool.pointer("/parameters/required/0");
    required.and_then(Value::as_str).unwrap_or("answer")
}
