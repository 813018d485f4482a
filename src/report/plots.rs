//! Plots as SVG. Colours are constants, so that the style sheet can adapt them to a dark screen and to
//! paper.

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::{
    Cartesian2d, ChartBuilder, ChartContext, DrawingArea, DrawingAreaErrorKind, IntoDrawingArea,
    PathElement, RGBColor, Rectangle, SVGBackend,
};
use plotters::style::{Color, IntoFont};

use crate::report::noise::{Noise, real};

/// Width and height of a plot in pixels.
const SIZE: (u32, u32) = (640, 280);

/// The data.
const INK: RGBColor = RGBColor(37, 99, 235);

/// Limits.
const LIMIT: RGBColor = RGBColor(220, 38, 38);

/// Axes and their text.
const AXIS: RGBColor = RGBColor(75, 85, 99);

/// Grid lines.
const GRID: RGBColor = RGBColor(229, 231, 235);

/// The marked band in standard deviations of white noise, 1/√n: 0.3 % of the distances of white noise
/// lie outside, which is one in three plots of 128.
pub(crate) const BAND: f64 = 3.0;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;

/// The frequency of each symbol, as a share of all.
pub(crate) fn histogram(noise: &Noise) -> Option<String> {
    // plotters does not return from a range of length zero.
    if noise.symbols == 0 {
        return None;
    }
    let all = real(noise.symbols);
    let bar = |symbol: u8| {
        #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52 symbols")]
        let share = noise.counts[usize::from(symbol)] as f64 / all;
        (f64::from(noise.value(symbol)), share)
    };
    let bars: Vec<_> = (0..=u8::MAX).map(bar).filter(|(_, share)| *share > 0.0).collect();
    let most = bars.iter().map(|(_, share)| *share).fold(0.0, f64::max);
    let values = || bars.iter().map(|(value, _)| *value);
    let (start, end) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
    let range = start - 1.0..end + 1.0;
    draw(|svg| {
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        let mut chart = chart(&area).build_cartesian_2d(range, 0.0..most * 1.05)?;
        axes(&mut chart, ["value of a symbol", "share of symbols"], |share| {
            format!("{:.2} %", share * 100.0)
        })?;
        chart.draw_series(bars.iter().map(|(value, share)| {
            Rectangle::new([(value - 0.5, 0.0), (value + 0.5, *share)], INK.filled())
        }))?;
        area.present()
    })
}

/// The correlation at each distance, and the band of white noise.
pub(crate) fn correlation(noise: &Noise) -> Option<String> {
    if noise.correlation.is_empty() {
        return None;
    }
    let last = real(noise.correlation.len());
    let band = BAND / real(noise.symbols).sqrt();
    let most = noise.correlation.iter().map(|value| value.abs()).fold(band * 1.5, f64::max) * 1.1;
    draw(|svg| {
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        let mut chart = chart(&area).build_cartesian_2d(0.0..last + 1.0, -most..most)?;
        axes(&mut chart, ["distance in symbols", "correlation"], |value| {
            format!("{:.4}", zero(value))
        })?;
        let stem = |(lag, value): (f64, f64)| {
            PathElement::new([(lag, 0.0), (lag, value)], INK.stroke_width(2))
        };
        let lags = (1..).map(f64::from).zip(noise.correlation.iter().copied());
        chart.draw_series(lags.map(stem))?;
        let line = |at: f64| PathElement::new([(0.0, at), (last + 1.0, at)], LIMIT.stroke_width(1));
        chart.draw_series([-band, band].map(line))?;
        area.present()
    })
}

/// A chart with room for its axes.
fn chart<'a, 'b>(area: &'a Area<'b>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut chart = ChartBuilder::on(area);
    chart.margin(8).x_label_area_size(48).y_label_area_size(84);
    chart
}

/// Draws the axes with their names, and grid lines at the values of the second.
fn axes(chart: &mut Chart<'_>, shows: [&str; 2], value: impl Fn(f64) -> String) -> Drawn {
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID)
        .light_line_style(GRID.mix(0.0))
        .axis_style(AXIS)
        .label_style(label())
        .axis_desc_style(label())
        .x_desc(shows[0])
        .y_desc(shows[1])
        .x_label_formatter(&|value| format!("{value:.0}"))
        .y_label_formatter(&|at| value(*at))
        .draw()
}

/// Removes the minus sign of a rounded zero.
fn zero(value: f64) -> f64 {
    if value.abs() < 5e-5 { 0.0 } else { value }
}

fn label() -> plotters::style::TextStyle<'static> {
    plotters::style::TextStyle::from(("sans-serif", 18).into_font()).color(&AXIS)
}

/// The SVG drawn by `plot`; `None` on an error.
fn draw(plot: impl FnOnce(&mut String) -> Drawn) -> Option<String> {
    let mut svg = String::new();
    plot(&mut svg).ok().map(|()| svg)
}
