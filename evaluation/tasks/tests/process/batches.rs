//! Protocol 2: many examples of a trial in one line, against Python children that keep to it and
//! children that do not.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_evaluation::{
    BatchAnswers, Evaluator, ExampleId, FailureKind, Outcome, Stage, TrialBatch,
};
use gepa_tasks::process::{ProcessEvaluator, ProcessSettings};

use crate::setup::{check_failed, outcome, start};

/// A Python child that says hello and then runs `body` for each batch, with `ask`, its examples
/// `rows`, and `say` to answer.
fn python(batch: &str, body: &str) -> ProcessSettings {
    let script = format!(
        r#"
import json, os, sys, time
def say(**line):
    print(json.dumps(line), flush=True)
say(protocol=2{batch})
for line in sys.stdin:
    ask = json.loads(line)
    rows = ask["examples"]
    ids = [row["id"] for row in rows]
    {body}
"#
    );
    ProcessSettings {
        processes: 1,
        timeout_seconds: 20.0,
        ..ProcessSettings::for_command(["python3", "-c", &script])
    }
}

fn batch(examples: u64) -> TrialBatch {
    TrialBatch {
        candidate: Arc::new(Candidate::new([("words", "please")]).unwrap()),
        examples: (0..examples).map(ExampleId::Seed).collect(),
        run_id: "pl_0000000000000001".into(),
        trial_id: "trial".into(),
        stage: Stage::Pareto,
        iteration: 1,
        trial_index: 2,
        attempt: 1,
    }
}

/// The outcomes of a batch in order.
async fn outcomes(evaluator: &ProcessEvaluator, examples: u64) -> Vec<Outcome> {
    let answers = BatchAnswers::new(examples as usize);
    evaluator.evaluate_batch(batch(examples), &answers).await;
    assert!(answers.is_complete());
    let mut taken = answers.take();
    taken.sort_by_key(|(place, _)| *place);
    taken
        .into_iter()
        .map(|(_, answer)| answer.outcome)
        .collect()
}

#[track_caller]
fn check_all_failed(outcomes: &[Outcome], kind: FailureKind, parts: &[&str]) {
    for outcome in outcomes {
        check_failed(outcome, kind, parts);
    }
}

#[tokio::test]
async fn of_64_examples_in_one_line_one_fails_and_the_others_score() {
    let body = r#"assert len(rows) == 64 and ask["batch"] == 1 and ask["timeout_seconds"] == 1280
    assert ask["candidate"] == {"words": "please"} and ask["wants_trace"] is False
    for row in reversed(rows):
        if row["example"] == 17:
            say(id=row["id"], error={"kind": "refused", "message": "not this one"})
        else:
            say(id=row["id"], score=row["example"] / 64, usage={"prompt_tokens": 3})"#;
    let evaluator = start(&python(", batch=64", body)).await.unwrap();
    assert_eq!(evaluator.largest_batch(), NonZeroUsize::new(64));
    let outcomes = outcomes(&evaluator, 64).await;
    for (place, outcome) in outcomes.iter().enumerate() {
        if place == 17 {
            check_failed(outcome, FailureKind::Refused, &["not this one"]);
        } else {
            assert_eq!(*outcome, Outcome::score(place as f64 / 64.0));
        }
    }
}

#[tokio::test]
async fn answers_may_come_in_one_line_and_the_process_goes_on() {
    let body = r#"say(id=ids[0], score=1)
    say(batch=ask["batch"], answers=[{"id": id, "score": 0.5} for id in ids[1:]])"#;
    let evaluator = start(&python("", body)).await.unwrap();
    assert_eq!(evaluator.largest_batch(), None);
    for _ in 0..2 {
        let outcomes = outcomes(&evaluator, 3).await;
        assert_eq!(outcomes, [1.0, 0.5, 0.5].map(Outcome::score));
    }
    // A single rollout is a batch of one, whose end may be said again.
    let body = r#"say(id=ids[0], score=1)
    say(batch=ask["batch"], answers=[])"#;
    let evaluator = start(&python(", batch=8", body)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(outcome(&evaluator).await, Outcome::score(1.0));
    }
}

#[tokio::test]
async fn a_process_that_dies_in_a_batch_keeps_its_answers_and_the_rest_may_be_tried_again() {
    let body = r#"[say(id=id, score=1) for id in ids[:3]]
    if len(ids) > 3:
        print("out of memory", file=sys.stderr)
        os._exit(9)"#;
    let evaluator = start(&python(", batch=64", body)).await.unwrap();
    let dead = outcomes(&evaluator, 5).await;
    assert_eq!(dead[..3], [1.0; 3].map(Outcome::score));
    let said = ["died", "exit status: 9", "out of memory"];
    check_all_failed(&dead[3..], FailureKind::Transient, &said);
    // Another process takes over.
    assert_eq!(outcomes(&evaluator, 2).await, [1.0; 2].map(Outcome::score));
}

#[tokio::test]
async fn a_process_that_hangs_in_a_batch_fails_what_it_has_not_answered() {
    let settings = ProcessSettings {
        timeout_seconds: 0.1,
        ..python("", "say(id=ids[1], score=1)\n    time.sleep(600)")
    };
    let evaluator = start(&settings).await.unwrap();
    let outcomes = outcomes(&evaluator, 3).await;
    assert_eq!(outcomes[1], Outcome::score(1.0));
    let said = ["did not answer within 0.3"];
    check_failed(&outcomes[0], FailureKind::Timeout, &said);
    check_failed(&outcomes[2], FailureKind::Timeout, &said);
}

#[tokio::test]
async fn what_breaks_the_protocol_fails_what_is_open_with_the_reason() {
    let cases = [
        (
            "say(id=77, score=1)",
            "answered request 77, while 1 to 3 were asked",
        ),
        (
            "say(id=ids[0], score=0)",
            "answered request 1 again, while 1 to 3 were asked",
        ),
        (
            "say(batch=1, answers=[{'id': ids[1], 'score': 1}])",
            "ended batch 1 without an answer to request 3",
        ),
        (
            "say(batch=9, answers=[])",
            "ended batch 9, while 1 was asked",
        ),
        ("say(answers=[])", "`batch` and `answers` without the other"),
        ("say(score=1)", "its reply has no `id`"),
        ("print('debug', flush=True)", "`debug`"),
    ];
    for (fault, reason) in cases {
        let body = format!("say(id=ids[0], score=1)\n    {fault}\n    time.sleep(600)");
        let evaluator = start(&python(", batch=64", &body)).await.unwrap();
        let outcomes = outcomes(&evaluator, 3).await;
        assert_eq!(outcomes[0], Outcome::score(1.0), "{fault}");
        let open = if reason.contains("request 3") { 2 } else { 1 };
        check_all_failed(&outcomes[open..], FailureKind::Permanent, &[reason]);
    }
}

#[tokio::test]
async fn a_process_that_starts_later_may_take_smaller_batches_or_single_rollouts() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("first");
    let script = format!(
        r#"
import json, os, sys
first = not os.path.exists({path:?})
open({path:?}, "w").close()
print(json.dumps({{"protocol": 2, "batch": 9}} if first else {{"protocol": 1}}), flush=True)
for line in sys.stdin:
    ask = json.loads(line)
    if first:
        os._exit(1)
    print(json.dumps({{"id": ask["id"], "score": ask["example"]}}), flush=True)
"#,
        path = marker.display().to_string()
    );
    let settings = ProcessSettings {
        processes: 1,
        ..ProcessSettings::for_command(["python3", "-c", &script])
    };
    let evaluator = start(&settings).await.unwrap();
    let first = outcomes(&evaluator, 3).await;
    check_all_failed(&first, FailureKind::Transient, &["died"]);
    let second = outcomes(&evaluator, 3).await;
    assert_eq!(second, [0.0, 1.0, 2.0].map(Outcome::score));
}

#[tokio::test]
async fn the_documented_example_answers_each_row_and_says_which_rows_there_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = crate::documented::messages(folder.path());
    let settings = crate::documented::documented("python3", "batch_evaluator.py");
    let evaluator = ProcessEvaluator::start(&settings, folder.path(), Some(dataset));
    let evaluator = evaluator.await.unwrap();
    let rows = outcomes(&evaluator, 3).await;
    let scored = rows[0].scored().unwrap();
    assert_eq!(
        (scored.score, scored.output.as_deref()),
        (1.0, Some("spam"))
    );
    assert_eq!(rows[1].scored().unwrap().output.as_deref(), Some("ham"));
    check_failed(&rows[2], FailureKind::Permanent, &["no example `2`"]);
    let without = ProcessEvaluator::start(&settings, Path::new("."), None);
    let rows = outcomes(&without.await.unwrap(), 2).await;
    check_all_failed(&rows, FailureKind::Permanent, &["no 'fields'"]);
}
