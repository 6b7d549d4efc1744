//! How often a run ends with the verdict `better` where nothing can be learned, and where a gain of
//! the size that `--plan` announces is there to be found.
//!
//! `cargo run --release -p gepa-bench --example null_runs [RUNS]`

mod world;

use std::error::Error;
use std::io::{Write, stdout};

use gepa_statistics::detectable_difference;
use world::{Nature, Sizes, tally};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let runs = std::env::args()
        .nth(1)
        .map_or(Ok(1_000), |text| text.parse())?;
    let held_out = Sizes {
        pareto: 30,
        validation: 60,
        rollouts: 450,
    };
    let alone = Sizes {
        pareto: 60,
        validation: 0,
        rollouts: 450,
    };
    let gain = |discordance| -> Result<Nature, Box<dyn Error>> {
        let gain = detectable_difference(60, discordance, 0.95).ok_or("too few examples")?;
        Ok(Nature::Gain {
            discordance: discordance.max(gain),
            gain,
        })
    };
    let worlds = [
        (
            "nothing, scores 0 and 1, 60 held out",
            Nature::Bits,
            held_out,
        ),
        (
            "nothing, graded scores, 60 held out",
            Nature::Graded,
            held_out,
        ),
        (
            "nothing, scores 0 and 1, none held out",
            Nature::Bits,
            alone,
        ),
        ("the gain announced at 30 % differing", gain(0.3)?, held_out),
        (
            "the gain announced at 15 % differing",
            gain(0.15)?,
            held_out,
        ),
    ];
    let mut out = stdout();
    writeln!(out, "{runs} runs each")?;
    for (name, nature, sizes) in worlds {
        let found = tally(nature, sizes, 0..runs).await?;
        let percent = 100.0 * f64::from(found.better) / runs as f64;
        writeln!(
            out,
            "{name:<42} better {:>4} ({percent:.1} %), not shown {:>4}, worse {:>4}, nothing learned {:>4}",
            found.better, found.not_shown, found.worse, found.nothing
        )?;
    }
    Ok(())
}
