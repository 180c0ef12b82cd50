//! `GET /api/v1/export`: samples as they are stored, streamed while they are read.

use std::{
    io::{self, Write},
    sync::Arc,
};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderValue, Response, header},
};
use model::series::SelectError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{
    form::Form,
    json::ApiError,
    prometheus::{known_metadata, ordered_time_range, selectors},
    query::CancelOnDrop,
};
use crate::{
    export::{self, ExportError, Format, Selection},
    wire::App,
};

/// Exports that run at the same time; further ones wait for their turn.
pub(crate) const EXPORTS_MAX: usize = 2;

/// Pieces that wait for a reader. When it is slow, so is the export.
pub(super) const PIECES_MAX: usize = 4;

pub(super) async fn export(
    State(app): State<Arc<App>>,
    form: Form,
) -> Result<Response<Body>, ApiError> {
    let selection = selection(&form)?;
    let kind = HeaderValue::from_static(selection.format.content_type());
    let Ok(turn) = Arc::clone(&app.exports).acquire_owned().await else {
        return Err(ApiError::internal("exports have ended"));
    };
    let budget = app.queries.export_budget();
    let cancel = CancelOnDrop::new(&budget);
    let (sender, receiver) = channel(PIECES_MAX);
    tokio::task::spawn_blocking(move || {
        let known = |names: &[String]| known_metadata(&app, names);
        let mut pieces = Pieces(sender);
        let result = export::export(&app.store, &known, &selection, &budget, &mut pieces);
        drop(turn);
        // A reader that is gone needs no answer. Any other learns that the end is missing.
        if let Err(ExportError::Select(error)) = result
            && error != SelectError::Cancelled
        {
            tracing::warn!("an export ended early: {error}");
            pieces.fail(io::Error::other(error));
        }
    });
    let mut response = Response::new(body(receiver, cancel));
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

fn selection(form: &Form) -> Result<Selection, ApiError> {
    let selectors = selectors(form)?;
    let word = form.get("format").unwrap_or("openmetrics");
    let format = Format::from_word(word).ok_or_else(|| {
        let text = format!("invalid parameter \"format\": {word:?} is neither openmetrics nor csv");
        ApiError::bad_data(text)
    })?;
    Ok(Selection { selectors, range: ordered_time_range(form)?, format })
}

pub(super) type Piece = io::Result<Bytes>;

/// Hands what is written to the connection, waiting while it is busy.
pub(super) struct Pieces(pub(super) Sender<Piece>);

impl Pieces {
    /// Cuts the answer off, so that who reads it knows that the end is missing.
    pub(super) fn fail(&self, error: io::Error) {
        drop(self.0.blocking_send(Err(error)));
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = Bytes::copy_from_slice(bytes);
        self.0.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The body; dropping it ends the export.
pub(super) fn body(receiver: Receiver<Piece>, cancel: CancelOnDrop) -> Body {
    let next = async |(mut receiver, cancel): (Receiver<Piece>, CancelOnDrop)| {
        let piece = receiver.recv().await?;
        Some((piece, (receiver, cancel)))
    };
    Body::from_stream(futures_util::stream::unfold((receiver, cancel), next))
}
