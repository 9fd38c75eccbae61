//! Runs a check on every row of the library's conformance table, family by family, and says how large the errors were.

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use graft::conformance::{Case, Derivatives};
use graft::{Device, Tensor};

/// Of numbers that are equal but for the order of f64 operations, and of f32 operations.
#[cfg(feature = "cli")]
pub const DOUBLE_ROUNDING: f64 = 1e-12;
#[cfg(feature = "cli")]
pub const SINGLE_ROUNDING: f64 = 1e-5;

/// Every family of rows by name, for a test each.
macro_rules! each_family {
    ($check:expr) => {
        $crate::case::each_family!($check; elementwise broadcasting reductions shapes products convolutions
            fused_convolutions grouped_convolutions normalisation losses resampling statistics ordering padding pooling sampling penalties not_finite large large_convolutions);
    };
    ($check:expr; $($family:ident)+) => {
        $(
            #[test]
            fn $family() {
                $crate::case::verify(graft::conformance::table::$family(), $check);
            }
        )+
    };
}
pub(crate) use each_family;

/// The elements of a tensor.
pub fn elements(tensor: &Tensor) -> Vec<f64> {
    tensor.to_vec().expect("the device works")
}

/// What the reference finds of a row. Of large rows, on which its plain loops take minutes, it is found once for all tests.
pub fn truth(case: &Case) -> Arc<Derivatives> {
    type Found = Arc<OnceLock<Arc<Derivatives>>>;
    static FOUND: LazyLock<Mutex<HashMap<String, Found>>> = LazyLock::new(Mutex::default);
    let find = || Arc::new(case.derivatives(&Device::reference()));
    if !case.large {
        return find();
    }
    let found = FOUND.lock().expect("no test panics here").entry(case.name.clone()).or_default().clone();
    found.get_or_init(find).clone()
}

/// The largest errors that a test saw, by what they are errors of.
#[derive(Default)]
pub struct Largest(BTreeMap<String, (f64, String)>);

impl Largest {
    /// Takes note of an error of a row.
    pub fn note(&mut self, what: &str, error: f64, row: &str) {
        let largest = self.0.entry(what.to_owned()).or_default();
        if error >= largest.0 {
            *largest = (error, row.to_owned());
        }
    }
}

/// Checks all rows, says (under `--nocapture`) how large the errors were, and fails with the failures of all rows.
#[track_caller]
pub fn verify(cases: Vec<Case>, check: impl Fn(&Case, &mut Largest) -> Result<(), String>) {
    let mut largest = Largest::default();
    let mut failures = Vec::new();
    for case in &cases {
        let outcome = catch_unwind(AssertUnwindSafe(|| check(case, &mut largest)));
        if let Err(failure) = outcome.unwrap_or_else(|_| Err("panics (see above)".to_owned())) {
            failures.push(format!("{}: {failure}", case.name));
        }
    }
    for (what, (error, row)) in largest.0 {
        println!("{} rows, largest error of {what}: {error:.1e} ({row})", cases.len());
    }
    assert!(failures.is_empty(), "{} of {} rows fail:\n{}", failures.len(), cases.len(), failures.join("\n"));
}
