//! How often runs end with `better` where nothing can be learned, and where a known gain is there.

use gepa_statistics::detectable_difference;

#[path = "../../../bench/examples/null_runs/world.rs"]
mod world;

use world::{Nature, Sizes, tally};

const HELD_OUT: Sizes = Sizes {
    pareto: 20,
    validation: 40,
    rollouts: 260,
};

#[tokio::test]
async fn where_nothing_can_be_learned_at_most_one_run_of_twenty_is_better() {
    let bits = tally(Nature::Bits, HELD_OUT, 0..100).await.unwrap();
    assert!(bits.better <= 5, "{bits:?}");
    let graded = tally(Nature::Graded, HELD_OUT, 0..60).await.unwrap();
    assert!(graded.better <= 3, "{graded:?}");
    let alone = Sizes {
        pareto: 40,
        validation: 0,
        rollouts: 260,
    };
    let chosen = tally(Nature::Bits, alone, 0..60).await.unwrap();
    assert!(chosen.better <= 3, "{chosen:?}");
    // Most runs chose another candidate, so the verdicts had something to be wrong about.
    assert!(
        bits.nothing < 60 && chosen.nothing < 40,
        "{bits:?} {chosen:?}"
    );
}

#[tokio::test]
async fn the_gain_that_a_plan_announces_is_found_in_four_of_five_runs() {
    let gain = detectable_difference(40, 0.3, 0.95).unwrap();
    let nature = Nature::Gain {
        discordance: gain.max(0.3),
        gain,
    };
    let found = tally(nature, HELD_OUT, 0..240).await.unwrap();
    assert!(found.better >= 192, "{gain}: {found:?}");
    assert_eq!(found.worse, 0);
}
