//! A picture as SVG, to stand inline in HTML or alone in a file.

use crate::scene::{Anchor, Item, Scene, Text};

/// The fonts of the page.
pub(crate) const FONTS: &str = "system-ui,'Segoe UI',Roboto,'PingFang SC','Microsoft YaHei','Noto Sans CJK SC','Noto Sans SC',sans-serif";

/// The picture as one element `svg`.
pub fn svg(scene: &Scene) -> String {
    let mut out = String::with_capacity(scene.items.len() * 80);
    let title = escaped(&scene.title);
    out.push_str(&format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\" \
         aria-label=\"{title}\" font-family=\"{FONTS}\"><title>{title}</title>",
        length(scene.width),
        length(scene.height)
    ));
    for item in &scene.items {
        write_item(&mut out, item);
    }
    out.push_str("</svg>");
    out
}

fn write_item(out: &mut String, item: &Item) {
    let text = match item {
        Item::Rect { x, y, width, height, ink, opacity } => format!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"{}/>",
            length(*x),
            length(*y),
            length(*width),
            length(*height),
            ink.hex(),
            see_through(*opacity)
        ),
        Item::Line { points, ink, width, is_dashed } => format!(
            "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" \
             stroke-linejoin=\"round\"{}/>",
            path(points),
            ink.hex(),
            length(*width),
            if *is_dashed { " stroke-dasharray=\"4 3\"" } else { "" }
        ),
        Item::Area { points, ink, opacity } => format!(
            "<path d=\"{}Z\" fill=\"{}\"{}/>",
            path(points),
            ink.hex(),
            see_through(*opacity)
        ),
        Item::Text(Text { x, y, size, ink, anchor, is_bold, text }) => format!(
            "<text x=\"{}\" y=\"{}\" font-size=\"{}\" fill=\"{}\"{}{}>{}</text>",
            length(*x),
            length(*y),
            length(*size),
            ink.hex(),
            match anchor {
                Anchor::Start => "",
                Anchor::Middle => " text-anchor=\"middle\"",
                Anchor::End => " text-anchor=\"end\"",
            },
            if *is_bold { " font-weight=\"600\"" } else { "" },
            escaped(text)
        ),
    };
    out.push_str(&text);
}

fn see_through(opacity: f32) -> String {
    if opacity >= 1.0 { String::new() } else { format!(" fill-opacity=\"{}\"", length(opacity)) }
}

fn path(points: &[(f32, f32)]) -> String {
    let mut out = String::with_capacity(points.len() * 12);
    for (index, (x, y)) in points.iter().enumerate() {
        out.push(if index == 0 { 'M' } else { 'L' });
        out.push_str(&length(*x));
        out.push(' ');
        out.push_str(&length(*y));
    }
    out
}

/// At most two places behind the point; what is no number is at 0.
fn length(value: f32) -> String {
    if !value.is_finite() {
        return "0".to_owned();
    }
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Text for HTML and XML: what they give a meaning is escaped, what XML forbids is replaced.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scene::Ink;

    #[test]
    fn a_picture_is_one_element() {
        let mut scene = Scene::new(100.0, 50.5, "a < b & \"c\"");
        scene.rect((1.0, 2.0), (3.25, f32::NAN), Ink::Accent);
        scene.shade((0.0, 0.0), (1.0, 1.0), Ink::Series(7), 0.25);
        scene.dashes(vec![(0.0, 0.0), (10.0, -0.001)], Ink::Line, 0.5);
        scene.area(vec![(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)], Ink::Good, 1.0);
        scene.label((5.0, 5.0), Anchor::End, Ink::Muted, "<b>");
        let fonts = FONTS;
        let expected = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 100 50.5\" role=\"img\" \
             aria-label=\"a &lt; b &amp; &quot;c&quot;\" font-family=\"{fonts}\">\
             <title>a &lt; b &amp; &quot;c&quot;</title>\
             <rect x=\"1\" y=\"2\" width=\"3.25\" height=\"0\" fill=\"#0757b3\"/>\
             <rect x=\"0\" y=\"0\" width=\"1\" height=\"1\" fill=\"#007a5a\" fill-opacity=\"0.25\"/>\
             <path d=\"M0 0L10 0\" fill=\"none\" stroke=\"#d8dee4\" stroke-width=\"0.5\" \
             stroke-linejoin=\"round\" stroke-dasharray=\"4 3\"/>\
             <path d=\"M0 0L1 0L1 1Z\" fill=\"#1a7f37\"/>\
             <text x=\"5\" y=\"5\" font-size=\"8\" fill=\"#57606a\" text-anchor=\"end\">&lt;b&gt;</text>\
             </svg>"
        );
        assert_eq!(svg(&scene), expected);
    }

    proptest! {
        #[test]
        fn texts_cannot_leave_their_place(text in any::<String>()) {
            let safe = escaped(&text);
            let is_bad = |c: char| matches!(c, '<' | '>' | '"' | '\'' | '\0');
            prop_assert!(!safe.contains(is_bad));
        }
    }
}
