//! The guide to the library shows the examples' own code, which is compiled and run.

use std::path::Path;

#[test]
fn every_block_of_code_in_the_guide_is_a_part_of_the_example_that_it_names() {
    let read = |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let guide = read("docs/library.md");
    let mut blocks = 0;
    for (before, block) in guide.split("```rust\n").zip(guide.split("```rust\n").skip(1)) {
        let name = before.lines().last().and_then(|line| line.strip_prefix("<!-- ")?.strip_suffix(" -->"));
        let name = name.unwrap_or_else(|| panic!("no example is named over:\n{block}"));
        let code = block.split("```").next().unwrap();
        assert!(read(name).contains(code), "{name} has no such part:\n{code}");
        blocks += 1;
    }
    assert!(blocks > 5, "{blocks} blocks");
}
