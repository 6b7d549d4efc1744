//! The prices in force, stored with the run. A resumed run keeps the prices it began with, even if
//! a later program has a newer catalogue.

use std::path::Path;

use gepa_engine::Problem;
use gepa_models::{PriceCatalogue, PriceSettings};
use serde_json::{Value, json};

use crate::raw::RawConfig;

/// Adds the catalogue's prices of the models used to those the config sets, and to `described`.
pub(crate) fn pin(
    raw: &mut RawConfig,
    described: &mut Value,
    directory: &Path,
    problems: &mut Vec<Problem>,
) {
    let file = raw.prices_file.as_ref().map(|file| directory.join(file));
    let file = match file.map(|path| PriceCatalogue::read(&path)).transpose() {
        Ok(file) => file,
        Err(error) => {
            problems.push(Problem::new(
                "prices_file",
                format!("does not work: {error}"),
            ));
            return;
        }
    };
    let found: Vec<PriceSettings> = missing(raw)
        .filter_map(|(provider, model)| {
            let of_file = file.as_ref().and_then(|file| file.find(&provider, &model));
            let row = of_file.or_else(|| PriceCatalogue::built_in().find(&provider, &model))?;
            Some(PriceSettings {
                provider,
                model,
                ..row.clone()
            })
        })
        .collect();
    for row in found {
        if raw.prices.contains(&row) {
            continue;
        }
        let stored = described
            .get_mut("settings")
            .and_then(Value::as_object_mut)
            .and_then(|settings| {
                let prices = settings.entry("prices").or_insert_with(|| json!([]));
                prices.as_array_mut()
            });
        if let (Some(stored), Ok(row)) = (stored, serde_json::to_value(&row)) {
            stored.push(row);
        }
        raw.prices.push(row);
    }
}

/// Provider and model of everything the config uses and sets no price for.
fn missing(raw: &RawConfig) -> impl Iterator<Item = (String, String)> {
    let set = PriceCatalogue {
        as_of: String::new(),
        prices: raw.prices.clone(),
    };
    [&raw.policy, &raw.reflection_model, &raw.judge]
        .into_iter()
        .flatten()
        .map(|model| (model.provider.clone(), model.model.clone()))
        .filter(move |(provider, model)| set.find(provider, model).is_none())
}

#[cfg(test)]
mod tests {
    use gepa_models::ModelSettings;

    use super::*;

    fn raw(model: &str) -> RawConfig {
        RawConfig {
            policy: Some(ModelSettings::new("openai", model)),
            ..RawConfig::default()
        }
    }

    fn pinned(raw: &mut RawConfig, directory: &Path) -> (Value, Vec<Problem>) {
        let mut described = json!({"settings": {}});
        let mut problems = Vec::new();
        pin(raw, &mut described, directory, &mut problems);
        (described["settings"]["prices"].clone(), problems)
    }

    #[test]
    fn the_price_in_force_is_stored_under_the_name_in_use() {
        let mut raw = raw("gpt-4.1-mini-2025-04-14");
        raw.judge.clone_from(&raw.policy);
        let (stored, _) = pinned(&mut raw, Path::new(""));
        assert_eq!(stored.as_array().map(Vec::len), Some(1));
        assert_eq!(stored[0]["model"], "gpt-4.1-mini-2025-04-14");
        assert_eq!(stored[0]["prompt_usd_per_million"], 0.4);
        assert_eq!(raw.prices.len(), 1);
        let (again, _) = pinned(&mut raw, Path::new(""));
        assert_eq!(again, Value::Null, "what is set is not set again");
    }

    #[test]
    fn a_file_wins_over_the_built_in_prices_and_an_unknown_model_stays_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let row = r#"{"provider": "openai", "model": "gpt-4.1-mini",
            "prompt_usd_per_million": 9, "completion_usd_per_million": 9}"#;
        let text = format!(r#"{{"as_of": "2026-06-01", "prices": [{row}]}}"#);
        std::fs::write(folder.path().join("prices.json"), text).unwrap();
        let mut known = raw("gpt-4.1-mini");
        known.prices_file = Some("prices.json".into());
        let (stored, problems) = pinned(&mut known, folder.path());
        assert_eq!(stored[0]["prompt_usd_per_million"], 9.0, "{problems:?}");
        let mut unknown = raw("never-heard-of");
        assert_eq!(pinned(&mut unknown, Path::new("")).0, Value::Null);
        known.prices_file = Some("elsewhere.json".into());
        let (_, problems) = pinned(&mut known, folder.path());
        assert_eq!(problems[0].key, "prices_file");
        assert!(
            problems[0].message.contains("elsewhere.json"),
            "{problems:?}"
        );
    }
}
