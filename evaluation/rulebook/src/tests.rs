//! The rulebook through its public trait: chats in, text out.

use proptest::prelude::*;

use super::RulebookModel;
use super::grammar::read_prompt;
use super::writing::write_prompt;
use gepa_evaluation::{ChatRequest, Completion, LanguageModel, Message, ModelErrorKind, Purpose};

async fn complete(purpose: Purpose, messages: Vec<Message>) -> Completion {
    RulebookModel
        .complete(ChatRequest { messages, purpose })
        .await
        .unwrap()
}

async fn answer(rules: &str, user: &str) -> String {
    let messages = vec![Message::new("system", rules), Message::new("user", user)];
    complete(Purpose::Rollout, messages).await.text
}

async fn reflect(prompt: &str) -> String {
    let messages = vec![Message::new("user", prompt)];
    complete(Purpose::Reflection, messages).await.text
}

fn fenced(reply: &str) -> &str {
    let start = reply.find("```\n").unwrap() + 4;
    &reply[start..reply.rfind("\n```").unwrap()]
}

fn record(number: usize, inputs: &str, output: &str, feedback: &str) -> String {
    format!(
        "# Example {number}\n## Inputs\n{inputs}\n\n## Generated Outputs\n{output}\n\n## Feedback\n{feedback}\n\n"
    )
}

const SCORECARD: &str = "Judge the patient.\n\
    - Add 2 points if thal is 3.\n\
    * add 1 point if oldpeak is at least 1.5 (`disease` in 4 of 5 cases).\n\
    1. Subtract 3 points if the chest pain is \"non anginal\".\n\
    If max_rate is below 120, add 1 point.\n\
    Answer `disease` when the points reach 2, otherwise answer `healthy`.";

#[tokio::test]
async fn a_scorecard_adds_up_and_decides() {
    for (user, expected) in [
        ("thal: 3\noldpeak: 0", "disease"),
        ("thal: 3.0\nchest pain: Non anginal", "healthy"),
        ("thal: 2\nOldPeak: 1.5", "healthy"),
        ("Max rate: 119\noldpeak: 1.5", "disease"),
        ("", "healthy"),
    ] {
        assert_eq!(answer(SCORECARD, user).await, expected, "{user}");
    }
}

#[tokio::test]
async fn the_first_rule_that_decides_alone_wins_over_points() {
    let rules = "- If the text contains \"how many\", answer `NUM`.\n\
        - If the text starts with \"who\", answer `HUM`.\n\
        - Add 2 points to `LOC` if the question contains \"where\".\n\
        - Add 1 point to `ENTY` if the text contains a number of at least 4 digits.\n\
        Answer the label with the most points, or `DESC` if none has any.";
    for (user, expected) in [
        ("Who knows how many?", "NUM"),
        ("Who knows?", "HUM"),
        ("Tell me who", "DESC"),
        ("question: Where is it, 1984?", "LOC"),
        ("1984", "ENTY"),
        ("198", "DESC"),
        ("somewhere", "DESC"),
    ] {
        assert_eq!(answer(rules, user).await, expected, "{user}");
    }
}

#[tokio::test]
async fn without_rules_the_first_label_named_is_the_answer() {
    for (prompt, expected) in [
        ("Say `ham` or `spam`.", "ham"),
        ("Say \"yes\" or \"no\".", "yes"),
        ("Answer with spam or ham, please.", "spam"),
        ("Think hard.", "unknown"),
    ] {
        assert_eq!(answer(prompt, "x").await, expected, "{prompt}");
    }
}

#[tokio::test]
async fn one_message_can_carry_both_rules_and_inputs() {
    let prompt = format!("{SCORECARD}\n\nthal: 3");
    let messages = vec![Message::new("user", prompt)];
    assert_eq!(complete(Purpose::Rollout, messages).await.text, "disease");
}

#[tokio::test]
async fn tokens_are_counted_by_characters_and_nothing_is_charged() {
    let completion = complete(Purpose::Rollout, vec![Message::new("user", "`abcde`!")]).await;
    assert_eq!(completion.text, "abcde");
    assert_eq!(completion.usage.prompt_tokens, 4 + 2);
    assert_eq!(completion.usage.completion_tokens, 2);
    assert_eq!((completion.usage.calls, completion.usage.cost.0), (1, 0));
}

#[tokio::test]
async fn it_does_not_pretend_to_judge() {
    let request = ChatRequest {
        messages: vec![Message::new("user", "Score this.")],
        purpose: Purpose::Judge,
    };
    let error = RulebookModel.complete(request).await.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Permanent);
}

/// Two examples wrong under the seed prompt, as the templates in use would show them.
fn records() -> String {
    record(
        1,
        "### text\nfree prize inside",
        "ham",
        "Wrong: the expected answer is `spam`, but the response was `ham`.",
    ) + &record(
        2,
        "### text\nsee you at home",
        "ham",
        "Correct: the expected answer is `ham`.",
    )
}

async fn check_template(prompt: &str) {
    let improved = fenced(&reflect(prompt).await).to_owned();
    assert!(improved.starts_with("Say `ham` or `spam`."), "{improved}");
    assert_eq!(
        answer(&improved, "free prize inside").await,
        "spam",
        "{improved}"
    );
    assert_eq!(
        answer(&improved, "see you at home").await,
        "ham",
        "{improved}"
    );
}

#[tokio::test]
async fn the_instruction_and_the_examples_are_found_in_any_template() {
    let (seed, shown) = ("Say `ham` or `spam`.", records());
    check_template(&format!(
        "Current instruction:\n```\n{seed}\n```\nRuns:\n```\n{shown}```\nAnswer within ``` blocks."
    ))
    .await;
    check_template(&format!(
        "Runs first:\n````\n{shown}````\nThe parameter:\n```text\n{seed}\n```\nRewrite it.\n```\n<new text>\n```"
    ))
    .await;
    check_template(&format!("Improve this.\n~\n```\n{seed}\n```\n\n{shown}")).await;
    let quoting = shown.replace("free prize inside", "free prize inside\n```json\n{}\n```");
    check_template(&format!("```\n{seed}\n```\n```\n{quoting}```\nGo.")).await;
}

#[tokio::test]
async fn feedback_in_other_words_is_understood() {
    for feedback in [
        "The generated response is incorrect. The correct answer is 'spam'. Include it exactly.",
        "expected: spam",
        "This should have been \"spam\".",
    ] {
        let shown = record(1, "text: free prize now, dear", "ham", feedback);
        let prompt = format!("```\nSay `ham` or `spam`.\n```\n```\n{shown}```");
        let improved = fenced(&reflect(&prompt).await).to_owned();
        assert_eq!(
            answer(&improved, "free prize now, dear").await,
            "spam",
            "{feedback}"
        );
    }
}

#[tokio::test]
async fn without_a_right_answer_shown_the_instruction_stays() {
    let shown = record(1, "text: x", "ham", "Not good enough.");
    let reply = reflect(&format!("```\nKeep me.\n```\n```\n{shown}```")).await;
    assert_eq!(fenced(&reply), "Keep me.");
}

#[tokio::test]
async fn evidence_adds_up_from_one_reflection_to_the_next() {
    let sheet = "Say `spam` or `ham`.\n\
        - Add 2 points if the text contains \"free\" (`spam` in 3 of 4 cases).\n\
        Answer `spam` when the points reach 1, otherwise answer `ham`.\n\
        Right answers in the cases reviewed so far: `spam` 4, `ham` 4.";
    let shown = record(
        1,
        "text: so free",
        "spam",
        "Wrong: the expected answer is `ham`.",
    );
    let improved =
        fenced(&reflect(&format!("```\n{sheet}\n```\n```\n{shown}```")).await).to_owned();
    assert!(
        improved.contains("contains \"free\" (`spam` in 3 of 5 cases)"),
        "{improved}"
    );
    assert!(
        improved.contains("so far: `spam` 4, `ham` 5."),
        "{improved}"
    );
}

#[tokio::test]
async fn the_same_prompt_gets_the_same_reply() {
    let prompt = format!("```\nSay `ham` or `spam`.\n```\n```\n{}```", records());
    assert_eq!(reflect(&prompt).await, reflect(&prompt).await);
}

#[tokio::test]
async fn the_requested_number_of_different_versions_is_written() {
    let shown: String = (1..=3)
        .map(|number| {
            let inputs = format!(
                "### text\nmy card number {number} was lost while i travelled through the north of spain"
            );
            record(number, &inputs, "none", "expected `lost_card`")
        })
        .collect();
    let prompt = format!(
        "```\nName the intent.\n```\n```\n{shown}```\n\nWrite 3 versions of the new text instead of one."
    );
    let reply = reflect(&prompt).await;
    let parts: Vec<&str> = reply.split("```").collect();
    let texts: std::collections::BTreeSet<&str> =
        parts.iter().skip(1).step_by(2).copied().collect();
    assert_eq!(parts.len(), 7, "{reply}");
    assert_eq!(texts.len(), 3, "{reply}");
    let bound = RulebookModel.usage_bound(&[Message::new("user", &*prompt)]);
    assert!((reply.len() / 4) as u64 <= bound.unwrap().tokens);
}

#[tokio::test]
async fn a_third_label_turns_one_sum_into_a_sum_per_label() {
    let sheet = "- Add 4 points if the text contains \"free\" (`spam` in 9 of 9 cases).\n\
        Answer `spam` when the points reach 1, otherwise answer `ham`.\n\
        Right answers in the cases reviewed so far: `spam` 9, `ham` 9.";
    let shown = record(
        1,
        "text: your invoice dear customer",
        "ham",
        "expected `bill`",
    );
    let improved =
        fenced(&reflect(&format!("```\n{sheet}\n```\n```\n{shown}```")).await).to_owned();
    assert!(
        improved.contains("Answer the label with the most points"),
        "{improved}"
    );
    assert_eq!(
        answer(&improved, "your invoice dear customer").await,
        "bill",
        "{improved}"
    );
    assert_eq!(answer(&improved, "free").await, "spam", "{improved}");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(\\PC|\n|`|#|\\(){0,200}", line in 0_usize..8) {
        let openings = [
            "- Add 2 points if ", "Answer `a` when the points reach ", "If x is ", "# Example 1\n## Inputs\n",
            "## Feedback\nexpected ", "```\n", "- the text contains \"", "- a is 1 (`x` in ",
        ];
        let whole = format!("{}{text}\n# Example 1\n## Inputs\n{text}\n## Feedback\nexpected `{text}`", openings[line]);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            answer(&whole, &whole).await;
            reflect(&whole).await;
        });
    }

    #[test]
    fn what_is_written_is_read_again(
        points in -6_i32..=6, number in -1000_i32..1000, right in 0_u32..9, at in -20_i32..20,
        word in "[a-z]{1,8}", label in "[A-Za-z_]{1,10}",
    ) {
        let number = f64::from(number) / 8.0;
        let sign = if points < 0 { "Subtract" } else { "Add" };
        let text = format!(
            "Prose stays.\n\n- {sign} {} points if field name is at least {number} (`{label}` in {right} of 9 cases).\n\
             - the {word} contains \"{word} {word}\" (`{label}` in 1 of 1 case).\n\
             - If {word} is 7, answer `{label}`.\n\
             Answer `{label}` when the points reach {at}, otherwise answer `b`.",
            points.abs()
        );
        let once = read_prompt(&text);
        prop_assert_eq!((once.sheet.rules.len(), once.sheet.direct.len()), (2, 1));
        let written = write_prompt(&once.prose, &once.sheet);
        let twice = read_prompt(&written);
        prop_assert_eq!(write_prompt(&twice.prose, &twice.sheet), written);
        prop_assert_eq!(once.prose.trim(), "Prose stays.");
    }
}

#[tokio::test]
async fn a_bound_covers_what_a_reflection_writes() {
    let mut shown = String::new();
    for number in 1..=60 {
        let inputs =
            format!("### text\nword{number} other{number} third{number} fourth{number} x{number}");
        let feedback = format!("expected `label {number} {}`", "l".repeat(40));
        shown += &record(number, &inputs, "none", &feedback);
    }
    let messages = vec![Message::new(
        "user",
        format!("```\nSay it.\n```\n```\n{shown}```"),
    )];
    let bound = RulebookModel.usage_bound(&messages).unwrap();
    let completion = complete(Purpose::Reflection, messages).await;
    assert!(completion.usage.total_tokens() <= bound.tokens);
    assert!(read_prompt(fenced(&completion.text)).sheet.rules.len() <= 150);
}

#[tokio::test]
async fn names_and_values_that_would_not_read_back_make_no_rule() {
    let inputs = "### a is b\n1\n\n### country\nU.S.\n\n### kind\nred (`x` in 3 of 3 cases)";
    let shown = record(1, inputs, "no", "expected `yes`");
    let improved =
        fenced(&reflect(&format!("```\nSay `no` or `yes`.\n```\n```\n{shown}```")).await)
            .to_owned();
    let sheet = read_prompt(&improved).sheet;
    assert!(
        sheet
            .rules
            .iter()
            .all(|rule| !rule.condition.to_string().starts_with("a is b")),
        "{improved}"
    );
    assert!(!improved.contains("U.S"), "{improved}");
}

#[tokio::test]
async fn counts_of_the_other_label_weigh_against_the_first() {
    let sheet = "- Subtract 4 points if the text contains \"friend\" (`ham` in 9 of 9 cases).\n\
        Answer `spam` when the points reach 0, otherwise answer `ham`.\n\
        Right answers in the cases reviewed so far: `spam` 9, `ham` 9.";
    let shown = record(1, "text: hello my dear friend", "ham", "expected `ham`");
    let improved =
        fenced(&reflect(&format!("```\n{sheet}\n```\n```\n{shown}```")).await).to_owned();
    assert_eq!(answer(&improved, "a friend").await, "ham", "{improved}");
}
