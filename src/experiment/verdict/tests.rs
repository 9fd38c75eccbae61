//! Verdicts on made-up distances, and how often they are right on simulated ones.

use super::*;
use crate::random::{self, Purpose};

fn protocol(baselines: &[&str], candidates: &[(&str, Option<&str>)], sizes: &[usize]) -> Protocol {
    let candidate = |&(arm, control): &(&str, Option<&str>)| Candidate {
        arm: arm.into(),
        controls: control.into_iter().map(Into::into).collect(),
    };
    Protocol {
        baselines: baselines.iter().map(|&name| name.into()).collect(),
        candidates: candidates.iter().map(candidate).collect(),
        asked: {
            let controls = candidates.iter().filter_map(|(_, control)| *control);
            let arms = baselines.iter().copied().chain(candidates.iter().map(|(arm, _)| *arm)).chain(controls);
            arms.flat_map(|arm| sizes.iter().map(move |&size| (arm.to_string(), size))).collect()
        },
    }
}

/// Outcomes of an arm at 100 images, on seeds 0 and up.
fn measured(arm: &str, reading: Reading, distances: &[f64]) -> Vec<Measured> {
    let each = distances.iter().zip(0..).map(|(&fd, seed)| Measured {
        arm: arm.into(),
        size: 100,
        seed,
        reading,
        fd: Some(fd),
        sampling: 0.0,
    });
    each.collect()
}

const SCRATCH: [f64; 5] = [200.0, 220.0, 180.0, 210.0, 190.0];

/// Scratch, scratch+augment and an arm whose distances are scratch's times `ratio`, give or take a percent.
fn three_arms(augment: f64, ratio: f64, reading: Reading) -> Vec<Measured> {
    let jitter = [1.01, 0.99, 1.0, 1.005, 0.995];
    let scaled = |factor: f64| std::array::from_fn::<f64, 5, _>(|i| SCRATCH[i] * factor * jitter[i]);
    [("scratch", SCRATCH), ("scratch+augment", scaled(augment)), ("trgan", scaled(ratio))]
        .iter()
        .flat_map(|(arm, distances)| measured(arm, reading, distances))
        .collect()
}

fn both() -> Protocol {
    protocol(&["scratch", "scratch+augment"], &[("trgan", None)], &[100])
}

fn only(protocol: &Protocol, measured: &[Measured]) -> Finding {
    let mut all = findings(protocol, measured).unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn an_arm_is_held_against_the_better_baseline() {
    for (augment, ratio, expected) in [
        (0.9, 0.7, Verdict::Helps),
        (1.2, 0.7, Verdict::Helps),
        (0.7, 0.8, Verdict::Hurts),
        (1.5, 1.3, Verdict::Hurts),
        (1.5, 1.0, Verdict::Equivalent),
    ] {
        let finding = only(&both(), &three_arms(augment, ratio, Reading::Final));
        assert_eq!(finding.verdict, expected, "{augment} {ratio}: {finding:?}");
        assert_eq!((finding.caveat, finding.transfer_helps), (None, None));
    }
}

/// Log ratios -d, 0, d have the error d / sqrt 3, so ln 1.1 lies t = ln 1.1 sqrt 3 / d errors off, and with two degrees of freedom
/// p = 1/2 - t / (2 sqrt(2 + t^2)): 0.00718 for d = 0.02, 0.01574 for 0.03, 0.02700 for 0.04.
#[test]
fn equivalence_is_held_for_all_arms_together() {
    let arm = |name: &str, d: f64| {
        let distances: Vec<f64> = [-d, 0.0, d].iter().zip(SCRATCH).map(|(log, fd)| fd * log.exp()).collect();
        measured(name, Reading::Final, &distances)
    };
    let said = |deviations: &[f64]| -> Vec<(Verdict, f64)> {
        let names = ["trgan", "tgan", "ctgan"];
        let candidates: Vec<(&str, Option<&str>)> =
            names[..deviations.len()].iter().map(|&name| (name, None)).collect();
        let mut all = measured("scratch", Reading::Final, &SCRATCH);
        all.extend(names.iter().zip(deviations).flat_map(|(name, &d)| arm(name, d)));
        let found = findings(&protocol(&["scratch"], &candidates, &[100]), &all).unwrap();
        found.into_iter().map(|finding| (finding.verdict, (finding.equivalent * 1e5).round())).collect()
    };
    let (yes, no) = (Verdict::Equivalent, Verdict::Undecided);
    assert_eq!(said(&[0.03]), [(yes, 1574.0)]);
    assert_eq!(said(&[0.04]), [(no, 2700.0)]);
    assert_eq!(said(&[0.03, 0.03]), [(no, 3147.0), (no, 3147.0)], "each alone would be equivalent");
    assert_eq!(said(&[0.02, 0.03]), [(yes, 1436.0), (yes, 1574.0)], "the second is held against what is left");
    assert_eq!(said(&[0.02, 0.03, 0.03]), [(yes, 2154.0), (no, 3147.0), (no, 3147.0)]);
}

/// Log ratios -d, 0, d against scratch; augmentation is at 1.5 times scratch, so that the arm lies within 10 % of scratch alone, and
/// the side that asks for one of two baselines has twice its p value.
#[test]
fn equivalence_to_one_of_two_baselines_pays_for_the_choice() {
    for (d, expected) in [(0.02, Verdict::Equivalent), (0.03, Verdict::Undecided)] {
        let scaled = |factors: [f64; 3]| std::array::from_fn::<f64, 3, _>(|i| SCRATCH[i] * factors[i]);
        let all = [
            measured("scratch", Reading::Final, &SCRATCH[..3]),
            measured("scratch+augment", Reading::Final, &scaled([1.5; 3])),
            measured("trgan", Reading::Final, &scaled([-d, 0.0, d].map(f64::exp))),
        ];
        let finding = only(&both(), &all.concat());
        assert_eq!(finding.verdict, expected, "{d}: {finding:?}");
    }
}

#[test]
fn a_wide_interval_is_undecided() {
    let all =
        [measured("scratch", Reading::Final, &SCRATCH), measured("trgan", Reading::Final, &[100.0, 400.0, 150.0])];
    let finding = only(&protocol(&["scratch"], &[("trgan", None)], &[100]), &all.concat());
    assert_eq!((finding.verdict, finding.contrasts[0].seeds), (Verdict::Undecided, 3));
}

#[test]
fn fewer_seeds_than_three_decide_nothing() {
    let words =
        [(0, "no runs that pair"), (1, "one seed is no evidence"), (2, "2 seeds paired with scratch are too few")];
    for (seeds, words) in words {
        // The first seeds of each arm.
        let some: Vec<Measured> =
            three_arms(0.9, 0.3, Reading::Final).into_iter().filter(|outcome| outcome.seed < seeds).collect();
        let finding = only(&both(), &some);
        assert_eq!(finding.verdict, Verdict::Undecided);
        assert_eq!(finding.contrasts[0].seeds as u64, seeds);
        assert_eq!(finding.contrasts[0].ratio.is_some(), seeds > 0);
        assert_eq!(finding.contrasts[0].test.is_some(), seeds > 1);
        assert!(finding.caveat.unwrap().contains(words));
    }
    let enough: Vec<Measured> = three_arms(0.9, 0.3, Reading::Final).into_iter().filter(|o| o.seed < 3).collect();
    assert_eq!(only(&both(), &enough).verdict, Verdict::Helps);
}

#[test]
fn a_diverged_run_is_not_left_out() {
    let mut all = three_arms(0.9, 0.5, Reading::Final);
    all.last_mut().unwrap().fd = None;
    let finding = only(&both(), &all);
    assert_eq!((finding.verdict, finding.contrasts[0].ratio), (Verdict::Undecided, None));
    assert_eq!(finding.caveat.unwrap(), "1 of 5 pairs with scratch diverged");
}

#[test]
fn transfer_helps_where_the_control_is_beaten_too() {
    for (control, expected) in [(1.0, true), (0.5, false)] {
        let mut all = three_arms(0.9, 0.5, Reading::Final);
        let untrained: Vec<f64> =
            SCRATCH.iter().zip([1.0, 1.01, 0.99, 1.0, 1.0]).map(|(fd, jitter)| fd * control * jitter).collect();
        // Controls may have fewer seeds.
        all.extend(measured("untrained", Reading::Final, &untrained[..4]));
        let arms = protocol(&["scratch", "scratch+augment"], &[("trgan", Some("untrained"))], &[100]);
        let finding = only(&arms, &all);
        assert_eq!((finding.verdict, finding.transfer_helps), (Verdict::Helps, Some(expected)));
        assert_eq!((finding.contrasts[2].against.as_str(), finding.contrasts[2].seeds), ("untrained", 4));
    }
}

#[test]
fn a_verdict_says_under_which_readings_it_holds() {
    let all =
        [three_arms(0.9, 0.7, Reading::Final), three_arms(0.9, 0.8, Reading::Best), three_arms(0.9, 1.3, Reading::Raw)];
    let finding = only(&both(), &all.concat());
    assert_eq!(finding.verdict, Verdict::Helps);
    assert_eq!(finding.stable_under, [Reading::Best]);
    assert_eq!(finding.changes_under, [(Reading::Raw, Verdict::Hurts)]);
    let json = serde_json::to_value(&finding).unwrap();
    assert_eq!((&json["verdict"], &json["stable_under"][0]), (&"helps".into(), &"best".into()));
}

#[test]
fn a_verdict_says_whether_it_holds_under_every_judge_and_without_classes() {
    use Measure::{ClassFree, OtherArchitecture, OtherSeed};
    let finding = only(&both(), &three_arms(0.9, 0.7, Reading::Final));
    assert_eq!((finding.agreement(), finding.holds_under_all), (None, None), "one judge");
    let others = |verdicts: [Verdict; 3], transfer_helps: [Option<bool>; 3]| -> Vec<ByMeasure> {
        let measures = [OtherSeed, OtherArchitecture, ClassFree].into_iter().zip(verdicts).zip(transfer_helps);
        measures.map(|((measure, verdict), transfer_helps)| ByMeasure { measure, verdict, transfer_helps }).collect()
    };
    let (helps, open) = (Verdict::Helps, Verdict::Undecided);
    let held = finding.clone().beside(others([helps; 3], [None; 3]));
    assert_eq!(held.holds_under_all, Some(true));
    assert_eq!(held.agreement().unwrap(), "helps under all three judges and in the space without classes");
    let alone = finding.clone().beside(others([helps, open, Verdict::Hurts], [None; 3]));
    assert_eq!(alone.holds_under_all, Some(false));
    assert_eq!(
        alone.agreement().unwrap(),
        "helps, but not under every judge: a judge of another architecture would say undecided; the space without classes would say \
         hurts"
    );
    let json = serde_json::to_value(&alone).unwrap();
    assert_eq!((&json["by_measure"][2]["measure"], &json["holds_under_all"]), (&"class-free".into(), &false.into()));

    let transfers = Finding { transfer_helps: Some(true), ..finding };
    let held = transfers.clone().beside(others([helps; 3], [Some(true); 3]));
    assert!(held.agreement().unwrap().starts_with("helps, transfer helps under all three judges"));
    let alone = transfers.beside(others([helps; 3], [Some(true), Some(false), Some(true)]));
    let said = "helps, transfer helps, but not under every judge: by a judge of another architecture it is not shown to beat its controls";
    assert_eq!(alone.agreement().unwrap(), said);

    let undecided = Finding { verdict: open, transfer_helps: Some(false), ..held };
    assert_eq!(undecided.clone().beside(others([open; 3], [None; 3])).agreement(), None, "nothing is claimed");
    let differs = undecided.beside(others([open, helps, open], [None; 3])).agreement().unwrap();
    assert_eq!(differs, "undecided, but not under every judge: a judge of another architecture would say helps");
}

#[test]
fn what_has_no_logarithm_or_comes_twice_is_an_error() {
    let all = three_arms(0.9, 0.7, Reading::Final);
    for fd in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let mut bad = all.clone();
        bad[7].fd = Some(fd);
        let error = findings(&both(), &bad).unwrap_err().to_string();
        assert!(error.starts_with("the distance of arm scratch+augment at 100 images, seed 2, is "), "{error}");
    }
    let error = findings(&both(), &[&all[..], &all[..1]].concat()).unwrap_err().to_string();
    assert!(error.starts_with("arm scratch at 100 images, seed 0, is there twice"), "{error}");
    assert!(findings(&protocol(&[], &[], &[]), &[]).is_err());
}

/// Deviations of simulated log distances: what a seed does to all arms, and what it does to each.
const SHARED: f64 = 0.2;
const OWN: f64 = 0.1;

/// Comparisons of four arms at two sizes, by how much each arm's log distance lies from scratch's. Augmentation is far
/// worse than scratch, which is when *helps* is the easiest: with two equal baselines an arm has to beat both.
fn simulate(index: u64, seeds: u64, arms: &[&str], effect: impl Fn(&str) -> f64) -> Vec<Measured> {
    const BASE: f64 = 5.3;
    let mut generator = random::generator(17, Purpose::GradientCheck, seeds, index);
    let mut all = Vec::new();
    for (size, seed) in [100, 1000].into_iter().flat_map(|size| (0..seeds).map(move |seed| (size, seed))) {
        let draws = random::normal(&mut generator, 1 + arms.len());
        let shared = BASE + SHARED * f64::from(draws[0]);
        all.extend(arms.iter().zip(&draws[1..]).map(|(arm, &own)| {
            let fd = (shared + effect(arm) + OWN * f64::from(own)).exp();
            Measured { arm: arm.to_string(), size, seed, reading: Reading::Final, fd: Some(fd), sampling: 0.0 }
        }));
    }
    all
}

const ARMS: [&str; 6] = ["scratch", "scratch+augment", "trgan", "tgan", "ctgan", "trgan-mission"];

/// The share of simulated comparisons of all four methods that say the verdict somewhere.
fn rate(seeds: u64, verdict: Verdict, effect: impl Fn(&str) -> f64 + Copy) -> f64 {
    const COMPARISONS: u64 = 4000;
    let candidates: Vec<(&str, Option<&str>)> = ARMS[2..].iter().map(|&arm| (arm, None)).collect();
    let protocol = protocol(&ARMS[..2], &candidates, &[100, 1000]);
    let said = (0..COMPARISONS).filter(|&index| {
        let all = findings(&protocol, &simulate(index, seeds, &ARMS, effect)).unwrap();
        all.iter().any(|finding| finding.verdict == verdict)
    });
    said.count() as f64 / COMPARISONS as f64
}

#[test]
fn comparisons_of_equal_arms_say_helps_in_at_most_three_percent() {
    for seeds in [3, 5] {
        let equal = rate(seeds, Verdict::Helps, |_| 0.0);
        let one_baseline = rate(seeds, Verdict::Helps, |arm| if arm == "scratch+augment" { 3.0 } else { 0.0 });
        let hurts = rate(seeds, Verdict::Hurts, |_| 0.0);
        println!("{seeds} seeds: helps {equal}, against one baseline {one_baseline}, hurts {hurts}");
        assert!(equal <= 0.03 && one_baseline <= 0.03 && hurts <= 0.03, "{seeds}: {equal} {one_baseline} {hurts}");
        // The level is used, not just kept: a test that never said "helps" would keep it too.
        assert!(one_baseline >= 0.005, "{seeds}: {one_baseline}");
    }
}

/// One method of four brings the distance to 0.6 at one size of two, by 3.6 standard deviations of a paired log ratio.
#[test]
fn real_effects_are_found() {
    const COMPARISONS: u64 = 1000;
    let candidates: Vec<(&str, Option<&str>)> = ARMS[2..].iter().map(|&arm| (arm, None)).collect();
    let protocol = protocol(&ARMS[..2], &candidates, &[100, 1000]);
    let found = (0..COMPARISONS).filter(|&index| {
        let mut all = simulate(index, 5, &ARMS, |_| 0.0);
        for outcome in all.iter_mut().filter(|outcome| outcome.arm == "trgan" && outcome.size == 100) {
            outcome.fd = outcome.fd.map(|fd| 0.6 * fd);
        }
        findings(&protocol, &all).unwrap()[0].verdict == Verdict::Helps
    });
    let power = found.count() as f64 / COMPARISONS as f64;
    println!("power {power}");
    assert!(power > 0.8, "{power}");
}

#[test]
fn claims_are_made_where_arms_were_asked_for_alone() {
    let jitter = [1.01, 0.99, 1.0, 1.005, 0.995];
    let of = |arm: &str, size: usize, factor: f64| -> Vec<Measured> {
        let fds: Vec<f64> = SCRATCH.iter().zip(jitter).map(|(fd, jitter)| fd * factor * jitter).collect();
        measured(arm, Reading::Final, &fds).into_iter().map(|one| Measured { size, ..one }).collect()
    };
    let mut whole = protocol(&["scratch", "scratch+augment"], &[("trgan", None), ("tgan", Some("untrained"))], &[100]);
    let all = [of("scratch", 100, 1.0), of("scratch+augment", 100, 0.9), of("trgan", 100, 0.7), of("tgan", 100, 0.6)];
    let mut all = all.concat();
    all.extend(of("untrained", 100, 0.8));
    let before = findings(&whole, &all).unwrap();
    assert_eq!(before.iter().map(|found| found.transfer_helps).collect::<Vec<_>>(), [None, Some(true)]);

    // One arm more at another size, beside scratch alone: what is claimed at the first stays what it is but for one hypothesis more.
    whole.asked.extend([("scratch", 1000), ("tgan", 1000)].map(|(arm, size)| (arm.to_string(), size)));
    all.extend([of("scratch", 1000, 1.0), of("tgan", 1000, 0.5)].concat());
    let found = findings(&whole, &all).unwrap();
    let places: Vec<(&str, usize)> = found.iter().map(|found| (found.arm.as_str(), found.size)).collect();
    assert_eq!(places, [("trgan", 100), ("tgan", 100), ("tgan", 1000)]);
    assert_eq!((found[2].verdict, found[2].transfer_helps), (Verdict::Helps, None));
    let caveat = found[2].caveat.as_ref().unwrap();
    assert!(caveat.contains("not held against scratch+augment, untrained"), "{caveat}");
    assert_eq!(found[0].caveat, None);
    assert!(found[0].helps >= before[0].helps && found[0].verdict == Verdict::Helps);

    // Where nothing is from scratch nothing is claimed, and nothing else is corrected for it.
    whole.asked.push(("trgan".to_string(), 50));
    all.extend(of("trgan", 50, 0.5));
    let more = findings(&whole, &all).unwrap();
    let bare = &more[0];
    assert_eq!(
        (bare.size, bare.verdict, bare.helps, bare.hurts, bare.equivalent),
        (50, Verdict::Undecided, 1.0, 1.0, 1.0)
    );
    assert!(bare.caveat.as_ref().unwrap().contains("no arm from scratch"));
    assert_eq!(more[1..], found[..]);
}

#[test]
fn a_control_of_few_seeds_takes_nothing_from_a_verdict() {
    let protocol = protocol(&["scratch", "scratch+augment"], &[("trgan", Some("control"))], &[100]);
    let few = measured("control", Reading::Final, &SCRATCH[..2]);
    let finding = only(&protocol, &[three_arms(0.9, 0.7, Reading::Final), few].concat());
    assert_eq!((finding.verdict, finding.transfer_helps), (Verdict::Helps, Some(false)));
    let caveat = finding.caveat.unwrap();
    assert!(caveat.starts_with("whether transfer helps cannot be told: 2 seeds paired with control"), "{caveat}");
}
