//! The ways of scheduling that are compared.

use gepa_engine::Settings;
use gepa_engine::config::{Evaluation, ScheduleKind, Speculation, StaleChildren};

/// One way of scheduling.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    /// Its name in tables. Two numbers are `gate_lag` and `pareto_lag`; `early` is
    /// `speculate = "decided"`; `texts` is the number of hypotheses per reflection, with `decided`.
    pub name: &'static str,
    apply: fn(&mut Settings),
}

impl Mode {
    /// Sets all settings of this way of scheduling.
    pub fn apply(&self, settings: &mut Settings) {
        (self.apply)(settings);
    }
}

/// All ways, from the sequential algorithm to the widest lags.
pub fn modes() -> Vec<Mode> {
    vec![
        mode("sequential", |settings| lags(settings, 1, 1)),
        mode("generations of 4", |settings| generations(settings, 4)),
        mode("generations of 16", |settings| generations(settings, 16)),
        mode("ordered 2/2", |settings| lags(settings, 2, 2)),
        mode("ordered 2/4", |settings| lags(settings, 2, 4)),
        mode("ordered 3/6", |settings| lags(settings, 3, 6)),
        mode("ordered 4/4", |settings| lags(settings, 4, 4)),
        mode("ordered 4/8", |settings| lags(settings, 4, 8)),
        mode("ordered 8/8", |settings| lags(settings, 8, 8)),
        mode("ordered 8/16", |settings| lags(settings, 8, 16)),
        mode("ordered 16/16", |settings| lags(settings, 16, 16)),
        mode("ordered 16/48", |settings| lags(settings, 16, 48)),
        mode("ordered 32/32", |settings| lags(settings, 32, 32)),
        mode("ordered 32/96", |settings| lags(settings, 32, 96)),
        mode("ordered 64/64", |settings| lags(settings, 64, 64)),
        mode("ordered 4/4 early", |settings| early(settings, 4, 4)),
        mode("ordered 4/8 early", |settings| early(settings, 4, 8)),
        mode("ordered 8/8 early", |settings| early(settings, 8, 8)),
        mode("ordered 8/16 early", |settings| early(settings, 8, 16)),
        mode("ordered 16/16 early", |settings| early(settings, 16, 16)),
        mode("ordered 32/32 early", |settings| early(settings, 32, 32)),
        mode("ordered 32/96 early", |settings| early(settings, 32, 96)),
        mode("ordered 64/64 early", |settings| early(settings, 64, 64)),
        mode("ordered 64/192 early", |settings| early(settings, 64, 192)),
        mode("sequential, 2 texts", |settings| texts(settings, 1, 2)),
        mode("sequential, 3 texts", |settings| texts(settings, 1, 3)),
        mode("ordered 2/2, 2 texts", |settings| texts(settings, 2, 2)),
        mode("ordered 2/2, 3 texts", |settings| texts(settings, 2, 3)),
        mode("ordered 4/4, 3 texts", |settings| texts(settings, 4, 3)),
        mode("ordered 16/16, 3 texts", |settings| texts(settings, 16, 3)),
        mode("ordered 64/64, 3 texts", |settings| texts(settings, 64, 3)),
        mode("growing, sequential", |settings| growing(settings, 1)),
        mode("growing, 2/2", |settings| growing(settings, 2)),
        mode("growing, 4/4", |settings| growing(settings, 4)),
        mode("growing, 6/6", |settings| growing(settings, 6)),
        mode("growing, 8/8", |settings| growing(settings, 8)),
        mode("growing, 16/16", |settings| growing(settings, 16)),
        mode("growing, 4/4, 1 text", |settings| {
            growing(settings, 4);
            settings.reflection.hypotheses = Some(1);
        }),
        mode("free 2/2", |settings| free(settings, 2, 2)),
        mode("free 3/3", |settings| free(settings, 3, 3)),
        mode("free 4/4", |settings| free(settings, 4, 4)),
        mode("free 2/4", |settings| free(settings, 2, 4)),
        mode("free 4/8", |settings| free(settings, 4, 8)),
        mode("free 8/16", |settings| free(settings, 8, 16)),
        mode("free 16/16", |settings| free(settings, 16, 16)),
        mode("free 32/32", |settings| free(settings, 32, 32)),
        mode("free 64/64", |settings| free(settings, 64, 64)),
        mode("free 128/128", |settings| free(settings, 128, 128)),
        mode("free 8/8", |settings| free(settings, 8, 8)),
        mode("free 8/8, drop", |settings| {
            stale(settings, 8, StaleChildren::Drop);
        }),
        mode("free 16/16, drop", |settings| {
            stale(settings, 16, StaleChildren::Drop);
        }),
        mode("growing, free 4/4", |settings| growing_free(settings, 4)),
        mode("growing, free 8/8", |settings| growing_free(settings, 8)),
        mode("growing, free 8/8, drop", |settings| {
            growing_free(settings, 8);
            settings.run.stale_children = StaleChildren::Drop;
        }),
        mode("generations of 4, best 1", |settings| {
            best_of(settings, 4, 1);
        }),
        mode("generations of 4, best 2", |settings| {
            best_of(settings, 4, 2);
        }),
        mode("generations of 16, best 4", |settings| {
            best_of(settings, 16, 4);
        }),
    ]
}

fn mode(name: &'static str, apply: fn(&mut Settings)) -> Mode {
    Mode { name, apply }
}

fn lags(settings: &mut Settings, gate: u32, pareto: u32) {
    settings.search.evaluation = Evaluation::Full;
    settings.run.speculate = Speculation::Off;
    settings.run.gate_lag = gate;
    settings.run.pareto_lag = pareto;
}

fn early(settings: &mut Settings, gate: u32, pareto: u32) {
    lags(settings, gate, pareto);
    settings.run.speculate = Speculation::Decided;
}

fn texts(settings: &mut Settings, lag: u32, hypotheses: u32) {
    settings.reflection.hypotheses = Some(hypotheses);
    early(settings, lag, lag);
}

/// Rows that grow, with the texts per reflection that go with them.
fn growing(settings: &mut Settings, lag: u32) {
    lags(settings, lag, lag);
    settings.search.evaluation = Evaluation::Growing;
}

fn free(settings: &mut Settings, gate: u32, pareto: u32) {
    settings.run.schedule = ScheduleKind::Free;
    lags(settings, gate, pareto);
}

/// A way to treat children that were overtaken, with equal lags.
fn stale(settings: &mut Settings, lag: u32, children: StaleChildren) {
    free(settings, lag, lag);
    settings.run.stale_children = children;
}

fn growing_free(settings: &mut Settings, lag: u32) {
    growing(settings, lag);
    settings.run.schedule = ScheduleKind::Free;
}

/// Generations of which only the children that rose most go on.
fn best_of(settings: &mut Settings, parents: u32, kept: u32) {
    generations(settings, parents);
    settings.search.keep_best = Some(kept);
}

fn generations(settings: &mut Settings, parents: u32) {
    lags(settings, 1, 1);
    settings.search.parents_per_generation = parents;
}
