//! Whole runs against a task app, from the command line.

use gepa_testing::{Fault, FaultPlan, ModelCall, ModelReply, ModelServer};
use indexmap::IndexMap;
use serde_json::json;
use tokio::runtime::Runtime;

use crate::support::{Workspace, number};
use crate::task_app::{APP_KEY, FakeApp, Family, Quirk, SYSTEM};

/// How the built-in reflection prompt begins.
const REFLECTION: &str = "You improve the instructions";

/// An app, its model, and a folder with the config of a run.
pub(crate) struct World {
    pub(crate) app: FakeApp,
    pub(crate) model: ModelServer,
    pub(crate) workspace: Workspace,
    pub(crate) runtime: Runtime,
}

impl World {
    pub(crate) fn new(family: Family, faults: FaultPlan) -> Self {
        let runtime = Runtime::new().unwrap();
        // Installs the TLS provider that HTTP clients insist on.
        let settings = gepa_models::ModelSettings::new("ollama", "none");
        gepa_models::Models::new(gepa_models::Environment::default())
            .connect(&settings, &IndexMap::new(), &[])
            .unwrap();
        let server = ModelServer::answering(reply).faults(faults);
        let model = runtime.block_on(server.start()).unwrap();
        let app = runtime.block_on(FakeApp::start(family, Quirk::None));
        let mut workspace = Workspace::new();
        workspace.set_variable("ENVIRONMENT_API_KEY", APP_KEY);
        workspace.write("config.toml", &config(&app.url(), &model.base_url()));
        Self {
            app,
            model,
            workspace,
            runtime,
        }
    }
}

fn config(app: &str, model: &str) -> String {
    format!(
        r#"[evaluator]
kind = "task_app"
url = "{app}"
env_name = "fake"

[examples]
train = ["0..10"]
pareto = ["10..20"]
validation = ["20..30"]

[[prompt.messages]]
role = "system"
component = "system"
pattern = "{SYSTEM}"

[budget]
max_rollouts = 120

[policy]
provider = "local"
model = "policy-model"
base_url = "{model}"
temperature = 0.0
max_tokens = 16
max_attempts = 2
"#
    )
}

/// Right where the system message says `Good`; asked to reflect, writes such a message.
fn reply(call: &ModelCall) -> ModelReply {
    if call.last_message().starts_with(REFLECTION) {
        return ModelReply::text("```\nGood instructions.\n```").reporting(50, 5);
    }
    let age = call.last_message().split("age: ").nth(1).unwrap_or("0");
    let digits: String = age.chars().take_while(char::is_ascii_digit).collect();
    let parity = digits.parse::<u64>().unwrap_or(0) % 2;
    let is_good = call.message(0).contains("Good");
    let label = if is_good { parity } else { 0 };
    let arguments = json!({"label": label.to_string()}).to_string();
    let mut reply = ModelReply::text("").reporting(10, 2);
    reply.tool_calls = vec![json!({
        "id": "call_1", "type": "function",
        "function": {"name": "classify", "arguments": arguments},
    })];
    reply
}

#[test]
fn a_run_improves_a_prompt_that_the_app_never_lets_go_of() {
    for family in [Family::Swallowing, Family::Propagating] {
        let world = World::new(family, FaultPlan::none());
        world.workspace.succeed(&["run", "config.toml"]);
        let stats = world.workspace.stats();
        assert_eq!(stats["best_validation_score"], 1.0, "{stats}");
        assert_eq!(stats["baseline_score"], 0.5, "{stats}");
        assert_eq!(stats["policy_model"], "policy-model");
        let rollouts = number(&stats, "total_rollouts");
        assert_eq!(rollouts, world.app.rollouts().len() as u64);
        assert_eq!(rollouts, world.app.calls());
        let ledger = world.model.ledger();
        let prompt = number(&stats, "rollouts_prompt_tokens");
        let mutation = number(&stats, "mutation_prompt_tokens");
        assert_eq!(prompt, 10 * rollouts);
        assert_eq!(prompt + mutation, ledger.prompt_tokens);
    }
}

#[test]
fn failed_model_calls_never_become_scores() {
    let faults = FaultPlan::none().with_probability(3, 0.2, Fault::status(400));
    let world = World::new(Family::Swallowing, faults);
    world.workspace.gepa(&["run", "config.toml"]);
    let rows = world.workspace.export("rollouts");
    let failed = rows.iter().filter(|row| row["outcome"] != "scored");
    assert!(failed.clone().count() > 0);
    assert!(
        failed
            .clone()
            .all(|row| row.get("score").is_none_or(serde_json::Value::is_null))
    );
}

#[test]
fn a_wrong_key_is_found_before_anything_is_spent() {
    let mut world = World::new(Family::Swallowing, FaultPlan::none());
    let wrong = "some-other-key";
    world.workspace.set_variable("ENVIRONMENT_API_KEY", wrong);
    let finished = world.workspace.gepa(&["run", "config.toml"]);
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
    let message = &finished.stderr;
    assert!(message.contains("ENVIRONMENT_API_KEY"), "{message}");
    assert!(!message.contains(wrong), "{message}");
    assert_eq!(world.model.ledger().calls_received, 0);
}

#[test]
fn a_run_is_not_resumed_with_an_app_of_another_version() {
    let mut world = World::new(Family::Swallowing, FaultPlan::none());
    let replace = |world: &mut World, quirk: Quirk| {
        let runtime = &world.runtime;
        world.app = runtime.block_on(FakeApp::start(Family::Swallowing, quirk));
        let url = format!("evaluator.url=\"{}\"", world.app.url());
        url
    };
    let url = replace(&mut world, Quirk::Version("1.0"));
    let begun = [
        "run",
        "config.toml",
        "--set",
        &url,
        "--set",
        "budget.max_rollouts=60",
    ];
    let begun = world.workspace.gepa(&begun);
    assert_eq!(begun.code, Some(0), "{}", begun.stderr);
    let go_on = |world: &World, url: &str| {
        let more = "budget.max_rollouts=120";
        let arguments = ["run", "--resume", "latest", "--set", url, "--set", more];
        world.workspace.gepa(&arguments)
    };
    let url = replace(&mut world, Quirk::Version("1.1"));
    let refused = go_on(&world, &url);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    for expected in ["task set version", "was `1.0` and is `1.1`"] {
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    }
    assert!(world.app.rollouts().is_empty());
    let branched = world.workspace.gepa(&["branch", "latest", "--set", &url]);
    assert_eq!(branched.code, Some(2), "{}", branched.stderr);
    let url = replace(&mut world, Quirk::Version("1.0"));
    let resumed = go_on(&world, &url);
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    // An app that says nothing about its version cannot be compared.
    let url = replace(&mut world, Quirk::None);
    let resumed = go_on(&world, &url);
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
}

#[test]
fn a_check_online_looks_at_app_and_provider_without_a_call() {
    let mut world = World::new(Family::Swallowing, FaultPlan::none());
    let check = ["check", "config.toml", "--online"];
    let looked = world.workspace.gepa(&check);
    assert_eq!(looked.code, Some(0), "{}", looked.stderr);
    for expected in [
        "evaluator: GET ",
        "it is well and takes the key",
        "/v1/models",
        "nothing was paid for",
    ] {
        assert!(looked.stdout.contains(expected), "{}", looked.stdout);
    }
    assert_eq!(world.model.ledger().calls_received, 0);
    let away = "policy.base_url=http://127.0.0.1:1/v1";
    let looked = world
        .workspace
        .gepa(&["check", "config.toml", "--online", "--set", away]);
    assert_eq!(looked.code, Some(6), "{}", looked.stderr);
    assert!(
        looked.stderr.contains("policy: cannot connect"),
        "{}",
        looked.stderr
    );
    world.workspace.set_variable("ENVIRONMENT_API_KEY", "wrong");
    let looked = world.workspace.gepa(&check);
    assert_eq!(looked.code, Some(5), "{}", looked.stderr);
    assert!(
        looked.stderr.contains("ENVIRONMENT_API_KEY"),
        "{}",
        looked.stderr
    );
}

#[test]
fn an_app_that_is_down_ends_the_process_with_six() {
    let world = World::new(Family::Swallowing, FaultPlan::none());
    let unused = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = unused.local_addr().unwrap();
    drop(unused);
    let url = format!("evaluator.url=\"http://{address}\"");
    let finished = world.workspace.gepa(&["run", "config.toml", "--set", &url]);
    assert_eq!(finished.code, Some(6), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("cannot be reached"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_config_that_suits_no_task_app_is_answered_with_what_to_change() {
    let world = World::new(Family::Swallowing, FaultPlan::none());
    let text = world.workspace.read("config.toml");
    let changes = [
        (
            "\"10..20\"",
            "\"row-1\"",
            "`examples.pareto` holds `row-1`; a task app's examples are seeds",
        ),
        (
            "\"local\"",
            "\"rulebook\"",
            "`policy.provider` is `rulebook`, which cannot answer",
        ),
        (
            "[policy]",
            "[judge]",
            "`policy` is missing; the evaluator `task_app` needs a model",
        ),
        (
            "[examples]",
            "pipeline = [{ component = \"x\" }]\n\n[examples]",
            "`evaluator.pipeline[0].component` is `x`, which is not a component; the components are: system",
        ),
    ];
    for (from, to, expected) in changes {
        world
            .workspace
            .write("changed.toml", &text.replace(from, to));
        let checked = world.workspace.gepa(&["check", "changed.toml"]);
        assert_eq!(checked.code, Some(2));
        assert!(checked.stderr.contains(expected), "{}", checked.stderr);
    }
}
