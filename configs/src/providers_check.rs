//! Whether the providers that a config names are those of its models.

use gepa_engine::Problem;
use gepa_models::is_same_provider;

use crate::raw::RawConfig;
use crate::schema::nearest;

/// Refuses a table of `[providers]` with the misspelt name of a model's provider, whose limits would not hold,
/// and notes one that no model uses.
pub(crate) fn check_providers(
    raw: &RawConfig,
    problems: &mut Vec<Problem>,
    notes: &mut Vec<Problem>,
) {
    let models = [&raw.policy, &raw.reflection_model, &raw.judge];
    let models = models.into_iter().flatten();
    let used: Vec<String> = models.map(|model| model.provider.clone()).collect();
    let has_table = |name: &String| raw.providers.keys().any(|one| is_same_provider(one, name));
    let without: Vec<String> = used
        .iter()
        .filter(|name| !has_table(name))
        .cloned()
        .collect();
    for name in raw.providers.keys() {
        if used.is_empty() || used.iter().any(|one| is_same_provider(one, name)) {
            continue;
        }
        let key = format!("providers.{name}");
        match nearest(name, &without) {
            Some(meant) => problems.push(Problem::new(
                key,
                format!("is the provider of no model; did you mean `{meant}`?"),
            )),
            None => notes.push(Problem::new(
                key,
                format!(
                    "is the provider of no model, so it has no effect; the models are of {}",
                    named(&used)
                ),
            )),
        }
    }
}

fn named(used: &[String]) -> String {
    let mut names: Vec<String> = used.iter().map(|name| format!("`{name}`")).collect();
    names.sort();
    names.dedup();
    names.join(", ")
}
