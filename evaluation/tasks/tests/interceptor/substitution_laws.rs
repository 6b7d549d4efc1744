//! What holds for every call into which a candidate is put.

use gepa_archive::Candidate;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::substitution::{candidate, messages, plan, seed_of, template, two_messages};

proptest! {
    #[test]
    fn no_call_makes_substitution_panic_or_leak_a_wildcard_into_a_user_message(
        sent in proptest::collection::vec(
            ("system|user|assistant|tool|", "[a-cQA:{} \n]{0,20}"), 0..5
        ),
        text in "[a-c{}q: \n]{0,20}|\\{query\\}|\\{other\\}",
    ) {
        let pairs: Vec<(&str, &str)> =
            sent.iter().map(|(role, text)| (role.as_str(), text.as_str())).collect();
        let original = messages(&pairs);
        let mut changed = original.clone();
        let candidate = Candidate::new([("system", "S"), ("user", text.as_str())]).unwrap();
        if plan(&two_messages()).apply(&mut changed, &candidate, None).is_ok() {
            for message in &changed {
                let content = message["content"].as_str().unwrap();
                let was_there = original.iter().any(|one| {
                    one["content"].as_str().unwrap().contains("{other}")
                });
                let leaks = content.contains("{other}") && !was_there && message["role"] == "user";
                prop_assert!(!leaks, "{}", content);
            }
        }
    }

    #[test]
    fn under_the_seed_every_call_that_is_not_refused_stays_as_the_app_sent_it(
        patterns in proptest::collection::vec(
            ("system|user", "[ab\n ]{0,3}(\\{[xy]\\})?[ab \n]{0,3}(\\{[xy]\\})?[ab\n]{0,2}"), 1..4
        ),
        fills in ("[ab{}\n]{0,4}", "[ab ]{0,4}"),
        around in ("[ab\n ]{0,3}", "[ab\n ]{0,3}"),
        strange in proptest::option::of(("system|user|tool", "[ab{}xy]{0,6}")),
    ) {
        let names: Vec<String> = (0..patterns.len()).map(|at| format!("c{at}")).collect();
        let parts: Vec<(&str, &str, &str)> = patterns
            .iter()
            .zip(&names)
            .map(|((role, text), name)| (role.as_str(), name.as_str(), text.as_str()))
            .collect();
        let template = template(&parts);
        let mut sent: Vec<Value> = patterns
            .iter()
            .map(|(role, pattern)| {
                let text = pattern.replace("{x}", &fills.0).replace("{y}", &fills.1);
                json!({"role": role, "content": format!("{}{text}{}", around.0, around.1)})
            })
            .collect();
        if let Some((role, text)) = strange {
            sent.insert(0, json!({"role": role, "content": text}));
        }
        let mut changed = sent.clone();
        if plan(&template).apply(&mut changed, &seed_of(&template), None).is_ok() {
            prop_assert_eq!(changed, sent);
        }
    }

    #[test]
    fn what_the_app_filled_in_always_arrives(query in "[a-zA-Z0-9 \n{}é]{0,60}") {
        let sent = format!("Q: {query}\nA:");
        let mut changed = messages(&[("system", "Answer the question."), ("user", &sent)]);
        plan(&two_messages()).apply(&mut changed, &candidate(), None).unwrap();
        prop_assert_eq!(changed[1]["content"].as_str(), Some(&*format!("Question: {query}")));
    }
}
