use super::*;

fn cost(provider: &str, model: &str, overrides: &[PriceSettings]) -> Option<u64> {
    let price = Price::find(provider, model, overrides)?;
    Some(price.cost(1_000_000, 0, 1_000_000).0)
}

#[test]
fn models_are_priced_by_provider_and_name_with_or_without_a_date() {
    assert_eq!(cost("openai", "gpt-4o-mini", &[]), Some(750_000));
    assert_eq!(cost("openai", "gpt-4o-mini-2024-07-18", &[]), Some(750_000));
    assert_eq!(cost("google", "gemini-2.5-flash", &[]), Some(2_800_000));
    assert_eq!(cost("groq", "gpt-4o-mini", &[]), None);
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
            completion_usd_per_million: 2.0,
        });
    assert_eq!(cost("openai", "gpt-4o", &overrides), Some(3_000_000));
    assert_eq!(
        cost("openai", "gpt-4o-2024-08-06", &overrides),
        Some(3_000_000)
    );
    assert_eq!(cost("ollama", "llama", &overrides), Some(3_000_000));
    let price = Price::find("openai", "gpt-4o", &overrides).unwrap();
    assert_eq!(
        price.cost(100, 60, 0).0,
        100,
        "cached tokens cost as much as others by default"
    );
}

proptest::proptest! {
    #[test]
    fn no_cost_exceeds_the_bound_of_its_tokens(
        prompt in 0_u64..10_000_000,
        cached in 0_u64..10_000_000,
        completion in 0_u64..10_000_000,
        row in 0..BUILT_IN.len(),
    ) {
        let price = Price::find(BUILT_IN[row].0, BUILT_IN[row].1, &[]).unwrap();
        proptest::prop_assert!(price.cost(prompt, cached, completion) <= price.bound(prompt, completion));
    }
}
