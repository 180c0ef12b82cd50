//! Charts: what the page draws with canvases, as pictures that can be printed and sent.
//!
//! One hue is one thing within a chart; status has its own colours and always a word. Gaps stay gaps. No chart has
//! two units.

mod axis;
mod over_time;
mod shapes;

pub use over_time::{Lane, Lanes, Layer, Span, TimeChart, lanes, line_chart};
pub use shapes::{Bar, Bars, Distribution, HeatMap, bars, distribution, heat_map};

use crate::scene::{Anchor, Ink, Scene, text_width};

/// Width of a chart that takes a whole line, in points.
pub const WIDE: f32 = 520.0;
/// Width of a chart of which two stand beside each other.
pub const HALF: f32 = 254.0;

/// Room above the area in which data are drawn, for the legend.
const TOP: f32 = 16.0;
/// Room below it, for labels.
const BOTTOM: f32 = 16.0;

/// The area in which data are drawn.
#[derive(Clone, Copy, Debug)]
struct Area {
    left: f32,
    top: f32,
    right: f32,
    bottom: f32,
}

impl Area {
    fn width(self) -> f32 {
        self.right - self.left
    }

    fn height(self) -> f32 {
        self.bottom - self.top
    }

    /// Where a part from 0 to 1 of the width is.
    fn x(self, part: f64) -> f32 {
        self.left + self.width() * part.clamp(0.0, 1.0) as f32
    }

    /// Where a part from 0 to 1 of the height is, from below.
    fn y(self, part: f64) -> f32 {
        self.bottom - self.height() * part.clamp(0.0, 1.0) as f32
    }
}

/// What an entry of a legend looks like in the chart.
#[derive(Clone, Copy, Debug)]
enum Sample {
    Line,
    Dashes,
    /// An area of this opacity.
    Area(f32),
}

/// Names beside samples of their colours, from the left.
fn legend(scene: &mut Scene, left: f32, entries: &[(String, Ink, Sample)]) {
    let mut x = left;
    for (name, ink, sample) in entries {
        let ends = vec![(x, 6.0), (x + 12.0, 6.0)];
        match sample {
            Sample::Line => scene.line(ends, *ink, 1.6),
            Sample::Dashes => scene.dashes(ends, *ink, 1.2),
            Sample::Area(opacity) => scene.shade((x, 2.5), (12.0, 7.0), *ink, *opacity),
        }
        let begin = x + 15.0;
        scene.label((begin, 9.0), Anchor::Start, Ink::Muted, name.clone());
        x = begin + text_width(name, crate::scene::LABEL) + 12.0;
    }
}
