//! The lettering of house numbers: three faces of geometric digits, drawn with compass and ruler.
//!
//! Coordinates are those of the strokes' middle lines in a box from (0, 0) at the top left to (1, 1), which is
//! stretched to the size of the digit.

use super::drawing::{Point, point};

/// One step of a stroke.
pub(super) enum Piece {
    /// A straight line to (x, y), or the start there.
    To(f64, f64),
    /// An arc of an ellipse: centre, radii, and the angles in degrees where it begins and ends, clockwise from the
    /// right. A straight line leads to its beginning.
    Arc([f64; 2], [f64; 2], [f64; 2]),
}

use Piece::{Arc, To};

/// A digit: strokes, and its width against the face's.
pub(super) struct Glyph {
    pub width: f64,
    pub strokes: &'static [&'static [Piece]],
}

/// Ten digits that belong together.
pub(super) struct Face {
    pub digits: [Glyph; 10],
    /// How much thinner level strokes are than upright ones.
    pub contrast: f64,
}

pub(super) const FACES: [Face; 3] = [GROTESQUE, ROMAN, OCTAGON];

/// The angle between two points of an arc, in degrees.
const ARC_STEP: f64 = 24.0;

/// A stroke as a polyline.
pub(super) fn outline(stroke: &[Piece]) -> Vec<Point> {
    let mut points = Vec::new();
    for piece in stroke {
        match *piece {
            To(x, y) => points.push(point(x, y)),
            Arc([x, y], [rx, ry], [from, to]) => {
                let steps = ((to - from).abs() / ARC_STEP).ceil();
                points.extend((0..=steps as usize).map(|step| {
                    let (sin, cos) = (from + (to - from) * step as f64 / steps).to_radians().sin_cos();
                    point(x + rx * cos, y + ry * sin)
                }));
            }
        }
    }
    points
}

const fn glyph(strokes: &'static [&'static [Piece]]) -> Glyph {
    Glyph { width: 1.0, strokes }
}

const ROUND_ZERO: Glyph = glyph(&[&[
    Arc([0.5, 0.36], [0.5, 0.36], [180.0, 360.0]),
    Arc([0.5, 0.64], [0.5, 0.36], [0.0, 180.0]),
    To(0.0, 0.36),
]]);
const ROUND_TWO: Glyph = glyph(&[&[Arc([0.5, 0.29], [0.47, 0.29], [190.0, 390.0]), To(0.0, 1.0), To(1.0, 1.0)]]);
const ROUND_THREE: Glyph =
    glyph(&[&[Arc([0.46, 0.245], [0.44, 0.245], [205.0, 450.0]), Arc([0.46, 0.745], [0.52, 0.255], [270.0, 515.0])]]);
const ROUND_FIVE: Glyph =
    glyph(&[&[To(0.92, 0.0), To(0.14, 0.0), To(0.06, 0.48), Arc([0.46, 0.67], [0.52, 0.33], [222.0, 508.0])]]);
const ROUND_SIX: Glyph =
    glyph(&[&[Arc([0.5, 0.68], [0.5, 0.32], [0.0, 360.0])], &[Arc([0.9, 0.68], [0.9, 0.68], [180.0, 264.0])]]);
const ROUND_EIGHT: Glyph =
    glyph(&[&[Arc([0.5, 0.24], [0.42, 0.24], [0.0, 360.0])], &[Arc([0.5, 0.74], [0.5, 0.26], [0.0, 360.0])]]);
const ROUND_NINE: Glyph =
    glyph(&[&[Arc([0.5, 0.32], [0.5, 0.32], [0.0, 360.0])], &[Arc([0.1, 0.32], [0.9, 0.68], [0.0, 84.0])]]);

/// Even strokes without serifs.
const GROTESQUE: Face = Face {
    digits: [
        ROUND_ZERO,
        Glyph { width: 0.6, strokes: &[&[To(0.0, 0.2), To(0.75, 0.0), To(0.75, 1.0)]] },
        ROUND_TWO,
        ROUND_THREE,
        glyph(&[&[To(0.74, 1.0), To(0.74, 0.0), To(0.0, 0.72), To(1.0, 0.72)]]),
        ROUND_FIVE,
        ROUND_SIX,
        glyph(&[&[To(0.0, 0.0), To(1.0, 0.0), To(0.36, 1.0)]]),
        ROUND_EIGHT,
        ROUND_NINE,
    ],
    contrast: 0.1,
};

/// Thick and thin strokes, with serifs where they matter at this size.
const ROMAN: Face = Face {
    digits: [
        ROUND_ZERO,
        Glyph { width: 0.7, strokes: &[&[To(0.05, 0.16), To(0.5, 0.0), To(0.5, 1.0)], &[To(0.0, 1.0), To(1.0, 1.0)]] },
        glyph(&[&[Arc([0.5, 0.29], [0.47, 0.29], [180.0, 390.0]), To(0.02, 1.0), To(1.0, 1.0), To(1.0, 0.84)]]),
        glyph(&[&[To(0.06, 0.0), To(0.92, 0.0), To(0.4, 0.4), Arc([0.46, 0.7], [0.52, 0.3], [270.0, 512.0])]]),
        glyph(&[&[To(0.72, 1.0), To(0.72, 0.0), To(0.0, 0.7), To(1.0, 0.7)], &[To(0.46, 1.0), To(0.98, 1.0)]]),
        ROUND_FIVE,
        ROUND_SIX,
        glyph(&[&[To(0.0, 0.16), To(0.0, 0.0), To(1.0, 0.0), To(0.5, 0.5), To(0.38, 1.0)]]),
        ROUND_EIGHT,
        ROUND_NINE,
    ],
    contrast: 0.45,
};

/// Straight strokes only, with cut corners.
#[rustfmt::skip] // One stroke, not one point, is what a reader looks for.
const OCTAGON: Face = Face {
    digits: [
        glyph(&[&[
            To(0.28, 0.0), To(0.72, 0.0), To(1.0, 0.2), To(1.0, 0.8), To(0.72, 1.0), To(0.28, 1.0), To(0.0, 0.8),
            To(0.0, 0.2), To(0.28, 0.0),
        ]]),
        Glyph { width: 0.45, strokes: &[&[To(0.0, 0.16), To(0.8, 0.0), To(0.8, 1.0)]] },
        glyph(&[&[
            To(0.0, 0.22), To(0.28, 0.0), To(0.72, 0.0), To(1.0, 0.2), To(1.0, 0.4), To(0.0, 0.82), To(0.0, 1.0),
            To(1.0, 1.0),
        ]]),
        glyph(&[
            &[
                To(0.0, 0.16), To(0.26, 0.0), To(0.74, 0.0), To(0.98, 0.16), To(0.98, 0.36), To(0.74, 0.48),
                To(1.0, 0.62), To(1.0, 0.84), To(0.74, 1.0), To(0.26, 1.0), To(0.0, 0.84),
            ],
            &[To(0.36, 0.48), To(0.74, 0.48)],
        ]),
        glyph(&[&[To(0.16, 0.0), To(0.0, 0.66), To(1.0, 0.66)], &[To(0.72, 0.34), To(0.72, 1.0)]]),
        glyph(&[&[
            To(0.96, 0.0), To(0.04, 0.0), To(0.04, 0.44), To(0.72, 0.44), To(1.0, 0.6), To(1.0, 0.84), To(0.72, 1.0),
            To(0.24, 1.0), To(0.0, 0.86),
        ]]),
        glyph(&[&[
            To(0.92, 0.06), To(0.72, 0.0), To(0.28, 0.0), To(0.0, 0.2), To(0.0, 0.8), To(0.28, 1.0), To(0.72, 1.0),
            To(1.0, 0.82), To(1.0, 0.62), To(0.72, 0.46), To(0.0, 0.46),
        ]]),
        glyph(&[&[To(0.0, 0.0), To(1.0, 0.0), To(1.0, 0.2), To(0.42, 0.62), To(0.42, 1.0)]]),
        glyph(&[
            &[
                To(0.28, 0.0), To(0.72, 0.0), To(0.96, 0.16), To(0.96, 0.34), To(0.72, 0.47), To(1.0, 0.62),
                To(1.0, 0.84), To(0.72, 1.0), To(0.28, 1.0), To(0.0, 0.84), To(0.0, 0.62), To(0.28, 0.47),
                To(0.04, 0.34), To(0.04, 0.16), To(0.28, 0.0),
            ],
            &[To(0.28, 0.47), To(0.72, 0.47)],
        ]),
        glyph(&[&[
            To(0.08, 0.94), To(0.28, 1.0), To(0.72, 1.0), To(1.0, 0.8), To(1.0, 0.2), To(0.72, 0.0), To(0.28, 0.0),
            To(0.0, 0.18), To(0.0, 0.38), To(0.28, 0.54), To(1.0, 0.54),
        ]]),
    ],
    contrast: 0.0,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digit_fills_its_box_from_top_to_bottom_and_stays_inside() {
        for (face, Face { digits, .. }) in FACES.iter().enumerate() {
            for (digit, glyph) in digits.iter().enumerate() {
                let points: Vec<Point> = glyph.strokes.iter().flat_map(|stroke| outline(stroke)).collect();
                // An arc is sampled, so its extremes are met to about one percent.
                let slack = 0.015;
                let inside = |value: f64| (-slack..=1.0 + slack).contains(&value);
                assert!(points.iter().all(|p| inside(p.x) && inside(p.y)), "face {face}, digit {digit}");
                let (low, high) = points.iter().fold((1.0f64, 0.0f64), |(low, high), p| (low.min(p.y), high.max(p.y)));
                assert!(low <= slack && high >= 1.0 - slack, "face {face}, digit {digit}: {low} to {high}");
            }
        }
    }
}
