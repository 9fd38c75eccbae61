//! Which vector instructions the kernels are compiled for, chosen at run time.

use std::fmt;
use std::str::FromStr;

use pulp::{Scalar, WithSimd};

use crate::error::{Error, Result};

/// The environment variable that forces a microkernel.
const VARIABLE: &str = "GRAFT_SIMD";

/// A set of vector instructions that this machine has.
#[derive(Clone, Copy)]
pub struct Simd(Level);

#[derive(Clone, Copy)]
enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
    #[cfg(target_arch = "x86_64")]
    Avx512(pulp::x86::V4),
    #[cfg(target_arch = "aarch64")]
    Neon(pulp::aarch64::Neon),
}

impl Simd {
    /// Plain Rust that the compiler vectorises for the baseline.
    pub const PORTABLE: Simd = Simd(Level::Portable);

    /// All sets of this machine, the widest first.
    pub fn available() -> Vec<Simd> {
        #[cfg(target_arch = "x86_64")]
        let best = [pulp::x86::V4::try_new().map(Level::Avx512), pulp::x86::V3::try_new().map(Level::Avx2)];
        #[cfg(target_arch = "aarch64")]
        let best = [pulp::aarch64::Neon::try_new().map(Level::Neon)];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let best: [Option<Level>; 0] = [];
        best.into_iter().flatten().map(Simd).chain([Simd::PORTABLE]).collect()
    }

    /// The set that `GRAFT_SIMD` names, else the widest.
    ///
    /// # Errors
    /// [`Error::Usage`] where the variable names no set of this machine.
    pub fn from_environment() -> Result<Simd> {
        match std::env::var(VARIABLE) {
            Ok(name) => name.parse(),
            Err(_) => Ok(Simd::available()[0]),
        }
    }

    /// As [`Simd::from_environment`].
    ///
    /// # Panics
    /// Where that is an error.
    pub fn detect() -> Simd {
        Simd::from_environment().unwrap_or_else(|error| panic!("{error}"))
    }

    /// The name, as `GRAFT_SIMD` takes it.
    pub fn name(self) -> &'static str {
        match self.0 {
            Level::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Level::Neon(_) => "neon",
        }
    }

    /// The name of the widest set whose bits these instructions give. AVX2 and AVX-512 add the same products in the same order: sums are cut by
    /// shape alone, and each element of a product is one chain of fused multiply-adds.
    pub fn rounding(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Level::Avx2(_) => "avx512",
            _ => self.name(),
        }
    }

    /// Runs `op` compiled for these instructions, on this thread.
    #[inline(always)]
    pub(super) fn dispatch<O: WithSimd>(self, op: O) -> O::Output {
        match self.0 {
            Level::Portable => op.with_simd(Scalar),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2(simd) => pulp::Simd::vectorize(simd, op),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512(simd) => pulp::Simd::vectorize(simd, op),
            #[cfg(target_arch = "aarch64")]
            Level::Neon(simd) => pulp::Simd::vectorize(simd, op),
        }
    }
}

impl FromStr for Simd {
    type Err = Error;

    fn from_str(name: &str) -> Result<Simd> {
        let available = Simd::available();
        let names: Vec<&str> = available.iter().map(|simd| simd.name()).collect();
        available.iter().find(|simd| simd.name() == name).copied().ok_or_else(|| {
            Error::Usage(format!("{VARIABLE}={name} is none of this machine's microkernels: {}", names.join(", ")))
        })
    }
}

impl fmt::Debug for Simd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
