//! The table of elementwise functions in JavaScript: its WGSL expressions are JavaScript as they stand, given the functions that WGSL has
//! and those of `shaders/shared/functions.wgsl`.

use std::fmt::Write;

use crate::backend::gpu::IDENTITY;
use crate::backend::{Binary, Reduction, Unary};

/// A program that defines `FUNCTIONS`: of each function's name what takes its parameters and gives the function of x, or of x and y.
pub fn functions() -> String {
    let mut rows = vec![(IDENTITY, Vec::new(), "x")];
    rows.extend(Unary::all().into_iter().map(|f| (f.name(), f.parameters(), f.wgsl())));
    rows.extend(Binary::all().into_iter().map(|f| (f.name(), f.parameters(), f.wgsl())));
    rows.extend([Reduction::Sum, Reduction::Max].map(|f| (f.name(), Vec::new(), f.wgsl())));
    let mut program = "const FUNCTIONS = {\n".to_string();
    for (name, parameters, expression) in rows {
        let names: Vec<&str> = parameters.iter().map(|(name, _)| *name).collect();
        writeln!(program, "  {name}: ([{}]) => (x, y) => {expression},", names.join(", "))
            .expect("a string can be written");
    }
    program + "};\n"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_function_has_a_name_of_its_own_and_calls_what_the_loops_define() {
        let program = functions();
        let names: Vec<&str> = program.lines().filter_map(|line| line.strip_prefix("  ")?.split(':').next()).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        let loops = include_str!("loops.js");
        for line in program.lines() {
            let words = line.split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '(');
            for word in
                words.filter_map(|word| word.split_once('(')).map(|(name, _)| name).filter(|name| !name.is_empty())
            {
                assert!(loops.contains(&format!("const {word} = ")), "no loop defines {word}");
            }
        }
    }
}
