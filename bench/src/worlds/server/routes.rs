//! The paths of the server.

use std::sync::Arc;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};

use super::answer::{Reply, error_reply, json_reply};
use super::call::{Reset, complete};
use super::requests::ScoreBody;
use super::state::{State, WorldName};
use crate::worlds::{Conditions, Item, LARGEST_SET, Split, World};

const LARGEST_BODY: usize = 16 * 1024 * 1024;
const TRAIN: usize = 60;
const PARETO: usize = 100;

/// Answers a request. An error closes the connection.
pub(super) async fn route(request: Request<Incoming>, state: Arc<State>) -> Result<Reply, Reset> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LARGEST_BODY).collect().await else {
        let message = "the body is too long or incomplete";
        return Ok(error_reply(StatusCode::BAD_REQUEST, "invalid", message));
    };
    let body = body.to_bytes();
    let query = head.uri.query().unwrap_or_default();
    let path: Vec<&str> = head.uri.path().split('/').skip(1).collect();
    let reply = match (&head.method, path.as_slice()) {
        (&Method::POST, ["control"]) => control(&state, &body),
        (&Method::POST, ["w", family, seed, run, "v1", "chat", "completions"]) => {
            match world_name(family, seed) {
                Ok(world) => return complete(&state, world, run, &body).await,
                Err(reply) => *reply,
            }
        }
        (&Method::GET, ["w", _, _, _, "v1", "models"]) => models(),
        (&Method::GET, ["w", family, seed, "dataset"]) => {
            with_world(&state, family, seed, |world| dataset(world, query))
        }
        (&Method::POST, ["w", family, seed, "score"]) => {
            with_world(&state, family, seed, |world| score(world, query, &body))
        }
        (&Method::GET, ["w", family, seed, run, "ledger"]) => {
            books(&state, family, seed, run, BookKind::Ledger)
        }
        (&Method::GET, ["w", family, seed, run, "timeline"]) => {
            books(&state, family, seed, run, BookKind::Timeline)
        }
        _ => error_reply(StatusCode::NOT_FOUND, "not_found", "there is no such path"),
    };
    Ok(reply)
}

#[derive(Clone, Copy, Debug)]
enum BookKind {
    Ledger,
    Timeline,
}

fn control(state: &State, body: &[u8]) -> Reply {
    match serde_json::from_slice::<Conditions>(body) {
        Ok(conditions) => {
            state.control(conditions);
            json_reply(StatusCode::OK, &json!({"ok": true}))
        }
        Err(error) => {
            let message = format!("the body holds no conditions: {error}");
            error_reply(StatusCode::BAD_REQUEST, "invalid", &message)
        }
    }
}

fn models() -> Reply {
    let listed = ["policy", "reflector"].map(|id| json!({"id": id, "object": "model"}));
    json_reply(StatusCode::OK, &json!({"object": "list", "data": listed}))
}

fn dataset(world: &World, query: &str) -> Reply {
    let set = |split, count| -> Vec<Value> {
        let items = world.items(split).iter().take(count);
        items.map(item_json).collect()
    };
    let body = json!({
        "seed_prompt": world.seed_prompt(),
        "component": "instruction",
        "train": set(Split::Train, size(query, "train", TRAIN)),
        "pareto": set(Split::Pareto, size(query, "pareto", PARETO)),
        "validation": set(Split::Validation, size(query, "validation", 0)),
    });
    json_reply(StatusCode::OK, &body)
}

fn item_json(item: &Item) -> Value {
    json!({
        "id": item.id,
        "input": item.input,
        "answer": item.answer,
        "feedback_wrong": item.feedback_wrong,
        "feedback_right": item.feedback_right,
    })
}

fn score(world: &World, query: &str, body: &[u8]) -> Reply {
    match serde_json::from_slice::<ScoreBody>(body) {
        Ok(wanted) => {
            let reading = world.read(&wanted.prompt);
            let pareto = size(query, "pareto", PARETO);
            let body = json!({
                "test": world.expected(&reading, Split::Test, LARGEST_SET),
                "pareto": world.expected(&reading, Split::Pareto, pareto),
            });
            json_reply(StatusCode::OK, &body)
        }
        Err(error) => {
            let message = format!("the body holds no prompt to score: {error}");
            error_reply(StatusCode::BAD_REQUEST, "invalid", &message)
        }
    }
}

fn books(state: &State, family: &str, seed: &str, run: &str, kind: BookKind) -> Reply {
    let world = match world_name(family, seed) {
        Ok(world) => world,
        Err(reply) => return *reply,
    };
    let run = state.run(world, run);
    let body = match kind {
        BookKind::Ledger => json!(run.ledger.books()),
        BookKind::Timeline => json!(run.ledger.timeline()),
    };
    json_reply(StatusCode::OK, &body)
}

fn with_world(
    state: &State,
    family: &str,
    seed: &str,
    answer: impl FnOnce(&World) -> Reply,
) -> Reply {
    match world_name(family, seed) {
        Ok(name) => answer(state.model(name).world()),
        Err(reply) => *reply,
    }
}

fn world_name(family: &str, seed: &str) -> Result<WorldName, Box<Reply>> {
    let not_found = |message: &str| {
        let reply = error_reply(StatusCode::NOT_FOUND, "not_found", message);
        Box::new(reply)
    };
    let family = family
        .parse()
        .map_err(|unknown: crate::worlds::UnknownFamily| not_found(&unknown.to_string()))?;
    let seed = seed
        .parse()
        .map_err(|_| not_found("a seed is a whole number of 0 or more"))?;
    Ok((family, seed))
}

/// The size of a set, from a query such as `?pareto=50`. A set consists of the first items of its
/// split.
fn size(query: &str, name: &str, usual: usize) -> usize {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let wanted = pairs
        .filter(|(key, _)| *key == name)
        .find_map(|(_, value)| value.parse::<usize>().ok());
    wanted.unwrap_or(usual).min(LARGEST_SET)
}
