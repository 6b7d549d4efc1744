//! Prompt-learning jobs, from the job file to the result files, with a task app, its model and the
//! binary.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use gepa_testing::FaultPlan;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{Workspace, number};
use crate::task_app::{CALIBRATOR, CLASSIFIER, Family, SYSTEM};
use crate::task_app_runs::World;

/// A job file for the app, with the client's spellings.
fn job(app: &str) -> String {
    format!(
        r#"[prompt_learning]
algorithm = "gepa"
task_app_url = "{app}"
task_app_api_key = "${{ENVIRONMENT_API_KEY}}"
env_file_path = "../.env"
results_folder = "out"

[[prompt_learning.initial_prompt.messages]]
role = "system"
pattern = "{SYSTEM}"
order = 0

[prompt_learning.policy]
inference_mode = "synth_hosted"
model = "model-of-the-file"
provider = "local"
temperature = 0.0
max_completion_tokens = 16

[prompt_learning.gepa]
env_name = "fake"

[prompt_learning.gepa.rollout]
budget = 150
max_concurrent = 4
minibatch_size = 3

[prompt_learning.gepa.evaluation]
train_seeds = {{ start = 0, end = 20 }}
val_seeds = [20, 21, 22, 23, 24, 25, 26, 27, 28, 29]
validation_pool = "train"
validation_top_k = 2

[prompt_learning.gepa.mutation]
llm_model = "mutation-model"
llm_provider = "local"

[display]
tui = false
"#
    )
}

fn world() -> World {
    let mut world = World::new(Family::Swallowing, FaultPlan::none());
    world.workspace.write("job.toml", &job(&world.app.url()));
    world
        .workspace
        .set_variable("LOCAL_API_BASE", &world.model.base_url());
    world
}

const OVERRIDES: [&str; 4] = [
    "--set",
    "prompt_learning.policy.model=\"model-of-the-override\"",
    "--set",
    "prompt_learning.gepa.rollout.budget=120",
];

#[track_caller]
fn result_json(workspace: &Workspace, kind: &str) -> Value {
    let names = std::fs::read_dir(workspace.path().join("out")).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let name = names
        .find(|name| name.contains(kind))
        .unwrap_or_else(|| panic!("no {kind}"));
    serde_json::from_str(&workspace.read(&format!("out/{name}"))).unwrap()
}

/// Compares the figures of the result files with the books of the app and the model.
#[track_caller]
fn check_results(world: &World, stdout: &str) {
    let stats = result_json(&world.workspace, "_stats_");
    assert_eq!(stats["policy_model"], "model-of-the-override");
    assert_eq!(stats["baseline_validation_score"], 0.5, "{stats}");
    assert_eq!(stats["best_validation_score"], 1.0, "{stats}");
    let rollouts = number(&stats, "total_rollouts");
    assert!(rollouts <= 120);
    assert_eq!(rollouts, world.app.rollouts().len() as u64);
    let ledger = world.model.ledger();
    let spent = number(&stats, "rollouts_prompt_tokens") + number(&stats, "mutation_prompt_tokens");
    assert_eq!(spent, ledger.prompt_tokens);
    assert_eq!(stats["eval_n"], 10);
    let curve = result_json(&world.workspace, "learning_curve");
    let points = curve["curve"].as_array().unwrap();
    assert_eq!(points[0]["performance"], 0.5);
    assert_eq!(points[0]["template"]["sections"][0]["content"], SYSTEM);
    let last = points.last().unwrap();
    assert_eq!(last["performance"], 1.0);
    assert_eq!(last["rollout_count"], stats["total_rollouts"]);
    assert_eq!(
        last["template"]["sections"][0]["content"],
        "Good instructions."
    );
    let best = result_json(&world.workspace, "best_prompt");
    assert_eq!(best["messages"][0]["content"], "Good instructions.");
    assert!(
        stdout.contains("Baseline score: 0.5000\nBest score: 1.0000\n"),
        "{stdout}"
    );
    assert!(
        stdout.contains(&format!("rollouts={rollouts}/{rollouts} (100%)")),
        "{stdout}"
    );
}

#[test]
fn a_job_is_checked_and_planned_with_its_notes() {
    let world = world();
    for command in [&["check", "job.toml"][..], &["run", "job.toml", "--plan"]] {
        let finished = world.workspace.gepa(command);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert!(
            finished
                .stderr
                .starts_with("note: job.toml:5: `prompt_learning.env_file_path` names ../.env"),
            "{}",
            finished.stderr
        );
    }
    assert_eq!(world.model.ledger().calls_received, 0);
}

#[test]
fn a_wrong_seed_list_is_named_once() {
    let world = world();
    let seeds = "prompt_learning.train_seeds=[1, -2]";
    let finished = world.workspace.gepa(&["check", "job.toml", "--set", seeds]);
    assert_eq!(finished.code, Some(2));
    assert!(
        !finished.stderr.contains("missing or empty"),
        "{}",
        finished.stderr
    );
    assert!(
        finished.stderr.contains("whole numbers of 0 or more"),
        "{}",
        finished.stderr
    );
}

#[test]
fn a_job_runs_in_this_process_from_file_to_files() {
    let world = world();
    let stdout = world
        .workspace
        .succeed(&[&["train", "--config", "job.toml"][..], &OVERRIDES].concat());
    check_results(&world, &stdout);
    // The dialect names it under keys of its own.
    let shown = world.workspace.succeed(&["show", "latest"]);
    assert!(shown.contains("rewrites  local/mutation-model"), "{shown}");
}

#[test]
fn a_pipelines_modules_evolve_one_by_one() {
    let mut world = World::new(Family::Pipeline, FaultPlan::none());
    let placeholder = format!("pattern = \"{SYSTEM}\"");
    let modules = format!(
        "pattern = \"A placeholder.\"\norder = 0\n\n[prompt_learning.initial_prompt.metadata]\npipeline_modules = [\n  \
         {{ name = \"classifier\", instruction_text = \"{CLASSIFIER}\" }},\n  \
         {{ name = \"calibrator\", instruction_text = \"{CALIBRATOR}\" }},\n]\n\n\
         [[prompt_learning.gepa.modules]]\nmodule_id = \"classifier\"\n\n\
         [[prompt_learning.gepa.modules]]\nmodule_id = \"calibrator\""
    );
    let text = job(&world.app.url()).replace(&format!("{placeholder}\norder = 0"), &modules);
    world.workspace.write("job.toml", &text);
    world
        .workspace
        .set_variable("LOCAL_API_BASE", &world.model.base_url());
    world.workspace.succeed(&["train", "job.toml"]);
    let best = result_json(&world.workspace, "best_prompt");
    let sections = best["sections"].as_array().unwrap();
    assert_eq!(sections.len(), 2, "the placeholder is sent nowhere: {best}");
    assert_eq!(sections[0]["name"], "classifier");
    assert_eq!(sections[1]["content"], "Good instructions.");
    let stats = result_json(&world.workspace, "_stats_");
    assert_eq!(2 * number(&stats, "total_rollouts"), world.app.calls());
    assert_eq!(stats["best_score"], 1.0, "{stats}");
}

/// A running `gepa serve`; it ends with the test.
struct Serving {
    child: Child,
    url: String,
}

impl Serving {
    fn start(workspace: &Workspace) -> Self {
        let mut command = workspace.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        stderr.read_line(&mut line).unwrap();
        let at = line
            .find("http://")
            .unwrap_or_else(|| panic!("no address in {line:?}"));
        let url: String = line[at..]
            .chars()
            .take_while(|c| !c.is_whitespace())
            .collect();
        // Later output needs a reader, or the server would block.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Self {
            child,
            url: url.trim_end_matches(['/', ',', ';']).to_owned(),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let id = i32::try_from(self.child.id()).unwrap();
        let _ = kill_process(Pid::from_raw(id).unwrap(), Signal::TERM);
        let _ = self.child.wait();
    }
}

#[test]
fn the_same_job_on_a_server_leaves_the_same_results() {
    let world = world();
    let serving = Serving::start(&world.workspace);
    let submit = [
        "train",
        "job.toml",
        "--backend",
        &serving.url,
        "--poll-interval",
        "0.1",
    ];
    let stdout = world.workspace.succeed(&[&submit[..], &OVERRIDES].concat());
    check_results(&world, &stdout);
}

#[test]
fn a_job_a_server_may_not_run_is_answered_with_its_reason() {
    let world = world();
    let serving = Serving::start(&world.workspace);
    let set = "prompt_learning.gepa.mutation.llm_inference_url=\"http://evil.example/v1\"";
    let finished =
        world
            .workspace
            .gepa(&["train", "job.toml", "--backend", &serving.url, "--set", set]);
    assert_eq!(finished.code, Some(2), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("send its key nowhere else"),
        "{}",
        finished.stderr
    );
}
