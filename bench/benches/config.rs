//! What does it cost to read a config, as `gepa check` does: a config with every key, and a small
//! one?

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use gepa_configs::ConfigSource;
use gepa_models::Environment;

fn load(criterion: &mut Criterion) {
    let environment = Environment::default();
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let mut group = criterion.benchmark_group("config/load");
    for name in ["heart_disease.toml", "reference.toml"] {
        let file = configs.join(name);
        let source = ConfigSource {
            file: &file,
            environment: &environment,
            overrides: &[],
            dialects: gepa_jobs::DIALECTS,
        };
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(source.load().expect("the config is valid")));
        });
    }
    group.finish();
}

criterion_group!(benches, load);
criterion_main!(benches);
