//! The way of one request: who asks, what for, where to, and the answer back.

use std::{
    borrow::Cow,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use dialect::{Api, Fold, Peek, PeekError, usage::Filter};
use http_body_util::BodyExt as _;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri, Version,
    body::{Body as _, Incoming},
    header::{
        CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderName, HeaderValue, USER_AGENT,
    },
    http::request::Parts,
    upgrade::OnUpgrade,
};
use model::exchange::{Exchange, Outcome, Refusal};
use tokio::time::timeout;

use crate::{
    access::{Caller, Denied},
    answer::{Answer, Tap},
    call::Call,
    headers, management,
    models::{self, Listing},
    observe::{Ending, Estimate, Watch},
    outgoing::{BodyFailure, Outgoing, Passing, Progress},
    refusal::{Failure, Manner},
    route::Wish,
    shared::{Room, Shared},
    trace::Identifiers,
    tunnel,
    upstream::{Lease, Target},
};

/// Longest path and user agent in a record; longer ones are cut.
const WORDS_BYTES_MAX: usize = 256;
/// Bytes that a token of a prompt takes, to estimate what a request costs before it is known.
const BYTES_PER_TOKEN: u64 = 4;
/// Most tokens of an answer that are debited before it is known; many clients ask for far more than they
/// get, and would keep themselves out.
const OUTPUT_ESTIMATE_MAX: u64 = 4_096;
/// What is still read of a body after its request was refused, so that the client reads the answer instead
/// of a broken connection; what is longer breaks it.
const LINGER_BYTES_MAX: usize = 32 << 20;
/// How long that may take.
const LINGER: Duration = Duration::from_secs(5);
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Why a request does not get an engine's answer.
enum Stop {
    Refused(Denied),
    Failed(Failure, Arc<Target>, String),
    /// The client was not there any more to be told.
    Gone,
}

impl From<Denied> for Stop {
    fn from(denied: Denied) -> Self {
        Self::Refused(denied)
    }
}

/// What goes to an engine, as often as need be.
struct Parcel {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    cargo: Cargo,
    /// Whether the client's credentials are for the gateway.
    is_ours: bool,
}

enum Cargo {
    Whole(Bytes, Option<HeaderMap>),
    Passing(Option<Outgoing>, Arc<Progress>),
}

/// What an engine sent back.
struct Delivery {
    response: Response<Incoming>,
    lease: Lease,
    target: Arc<Target>,
}

/// Serves one request.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Answer>, Infallible> {
    shared.tally.requests.fetch_add(1, Ordering::Relaxed);
    let ids = shared.ids.identify(request.headers());
    let manner = Manner::of(request.uri().path(), request.headers());
    let exchange = exchange(&shared, peer, &ids, &request);
    let mut call = Call::new(Arc::clone(&shared), Box::new(exchange));
    let request_id = ids.request_id.clone();
    let (head, body, switching) = apart(request);
    let mut body = Some(body);
    let lingers = head.version != Version::HTTP_2 && !head.headers.contains_key(EXPECT);
    let mut answer = match steps(&mut call, &ids, head, &mut body, switching).await {
        Ok(Done::Delivered(delivery)) => return Ok(pass_on(call, *delivery, &request_id)),
        Ok(Done::Switched(response)) => return Ok(tunnel::open(call, *response, &request_id)),
        Ok(Done::Listed(body)) => {
            let mut answer = Response::new(body);
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            call.exchange.response_bytes = answer.body().len() as u64;
            call.exchange.status = Some(200);
            call.end(Ending::Without(Outcome::Ok));
            answer
        }
        Err(Stop::Refused(denied)) => {
            let answer = manner.refuse(&denied);
            call.exchange.refusal = Some(denied.refusal);
            call.exchange.status = Some(answer.status().as_u16());
            call.end(Ending::Without(Outcome::Refused));
            if let Some(body) = body.filter(|body| lingers && !body.is_end_stream()) {
                tokio::spawn(timeout(LINGER, drain(body)));
            }
            answer
        }
        Err(Stop::Failed(failure, target, why)) => {
            let answer = manner.fail(failure, &target.name);
            call.exchange.error = Some(why);
            call.exchange.status = Some(answer.status().as_u16());
            call.end(Ending::Without(failure.outcome()));
            answer
        }
        Err(Stop::Gone) => {
            let mut answer = Response::new(Bytes::new());
            *answer.status_mut() = StatusCode::BAD_REQUEST;
            call.end(Ending::Without(Outcome::ClientAbort));
            answer
        }
    };
    headers::name_request(answer.headers_mut(), &request_id);
    Ok(answer.map(|body| Answer::Own((!body.is_empty()).then_some(body))))
}

/// The record, as far as the head of the request fills it.
fn exchange(
    shared: &Shared,
    peer: SocketAddr,
    ids: &Identifiers,
    request: &Request<Incoming>,
) -> Exchange {
    let text = |name: &HeaderName| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    };
    let forwarded = request.headers().get_all(X_FORWARDED_FOR).iter();
    let forwarded: Vec<&str> = forwarded.filter_map(|value| value.to_str().ok()).collect();
    let path = request.uri().path();
    let api = Api::of(request.method().as_str(), path);
    Exchange {
        time: shared.clock.now(),
        request_id: ids.request_id.clone(),
        trace_id: ids.trace_id.clone(),
        span_id: ids.span_id.clone(),
        parent_span_id: ids.parent_span_id.clone(),
        method: request.method().as_str().chars().take(32).collect(),
        path: cut(path),
        api: api.map_or("", Api::name),
        operation: api.map_or("", Api::operation),
        http_version: version(request.version()),
        client: Some(shared.client(peer.ip(), &forwarded)),
        user_agent: cut(text(&USER_AGENT)),
        ..Exchange::default()
    }
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(WORDS_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "1.0",
        Version::HTTP_11 => "1.1",
        Version::HTTP_2 => "2",
        _ => "",
    }
}

enum Done {
    Delivered(Box<Delivery>),
    Switched(Box<tunnel::Switched>),
    /// The gateway's own list of models.
    Listed(Bytes),
}

/// Takes a request apart; the last part is there when it asks for another protocol.
fn apart(mut request: Request<Incoming>) -> (Parts, Incoming, Option<OnUpgrade>) {
    let is_upgrade = headers::upgrade_of(request.headers()).is_some();
    let switching = is_upgrade.then(|| hyper::upgrade::on(&mut request));
    let (head, body) = request.into_parts();
    (head, body, switching)
}

/// Reads what is left of a body, and forgets it.
async fn drain(mut body: Incoming) {
    let mut left = LINGER_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = left.checked_sub(length) else { return };
        left = rest;
    }
}

async fn steps(
    call: &mut Call,
    ids: &Identifiers,
    head: Parts,
    body: &mut Option<Incoming>,
    switching: Option<OnUpgrade>,
) -> Result<Done, Stop> {
    let shared = Arc::clone(&call.shared);
    let (caller, is_ours) = admit(call, &head)?;
    let api = Api::of(head.method.as_str(), head.uri.path());
    if let Some(listing) = Listing::of(api) {
        let has_limit = caller.has_model_limit();
        if shared.router.single().is_none() || has_limit {
            let list = models::merged(&shared, listing, |model| caller.may_use(model)).await;
            let wait = Duration::from_secs(1);
            let list = list.ok_or_else(|| Denied::new(Refusal::NoUpstream).after(wait))?;
            return Ok(Done::Listed(list));
        }
    }
    let upgrade = headers::upgrade_of(&head.headers);
    let mut held = Room::new(&shared);
    let (cargo, peek) = match api {
        Some(api) if head.method == Method::POST => {
            let (body, trailers) = read(call, &head.headers, body, &mut held).await?;
            let content_type = head.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok());
            let peeked = dialect::peek(api, content_type, &body);
            let peek = judge(call, &caller, api, peeked)?;
            note(call, api, &peek, &body);
            (Cargo::Whole(ask_for_usage(call, &peek, body), trailers), peek)
        }
        _ => (uninspected(&shared, &head.headers, body)?, path_model(&head.uri)),
    };
    // Who names no model gets whichever the engine takes.
    let must_name = api.is_some() && !is_reading(&head.method);
    let model = peek.model.as_deref().or(must_name.then_some("-"));
    if let Some(model) = model.filter(|model| caller.has_model_limit() && !caller.may_use(model)) {
        return Err(Denied::new(Refusal::ModelDenied).with("model", model).into());
    }
    if api.is_some_and(Api::is_generation) || !is_reading(&head.method) {
        debit(call, &caller, &peek)?;
    }
    let parcel = Parcel {
        method: head.method,
        uri: head.uri,
        headers: headers::to_engine(head.headers, ids, upgrade.as_ref()),
        cargo,
        is_ours,
    };
    let mut delivery = deliver(call, parcel, &peek).await?;
    if delivery.response.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(client) = switching
    {
        let engine = hyper::upgrade::on(&mut delivery.response);
        let switched = tunnel::Switched {
            head: delivery.response.map(|_| ()),
            lease: delivery.lease,
            client,
            engine,
        };
        return Ok(Done::Switched(Box::new(switched)));
    }
    if api.is_some() || shared.config.keep_bodies.is_some() {
        watch(call, api, &peek, &delivery.response);
    }
    Ok(Done::Delivered(Box::new(delivery)))
}

/// Whether this caller may send this at all.
fn admit(call: &mut Call, head: &Parts) -> Result<(Caller, bool), Stop> {
    let shared = Arc::clone(&call.shared);
    let access = shared.policy();
    if call.exchange.client.is_some_and(|client| !access.may_come(client)) {
        return Err(Denied::new(Refusal::AddressDenied).into());
    }
    let (method, path) = (head.method.as_str(), head.uri.path());
    if head.method == Method::CONNECT || !path.starts_with('/') {
        return Err(Denied::new(Refusal::Unsupported).into());
    }
    let moment = shared.moment();
    let identity = shared.access.identify(&head.headers, moment.wall);
    if let Some(key) = &identity.key {
        call.exchange.key_id = Some(key.id.clone());
        call.exchange.key_name = Some(key.name.clone());
    }
    let caller = identity.caller?;
    if !access.allow_management && management::is_management(method, path) {
        return Err(Denied::new(Refusal::Management).into());
    }
    if Api::of(method, path).is_none() {
        // What is not read here may name any model.
        let is_open = is_reading(&head.method) && headers::upgrade_of(&head.headers).is_none();
        let may_hide_a_model = caller.has_model_limit() && !is_open;
        if access.refuse_unknown_paths || may_hide_a_model {
            return Err(Denied::new(Refusal::PathDenied).into());
        }
    }
    call.place = Some(caller.enter(moment)?);
    Ok((caller, identity.is_ours))
}

fn is_reading(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Reads a whole body, within its limits of size and time.
async fn read(
    call: &mut Call,
    headers: &HeaderMap,
    body: &mut Option<Incoming>,
    held: &mut Room<'_>,
) -> Result<(Bytes, Option<HeaderMap>), Stop> {
    let limits = &call.shared.config.limits;
    let within = call.shared.config.timeouts.client_body;
    too_large(headers, limits.body_bytes_max)?;
    let too_large = || {
        let megabytes = (limits.body_bytes_max >> 20).to_string();
        Denied::new(Refusal::BodyTooLarge).with("megabytes", megabytes)
    };
    let reading = async {
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        let mut trailers = None;
        let Some(body) = body else { return Ok((first, None)) };
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                let is_malformed = error.is_parse() || error.is_user();
                if is_malformed {
                    Stop::Refused(Denied::new(Refusal::Malformed).with("reason", "chunks"))
                } else {
                    Stop::Gone
                }
            })?;
            match frame.into_data() {
                Err(frame) => trailers = frame.into_trailers().ok(),
                Ok(data) => {
                    if first.len() + rest.len() + data.len() > limits.body_bytes_max {
                        return Err(Stop::Refused(too_large()));
                    }
                    if !held.grow(data.len()) {
                        let wait = Duration::from_secs(1);
                        return Err(Stop::Refused(Denied::new(Refusal::Overloaded).after(wait)));
                    }
                    // Most bodies come in one piece and are not copied.
                    if first.is_empty() && rest.is_empty() {
                        first = data;
                    } else {
                        rest.extend_from_slice(&std::mem::take(&mut first));
                        rest.extend_from_slice(&data);
                    }
                }
            }
        }
        Ok((if rest.is_empty() { first } else { rest.freeze() }, trailers))
    };
    let read = timeout(within, reading).await;
    let read = read.unwrap_or_else(|_| Err(Stop::Refused(Denied::new(Refusal::BodyTooSlow))))?;
    let now = call.shared.clock.monotonic();
    call.exchange.request_read = now.saturating_sub(call.since);
    call.exchange.request_bytes = read.0.len() as u64;
    call.since = now;
    Ok(read)
}

/// Refuses what says itself that it is too large, before any of it is read.
fn too_large(headers: &HeaderMap, bytes_max: usize) -> Result<(), Stop> {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    match length.and_then(|length| length.parse::<u64>().ok()) {
        Some(length) if length > bytes_max as u64 => {
            let megabytes = (bytes_max >> 20).to_string();
            Err(Denied::new(Refusal::BodyTooLarge).with("megabytes", megabytes).into())
        }
        _ => Ok(()),
    }
}

/// A body of which nothing is known; it passes as it comes.
fn uninspected(
    shared: &Shared,
    headers: &HeaderMap,
    body: &mut Option<Incoming>,
) -> Result<Cargo, Stop> {
    let bytes_max = shared.config.limits.body_bytes_max;
    too_large(headers, bytes_max)?;
    let Some(body) = body.take().filter(|body| !body.is_end_stream()) else {
        return Ok(Cargo::Whole(Bytes::new(), None));
    };
    let (outgoing, progress) =
        Passing::through(body, bytes_max, shared.config.timeouts.client_body);
    Ok(Cargo::Passing(Some(outgoing), progress))
}

/// The model that `GET /v1/models/NAME` names.
fn path_model(uri: &Uri) -> Peek {
    let name = uri.path().strip_prefix("/v1/models/").filter(|name| !name.is_empty());
    let mut peek = Peek::default();
    peek.model = name.map(management::decoded);
    peek
}

/// What cannot be read passes and is recorded as such, unless that would let somebody ask for a model
/// that is not for them.
fn judge(
    call: &mut Call,
    caller: &Caller,
    api: Api,
    peeked: Result<Peek, PeekError>,
) -> Result<Peek, Stop> {
    let error = match peeked {
        Ok(peek) => return Ok(peek),
        Err(error) => error,
    };
    let is_trick = matches!(error, PeekError::DuplicateModel | PeekError::MiscasedModel);
    let matters = caller.has_model_limit() || call.shared.router.single().is_none();
    call.exchange.error = Some(cut(&error.to_string()));
    if is_trick || matters {
        return Err(Denied::new(Refusal::Malformed).with("reason", error.to_string()).into());
    }
    call.exchange.problems += 1;
    let mut peek = Peek::default();
    peek.is_streaming = api.streams_by_default();
    Ok(peek)
}

/// Puts what the request asks for in the record.
fn note(call: &mut Call, api: Api, peek: &Peek, body: &Bytes) {
    let exchange = &mut call.exchange;
    exchange.model_asked.clone_from(&peek.model);
    exchange.is_stream = peek.is_streaming;
    exchange.is_generation = api.is_generation();
    let parameters = [
        ("n", peek.choices.map(|value| value.to_string())),
        ("max_tokens", peek.max_tokens.map(|value| value.to_string())),
        ("temperature", peek.temperature.map(|value| value.to_string())),
        ("top_p", peek.top_p.map(|value| value.to_string())),
        ("top_k", peek.top_k.map(|value| value.to_string())),
        ("frequency_penalty", peek.frequency_penalty.map(|value| value.to_string())),
        ("presence_penalty", peek.presence_penalty.map(|value| value.to_string())),
        ("seed", peek.seed.map(|value| value.to_string())),
        ("tools", peek.has_tools.then(|| "true".to_owned())),
        ("logprobs", peek.has_logprobs.then(|| "true".to_owned())),
    ];
    let given = parameters.into_iter().filter_map(|(name, value)| Some((name, value?)));
    exchange.parameters = given.collect();
    if call.shared.config.keep_bodies.is_some() {
        call.request_body = Some(body.clone());
    }
}

fn ask_for_usage(call: &mut Call, peek: &Peek, body: Bytes) -> Bytes {
    if !call.shared.config.inject_usage {
        return body;
    }
    let Some(asking) = dialect::usage::inject(&body, peek) else { return body };
    call.has_foreign_usage = true;
    asking.into()
}

fn debit(call: &mut Call, caller: &Caller, peek: &Peek) -> Result<(), Stop> {
    let estimate = Estimate {
        input: peek.prompt_bytes.div_ceil(BYTES_PER_TOKEN),
        output: peek.max_tokens.unwrap_or(0).min(OUTPUT_ESTIMATE_MAX),
    };
    let debit = caller.debit(estimate.input + estimate.output, call.shared.moment())?;
    call.debit = Some((debit, estimate));
    Ok(())
}

/// Sends the parcel to an engine that can be reached.
async fn deliver(call: &mut Call, mut parcel: Parcel, peek: &Peek) -> Result<Delivery, Stop> {
    let shared = Arc::clone(&call.shared);
    let wish = Wish { model: peek.model.as_deref(), prefix_hash: peek.prefix_hash };
    let mut tried: Vec<Arc<Target>> = Vec::new();
    let mut last: Option<Stop> = None;
    loop {
        let now = shared.clock.monotonic();
        let target = match shared.router.pick(wish, &tried, now) {
            Ok(target) => target,
            // All that serve the model were tried: what the last one said is what the client is told.
            Err(denied) => return Err(last.unwrap_or(Stop::Refused(denied))),
        };
        call.exchange.upstream = Some(target.name.clone());
        call.in_flight = Some(target.enter());
        match send(call, &mut parcel, &target).await {
            Ok(delivery) => {
                target.note_success();
                return Ok(delivery);
            }
            Err((stop, may_try_another)) => {
                if matches!(stop, Stop::Failed(Failure::Unreachable | Failure::Broken, ..)) {
                    target.note_failure(shared.clock.monotonic());
                }
                if !may_try_another {
                    return Err(stop);
                }
                tried.push(target);
                last = Some(stop);
            }
        }
    }
}

/// Sends it to one engine; the error says whether another may be tried because this one got nothing.
async fn send(
    call: &mut Call,
    parcel: &mut Parcel,
    target: &Arc<Target>,
) -> Result<Delivery, (Stop, bool)> {
    let shared = Arc::clone(&call.shared);
    let timeouts = &shared.config.timeouts;
    // What cannot be sent twice goes over a connection that cannot have been closed meanwhile.
    let can_repeat = matches!(parcel.cargo, Cargo::Whole(..));
    let mut reusable = can_repeat;
    loop {
        let reused = if reusable {
            target.reuse(shared.clock.monotonic(), timeouts.pool_idle)
        } else {
            None
        };
        let mut lease = match reused {
            Some(lease) => lease,
            None => target.connect(&shared.clock, timeouts).await.map_err(|error| {
                (Stop::Failed(Failure::Unreachable, Arc::clone(target), error.to_string()), true)
            })?,
        };
        let request = parcel.request(target).map_err(|denied| (denied.into(), false))?;
        let before = lease.received();
        call.exchange.connect = lease.connect;
        call.exchange.queued =
            Some(call.elapsed().saturating_sub(lease.connect.unwrap_or_default()));
        let fail = |failure, why: String| (Stop::Failed(failure, Arc::clone(target), why), false);
        match timeout(timeouts.headers, lease.send(request)).await {
            Ok(Ok(response)) => {
                call.exchange.time_to_headers = Some(call.elapsed());
                call.exchange.status = Some(response.status().as_u16());
                return Ok(Delivery { response, lease, target: Arc::clone(target) });
            }
            Err(_) => {
                let why = format!("no answer within {} s", timeouts.headers.as_secs());
                return Err(fail(Failure::Timeout, why));
            }
            Ok(Err(error)) => {
                if let Some(failure) = parcel.failure() {
                    return Err((failure, false));
                }
                if lease.is_reused && can_repeat && lease.received() == before {
                    // It was closed while it was idle. Once more, over a new one.
                    shared.tally.retries.fetch_add(1, Ordering::Relaxed);
                    call.exchange.is_retried = true;
                    reusable = false;
                    continue;
                }
                return Err(fail(Failure::Broken, error.to_string()));
            }
        }
    }
}

impl Parcel {
    /// The request as this engine gets it.
    fn request(&mut self, target: &Target) -> Result<Request<Outgoing>, Denied> {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let path: Cow<'_, str> = match target.prefix.as_str() {
            "" => path.into(),
            prefix => format!("{prefix}{path}").into(),
        };
        let uri: Uri =
            path.parse().map_err(|_| Denied::new(Refusal::Malformed).with("reason", "URI"))?;
        let mut headers = self.headers.clone();
        headers::address(&mut headers, target, self.is_ours);
        let body = match &mut self.cargo {
            Cargo::Whole(body, trailers) => {
                let had_length = headers.remove(CONTENT_LENGTH).is_some();
                if trailers.is_none() && (had_length || !body.is_empty()) {
                    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
                }
                Outgoing::whole(body.clone(), trailers.clone())
            }
            Cargo::Passing(body, _) => {
                // Asked for once: such a body is never sent twice.
                body.take().unwrap_or(Outgoing::whole(Bytes::new(), None))
            }
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// What the client did wrong while its body passed.
    fn failure(&self) -> Option<Stop> {
        let Cargo::Passing(_, progress) = &self.cargo else { return None };
        Some(match progress.failure()? {
            BodyFailure::TooLarge => Denied::new(Refusal::BodyTooLarge).into(),
            BodyFailure::TooSlow => Denied::new(Refusal::BodyTooSlow).into(),
            BodyFailure::Broken => Stop::Gone,
        })
    }
}

/// Sets the observer on the answer.
fn watch(call: &mut Call, api: Option<Api>, peek: &Peek, response: &Response<Incoming>) {
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let fold = api.map(|api| Fold::of_response(api, text(CONTENT_TYPE), peek.is_streaming));
    let keep = call.shared.config.keep_bodies.as_ref();
    let request = call.request_body.take();
    let watch = Watch::new(fold, text(CONTENT_ENCODING), keep, request.as_ref());
    call.watch = Some(Arc::new(watch));
}

/// The engine's answer as the client gets it.
fn pass_on(mut call: Call, delivery: Delivery, request_id: &str) -> Response<Answer> {
    let Delivery { response, lease, target } = delivery;
    let (mut head, body) = response.into_parts();
    headers::to_client(&mut head.headers, request_id, false);
    // The client may speak another version than the engine.
    head.version = Version::HTTP_11;
    head.extensions.clear();
    if body.is_end_stream() {
        target.keep(lease, call.shared.clock.monotonic());
        call.end(Ending::Body(dialect::End::Complete));
        return Response::from_parts(head, Answer::Own(None));
    }
    // What is compressed or measured in front cannot be changed; the client then sees the usage.
    let is_plain = !head.headers.contains_key(CONTENT_ENCODING)
        && !head.headers.contains_key(CONTENT_LENGTH)
        && head.headers.get(CONTENT_TYPE).is_some_and(is_event_stream);
    let filter = (call.has_foreign_usage && is_plain).then(Filter::default);
    let tap = Tap::new(body, call, lease, target, filter);
    Response::from_parts(head, Answer::Engine(Box::new(tap)))
}

fn is_event_stream(content_type: &HeaderValue) -> bool {
    content_type.as_bytes().starts_with(b"text/event-stream")
}
