//! The keys that a config may not set when it came over HTTP.

use gepa_engine::Problem;
use gepa_models::{Environment, HttpAddress, ModelSettings, ProviderSettings, public_base_url};
use gepa_tasks::scorer::ScorerSettings;

use crate::context::TASK_APP_KEY;
use crate::raw::{EvaluatorSettings, RawConfig};

const LOCAL_FILE: &str = "names a local file, which a submitted config may not";
const LOCAL_COMMAND: &str =
    "runs a local command, which a submitted config may not; use `gepa run` on that machine";

/// Everything a submitted config may not say, with the remedy.
pub(crate) fn restrict(raw: &RawConfig, environment: &Environment) -> Vec<Problem> {
    let mut problems = Vec::new();
    restrict_files(raw, &mut problems);
    match &raw.evaluator {
        Some(EvaluatorSettings::Process(_)) => {
            problems.push(Problem::new("evaluator", LOCAL_COMMAND));
        }
        Some(EvaluatorSettings::TaskApp(app)) => {
            if app.api_key_env != TASK_APP_KEY {
                let message =
                    format!("must be {TASK_APP_KEY}: a submitted config reads no other variable");
                problems.push(Problem::new("evaluator.api_key_env", message));
            }
            if HttpAddress::parse(&app.url).is_ok_and(|address| address.is_link_local()) {
                let message =
                    "is a link-local or metadata address, which submitted configs may not name";
                problems.push(Problem::new("evaluator.url", message));
            }
        }
        _ => {}
    }
    let addresses = [
        ("workers.queue", &raw.workers.queue),
        ("limits.shared", &raw.limits.shared),
    ];
    for (key, address) in addresses {
        if address.is_some() {
            let message = "is an address, which a submitted config may not name; use `gepa run`";
            problems.push(Problem::new(key, message));
        }
    }
    if raw.limits.folder.is_some() {
        problems.push(Problem::new("limits.folder", LOCAL_FILE));
    }
    if raw.search.start_from.is_some() {
        let message = "names a run of the store, which a submitted config may not, since the run may be another \
                       tenant's; send its texts as `seeds`, or use `gepa run`";
        problems.push(Problem::new("search.start_from", message));
    }
    if raw.has_own_proposer() {
        problems.push(Problem::new("proposer", LOCAL_COMMAND));
    }
    if matches!(
        raw.scorer,
        Some(ScorerSettings::Command { .. } | ScorerSettings::Python { .. })
    ) {
        problems.push(Problem::new("scorer", LOCAL_COMMAND));
    }
    let models = [
        ("policy", &raw.policy),
        ("reflection_model", &raw.reflection_model),
        ("judge", &raw.judge),
    ];
    for (section, settings) in models {
        if let Some(settings) = settings {
            restrict_model(section, settings, environment, &mut problems);
        }
    }
    for (name, settings) in &raw.providers {
        restrict_provider(name, settings, &mut problems);
    }
    problems
}

fn restrict_files(raw: &RawConfig, problems: &mut Vec<Problem>) {
    if raw.dataset.is_some() {
        problems.push(Problem::new("dataset.path", LOCAL_FILE));
    }
    if raw.prices_file.is_some() {
        let message = format!("{LOCAL_FILE}; send the prices as `prices`");
        problems.push(Problem::new("prices_file", message));
    }
    if raw.reflection.template_file.is_some() {
        let message = format!("{LOCAL_FILE}; send the text as `template`");
        problems.push(Problem::new("reflection.template_file", message));
    }
    let messages = raw.prompt.iter().flat_map(|prompt| &prompt.messages);
    for (position, message) in messages.enumerate() {
        if message.pattern_file.is_some() {
            let message = format!("{LOCAL_FILE}; send the text as `pattern`");
            problems.push(Problem::new(
                format!("prompt.messages[{position}].pattern_file"),
                message,
            ));
        }
    }
}

fn restrict_model(
    section: &str,
    settings: &ModelSettings,
    environment: &Environment,
    problems: &mut Vec<Problem>,
) {
    let provider = &settings.provider;
    if !is_offered(provider, environment) {
        // The name alone decides which variable is read as the key.
        let message = format!(
            "is `{provider}`, which this server does not offer; set its API_BASE variable there"
        );
        problems.push(Problem::new(format!("{section}.provider"), message));
    }
    restrict_url(
        &format!("{section}.base_url"),
        provider,
        settings.base_url.as_deref(),
        problems,
    );
    restrict_key(
        &format!("{section}.api_key_env"),
        settings.api_key_env.as_deref(),
        problems,
    );
}

fn restrict_provider(name: &str, settings: &ProviderSettings, problems: &mut Vec<Problem>) {
    restrict_url(
        &format!("providers.{name}.base_url"),
        name,
        settings.base_url.as_deref(),
        problems,
    );
    restrict_key(
        &format!("providers.{name}.api_key_env"),
        settings.api_key_env.as_deref(),
        problems,
    );
}

fn is_offered(provider: &str, environment: &Environment) -> bool {
    let stem: String = provider
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    provider == "rulebook"
        || public_base_url(provider).is_some()
        || environment.get(&format!("{stem}_API_BASE")).is_some()
}

fn restrict_url(key: &str, provider: &str, url: Option<&str>, problems: &mut Vec<Problem>) {
    let Some(url) = url else { return };
    let origin = |url: &str| HttpAddress::parse(url).ok().map(|address| address.origin());
    let own = public_base_url(provider).and_then(origin);
    if own.is_none() || own != origin(url) {
        let message = format!(
            "is not the address of `{provider}`; a submitted config may send its key nowhere else"
        );
        problems.push(Problem::new(key, message));
    }
}

fn restrict_key(key: &str, variable: Option<&str>, problems: &mut Vec<Problem>) {
    if variable.is_some() {
        let message = "names a variable of the server's environment, which a submitted config may not; leave it out";
        problems.push(Problem::new(key, message));
    }
}
