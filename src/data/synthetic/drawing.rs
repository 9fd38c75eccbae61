//! A small antialiased rasteriser: distances of pixels to strokes, and curves as polylines.
//!
//! All arithmetic is in f64, so that a platform's last bit of `sin` does not reach a pixel of eight bits.

use super::SIDE;

/// Beyond a stroke's edge, in pixels, no distance is kept: wide enough for outlines and soft edges.
const REACH: f64 = 2.5;

/// Ends that are nearer to each other, in pixels, close a stroke.
const CLOSED: f64 = 1e-6;

/// The points of a spline's polyline for each span between two given points.
const STEPS_PER_SPAN: usize = 6;

/// x to the right, y downwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
}

pub(super) const fn point(x: f64, y: f64) -> Point {
    Point { x, y }
}

impl Point {
    pub fn lerp(self, other: Point, t: f64) -> Point {
        point(self.x + (other.x - self.x) * t, self.y + (other.y - self.y) * t)
    }
}

/// The length of a vector. Not `hypot`: a square root rounds alike on every platform, and is faster.
pub(super) fn length(x: f64, y: f64) -> f64 {
    (x * x + y * y).sqrt()
}

/// x -> A x + b.
#[derive(Clone, Copy, Debug)]
pub(super) struct Affine {
    pub matrix: [[f64; 2]; 2],
    pub offset: Point,
}

impl Affine {
    /// First scales each axis, then slants (x grows by `slant` where y falls by one), then turns clockwise by `angle`
    /// radians.
    pub fn new(scale: [f64; 2], slant: f64, angle: f64, offset: Point) -> Affine {
        let (sin, cos) = angle.sin_cos();
        let matrix =
            [[cos * scale[0], (-cos * slant - sin) * scale[1]], [sin * scale[0], (-sin * slant + cos) * scale[1]]];
        Affine { matrix, offset }
    }

    pub fn apply(&self, p: Point) -> Point {
        let [[a, b], [c, d]] = self.matrix;
        point(a * p.x + b * p.y + self.offset.x, c * p.x + d * p.y + self.offset.y)
    }
}

/// How a stroke ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cap {
    /// With a half disc around its last point.
    Round,
    /// Cut straight, as far beyond its last point as it is thick. A closed stroke has no end to cut.
    Square,
}

/// For every pixel the signed distance, in pixels, from its centre to the edge of what was drawn: negative inside.
pub(super) struct Field {
    distances: [f64; SIDE * SIDE],
}

impl Field {
    pub fn new() -> Field {
        Field { distances: [f64::INFINITY; SIDE * SIDE] }
    }

    /// Adds a polyline of at least two points, each with its radius: how thick the line is there on either side. In
    /// between the radius changes linearly.
    pub fn stroke(&mut self, points: &[(Point, f64)], cap: Cap) {
        let last = points.len() - 2;
        let (start, end) = (points[0].0, points[last + 1].0);
        let open = length(start.x - end.x, start.y - end.y) > CLOSED;
        for (index, pair) in points.windows(2).enumerate() {
            let cut = [index == 0, index == last].map(|at_end| at_end && open && cap == Cap::Square);
            self.segment(pair[0], pair[1], cut);
        }
    }

    fn segment(&mut self, (a, from): (Point, f64), (b, to): (Point, f64), [cut_start, cut_end]: [bool; 2]) {
        let (along_x, along_y) = (b.x - a.x, b.y - a.y);
        let square = along_x * along_x + along_y * along_y;
        let total = square.sqrt();
        let inverse = if square > 0.0 { 1.0 / square } else { 0.0 };
        let reach = from.max(to) + REACH;
        self.update(a.x.min(b.x) - reach, a.x.max(b.x) + reach, a.y.min(b.y) - reach, a.y.max(b.y) + reach, |p| {
            let (x, y) = (p.x - a.x, p.y - a.y);
            let t = (x * along_x + y * along_y) * inverse;
            let inside = t.clamp(0.0, 1.0);
            let radius = from + (to - from) * inside;
            let rounded = length(x - along_x * inside, y - along_y * inside) - radius;
            let beyond = if t < 0.0 && cut_start {
                -t * total
            } else if t > 1.0 && cut_end {
                (t - 1.0) * total
            } else {
                return rounded;
            };
            let aside = (x * along_y - y * along_x).abs() / total;
            beyond.max(aside) - radius
        });
    }

    /// Adds a rectangle with rounded corners, given by its centre and half its sides.
    pub fn rounded_rectangle(&mut self, centre: Point, half: [f64; 2], corner: f64) {
        let [half_x, half_y] = half;
        let (reach_x, reach_y) = (half_x + REACH, half_y + REACH);
        self.update(centre.x - reach_x, centre.x + reach_x, centre.y - reach_y, centre.y + reach_y, |p| {
            let (x, y) = ((p.x - centre.x).abs() - half_x + corner, (p.y - centre.y).abs() - half_y + corner);
            length(x.max(0.0), y.max(0.0)) + x.max(y).min(0.0) - corner
        });
    }

    /// Lowers the distances of the pixels within the given bounds to those of a shape.
    fn update(&mut self, left: f64, right: f64, top: f64, bottom: f64, distance: impl Fn(Point) -> f64) {
        let pixels = |from: f64, to: f64| from.max(0.0) as usize..(to.ceil().max(0.0) as usize).min(SIDE);
        for y in pixels(top, bottom) {
            for x in pixels(left, right) {
                let here = &mut self.distances[y * SIDE + x];
                *here = here.min(distance(point(x as f64 + 0.5, y as f64 + 0.5)));
            }
        }
    }

    /// How much of each pixel is covered by the shape grown by `growth` pixels, 0 to 1, when its edge is `softness`
    /// pixels wide.
    pub fn coverage(&self, growth: f64, softness: f64) -> impl Iterator<Item = f64> {
        self.distances.iter().map(move |distance| (0.5 - (distance - growth) / softness).clamp(0.0, 1.0))
    }

    /// The coverage of the shape moved `offset` pixels to the right and as many down.
    pub fn shadow(&self, offset: usize, softness: f64) -> impl Iterator<Item = f64> {
        (0..SIDE * SIDE).map(move |index| {
            match ((index / SIDE).checked_sub(offset), (index % SIDE).checked_sub(offset)) {
                (Some(y), Some(x)) => (0.5 - self.distances[y * SIDE + x] / softness).clamp(0.0, 1.0),
                _ => 0.0,
            }
        })
    }
}

/// A smooth curve through all of `points` (a centripetal Catmull-Rom spline), as a polyline. A point that is given
/// twice in a row is a corner.
pub(super) fn spline(points: &[Point]) -> Vec<Point> {
    let mut curve = Vec::with_capacity(points.len() * STEPS_PER_SPAN);
    let mut start = 0;
    for end in 1..=points.len() {
        if end == points.len() || points[end] == points[end - 1] {
            smooth_piece(&points[start..end], &mut curve);
            start = end;
        }
    }
    curve
}

fn smooth_piece(points: &[Point], curve: &mut Vec<Point>) {
    let count = points.len();
    curve.push(points[0]);
    for index in 1..count {
        let (p1, p2) = (points[index - 1], points[index]);
        // A mirrored neighbour continues the curve beyond its ends.
        let p0 = if index >= 2 { points[index - 2] } else { p2.lerp(p1, 2.0) };
        let p3 = if index + 1 < count { points[index + 1] } else { p1.lerp(p2, 2.0) };
        let knot = |a: Point, b: Point| length(a.x - b.x, a.y - b.y).sqrt();
        let t1 = knot(p0, p1);
        let t2 = t1 + knot(p1, p2);
        let t3 = t2 + knot(p2, p3);
        for step in 1..=STEPS_PER_SPAN {
            let t = t1 + (t2 - t1) * step as f64 / STEPS_PER_SPAN as f64;
            // The pyramid of Barry and Goldman (1988).
            let between = |a: Point, b: Point, from: f64, to: f64| a.lerp(b, (t - from) / (to - from));
            let (a1, a2, a3) = (between(p0, p1, 0.0, t1), between(p1, p2, t1, t2), between(p2, p3, t2, t3));
            let (b1, b2) = (between(a1, a2, 0.0, t2), between(a2, a3, t1, t3));
            curve.push(between(b1, b2, t1, t2));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Enough for sums of antialiased pixels, whose edges are approximated by straight ramps, in square pixels.
    const AREA_TOLERANCE: f64 = 1.5;

    fn area(field: &Field) -> f64 {
        field.coverage(0.0, 1.0).sum()
    }

    #[test]
    fn a_stroke_covers_its_length_times_its_width_and_its_caps() {
        let line = [(point(8.0, 16.0), 2.0), (point(24.0, 16.0), 2.0)];
        for (cap, caps) in [(Cap::Round, std::f64::consts::PI * 4.0), (Cap::Square, 4.0 * 4.0)] {
            let mut field = Field::new();
            field.stroke(&line, cap);
            let expected = 16.0 * 4.0 + caps;
            assert!((area(&field) - expected).abs() < AREA_TOLERANCE, "{cap:?}: {} for {expected}", area(&field));
        }
    }

    #[test]
    fn a_closed_stroke_has_no_cut_ends() {
        let corner = |x: f64, y: f64| (point(x, y), 1.5);
        let square = [corner(8.0, 8.0), corner(24.0, 8.0), corner(24.0, 24.0), corner(8.0, 24.0), corner(8.0, 8.0)];
        let [round, cut] = [Cap::Round, Cap::Square].map(|cap| {
            let mut field = Field::new();
            field.stroke(&square, cap);
            area(&field)
        });
        assert_eq!(round, cut);
    }

    #[test]
    fn a_rounded_rectangle_covers_its_area() {
        let mut field = Field::new();
        field.rounded_rectangle(point(16.0, 15.0), [9.0, 6.0], 3.0);
        let expected = 18.0 * 12.0 - (4.0 - std::f64::consts::PI) * 9.0;
        assert!((area(&field) - expected).abs() < AREA_TOLERANCE, "{} for {expected}", area(&field));
    }

    #[test]
    fn strokes_beyond_the_image_draw_nothing() {
        let mut field = Field::new();
        field.stroke(&[(point(-40.0, 5.0), 2.0), (point(-20.0, 50.0), 2.0)], Cap::Square);
        assert_eq!(area(&field), 0.0);
    }

    #[test]
    fn a_shadow_is_the_shape_moved() {
        let mut field = Field::new();
        field.stroke(&[(point(8.0, 9.0), 2.0), (point(20.0, 16.0), 1.0)], Cap::Round);
        let shape: Vec<f64> = field.coverage(0.0, 1.0).collect();
        for (index, shadow) in field.shadow(2, 1.0).enumerate() {
            let (y, x) = (index / SIDE, index % SIDE);
            assert_eq!(shadow, if y < 2 || x < 2 { 0.0 } else { shape[(y - 2) * SIDE + x - 2] });
        }
    }

    #[test]
    fn a_spline_passes_through_its_points_and_turns_sharply_at_corners() {
        let corner = point(1.0, 0.0);
        let points = [point(0.0, 0.0), point(0.5, 0.1), corner, corner, point(1.0, 1.0)];
        let curve = spline(&points);
        for p in points {
            assert!(curve.iter().any(|q| length(p.x - q.x, p.y - q.y) < 1e-12), "{p:?}");
        }
        let after = curve.iter().rposition(|&p| p == corner).expect("the corner begins a piece");
        assert!(curve[after..].iter().all(|p| (p.x - 1.0).abs() < 1e-12), "straight down from the corner");
    }

    #[test]
    fn an_affine_map_scales_then_slants_then_turns() {
        let map = Affine::new([2.0, 3.0], 0.5, std::f64::consts::FRAC_PI_2, point(10.0, 20.0));
        // (1, -1) is scaled to (2, -3), slanted to (3.5, -3), turned clockwise to (3, 3.5), with y downwards.
        let p = map.apply(point(1.0, -1.0));
        assert!((p.x - 13.0).abs() < 1e-12 && (p.y - 23.5).abs() < 1e-12, "{p:?}");
    }
}
