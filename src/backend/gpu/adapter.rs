//! Which gpu to use: real ones before software, and software only where it is asked for.

use std::fmt;

use crate::error::{Error, Result};

/// What to do where there is no adapter.
pub const ADVICE: &str = "install your card's Vulkan driver (on Debian and Ubuntu, the package mesa-vulkan-drivers has those of \
                          AMD and Intel and one in software)";

/// What a user asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The best adapter there is, a software one if there is no other.
    Best,
    /// The adapter of this number, in the order of [`adapters`], where there are so many; else the best one whose name, driver or backend
    /// contains this, whatever the case.
    Named(String),
}

/// One way to one gpu.
#[derive(Clone)]
pub struct Adapter {
    pub(super) adapter: wgpu::Adapter,
    /// Its name, kind, driver and backend.
    pub info: wgpu::AdapterInfo,
    /// The most that it grants.
    pub limits: wgpu::Limits,
    /// Those optional features that it has and the engine uses.
    pub(super) features: wgpu::Features,
}

/// The optional features that the engine uses.
const USED: wgpu::Features = wgpu::Features::TIMESTAMP_QUERY
    .union(wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES)
    .union(wgpu::Features::PIPELINE_CACHE);

/// Every adapter, the best first.
pub fn adapters() -> Vec<Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::PRIMARY));
    let mut adapters: Vec<Adapter> = found
        .into_iter()
        .map(|adapter| {
            let features = adapter.features() & USED;
            Adapter { info: adapter.get_info(), limits: adapter.limits(), features, adapter }
        })
        .collect();
    adapters.sort_by_key(Adapter::rank);
    adapters
}

impl Adapter {
    /// 0 for the fastest kind.
    fn rank(&self) -> usize {
        match self.info.device_type {
            wgpu::DeviceType::DiscreteGpu => 0,
            wgpu::DeviceType::IntegratedGpu => 1,
            wgpu::DeviceType::VirtualGpu => 2,
            wgpu::DeviceType::Other => 3,
            wgpu::DeviceType::Cpu => 4,
        }
    }

    /// Whether it computes on the cpu.
    pub fn is_software(&self) -> bool {
        self.info.device_type == wgpu::DeviceType::Cpu
    }

    /// Whether the kernels run on it: they need what WebGPU grants by default.
    pub fn is_enough(&self) -> bool {
        let (limits, needed) = (&self.limits, wgpu::Limits::default());
        limits.max_compute_invocations_per_workgroup >= needed.max_compute_invocations_per_workgroup
            && limits.max_compute_workgroup_storage_size >= needed.max_compute_workgroup_storage_size
            && limits.max_storage_buffers_per_shader_stage >= needed.max_storage_buffers_per_shader_stage
            && limits.max_compute_workgroups_per_dimension >= needed.max_compute_workgroups_per_dimension
    }

    /// The kind, in a word.
    pub fn kind(&self) -> &'static str {
        match self.info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete",
            wgpu::DeviceType::IntegratedGpu => "integrated",
            wgpu::DeviceType::VirtualGpu => "virtual",
            wgpu::DeviceType::Other => "other",
            wgpu::DeviceType::Cpu => "software",
        }
    }

    /// The driver and its version.
    pub fn driver(&self) -> String {
        format!("{} {}", self.info.driver, self.info.driver_info).trim().to_string()
    }

    /// The largest tensor, in bytes: what the driver lets a shader see, of no more elements than shaders count in an `i32`.
    pub fn largest(&self) -> u64 {
        const COUNTED: u64 = 4 * i32::MAX as u64;
        self.limits.max_storage_buffer_binding_size.min(self.limits.max_buffer_size).min(COUNTED) / 16 * 16
    }

    fn is_named(&self, part: &str) -> bool {
        let text = format!("{} {} {}", self.info.name, self.driver(), self.info.backend).to_lowercase();
        text.contains(&part.to_lowercase())
    }
}

impl fmt::Display for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.info.name, self.kind(), self.info.backend)
    }
}

/// The adapter that a choice stands for.
///
/// # Errors
/// [`Error::Invalid`] where there is none, saying what to install or which there are.
pub fn choose(choice: &Choice) -> Result<Adapter> {
    let all = adapters();
    if let Some(adapter) = numbered(choice, &all) {
        return match adapter.is_enough() {
            true => Ok(adapter.clone()),
            false => Err(Error::invalid(format!("{adapter} grants less than the kernels need; name another GPU"))),
        };
    }
    let adapters: Vec<Adapter> = all.into_iter().filter(Adapter::is_enough).collect();
    if adapters.is_empty() {
        return Err(Error::invalid(format!("there is no GPU that graft can use: {ADVICE}, or use the device cpu")));
    }
    match choice {
        Choice::Best => Ok(adapters[0].clone()),
        Choice::Named(part) => adapters.iter().find(|adapter| adapter.is_named(part)).cloned().ok_or_else(|| {
            let names: Vec<String> = adapters.iter().map(ToString::to_string).collect();
            Error::invalid(format!("no GPU is named {part:?}; there are: {}", names.join(", ")))
        }),
    }
}

/// The one of a choice's number, where it is one and there are so many.
fn numbered<'a, T>(choice: &Choice, adapters: &'a [T]) -> Option<&'a T> {
    let Choice::Named(part) = choice else { return None };
    part.parse().ok().and_then(|number: usize| adapters.get(number))
}

/// The adapter that `--device auto` takes, if it is not the cpu: one that is no software.
pub fn automatic() -> Option<Adapter> {
    adapters().into_iter().find(|adapter| adapter.is_enough() && !adapter.is_software())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_place_where_there_are_so_many_and_else_part_of_a_name() {
        let named = |part: &str| Choice::Named(part.to_string());
        assert_eq!(numbered(&named("1"), &["first", "second"]), Some(&"second"));
        for part in ["2", "4090", "nvidia", "-1", ""] {
            assert_eq!(numbered(&named(part), &["first", "second"]), None, "{part}");
        }
        assert_eq!(numbered(&Choice::Best, &["first"]), None);
    }
}
