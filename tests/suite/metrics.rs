//! The metrics and statistics against NumPy and SciPy (tests/golden/metrics.md).

use graft::experiment::statistics::{paired, student_below, student_quantile};
use graft::metrics::{Features, Gaussian, frechet_distance, kernel_distance, memorisation, precision_recall};

use crate::golden::{read, stored};

/// The file's values, and a check against one of them.
struct Golden(Vec<u8>);

impl Golden {
    fn read() -> Golden {
        Golden(read("metrics.safetensors"))
    }

    fn features(&self, name: &str) -> Features {
        let (shape, values) = stored(&self.0, name);
        Features::from_slice(&values, shape[1]).unwrap()
    }

    /// Fails unless `found` is what is stored under a name, to a relative error of 1e-9: that far the two routes, both in
    /// f64, agree with room to spare.
    #[track_caller]
    fn check(&self, name: &str, found: &[f64]) {
        let truth = stored(&self.0, name).1;
        assert_eq!(found.len(), truth.len(), "{name}");
        for (found, truth) in found.iter().zip(truth) {
            assert!((found - truth).abs() <= 1e-9 * truth.abs(), "{name}: {found} is not {truth}");
        }
    }
}

/// With more samples than features, and with fewer, so that both covariances are singular.
#[test]
fn figures_are_those_of_scipy() {
    let golden = Golden::read();
    for set in ["many", "few"] {
        let [real, samples, held_out] =
            ["real", "samples", "held_out"].map(|name| golden.features(&format!("{set}.{name}")));
        let check = |name: &str, found| golden.check(&format!("{set}.{name}"), &[found]);
        check("frechet", frechet_distance(&Gaussian::fit(&real), &Gaussian::fit(&samples)));
        check("kernel", kernel_distance(&real, &samples));
        let found = precision_recall(&real, &samples);
        check("precision", found.precision);
        check("recall", found.recall);
        check("density", found.density);
        check("coverage", found.coverage);
        check("nearer", memorisation(&samples, &real, &held_out, 0).unwrap().nearer);
    }
}

#[test]
fn students_t_is_that_of_scipy() {
    let golden = Golden::read();
    let [freedom, places] = ["freedom", "place"].map(|name| stored(&golden.0, &format!("student.{name}")).1);
    let freedom = || freedom.iter().map(|&freedom| freedom as usize);
    golden.check("student.quantile", &freedom().map(|freedom| student_quantile(0.975, freedom)).collect::<Vec<_>>());
    // Shares down to 1e-70 are compared as they are held against a level, so absolutely.
    let truth = stored(&golden.0, "student.below").1;
    let found = freedom().flat_map(|freedom| places.iter().map(move |&place| student_below(place, freedom)));
    for (found, truth) in found.zip(truth) {
        assert!((found - truth).abs() < 1e-14, "{found} is not {truth}");
    }
}

#[test]
fn a_paired_comparison_is_that_of_scipy() {
    let golden = Golden::read();
    let [arm, baseline] = ["arm", "baseline"].map(|name| stored(&golden.0, &format!("paired.{name}")).1);
    let ratios: Vec<f64> = arm.iter().zip(&baseline).map(|(arm, baseline)| (arm / baseline).ln()).collect();
    let found = paired(&ratios, 0.0).unwrap();
    golden.check("paired.mean", &[found.mean]);
    golden.check("paired.interval", &found.interval);
    golden.check("paired.better", &[found.below]);
}
