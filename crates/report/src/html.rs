//! A report as one HTML file: inline pictures and style, no script, nothing fetched. Prints well: sections do not
//! tear pictures, tables repeat their header.

use crate::{
    document::{Advice, Align, Block, Cell, Document, Figure, Table, Tile, Trend},
    svg::{FONTS, escaped, svg},
};
use model::message::Language;

const STYLE: &str = "\
*{box-sizing:border-box}\
html{background:#f6f7f9;color:#1b1f24;font:14px/1.5 FONTS;font-variant-numeric:tabular-nums}\
body{max-width:900px;margin:0 auto;padding:24px 20px 48px}\
header{border-bottom:2px solid #1b1f24;padding-bottom:14px;margin-bottom:20px}\
h1{font-size:26px;line-height:1.2;margin:0 0 8px}\
header p{margin:2px 0;color:#57606a}\
section{background:#fff;border:1px solid #d8dee4;border-radius:8px;padding:18px 20px;margin:0 0 16px}\
h2{font-size:18px;margin:0 0 10px}\
h3{font-size:14px;margin:20px 0 8px}\
p{margin:0 0 10px}\
p.lead{font-size:16px}\
p.note{color:#57606a;font-size:12.5px}\
.tiles{display:grid;grid-template-columns:repeat(3,1fr);gap:10px;margin:14px 0}\
.tile{border:1px solid #d8dee4;border-radius:6px;padding:10px 12px}\
.tile .label{color:#57606a;font-size:12.5px}\
.tile .value{font-size:22px;font-weight:600;line-height:1.3}\
.tile .detail{color:#57606a;font-size:12px}\
.change{font-size:12.5px;font-weight:400;margin-left:6px;color:#57606a;white-space:nowrap}\
.better{color:#1a7f37}.worse{color:#b3261e}\
.scroll{overflow-x:auto;margin:0 0 12px}\
table{border-collapse:collapse;width:100%;font-size:12.5px}\
th{text-align:left;color:#57606a;font-weight:600;border-bottom:1px solid #1b1f24;padding:4px 8px 4px 0;vertical-align:bottom}\
td{border-bottom:1px solid #eaeef2;padding:4px 8px 4px 0;vertical-align:top;overflow-wrap:anywhere}\
.short{white-space:nowrap}\
.right{text-align:right}td.right{white-space:nowrap}\
figure{margin:0 0 14px}\
figure svg{width:100%;height:auto;display:block}\
figcaption{font-size:12.5px;color:#57606a;margin-bottom:4px}\
.pair{display:grid;grid-template-columns:1fr 1fr;gap:12px}\
ol{margin:0;padding-left:22px}li{margin-bottom:10px}li .evidence{display:block;color:#57606a;font-size:12.5px}\
footer{color:#57606a;font-size:12px}\
@media (max-width:640px){.tiles{grid-template-columns:1fr 1fr}.pair{grid-template-columns:1fr}}\
@page{size:A4;margin:14mm 13mm}\
@media print{html{background:#fff;font-size:10pt}body{max-width:none;padding:0}\
section{border:0;border-radius:0;padding:0;margin:0 0 18px}\
h2,h3{break-after:avoid}figure,.tile,li,tr{break-inside:avoid}thead{display:table-header-group}\
h2{border-bottom:1px solid #d8dee4;padding-bottom:3px}.scroll{overflow:visible}\
table{font-size:8.5pt}}";

/// Longest text in a table that is never broken.
const SHORT_CHARS: usize = 22;

/// The document as a page.
pub fn html(document: &Document) -> String {
    let tag = match document.language {
        Language::English => "en",
        Language::Chinese => "zh-CN",
    };
    let title = escaped(&document.title);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"{tag}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"generator\" content=\"modelwatch\"><title>{title}</title>\
         <style>{}</style></head><body><header><h1>{title}</h1>",
        STYLE.replace("FONTS", FONTS)
    );
    for line in &document.subtitle {
        out.push_str(&format!("<p>{}</p>", escaped(line)));
    }
    out.push_str("</header><main>");
    for section in &document.sections {
        out.push_str(&format!("<section><h2>{}</h2>", escaped(&section.title)));
        section.blocks.iter().for_each(|block| write(&mut out, block));
        out.push_str("</section>");
    }
    out.push_str(&format!("</main><footer>{}</footer></body></html>\n", escaped(&document.footer)));
    out
}

fn write(out: &mut String, block: &Block) {
    match block {
        Block::Heading(text) => out.push_str(&format!("<h3>{}</h3>", escaped(text))),
        Block::Text(text) => out.push_str(&format!("<p>{}</p>", escaped(text))),
        Block::Note(text) => out.push_str(&format!("<p class=\"note\">{}</p>", escaped(text))),
        Block::Tiles(tiles) => {
            out.push_str("<div class=\"tiles\">");
            tiles.iter().for_each(|tile| write_tile(out, tile));
            out.push_str("</div>");
        }
        Block::Table(table) => write_table(out, table),
        Block::Figure(figure) => write_figure(out, figure),
        Block::Pair(left, right) => {
            out.push_str("<div class=\"pair\">");
            write_figure(out, left);
            write_figure(out, right);
            out.push_str("</div>");
        }
        Block::Advice(all) => {
            out.push_str("<ol>");
            for Advice { text, evidence } in all {
                out.push_str(&format!("<li>{}", escaped(text)));
                if !evidence.is_empty() {
                    let evidence = escaped(evidence);
                    out.push_str(&format!("<span class=\"evidence\">{evidence}</span>"));
                }
                out.push_str("</li>");
            }
            out.push_str("</ol>");
        }
    }
}

fn class(trend: Trend) -> &'static str {
    match trend {
        Trend::Better => "better",
        Trend::Worse => "worse",
        Trend::Neutral => "",
    }
}

fn write_tile(out: &mut String, tile: &Tile) {
    out.push_str(&format!(
        "<div class=\"tile\"><div class=\"label\">{}</div><div class=\"value\">{}",
        escaped(&tile.label),
        escaped(&tile.value)
    ));
    if let Some((text, trend)) = &tile.change {
        let class = class(*trend);
        out.push_str(&format!("<span class=\"change {class}\">{}</span>", escaped(text)));
    }
    out.push_str(&format!("</div><div class=\"detail\">{}</div></div>", escaped(&tile.detail)));
}

fn write_figure(out: &mut String, figure: &Figure) {
    let (caption, picture) = (escaped(&figure.caption), svg(&figure.scene));
    out.push_str(&format!("<figure><figcaption>{caption}</figcaption>{picture}</figure>"));
}

fn write_table(out: &mut String, table: &Table) {
    let side = |column: usize| match table.columns.get(column) {
        Some((_, Align::Right)) => "right",
        _ => "",
    };
    out.push_str("<div class=\"scroll\"><table><thead><tr>");
    for (column, (name, _)) in table.columns.iter().enumerate() {
        out.push_str(&format!(
            "<th class=\"{}\" scope=\"col\">{}</th>",
            side(column),
            escaped(name)
        ));
    }
    out.push_str("</tr></thead><tbody>");
    for row in &table.rows {
        out.push_str("<tr>");
        for (column, Cell { text, trend }) in row.iter().enumerate() {
            let trend = trend.map_or("", class);
            // Times and names of devices are not torn.
            let short = if text.chars().count() <= SHORT_CHARS { "short" } else { "" };
            out.push_str(&format!(
                "<td class=\"{} {trend} {short}\">{}</td>",
                side(column),
                escaped(text)
            ));
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table>");
    if !table.omitted.is_empty() {
        out.push_str(&format!("<p class=\"note\">{}</p>", escaped(&table.omitted)));
    }
    out.push_str("</div>");
}
