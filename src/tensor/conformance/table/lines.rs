//! Rows of what is made of the elements along an axis: their statistics, their order, and borders of them.

use super::{ANY, POSITIVE, SIGNED, one};
use crate::tensor::Tensor;
use crate::tensor::conformance::{Case, Domain};
use crate::tensor::ops::{Border, Order};

/// Variances, norms and products.
pub fn statistics() -> Vec<Case> {
    let row = |name: &str, domain, function: fn(&Tensor) -> Tensor| one(name, [3, 5, 2], domain, function);
    vec![
        row("var over 1", ANY, |x| x.var_axes(&[1], false, 1)),
        row("var over [0, 2], biased, keep", ANY, |x| x.var_axes(&[0, 2], true, 0)),
        row("std over 1", ANY, |x| x.std_axes(&[1], true, 1)),
        row("std over all", ANY, |x| x.std_axes(&[0, 1, 2], false, 0)),
        row("norm", ANY, Tensor::norm),
        row("norm over 1", ANY, |x| x.norm_axes(&[1], false)),
        row("norm over [1, 2], keep", ANY, |x| x.norm_axes(&[1, 2], true)),
        row("normalize along 1", ANY, |x| x.normalize(1, 1e-12)),
        row("normalize of what is shorter than epsilon", ANY, |x| x.normalize(2, 10.0)).linear(),
        row("prod", SIGNED, Tensor::prod),
        row("prod along 0", SIGNED, |x| x.prod_axis(0, false)),
        row("prod along 1, keep", SIGNED, |x| x.prod_axis(1, true)),
        row("prod along 2", POSITIVE, |x| x.prod_axis(2, false)),
        one("prod of lines with zeros", [6, 4], Domain::Choice(&[0.0, 1.5, -0.5, 2.0]), |x| x.prod_axis(1, false)),
    ]
}

/// The largest, sorted, the first few.
pub fn ordering() -> Vec<Case> {
    const WORKS: &str = "the device works";
    let row = |name: &str, shape: &[usize], function: fn(&Tensor) -> Tensor| {
        one(name, shape, Domain::Distinct, function).affine().exact()
    };
    vec![
        row("max_with_indices along 1", &[3, 5, 2], |x| x.max_with_indices(1).expect(WORKS).0),
        row("max_with_indices along the last axis", &[4, 7], |x| x.max_with_indices(1).expect(WORKS).0),
        row("sort along 0", &[7, 3], |x| x.sort(0, Order::Ascending).expect(WORKS).0),
        row("sort along 1, descending", &[2, 5, 3], |x| x.sort(1, Order::Descending).expect(WORKS).0),
        row("top_k of 3", &[3, 8], |x| x.top_k(1, 3, Order::Descending).expect(WORKS).0),
        row("top_k of all", &[5, 2], |x| x.top_k(0, 5, Order::Ascending).expect(WORKS).0),
    ]
}

/// Borders of the tensor itself.
pub fn padding() -> Vec<Case> {
    let row =
        |name: &str, shape: &[usize], function: fn(&Tensor) -> Tensor| one(name, shape, ANY, function).linear().exact();
    vec![
        row("reflection", &[2, 5, 3], |x| x.pad_with(1, 4, 2, Border::Reflection)),
        row("reflection of the last axis", &[3, 4], |x| x.pad_with(1, 0, 3, Border::Reflection)),
        row("replication", &[2, 3, 3], |x| x.pad_with(1, 4, 1, Border::Replication)),
        row("replication of the last axis", &[2, 1], |x| x.pad_with(1, 2, 2, Border::Replication)),
        row("an image's reflection", &[2, 4, 3, 2], |x| x.pad_image_with(2, Border::Reflection)),
        row("an image's replication", &[1, 3, 4, 3], |x| x.pad_image_with(3, Border::Replication)),
    ]
}
