//! Models: what they were asked, whether they answered, and how fast.

use std::collections::{BTreeMap, BTreeSet};

use model::{UnixMs, catalogue as metric};
use report::facts::{Figures, Histogram, ModelFacts, Objective, Quantiles, Slot, availability};

use super::{
    Period,
    ask::{Ask, Course, Failure, Moments, known},
};

/// Models beyond this are left out, those with the fewest tokens first.
const MODELS_MAX: usize = 50;
/// Engines of a model that are named.
const ENGINES_MAX: usize = 16;
/// Outcomes of requests that are the service's fault.
const FAILURES: [&str; 3] = ["upstream_error", "truncated", "timeout"];
/// Where reasons of engines say that a request failed.
const FAILED: &str = "error";
/// The reason of answers that reached their limit of tokens.
const LENGTH: &str = "length";

/// All models, most tokens first.
pub(super) fn models(
    ask: &Ask<'_>,
    period: Period,
    objectives: &[(String, Objective)],
) -> Result<Vec<ModelFacts>, Failure> {
    let (mut now, mut before) = (Read::of(ask, period)?, Read::of(ask, period.before())?);
    let mut engines = engines(ask, period)?;
    let names = now.names();
    // Both periods alike: an engine that tells its TPOT since it was upgraded is not compared with its ITL of before.
    let without: BTreeSet<String> =
        names.iter().filter(|name| now.tpot.of(name).is_empty()).cloned().collect();
    for read in [&mut now, &mut before] {
        read.fall_back(ask, &without)?;
    }
    let mut found: Vec<ModelFacts> = names
        .iter()
        .map(|name| {
            let objective = objective(objectives, name);
            let told = now.model(name, &objective);
            let is_known = before.names().contains(name);
            ModelFacts {
                name: name.clone(),
                engines: engines.remove(name).unwrap_or_default(),
                now: told.figures,
                before: is_known.then(|| before.model(name, &objective).figures),
                ttft: told.ttft,
                tpot: told.tpot,
                objective,
                slots: told.slots,
            }
        })
        .collect();
    let tokens = |model: &ModelFacts| model.now.tokens_output.unwrap_or(0.0);
    found.sort_by(|a, b| tokens(b).total_cmp(&tokens(a)));
    if found.len() > MODELS_MAX {
        ask.miss(&found.split_off(MODELS_MAX).len().to_string(), "more than 50 models");
    }
    Ok(found)
}

fn objective(all: &[(String, Objective)], name: &str) -> Objective {
    let of = |wanted: &str| all.iter().find(|(model, _)| model == wanted);
    of(name).or_else(|| of("*")).map(|(_, objective)| *objective).unwrap_or_default()
}

/// The engines of each model, with their versions.
fn engines(ask: &Ask<'_>, period: Period) -> Result<BTreeMap<String, Vec<String>>, Failure> {
    let info = ask.of_model(metric::LLM_ENGINE_INFO.name);
    let seconds = period.seconds();
    let text = format!(
        "max by (engine, instance, model, version) (present_over_time({info}[{seconds}s]))"
    );
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (labels, _) in ask.at(period.end, &text)? {
        let get = |name: &str| labels.get(name).unwrap_or_default().to_owned();
        let words = [get("engine"), get("version"), get("instance")];
        let words: Vec<&str> =
            words.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
        found.entry(get("model")).or_default().insert(words.join(" "));
    }
    let names = |all: BTreeSet<String>| all.into_iter().take(ENGINES_MAX).collect();
    Ok(found.into_iter().map(|(model, all)| (model, names(all))).collect())
}

/// Of each model, whether at least one of its engines answered.
fn up(ask: &Ask<'_>, period: Period) -> Result<BTreeMap<String, Moments>, Failure> {
    let selector = ask.of_model(metric::LLM_ENGINE_UP.name);
    let moments = ask.moments(period, &format!("max by (model) ({selector})"))?;
    let named = |(labels, moments): (model::Labels, Moments)| {
        (labels.get("model").unwrap_or_default().to_owned(), moments)
    };
    Ok(moments.into_iter().map(named).collect())
}

/// For how long no engine answered.
fn down_seconds(up: &Moments) -> Option<f64> {
    let slots = up.means.iter().zip(&up.seconds).filter(|(mean, _)| mean.is_finite());
    let down = slots.map(|(mean, seconds)| (1.0 - mean).max(0.0) * seconds);
    down.reduce(|sum, seconds| sum + seconds)
}

/// Part of the time until now in which anything was observed.
pub(super) fn observed(ask: &Ask<'_>, period: Period, now: UnixMs) -> Result<Option<f64>, Failure> {
    let name = metric::LLM_ENGINE_UP.name;
    let course = ask.over(period, &format!("count(count_over_time({name}[$w]))"))?;
    let begun = (now.0 - period.start.0).div_euclid(period.slot_ms) + 1;
    let begun = usize::try_from(begun).unwrap_or(0).min(period.count());
    let seen = course.first().map_or(0, |course| known(&course.values).count());
    Ok((begun > 0 && seen > 0).then(|| (seen as f64 / begun as f64).min(1.0)))
}

/// Believed first where several say it of the same model.
fn rank(source: &str) -> u8 {
    match source {
        "engine" => 0,
        "" => 1,
        "gateway" => 2,
        _ => 3,
    }
}

/// Of each model the courses of the source that is believed first.
struct Believed(BTreeMap<String, Vec<Course>>);

impl Believed {
    fn new(all: Vec<Course>) -> Self {
        let mut best: BTreeMap<String, (u8, Vec<Course>)> = BTreeMap::new();
        for course in all.into_iter().filter(|course| course.sum().is_some()) {
            let rank = rank(course.label("source"));
            let entry = best.entry(course.label("model").to_owned()).or_insert((rank, Vec::new()));
            if rank < entry.0 {
                *entry = (rank, Vec::new());
            }
            if rank == entry.0 {
                entry.1.push(course);
            }
        }
        Self(best.into_iter().map(|(model, (_, courses))| (model, courses)).collect())
    }

    fn of(&self, model: &str) -> &[Course] {
        self.0.get(model).map_or(&[], Vec::as_slice)
    }

    fn sum(&self, model: &str) -> Option<f64> {
        self.of(model).iter().filter_map(Course::sum).reduce(|sum, value| sum + value)
    }

    /// In one slot, of all courses together.
    fn at(&self, model: &str, place: usize) -> Option<f64> {
        let values = self.of(model).iter().filter_map(|course| course.values.get(place).copied());
        values.filter(|value| value.is_finite()).reduce(|sum, value| sum + value)
    }
}

/// Labels of the courses of histograms.
const BUCKETS: &str = "model, source, le";

/// Everything about models in one period.
struct Read {
    period: Period,
    finished: Believed,
    outcomes: Believed,
    input: Believed,
    cached: Believed,
    output: Believed,
    preemptions: Believed,
    ttft: Believed,
    /// Of each model either its TPOT or its inter-token latency.
    tpot: Believed,
    /// Whether at least one engine answered, by model.
    up: BTreeMap<String, Moments>,
    cache_max: Vec<Course>,
    cache_mean: Vec<Course>,
    waiting: Vec<Course>,
}

/// A model in one period.
struct Told {
    figures: Figures,
    ttft: Histogram,
    tpot: Histogram,
    slots: Vec<Slot>,
}

impl Read {
    fn of(ask: &Ask<'_>, period: Period) -> Result<Self, Failure> {
        const BY: &str = "model, source";
        let growth = |metric: &metric::Metric, suffix: &str, by: &str| {
            Ok::<_, Failure>(Believed::new(ask.growth(period, metric, suffix, by)?))
        };
        let gauge = |metric: &metric::Metric, sum: &str, function: &str| {
            let selector = ask.of_model(metric.name);
            ask.over(period, &format!("{sum} by (model) ({function}({selector}[$w]))"))
        };
        Ok(Self {
            period,
            finished: growth(&metric::LLM_REQUESTS_FINISHED_TOTAL, "", "model, source, reason")?,
            outcomes: growth(&metric::LLM_REQUESTS_TOTAL, "", "model, source, outcome")?,
            input: growth(&metric::LLM_PROMPT_TOKENS_TOTAL, "", BY)?,
            cached: growth(&metric::LLM_PROMPT_TOKENS_CACHED_TOTAL, "", BY)?,
            output: growth(&metric::LLM_GENERATION_TOKENS_TOTAL, "", BY)?,
            preemptions: growth(&metric::LLM_PREEMPTIONS_TOTAL, "", BY)?,
            ttft: growth(&metric::LLM_TIME_TO_FIRST_TOKEN_SECONDS, "_bucket", BUCKETS)?,
            tpot: growth(&metric::LLM_REQUEST_TIME_PER_OUTPUT_TOKEN_SECONDS, "_bucket", BUCKETS)?,
            up: up(ask, period)?,
            cache_max: gauge(&metric::LLM_KV_CACHE_USAGE_RATIO, "max", "max_over_time")?,
            cache_mean: gauge(&metric::LLM_KV_CACHE_USAGE_RATIO, "avg", "avg_over_time")?,
            waiting: gauge(&metric::LLM_REQUESTS_WAITING, "max", "max_over_time")?,
        })
    }

    /// Takes the time between tokens for the TPOT of models that do not tell it.
    fn fall_back(&mut self, ask: &Ask<'_>, without: &BTreeSet<String>) -> Result<(), Failure> {
        if without.is_empty() {
            return Ok(());
        }
        let latency = &metric::LLM_INTER_TOKEN_LATENCY_SECONDS;
        let latency = Believed::new(ask.growth(self.period, latency, "_bucket", BUCKETS)?);
        let of_those = latency.0.into_iter().filter(|(model, _)| without.contains(model));
        self.tpot.0.retain(|model, _| !without.contains(model));
        self.tpot.0.extend(of_those);
        Ok(())
    }

    /// Whatever was counted or answered as a model.
    fn names(&self) -> BTreeSet<String> {
        let counted = [&self.finished, &self.outcomes, &self.output, &self.ttft];
        let counted = counted.into_iter().flat_map(|one| one.0.keys().cloned());
        counted.chain(self.up.keys().cloned()).filter(|name| !name.is_empty()).collect()
    }

    fn model(&self, name: &str, objective: &Objective) -> Told {
        let (ttft, ttft_slots) = self.times(&self.ttft, name);
        let (tpot, tpot_slots) = self.times(&self.tpot, name);
        let gauge = |courses: &[Course]| -> Vec<f64> {
            let found = courses.iter().find(|course| course.label("model") == name);
            found.map_or_else(Vec::new, |course| course.values.clone())
        };
        let at = |values: &[f64], place: usize| {
            values.get(place).copied().filter(|value| value.is_finite())
        };
        let (cache, waiting) = (gauge(&self.cache_max), gauge(&self.waiting));
        let up = self.up.get(name);
        let requests =
            if self.finished.of(name).is_empty() { &self.outcomes } else { &self.finished };
        let slot = |place: usize| Slot {
            time: UnixMs(self.period.start.0 + self.period.slot_ms * place as i64),
            requests: requests.at(name, place),
            tokens_input: self.input.at(name, place),
            tokens_output: self.output.at(name, place),
            up: up.and_then(|up| at(&up.means, place)),
            ttft: ttft_slots.get(place).copied().flatten(),
            tpot: tpot_slots.get(place).copied().flatten(),
            cache: at(&cache, place),
            waiting: at(&waiting, place),
        };
        let slots: Vec<Slot> = (0..self.period.count()).map(slot).collect();
        let cache_mean = gauge(&self.cache_mean);
        let count = known(&cache_mean).count();
        let (asked, failed) = self.failures(name);
        let figures = Figures {
            requests: requests.sum(name),
            asked,
            failed,
            cut_short: self.reason(name, LENGTH),
            tokens_input: self.input.sum(name),
            tokens_cached: self.cached.sum(name),
            tokens_output: self.output.sum(name),
            preemptions: self.preemptions.sum(name),
            availability: availability(&slots),
            ttft: ttft.quantiles(),
            tpot: tpot.quantiles(),
            ttft_within: objective.ttft_seconds.and_then(|limit| ttft.within(limit)),
            tpot_within: objective.tpot_seconds.and_then(|limit| tpot.within(limit)),
            cache_max: known(&cache).reduce(f64::max),
            cache_mean: (count > 0).then(|| known(&cache_mean).sum::<f64>() / count as f64),
            waiting_max: known(&waiting).reduce(f64::max),
            down_seconds: up.and_then(down_seconds),
        };
        Told { figures, ttft, tpot, slots }
    }

    /// Requests of which it is known how they ended, and those that ended badly: as the gateway saw it where it
    /// saw any, else as engines tell.
    fn failures(&self, name: &str) -> (Option<f64>, Option<f64>) {
        let of = |courses: &[Course], is_wanted: &dyn Fn(&Course) -> bool| {
            let wanted = courses.iter().filter(|course| is_wanted(course));
            wanted.filter_map(Course::sum).sum::<f64>()
        };
        let outcomes = self.outcomes.of(name);
        if !outcomes.is_empty() {
            let failed = of(outcomes, &|course| FAILURES.contains(&course.label("outcome")));
            return (Some(of(outcomes, &|_| true)), Some(failed));
        }
        let finished = self.finished.of(name);
        if finished.is_empty() {
            return (None, None);
        }
        let failed = of(finished, &|course| course.label("reason") == FAILED);
        (Some(of(finished, &|_| true)), Some(failed))
    }

    /// Requests that ended for a reason; nothing where reasons are not told.
    fn reason(&self, name: &str, reason: &str) -> Option<f64> {
        let courses = self.finished.of(name);
        let of_reason = courses.iter().filter(|course| course.label("reason") == reason);
        (!courses.is_empty()).then(|| of_reason.filter_map(Course::sum).sum())
    }

    /// The distribution of all, and percentiles in each slot.
    fn times(&self, buckets: &Believed, name: &str) -> (Histogram, Vec<Option<Quantiles>>) {
        let bounded = buckets.of(name).iter().filter_map(|course| {
            let bound = course.label("le").parse::<f64>().ok()?;
            Some((bound, course))
        });
        let bounded: Vec<(f64, &Course)> = bounded.collect();
        let all = bounded.iter().map(|(bound, course)| (*bound, course.sum().unwrap_or(0.0)));
        let all = Histogram::from_cumulative(all.collect());
        let slot = |place: usize| {
            let pairs = bounded.iter().filter_map(|(bound, course)| {
                let count = course.values.get(place).copied()?;
                count.is_finite().then_some((*bound, count))
            });
            Histogram::from_cumulative(pairs.collect()).quantiles()
        };
        (all, (0..self.period.count()).map(slot).collect())
    }
}
