//! A picture as PNG, for channels and mails that show no SVG.

use std::io::Write as _;

use flate2::{Compression, Crc, write::ZlibEncoder};
use skrifa::{
    MetadataProvider as _,
    instance::{LocationRef, Size},
    outline::{DrawSettings, OutlinePen},
};
use tiny_skia::{
    FillRule, LineCap, LineJoin, Paint, PathBuilder, Pixmap, Rect, Stroke, StrokeDash, Transform,
};

use crate::{
    fonts::{Faces, Fonts},
    scene::{Anchor, Ink, Item, Scene, Text},
};

/// Largest side in pixels.
const SIDE_MAX: f32 = 8_192.0;

/// The picture on white, `scale` pixels to a point; nothing where it has no size or is too large.
pub fn png(scene: &Scene, fonts: &Fonts, scale: f32) -> Option<Vec<u8>> {
    let (width, height) = ((scene.width * scale).ceil(), (scene.height * scale).ceil());
    if !(1.0..=SIDE_MAX).contains(&width) || !(1.0..=SIDE_MAX).contains(&height) {
        return None;
    }
    let mut pixels = Pixmap::new(width as u32, height as u32)?;
    pixels.fill(tiny_skia::Color::WHITE);
    let faces = fonts.faces();
    let transform = Transform::from_scale(scale, scale);
    for item in &scene.items {
        draw(&mut pixels, item, transform, &faces);
    }
    Some(encoded(&pixels))
}

fn paint(ink: Ink, opacity: f32) -> Paint<'static> {
    let [red, green, blue] = ink.rgb();
    let mut paint = Paint::default();
    paint.set_color_rgba8(red, green, blue, (opacity.clamp(0.0, 1.0) * 255.0).round() as u8);
    paint.anti_alias = true;
    paint
}

fn draw(pixels: &mut Pixmap, item: &Item, transform: Transform, faces: &Faces<'_>) {
    match item {
        Item::Rect { x, y, width, height, ink, opacity } => {
            if let Some(rect) = Rect::from_xywh(*x, *y, *width, *height) {
                pixels.fill_rect(rect, &paint(*ink, *opacity), transform, None);
            }
        }
        Item::Area { points, ink, opacity } => {
            if let Some(path) = polygon(points, true) {
                let paint = paint(*ink, *opacity);
                pixels.fill_path(&path, &paint, FillRule::Winding, transform, None);
            }
        }
        Item::Line { points, ink, width, is_dashed } => {
            let dash = if *is_dashed { StrokeDash::new(vec![4.0, 3.0], 0.0) } else { None };
            let (line_cap, line_join) = (LineCap::Butt, LineJoin::Round);
            let stroke = Stroke { width: *width, dash, line_cap, line_join, ..Stroke::default() };
            if let Some(path) = polygon(points, false) {
                pixels.stroke_path(&path, &paint(*ink, 1.0), &stroke, transform, None);
            }
        }
        Item::Text(text) => draw_text(pixels, text, transform, faces),
    }
}

fn polygon(points: &[(f32, f32)], is_closed: bool) -> Option<tiny_skia::Path> {
    let mut path = PathBuilder::new();
    let mut points = points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
    let (x, y) = points.next()?;
    path.move_to(*x, *y);
    points.for_each(|(x, y)| path.line_to(*x, *y));
    if is_closed {
        path.close();
    }
    path.finish()
}

fn draw_text(pixels: &mut Pixmap, text: &Text, transform: Transform, faces: &Faces<'_>) {
    let width = faces.width(&text.text, text.size);
    let mut x = match text.anchor {
        Anchor::Start => text.x,
        Anchor::Middle => text.x - width / 2.0,
        Anchor::End => text.x - width,
    };
    let mut pen = Pen { path: PathBuilder::new(), x, y: text.y };
    for c in text.text.chars() {
        let placed = faces.place(c);
        pen.x = x;
        let outlines = faces.font(placed.face).map(|font| font.outline_glyphs());
        if let Some(glyph) = outlines.and_then(|outlines| outlines.get(placed.glyph)) {
            let size = DrawSettings::unhinted(Size::new(text.size), LocationRef::default());
            // A damaged glyph is left out; its place stays.
            drop(glyph.draw(size, &mut pen));
        }
        x += placed.advance * text.size;
    }
    let Some(path) = pen.path.finish() else { return };
    let paint = paint(text.ink, 1.0);
    pixels.fill_path(&path, &paint, FillRule::Winding, transform, None);
    if text.is_bold {
        let stroke = Stroke { width: text.size * 0.03, ..Stroke::default() };
        pixels.stroke_path(&path, &paint, &stroke, transform, None);
    }
}

/// Moves a glyph to its place; fonts count upwards.
struct Pen {
    path: PathBuilder,
    x: f32,
    y: f32,
}

impl OutlinePen for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        self.path.move_to(self.x + x, self.y - y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.path.line_to(self.x + x, self.y - y);
    }

    fn quad_to(&mut self, cx: f32, cy: f32, x: f32, y: f32) {
        self.path.quad_to(self.x + cx, self.y - cy, self.x + x, self.y - y);
    }

    fn curve_to(&mut self, ax: f32, ay: f32, bx: f32, by: f32, x: f32, y: f32) {
        let (left, top) = (self.x, self.y);
        self.path.cubic_to(left + ax, top - ay, left + bx, top - by, left + x, top - y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

/// RGB of 8 bits, each line as it is; the page is white, so nothing shines through.
fn encoded(pixels: &Pixmap) -> Vec<u8> {
    let (width, height) = (pixels.width(), pixels.height());
    let mut lines = Vec::with_capacity((width as usize * 3 + 1) * height as usize);
    for line in pixels.pixels().chunks(width as usize) {
        lines.push(0);
        for pixel in line {
            lines.extend([pixel.red(), pixel.green(), pixel.blue()]);
        }
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let packed = encoder.write_all(&lines).and_then(|()| encoder.finish());
    let packed = packed.expect("invariant: writing to a vector cannot fail");
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut head = Vec::new();
    head.extend(width.to_be_bytes());
    head.extend(height.to_be_bytes());
    head.extend([8, 2, 0, 0, 0]);
    for (name, data) in [(b"IHDR", &head), (b"IDAT", &packed), (b"IEND", &Vec::new())] {
        out.extend((data.len() as u32).to_be_bytes());
        out.extend(name);
        out.extend(data);
        let mut crc = Crc::new();
        crc.update(name);
        crc.update(data);
        out.extend(crc.sum().to_be_bytes());
    }
    out
}
