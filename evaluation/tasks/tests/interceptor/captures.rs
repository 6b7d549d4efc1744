//! Requests that were recorded from real apps.

use gepa_archive::Candidate;
use gepa_evaluation::{PromptMessage, PromptTemplate};
use gepa_tasks::interceptor::{Rule, SubstitutionPlan};
use gepa_tasks::task_app::PipelineModule;
use gepa_testing::optional_data;
use serde_json::Value;

/// The recorded calls, from the optional folder beside the workspace or where `SHARED_SYNTH` says;
/// `None`, said aloud, without it.
fn recorded() -> Option<Vec<Value>> {
    let part = "captures/fake_llm_requests.jsonl";
    let file = optional_data("SHARED_SYNTH", "synth", part)?;
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines();
    Some(
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    )
}

fn plan_of(system: &str, user: &str) -> SubstitutionPlan {
    let message = |role: &str, component: &str, pattern: &str| PromptMessage {
        role: role.to_owned(),
        component: Some(component.to_owned()),
        pattern: pattern.to_owned(),
    };
    let template = PromptTemplate {
        messages: vec![
            message("system", "system", system),
            message("user", "user", user),
        ],
    };
    let seed = Candidate::new([("system", system), ("user", user)]).unwrap();
    SubstitutionPlan::new(&template, &seed, &[])
}

/// The calls whose path contains `marker` and that an app sent with its own prompt.
fn calls<'c>(recorded: &'c [Value], marker: &str) -> Vec<&'c Vec<Value>> {
    recorded
        .iter()
        .filter(|call| call["body"]["tools"][0]["function"]["name"] == marker)
        .filter_map(|call| call["body"]["messages"].as_array())
        .filter(|messages| messages[0]["content"] != "CANDIDATE PROMPT")
        .collect()
}

#[test]
fn the_recorded_heart_disease_calls_have_the_form_of_the_config() {
    let Some(recorded) = recorded() else {
        return;
    };
    let plan = plan_of(
        "You are a medical classification assistant. Based on the patient's features, classify \
         whether they have heart disease. Respond with '1' for heart disease or '0' for no heart \
         disease.\n\nYou have access to the function `heart_disease_classify` which accepts your \
         predicted classification. Call this tool with your classification when you're ready to \
         submit your answer.",
        "Patient Features:\n{features}\n\nClassify: Does this patient have heart disease? Respond \
         with '1' for yes or '0' for no.",
    );
    let candidate = Candidate::new([("system", "S"), ("user", "U {features}")]).unwrap();
    let calls = calls(&recorded, "heart_disease_classify");
    assert_eq!(calls.len(), 3);
    for call in calls {
        let mut changed = call.clone();
        let found = plan.apply(&mut changed, &candidate, None).unwrap();
        assert!(
            found.placed.iter().all(|one| one.rule == Rule::Pattern),
            "{found:?}"
        );
        assert_eq!(changed[0]["content"], "S");
        let features = &found.values["features"];
        assert!(features.starts_with("age: ") && features.lines().count() == 13);
        assert_eq!(changed[1]["content"], format!("U {features}"));
    }
}

#[test]
fn the_recorded_iris_calls_keep_their_tool_paragraph_and_their_user_message() {
    let Some(recorded) = recorded() else {
        return;
    };
    let system = "You are a botany classification assistant. Based on the flower's measurements, \
                  classify the iris species. Respond with one of: setosa, versicolor, or virginica.";
    let plan = plan_of(
        system,
        "Flower Measurements:\\n{{features}}\\n\\nClassify this iris flower. Respond with one of: \
         setosa, versicolor, or virginica.",
    );
    let candidate = Candidate::new([("system", "S"), ("user", "U {{features}}")]).unwrap();
    let calls = calls(&recorded, "iris_classify");
    assert_eq!(calls.len(), 3);
    for call in calls {
        let mut changed = call.clone();
        let found = plan.apply(&mut changed, &candidate, None).unwrap();
        assert_eq!(found.placed.len(), 1);
        assert_eq!(found.placed[0].rule, Rule::Literal);
        let sent = call[0]["content"].as_str().unwrap();
        assert_eq!(changed[0]["content"], sent.replace(system, "S"));
        assert_eq!(changed[1], call[1]);
    }
}

#[test]
fn the_recorded_banking_calls_give_both_wildcards() {
    let Some(recorded) = recorded() else {
        return;
    };
    let plan = plan_of(
        "You are an expert banking assistant that classifies customer queries into banking \
         intents. Given a customer message, respond with exactly one intent label from the \
         provided list using the `banking77_classify` tool.",
        "Customer Query: {query}\n\nAvailable Intents:\n{available_intents}\n\nClassify this query \
         into one of the above banking intents using the tool call.",
    );
    let candidate =
        Candidate::new([("system", "S"), ("user", "{available_intents}|{query}")]).unwrap();
    let recorded: Vec<Value> = recorded
        .into_iter()
        .filter(|call| !call["path"].as_str().unwrap().contains("gepa-pipe"))
        .collect();
    let calls = calls(&recorded, "banking77_classify");
    assert_eq!(calls.len(), 4);
    for call in calls {
        let mut changed = call.clone();
        let found = plan.apply(&mut changed, &candidate, None).unwrap();
        assert!(
            found.placed.iter().all(|one| one.rule == Rule::Pattern),
            "{found:?}"
        );
        let (intents, query) = (&found.values["available_intents"], &found.values["query"]);
        assert!(intents.starts_with("1. ") && query.contains('#'));
        assert_eq!(changed[1]["content"], format!("{intents}|{query}"));
    }
}

#[test]
fn the_recorded_pipeline_calls_are_told_apart_by_text_or_by_order() {
    let Some(recorded) = recorded() else {
        return;
    };
    let baselines = [
        "Classify the customer query into one of the known Banking77 intents.",
        "You refine intent predictions from an upstream classifier.",
    ];
    // Texts that no call contains, so that without a baseline only the order is left.
    let candidate = Candidate::new([("classifier", "=A="), ("calibrator", "=B=")]).unwrap();
    let pipeline_calls: Vec<&Vec<Value>> = recorded
        .iter()
        .filter(|call| call["path"].as_str().unwrap().contains("gepa-pipe"))
        .filter_map(|call| call["body"]["messages"].as_array())
        .collect();
    assert_eq!(pipeline_calls.len(), 4);
    for knows_text in [true, false] {
        let modules = ["classifier", "calibrator"].into_iter().zip(baselines);
        let modules: Vec<PipelineModule> = modules
            .map(|(component, baseline)| PipelineModule {
                component: component.to_owned(),
                baseline: knows_text.then(|| baseline.to_owned()),
            })
            .collect();
        let plan = SubstitutionPlan::new(&PromptTemplate::default(), &candidate, &modules)
            .forcing_system(!knows_text);
        for (order, call) in pipeline_calls.iter().enumerate() {
            let by_text = plan.module_by_text(call);
            assert_eq!(by_text, knows_text.then_some(order % 2));
            let module = by_text.or_else(|| plan.module_by_order(order));
            let mut changed = (*call).clone();
            let found = plan.apply(&mut changed, &candidate, module).unwrap();
            let expected = ["classifier", "calibrator"][order % 2];
            assert_eq!(&*found.placed[0].component, expected);
            let text = changed[0]["content"].as_str().unwrap();
            assert_eq!(text.contains("Available Intents"), knows_text);
        }
    }
}
