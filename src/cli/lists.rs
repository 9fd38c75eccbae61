//! The lists that `graft compare` takes: arms, seeds, and how many of them an arm has.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::transfer::Arm;

/// The arms of a list, or of a file `NAME.toml` that holds them as `comparison.toml` does.
pub fn arms(text: &str) -> Result<Vec<Arm>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        arms: Vec<Arm>,
    }
    if !text.ends_with(".toml") {
        return split_arms(text)?.iter().map(|arm| Arm::parse(arm)).collect();
    }
    let path = Path::new(text);
    let content = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    let file: File = toml::from_str(&content).map_err(|error| {
        Error::invalid(format!(
            "{text}: {}; write for each arm [[arms]], name = \"..\", method = \"..\", and [arms.options]",
            error.message()
        ))
    })?;
    file.arms.into_iter().map(|arm| Arm::new(&arm.name, &arm.method, arm.options)).collect()
}

/// The parts of a list between commas that stand in no braces.
pub fn split_arms(text: &str) -> Result<Vec<String>> {
    let mut arms = vec![String::new()];
    let mut depth = 0usize;
    for letter in text.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                arms.push(String::new());
                continue;
            }
            _ => {}
        }
        arms.last_mut().expect("it begins with one").push(letter);
    }
    let arms: Vec<String> = arms.iter().map(|arm| arm.trim().to_string()).filter(|arm| !arm.is_empty()).collect();
    if depth > 0 {
        return Err(Error::Usage(format!("--arms `{text}` lacks a closing brace")));
    }
    Ok(arms)
}

/// `5` for the seeds 0 to 4, or a list.
pub fn seeds(text: &str) -> Result<Vec<u64>> {
    /// Seeds beyond it are those of other latents.
    const MOST: u64 = 1 << 31;
    /// A longer list has to be written out.
    const MOST_COUNTED: u64 = 1000;
    let bad = || Error::Usage(format!("--seeds takes a number of seeds or a list such as 0,1,2, not `{text}`"));
    let number = |part: &str| part.trim().parse::<u64>().ok().filter(|&seed| seed < MOST).ok_or_else(bad);
    if text.contains(',') {
        let seeds: Vec<u64> =
            text.split(',').filter(|part| !part.trim().is_empty()).map(number).collect::<Result<_>>()?;
        return if seeds.is_empty() { Err(bad()) } else { Ok(seeds) };
    }
    match number(text)? {
        0 => Err(Error::Usage("--seeds 0 is no seed at all; for the seed 0 alone write 1, or `0,`".to_string())),
        count if count > MOST_COUNTED => Err(Error::Usage(format!(
            "--seeds takes a number of seeds up to {MOST_COUNTED}, not {count}; for the seed {count} alone write `{count},`"
        ))),
        count => Ok((0..count).collect()),
    }
}

/// `ARM=N` each: arms that have the first N seeds alone.
pub fn arm_seeds(list: &[String]) -> Result<BTreeMap<String, usize>> {
    let pair = |text: &String| {
        let parsed = text.rsplit_once('=').and_then(|(arm, count)| Some((arm.to_string(), count.parse().ok()?)));
        parsed.ok_or_else(|| Error::Usage(format!("--arm-seeds takes ARM=N, not `{text}`")))
    };
    let mut counts = BTreeMap::new();
    for (arm, count) in list.iter().map(pair).collect::<Result<Vec<_>>>()? {
        if counts.insert(arm.clone(), count).is_some() {
            return Err(Error::Usage(format!("--arm-seeds names the arm {arm} twice; name it once")));
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arms_are_read_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("arms.toml");
        let text = "[[arms]]\nname = \"scratch\"\nmethod = \"scratch\"\n[[arms]]\nname = \"a\"\nmethod = \"trgan\"\n[arms.options]\nr1 = \"10\"\n";
        std::fs::write(&path, text).unwrap();
        let found = arms(path.to_str().unwrap()).unwrap();
        assert_eq!(found, [Arm::parse("scratch").unwrap(), Arm::parse("a=trgan{r1=10}").unwrap()]);
        std::fs::write(&path, text.replace("trgan", "trgn")).unwrap();
        assert!(arms(path.to_str().unwrap()).unwrap_err().to_string().contains("trgan"));
        std::fs::write(&path, "[[arms]]\nnam = 1").unwrap();
        assert!(matches!(arms(path.to_str().unwrap()), Err(Error::Invalid(_))));
        assert!(matches!(arms("no/such.toml"), Err(Error::Io { .. })));
    }

    #[test]
    fn lists_of_arms_and_seeds_are_read() {
        let arms = split_arms("scratch, a=trgan{lr=0.1,augment=color,translation},tgan").unwrap();
        assert_eq!(arms, ["scratch", "a=trgan{lr=0.1,augment=color,translation}", "tgan"]);
        assert!(split_arms("trgan{lr=1").is_err());
        assert_eq!(seeds("3").unwrap(), [0, 1, 2]);
        assert_eq!(seeds("100,101").unwrap(), [100, 101]);
        assert_eq!(seeds("100,").unwrap(), [100]);
        for text in ["", ",", "0", "x", "1,x", "-1", "1,99999999999", "1001"] {
            assert!(seeds(text).is_err(), "{text}");
        }
        assert_eq!(arm_seeds(&["a=b=2".to_string()]).unwrap(), [("a=b".to_string(), 2)].into_iter().collect());
        assert!(arm_seeds(&["a".to_string()]).is_err());
    }
}
