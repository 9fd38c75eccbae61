//! The transfer methods: what starts where, what stays frozen, what a kill costs, and what the command line says of it.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use graft::classifier;
use graft::data::{Dataset, Images, Reading, Spec, Split};
use graft::gan::{Architecture, Average, Conditions, Recipe, Trainer, load_generator, sample};
use graft::metrics::{Judge, JudgeSettings, RealImages, Reference, Supervision};
use graft::nn::{Layout, Parameter};
use graft::random::Purpose;
use graft::run::{Ending, Event, OnNan, RunFolder, Watcher, unwatched};
use graft::transfer::curve::{Curve, Measuring};
use graft::transfer::{
    Arm, Folders, METHODS, Plan, Pretraining, Shelf, SourceImages, Style, Trained, Workshop, inspect, starting_recipe,
    suited, train,
};
use graft::{Checkpoint, Device, Error, Result, Tensor};

use crate::case::elements;
use crate::program::{Desk, IMAGES, idx, images};
use crate::surgery::GREY;

/// Watches nothing, and stops after so many steps of all phases together.
struct Patience {
    left: u64,
    notes: Vec<String>,
    phases: Vec<String>,
    looks: Vec<u64>,
    pictures: Vec<u64>,
}

impl Patience {
    fn new(steps: u64) -> Patience {
        Patience { left: steps, notes: Vec::new(), phases: Vec::new(), looks: Vec::new(), pictures: Vec::new() }
    }
}

impl Patience {
    fn watch(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>> {
        match *event {
            Event::Losses { losses, .. } => assert!(losses.iter().all(|(_, loss)| loss.is_finite()), "{losses:?}"),
            Event::Made(_) => self.left = self.left.saturating_sub(1),
            Event::Picture { step, .. } => self.pictures.push(step),
            Event::Phase { name, .. } => self.phases.push(name.to_string()),
            Event::Note(text) => self.notes.push(text.to_string()),
            Event::State(state) if state.step().is_multiple_of(4) => {
                self.looks.push(state.step());
                let recipe = state.trainer().recipe();
                for network in [state.trainer().average(), &state.trainer().raw()] {
                    sample(network.network(), &recipe.architecture, recipe.seed, Purpose::SampleLatents, 2, None)?;
                }
            }
            _ => {}
        }
        Ok(if self.left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

const STEPS: u64 = 8;
const SOURCE_STEPS: u64 = 6;
const FEATURE_STEPS: u64 = 5;
const FOREVER: u64 = u64::MAX;

/// A run on the small images of a desk, which are grey: coloured as a source, repeated as a target.
fn plan(desk: &Desk, arm: &str) -> Plan {
    let data = format!("idx:{},{}", desk.path("images").display(), desk.path("labels").display());
    let base = starting_recipe(3, 32, 3);
    let architecture = Architecture { features: 4, latent: 6, ..base.architecture };
    Plan {
        source: data.clone(),
        source_style: None,
        source_steps: SOURCE_STEPS,
        feature_steps: FEATURE_STEPS,
        target: data,
        subset: Some(24),
        subset_plain: false,
        steps: STEPS,
        scratch: false,
        source_changed: None,
        device: "cpu".into(),
        threads: 0,
        checkpoint_every: 3,
        sample_every: 100,
        keep: None,
        keep_every: None,
        on_nan: OnNan::Stop,
        evaluate_every: None,
        class_free: false,
        reading: Reading::default(),
        arm: Arm::parse(arm).unwrap(),
        recipe: Recipe { batch: 8, architecture, ..base },
    }
}

fn target(plan: &Plan) -> Dataset {
    plan.choose(&plan.read_target().unwrap()).unwrap()
}

/// Trains an arm that shares its source's images with no other.
fn run(plan: &Plan, target: Dataset, folders: &Folders, device: &Device, watcher: &mut Watcher<'_>) -> Result<Trained> {
    train(plan, target, &SourceImages::of(plan), folders, device, watcher)
}

/// Trains an arm in a folder, its source on a shelf; fails unless it finishes.
fn finished(plan: &Plan, folders: &Folders) -> Patience {
    let mut observer = Patience::new(FOREVER);
    let outcome = run(plan, target(plan), folders, &Device::cpu(), &mut |event| observer.watch(event)).unwrap();
    assert_eq!(outcome.ending, Ending::Finished);
    observer
}

fn last(folder: &Path) -> Checkpoint {
    Checkpoint::read(&folder.join("checkpoints/last.safetensors")).unwrap()
}

fn with_prefix(checkpoint: &Checkpoint, prefix: &str) -> Vec<(String, Vec<f64>)> {
    let names = checkpoint.names().filter(|name| name.starts_with(prefix));
    let tensor = |name: &str| elements(&checkpoint.tensor(name, &Device::cpu()).unwrap());
    names.map(|name| (name[prefix.len()..].to_string(), tensor(name))).collect()
}

#[test]
fn every_arm_trains_and_a_kill_in_any_phase_costs_nothing() {
    let desk = Desk::new();
    let mut arms: Vec<String> = Arm::names().map(str::to_owned).collect();
    arms.extend(
        [
            "scratch{lecam=0.3}",
            "trgan{anchor=cdc}",
            "trgan{anchor=l2sp,freeze-d=1}",
            "tgan{g-init=fresh}",
            "ctgan{soft-labels=true,ctgan-features=true,confidence=0}",
            "ctgan{labels=fewshot:1}",
            "ctgan{labels=true,d-init=fresh}",
        ]
        .map(str::to_owned),
    );
    for (index, arm) in arms.iter().enumerate() {
        let plan = plan(&desk, arm);
        let whole =
            Folders::shared(&desk.path(format!("{index}")), &desk.path("shelf"), &plan.arm, plan.subset).unwrap();
        let watched = finished(&plan, &whole);
        assert_eq!(watched.looks, [0, 4, 8], "{arm}: looks are for the target alone");

        // Stopped in each phase in turn, and gone on with.
        let split = Folders::within(&desk.path(format!("{index}-split")));
        let mut phases = 0;
        for _ in 0..20 {
            let mut patience = Patience::new(4);
            let outcome =
                run(&plan, target(&plan), &split, &Device::cpu(), &mut |event| patience.watch(event)).unwrap();
            phases += 1;
            if outcome.ending == Ending::Finished {
                break;
            }
        }
        assert!(phases > 1, "{arm}");
        let bytes = |folders: &Folders| std::fs::read(folders.run.join("checkpoints/last.safetensors")).unwrap();
        assert!(bytes(&whole) == bytes(&split), "{arm}: split and unbroken runs differ");
    }
}

#[test]
fn a_curve_of_distances_survives_kills_and_leaves_the_checkpoint_as_it_is() {
    const EVERY: u64 = 2;
    let desk = Desk::new();
    let plan = plan(&desk, "trgan");
    let images = target(&plan);
    let options = classifier::Options { steps: 5, ..JudgeSettings::STANDARD.options };
    let device = Device::cpu();
    let judge = Judge::train(
        images.clone(),
        Supervision::Classes(JudgeSettings { width: 4, options, ..JudgeSettings::STANDARD }),
        &device,
        &mut |_| Ok(ControlFlow::Continue(())),
    );
    let real = RealImages { held_out: &images, other: &images, training: None };
    let reference = Reference::new(Arc::new(judge.unwrap().unwrap()), &real).unwrap();
    let watched = |name: &str, patience: u64| {
        let folders = Folders::within(&desk.path(name));
        let folder = RunFolder::prepare(&folders.run).unwrap();
        let step = folder.read_checkpoint().map_or(0, |checkpoint| checkpoint.header["step"].as_u64().unwrap());
        let mut measuring = Measuring::resume(&folder, (step, STEPS), &reference, EVERY, false).unwrap();
        let curve = Curve::read(&folder).unwrap();
        assert!(curve.points().iter().all(|point| point.step <= step), "what comes later is made again");
        let mut inner = Patience::new(patience);
        let watcher = &mut |event: &Event<'_>| {
            measuring.watch(event)?;
            inner.watch(event)
        };
        let ending = run(&plan, images.clone(), &folders, &device, watcher).unwrap().ending;
        assert_eq!(
            inner.pictures,
            if ending == Ending::Finished { vec![STEPS] } else { vec![] },
            "told behind the watch"
        );
        ending
    };
    let steps = |name: &str| -> Vec<u64> {
        let folder = RunFolder::open(&desk.path(name)).unwrap();
        Curve::read(&folder).unwrap().points().iter().map(|point| point.step).collect()
    };
    assert_eq!(watched("whole", FOREVER), Ending::Finished);
    assert_eq!(steps("whole"), [0, 2, 4, 6, 8]);
    finished(&plan, &Folders::within(&desk.path("unwatched")));
    assert!(desk.checkpoint("whole") == desk.checkpoint("unwatched"), "looks change nothing");

    // In the source's phase, then behind step 3 of the target's, where the point of step 4 is still to come.
    for patience in [SOURCE_STEPS - 1, 4] {
        assert_eq!(watched("split", patience), Ending::Interrupted);
    }
    assert_eq!(steps("split"), [0, 2]);
    // Killed behind its checkpoint of step 3: a later point is there, and is not to be trusted.
    let text = desk.text("split/evaluations.jsonl");
    let later = text.lines().last().unwrap().replace("\"step\":2", "\"step\":4").replace("judge_fd\":", "judge_fd\":9");
    desk.write("split/evaluations.jsonl", format!("{text}{later}\n{{\"step\":6,\"ju").as_bytes());
    assert_eq!(watched("split", FOREVER), Ending::Finished);
    assert_eq!(desk.text("split/evaluations.jsonl"), desk.text("whole/evaluations.jsonl"));
    assert!(desk.checkpoint("split") == desk.checkpoint("whole"));

    // A point that a kill left out between a checkpoint and the look at it is made up for.
    let resumed = Plan { steps: STEPS + 2, ..plan.clone() };
    let text = desk.text("whole/evaluations.jsonl");
    let cut: String = text.split_inclusive('\n').take(4).collect();
    desk.write("whole/evaluations.jsonl", cut.as_bytes());
    let folder = RunFolder::open(&desk.path("whole")).unwrap();
    let mut measuring = Measuring::resume(&folder, (STEPS, STEPS + 2), &reference, EVERY, false).unwrap();
    let watcher = &mut |event: &Event<'_>| measuring.watch(event).map(|_| ControlFlow::Continue(()));
    run(&resumed, images.clone(), &Folders::within(folder.path()), &device, watcher).unwrap();
    assert!(desk.text("whole/evaluations.jsonl").starts_with(&text));
    assert_eq!(steps("whole"), [0, 2, 4, 6, 8, 10]);
    let best = Curve::read(&folder).unwrap().best().unwrap().step;
    assert_eq!(Checkpoint::read(&folder.best()).unwrap().header["step"], best, "the best on validation stays");
}

#[test]
fn what_a_checkpoint_is_of_is_said_in_numbers_and_names() {
    let desk = Desk::new();
    let header = |arm: &str| {
        let plan = plan(&desk, arm);
        let folders = Folders::within(&desk.path(arm));
        finished(&plan, &folders);
        last(&folders.run).header["method"]["labels"].as_str().unwrap().to_string()
    };
    let [pseudo, shuffled] = ["ctgan", "ctgan-shuffled"].map(header);
    assert!(pseudo.len() == 64 && pseudo.bytes().all(|digit| digit.is_ascii_hexdigit()), "{pseudo}");
    assert_ne!(pseudo, shuffled, "other labels have another digest");
}

#[test]
fn sources_are_trained_once_and_shared() {
    let desk = Desk::new();
    let shelf = desk.path("shelf");
    let phases = |arm: &str| {
        let plan = plan(&desk, arm);
        finished(&plan, &Folders::shared(&desk.path(arm), &shelf, &plan.arm, plan.subset).unwrap()).phases
    };
    assert_eq!(phases("trgan"), ["source", "trgan"]);
    assert_eq!(phases("trgan-mission"), ["trgan-mission"]);
    assert_eq!(phases("tgan"), ["classifier", "tgan"]);
    assert_eq!(phases("tgan-mission"), ["features", "tgan-mission"]);
    assert_eq!(phases("tgan-target"), ["features", "tgan-target"]);
    assert_eq!(phases("ctgan"), ["source", "ctgan"], "its classifier is tgan's");
    assert_eq!(phases("ctgan-shuffled"), ["ctgan-shuffled"]);
    assert_eq!(phases("scratch"), ["scratch"]);
}

#[test]
fn what_other_comparisons_learned_of_the_same_source_is_taken_off_a_shelf() {
    let desk = Desk::new();
    let kept = desk.path("kept");
    let learn = |place: &str, arm: &str, source_steps: u64, least: Duration| {
        let plan = Plan { source_steps, ..plan(&desk, arm) };
        let shared = Folders::shared(&desk.path(place), &desk.path(format!("{place}-learned")), &plan.arm, plan.subset);
        let folders = Folders { shelf: Some(Shelf::new(kept.clone(), least)), ..shared.unwrap() };
        let phases = finished(&plan, &folders).phases;
        (phases, std::fs::read(folders.run.join("checkpoints/last.safetensors")).unwrap())
    };
    let steps = plan(&desk, "ctgan").source_steps;
    let (_, first) = learn("hasty", "ctgan", steps, Duration::from_secs(3600));
    assert!(!kept.exists(), "what is learned sooner is not worth its place");
    let (phases, bytes) = learn("first", "ctgan", steps, Duration::ZERO);
    assert_eq!((phases, bytes == first), (["classifier", "source", "ctgan"].map(str::to_string).to_vec(), true));
    let files = || desk.names("kept");
    assert_eq!(files().len(), 2, "a source and a classifier");
    let (phases, bytes) = learn("second", "ctgan", steps, Duration::ZERO);
    assert_eq!((phases, bytes == first), (vec!["ctgan".to_string()], true), "nothing is learned twice");
    // Other settings are another source; the classifier is the same.
    assert_eq!(learn("third", "ctgan", steps + 1, Duration::ZERO).0, ["source", "ctgan"]);
    assert_eq!(learn("fourth", "trgan", steps, Duration::ZERO).0, ["source", "trgan"]);
    assert_eq!(files().len(), 4);
    // What cannot be read whole is as if it were not there.
    for file in files() {
        let whole = desk.read(format!("kept/{file}"));
        desk.write(&format!("kept/{file}"), &whole[..whole.len() / 2]);
    }
    let (phases, bytes) = learn("fifth", "ctgan", steps, Duration::ZERO);
    assert_eq!((phases.len(), bytes == first), (3, true));
}

/// Takes the state at step 0, samples of its average, and where their conditions come from.
struct AtStart(Option<(Checkpoint, Images, Conditions)>);

impl AtStart {
    fn watch(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>> {
        if let Event::State(state) = event
            && state.step() == 0
        {
            let (trainer, network) = (state.trainer(), state.trainer().average().network());
            let images = sample(network, &trainer.recipe().architecture, 1, Purpose::SampleLatents, 6, None)?;
            self.0 = Some((trainer.checkpoint()?, images, network.conditions().clone()));
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[test]
fn the_source_generator_is_frozen_and_the_target_starts_as_it() {
    let desk = Desk::new();
    let parameters = |checkpoint: &Checkpoint, prefix: &str| -> Vec<(String, Vec<f64>)> {
        let mut found = with_prefix(checkpoint, prefix);
        found.retain(|(name, _)| !name.contains("running"));
        found
    };
    // The distances of CDC are the only use of G_s within the training loop. Without labels CTGAN's conditions would stand still.
    for arm in ["trgan", "trgan{anchor=cdc}", "ctgan{confidence=0,balance=0}"] {
        let plan = plan(&desk, arm);
        let folders = Folders::within(&desk.path(arm));
        let mut start = AtStart(None);
        run(&plan, target(&plan), &folders, &Device::cpu(), &mut |event| start.watch(event)).unwrap();
        let ((start, images, conditions), end, source) = (start.0.unwrap(), last(&folders.run), last(&folders.source));

        let frozen = with_prefix(&source, "netG_ema.");
        assert_eq!(with_prefix(&start, "source.netG."), frozen, "{arm}: G_s at the start");
        assert_eq!(with_prefix(&end, "source.netG."), frozen, "{arm}: G_s at the end, to the bit");
        assert_eq!(
            parameters(&start, "netG."),
            parameters(&source, "netG_ema."),
            "{arm}: G_t starts from G_s's average"
        );
        assert_eq!(parameters(&start, "netG_ema."), parameters(&source, "netG_ema."), "{arm}");
        assert_eq!(with_prefix(&start, "netD."), with_prefix(&source, "netD."), "{arm}: D_t starts from D_s");
        for (name, weights) in parameters(&end, "netG.") {
            let (_, first) = parameters(&start, "netG.").into_iter().find(|(own, _)| *own == name).unwrap();
            assert_ne!(weights, first, "{arm}: {name} stands still");
        }

        // End to end: G_s, read from its own checkpoint, makes the same images of the same latents under the same conditions, with
        // statistics that are estimated at the same step.
        let (architecture, mut g_s) = load_generator(&source, &Device::cpu()).unwrap();
        g_s.set_conditions(conditions);
        let g_s = Average::new(&Device::cpu(), &architecture, &g_s, 0.0, plan.recipe.seed);
        g_s.estimate_statistics(0);
        let expected = sample(g_s.network(), &architecture, 1, Purpose::SampleLatents, 6, None).unwrap();
        assert!(expected == images, "{arm}: G_t(z) at step 0 is not G_s(z)");
    }
}

#[test]
fn a_feature_extractor_and_a_label_predictor_are_frozen() {
    let desk = Desk::new();
    // A classifier is the moving average of what learned, with statistics of the images that it is for.
    let weights = |of: Vec<(String, Vec<f64>)>| -> Vec<(String, Vec<f64>)> {
        of.into_iter().filter(|(name, _)| !name.contains("running")).collect()
    };
    for (arm, network, learned) in
        [("tgan{extractor=autoencoder,condition=instance}", "netF.", "netF."), ("ctgan", "netC.", "average.")]
    {
        let plan = plan(&desk, arm);
        let folders = Folders::within(&desk.path(network));
        let mut start = AtStart(None);
        run(&plan, target(&plan), &folders, &Device::cpu(), &mut |event| start.watch(event)).unwrap();
        let (start, ..) = start.0.unwrap();
        let phase = last(if network == "netF." { &folders.features } else { &folders.classifier });
        let frozen = with_prefix(&start, network);
        assert!(!frozen.is_empty(), "{arm}");
        assert_eq!(weights(frozen.clone()), weights(with_prefix(&phase, learned)), "{arm}: {network} at the start");
        assert_eq!(with_prefix(&last(&folders.run), network), frozen, "{arm}: {network} at the end, to the bit");
    }
}

#[test]
fn an_anchor_of_weights_holds_the_generator_near_the_source() {
    let desk = Desk::new();
    let shelf = desk.path("shelf");
    let way = |arm: &str| -> f64 {
        let plan = plan(&desk, arm);
        let folders = Folders::shared(&desk.path(arm), &shelf, &plan.arm, plan.subset).unwrap();
        finished(&plan, &folders);
        let end = last(&folders.run);
        let (own, source) = (with_prefix(&end, "netG."), with_prefix(&end, "source.netG."));
        let weights = own.into_iter().zip(source).filter(|((name, _), _)| !name.contains("running"));
        let squared = |((_, own), (_, source)): ((String, Vec<f64>), (String, Vec<f64>))| -> f64 {
            own.iter().zip(source).map(|(own, source)| (own - source).powi(2)).sum()
        };
        weights.map(squared).sum()
    };
    // Of 8 updates of Adam the first knows nothing of the anchor, and no later one knows anything else.
    let (free, held) = (way("trgan"), way("trgan{anchor=l2sp,anchor-weight=1e6}"));
    assert!(held < free / 4.0, "{held} of {free}");
}

#[test]
fn frozen_layers_stay_to_the_bit_and_a_fresh_discriminator_goes_first() {
    let desk = Desk::new();
    let shelf = desk.path("shelf");
    let trained = |arm: &str| {
        let plan = plan(&desk, arm);
        let folders = Folders::shared(&desk.path(arm), &shelf, &plan.arm, plan.subset).unwrap();
        finished(&plan, &folders);
        (last(&folders.run), last(&folders.source))
    };
    let (end, source) = trained("frozen=trgan{freeze-d=2}");
    let (found, before) = (with_prefix(&end, "netD."), with_prefix(&source, "netD."));
    for ((name, now), (_, then)) in found.iter().zip(&before) {
        let lowest = ["main.0.", "main.2."].iter().any(|layer| name.starts_with(layer));
        assert_eq!(now == then, lowest, "{name}");
    }
    assert!(with_prefix(&end, "adam.netD.main.0.").is_empty(), "a frozen layer has no moments");

    let (end, source) = trained("trgan-mission");
    // All 8 steps are the discriminator's own.
    let weights = |checkpoint: &Checkpoint, prefix: &str, part: &str| {
        let mut found = with_prefix(checkpoint, prefix);
        found.retain(|(name, _)| name.contains(part));
        found
    };
    assert_eq!(weights(&end, "netG.", "main.0.weight"), weights(&source, "netG_ema.", "main.0.weight"));
    assert_ne!(weights(&end, "netD.", "main.0.weight"), weights(&source, "netD.", "main.0.weight"));
}

/// Writes the checkpoint of a grey source, trained without a style.
fn grey_source(desk: &Desk, architecture: Architecture) -> std::path::PathBuf {
    let recipe = Recipe { batch: 8, architecture, ..starting_recipe(1, 32, 1) };
    let strokes = "synthetic:strokes".parse::<Spec>().unwrap().load(Split::Train).unwrap();
    let mut trainer = Trainer::new(&recipe, strokes.select(&[0, 1, 2, 3, 4, 5, 6, 7, 8]), &Device::cpu()).unwrap();
    trainer.step();
    let path = desk.path("grey.safetensors");
    trainer.checkpoint().unwrap().write(&path).unwrap();
    path
}

#[test]
fn layers_of_a_grey_source_are_frozen_only_where_that_is_asked_for() {
    let desk = Desk::new();
    let source = grey_source(&desk, GREY).display().to_string();
    let with = |arm: &str| {
        let plan = Plan { source: source.clone(), ..plan(&desk, arm) };
        let mut observer = Patience::new(FOREVER);
        let folders = Folders::within(&desk.path(arm));
        run(&plan, target(&plan), &folders, &Device::cpu(), &mut |event| observer.watch(event))
            .map(|_| observer.notes.join("\n"))
    };
    let report = with("plain=trgan").unwrap();
    for part in ["tiled from 1 to 3", "divided by 3"] {
        assert!(report.contains(part), "{report}");
    }
    let error = with("frozen=trgan{freeze-d=1}").unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("say allow-colour-blind"), "{error}");
    let report = with("allowed=trgan{freeze-d=1,allow-colour-blind=true}").unwrap();
    assert!(report.lines().any(|line| line.contains("D main.0.weight") && line.ends_with("frozen")), "{report}");
    let error = with("tgan").unwrap_err();
    assert!(matches!(&error, Error::Usage(text) if text.contains("no run's folder")), "{error}");
}

#[test]
fn the_accuracy_of_labels_is_reported_and_an_oracle_is_named() {
    let desk = Desk::new();
    let shelf = desk.path("shelf");
    let notes = |arm: &str| {
        let plan = plan(&desk, arm);
        let folders = Folders::shared(&desk.path(arm), &shelf, &plan.arm, plan.subset).unwrap();
        finished(&plan, &folders).notes.join("\n")
    };
    assert!(notes("ctgan{confidence=0,balance=0}").contains("pseudo-labels: 24 of 24 images have one, "));
    let oracle = notes("ctgan{labels=true}");
    assert!(oracle.contains("oracle: 24 of 24 images have one, 100.0 % of them right"), "{oracle}");
    assert!(notes("ctgan-shuffled").contains("a control"));
}

#[test]
fn a_transferred_checkpoint_gives_samples_by_class_and_by_features() {
    let desk = Desk::new();
    let pixels = |arm: &str, class: Option<u32>| {
        let plan = plan(&desk, arm);
        let folders = Folders::shared(&desk.path("run"), &desk.path("shelf"), &plan.arm, plan.subset).unwrap();
        let folders = Folders { run: desk.path(arm), ..folders };
        finished(&plan, &folders);
        let (architecture, network) = load_generator(&last(&folders.run), &Device::cpu()).unwrap();
        sample(&network, &architecture, 0, Purpose::SampleLatents, 6, class).unwrap()
    };
    let images = |images: &Images| (images.count, images.channels);
    assert_eq!(images(&pixels("tgan", None)), (6, 3));
    assert_eq!(images(&pixels("ctgan", Some(2))), (6, 3));
}

#[test]
fn a_style_is_part_of_what_a_source_is() {
    let desk = Desk::new();
    let folders = Folders::within(&desk.path("run"));
    finished(&plan(&desk, "trgan"), &folders);
    let plain = Plan { source_style: Some(Style::None), ..plan(&desk, "trgan") };
    let error = run(&plain, target(&plain), &folders, &Device::cpu(), &mut unwatched).unwrap_err();
    assert!(error.to_string().contains("source") && error.to_string().contains("another folder"), "{error}");
}

#[test]
fn a_run_as_a_source_is_as_grey_as_its_images_were_and_has_no_style_of_its_own_source() {
    let desk = Desk::new();
    let plan = plan(&desk, "tgan");
    finished(&plan, &Folders::within(&desk.path("run")));
    let images = SourceImages::of(&plan);
    for (source, style) in [("run/source", Style::Colour), ("run", Style::None)] {
        let source = desk.path(source).display().to_string();
        let (data, grey) = images.images(&source).unwrap();
        assert!(grey && data.images.channels == 3, "{source}: networks of three channels learned from grey images");
        assert_eq!(images.style(&source).unwrap(), style, "{source}");
    }
}

#[test]
fn a_source_with_images_of_one_class_teaches_none() {
    let desk = Desk::new();
    // MNIST has the names of ten.
    std::fs::create_dir(desk.path("one")).unwrap();
    desk.write("one/train-images-idx3-ubyte", &images());
    desk.write("one/train-labels-idx1-ubyte", &idx(&[IMAGES], &[3; IMAGES]));
    let source = format!("mnist:{}", desk.path("one").display());
    let of = |arm: &str| Plan { source: source.clone(), ..plan(&desk, arm) };
    assert_eq!(suited(&source, &SourceImages::of(&of("tgan")), &target(&of("tgan"))).unwrap(), "tgan");
    let refused = |arm: &str| {
        let plan = of(arm);
        inspect(&plan, &target(&plan), &SourceImages::of(&plan), &Device::cpu()).unwrap_err().to_string()
    };
    assert!(["ctgan", "ctgan-target"].iter().all(|arm| refused(arm).contains("of one class alone, and ctgan")));
    assert!(refused("trgan{agree=1}").contains("no labels of two or more"));
    assert!(refused("tgan{extractor=classifier}").contains("two classes or more"));
    assert_eq!(finished(&of("tgan"), &Folders::within(&desk.path("run"))).phases, ["features", "source", "tgan"]);
}

#[test]
fn every_method_is_found_by_name_and_has_its_own_arm() {
    for kind in METHODS {
        assert!(kind.arms.iter().any(|(arm, options)| *arm == kind.name && options.is_empty()), "{}", kind.name);
    }
}

#[test]
fn a_run_that_is_stopped_at_its_last_step_has_finished() {
    let desk = Desk::new();
    let plan = plan(&desk, "scratch");
    for (patience, ending) in [(STEPS - 1, Ending::Interrupted), (1, Ending::Finished)] {
        let folders = Folders::within(&desk.path("run"));
        let mut patience = Patience::new(patience);
        let outcome = run(&plan, target(&plan), &folders, &Device::cpu(), &mut |event| patience.watch(event)).unwrap();
        assert_eq!(outcome.ending, ending);
    }
}

/// A pre-training whose loss is finite and whose weights are not.
struct Broken(u64);

impl Pretraining for Broken {
    fn settings(&self) -> serde_json::Value {
        serde_json::Value::Null
    }

    fn steps(&self) -> u64 {
        self.0
    }

    fn step(&mut self) -> graft::Result<Tensor> {
        self.0 += 1;
        Ok(Tensor::zeros(&Device::cpu(), [1]))
    }

    fn slots(&self) -> Vec<(String, Vec<Parameter>)> {
        let weight = |value| Parameter::new("weight", Layout::Plain, Tensor::full(&Device::cpu(), [2], value));
        [("a", 0.0), ("b", f64::NAN)].map(|(prefix, value)| (prefix.to_string(), vec![weight(value)])).to_vec()
    }

    fn go_on_from(&mut self, _: u64) {}
}

#[test]
fn no_state_of_a_pre_training_is_written_that_is_not_finite() {
    let desk = Desk::new();
    let plan = plan(&desk, "tgan");
    let (images, folders, device) = (target(&plan), Folders::within(&desk.path("run")), Device::cpu());
    let (source, mut watcher) = (SourceImages::of(&plan), unwatched);
    let mut workshop = Workshop::new(&plan, &images, &source, &folders, &device, &mut watcher);
    let error = workshop.pretrain(&folders.features, "features", &mut Broken(0)).unwrap_err().to_string();
    assert_eq!(error, "the training of features diverged: at step 3 b.weight is the first tensor that is not finite");
    assert_eq!(desk.names("run/features/checkpoints"), [""; 0]);
}
