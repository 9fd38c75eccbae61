//! The text of each kernel: its file and snippets in `shaders/`, behind the constants and functions that a use of it fixes.

use std::fmt::Write;
use std::sync::OnceLock;

use super::super::{Activation, Binary, Reduction, Unary};

/// A file of `shaders/` and the snippets of `shaders/shared/` that it needs.
macro_rules! files {
    ($($name:literal: $($snippet:literal),*;)+) => {
        /// The names of all kernels.
        #[cfg(test)]
        const NAMES: &[&str] = &[$($name),+];

        /// The files of a kernel.
        fn files(name: &str) -> &'static [&'static str] {
            match name {
                $($name => &[
                    include_str!(concat!("../../../shaders/", $name, ".wgsl")),
                    include_str!("../../../shaders/shared/group.wgsl"),
                    $(include_str!(concat!("../../../shaders/shared/", $snippet, ".wgsl")),)*
                ],)+
                _ => panic!("there is no shader {name}"),
            }
        }
    };
}

files! {
    "adam":;
    "batch_norm_backward": "functions";
    "batch_norm_merge": "moments";
    "batch_norm_merge_sums":;
    "batch_norm_moments": "moments";
    "batch_norm_normalise": "functions";
    "batch_norm_sums": "functions";
    "binary": "functions";
    "binary_broadcast": "functions";
    "conv_coarse": "functions", "gemm";
    "conv_filter": "functions", "gemm";
    "conv_fine": "functions", "gemm", "phase";
    "conv_fine_few": "functions";
    "copy":;
    "fill":;
    "gather":;
    "gather_pixels":;
    "join":;
    "lerp_some":;
    "matmul": "functions", "gemm";
    "multiply_adds":;
    "matvec": "functions";
    "mean_softplus": "functions";
    "permute":;
    "reduce": "functions";
    "scatter_add":;
    "shift":;
    "unary": "functions";
    "window":;
}

/// What the function that changes nothing is called.
pub const IDENTITY: &str = "identity";

/// A kernel with everything fixed that its pipeline is made for.
pub struct Kernel {
    /// The file's name.
    pub name: &'static str,
    /// The function by which it maps or folds elements, where it takes one.
    pub function: Option<&'static str>,
    /// The function of what it folded, where it ends with one.
    pub finish: Option<&'static str>,
    prelude: String,
    choices: Vec<&'static str>,
    /// The parameters that are constants here.
    fixed: Vec<&'static str>,
    written: String,
    /// Made once, when it is first asked for.
    key: OnceLock<String>,
}

impl Kernel {
    /// The kernel of a file.
    pub fn new(name: &'static str) -> Kernel {
        Kernel {
            name,
            function: None,
            finish: None,
            prelude: String::new(),
            choices: Vec::new(),
            fixed: Vec::new(),
            written: String::new(),
            key: OnceLock::new(),
        }
    }

    /// With a constant number.
    pub fn constant(mut self, name: &str, value: usize) -> Kernel {
        writeln!(self.prelude, "const {name} = {value}u;").expect("a string can be written");
        self
    }

    /// With a constant truth value.
    pub fn flag(mut self, name: &str, value: bool) -> Kernel {
        writeln!(self.prelude, "const {name} = {value};").expect("a string can be written");
        self
    }

    /// With one of its parameters as a constant: drivers turn divisions by it into shifts, and drop what it decides.
    pub fn fixed(mut self, parameter: &'static str, value: usize) -> Kernel {
        self.fixed.push(parameter);
        self.constant(&fixed_name(parameter), value)
    }

    /// With text that the host writes, of loops and storages whose number is fixed here.
    pub fn written(mut self, text: String) -> Kernel {
        self.written = text;
        self
    }

    /// With one more snippet, which follows from the constants.
    pub fn with(mut self, snippet: &'static str) -> Kernel {
        self.choices.push(snippet);
        self
    }

    /// With the second of two snippets where the flag is set, else the first.
    pub fn choice(mut self, name: &str, value: bool, snippets: &[&'static str; 2]) -> Kernel {
        self.choices.push(snippets[usize::from(value)]);
        self.flag(name, value)
    }

    /// With `apply(x)`.
    pub fn unary(self, function: Unary) -> Kernel {
        self.with_function(function.name(), "apply(x: f32)", &function.parameters(), function.wgsl())
    }

    /// With `apply(x, y)`.
    pub fn binary(self, function: Binary) -> Kernel {
        self.with_function(function.name(), "apply(x: f32, y: f32)", &function.parameters(), function.wgsl())
    }

    /// With `activate(x)`.
    pub fn activation(self, activation: Activation) -> Kernel {
        let function = activation.unary();
        let parameters = function.map_or_else(Vec::new, Unary::parameters);
        let name = function.map_or(IDENTITY, Unary::name);
        self.with_function(name, "activate(x: f32)", &parameters, function.map_or("x", Unary::wgsl))
    }

    /// With `gate(x, y)`, which takes the cotangent x of an activation's output y to that of its input.
    pub fn gate(self, activation: Activation) -> Kernel {
        let function = activation.cotangent();
        let parameters = function.map_or_else(Vec::new, Binary::parameters);
        let name = function.map_or(IDENTITY, Binary::name);
        self.with_function(name, "gate(x: f32, y: f32)", &parameters, function.map_or("x", Binary::wgsl))
    }

    /// With `finish(x)`, which changes nothing where there is no function.
    pub fn finish(mut self, function: Option<Unary>) -> Kernel {
        let parameters = function.map_or_else(Vec::new, Unary::parameters);
        self.finish = function.map(Unary::name);
        self.with_text("finish(x: f32)", &parameters, function.map_or("x", Unary::wgsl))
    }

    /// With `fold(x, y)`.
    pub fn fold(self, reduction: Reduction) -> Kernel {
        self.with_function(reduction.name(), "fold(x: f32, y: f32)", &[], reduction.wgsl())
    }

    /// A function whose parameters are bound by name, from the kernel's uniform `arguments`.
    fn with_function(
        mut self,
        name: &'static str,
        signature: &str,
        parameters: &[(&str, f64)],
        expression: &str,
    ) -> Kernel {
        self.function = Some(name);
        self.with_text(signature, parameters, expression)
    }

    fn with_text(mut self, signature: &str, parameters: &[(&str, f64)], expression: &str) -> Kernel {
        write!(self.prelude, "fn {signature} -> f32 {{").expect("a string can be written");
        for (index, (name, _)) in parameters.iter().enumerate() {
            write!(self.prelude, " let {name} = parameters.arguments[{index}];").expect("a string can be written");
        }
        writeln!(self.prelude, " return {expression}; }}").expect("a string can be written");
        self
    }

    /// What tells its pipeline from others: the prelude has a flag for each choice of a snippet.
    pub fn key(&self) -> &str {
        self.key.get_or_init(|| format!("{}\n{}{}", self.name, self.prelude, self.written))
    }

    /// Its constants with their values, as WGSL writes them.
    pub fn constants(&self) -> impl Iterator<Item = (&str, &str)> {
        self.prelude.lines().filter_map(|line| line.strip_prefix("const ")?.strip_suffix(';')?.split_once(" = "))
    }

    /// The whole text.
    pub fn source(&self) -> String {
        let mut source = self.prelude.clone();
        source += &self.written;
        files(self.name).iter().chain(&self.choices).for_each(|file| source += file);
        for parameter in &self.fixed {
            source = source.replace(&format!("parameters.{parameter}"), &fixed_name(parameter));
        }
        source
    }
}

/// What a parameter is called where it is a constant.
fn fixed_name(parameter: &str) -> String {
    format!("FIXED_{}", parameter.to_uppercase())
}

/// A function's parameters as the uniform `arguments` takes them.
pub fn arguments(parameters: &[(&str, f64)]) -> [u32; 4] {
    let mut words = [0; 4];
    words.iter_mut().zip(parameters).for_each(|(word, (_, value))| *word = (*value as f32).to_bits());
    words
}

/// Whether a storage of the gpu holds a matrix in words of four, by binding.
pub const ACCESS: [[&str; 2]; 3] = [
    [include_str!("../../../shaders/shared/a_scalar.wgsl"), include_str!("../../../shaders/shared/a_vector.wgsl")],
    [include_str!("../../../shaders/shared/b_scalar.wgsl"), include_str!("../../../shaders/shared/b_vector.wgsl")],
    [include_str!("../../../shaders/shared/out_scalar.wgsl"), include_str!("../../../shaders/shared/out_vector.wgsl")],
];

/// Four elements of an operand that a kernel finds one by one, or together, by binding.
pub const FOUND: [[&str; 2]; 2] = [
    [
        include_str!("../../../shaders/shared/a_found_scalar.wgsl"),
        include_str!("../../../shaders/shared/a_found_vector.wgsl"),
    ],
    [
        include_str!("../../../shaders/shared/b_found_scalar.wgsl"),
        include_str!("../../../shaders/shared/b_found_vector.wgsl"),
    ],
];

/// How an operand of a product is staged, across and along the depth, by binding.
pub const BLOCKS: [[&str; 2]; 2] = [
    [
        include_str!("../../../shaders/shared/a_across_depth.wgsl"),
        include_str!("../../../shaders/shared/a_along_depth.wgsl"),
    ],
    [
        include_str!("../../../shaders/shared/b_across_depth.wgsl"),
        include_str!("../../../shaders/shared/b_along_depth.wgsl"),
    ],
];

/// The tap of a filter that a depth belongs to: of each thread's, or of all alike.
pub const TAP: [&str; 2] =
    [include_str!("../../../shaders/shared/tap_each.wgsl"), include_str!("../../../shaders/shared/tap_uniform.wgsl")];

/// How a second operand that is a matrix is found: contiguous across the depth, or along it.
pub const MATRIX: [&str; 2] =
    [include_str!("../../../shaders/shared/b_matrix.wgsl"), include_str!("../../../shaders/shared/b_transposed.wgsl")];

/// What is done with a batch's statistics beside keeping them.
pub const TRACK: [&str; 2] =
    [include_str!("../../../shaders/shared/track_nothing.wgsl"), include_str!("../../../shaders/shared/track.wgsl")];

/// What becomes of a channel's moments in a chunk of rows, and in all rows.
pub const MOMENTS: [&str; 2] = [
    include_str!("../../../shaders/shared/moments_chunk.wgsl"),
    include_str!("../../../shaders/shared/moments_whole.wgsl"),
];

/// What becomes of a channel's sums of the backward pass in a chunk of rows, and in all rows.
pub const SUMS: [&str; 2] =
    [include_str!("../../../shaders/shared/sums_chunk.wgsl"), include_str!("../../../shaders/shared/sums_whole.wgsl")];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wgpu::naga;

    use super::super::{batch_norm, convolution, listed, matmul, optimise, product, reduce};
    use super::*;
    use crate::backend::Geometry;

    const ACTIVATIONS: [Activation; 4] =
        [Activation::Identity, Activation::Relu, Activation::LeakyRelu { slope: 0.2 }, Activation::Tanh];

    /// Every kernel with every choice of snippets and functions; of constants, the extremes.
    fn every_kernel() -> Vec<Kernel> {
        let mut kernels: Vec<Kernel> = ["fill", "gather", "mean_softplus", "permute", "scatter_add", "window"]
            .into_iter()
            .map(Kernel::new)
            .collect();
        kernels.extend(["copy", "multiply_adds"].map(Kernel::new));
        kernels.extend(product::every_kernel());
        kernels.extend([(1, false), (2, false), (1, true)].map(|(slots, summed)| optimise::adam_kernel(slots, summed)));
        kernels.extend((1..=4).map(optimise::lerp_kernel));
        kernels.extend([1, 7].map(listed::join_kernel));
        for name in ["shift", "gather_pixels"] {
            kernels.extend([1, 256].map(|words| Kernel::new(name).constant("LIST", words)));
        }
        for (rows, columns, along) in [(1, 1, [true, false]), (64, 4, [false, true])] {
            let of = |activation| matmul::few_columns_kernel(rows, columns, along, activation);
            kernels.extend(ACTIVATIONS.map(of));
        }
        kernels.extend(Unary::all().into_iter().map(|function| Kernel::new("unary").unary(function)));
        for function in Binary::all() {
            kernels.extend(["binary", "binary_broadcast"].map(|name| Kernel::new(name).binary(function)));
        }
        for lanes in [1, 256] {
            let of = |name| Kernel::new(name).constant("LANES", lanes);
            kernels.push(of("batch_norm_merge_sums"));
            for tracked in [false, true] {
                kernels.push(batch_norm::merge_kernel(lanes, tracked));
                kernels.extend([false, true].map(|whole| batch_norm::moments_kernel(lanes, whole, tracked)));
            }
            for then in [None, Some(Unary::Tanh), Some(Unary::Affine { scale: 0.5, shift: 0.0 })] {
                kernels
                    .extend([Reduction::Sum, Reduction::Max].map(|reduction| reduce::kernel(lanes, reduction, then)));
            }
            for whole in [false, true] {
                kernels.extend(ACTIVATIONS.map(|activation| batch_norm::sums_kernel(lanes, whole, activation)));
            }
        }
        kernels.extend(ACTIVATIONS.map(|activation| Kernel::new("batch_norm_normalise").activation(activation)));
        kernels.extend(ACTIVATIONS.map(|activation| Kernel::new("batch_norm_backward").gate(activation)));
        for (fine_channels, coarse_channels) in [(1, 3), (3, 4), (4, 5)] {
            let channels = [fine_channels, coarse_channels];
            let geometry = Geometry::of_fine(1, [4, 4], channels, [4, 4], [2, 2], [1, 1]).expect("the filter fits");
            kernels.extend(ACTIVATIONS.map(|activation| convolution::few_channels_kernel(&geometry, activation)));
        }
        kernels
    }

    #[test]
    fn every_shader_joined_with_its_snippets_is_valid() {
        for kernel in every_kernel() {
            let source = kernel.source();
            let module = naga::front::wgsl::parse_str(&source)
                .unwrap_or_else(|error| panic!("{}: {}", kernel.name, error.emit_to_string(&source)));
            let mut validator =
                naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
            if let Err(error) = validator.validate(&module) {
                panic!("{}: {}", kernel.key(), error.emit_to_string(&source));
            }
            let storages = module
                .global_variables
                .iter()
                .filter(|(_, variable)| matches!(variable.space, naga::AddressSpace::Storage { .. }));
            assert!(storages.count() <= 8, "{} binds more storages than WebGPU grants", kernel.name);
        }
    }

    #[test]
    fn every_file_is_a_kernel_and_every_kernel_is_tried() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/shaders");
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let files: BTreeSet<String> = names.filter_map(|name| name.strip_suffix(".wgsl").map(str::to_string)).collect();
        assert_eq!(files, NAMES.iter().map(|name| name.to_string()).collect());
        assert_eq!(files, every_kernel().iter().map(|kernel| kernel.name.to_string()).collect());
    }
}
