//! The commands that `graft transfer` prints: the one that makes the same run again, and the one that compares its arm with scratch.

use super::arguments::Preset;
use super::command::{option, option_of};
use super::presets::{OF_ARM, OfCompare, OfTransfer};
use super::{DEVICE, reading};
use crate::error::Result;
use crate::gan::Recipe;
use crate::options::{About, Options};
use crate::run::OnNan;
use crate::transfer::{Arm, Learning, METHODS, Plan, SCRATCH};

/// The command that names every setting that determines the results.
pub fn equivalent_command(plan: &Plan) -> String {
    let (method, options) = method_words(&plan.arm);
    let mut command = format!(
        "graft transfer{}{}{}",
        option("method", &method),
        option("source", &plan.source),
        option("target", &plan.target)
    );
    if let Some(subset) = plan.subset {
        command += &format!(" --subset {subset}{}", if plan.subset_plain { " --subset-plain" } else { "" });
    }
    command += &format!(
        " --steps {}{}{}",
        plan.steps,
        <OfTransfer as Preset<Learning>>::words(&plan.base_learning(), &[]),
        <OfTransfer as Preset<Recipe>>::words(&plan.recipe, &OF_ARM)
    );
    for (name, value) in options {
        command += &match about(&plan.arm, name) {
            Some(about) => option_of(about, value),
            None => option(name, value),
        };
    }
    command += &match plan.evaluate_every {
        Some(every) => format!(" --evaluate-every {every}"),
        None => " --no-judge".to_string(),
    };
    if plan.scratch {
        command += " --scratch";
    }
    if plan.on_nan == OnNan::Rollback {
        command += " --on-nan rollback";
    }
    if plan.device != DEVICE {
        command += &option("device", &plan.device);
    }
    command + &reading::words(&plan.reading)
}

/// The command that compares the arm with scratch over several seeds, the other settings as they are here.
pub fn compare_command(plan: &Plan) -> Result<String> {
    let mut arms = vec![Arm::parse(SCRATCH)?, Arm::parse("scratch+augment")?];
    match arms.iter_mut().find(|arm| arm.name == plan.arm.name) {
        Some(arm) => *arm = plan.arm.clone(),
        None => arms.push(plan.arm.clone()),
    }
    let arms = arms.iter().map(|arm| arm.notation()).collect::<Result<Vec<_>>>()?.join(",");
    let mut command = format!(
        "graft compare{}{}{}",
        option("source", &plan.source),
        option("target", &plan.target),
        option("arms", &arms)
    );
    let mut say = |differs: bool, option: String| {
        if differs {
            command += &option;
        }
    };
    let subset = plan.subset.map_or(String::new(), |subset| format!(" --subset {subset}"));
    say(plan.subset.is_some(), subset);
    say(plan.subset_plain, " --subset-plain".to_string());
    say(true, format!(" --steps {} --seeds 5", plan.steps));
    say(true, <OfCompare as Preset<Learning>>::needed_words(&plan.base_learning()));
    say(true, <OfCompare as Preset<Recipe>>::needed_words(&plan.recipe));
    say(plan.device != DEVICE, option("device", &plan.device));
    Ok(command + &reading::words(&plan.reading))
}

/// What an option of an arm is: of its method, or of a recipe.
fn about(arm: &Arm, name: &str) -> Option<&'static About> {
    let of_method = METHODS.iter().filter(|kind| kind.name == arm.method).flat_map(|kind| (kind.new)().abouts());
    of_method.chain(Recipe::ROWS.iter().map(|row| &row.about)).find(|about| about.name == name)
}

/// The arm as `--method` takes it, and the options that stand beside it: settings of the target alone that the source has, too, stand
/// within.
fn method_words(arm: &Arm) -> (String, Vec<(&String, &String)>) {
    let within = |name: &str| Arm::is_of_run(name) && !OF_ARM.contains(&name);
    let inner: Vec<String> =
        arm.options.iter().filter(|(name, _)| within(name)).map(|(name, value)| format!("{name}={value}")).collect();
    let name = arm.name.split_once('{').map_or(arm.name.as_str(), |(before, _)| before);
    let known = Arm::parse(name).is_ok_and(|named| named.method == arm.method);
    let text = match (known, inner.is_empty()) {
        (true, true) => name.to_string(),
        (false, true) => format!("{name}={}", arm.method),
        _ => format!("{name}={}{{{}}}", arm.method, inner.join(",")),
    };
    (text, arm.options.iter().filter(|(name, _)| !within(name)).collect())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::round_trip::words;
    use crate::cli::{Cli, Command};
    use crate::experiment::compare::Design;

    fn plan(command: &str) -> Plan {
        match Cli::try_parse_from(words(command)).unwrap_or_else(|error| panic!("{command}: {error}")).command {
            Command::Transfer(transfer) => transfer.plan().unwrap().0,
            _ => panic!("{command} is no transfer"),
        }
    }

    fn design(command: &str) -> Design {
        match Cli::try_parse_from(words(command)).unwrap_or_else(|error| panic!("{command}: {error}")).command {
            Command::Compare(compare) => compare.design().unwrap().0,
            _ => panic!("{command} is no comparison"),
        }
    }

    /// Commands but for their target, a file of a few images that is soon read.
    const COMMANDS: [&str; 12] = [
        "graft transfer",
        "graft transfer --method trgan-mission --subset 100 --subset-plain --no-judge",
        "graft transfer --method tgan --g-init fresh --extractor autoencoder --condition instance --feature-source mix --feature-length 16",
        "graft transfer --method ctgan --labels fewshot:3 --lr 1e-4 --lecam 0.1 --augment color,cutout --seed 7",
        "graft transfer --method 'trgan{r1=10,ema=0.9}' --r1 0.5",
        "graft transfer --method mine=trgan{anchor=cdc} --freeze-d 2 --batch 16 --d-norm spectral",
        "graft transfer --method scratch+augment --source synthetic:strokes --loss hinge --beta1 0.9 --d-steps 2",
        "graft transfer --loss wasserstein-gp --gp 5 --scratch --source-style none",
        "graft transfer --method ctgan=tgan{augment=none} --g-init fresh --lr 1e-4",
        "graft transfer --method 'trgan{source-steps=3,features=8,d-norm=spectral}' --feature-steps 7",
        "graft transfer --method 'small=scratch{batch=16,latent=7,source-style=none}' --batch 32",
        "graft transfer --on-nan rollback --device reference --features 8 --latent 10 --d-lr 1e-3 --source-steps 9",
    ];

    /// The commands with a target, and the folder that it lies in.
    fn commands() -> (tempfile::TempDir, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("images");
        // IDX: unsigned bytes, 4 images of 8x8.
        let header = [0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0, 8];
        std::fs::write(&path, [&header[..], &[7; 4 * 8 * 8]].concat()).unwrap();
        let commands = COMMANDS.iter().map(|command| format!("{command} --target idx:{}", path.display()));
        let commands = commands.collect();
        (folder, commands)
    }

    #[test]
    fn the_printed_command_makes_the_same_run() {
        let (_folder, commands) = commands();
        for command in &commands {
            let first = plan(command);
            let again = plan(&equivalent_command(&first));
            // A name that was made of its options is written in another way.
            let arm = Arm { name: again.arm.name.clone(), ..first.arm.clone() };
            assert_eq!(again, Plan { arm, ..first }, "{command}");
        }
    }

    #[test]
    fn the_recommended_comparison_trains_the_same_arm() {
        let (_folder, commands) = commands();
        for command in &commands {
            let first = plan(command);
            let compare = compare_command(&first).unwrap();
            let design = design(&compare);
            let own = first.arm.recipe(&first.recipe).unwrap();
            let found = design.arms.iter().find(|arm| {
                let recipe = arm.recipe(&design.settings.recipe).unwrap();
                let same_seed = crate::gan::Recipe { seed: own.seed, ..recipe };
                arm.method == first.arm.method
                    && arm.choices().unwrap().values() == first.arm.choices().unwrap().values()
                    && same_seed == own
            });
            assert!(found.is_some(), "{command}: {compare}");
            let steps = [design.settings.steps, design.settings.source_steps, design.settings.feature_steps];
            assert_eq!(steps, [first.steps, first.source_steps, first.feature_steps], "{command}: {compare}");
        }
    }
}
