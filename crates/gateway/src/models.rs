//! Lists of models: those of all engines as one, and what is learned from asking for them.
//!
//! Only `/v1/models` and `/api/tags` are asked, which no engine works for and which change nothing.

use std::{future::poll_fn, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use dialect::Api;
use hyper::{HeaderMap, Method, Request};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::timeout};

use crate::{headers, outgoing::Outgoing, route::is_same_model, shared::Shared, upstream::Target};

/// How long one engine may take to list its models.
const DEADLINE: Duration = Duration::from_secs(5);
/// Largest list of models; a larger one is not read.
const LIST_BYTES_MAX: usize = 4 << 20;
/// Most models of one engine; further ones are not known.
const MODELS_MAX: usize = 4_096;
/// How often engines are asked when there are several.
pub(crate) const PERIOD: Duration = Duration::from_secs(10);

/// Which of the two lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listing {
    OpenAi,
    Ollama,
}

enum Listed {
    Unreachable,
    /// Answered, but with no list.
    Answered(u16),
    List(Value),
}

impl Listing {
    pub(crate) fn of(api: Option<Api>) -> Option<Self> {
        match api? {
            Api::OpenAiModels => Some(Self::OpenAi),
            Api::OllamaTags => Some(Self::Ollama),
            _ => None,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::OpenAi => "/v1/models",
            Self::Ollama => "/api/tags",
        }
    }

    /// Where lists stand: llama.cpp answers `/v1/models` in both shapes at once.
    fn members(self) -> &'static [&'static str] {
        match self {
            Self::OpenAi => &["data", "models"],
            Self::Ollama => &["models"],
        }
    }
}

fn name(item: &Value) -> Option<&str> {
    ["id", "name", "model"].iter().find_map(|key| item.get(key)?.as_str())
}

fn names(list: &Value) -> Vec<String> {
    let items = ["data", "models"].iter().find_map(|key| list.get(key)?.as_array());
    let names = items.into_iter().flatten().filter_map(name);
    names.take(MODELS_MAX).map(str::to_owned).collect()
}

/// The lists of all engines as one, with the models that may be seen. `None`: no engine answered.
pub(crate) async fn merged(
    shared: &Arc<Shared>,
    listing: Listing,
    may_see: impl Fn(&str) -> bool,
) -> Option<Bytes> {
    let mut asking = JoinSet::new();
    for (place, target) in shared.router.targets().iter().enumerate() {
        let (shared, target) = (Arc::clone(shared), Arc::clone(target));
        asking.spawn(async move { (place, ask(&shared, &target, listing.path()).await) });
    }
    let mut listed = asking.join_all().await;
    listed.sort_by_key(|(place, _)| *place);
    let is_single = shared.router.single().is_some();
    let mut merged: Option<Value> = None;
    for (place, listed) in listed {
        let list = match listed {
            Listed::List(list) => list,
            // An engine that has no such list has no models to add to it.
            Listed::Answered(_) => json!({}),
            Listed::Unreachable => continue,
        };
        let declared = shared.router.targets().get(place).map(|target| target.models());
        let is_served = |model: &str| {
            let declared = declared.iter().flat_map(|models| models.iter());
            is_single || declared.into_iter().any(|declared| is_same_model(declared, model))
        };
        merge(&mut merged, list, listing, |model| is_served(model) && may_see(model));
    }
    let mut merged = merged?;
    let members = listing.members();
    if let Some(object) = merged.as_object_mut() {
        if let Some(main) = members.first() {
            object.entry(*main).or_insert_with(|| json!([]));
        }
        if listing == Listing::OpenAi {
            object.entry("object").or_insert_with(|| json!("list"));
        }
    }
    Some(Bytes::from(merged.to_string()))
}

fn merge(
    merged: &mut Option<Value>,
    mut list: Value,
    listing: Listing,
    may_see: impl Fn(&str) -> bool,
) {
    for member in listing.members() {
        if let Some(items) = list.get_mut(member).and_then(Value::as_array_mut) {
            items.retain(|item| name(item).is_some_and(&may_see));
        }
    }
    let Some(merged) = merged else {
        *merged = Some(list);
        return;
    };
    for member in listing.members() {
        let Some(Value::Array(more)) = list.get_mut(member).map(Value::take) else { continue };
        match merged.get_mut(member).and_then(Value::as_array_mut) {
            Some(items) => {
                for item in more {
                    if !items.iter().any(|present| name(present) == name(&item)) {
                        items.push(item);
                    }
                }
            }
            None => {
                if let Some(object) = merged.as_object_mut() {
                    object.insert((*member).to_owned(), Value::Array(more));
                }
            }
        }
    }
}

/// Asks every engine what it serves, and learns which are there.
pub(crate) async fn poll(shared: &Arc<Shared>) {
    let mut asking = JoinSet::new();
    for target in shared.router.targets() {
        let (shared, target) = (Arc::clone(shared), Arc::clone(target));
        asking.spawn(async move {
            let mut listed = ask(&shared, &target, Listing::OpenAi.path()).await;
            if matches!(listed, Listed::Answered(404 | 405)) {
                listed = ask(&shared, &target, Listing::Ollama.path()).await;
            }
            match listed {
                // 503: it is loading its model.
                Listed::Unreachable | Listed::Answered(503) => {
                    target.note_failure(shared.clock.monotonic());
                }
                Listed::Answered(_) => target.note_success(),
                Listed::List(list) => {
                    target.note_success();
                    if target.needs_discovery() {
                        target.discovered(names(&list));
                    }
                }
            }
        });
    }
    asking.join_all().await;
}

async fn ask(shared: &Shared, target: &Arc<Target>, path: &str) -> Listed {
    let asked = timeout(DEADLINE, exchange(shared, target, path)).await;
    asked.ok().flatten().unwrap_or(Listed::Unreachable)
}

async fn exchange(shared: &Shared, target: &Arc<Target>, path: &str) -> Option<Listed> {
    let mut request = Request::new(Outgoing::whole(Bytes::new(), None));
    *request.method_mut() = Method::GET;
    *request.uri_mut() = format!("{}{path}", target.prefix).parse().ok()?;
    let mut own = HeaderMap::new();
    headers::address(&mut own, target, true);
    *request.headers_mut() = own;
    // A new connection each time: an idle one that was closed would look like an engine that is gone.
    let mut lease = target.connect(&shared.clock, &shared.config.timeouts).await.ok()?;
    let response = lease.send(request).await.ok()?;
    let status = response.status().as_u16();
    if status != 200 {
        return Some(Listed::Answered(status));
    }
    let mut body = response.into_body();
    let mut text = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| lease.poll_frame(&mut body, cx)).await {
        let data = frame.ok()?.into_data().unwrap_or_default();
        if text.len() + data.len() > LIST_BYTES_MAX {
            return Some(Listed::Answered(status));
        }
        text.extend_from_slice(&data);
    }
    let list = serde_json::from_slice::<Value>(&text).ok().filter(Value::is_object);
    Some(list.map_or(Listed::Answered(status), Listed::List))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_become_one() {
        let check = |listing, lists: &[Value], may_see: &[&str], expected: Value| {
            let mut merged = None;
            for list in lists {
                merge(&mut merged, list.clone(), listing, |model| {
                    may_see.is_empty() || may_see.contains(&model)
                });
            }
            assert_eq!(merged, Some(expected));
        };
        let vllm = json!({"object": "list", "data": [{"id": "a", "max_model_len": 4096}]});
        let llamacpp = json!({"models": [{"name": "b"}], "object": "list", "data": [{"id": "b"}]});
        let tags = json!({"models": [{"name": "a:latest"}, {"name": "c"}]});
        check(
            Listing::OpenAi,
            &[vllm.clone(), llamacpp.clone(), vllm.clone()],
            &[],
            json!({
                "object": "list",
                "data": [{"id": "a", "max_model_len": 4096}, {"id": "b"}],
                "models": [{"name": "b"}],
            }),
        );
        check(
            Listing::OpenAi,
            &[vllm, llamacpp],
            &["b"],
            json!({
                "object": "list", "data": [{"id": "b"}], "models": [{"name": "b"}],
            }),
        );
        check(Listing::Ollama, &[tags], &["c"], json!({"models": [{"name": "c"}]}));
    }

    #[test]
    fn names_are_read_from_both_shapes() {
        assert_eq!(names(&json!({"data": [{"id": "a"}, {"x": 1}]})), ["a"]);
        assert_eq!(names(&json!({"models": [{"name": "b", "model": "c"}]})), ["b"]);
        assert!(names(&json!({"data": "x"})).is_empty() && names(&json!({})).is_empty());
    }
}
