//! Another protocol over the same connection, such as WebSocket: bytes pass both ways and are counted.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use dialect::End;
use hyper::{
    Response,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split};

use crate::{answer::Answer, call::Call, headers, observe::Ending, shared::Guest, upstream::Lease};

/// Bytes that are on their way in one direction at most.
const BUFFER_BYTES: usize = 16 << 10;

/// Both sides of a connection that changes its protocol.
pub(crate) struct Switched {
    pub(crate) head: Response<()>,
    pub(crate) lease: Lease,
    pub(crate) client: OnUpgrade,
    pub(crate) engine: OnUpgrade,
}

/// Answers the client and lets bytes pass from then on.
pub(crate) fn open(mut call: Call, switched: Switched, request_id: &str) -> Response<Answer> {
    let Switched { mut head, lease, client, engine } = switched;
    headers::to_client(head.headers_mut(), request_id, true);
    head.extensions_mut().clear();
    lease.detach();
    // hyper is done with the connection, which is open all the same.
    let (guest, _) = Guest::enter(&call.shared);
    tokio::spawn(async move {
        let _guest = guest;
        let idle = call.shared.config.timeouts.idle;
        let (Ok(client), Ok(engine)) = tokio::join!(client, engine) else {
            return call.end(Ending::Body(End::Broken));
        };
        let (client_in, client_out) = split(TokioIo::new(client));
        let (engine_in, engine_out) = split(TokioIo::new(engine));
        let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
        // The end of either side is the end of both: what is left open would hold an engine.
        let end = tokio::select! {
            end = pump(client_in, engine_out, &sent) => end,
            end = pump(engine_in, client_out, &received) => end,
            () = silence(idle, &sent, &received) => End::Timeout,
        };
        call.exchange.request_bytes += sent.into_inner();
        call.exchange.response_bytes += received.into_inner();
        call.end(Ending::Body(end));
    });
    head.map(|()| Answer::Own(None))
}

async fn pump(
    mut from: ReadHalf<TokioIo<Upgraded>>,
    mut to: WriteHalf<TokioIo<Upgraded>>,
    count: &AtomicU64,
) -> End {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = match from.read(&mut buffer).await {
            Err(_) => return End::Broken,
            Ok(0) => {
                let _it_may_be_closed = to.shutdown().await;
                return End::Complete;
            }
            Ok(length) => length,
        };
        let bytes = buffer.get(..length).unwrap_or_default();
        if to.write_all(bytes).await.is_err() || to.flush().await.is_err() {
            return End::Broken;
        }
        count.fetch_add(length as u64, Ordering::Relaxed);
    }
}

/// Returns when nothing has passed in either direction for so long.
async fn silence(idle: Duration, sent: &AtomicU64, received: &AtomicU64) {
    let passed = || (sent.load(Ordering::Relaxed), received.load(Ordering::Relaxed));
    let mut before = passed();
    loop {
        tokio::time::sleep(idle).await;
        let now = passed();
        if now == before {
            return;
        }
        before = now;
    }
}
