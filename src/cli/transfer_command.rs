//! The commands that `graft transfer` prints: the one that makes the same run again, and the one that compares its arm with scratch.

use std::collections::BTreeMap;

use serde_json::json;

use super::train::quoted;
use super::transfer::{FEATURE_STEPS, SOURCE_STEPS};
use super::{DEVICE, reading};
use crate::error::Result;
use crate::gan::Loss;
use crate::run::OnNan;
use crate::transfer::arm::is_of_recipe;
use crate::transfer::{Arm, Plan, SCRATCH, starting_recipe};

/// The command that names every setting that determines the results.
pub fn equivalent_command(plan: &Plan) -> String {
    let Plan { recipe, arm, .. } = plan;
    let architecture = &recipe.architecture;
    let (method, options) = method_words(arm);
    let mut command = format!(
        "graft transfer --method {} --source {} --target {}",
        quoted(&method),
        quoted(&plan.source),
        quoted(&plan.target)
    );
    if let Some(subset) = plan.subset {
        command += &format!(" --subset {subset}{}", if plan.subset_plain { " --subset-plain" } else { "" });
    }
    command += &format!(
        " --steps {} --source-steps {} --feature-steps {} --seed {} --features {} --latent {} --batch {} --loss {} \
         --d-lr {} --beta1 {} --d-steps {} --d-norm {} --ema {}",
        plan.steps,
        plan.source_steps,
        plan.feature_steps,
        recipe.seed,
        architecture.features,
        architecture.latent,
        recipe.batch,
        word(&recipe.loss),
        recipe.d_lr,
        recipe.beta1,
        recipe.d_steps,
        word(&architecture.d_norm),
        recipe.ema
    );
    match recipe.loss {
        Loss::WassersteinGp => command += &format!(" --gp {}", recipe.gp),
        _ => command += &format!(" --r1 {}", recipe.r1),
    }
    if let Some(style) = plan.source_style {
        command += &format!(" --source-style {}", word(&style));
    }
    for (name, value) in options {
        command += &match value.as_str() {
            "true" => format!(" --{name}"),
            "false" => format!(" --{name}=false"),
            value => format!(" --{name} {}", quoted(value)),
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
        command += &format!(" --device {}", plan.device);
    }
    command + &reading::words(&plan.reading)
}

/// The command that compares the arm with scratch over several seeds, the other settings as they are here.
pub fn compare_command(plan: &Plan) -> Result<String> {
    let (recipe, base) = (&plan.recipe, starting_recipe(0, 32, 3));
    // Settings that `graft compare` knows as options of arms alone.
    let of_arms = [
        ("beta1", recipe.beta1.to_string(), recipe.beta1 != base.beta1),
        ("d-steps", recipe.d_steps.to_string(), recipe.d_steps != base.d_steps),
        ("gp", recipe.gp.to_string(), recipe.gp != base.gp),
        ("loss", "wasserstein-gp".to_string(), recipe.loss == Loss::WassersteinGp),
        ("r1", recipe.r1.to_string(), recipe.loss == Loss::WassersteinGp),
    ];
    let of_arms: BTreeMap<String, String> = of_arms
        .into_iter()
        .filter(|(.., differs)| *differs)
        .map(|(name, value, _)| (name.to_string(), value))
        .collect();
    let mut arms = vec![Arm::parse(SCRATCH)?, Arm::parse("scratch+augment")?];
    arms.extend((plan.arm.method != SCRATCH).then(|| plan.arm.clone()));
    let arms = arms.iter().map(|arm| arm.notation(&of_arms)).collect::<Result<Vec<_>>>()?.join(",");
    let mut command = format!(
        "graft compare --source {} --target {} --arms {}",
        quoted(&plan.source),
        quoted(&plan.target),
        quoted(&arms)
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
    say(plan.source_steps != SOURCE_STEPS, format!(" --source-steps {}", plan.source_steps));
    say(plan.feature_steps != FEATURE_STEPS, format!(" --feature-steps {}", plan.feature_steps));
    let (own, usual) = (&recipe.architecture, &base.architecture);
    say(own.features != usual.features, format!(" --features {}", own.features));
    say(own.latent != usual.latent, format!(" --latent {}", own.latent));
    say(recipe.batch != base.batch, format!(" --batch {}", recipe.batch));
    if recipe.loss != Loss::WassersteinGp {
        say(recipe.loss != base.loss, format!(" --loss {}", word(&recipe.loss)));
        say(recipe.r1 != base.r1, format!(" --r1 {}", recipe.r1));
    }
    say(recipe.d_lr != base.d_lr, format!(" --d-lr {}", recipe.d_lr));
    say(own.d_norm != usual.d_norm, format!(" --d-norm {}", word(&own.d_norm)));
    say(recipe.ema != base.ema, format!(" --ema {}", recipe.ema));
    if let Some(style) = plan.source_style {
        say(true, format!(" --source-style {}", word(&style)));
    }
    say(plan.device != DEVICE, format!(" --device {}", plan.device));
    Ok(command + &reading::words(&plan.reading))
}

/// The word that stands for a value on the command line and on disk.
pub fn word(value: &impl serde::Serialize) -> String {
    json!(value).as_str().unwrap_or_default().to_string()
}

/// The arm as `--method` takes it, and the options that stand beside it: settings of the target alone that the source has, too, stand
/// within.
fn method_words(arm: &Arm) -> (String, Vec<(&String, &String)>) {
    const BESIDE: [&str; 3] = ["augment", "lecam", "lr"];
    let within = |name: &str| is_of_recipe(name) && !BESIDE.contains(&name);
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
    use crate::cli::{Cli, Command};
    use crate::experiment::compare::Design;

    /// The words of a printed command, as a shell would give them.
    fn words(command: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for letter in command.chars() {
            match letter {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                _ => words.last_mut().unwrap().push(letter),
            }
        }
        words
    }

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
    const COMMANDS: [&str; 10] = [
        "graft transfer",
        "graft transfer --method trgan-mission --subset 100 --subset-plain --no-judge",
        "graft transfer --method tgan --g-init fresh --feature-source mix --feature-length 16",
        "graft transfer --method ctgan --labels fewshot:3 --lr 1e-4 --lecam 0.1 --augment color,cutout --seed 7",
        "graft transfer --method 'trgan{r1=10,ema=0.9}' --r1 0.5",
        "graft transfer --method mine=trgan{anchor=cdc} --freeze-d 2 --batch 16 --d-norm spectral",
        "graft transfer --method scratch+augment --source synthetic:strokes --loss hinge --beta1 0.9 --d-steps 2",
        "graft transfer --loss wasserstein-gp --gp 5 --scratch --source-style none",
        "graft transfer --method ctgan=tgan{augment=none} --g-init fresh --lr 1e-4",
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
                    && arm.choices().unwrap() == first.arm.choices().unwrap()
                    && same_seed == own
            });
            assert!(found.is_some(), "{command}: {compare}");
            let steps = [design.settings.steps, design.settings.source_steps, design.settings.feature_steps];
            assert_eq!(steps, [first.steps, first.source_steps, first.feature_steps], "{command}: {compare}");
        }
    }
}
