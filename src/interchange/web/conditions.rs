//! What the page draws conditions from: what the checkpoint's generator does, but for rows of a large bank of features.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::gan::{Architecture, Bank, Conditions};

/// Numbers of the bank that travel, about: some 400 kB of text.
const NUMBERS: usize = 1 << 15;

/// What the page draws conditions from, null where there are none; and of the bank's rows how many travel, and how many there are, where
/// these are not all.
pub fn described(architecture: &Architecture, conditions: &Conditions) -> (Json, Option<[usize; 2]>) {
    if architecture.condition_length() == 0 {
        return (Json::Null, None);
    }
    let length = conditions.feature_length();
    let kept = conditions.bank().map(|bank| (bank, kept(bank, length)));
    let thinned = kept.as_ref().map(|(bank, kept)| [kept.len(), bank.features.len() / length]);
    let bank = kept.map(|(bank, kept)| {
        let row = |&row: &usize| bank.features[row * length..][..length].iter().copied().map(short).collect();
        let features: Vec<Vec<f64>> = kept.iter().map(row).collect();
        let labels: Vec<Option<u32>> = kept.iter().map(|&row| label(bank, row)).collect();
        json!({ "features": features, "labels": labels })
    });
    let json = json!({
        "classes": conditions.names().names(), "frequencies": conditions.frequencies(), "unknown": conditions.null(), "features": length,
        "source": conditions.feature_source(), "bank": bank,
    });
    (json, thinned.filter(|[kept, rows]| kept < rows))
}

fn label(bank: &Bank, row: usize) -> Option<u32> {
    bank.labels.get(row).copied().flatten()
}

/// The rows of a bank that travel, in order: all where they are few; else of each class as many, one at least, evenly spaced over its own.
fn kept(bank: &Bank, length: usize) -> Vec<usize> {
    let rows = bank.features.len() / length;
    let mut classes: BTreeMap<Option<u32>, Vec<usize>> = BTreeMap::new();
    for row in 0..rows {
        classes.entry(label(bank, row)).or_default().push(row);
    }
    let each = if rows * length <= NUMBERS { rows } else { (NUMBERS / length / classes.len()).max(1) };
    let of_class = |own: &Vec<usize>| {
        let count = own.len().min(each);
        (0..count).map(|index| own[index * own.len() / count]).collect::<Vec<_>>()
    };
    let mut kept: Vec<usize> = classes.values().flat_map(of_class).collect();
    kept.sort_unstable();
    kept
}

/// The number of the fewest digits that is this one in 32 bits.
fn short(value: f32) -> f64 {
    value.to_string().parse().expect("a number is written as a number")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gan::FeatureSource;

    #[test]
    fn of_a_large_bank_each_class_keeps_rows() {
        let length = 1 << 12;
        let labelled = |labels: Vec<Option<u32>>| Bank { features: vec![0.0; labels.len() * length], labels };
        assert_eq!(kept(&labelled(vec![Some(0); 8]), length), (0..8).collect::<Vec<_>>(), "a small bank is whole");
        // Room for eight rows: two of each of four classes, of the last the one that there is.
        let labels = [vec![Some(0); 50], vec![Some(1); 6], vec![None; 4], vec![Some(2)]].concat();
        assert_eq!(kept(&labelled(labels), length), [0, 25, 50, 53, 56, 58, 60]);
        // Of more classes than there is room for each has a row.
        assert_eq!(kept(&labelled((0..20).map(Some).collect()), length), (0..20).collect::<Vec<_>>());
        assert_eq!(kept(&Bank { features: vec![0.0; 16 * length], labels: Vec::new() }, length).len(), 8);
    }

    #[test]
    fn how_they_are_drawn_travels() {
        let architecture = Architecture { classes: 2, condition_features: 2, ..Architecture::dcgan(32, 1) };
        let bank = Bank { features: vec![0.1, 0.2, 0.3, 0.4], labels: vec![None, Some(1)] };
        let conditions = Conditions::in_turn(2, 2).with_frequencies(vec![0.5, 0.5]).with_bank(bank);
        let mixed = conditions.clone().with_null(0.25).with_feature_source(FeatureSource::Mix);
        let (found, thinned) = described(&architecture, &mixed);
        let expected = json!({
            "classes": ["0", "1"], "frequencies": [0.5, 0.5], "unknown": 0.25, "features": 2, "source": "mix",
            "bank": { "features": [[0.1, 0.2], [0.3, 0.4]], "labels": [null, 1] },
        });
        assert_eq!((found, thinned), (expected, None));
        let (found, _) = described(&architecture, &conditions);
        assert_eq!((&found["unknown"], &found["source"]), (&json!(0.0), &json!("bank")));
    }
}
