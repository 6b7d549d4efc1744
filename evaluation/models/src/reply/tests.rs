use serde_json::json;

use super::*;

fn reply(usage: &Value) -> Reply {
    let json = json!({"choices": [{"message": {"content": "x"}}], "usage": usage});
    Reply::parse(json.to_string().into_bytes()).unwrap()
}

fn check_tokens(usage: &Value, expected: ReportedTokens) {
    assert_eq!(reply(usage).reported_tokens(), expected, "{usage}");
}

fn counted(prompt: u64, completion: u64, cached: u64) -> ReportedTokens {
    ReportedTokens::Counted {
        prompt,
        completion,
        cached,
    }
}

#[test]
fn only_plausible_counts_are_believed() {
    check_tokens(
        &json!({"prompt_tokens": 3, "completion_tokens": 0}),
        counted(3, 0, 0),
    );
    let cached = json!({
        "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 9},
    });
    check_tokens(&cached, counted(3, 2, 3));
    let thinking = json!({"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623});
    check_tokens(&thinking, counted(20, 603, 0));
    check_tokens(&json!({"total_tokens": 7}), ReportedTokens::Total(7));
    check_tokens(
        &json!({"prompt_tokens": 7, "total_tokens": 9}),
        ReportedTokens::Total(9),
    );
    for nonsense in [
        json!(null),
        json!({}),
        json!({"prompt_tokens": -1, "completion_tokens": 2}),
        json!({"prompt_tokens": 1.5, "completion_tokens": 2}),
        json!({"prompt_tokens": "1", "completion_tokens": 2}),
        json!({"prompt_tokens": u64::MAX, "completion_tokens": 2}),
        json!({"total_tokens": 0}),
        json!([1, 2]),
    ] {
        check_tokens(&nonsense, ReportedTokens::Absent);
    }
}

#[test]
fn a_success_without_a_completion_is_not_a_reply() {
    for body in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"choices":[]}"#,
        r#"{"choices":[{}]}"#,
        "<html>",
    ] {
        let parsed = Reply::parse(body.as_bytes().to_vec());
        assert!(
            matches!(parsed, Err(Unreadable::NotACompletion(_))),
            "{body}"
        );
    }
    for (body, expected) in [
        (r#"{"error":{"code":429,"message":"slow down"}}"#, 429),
        (r#"{"error":{"code":"oops"}}"#, 500),
        (r#"{"error":"oops"}"#, 500),
        (r#"{"error":{"code":200}}"#, 500),
    ] {
        let parsed = Reply::parse(body.as_bytes().to_vec());
        assert!(
            matches!(parsed, Err(Unreadable::Error { status, .. }) if status == expected),
            "{body}"
        );
    }
    let harmless = r#"{"error":null,"choices":[{"message":{"content":"x"}}]}"#;
    assert!(Reply::parse(harmless.as_bytes().to_vec()).is_ok());
}

#[test]
fn texts_in_parts_are_joined_and_absent_ones_are_empty() {
    for (content, expected) in [
        (json!("plain"), "plain"),
        (
            json!([{"type": "text", "text": "a"}, {"type": "image_url"}, {"text": "b"}]),
            "ab",
        ),
        (json!(null), ""),
        (json!(7), ""),
    ] {
        let json = json!({"choices": [{"message": {"content": content}}]});
        let parsed = Reply::parse(json.to_string().into_bytes()).unwrap();
        assert_eq!(parsed.text(), expected);
        assert_eq!(
            parsed.finish_reason(),
            FinishReason::Other("missing".to_owned())
        );
    }
}

proptest::proptest! {
    #[test]
    fn no_body_panics(body in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
        let _ = Reply::parse(body);
    }
}
