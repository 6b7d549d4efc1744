//! Every built-in scorer: score and feedback, word for word.

use std::path::Path;

use gepa_evaluation::{ExampleId, FailureKind};
use gepa_tasks::scorer::{Scorer, ScorerInput, ScorerSettings, Verdict};

fn scorer(settings: &str) -> Scorer {
    let parsed: ScorerSettings = toml::from_str(settings).unwrap();
    Scorer::new(&parsed, Path::new("."), None).unwrap()
}

async fn verdict(settings: &str, output: &str, expected: &str) -> Verdict {
    let input = ScorerInput {
        example: &ExampleId::Seed(1),
        input: "text: x",
        output,
        expected: Some(expected),
    };
    scorer(settings).score(&input).await.verdict.unwrap()
}

async fn check(settings: &str, output: &str, expected: &str, score: f64, feedback: &str) {
    let found = verdict(settings, output, expected).await;
    assert_eq!(found.score, score, "{output}");
    assert_eq!(found.feedback.as_deref(), Some(feedback));
}

fn check_refused(settings: &str, part: &str) {
    let parsed: ScorerSettings = toml::from_str(settings).unwrap();
    let message = Scorer::new(&parsed, Path::new("."), None)
        .unwrap_err()
        .to_string();
    assert!(message.contains(part), "{message}");
}

#[tokio::test]
async fn exact_compares_trimmed_text() {
    let kind = "kind = \"exact\"";
    check(
        kind,
        " yes\n",
        "yes",
        1.0,
        "Correct: the expected answer is `yes`.",
    )
    .await;
    let wrong = "Wrong: the expected answer is `yes`, but the response was `Yes`.";
    check(kind, "Yes", "yes", 0.0, wrong).await;
    let any_case = "kind = \"exact\"\nignore_case = true";
    check(
        any_case,
        "YES",
        "yes",
        1.0,
        "Correct: the expected answer is `yes`.",
    )
    .await;
    let strict = "kind = \"exact\"\nkeep_whitespace = true";
    let space = "Wrong: the expected answer is `yes`, and the response differs from it in white space, which counts.";
    check(strict, "yes ", "yes", 0.0, space).await;
}

#[tokio::test]
async fn contains_looks_inside_the_response() {
    let kind = "kind = \"contains\"";
    let right = "Correct: the expected answer is `Paris`, and the response contains it.";
    check(kind, "It is Paris.", "Paris", 1.0, right).await;
    let wrong = "Wrong: the expected answer is `Paris`, but the response does not contain it: `It is paris.`.";
    check(kind, "It is paris.", "Paris", 0.0, wrong).await;
    check(
        "kind = \"contains\"\nignore_case = true",
        "It is paris.",
        "Paris",
        1.0,
        right,
    )
    .await;
}

#[tokio::test]
async fn a_pattern_must_be_found_or_capture_the_answer() {
    let form = "kind = \"regex\"\npattern = '^\\d+$'";
    check(
        form,
        "42",
        "7",
        1.0,
        "Correct: the response has the form `^\\d+$`. The expected answer is `7`.",
    )
    .await;
    let wrong = "Wrong: the response should have the form `^\\d+$`, but was `x`. The expected answer is `7`.";
    check(form, "x", "7", 0.0, wrong).await;
    let group = "kind = \"regex\"\npattern = 'Answer: (\\w+)'";
    check(
        group,
        "So. Answer: b",
        "b",
        1.0,
        "Correct: the expected answer is `b`.",
    )
    .await;
    let other = "Wrong: the expected answer is `b`, but the response was `a`.";
    check(group, "Answer: a", "b", 0.0, other).await;
    let none = "Wrong: the expected answer is `b`, but no answer of the form `Answer: (\\w+)` was found in the response `b`.";
    check(group, "b", "b", 0.0, none).await;
}

#[tokio::test]
async fn numbers_are_the_last_ones_and_may_be_off_by_the_tolerance() {
    let kind = "kind = \"numeric\"\nabsolute = 0.5";
    let right = "Correct: the expected answer is `1,234`, and the number answered is 1234.5, which is 0.5 away; 0.5 is allowed.";
    check(kind, "First 3, then 1,234.5.", "1,234", 1.0, right).await;
    let wrong = "Wrong: the expected answer is `-3`, and the number answered is 3, which is 6 away; 0.5 is allowed.";
    check(kind, "covid-3", "-3", 0.0, wrong).await;
    let none = "Wrong: the expected answer is `5`, but the response has no number: `many`.";
    check(kind, "many", "5", 0.0, none).await;
    let relative = "kind = \"numeric\"\nrelative = 0.25";
    assert_eq!(verdict(relative, "1e2", "80").await.score, 1.0);
    assert_eq!(verdict(relative, "101", "80").await.score, 0.0);
}

#[tokio::test]
async fn json_fields_are_found_in_prose_and_fences() {
    let kind = "kind = \"json_field\"\npath = \"result.0.name\"";
    let output = "Here:\n```json\n{\"result\": [{\"name\": \"b\"}]}\n```";
    check(
        kind,
        output,
        "b",
        1.0,
        "Correct: the expected answer is `b`.",
    )
    .await;
    let no_json = "Wrong: the expected answer is `b`, but the response is not JSON: `b`.";
    check(kind, "b", "b", 0.0, no_json).await;
    let no_field = "Wrong: the expected answer is `b`, but the JSON of the response has no field `result.0.name`: `{\"result\": []}`.";
    check(kind, "{\"result\": []}", "b", 0.0, no_field).await;
    let numeric =
        "kind = \"json_field\"\npath = \"n\"\ncompare = { kind = \"numeric\", absolute = 0.1 }";
    assert_eq!(verdict(numeric, "{\"n\": 1.05}", "1").await.score, 1.0);
    for (field, score) in [
        ("1", 1.0),
        ("\"1\"", 1.0),
        ("\"about 1 kg\"", 1.0),
        ("\"none\"", 0.0),
        ("{\"x\": 1}", 0.0),
        ("[1]", 0.0),
        ("[0, 1]", 0.0),
        ("\"0 or 1\"", 0.0),
        ("true", 0.0),
        ("null", 0.0),
    ] {
        let output = format!("[{{\"other\": 1}}, 2] {{\"n\": {field}}}");
        assert_eq!(verdict(numeric, &output, "1").await.score, score, "{field}");
    }
}

#[tokio::test]
async fn a_row_without_what_is_needed_fails_and_does_not_score_zero() {
    let example = ExampleId::Seed(9);
    let input = ScorerInput {
        example: &example,
        input: "",
        output: "x",
        expected: None,
    };
    let failure = scorer("kind = \"exact\"")
        .score(&input)
        .await
        .verdict
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Permanent);
    assert!(
        failure
            .message
            .contains("example `9` has no expected answer")
    );
    let no_number = ScorerInput {
        expected: Some("many"),
        ..input
    };
    let failure = scorer("kind = \"numeric\"")
        .score(&no_number)
        .await
        .verdict
        .unwrap_err();
    assert!(failure.message.contains("`many`, which has no number"));
}

#[tokio::test]
async fn long_responses_are_shortened_in_the_feedback() {
    let long = "x".repeat(5000);
    let found = verdict("kind = \"exact\"", &long, "y").await;
    let feedback = found.feedback.unwrap();
    assert!(
        feedback.len() < 600 && feedback.contains(" [..] "),
        "{feedback}"
    );
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    check_refused(
        "kind = \"regex\"\npattern = '('",
        "not a regular expression",
    );
    check_refused(
        "kind = \"regex\"\npattern = '(a)(b)'",
        "several capture groups",
    );
    check_refused("kind = \"numeric\"\nabsolute = -1.0", "absolute = -1");
    check_refused("kind = \"json_field\"\npath = \"\"", "`path` is empty");
    for path in [".", "a..b", ".a", "a.", "$.a.b", "$", "a[0]", "a[0].b"] {
        let settings = format!("kind = \"json_field\"\npath = \"{path}\"");
        check_refused(&settings, "names no field");
    }
    for path in ["$ref", "a.0.b", "a[]", "a b", "[x]"] {
        scorer(&format!("kind = \"json_field\"\npath = \"{path}\""));
    }
    check_refused("kind = \"regex\"\npattern = \"\"", "`pattern` is empty");
    check_refused(
        "kind = \"llm_judge\"\nprompt = \"{question} {output}\"",
        "write `{input}`",
    );
    check_refused(
        "kind = \"llm_judge\"\nprompt = \"{output} {ground_truth}\"",
        "write `{expected}`",
    );
    check_refused(
        "kind = \"llm_judge\"\nprompt = \"{output} as {score}\"",
        "needs a judge model",
    );
    check_refused(
        "kind = \"llm_judge\"\nprompt = \"{output}\"",
        "needs a judge model",
    );
    check_refused("kind = \"llm_judge\"\nprompt = \"good?\"", "`{output}`");
    check_refused("kind = \"command\"\ncommand = []", "`command` is empty");
    check_refused(
        "kind = \"command\"\ncommand = [\"x\"]\ntimeout_seconds = 0.0",
        "timeout_seconds",
    );
    let unknown = toml::from_str::<ScorerSettings>("kind = \"exact\"\nignore = true").unwrap_err();
    assert!(
        unknown.to_string().contains("unknown field `ignore`"),
        "{unknown}"
    );
}
