//! `/api/mw/v1/logs/saved`: searches that somebody gave a name. There is no login, so they are everybody's.
//!
//! They are in one small file of the data folder, which is replaced as a whole, so that it is never half written.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{body::Bytes, extract::State};
use model::log::Line;
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::events::{Event as _, Filter};

use crate::{
    api::{
        form::Form,
        json::{self, ApiError},
        requests::{Answer, not_understood, ok},
    },
    whole,
    wire::App,
};

const FILE: &str = "saved-searches.json";
/// Most searches.
const SEARCHES_MAX: usize = 200;
/// Longest name in characters.
const NAME_MAX: usize = 100;
/// Largest search that is sent.
const BODY_BYTES_MAX: usize = 32 << 10;
const VERSION: u32 = 1;

/// A filter with a name.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Search {
    name: String,
    filter: String,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u32,
    searches: Vec<Search>,
}

/// The file of searches. Changes come one after the other.
pub(crate) struct SavedSearches {
    path: PathBuf,
    turn: Mutex<()>,
}

/// All of them.
pub(in crate::api) async fn list(State(app): State<Arc<App>>) -> Answer {
    change(app, |_| Ok(false)).await
}

/// Saves one, in place of another of the same name.
pub(in crate::api) async fn save(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let search = checked(json::body(&body, BODY_BYTES_MAX)?)?;
    change(app, move |searches| put(searches, search).map(|()| true)).await
}

/// Forgets one.
pub(in crate::api) async fn forget(State(app): State<Arc<App>>, form: Form) -> Answer {
    let name = form.get("name").unwrap_or_default().to_owned();
    let change = change(app, move |searches| {
        let before = searches.len();
        searches.retain(|search| search.name != name);
        if searches.len() == before {
            return Err(ApiError::not_found("no search has this name"));
        }
        Ok(true)
    });
    change.await
}

/// Does something to the searches, keeps them if it says that they are others now, and shows them.
async fn change(
    app: Arc<App>,
    work: impl FnOnce(&mut Vec<Search>) -> Result<bool, ApiError> + Send + 'static,
) -> Answer {
    let searches = json::blocking(move || app.saved.change(work)).await??;
    ok(&json!({ "searches": searches }))
}

fn checked(search: Search) -> Result<Search, ApiError> {
    let Search { name, filter } = search;
    let name = name.trim().to_owned();
    let is_named = (1..=NAME_MAX).contains(&name.chars().count());
    if !is_named || name.chars().any(char::is_control) {
        let params = vec![("limit", NAME_MAX.to_string())];
        return Err(ApiError::refused("refused.search_name", params));
    }
    Filter::parse(&filter, Line::schema()).map_err(|error| not_understood(&error))?;
    Ok(Search { name, filter })
}

fn put(searches: &mut Vec<Search>, search: Search) -> Result<(), ApiError> {
    searches.retain(|known| known.name != search.name);
    if searches.len() >= SEARCHES_MAX {
        let params = vec![("limit", SEARCHES_MAX.to_string())];
        return Err(ApiError::refused("refused.searches", params));
    }
    searches.push(search);
    Ok(())
}

impl SavedSearches {
    /// Those of a data folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { path: folder.join(FILE), turn: Mutex::default() }
    }

    fn change(
        &self,
        work: impl FnOnce(&mut Vec<Search>) -> Result<bool, ApiError>,
    ) -> Result<Vec<Search>, ApiError> {
        let failed =
            |error: io::Error| ApiError::internal(format!("{}: {error}", self.path.display()));
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut searches = self.load().map_err(failed)?;
        if work(&mut searches)? {
            searches.sort_by(|a, b| a.name.cmp(&b.name));
            self.store(&searches).map_err(failed)?;
        }
        Ok(searches)
    }

    fn load(&self) -> io::Result<Vec<Search>> {
        let contents: Contents = whole::read(&self.path)?;
        Ok(contents.searches)
    }

    fn store(&self, searches: &[Search]) -> io::Result<()> {
        whole::write(&self.path, &Contents { version: VERSION, searches: searches.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn search(name: &str, filter: &str) -> Search {
        Search { name: name.to_owned(), filter: filter.to_owned() }
    }

    fn save(saved: &SavedSearches, name: &str, filter: &str) -> Result<Vec<Search>, String> {
        let changed = checked(search(name, filter))
            .and_then(|search| saved.change(|searches| put(searches, search).map(|()| true)));
        changed.map_err(|error| error.message.map_or_else(String::new, |(code, _)| code))
    }

    #[test]
    fn searches_are_kept_by_name_within_limits() {
        let folder = tempfile::tempdir().unwrap();
        let saved = SavedSearches::new(folder.path());
        let check = |name: &str, filter: &str, code: &str| {
            assert_eq!(save(&saved, name, filter), Err(code.to_owned()), "{name}");
        };
        assert_eq!(saved.load().unwrap(), []);
        save(&saved, "显存", "Xid").unwrap();
        save(&saved, " a ", "severity:error").unwrap();
        let kept = save(&saved, "a", "b").unwrap();
        assert_eq!(kept, [search("a", "b"), search("显存", "Xid")]);
        check("", "x", "refused.search_name");
        check(&"é".repeat(NAME_MAX + 1), "x", "refused.search_name");
        check("a\nb", "x", "refused.search_name");
        check("c", "(", "filter.value_missing");
        for number in 2..SEARCHES_MAX {
            save(&saved, &format!("n{number}"), "").unwrap();
        }
        check("one more", "x", "refused.searches");
        assert_eq!(SavedSearches::new(folder.path()).load().unwrap().len(), SEARCHES_MAX);
        save(&saved, "a", "c").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left over");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let saved = SavedSearches::new(folder.path());
        fs::write(&saved.path, "{").unwrap();
        assert!(save(&saved, "a", "b").is_err());
        assert_eq!(fs::read_to_string(&saved.path).unwrap(), "{");
    }
}
