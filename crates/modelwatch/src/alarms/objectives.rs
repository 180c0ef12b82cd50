//! What is asked of models, from the configuration and the page, and the series that rules compare with.
//!
//! A histogram is only exact at its own bounds. So an objective for a time comes once for each engine and source, with
//! the label `le` of the smallest bound that is not below it there, and rules join the buckets with these labels. Without
//! engine and source, a histogram that also has the bound of another one would be counted twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::Mutex,
};

use model::{
    Labels, UnixMs,
    catalogue::{LLM_OBJECTIVE_RATIO, LLM_OBJECTIVE_TPOT_SECONDS, LLM_OBJECTIVE_TTFT_SECONDS},
    sample::Batch,
};
use query::{Expr, Output, QueryError};
use serde::{Deserialize, Serialize};

use super::lock;
use crate::{
    config::{self, part},
    whole,
};

const FILE: &str = "alarms/objectives.json";
/// Most objectives of the page.
const OBJECTIVES_MAX: usize = 500;
/// The part of the requests that has to be good unless something else is asked.
const RATIO: f64 = 0.95;
/// Longest name of a model.
const MODEL_BYTES_MAX: usize = 1_024;
/// What stands for every model that has no objective of its own.
pub(crate) const ANY: &str = "*";
/// How often the bounds of histograms are looked at.
const LOOK_MS: i64 = 60_000;

/// What is asked of a model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Objective {
    pub(crate) model: String,
    #[serde(default)]
    pub(crate) ttft_seconds: Option<f64>,
    #[serde(default)]
    pub(crate) tpot_seconds: Option<f64>,
    #[serde(default)]
    pub(crate) success_ratio: Option<f64>,
    #[serde(default = "ratio")]
    pub(crate) ratio: f64,
}

fn ratio() -> f64 {
    RATIO
}

impl Objective {
    /// Whether it asks for something that can be.
    pub(crate) fn is_sound(&self) -> bool {
        let is_time = |time: f64| time.is_finite() && time > 0.0;
        let is_part = |part: f64| part > 0.0 && part < 1.0;
        let times = self.ttft_seconds.into_iter().chain(self.tpot_seconds);
        let asks = self.ttft_seconds.is_some()
            || self.tpot_seconds.is_some()
            || self.success_ratio.is_some();
        asks && (1..=MODEL_BYTES_MAX).contains(&self.model.len())
            && times.into_iter().all(is_time)
            && self.success_ratio.is_none_or(is_part)
            && is_part(self.ratio)
    }

    fn configured(objective: &config::Objective) -> Self {
        Self {
            model: objective.model.clone(),
            ttft_seconds: objective.ttft.map(|time| time.as_secs_f64()),
            tpot_seconds: objective.tpot.map(|time| time.as_secs_f64()),
            success_ratio: part(&objective.success),
            ratio: part(&objective.ratio).unwrap_or(RATIO),
        }
    }
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    #[serde(default)]
    objectives: Vec<Objective>,
}

/// The page's objectives are in place of those that the configuration has for the same models.
pub(crate) struct Objectives {
    path: PathBuf,
    configured: Vec<Objective>,
    page: Mutex<Vec<Objective>>,
    questions: [Expr; 3],
    bounds: Mutex<Bounds>,
}

/// The models that there are, and the bounds of their histograms.
#[derive(Clone, Debug, Default)]
struct Bounds {
    looked: Option<UnixMs>,
    models: BTreeSet<String>,
    ttft: OfModels,
    tpot: OfModels,
}

/// Of each model and each engine and source that tells of it, the finite bounds of its buckets in order, with their
/// labels.
type OfModels = BTreeMap<String, BTreeMap<Origin, Vec<(f64, String)>>>;

/// The labels `engine` and `source`.
type Origin = (String, String);

/// Evaluates an expression now.
pub(crate) type Evaluate<'a> = &'a dyn Fn(&Expr) -> Result<Output, QueryError>;

impl Objectives {
    pub(crate) fn new(folder: &Path, configured: &[config::Objective]) -> anyhow::Result<Self> {
        let path = folder.join(FILE);
        let kept: Kept = whole::read(&path)
            .map_err(|error| anyhow::anyhow!("{} cannot be read: {error}", path.display()))?;
        let questions = [
            "group by (model) (llm_engine_up)",
            "group by (model, engine, source, le) (llm_time_to_first_token_seconds_bucket)",
            "group by (model, engine, source, le) (llm_request_time_per_output_token_seconds_bucket)",
        ];
        let [models, ttft, tpot] = questions.map(query::parse);
        Ok(Self {
            path,
            configured: configured.iter().map(Objective::configured).collect(),
            page: Mutex::new(kept.objectives),
            questions: [models?, ttft?, tpot?],
            bounds: Mutex::default(),
        })
    }

    /// All of them with whether they are the page's, sorted by model.
    pub(crate) fn all(&self) -> Vec<(Objective, bool)> {
        let page = lock(&self.page).clone();
        let is_changed = |one: &&Objective| page.iter().any(|other| other.model == one.model);
        let configured = self.configured.iter().filter(|one| !is_changed(one));
        let mut all: Vec<(Objective, bool)> = configured.map(|one| (one.clone(), false)).collect();
        all.extend(page.iter().map(|one| (one.clone(), true)));
        all.sort_by(|(a, _), (b, _)| a.model.cmp(&b.model));
        all
    }

    /// Keeps one of the page's; `false` where there are too many.
    pub(crate) fn set(&self, objective: Objective) -> io::Result<bool> {
        let mut page = lock(&self.page);
        let mut objectives = page.clone();
        objectives.retain(|known| known.model != objective.model);
        if objectives.len() >= OBJECTIVES_MAX {
            return Ok(false);
        }
        objectives.push(objective);
        whole::write(&self.path, &Kept { objectives: objectives.clone() })?;
        *page = objectives;
        Ok(true)
    }

    /// Forgets one of the page's; `false` where there is none.
    pub(crate) fn remove(&self, model: &str) -> io::Result<bool> {
        let mut page = lock(&self.page);
        let mut objectives = page.clone();
        objectives.retain(|known| known.model != model);
        if objectives.len() == page.len() {
            return Ok(false);
        }
        whole::write(&self.path, &Kept { objectives: objectives.clone() })?;
        *page = objectives;
        Ok(true)
    }

    /// The series of all models that there are.
    pub(crate) fn samples(&self, evaluate: Evaluate<'_>, time: UnixMs) -> Batch {
        let mut batch = Batch::new(time);
        let all = self.all();
        if all.is_empty() {
            return batch;
        }
        let bounds = self.bounds(evaluate, time);
        for model in &bounds.models {
            let is_for = |name: &str| all.iter().find(|(one, _)| one.model == name);
            let Some((objective, _)) = is_for(model).or_else(|| is_for(ANY)) else { continue };
            push(&mut batch, model, objective, &bounds);
        }
        batch
    }

    fn bounds(&self, evaluate: Evaluate<'_>, time: UnixMs) -> Bounds {
        let mut known = lock(&self.bounds);
        let is_fresh =
            known.looked.is_some_and(|looked| (0..LOOK_MS).contains(&(time.0 - looked.0)));
        if !is_fresh {
            let [models, ttft, tpot] = &self.questions;
            let named = |labels: &Labels| labels.get("model").map(str::to_owned);
            let found = |expr| evaluate(expr).map(|output| output.value.into_floats());
            // What could not be asked this time stays as it was, and is not asked at once again.
            known.looked = Some(time);
            if let (Ok(models), Ok(ttft), Ok(tpot)) = (found(models), found(ttft), found(tpot)) {
                *known = Bounds {
                    looked: Some(time),
                    models: models.iter().filter_map(|(labels, _)| named(labels)).collect(),
                    ttft: by_model(&ttft),
                    tpot: by_model(&tpot),
                };
            }
        }
        known.clone()
    }
}

fn by_model(found: &[(Labels, f64)]) -> OfModels {
    let mut bounds = OfModels::new();
    for (labels, _) in found {
        let (Some(model), Some(le)) = (labels.get("model"), labels.get("le")) else { continue };
        if let Some(bound) = le.parse::<f64>().ok().filter(|bound| bound.is_finite()) {
            let text = |name| labels.get(name).unwrap_or_default().to_owned();
            let of_model = bounds.entry(model.to_owned()).or_default();
            let of_origin = of_model.entry((text("engine"), text("source"))).or_default();
            of_origin.push((bound, le.to_owned()));
        }
    }
    for bounds in bounds.values_mut().flat_map(BTreeMap::values_mut) {
        bounds.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    }
    bounds
}

/// Of each engine and source of a model, the label of the smallest bound that is not below the objective, or of the
/// largest where all are.
fn chosen<'a>(bounds: &'a OfModels, model: &str, seconds: f64) -> Vec<(&'a Origin, &'a str)> {
    let of_model = bounds.get(model).into_iter().flatten();
    let smallest = |(origin, bounds): (&'a Origin, &'a Vec<(f64, String)>)| {
        let found = bounds.iter().find(|(bound, _)| *bound >= seconds).or_else(|| bounds.last());
        found.map(|(_, le)| (origin, le.as_str()))
    };
    of_model.filter_map(smallest).collect()
}

fn push(batch: &mut Batch, model: &str, objective: &Objective, bounds: &Bounds) {
    let times = [
        (&LLM_OBJECTIVE_TTFT_SECONDS, objective.ttft_seconds, &bounds.ttft, "ttft"),
        (&LLM_OBJECTIVE_TPOT_SECONDS, objective.tpot_seconds, &bounds.tpot, "tpot"),
    ];
    let mut ratio = |kind: &str, value: f64| {
        let labels = Labels::metric(LLM_OBJECTIVE_RATIO.name, [("model", model), ("kind", kind)]);
        batch.push(&labels, value);
    };
    for (_, seconds, _, kind) in &times {
        if seconds.is_some() {
            ratio(kind, objective.ratio);
        }
    }
    if let Some(success) = objective.success_ratio {
        ratio("success", success);
    }
    for (metric, seconds, bounds, _) in times {
        let Some(seconds) = seconds else { continue };
        let mut write = |engine: &str, source: &str, le: &str| {
            let labels = [("model", model), ("engine", engine), ("source", source), ("le", le)];
            batch.push(&Labels::metric(metric.name, labels), seconds);
        };
        let chosen = chosen(bounds, model, seconds);
        for ((engine, source), le) in &chosen {
            write(engine, source, le);
        }
        if chosen.is_empty() {
            // Without a histogram nothing can be compared, but the objective is still known.
            write("", "", "");
        }
    }
}

/// How often the series are written.
pub(crate) const PERIOD_MS: i64 = 15_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use query::{Element, Sample, Stats, Value};

    use super::*;

    fn objective(model: &str, ttft: Option<f64>, success: Option<f64>) -> Objective {
        Objective {
            model: model.into(),
            ttft_seconds: ttft,
            tpot_seconds: None,
            success_ratio: success,
            ratio: RATIO,
        }
    }

    #[test]
    fn objectives_that_can_be() {
        let check = |one: Objective, expected| assert_eq!(one.is_sound(), expected, "{one:?}");
        check(objective("m", Some(1.0), None), true);
        check(objective("*", None, Some(0.99)), true);
        check(objective("m", None, None), false);
        check(objective("", Some(1.0), None), false);
        check(objective("m", Some(0.0), None), false);
        check(objective("m", Some(f64::NAN), None), false);
        check(objective("m", None, Some(1.0)), false);
        check(Objective { ratio: 1.5, ..objective("m", Some(1.0), None) }, false);
    }

    #[test]
    fn the_page_is_in_place_of_the_configuration_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let configured = [config::Objective {
            model: "m".into(),
            ttft: Some(Duration::from_secs(2)),
            success: "99%".into(),
            ..config::Objective::default()
        }];
        let objectives = Objectives::new(folder.path(), &configured).unwrap();
        assert_eq!(objectives.all(), [(objective("m", Some(2.0), Some(0.99)), false)]);
        assert!(objectives.set(objective("m", Some(1.0), None)).unwrap());
        let again = Objectives::new(folder.path(), &configured).unwrap();
        assert_eq!(again.all(), [(objective("m", Some(1.0), None), true)]);
        assert!(again.remove("m").unwrap() && !again.remove("m").unwrap());
        assert_eq!(again.all().len(), 1);
    }

    #[test]
    fn series_name_the_bound_to_compare_with() {
        let folder = tempfile::tempdir().unwrap();
        let objectives = Objectives::new(folder.path(), &[]).unwrap();
        let vector = |rows: &[&[(&str, &str)]]| {
            let element = |labels: &&[(&str, &str)]| Element {
                labels: Labels::from_pairs(labels.iter().copied()),
                sample: Sample::Float(1.0),
            };
            let value = Value::Vector(rows.iter().map(element).collect());
            let (warnings, infos, stats) = (Vec::new(), Vec::new(), Stats::default());
            Output { value, warnings, infos, stats }
        };
        let evaluate = |expr: &Expr| {
            Ok(match expr.text() {
                text if text.contains("engine_up") => {
                    vector(&[&[("model", "a")], &[("model", "b")], &[("model", "c")]])
                }
                text if text.contains("first_token") => vector(&[
                    &[("model", "a"), ("le", "0.5")],
                    &[("model", "a"), ("le", "2.5")],
                    &[("model", "a"), ("le", "1.0")],
                    &[("model", "a"), ("le", "+Inf")],
                    &[("model", "a"), ("source", "gateway"), ("le", "0.9")],
                    &[("model", "a"), ("source", "gateway"), ("le", "1.0")],
                    &[("model", "a"), ("engine", "x"), ("le", "5")],
                    &[("model", "b"), ("le", "0.1")],
                ]),
                _ => vector(&[]),
            })
        };
        assert!(objectives.samples(&evaluate, UnixMs(0)).samples.is_empty());
        objectives.set(objective("a", Some(0.8), Some(0.99))).unwrap();
        objectives.set(objective(ANY, Some(0.8), None)).unwrap();
        let batch = objectives.samples(&evaluate, UnixMs(0));
        let text = |(labels, value): &(Labels, f64)| {
            let get = |name| labels.get(name).unwrap_or("-");
            let names = ["model", "kind", "engine", "source", "le"];
            format!("{} {} {value}", labels.name(), names.map(get).join(" "))
        };
        let found: Vec<String> = batch.samples.iter().map(text).collect();
        assert_eq!(
            found,
            [
                "llm_objective_ratio a ttft - - - 0.95",
                "llm_objective_ratio a success - - - 0.99",
                // Each engine and each source has bounds of its own.
                "llm_objective_ttft_seconds a - - - 1.0 0.8",
                "llm_objective_ttft_seconds a - - gateway 0.9 0.8",
                "llm_objective_ttft_seconds a - x - 5 0.8",
                "llm_objective_ratio b ttft - - - 0.95",
                // All bounds are below it.
                "llm_objective_ttft_seconds b - - - 0.1 0.8",
                "llm_objective_ratio c ttft - - - 0.95",
                "llm_objective_ttft_seconds c - - - - 0.8",
            ]
        );
    }
}
