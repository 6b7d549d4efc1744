use super::*;

fn cost(provider: &str, model: &str, overrides: &[PriceSettings]) -> Option<u64> {
    let price = Price::find(provider, model, overrides)?;
    let tokens = Counted {
        prompt: 1_000_000,
        completion: 1_000_000,
        ..Counted::default()
    };
    Some(price.cost(tokens).0)
}

#[test]
fn models_are_priced_by_provider_and_name_with_or_without_a_date() {
    assert_eq!(cost("openai", "gpt-4o-mini", &[]), Some(750_000));
    assert_eq!(cost("openai", "gpt-4o-mini-2024-07-18", &[]), Some(750_000));
    assert_eq!(cost("google", "gemini-2.5-flash", &[]), Some(2_800_000));
    assert_eq!(cost("groq", "gpt-4o-mini", &[]), None);
    assert_eq!(
        cost("anthropic", "claude-sonnet-4-5-20250929", &[]),
        Some(18_000_000)
    );
    assert_eq!(
        cost("anthropic", "claude-3-7-sonnet-latest", &[]),
        Some(18_000_000)
    );
    assert_eq!(cost("openai", "gpt-4o-mini-audio", &[]), None);
    assert_eq!(cost("openai", "é-2024-07-18", &[]), None);
    assert_eq!(cost("vllm", "anything", &[]), Some(0));
}

#[test]
fn overrides_win_even_over_free_ones() {
    let overrides =
        [("openai", "gpt-4o"), ("ollama", "llama")].map(|(provider, model)| PriceSettings {
            provider: provider.to_owned(),
            model: model.to_owned(),
            prompt_usd_per_million: 1.0,
            cached_usd_per_million: None,
            cache_write_usd_per_million: None,
            completion_usd_per_million: 2.0,
        });
    assert_eq!(cost("openai", "gpt-4o", &overrides), Some(3_000_000));
    assert_eq!(
        cost("openai", "gpt-4o-2024-08-06", &overrides),
        Some(3_000_000)
    );
    assert_eq!(cost("ollama", "llama", &overrides), Some(3_000_000));
    let price = Price::find("openai", "gpt-4o", &overrides).unwrap();
    let tokens = Counted {
        prompt: 100,
        cached: 60,
        ..Counted::default()
    };
    assert_eq!(
        price.cost(tokens).0,
        100,
        "cached tokens cost as much as others by default"
    );
}

#[test]
fn the_built_in_catalogue_has_a_day_and_one_sane_price_per_model() {
    let PriceCatalogue { as_of, prices } = PriceCatalogue::built_in();
    assert_eq!(as_of.len(), "2025-12-31".len());
    for (index, price) in prices.iter().enumerate() {
        price.check().unwrap();
        let names = |other: &&PriceSettings| {
            (&other.provider, &other.model) == (&price.provider, &price.model)
        };
        assert!(
            prices[index + 1..].iter().find(names).is_none(),
            "{price:?}"
        );
    }
}

#[test]
fn a_catalogue_is_read_from_a_file_and_errors_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prices.json");
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        PriceCatalogue::read(&path).map_err(|error| error.to_string())
    };
    let catalogue = read(
        r#"{"as_of": "2026-01-01", "prices": [{"provider": "p", "model": "m",
            "prompt_usd_per_million": 1, "completion_usd_per_million": 2}]}"#,
    );
    let catalogue = catalogue.unwrap();
    assert!(catalogue.find("p", "m-2026-01-01").is_some());
    assert!(catalogue.find("p", "n").is_none());
    let wrong = read(r#"{"prices": []}"#).unwrap_err();
    assert!(
        wrong.contains("prices.json") && wrong.contains("as_of"),
        "{wrong}"
    );
    let dear = read(
        r#"{"as_of": "2026-01-01", "prices": [{"provider": "p", "model": "m",
            "prompt_usd_per_million": -1, "completion_usd_per_million": 2}]}"#,
    );
    assert!(dear.unwrap_err().contains("`m`"));
}

proptest::proptest! {
    #[test]
    fn no_cost_exceeds_the_bound_of_its_tokens(
        prompt in 0_u64..10_000_000,
        cached in 0_u64..10_000_000,
        cache_written in 0_u64..10_000_000,
        completion in 0_u64..10_000_000,
        row in 0..PriceCatalogue::built_in().prices.len(),
    ) {
        let price = Price::from(&PriceCatalogue::built_in().prices[row]);
        let tokens = Counted { prompt, completion, cached, cache_written };
        proptest::prop_assert!(price.cost(tokens) <= price.bound(prompt, completion));
    }
}
