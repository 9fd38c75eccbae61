//! A device held against the reference, row by row of the [table](super::table): what users run on a machine that nobody has tested.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rayon::prelude::*;

use super::{Case, Derivatives, Distance};
use crate::backend::Device;

/// What f32 may be off by, as [`relative_error`](crate::tensor::gradcheck::relative_error).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Allowance {
    /// Where only `+ - * / sqrt` are called.
    pub plain: f64,
    /// Where functions are called that no standard rounds.
    pub transcendental: f64,
}

impl Allowance {
    /// Of processors. The largest errors are a quarter of it.
    pub const CPU: Allowance = Allowance { plain: 5e-6, transcendental: 1e-5 };
    /// Of graphics cards: WGSL leaves more bits of functions open.
    pub const GPU: Allowance = Allowance { plain: 1e-5, transcendental: 1e-4 };

    /// What a row may be off by.
    pub fn of(&self, case: &Case) -> f64 {
        if case.transcendental { self.transcendental } else { self.plain }
    }

    /// What one part of a row may be off by.
    pub fn of_part(&self, case: &Case, distance: &Distance) -> f64 {
        if distance.exact { 0.0 } else { self.of(case) }
    }
}

/// What was found of a family of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct FamilyCheck {
    /// The family's name.
    pub family: &'static str,
    /// How many rows it has.
    pub rows: usize,
    /// The largest error beside what is allowed, 1 being all of it; infinite where something is wrong that should be exact.
    pub worst: f64,
    /// That error, and the row and the part that it is of.
    pub error: f64,
    /// See [`FamilyCheck::error`].
    pub at: String,
    /// What is wrong, a line each.
    pub failures: Vec<String>,
}

/// Holds a family's rows on a device against the reference: value, gradient, the gradient from a graph, and the second gradient, each within
/// what is allowed and with the same bits twice, whatever was in memory before. A row at which the device fails is a failure of that row.
pub fn check_family(family: &'static str, cases: &[Case], device: &Device, allowance: Allowance) -> FamilyCheck {
    let truths: Vec<Derivatives> = cases.par_iter().map(|case| case.derivatives(&Device::reference())).collect();
    let mut check =
        FamilyCheck { family, rows: cases.len(), worst: 0.0, error: 0.0, at: String::new(), failures: Vec::new() };
    for (case, truth) in cases.iter().zip(&truths) {
        // The second time with memory that holds what is no number: an element that a kernel leaves out differs.
        let found = catch_unwind(AssertUnwindSafe(|| {
            [false, true].map(|poisoned| {
                device.backend().poison(poisoned);
                case.derivatives(device)
            })
        }));
        device.backend().poison(false);
        match found {
            Ok([found, again]) => {
                check.note(case, &case.distances(&found, truth), allowance);
                if found.bits() != again.bits() {
                    check.failures.push(format!("{}: not the same bits twice", case.name));
                }
            }
            Err(panic) => {
                check.worst = f64::INFINITY;
                check.failures.push(format!("{}: {}", case.name, said(&*panic)));
            }
        }
    }
    check
}

impl FamilyCheck {
    fn note(&mut self, case: &Case, distances: &[Distance], allowance: Allowance) {
        for distance in distances {
            let (error, allowed) = (distance.error, allowance.of_part(case, distance));
            let share = if error == 0.0 { 0.0 } else { error / allowed };
            if share > self.worst || self.at.is_empty() {
                (self.worst, self.error, self.at) = (share, error, format!("{}, {distance}", case.name));
            }
            if error > allowed {
                self.failures.push(format!("{}: {distance} is {error:.1e} off, allowed are {allowed:.0e}", case.name));
            }
        }
    }
}

impl Derivatives {
    /// All numbers, bit by bit.
    pub fn bits(&self) -> Vec<u64> {
        let lists = [&self.gradient, &self.recorded, &self.second];
        self.value.iter().chain(lists.into_iter().flatten().flatten()).map(|v| v.to_bits()).collect()
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "it failed".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Tensor;
    use crate::tensor::conformance::{Domain, table};

    const ANY: Domain = Domain::Intervals(&[(-2.0, 2.0)]);

    #[test]
    fn a_device_that_works_fails_nowhere_and_says_how_near_it_came() {
        let check = check_family("elementwise", &table::elementwise(), &Device::cpu(), Allowance::CPU);
        assert!(check.failures.is_empty() && check.rows > 30, "{check:?}");
        assert!(check.worst > 0.0 && check.worst < 1.0 && check.error > 0.0 && check.at.contains(", "), "{check:?}");
    }

    #[test]
    fn what_is_off_wrong_where_it_should_be_exact_unsteady_or_fails_is_named() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let is_single = |x: &Tensor| !x.device().is_double();
        let unsteady = AtomicU32::new(0);
        let rows = [
            Case::new("off", [(vec![3], ANY)], move |x| if is_single(&x[0]) { &x[0] * 1.001 } else { x[0].clone() }),
            Case::new("exact", [(vec![3], ANY)], move |x| if is_single(&x[0]) { &x[0] + 1e-6 } else { x[0].clone() })
                .exact(),
            Case::new("unsteady", [(vec![3], ANY)], move |x| {
                let wobble = if is_single(&x[0]) { unsteady.fetch_add(1, Ordering::Relaxed) } else { 0 };
                &x[0] + 1e-6 * f64::from(wobble)
            }),
            Case::new("fails", [(vec![3], ANY)], move |x| if is_single(&x[0]) { panic!("no") } else { x[0].clone() }),
        ];
        let check = check_family("odd", &rows, &Device::cpu(), Allowance::CPU);
        let named = |start: &str| check.failures.iter().any(|failure| failure.starts_with(start));
        assert!(named("off: value is 1.0e-3 off") && named("exact: value is ") && named("fails: no"), "{check:?}");
        assert!(named("unsteady: not the same bits twice") && check.worst.is_infinite(), "{check:?}");
    }
}
