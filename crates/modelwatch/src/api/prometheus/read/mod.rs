//! `POST /api/v1/read`: remote read, with which another Prometheus asks for samples as they are stored.

mod chunks;
mod message;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderName, HeaderValue, Response, header},
};
use model::{
    Labels,
    series::{Budget, SeriesSource},
};

use self::message::{Kind, Points, Query, Request, write_frames, write_series};
use super::super::{
    json::{ApiError, TooLarge},
    query::from_select_error,
};
use crate::{ingest::protobuf::Writer, wire::App};

/// Largest request once it is decompressed.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

pub(super) async fn read(State(app): State<Arc<App>>, body: Bytes) -> Response<Body> {
    answer(&app, &body).await.unwrap_or_else(ApiError::into_text)
}

async fn answer(app: &App, body: &[u8]) -> Result<Response<Body>, ApiError> {
    let message = decompress(body)?;
    let Request { queries, kind } =
        Request::read(&message).map_err(|error| ApiError::bad_data(error.to_string()))?;
    let bytes_max = app.queries.result_bytes_max();
    let bytes = app.queries.run(None, move |source, budget| match kind {
        Kind::Samples => samples(source, &queries, budget, bytes_max),
        Kind::Chunks => frames(source, &queries, budget, bytes_max),
    });
    let mut response = Response::new(Body::from(bytes.await?));
    let headers: &[(HeaderName, &'static str)] = match kind {
        Kind::Samples => &[
            (header::CONTENT_TYPE, "application/x-protobuf"),
            (header::CONTENT_ENCODING, "snappy"),
        ],
        Kind::Chunks => &[(
            header::CONTENT_TYPE,
            "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse",
        )],
    };
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

fn decompress(body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let malformed = |error: snap::Error| ApiError::bad_data(error.to_string());
    if snap::raw::decompress_len(body).map_err(malformed)? > MESSAGE_BYTES_MAX {
        let text = format!("the request is larger than {MESSAGE_BYTES_MAX} bytes");
        return Err(ApiError::bad_data(text));
    }
    snap::raw::Decoder::new().decompress_vec(body).map_err(malformed)
}

/// What a query finds, by series.
fn find(
    source: &dyn SeriesSource,
    query: &Query,
    budget: &Budget,
) -> Result<BTreeMap<Labels, Points>, ApiError> {
    let Query { range, matchers } = query;
    let mut found: BTreeMap<Labels, Points> = BTreeMap::new();
    if range.end < range.start {
        return Ok(found);
    }
    for data in source.select(matchers, *range, budget).map_err(from_select_error)? {
        let floats = data.times.into_iter().zip(data.values);
        found.entry(data.labels).or_default().floats.extend(floats);
    }
    for data in source.select_histograms(matchers, *range, budget).map_err(from_select_error)? {
        let histograms = data.times.into_iter().zip(data.histograms);
        found.entry(data.labels).or_default().histograms.extend(histograms);
    }
    Ok(found)
}

/// `prometheus.ReadResponse`, compressed.
fn samples(
    source: &dyn SeriesSource,
    queries: &[Query],
    budget: &Budget,
    bytes_max: usize,
) -> Result<Vec<u8>, ApiError> {
    let (mut response, mut result, mut series) =
        (Writer::default(), Writer::default(), Writer::default());
    for query in queries {
        result.clear();
        for (labels, points) in find(source, query, budget)? {
            series.clear();
            write_series(&mut series, &labels, &points);
            result.bytes(1, series.as_bytes());
            check_size(response.as_bytes().len() + result.as_bytes().len(), bytes_max)?;
        }
        response.bytes(1, result.as_bytes());
    }
    let compressed = snap::raw::Encoder::new().compress_vec(response.as_bytes());
    compressed.map_err(|error| ApiError::internal(error.to_string()))
}

/// Frames of `prometheus.ChunkedReadResponse`.
fn frames(
    source: &dyn SeriesSource,
    queries: &[Query],
    budget: &Budget,
    bytes_max: usize,
) -> Result<Vec<u8>, ApiError> {
    let mut out = Vec::new();
    for (index, query) in queries.iter().enumerate() {
        for (labels, points) in find(source, query, budget)? {
            write_frames(&mut out, index as u64, &labels, &points);
            check_size(out.len(), bytes_max)?;
        }
    }
    Ok(out)
}

fn check_size(bytes: usize, bytes_max: usize) -> Result<(), TooLarge> {
    if bytes > bytes_max { Err(TooLarge { bytes_max }) } else { Ok(()) }
}
