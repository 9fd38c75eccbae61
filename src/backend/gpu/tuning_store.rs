//! Choices for products on disk: a file an adapter, driver and version, beside the compiled kernels. Where there is none, or it is broken, nothing
//! is chosen yet.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};

use super::adapter::Adapter;
use super::pipeline_store::name;
use super::tile::{Choice, TILES};
use super::tuning::Tuning;
use crate::atomic;

/// The folder within that of the cache.
const FOLDER: &str = "tunings";

/// Where an adapter's choices are kept.
pub struct TuningStore(PathBuf);

impl TuningStore {
    /// In this folder.
    pub fn new(adapter: &Adapter, folder: &Path) -> TuningStore {
        TuningStore(folder.join(FOLDER).join(name(adapter, "json")))
    }

    /// Takes the choices that were kept; what is unknown is left out.
    pub fn read(&self, tuning: &mut Tuning) {
        let kept: Option<Json> = fs::read(&self.0).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let entries = kept.as_ref().and_then(Json::as_object).into_iter().flatten();
        tuning.extend(entries.filter_map(|(key, choice)| Some((key.clone(), from_json(choice)?))));
    }

    /// Writes all choices, with those that another process wrote meanwhile. Where that fails, they are found again at the next start.
    pub fn write(&self, tuning: &mut Tuning) {
        let own = tuning.kept().clone();
        self.read(tuning);
        tuning.extend(own);
        let entries = tuning.kept().iter().map(|(key, choice)| (key.clone(), to_json(*choice)));
        let object = Json::Object(entries.collect::<Map<_, _>>());
        let folder = self.0.parent().map_or(Ok(()), fs::create_dir_all);
        let _ = folder.is_ok_and(|()| atomic::write(&self.0, format!("{object:#}\n").as_bytes()).is_ok());
    }
}

fn to_json(Choice { tile, prefetch }: Choice) -> Json {
    json!({ "tile": tile.to_string(), "prefetch": prefetch })
}

fn from_json(choice: &Json) -> Option<Choice> {
    let tile = TILES.into_iter().find(|tile| choice["tile"] == tile.to_string())?;
    Some(Choice { tile, prefetch: choice["prefetch"].as_bool()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_come_back_and_what_is_broken_or_unknown_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let store = TuningStore(folder.path().join("deep").join("card.json"));
        let read = || {
            let mut tuning = Tuning::default();
            store.read(&mut tuning);
            tuning.kept().clone()
        };
        assert!(read().is_empty());
        let choices = [("a", TILES[4], true), ("b", TILES[0], false)];
        for (key, tile, prefetch) in choices {
            let mut tuning = Tuning::default();
            tuning.extend([(key.to_string(), Choice { tile, prefetch })]);
            store.write(&mut tuning);
        }
        let found = read();
        assert_eq!(found.len(), 2, "one process's choices replace another's");
        assert!(choices.iter().all(|&(key, tile, prefetch)| found[key] == Choice { tile, prefetch }));
        let mut object: Json = serde_json::from_slice(&fs::read(&store.0).unwrap()).unwrap();
        object["c"] = json!({ "tile": "7x7", "prefetch": true });
        object["a"] = json!("128x64");
        fs::write(&store.0, object.to_string()).unwrap();
        assert_eq!(read().keys().collect::<Vec<_>>(), ["b"]);
        fs::write(&store.0, "{").unwrap();
        assert!(read().is_empty());
    }
}
