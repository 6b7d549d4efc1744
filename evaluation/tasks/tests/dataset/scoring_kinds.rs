//! The scores of the built-in scorers for answers as people and models write them.

use std::path::Path;

use gepa_evaluation::ExampleId;
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

async fn check(settings: &str, output: &str, expected: &str, score: f64) {
    let found = verdict(settings, output, expected).await;
    assert!(
        (found.score - score).abs() < 1e-9,
        "{output} against {expected}: {found:?}"
    );
}

fn fault(settings: &str, expected: Option<&str>) -> String {
    scorer(settings).fault_of(expected).unwrap_or_default()
}

#[tokio::test]
async fn numbers_are_compared_as_they_are_meant() {
    for (output, expected, score) in [
        ("The answer is \u{2212}5", "-5", 1.0),
        (r"\boxed{\frac{3}{4}}", "0.75", 1.0),
        ("1/4", "3/4", 0.0),
        ("1 million", "1000000", 1.0),
        ("50%", "0.5", 1.0),
        ("$1,000.00 in 10:30 hours", "1000", 1.0),
        (
            "1267650600228229401496703205377",
            "1267650600228229401496703205376",
            0.0,
        ),
        ("= 24\n#### 72", "48/2=24, so\n#### 72", 1.0),
        ("two, that is 2", "[1, 2]", 1.0),
    ] {
        check("kind = 'numeric'", output, expected, score).await;
    }
}

#[test]
fn an_expected_answer_that_is_not_one_number_is_a_fault() {
    for expected in [
        "2024-05-01",
        "10:30",
        "5 apples and 3 pears",
        "many",
        "1 to 3",
    ] {
        assert!(
            !fault("kind = 'numeric'", Some(expected)).is_empty(),
            "{expected}"
        );
    }
    for expected in ["3/4", "-5 \u{b0}C", "$1,000", "72 m2", "[1, 2]"] {
        assert_eq!(fault("kind = 'numeric'", Some(expected)), "", "{expected}");
    }
    let field = "kind = 'json_field'\npath = 'n'\ncompare = { kind = 'numeric' }";
    assert!(fault(field, Some("1 to 3")).contains("several numbers"));
}

#[test]
fn an_empty_or_missing_answer_is_a_fault_wherever_it_is_compared_with() {
    for kind in [
        "exact",
        "contains",
        "numeric",
        "token_f1",
        "rouge_l",
        "set_match",
        "ranking",
    ] {
        let settings = format!("kind = '{kind}'");
        assert!(fault(&settings, None).contains("no expected"), "{kind}");
        for expected in ["", "  ", "\u{200b}"] {
            assert!(fault(&settings, Some(expected)).contains("empty"), "{kind}");
        }
        assert!(fault(&settings, Some("[]")).contains("empty"), "{kind}");
        assert!(
            fault(&settings, Some("[\"a\", \"\"]")).contains("empty"),
            "{kind}"
        );
    }
    let form = "kind = 'regex'\npattern = '^x$'";
    assert_eq!(fault(form, None), "");
    assert_eq!(fault("kind = 'python'\nexpression = '1'", None), "");
}

#[tokio::test]
async fn any_answer_of_a_list_is_right_and_the_list_itself() {
    let cities = r#"["Paris", "Paris city"]"#;
    check("kind = 'exact'", "Paris city", cities, 1.0).await;
    check("kind = 'exact'", cities, cities, 1.0).await;
    for list in [
        r#"["Paris","Paris city"]"#,
        "['Paris', 'Paris city']",
        "[\n  \"Paris\",\n  \"Paris city\"\n]\n",
    ] {
        let compact = r#"["Paris","Paris city"]"#;
        check("kind = 'exact'", list, compact, 1.0).await;
        let any_case = "kind = 'exact'\nignore_case = true";
        check(any_case, &list.to_uppercase(), compact, 1.0).await;
        let inside = format!("They are {list}.");
        let other = r#"["Paris X","X"]"#;
        check("kind = 'exact'", &inside, compact, 0.0).await;
        check("kind = 'contains'", &inside, compact, 1.0).await;
        check("kind = 'exact'", list, other, 0.0).await;
    }
    check("kind = 'contains'", "It is Paris.", cities, 1.0).await;
    let wrong = verdict("kind = 'exact'", "Rome", cities).await;
    assert_eq!(wrong.score, 0.0);
    let feedback = wrong.feedback.unwrap();
    assert!(
        feedback.contains("Any of `Paris`, `Paris city` is right"),
        "{feedback}"
    );
}

#[tokio::test]
async fn the_last_match_counts_where_it_is_asked_for() {
    let output = "Options: Answer: A or Answer: B. I pick the second. Answer: B";
    let first = r"kind = 'regex'
pattern = 'Answer: (\w+)'";
    check(first, output, "B", 0.0).await;
    check(&format!("{first}\noccurrence = 'last'"), output, "B", 1.0).await;
}

#[tokio::test]
async fn a_pattern_is_looked_for_in_the_response_in_its_one_form() {
    let line = "kind = 'regex'\npattern = '(?m)^Answer: (\\w+)$'";
    let form = "kind = 'regex'\npattern = '(?m)^Answer: \\w+$'";
    for output in [
        "Answer:\u{a0}A",
        "Answer: A\r\nbye",
        "\u{200b}Answer: A",
        "\u{feff}Answer: \u{2060}A\u{ad}",
    ] {
        check(line, output, "A", 1.0).await;
        check(form, output, "A", 1.0).await;
        check(&format!("{line}\nunicode = 'none'"), output, "A", 0.0).await;
    }
    check(
        "kind = 'regex'\npattern = 'caf\u{e9}'",
        "cafe\u{301}",
        "",
        1.0,
    )
    .await;
    check(
        "kind = 'regex'\npattern = 'cafe\u{301}$'",
        "caf\u{e9}",
        "",
        1.0,
    )
    .await;
    let wide = "kind = 'regex'\npattern = 'Answer: A'";
    check(wide, "Answer: \u{ff21}", "", 0.0).await;
    check(
        &format!("{wide}\nunicode = 'nfkc'"),
        "Answer: \u{ff21}",
        "",
        1.0,
    )
    .await;
}

#[tokio::test]
async fn without_a_form_what_stands_there_is_compared() {
    let raw = |kind: &str| format!("kind = '{kind}'\nunicode = 'none'");
    for output in ["x\u{200b}", "\u{feff}x", "x\u{ad}"] {
        check(&raw("exact"), output, "x", 0.0).await;
        check("kind = 'exact'", output, "x", 1.0).await;
        check(&raw("contains"), "x", output, 0.0).await;
    }
    check(&raw("exact"), " x\n", "x", 1.0).await;
}

#[tokio::test]
async fn unicode_forms_of_one_text_are_the_same() {
    check("kind = 'exact'", "cafe\u{301}", "caf\u{e9}", 1.0).await;
    check(
        "kind = 'exact'\nunicode = 'none'",
        "cafe\u{301}",
        "caf\u{e9}",
        0.0,
    )
    .await;
    check("kind = 'exact'", "\u{ff21}", "A", 0.0).await;
    check("kind = 'exact'\nunicode = 'nfkc'", "\u{ff21}", "A", 1.0).await;
    check("kind = 'contains'", "un cafe\u{301} noir", "caf\u{e9}", 1.0).await;
    check("kind = 'exact'", "\u{feff}yes\u{200b}", "yes", 1.0).await;
}

#[tokio::test]
async fn a_json_field_is_found_in_the_last_document_that_has_it() {
    let kind = "kind = 'json_field'\npath = 'label'";
    for output in [
        "The set {a, b} matters.\n{\"label\": \"pos\"}",
        "Using {a}:\n```json\n{\"label\": \"pos\"}\n```\nthat is {b}.",
        "[1] As the source says: {\"label\": \"pos\"}",
        "{\"label\": \"pos\", \"p\": NaN,}",
        "First {\"label\": \"neg\"}, no: {\"label\": \"pos\"}. {\"other\": 1}",
    ] {
        check(kind, output, "pos", 1.0).await;
    }
    check(kind, "{\"label\": 3.10}", "3.10", 1.0).await;
    check(kind, "{\"label\": [1, 2]}", "[1,2]", 1.0).await;
}

#[tokio::test]
async fn shared_words_are_measured_with_and_without_order() {
    check("kind = 'token_f1'", "The cat sat.", "a cat sat down", 0.8).await;
    check(
        "kind = 'token_f1'\nkeep_articles = true",
        "the cat",
        "a cat",
        0.5,
    )
    .await;
    check("kind = 'token_f1'", "dog", "cat", 0.0).await;
    check(
        "kind = 'token_f1'",
        "\u{6771}\u{4eac}",
        "\u{6771}\u{4eac}\u{90fd}",
        0.8,
    )
    .await;
    check("kind = 'rouge_l'", "the cat sat", "the sat cat", 2.0 / 3.0).await;
    check(
        "kind = 'rouge_l'",
        "Police killed the gunman",
        "police kill the gunman",
        0.75,
    )
    .await;
    check(
        "kind = 'edit_similarity'",
        "kitten",
        "sitting",
        1.0 - 3.0 / 7.0,
    )
    .await;
    check(
        "kind = 'edit_similarity'\nignore_case = true",
        "KITTEN",
        "kitten",
        1.0,
    )
    .await;
}

#[tokio::test]
async fn items_are_compared_as_a_set_or_in_order() {
    let expected = r#"["a", "b", "c"]"#;
    check("kind = 'set_match'", "c, a", expected, 0.8).await;
    check(
        "kind = 'set_match'\nmeasure = 'jaccard'",
        "- c\n- a\n- x",
        expected,
        0.5,
    )
    .await;
    check(
        "kind = 'set_match'\nmeasure = 'recall'",
        "1. a\n2. b",
        expected,
        2.0 / 3.0,
    )
    .await;
    check(
        "kind = 'set_match'\nmeasure = 'exact'",
        "[\"c\", \"b\", \"a\"]",
        expected,
        1.0,
    )
    .await;
    for output in [
        "{\"labels\": [\"a\", \"b\", \"c\"]}",
        "a, b and c",
        "A, B AND C",
        "The labels are: a, b, and c.",
    ] {
        let settings = "kind = 'set_match'\nignore_case = true";
        check(settings, &output.replace("AND", "and"), expected, 1.0).await;
    }
    check("kind = 'set_match'", "a and b", "[\"a\", \"b\"]", 1.0).await;
    check("kind = 'list_match'", "a, c, b", expected, 1.0 / 3.0).await;
    check(
        "kind = 'list_match'\nmeasure = 'exact'",
        "a; b; c",
        expected,
        1.0,
    )
    .await;
    check(
        "kind = 'set_match'\nignore_case = true",
        "A, B, C",
        "a, b, c",
        1.0,
    )
    .await;
}

#[tokio::test]
async fn rankings_are_measured_by_place() {
    let relevant = r#"["b", "d"]"#;
    let output = "1. a\n2. b\n3. c\n4. d";
    let of = |measure: &str| format!("kind = 'ranking'\nmeasure = '{measure}'");
    check(&of("reciprocal_rank"), output, relevant, 0.5).await;
    check(&of("average_precision"), output, relevant, 0.5).await;
    let gain = 1.0 / 3_f64.log2() + 1.0 / 5_f64.log2();
    let best = 1.0 + 1.0 / 3_f64.log2();
    check(&of("ndcg"), output, relevant, gain / best).await;
    check("kind = 'ranking'\nat = 1", output, relevant, 0.0).await;
    check("kind = 'ranking'", "b, a", r#"{"b": 3, "a": 1}"#, 1.0).await;
    check("kind = 'ranking'", "b > d > a", relevant, 1.0).await;
    check("kind = 'ranking'", "b, b, d", relevant, (1.0 + 0.5) / best).await;
    assert!(fault("kind = 'ranking'", Some("{\"a\": \"x\"}")).contains("grades"));
}

#[tokio::test]
async fn texts_with_other_spaces_and_letters_of_the_same_meaning_are_the_same() {
    for (output, expected) in [
        ("\u{feff}Paris\u{200b}", "Paris"),
        ("Pa\u{ad}ris", "Paris"),
        ("New\u{a0}York", "New York"),
        ("a\r\nb", "a\nb"),
        ("STRASSE", "stra\u{df}e"),
        (
            "\u{39f}\u{394}\u{39f}\u{3a3}",
            "\u{3bf}\u{3b4}\u{3bf}\u{3c3}",
        ),
    ] {
        check("kind = 'exact'\nignore_case = true", output, expected, 1.0).await;
    }
    let raw = "kind = 'exact'\nunicode = 'none'";
    check(raw, "New\u{a0}York", "New York", 0.0).await;
    check("kind = 'contains'", "in New\u{a0}York", "New York", 1.0).await;
    check("kind = 'edit_similarity'", "New\u{a0}York", "New York", 1.0).await;
}

#[tokio::test]
async fn truth_values_and_nothing_are_the_same_in_json_and_python() {
    let field = "kind = 'json_field'\npath = 'label'";
    for (output, expected) in [
        ("{'label': True}", "true"),
        ("{\"label\": false}", "False"),
        ("{\"label\": null}", "None"),
        ("{\"label\": 02139}", "02139"),
        ("{label: pos}", "pos"),
    ] {
        check(field, output, expected, 1.0).await;
    }
    check(field, "{\"label\": true}", "False", 0.0).await;
}
