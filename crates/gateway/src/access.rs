//! Who asks, and whether they may: keys, what a key allows, and how much of it is used.
//!
//! The table of keys is replaced as a whole while requests run; what each key has used stays. Rates are
//! counted in a window of the last 60 seconds, exact to a second. Tokens are debited by an estimate when a
//! request is let in and settled when the answer is known, so a burst cannot slip through before the first
//! answer. Usage is kept in memory: after a restart the binary may put it back ([`Access::restore`]).
//!
//! All anonymous callers share one grant and its limits.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName};
use model::{UnixMs, civil_from_days, days_from_civil, exchange::Refusal};
use subtle::ConstantTimeEq as _;

use crate::keys::{Grant, KEY_PREFIX, Key, hash, parse_hash};

/// Headers in which clients send keys; all but the first carry the bare key.
pub(crate) static KEY_HEADERS: [HeaderName; 3] =
    [AUTHORIZATION, HeaderName::from_static("x-api-key"), HeaderName::from_static("api-key")];
const WINDOW_SECONDS: usize = 60;
const DAY_MS: i64 = 86_400_000;

/// A no, with what the caller needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) refusal: Refusal,
    pub(crate) retry_after: Option<Duration>,
    /// Parameters of the message.
    pub(crate) params: Vec<(&'static str, String)>,
}

impl Denied {
    pub(crate) fn new(refusal: Refusal) -> Self {
        Self { refusal, retry_after: None, params: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.params.push((name, value.into()));
        self
    }

    pub(crate) fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

/// What one key has used of its budgets, to show it and to keep it over a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyUsage {
    /// `None`: all anonymous callers together.
    pub key_id: Option<String>,
    /// Days since 1970 in UTC, and the tokens of that day.
    pub day: i64,
    pub tokens_of_day: u64,
    /// Months since January 1970 in UTC, and the tokens of that month.
    pub month: i64,
    pub tokens_of_month: u64,
    /// Requests in execution.
    pub running: u32,
}

/// Amounts of the last minute, by second.
#[derive(Debug)]
struct Window {
    slots: [u64; WINDOW_SECONDS],
    /// The second that the newest slot stands for.
    now: u64,
}

impl Window {
    const EMPTY: Self = Self { slots: [0; WINDOW_SECONDS], now: 0 };

    fn slot(second: u64) -> usize {
        (second % WINDOW_SECONDS as u64) as usize
    }

    fn advance(&mut self, now: u64) {
        let passed = now.saturating_sub(self.now).min(WINDOW_SECONDS as u64);
        for step in 0..passed {
            self.slots[Self::slot(now - step)] = 0;
        }
        self.now = self.now.max(now);
    }

    fn add(&mut self, second: u64, amount: u64) {
        if self.now.saturating_sub(second) < WINDOW_SECONDS as u64 {
            let slot = &mut self.slots[Self::slot(second)];
            *slot = slot.saturating_add(amount);
        }
    }

    fn take_back(&mut self, second: u64, amount: u64) {
        if self.now.saturating_sub(second) < WINDOW_SECONDS as u64 {
            let slot = &mut self.slots[Self::slot(second)];
            *slot = slot.saturating_sub(amount);
        }
    }

    fn sum(&self) -> u64 {
        self.slots.iter().fold(0, |sum, amount| sum.saturating_add(*amount))
    }

    /// How long until less than `limit` is in the window; `None` when that is so now.
    fn wait_below(&self, limit: u64) -> Option<Duration> {
        let mut sum = self.sum();
        if sum < limit {
            return None;
        }
        // The oldest second leaves first, one second from now.
        for age in (0..WINDOW_SECONDS as u64).rev() {
            let Some(second) = self.now.checked_sub(age) else { continue };
            sum = sum.saturating_sub(self.slots[Self::slot(second)]);
            if sum < limit {
                return Some(Duration::from_secs(WINDOW_SECONDS as u64 - age));
            }
        }
        Some(Duration::from_secs(WINDOW_SECONDS as u64))
    }
}

#[derive(Debug)]
struct Counters {
    requests: Window,
    tokens: Window,
    day: i64,
    tokens_of_day: u64,
    month: i64,
    tokens_of_month: u64,
}

/// What one key has used; it outlives changes of the table.
#[derive(Debug)]
struct Usage {
    counters: Mutex<Counters>,
    running: AtomicU32,
}

impl Default for Usage {
    fn default() -> Self {
        let counters = Counters {
            requests: Window::EMPTY,
            tokens: Window::EMPTY,
            day: 0,
            tokens_of_day: 0,
            month: 0,
            tokens_of_month: 0,
        };
        Self { counters: Mutex::new(counters), running: AtomicU32::new(0) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The moment of a decision: the wall clock for days and months, the other one for windows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) wall: UnixMs,
    pub(crate) monotonic: Duration,
}

/// Days since 1970 and months since January 1970, both in UTC, and how long each still lasts.
fn calendar(now: UnixMs) -> (i64, i64, Duration, Duration) {
    let day = now.0.div_euclid(DAY_MS);
    let (month, month_end_day) = month_of(day);
    let until = |end_day: i64| {
        Duration::from_millis(u64::try_from(end_day * DAY_MS - now.0).unwrap_or_default())
    };
    (day, month, until(day + 1), until(month_end_day))
}

/// The month of a day, counted from January 1970, and the first day of the next one.
fn month_of(day: i64) -> (i64, i64) {
    let (year, month, _) = civil_from_days(day);
    let month = (year - 1970) * 12 + month - 1;
    (month, first_day(month + 1))
}

fn first_day(month: i64) -> i64 {
    days_from_civil(1970 + month.div_euclid(12), month.rem_euclid(12) + 1, 1)
}

impl Counters {
    fn advance(&mut self, now: Moment) {
        let second = now.monotonic.as_secs();
        self.requests.advance(second);
        self.tokens.advance(second);
        // A clock that is set back gives no budget anew.
        let (day, month, ..) = calendar(now.wall);
        if self.day < day {
            (self.day, self.tokens_of_day) = (day, 0);
        }
        if self.month < month {
            (self.month, self.tokens_of_month) = (month, 0);
        }
    }
}

/// A key or the anonymous callers: what they may and what they used.
#[derive(Debug)]
struct Holder {
    key: Option<Key>,
    /// The hash of the key; zeros for the anonymous callers.
    sha256: [u8; 32],
    grant: Grant,
    usage: Arc<Usage>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller(Arc<Holder>);

impl Caller {
    pub(crate) fn may_use(&self, model: &str) -> bool {
        self.0.grant.allows_model(model)
    }

    pub(crate) fn has_model_limit(&self) -> bool {
        !self.0.grant.models.is_empty()
    }

    /// Counts a request and keeps one of the places of those in execution.
    pub(crate) fn enter(&self, now: Moment) -> Result<Place, Denied> {
        let (grant, usage) = (&self.0.grant, &self.0.usage);
        let mut counters = lock(&usage.counters);
        counters.advance(now);
        if let Some(limit) = grant.requests_per_minute
            && let Some(wait) = counters.requests.wait_below(u64::from(limit))
        {
            return Err(Denied::new(Refusal::RequestRate)
                .after(wait)
                .with("limit", limit.to_string()));
        }
        // The lock makes checking and counting one step.
        let running = usage.running.load(Ordering::Acquire);
        if let Some(limit) = grant.concurrent_max
            && running >= limit
        {
            return Err(Denied::new(Refusal::Concurrency)
                .after(Duration::from_secs(1))
                .with("limit", limit.to_string()));
        }
        usage.running.fetch_add(1, Ordering::AcqRel);
        counters.requests.add(now.monotonic.as_secs(), 1);
        drop(counters);
        Ok(Place(Arc::clone(usage)))
    }

    /// Debits what the request will probably cost, unless a limit of tokens is reached already.
    pub(crate) fn debit(&self, estimate: u64, now: Moment) -> Result<Debit, Denied> {
        let (grant, usage) = (&self.0.grant, &self.0.usage);
        let (.., day_left, month_left) = calendar(now.wall);
        let mut counters = lock(&usage.counters);
        counters.advance(now);
        let spent = |limit: u64, wait: Duration, refusal: Refusal| {
            Err(Denied::new(refusal).after(wait).with("limit", limit.to_string()))
        };
        if let Some(limit) = grant.tokens_per_minute
            && let Some(wait) = counters.tokens.wait_below(limit)
        {
            return spent(limit, wait, Refusal::TokenRate);
        }
        if let Some(limit) = grant.tokens_per_day.filter(|limit| counters.tokens_of_day >= *limit) {
            return spent(limit, day_left, Refusal::TokenBudget);
        }
        if let Some(limit) =
            grant.tokens_per_month.filter(|limit| counters.tokens_of_month >= *limit)
        {
            return spent(limit, month_left, Refusal::TokenBudget);
        }
        let debit = Debit {
            usage: Arc::clone(usage),
            estimate,
            second: now.monotonic.as_secs(),
            day: counters.day,
            month: counters.month,
        };
        counters.tokens.add(debit.second, estimate);
        counters.tokens_of_day = counters.tokens_of_day.saturating_add(estimate);
        counters.tokens_of_month = counters.tokens_of_month.saturating_add(estimate);
        Ok(debit)
    }
}

/// One of the places of requests in execution; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place(Arc<Usage>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Tokens that were debited before they were known.
#[derive(Debug)]
pub(crate) struct Debit {
    usage: Arc<Usage>,
    estimate: u64,
    second: u64,
    day: i64,
    month: i64,
}

impl Debit {
    /// Replaces the estimate by what it was, in the second, day and month in which it was debited.
    pub(crate) fn settle(self, actual: u64, now: Moment) {
        let mut counters = lock(&self.usage.counters);
        counters.advance(now);
        counters.tokens.take_back(self.second, self.estimate);
        counters.tokens.add(self.second, actual);
        let corrected = |tokens: u64| tokens.saturating_sub(self.estimate).saturating_add(actual);
        if counters.day == self.day {
            counters.tokens_of_day = corrected(counters.tokens_of_day);
        }
        if counters.month == self.month {
            counters.tokens_of_month = corrected(counters.tokens_of_month);
        }
    }
}

/// The keys of one moment. Looking one up compares whole hashes in constant time.
#[derive(Debug, Default)]
struct Table {
    by_start: HashMap<[u8; 8], Vec<Arc<Holder>>>,
    anonymous: Option<Arc<Holder>>,
    has_keys: bool,
}

fn start(hash: &[u8; 32]) -> [u8; 8] {
    let mut start = [0; 8];
    start.copy_from_slice(hash.get(..8).unwrap_or(&[0; 8]));
    start
}

impl Table {
    fn find(&self, sha256: &[u8; 32]) -> Option<&Arc<Holder>> {
        let candidates = self.by_start.get(&start(sha256))?;
        candidates.iter().find(|holder| bool::from(holder.sha256.ct_eq(sha256)))
    }
}

/// What is known of a caller from the headers.
pub(crate) struct Identity {
    pub(crate) caller: Result<Caller, Denied>,
    /// The key that was meant, also when it may no longer be used.
    pub(crate) key: Option<Key>,
    /// Whether the credentials of the request are for the gateway and not for the engine.
    pub(crate) is_ours: bool,
}

/// The access control of a gateway.
#[derive(Debug, Default)]
pub(crate) struct Access {
    table: RwLock<Arc<Table>>,
    usages: Mutex<HashMap<Option<String>, Arc<Usage>>>,
}

impl Access {
    /// Replaces the keys and what the anonymous callers may; `None` means that they may nothing.
    pub(crate) fn replace(&self, keys: Vec<Key>, anonymous: Option<Grant>) {
        let mut usages = lock(&self.usages);
        let mut table = Table::default();
        let mut usage = |id: Option<String>| Arc::clone(usages.entry(id).or_default());
        for key in keys {
            let Some(sha256) = parse_hash(&key.sha256) else { continue };
            let (grant, usage) = (key.grant.clone(), usage(Some(key.id.clone())));
            let holder = Arc::new(Holder { key: Some(key), sha256, grant, usage });
            table.by_start.entry(start(&sha256)).or_default().push(holder);
            table.has_keys = true;
        }
        table.anonymous = anonymous.map(|grant| {
            let usage = usage(None);
            Arc::new(Holder { key: None, sha256: [0; 32], grant, usage })
        });
        let known: std::collections::HashSet<Option<&str>> = table
            .by_start
            .values()
            .flatten()
            .map(|holder| holder.key.as_ref().map(|key| key.id.as_str()))
            .collect();
        usages.retain(|id, _| id.is_none() || known.contains(&id.as_deref()));
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }

    /// Who sends these headers.
    pub(crate) fn identify(&self, headers: &HeaderMap, now: UnixMs) -> Identity {
        let table = Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner));
        let mut foreign = false;
        for credential in credentials(headers) {
            foreign |= !credential.starts_with(KEY_PREFIX);
            if !credential.starts_with(KEY_PREFIX) {
                continue;
            }
            let Some(holder) = table.find(&hash(credential)) else {
                let caller = Err(Denied::new(Refusal::KeyUnknown));
                return Identity { caller, key: None, is_ours: true };
            };
            let key = holder.key.clone();
            let is_over = |time: Option<i64>| time.is_some_and(|time| time <= now.0);
            let caller = match &key {
                Some(key) if key.revoked.is_some() => Err(Denied::new(Refusal::KeyUnknown)),
                Some(key) if is_over(key.expires) => Err(Denied::new(Refusal::KeyExpired)),
                _ => Ok(Caller(Arc::clone(holder))),
            };
            return Identity { caller, key, is_ours: true };
        }
        let caller = match &table.anonymous {
            Some(holder) => Ok(Caller(Arc::clone(holder))),
            None if foreign => Err(Denied::new(Refusal::KeyUnknown)),
            None => Err(Denied::new(Refusal::KeyMissing)),
        };
        // Without keys of its own the gateway is not what a credential is meant for.
        Identity { caller, key: None, is_ours: table.has_keys }
    }

    /// What has been used so far, by key.
    pub(crate) fn usage(&self, now: Moment) -> Vec<KeyUsage> {
        let usages = lock(&self.usages);
        let mut all: Vec<KeyUsage> = usages
            .iter()
            .map(|(id, usage)| {
                let mut counters = lock(&usage.counters);
                counters.advance(now);
                KeyUsage {
                    key_id: id.clone(),
                    day: counters.day,
                    tokens_of_day: counters.tokens_of_day,
                    month: counters.month,
                    tokens_of_month: counters.tokens_of_month,
                    running: usage.running.load(Ordering::Acquire),
                }
            })
            .collect();
        all.sort_by(|a, b| a.key_id.cmp(&b.key_id));
        all
    }

    /// Adds what was used before a restart, where the day and the month are still the same.
    pub(crate) fn restore(&self, before: &[KeyUsage], now: Moment) {
        let usages = lock(&self.usages);
        for past in before {
            let Some(usage) = usages.get(&past.key_id) else { continue };
            let mut counters = lock(&usage.counters);
            counters.advance(now);
            if counters.day == past.day {
                counters.tokens_of_day = counters.tokens_of_day.saturating_add(past.tokens_of_day);
            }
            if counters.month == past.month {
                counters.tokens_of_month =
                    counters.tokens_of_month.saturating_add(past.tokens_of_month);
            }
        }
    }
}

fn credentials(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    KEY_HEADERS.iter().flat_map(|name| {
        headers.get_all(name).iter().filter_map(move |value| {
            let text = value.to_str().ok()?.trim();
            if *name != AUTHORIZATION {
                return Some(text);
            }
            let (scheme, credential) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| credential.trim())
        })
    })
}

#[cfg(test)]
mod tests;
