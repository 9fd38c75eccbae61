// Numbers that stand alone, put next to each other. The host writes the storages and `write(start)` (`listed.rs`).

struct Parameters {
    // Where the first goes.
    start: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;

@compute @workgroup_size(1)
fn main() {
    write(parameters.start);
}
