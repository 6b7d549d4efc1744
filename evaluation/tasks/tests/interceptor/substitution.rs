//! Puts candidates into messages.

use std::sync::Arc;

use gepa_archive::Candidate;
use gepa_evaluation::{PromptMessage, PromptTemplate};
use gepa_tasks::interceptor::{Refusal, Rule, Substitution, SubstitutionPlan};
use gepa_tasks::task_app::PipelineModule;
use serde_json::{Value, json};

pub(crate) fn template(messages: &[(&str, &str, &str)]) -> PromptTemplate {
    let messages = messages
        .iter()
        .map(|(role, component, pattern)| PromptMessage {
            role: (*role).to_owned(),
            component: (!component.is_empty()).then(|| (*component).to_owned()),
            pattern: (*pattern).to_owned(),
        });
    PromptTemplate {
        messages: messages.collect(),
    }
}

pub(crate) fn seed_of(template: &PromptTemplate) -> Candidate {
    let texts = template.messages.iter().filter_map(|message| {
        let name: Arc<str> = message.component.as_deref()?.into();
        Some((name, Arc::<str>::from(message.pattern.as_str())))
    });
    Candidate::new(texts.collect::<Vec<_>>()).unwrap()
}

pub(crate) fn plan(template: &PromptTemplate) -> SubstitutionPlan {
    SubstitutionPlan::new(template, &seed_of(template), &[])
}

/// A template of one system and one user message that both evolve.
pub(crate) fn two_messages() -> PromptTemplate {
    template(&[
        ("system", "system", "Answer the question."),
        ("user", "user", "Q: {query}\nA:"),
    ])
}

pub(crate) fn candidate() -> Candidate {
    Candidate::new([("system", "Be brief."), ("user", "Question: {query}")]).unwrap()
}

pub(crate) fn messages(pairs: &[(&str, &str)]) -> Vec<Value> {
    let pairs = pairs.iter();
    pairs
        .map(|(role, content)| json!({"role": role, "content": content}))
        .collect()
}

fn rules(substitution: &Substitution) -> Vec<(&str, Rule)> {
    let placed = substitution.placed.iter();
    placed.map(|one| (&*one.component, one.rule)).collect()
}

fn check(
    template: &PromptTemplate,
    candidate: &Candidate,
    sent: &[(&str, &str)],
    expected: &[(&str, &str)],
    expected_rules: &[(&str, Rule)],
) {
    check_with(&plan(template), candidate, sent, expected, expected_rules);
}

fn check_with(
    plan: &SubstitutionPlan,
    candidate: &Candidate,
    sent: &[(&str, &str)],
    expected: &[(&str, &str)],
    expected_rules: &[(&str, Rule)],
) {
    let mut changed = messages(sent);
    let substitution = plan.apply(&mut changed, candidate, None).unwrap();
    assert_eq!(changed, messages(expected));
    assert_eq!(rules(&substitution), expected_rules);
}

#[test]
fn messages_with_the_form_of_the_baseline_are_rendered_anew_with_their_values() {
    check(
        &two_messages(),
        &candidate(),
        &[
            ("system", "Answer the question."),
            ("user", "Q: why\nnow\nA:"),
        ],
        &[("system", "Be brief."), ("user", "Question: why\nnow")],
        &[("system", Rule::Pattern), ("user", Rule::Pattern)],
    );
}

#[test]
fn values_are_never_searched_for_wildcards() {
    check(
        &two_messages(),
        &candidate(),
        &[
            ("system", "Answer the question."),
            ("user", "Q: {query} {system}\nA:"),
        ],
        &[
            ("system", "Be brief."),
            ("user", "Question: {query} {system}"),
        ],
        &[("system", Rule::Pattern), ("user", Rule::Pattern)],
    );
}

#[test]
fn a_baseline_inside_a_longer_message_is_replaced_where_it_stands() {
    check(
        &two_messages(),
        &candidate(),
        &[
            ("system", "Answer the question.\n\nUse the tool."),
            ("user", "Hello.\nQ: why\nA: please"),
        ],
        &[
            ("system", "Be brief.\n\nUse the tool."),
            ("user", "Hello.\nQuestion: why please"),
        ],
        &[("system", Rule::Literal), ("user", Rule::Literal)],
    );
}

#[test]
fn an_unknown_system_message_is_replaced_whole_if_forced_and_an_unknown_user_message_stays() {
    check_with(
        &plan(&two_messages()).forcing_system(true),
        &candidate(),
        &[
            ("developer", "Something else."),
            ("user", "Something, too."),
        ],
        &[("developer", "Be brief."), ("user", "Something, too.")],
        &[("system", Rule::Role)],
    );
}

#[test]
fn a_missing_system_message_is_put_in_front_if_forced() {
    check_with(
        &plan(&two_messages()).forcing_system(true),
        &candidate(),
        &[("user", "Q: why\nA:")],
        &[("system", "Be brief."), ("user", "Question: why")],
        &[("user", Rule::Pattern), ("system", Rule::Inserted)],
    );
}

#[test]
fn a_call_without_the_seeds_system_text_is_refused_and_stays_as_it_was() {
    let template = two_messages();
    for sent in [
        messages(&[("system", "Something else."), ("user", "Q: why\nA:")]),
        messages(&[("user", "Q: why\nA:")]),
    ] {
        for candidate in [candidate(), seed_of(&template)] {
            let refusal = plan(&template)
                .apply(&mut sent.clone(), &candidate, None)
                .unwrap_err();
            let message = refusal.to_string();
            assert!(
                matches!(&refusal, Refusal::TextWouldBeLost { component, .. } if &**component == "system"),
                "{message}"
            );
            for part in [
                "lose text of the app",
                "Answer the question.",
                "force_system",
            ] {
                assert!(message.contains(part), "{message}");
            }
        }
    }
}

#[test]
fn white_space_around_a_seed_text_inside_a_message_stays_the_apps() {
    let template = template(&[("system", "system", "\n Answer the question.\n\n")]);
    let evolved = Candidate::new([("system", "Be brief.\n")]).unwrap();
    let sent = [("system", "Hi.  Answer the question. Use the tool.")];
    for (candidate, expected) in [
        (seed_of(&template), sent[0].1),
        (evolved, "Hi.  Be brief. Use the tool."),
    ] {
        let expected = [("system", expected)];
        check(
            &template,
            &candidate,
            &sent,
            &expected,
            &[("system", Rule::Literal)],
        );
    }
}

#[test]
fn a_text_of_its_own_line_is_replaced_before_the_same_words_in_a_sentence() {
    let template = template(&[("system", "system", "Classify.")]);
    check(
        &template,
        &Candidate::new([("system", "Think.")]).unwrap(),
        &[(
            "system",
            "I say: Classify. Always.\n\nClassify.\n\nLabels: a",
        )],
        &[("system", "I say: Classify. Always.\n\nThink.\n\nLabels: a")],
        &[("system", Rule::Literal)],
    );
}

#[test]
fn a_message_in_parts_stays_in_parts_under_the_seed() {
    let template = two_messages();
    let sent = vec![
        json!({"role": "system", "content": "Answer the question."}),
        json!({"role": "user", "content": [
            {"type": "text", "text": "Q: w"}, {"type": "text", "text": "hy\nA:", "cache": 1},
        ]}),
    ];
    let mut changed = sent.clone();
    plan(&template)
        .apply(&mut changed, &seed_of(&template), None)
        .unwrap();
    assert_eq!(changed, sent);
}

#[test]
fn a_message_whose_wildcards_have_no_values_goes_out_as_it_was_sent() {
    let candidate = Candidate::new([("system", "Be {brief}."), ("user", "{question}?")]).unwrap();
    let mut changed = messages(&[("system", "Answer the question."), ("user", "Q: why\nA:")]);
    let substitution = plan(&two_messages())
        .apply(&mut changed, &candidate, None)
        .unwrap();
    let expected = messages(&[("system", "Be {brief}."), ("user", "Q: why\nA:")]);
    assert_eq!(changed, expected);
    assert_eq!(substitution.kept, ["user".into()]);
}

#[test]
fn braces_that_the_seed_did_not_have_are_text() {
    check(
        &two_messages(),
        &Candidate::new([
            ("system", r"End with \boxed{query}."),
            (
                "user",
                r#"Q: {query} as \boxed{x} or {"label": 1} or {other}"#,
            ),
        ])
        .unwrap(),
        &[("system", "Answer the question."), ("user", "Q: why\nA:")],
        &[
            ("system", r"End with \boxed{query}."),
            ("user", r#"Q: why as \boxed{x} or {"label": 1} or {other}"#),
        ],
        &[("system", Rule::Pattern), ("user", Rule::Pattern)],
    );
}

#[test]
fn a_candidate_that_gets_in_nowhere_for_want_of_values_is_refused() {
    let template = template(&[("user", "user", "Q: {query}")]);
    let candidate = Candidate::new([("user", "{question}?")]).unwrap();
    let mut changed = messages(&[("user", "Q: why")]);
    let refusal = plan(&template)
        .apply(&mut changed, &candidate, None)
        .unwrap_err();
    let expected = Refusal::MissingValues {
        component: "user".into(),
        missing: "{question}".to_owned(),
    };
    assert_eq!(refusal, expected);
}

#[test]
fn a_call_that_has_nothing_to_do_with_the_candidate_is_refused() {
    let template = template(&[("system", "", "Fixed."), ("user", "user", "Q: {query}")]);
    let candidate = Candidate::new([("user", "Question: {query}")]).unwrap();
    let mut changed = messages(&[("system", "Fixed."), ("user", "Translate this.")]);
    let refusal = plan(&template)
        .apply(&mut changed, &candidate, None)
        .unwrap_err();
    assert!(
        matches!(&refusal, Refusal::NothingMatched { .. }),
        "{refusal}"
    );
    let message = refusal.to_string();
    assert!(
        message.contains("Translate this.") && message.contains("Q: {query}"),
        "{message}"
    );
}

#[test]
fn the_seed_counts_as_put_in_although_nothing_changes() {
    let template = two_messages();
    check(
        &template,
        &seed_of(&template),
        &[("system", "Answer the question."), ("user", "Q: why\nA:")],
        &[("system", "Answer the question."), ("user", "Q: why\nA:")],
        &[("system", Rule::Pattern), ("user", Rule::Pattern)],
    );
}

#[test]
fn a_value_of_one_message_may_be_used_in_another() {
    let candidate =
        Candidate::new([("system", "About {query}."), ("user", "Q: {query}\nA:")]).unwrap();
    check(
        &two_messages(),
        &candidate,
        &[("system", "Answer the question."), ("user", "Q: why\nA:")],
        &[("system", "About why."), ("user", "Q: why\nA:")],
        &[("system", Rule::Pattern), ("user", Rule::Pattern)],
    );
}

#[test]
fn every_turn_of_a_conversation_is_rendered_with_its_own_values() {
    check(
        &two_messages(),
        &candidate(),
        &[
            ("system", "Answer the question."),
            ("user", "Q: one\nA:"),
            ("assistant", "1"),
            ("user", "Q: two\nA:"),
        ],
        &[
            ("system", "Be brief."),
            ("user", "Question: one"),
            ("assistant", "1"),
            ("user", "Question: two"),
        ],
        &[("system", Rule::Pattern), ("user", Rule::Pattern)],
    );
}

#[test]
fn text_in_parts_is_put_together_and_other_parts_stay() {
    let image = json!({"type": "image_url", "image_url": {"url": "data:,"}});
    let mut changed = vec![
        json!({"role": "system", "content": [{"type": "text", "text": "Answer the question."}]}),
        json!({"role": "user", "content": [
            {"type": "text", "text": "Q: w"}, image, {"type": "text", "text": "hy\nA:"},
        ]}),
        json!({"role": "assistant", "content": null, "tool_calls": []}),
    ];
    plan(&two_messages())
        .apply(&mut changed, &candidate(), None)
        .unwrap();
    let expected = vec![
        json!({"role": "system", "content": [{"type": "text", "text": "Be brief."}]}),
        json!({"role": "user", "content": [{"type": "text", "text": "Question: why"}, image]}),
        json!({"role": "assistant", "content": null, "tool_calls": []}),
    ];
    assert_eq!(changed, expected);
}

#[test]
fn components_that_no_message_names_are_system_messages() {
    let seed = Candidate::new([("instruction", "Classify.")]).unwrap();
    let plan = SubstitutionPlan::new(&PromptTemplate::default(), &seed, &[]);
    let candidate = Candidate::new([("instruction", "Classify well.")]).unwrap();
    let mut changed = messages(&[("system", "Hi. Classify. Bye."), ("user", "x")]);
    plan.apply(&mut changed, &candidate, None).unwrap();
    let expected = messages(&[("system", "Hi. Classify well. Bye."), ("user", "x")]);
    assert_eq!(changed, expected);
}

fn pipeline(baselines: [Option<&str>; 2]) -> SubstitutionPlan {
    let modules: Vec<PipelineModule> = ["first", "second"]
        .into_iter()
        .zip(baselines)
        .map(|(component, baseline)| PipelineModule {
            component: component.to_owned(),
            baseline: baseline.map(str::to_owned),
        })
        .collect();
    let seed = Candidate::new([("first", "One."), ("second", "Two.")]).unwrap();
    SubstitutionPlan::new(&PromptTemplate::default(), &seed, &modules)
}

#[test]
fn a_module_is_known_by_its_text_and_its_instruction_replaced_inside() {
    let plan = pipeline([Some("One."), Some("Two. One.")]);
    let mut changed = messages(&[("system", "Two. One.\nLabels: a, b"), ("user", "One.")]);
    assert_eq!(plan.module_by_text(&changed), Some(1));
    let candidate = Candidate::new([("first", "A"), ("second", "B")]).unwrap();
    let substitution = plan.apply(&mut changed, &candidate, Some(1)).unwrap();
    assert_eq!(
        changed,
        messages(&[("system", "B\nLabels: a, b"), ("user", "One.")])
    );
    assert_eq!(rules(&substitution), [("second", Rule::Literal)]);
}

#[test]
fn a_module_known_by_its_order_has_its_system_message_replaced() {
    let plan = pipeline([None, Some("never sent")]);
    let mut changed = messages(&[("system", "Something."), ("user", "x")]);
    assert_eq!(plan.module_by_text(&changed), None);
    assert_eq!(plan.module_by_order(3), Some(1));
    let candidate = Candidate::new([("first", "A"), ("second", "B")]).unwrap();
    let refusal = plan.apply(&mut changed, &candidate, Some(1)).unwrap_err();
    let message = refusal.to_string();
    assert!(message.contains("lose text of the app"), "{message}");
    let forced = plan.forcing_system(true);
    let substitution = forced.apply(&mut changed, &candidate, Some(1)).unwrap();
    assert_eq!(changed, messages(&[("system", "B"), ("user", "x")]));
    assert_eq!(rules(&substitution), [("second", Rule::Role)]);
}

#[test]
fn modules_of_one_text_are_told_by_their_order() {
    let plan = pipeline([Some("Same."), Some("Same.")]);
    let mut changed = messages(&[("system", "Rules:\n\nSame.\n\nLabels: a, b")]);
    assert_eq!(plan.module_by_text(&changed), None);
    let candidate = Candidate::new([("first", "A"), ("second", "B")]).unwrap();
    plan.apply(&mut changed, &candidate, Some(1)).unwrap();
    assert_eq!(
        changed,
        messages(&[("system", "Rules:\n\nB\n\nLabels: a, b")])
    );
}

#[test]
fn a_module_without_a_baseline_is_known_by_its_seed_text() {
    let plan = pipeline([None, None]);
    let mut changed = messages(&[("system", "App.\n\nTwo.\n\nLabels: a, b")]);
    assert_eq!(plan.module_by_text(&changed), Some(1));
    let candidate = Candidate::new([("first", "A"), ("second", "B")]).unwrap();
    plan.apply(&mut changed, &candidate, Some(1)).unwrap();
    assert_eq!(
        changed,
        messages(&[("system", "App.\n\nB\n\nLabels: a, b")])
    );
}
