//! Kernels that follow a short list, which comes with a dispatch's parameters, so that nothing is copied for it; and numbers put together.

use super::buffer::Buffer;
use super::commands::Commands;
use super::elementwise::THREADS;
use super::rearrange::check;
use super::shader::Kernel;

/// Words of a list that come with one dispatch, at most: a sixteenth of what the parameters of one submission may take.
const MOST_WORDS: usize = 1024;
/// Of WGSL's words.
const WORD: usize = 4;
/// The values that bytes stand for.
const VALUES: usize = 256;

/// Writes what a kernel makes of each item of a list, `elements` an item, in as many dispatches as the list needs. The kernel's parameters are the
/// place of its first element, the number of its elements, `rest`, and its part of the list.
fn dispatch<const N: usize>(
    commands: &dyn Commands,
    name: &'static str,
    x: &Buffer,
    elements: usize,
    list: &[[u32; N]],
    rest: &[u32],
) -> Buffer {
    let out = commands.buffer(list.len() * elements);
    for (part, items) in list.chunks(MOST_WORDS / N).enumerate() {
        let length = items.len() * elements;
        let mut parameters = vec![(part * (MOST_WORDS / N) * elements) as u32, length as u32];
        parameters.extend(rest);
        parameters.resize(parameters.len().next_multiple_of(WORD), 0);
        parameters.extend(items.as_flattened());
        parameters.resize(parameters.len().next_multiple_of(WORD), 0);
        let kernel = Kernel::new(name).constant("LIST", items.as_flattened().len().div_ceil(WORD));
        commands.dispatch(&kernel, &parameters, &[x], &[&out], length.div_ceil(THREADS));
    }
    out
}

/// Numbers that a dispatch puts together: a storage each, and one for the result.
const JOINED: usize = 7;

/// Storages of one element each as one.
pub fn join(commands: &dyn Commands, numbers: &[&Buffer]) -> Buffer {
    let out = commands.buffer(numbers.len());
    for (part, numbers) in numbers.chunks(JOINED).enumerate() {
        commands.dispatch(&join_kernel(numbers.len()), &[(part * JOINED) as u32], numbers, &[&out], 1);
    }
    out
}

/// The kernel for so many numbers.
pub fn join_kernel(count: usize) -> Kernel {
    let storages = (0..count)
        .map(|index| format!("@group(0) @binding({}) var<storage, read> number{index}: array<f32>;\n", index + 1));
    let out = format!("@group(0) @binding({}) var<storage, read_write> out: array<f32>;\n", count + 1);
    let writes = (0..count).map(|index| format!("out[start + {index}u] = number{index}[0];\n"));
    let text: String = storages.chain([out, "fn write(start: u32) {\n".to_string()]).chain(writes).collect();
    Kernel::new("join").constant("COUNT", count).written(text + "}\n")
}

/// See [`Backend::shift`](crate::backend::Backend::shift).
pub fn shift(commands: &dyn Commands, x: &Buffer, shape: [usize; 4], by: &[[i32; 2]]) -> Buffer {
    let [_, height, width, channels] = shape;
    let rest = [height, width, channels].map(|size| size as u32);
    dispatch(commands, "shift", x, height * width * channels, bytemuck::cast_slice::<_, [u32; 2]>(by), &rest)
}

/// See [`Backend::upload_pixels`](crate::backend::Backend::upload_pixels): the values, then the bytes, four a word.
pub fn upload_pixels(commands: &dyn Commands, pixels: &[u8], values: &[f32; VALUES]) -> Option<Buffer> {
    let buffer = commands.buffer_if_there_is_room(VALUES + pixels.len().div_ceil(size_of::<u32>()))?;
    let mut bytes = bytemuck::cast_slice(values).to_vec();
    bytes.extend(pixels);
    bytes.resize(bytes.len().next_multiple_of(size_of::<u32>()), 0);
    commands.upload(&bytes, &buffer);
    Some(buffer)
}

/// See [`Backend::gather_pixels`](crate::backend::Backend::gather_pixels).
pub fn gather_pixels(commands: &dyn Commands, kept: &Buffer, pixels: usize, indices: &[u32]) -> Buffer {
    let bytes = kept.len().saturating_sub(VALUES) * size_of::<u32>();
    check("gather_pixels", indices, bytes.checked_div(pixels).unwrap_or(usize::MAX));
    let (indices, _) = indices.as_chunks::<1>();
    dispatch(commands, "gather_pixels", kept, pixels, indices, &[pixels as u32])
}
