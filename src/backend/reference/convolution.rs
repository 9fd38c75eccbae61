//! The three partial derivatives of the trilinear convolution form, as it is written in [`Geometry`].

use super::{Geometry, Role};

/// The one of (fine image, filter, coarse image) that `role` names, from the two others in that order.
pub fn trilinear(role: Role, geometry: &Geometry, a: &[f64], b: &[f64]) -> Vec<f64> {
    let g = geometry;
    let [fine_each, coarse_each] = [g.fine_channels, g.coarse_channels].map(|channels| channels / g.groups);
    let mut out = vec![0.0; g.shape(role).iter().product()];
    for n in 0..g.batch {
        for i in 0..g.coarse[0] {
            for j in 0..g.coarse[1] {
                for p in 0..g.kernel[0] {
                    for q in 0..g.kernel[1] {
                        let row = (g.stride[0] * i + g.dilation[0] * p)
                            .checked_sub(g.padding[0])
                            .filter(|&row| row < g.fine[0]);
                        let column = (g.stride[1] * j + g.dilation[1] * q)
                            .checked_sub(g.padding[1])
                            .filter(|&col| col < g.fine[1]);
                        let (Some(row), Some(column)) = (row, column) else { continue };
                        for c in 0..fine_each {
                            for k in 0..g.coarse_channels {
                                let channel = k / coarse_each * fine_each + c;
                                let fine = ((n * g.fine[0] + row) * g.fine[1] + column) * g.fine_channels + channel;
                                let filter = ((p * g.kernel[1] + q) * fine_each + c) * g.coarse_channels + k;
                                let coarse = ((n * g.coarse[0] + i) * g.coarse[1] + j) * g.coarse_channels + k;
                                match role {
                                    Role::Fine => out[fine] += a[filter] * b[coarse],
                                    Role::Filter => out[filter] += a[fine] * b[coarse],
                                    Role::Coarse => out[coarse] += a[fine] * b[filter],
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    out
}
