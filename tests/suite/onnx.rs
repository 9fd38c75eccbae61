//! Models in ONNX, read as the protocol buffers that they are: whether they can run, and are of a state dict.

use std::collections::BTreeMap;

use safetensors::tensor::Dtype;

/// Fails unless the nodes of a model stand in an order in which they can run, and its constants are the state dict's.
pub fn check(
    model: &[u8],
    mut state: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
    about: &str,
    (inputs, output): (&[&str], &str),
) {
    let model = fields(model);
    assert_eq!((text(&model, 2), text(&model, 3)), ("graft".to_string(), env!("CARGO_PKG_VERSION").to_string()));
    assert!(text(&model, 6).starts_with(about), "{}", text(&model, 6));
    assert_eq!(fields(&all(&model, 8)[0]), [(2, 17u64.to_le_bytes().to_vec())], "the set of operators");
    let graph = fields(&all(&model, 7)[0]);
    let mut known: Vec<String> = all(&graph, 11).iter().map(|input| text(&fields(input), 1)).collect();
    assert!(known.iter().all(|input| inputs.contains(&&**input)), "{known:?}");

    for constant in all(&graph, 5) {
        let constant = fields(&constant);
        let name = text(&constant, 8);
        if let Some((_, shape, data)) = state.remove(&name) {
            let dimensions = all(&constant, 1).into_iter().map(|d| u64::from_le_bytes(d.try_into().unwrap()) as usize);
            assert!(dimensions.eq(shape) && all(&constant, 9) == [data], "{name}");
        }
        known.push(name);
    }
    assert!(state.is_empty(), "the model lacks {:?}", state.keys());
    for node in all(&graph, 1) {
        let node = fields(&node);
        let inputs = all(&node, 1).into_iter().map(|input| String::from_utf8(input).unwrap());
        assert!(
            inputs.into_iter().all(|input| known.contains(&input)),
            "{} needs what is not there yet",
            text(&node, 3)
        );
        known.push(text(&node, 2));
    }
    assert_eq!(known.last().unwrap(), output);
    assert_eq!(text(&fields(&all(&graph, 12)[0]), 1), output);
}

/// The fields of a protocol buffer message: number and bytes; of a number its value as bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let length = match key & 7 {
            0 => {
                let value = varint(&mut bytes);
                found.push((key >> 3, value.to_le_bytes().to_vec()));
                continue;
            }
            2 => varint(&mut bytes) as usize,
            5 => 4,
            other => panic!("an encoding {other}"),
        };
        let (value, rest) = bytes.split_at(length);
        found.push((key >> 3, value.to_vec()));
        bytes = rest;
    }
    found
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for place in 0.. {
        let (&byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

fn all(message: &[(u64, Vec<u8>)], number: u64) -> Vec<Vec<u8>> {
    message.iter().filter(|(field, _)| *field == number).map(|(_, value)| value.clone()).collect()
}

fn text(message: &[(u64, Vec<u8>)], number: u64) -> String {
    String::from_utf8(all(message, number).swap_remove(0)).unwrap()
}
