//! What options are where a source is trained already.

use crate::checkpoint::Checkpoint;
use crate::error::Result;
use crate::gan::{Architecture, Loss};
use crate::nn::NormKind;
use crate::options::Texts;
use crate::run::Named;
use crate::transfer::Source;

/// Takes the networks of a source that is trained already where no option says others, and what goes with them: a batch norm mixes
/// the samples that a gradient penalty keeps apart.
///
/// # Errors
/// Where the source is neither a checkpoint nor a data set.
pub fn follow(source: &str, said: &mut Texts) -> Result<()> {
    let Source::Checkpoint(path) = Source::parse(source)? else { return Ok(()) };
    // What is wrong with it is said where it is loaded.
    let read = Named::find(&path).and_then(|named| Architecture::of(&Checkpoint::read(&named.file)?));
    let Ok(Architecture { network, size, features, latent, d_norm, .. }) = read else { return Ok(()) };
    let mut rows = vec![
        ("network", network.to_string()),
        ("size", size.to_string()),
        ("features", features.to_string()),
        ("latent", latent.to_string()),
    ];
    let free = ["d-norm", "loss", "r1"].iter().all(|name| !said.contains_key(*name));
    if d_norm == NormKind::Batch && free {
        rows.extend([("loss", Loss::NonSaturating.to_string()), ("r1", "0".to_string())]);
    }
    rows.push(("d-norm", d_norm.to_string()));
    for (name, value) in rows {
        said.entry(name.to_string()).or_insert(value);
    }
    Ok(())
}
