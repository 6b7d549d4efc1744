use serde_json::json;

use super::*;

fn parsed(body: &Value) -> Result<Reply, ReplyFault> {
    Reply::parse(body.to_string().into_bytes()).map_err(|unreadable| unreadable.fault)
}

fn with_message(message: &Value, finish: &str) -> Value {
    json!({"choices": [{"message": message, "finish_reason": finish}]})
}

#[test]
fn a_success_without_a_completion_is_not_a_reply() {
    for (body, word) in [
        ("", "empty"),
        ("null", "no choices"),
        ("[]", "no choices"),
        ("{}", "no choices"),
        (r#"{"choices":[]}"#, "no choices"),
        (r#"{"choices":null}"#, "no choices"),
        (r#"{"choices":[{}]}"#, "no choices"),
        ("<html>", "a web page"),
        ("<title>Log in</title>", "titled `Log in`"),
        (r#"{"choices":}"#, "byte 11 of 12"),
    ] {
        let unreadable = Reply::parse(body.as_bytes().to_vec()).unwrap_err();
        match unreadable.fault {
            ReplyFault::NotACompletion { reason, .. } | ReplyFault::Page { reason } => {
                assert!(reason.contains(word), "{reason}");
            }
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn errors_in_disguise_have_the_status_they_name() {
    for (body, expected) in [
        (json!({"error": {"code": 429, "message": "slow down"}}), 429),
        (
            json!({"error": {"code": "429", "message": "slow down"}}),
            429,
        ),
        (json!({"error": {"code": "oops"}}), 500),
        (json!({"error": "oops"}), 500),
        (json!({"error": {"code": 200}}), 500),
        (
            json!({"error": true, "choices": [{"message": {"content": "x"}}]}),
            500,
        ),
    ] {
        let fault = parsed(&body).unwrap_err();
        assert!(
            matches!(fault, ReplyFault::Error { status, .. } if status == expected),
            "{body}"
        );
    }
}

#[test]
fn an_error_that_says_nothing_is_none() {
    for error in [
        json!(null),
        json!(""),
        json!(" "),
        json!({}),
        json!(false),
        json!([]),
        json!(0),
        json!({"message": null, "code": ""}),
    ] {
        let mut body = with_message(&json!({"content": "x"}), "stop");
        body["error"] = error;
        assert_eq!(parsed(&body).unwrap().said().text, "x", "{body}");
    }
}

#[test]
fn an_error_in_a_choice_is_no_answer() {
    let mut body = with_message(&json!({"content": ""}), "error");
    body["choices"][0]["error"] = json!({"code": 503, "message": "Upstream provider failed"});
    let fault = parsed(&body).unwrap_err();
    assert!(
        matches!(fault, ReplyFault::ChoiceError { status: 503, .. }),
        "{fault:?}"
    );
    let silent = parsed(&with_message(&json!({"content": "half an ans"}), "error")).unwrap_err();
    assert!(
        matches!(silent, ReplyFault::ChoiceError { status: 502, .. }),
        "{silent:?}"
    );
}

fn check_no_answer(body: &Value, words: &[&str], is_cut_off: bool) {
    match parsed(body).unwrap_err() {
        ReplyFault::NoAnswer(no_answer) => {
            assert_eq!(no_answer.is_cut_off, is_cut_off, "{body}");
            for word in words {
                assert!(no_answer.reason.contains(word), "{no_answer:?} of {body}");
            }
        }
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn a_message_without_content_is_no_answer() {
    check_no_answer(&with_message(&json!({}), "stop"), &["no text"], false);
    check_no_answer(
        &with_message(&json!({"content": null}), "stop"),
        &["no text"],
        false,
    );
    check_no_answer(
        &with_message(&json!({"content": []}), "stop"),
        &["no text"],
        false,
    );
    let cut_off = with_message(&json!({"content": ""}), "length");
    check_no_answer(&cut_off, &["no text", "max_tokens"], true);
    let reasoned = json!({"content": null, "reasoning_content": "thinking"});
    let words = ["all reasoning", "max_tokens"];
    check_no_answer(&with_message(&reasoned, "length"), &words, true);
    check_no_answer(&with_message(&reasoned, "stop"), &["all reasoning"], false);
    let part = json!({"content": [{"type": "reasoning", "text": "thinking"}]});
    check_no_answer(&with_message(&part, "stop"), &["all reasoning"], false);
    let mut counted = with_message(&json!({"content": ""}), "stop");
    counted["usage"] = json!({
        "prompt_tokens": 1, "completion_tokens": 100,
        "completion_tokens_details": {"reasoning_tokens": 100},
    });
    check_no_answer(&counted, &["all reasoning"], false);
}

#[test]
fn silence_that_means_something_stays_a_reply() {
    for (message, finish) in [
        (json!({"content": ""}), "stop"),
        (json!({"content": null, "refusal": "no"}), "stop"),
        (json!({"content": null}), "content_filter"),
        (
            json!({"content": null, "tool_calls": [{"id": "1"}]}),
            "tool_calls",
        ),
        (json!({"tool_calls": [{"id": "1"}]}), "stop"),
    ] {
        let body = with_message(&message, finish);
        assert!(parsed(&body).is_ok(), "{body}");
    }
}

#[test]
fn ends_are_understood_in_every_spelling() {
    for (word, end) in [
        (Some("stop"), FinishReason::Stop),
        (Some("STOP"), FinishReason::Stop),
        (Some("end_turn"), FinishReason::Stop),
        (Some("MAX_TOKENS"), FinishReason::Length),
        (Some("tool_use"), FinishReason::ToolCalls),
        (Some("SAFETY"), FinishReason::Refusal),
        (Some("whim"), FinishReason::Other("whim".to_owned())),
        (None, FinishReason::Other("missing".to_owned())),
    ] {
        assert_eq!(finish_reason_of(word), end, "{word:?}");
    }
}

#[test]
fn an_event_stream_in_place_of_a_reply_is_put_together() {
    let stream = ": keep-alive\n\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"reasoning\":\"hm\"}}]}\r\n\r\n\
        data: {\"choices\":[{\"delta\":{\"content\":\"po\"}}]}\n\n\
        data: {\"choices\":[{\"delta\":{\"content\":\"s\"},\"finish_reason\":\"stop\"}],\
        \"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n";
    let reply = Reply::parse(stream.as_bytes().to_vec()).unwrap();
    let said = reply.said();
    assert_eq!((said.text.as_str(), said.reasoning.as_str()), ("pos", "hm"));
    assert_eq!(reply.finish_reason(), FinishReason::Stop);
    let counted = Counted {
        prompt: 10,
        completion: 5,
        ..Counted::default()
    };
    assert_eq!(reply.reported().tokens, ReportedTokens::Counted(counted));
    assert!(!reply.is_as_sent);

    let call = "data: {\"choices\":[{\"delta\":{\"function_call\":{\"name\":\"f\",\"arguments\":\"{\"}}}]}\n\n\
        data: {\"choices\":[{\"delta\":{\"function_call\":{\"arguments\":\"}\"}},\"finish_reason\":\"function_call\"}]}\n\n\
        data: [DONE]\n\n";
    let reply = Reply::parse(call.as_bytes().to_vec()).unwrap();
    assert_eq!(
        reply.tool_calls(),
        [json!({"type": "function", "function": {"name": "f", "arguments": "{}"}})]
    );

    let torn = &stream[..stream.find("data: [DONE]").unwrap()].replace("\"stop\"", "null");
    let fault = Reply::parse(torn.as_bytes().to_vec()).unwrap_err().fault;
    assert!(
        matches!(fault, ReplyFault::NotACompletion { .. }),
        "{fault:?}"
    );
    let error = "data: {\"error\":{\"code\":503,\"message\":\"gone\"}}\n\n";
    let fault = Reply::parse(error.as_bytes().to_vec()).unwrap_err().fault;
    assert!(
        matches!(fault, ReplyFault::Error { status: 503, .. }),
        "{fault:?}"
    );
}

#[test]
fn what_an_unreadable_reply_was_billed_for_is_found() {
    let body =
        br#"{"choices": [{"message": }], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}"#;
    let unreadable = Reply::parse(body.to_vec()).unwrap_err();
    assert!(!unreadable.reported.is_absent());
    let no_choices = br#"{"choices": [], "usage": {"total_tokens": 9}}"#;
    let reported = Reply::parse(no_choices.to_vec()).unwrap_err().reported;
    assert_eq!(reported.tokens, ReportedTokens::Total(9));
}

proptest::proptest! {
    #[test]
    fn no_body_panics(body in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
        let _ = Reply::parse(body);
    }

    #[test]
    fn no_page_panics(page in ".{0,16}<TITLE.{0,16}</title>.{0,8}") {
        let _ = title_of(&page);
    }
}
