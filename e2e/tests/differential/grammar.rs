//! Queries: each function, aggregation and operator in turn, then whatever the grammar yields.

use super::{data::Abilities, random::Random};

/// A label and some values of it.
type Domain = (&'static str, &'static [&'static str]);
/// Metrics that are asked for, with labels of theirs.
const METRICS: &[(&str, &[Domain])] = &[
    ("requests_total", &[JOB, INSTANCE, ("code", CODES), ("method", &["get", "post"])]),
    ("restarting_total", &[JOB, INSTANCE]),
    ("busy_seconds_total", &[JOB, INSTANCE]),
    ("temperature_celsius", &[JOB, INSTANCE, ("zone", &["a", "b", "c"])]),
    ("memory_used_bytes", &[JOB, INSTANCE]),
    ("queue_length", &[JOB, INSTANCE]),
    ("odd", &[("kind", &["nan", "inf", "neginf", "mixed", "sometimes_nan", "zero"])]),
    ("odd", &[("kind", &["constant", "fraction", "half", "small", "large", "negative"])]),
    ("gappy", &[("kind", &["often", "long", "rare", "early", "late"])]),
    ("stale", &[("kind", &["blinking", "flickering"])]),
    ("latency_seconds_bucket", &[JOB, INSTANCE, ("le", &["0.05", "1.0", "+Inf"])]),
    ("latency_seconds_sum", &[JOB, INSTANCE]),
    ("text_length", &[("text", &["plain", "日本語", "a.b$1"])]),
];
const JOB: Domain = ("job", &["api", "db", "edge"]);
const INSTANCE: Domain = ("instance", &["host-1:8000", "host-2:8000", "host-1:5432"]);
const CODES: &[&str] = &["200", "404", "500"];

/// Native histograms, for sides that have them.
const NATIVE: &[&str] = &[
    "native_seconds",
    "coarse_seconds",
    "restarting_seconds",
    "level_seconds",
    "custom_seconds",
    "mixed_kinds",
];

/// What a function takes: `v` a vector, `r` a range of one, `s` a number, `q` a share from 0 to 1,
/// `h` buckets, `n` native histograms, `d` moments in seconds, `x` a vector of moderate numbers,
/// because an angle of a billion loses the digits that are compared.
const FUNCTIONS: &[(&str, &str)] = &[
    ("abs", "v"),
    ("absent", "v"),
    ("absent_over_time", "r"),
    ("acos", "v"),
    ("acosh", "v"),
    ("asin", "v"),
    ("asinh", "v"),
    ("atan", "v"),
    ("atanh", "v"),
    ("avg_over_time", "r"),
    ("ceil", "v"),
    ("changes", "r"),
    ("clamp", "vss"),
    ("clamp_max", "vs"),
    ("clamp_min", "vs"),
    ("cos", "x"),
    ("cosh", "x"),
    ("count_over_time", "r"),
    ("day_of_month", "d"),
    ("day_of_week", "d"),
    ("day_of_year", "d"),
    ("days_in_month", "d"),
    ("deg", "v"),
    ("delta", "r"),
    ("deriv", "r"),
    ("exp", "v"),
    ("floor", "v"),
    ("histogram_count", "n"),
    ("histogram_sum", "n"),
    ("histogram_avg", "n"),
    ("histogram_stddev", "n"),
    ("histogram_stdvar", "n"),
    ("histogram_fraction", "ssn"),
    ("histogram_fraction", "ssh"),
    ("histogram_quantile", "qh"),
    ("histogram_quantile", "qn"),
    ("hour", "d"),
    ("idelta", "r"),
    ("increase", "r"),
    ("irate", "r"),
    ("last_over_time", "r"),
    ("ln", "v"),
    ("log10", "v"),
    ("log2", "v"),
    ("mad_over_time", "r"),
    ("max_over_time", "r"),
    ("min_over_time", "r"),
    ("minute", "d"),
    ("month", "d"),
    ("predict_linear", "rs"),
    ("present_over_time", "r"),
    ("quantile_over_time", "qr"),
    ("rad", "v"),
    ("rate", "r"),
    ("resets", "r"),
    ("round", "v"),
    ("round", "vs"),
    ("scalar", "v"),
    ("sgn", "v"),
    ("sin", "x"),
    ("sinh", "x"),
    ("sort", "v"),
    ("sort_desc", "v"),
    ("sqrt", "v"),
    ("stddev_over_time", "r"),
    ("stdvar_over_time", "r"),
    ("sum_over_time", "r"),
    ("tan", "x"),
    ("tanh", "v"),
    ("timestamp", "v"),
    ("vector", "s"),
    ("year", "d"),
];

/// Aggregations, with what a parameter may be.
const AGGREGATIONS: &[(&str, &[&str])] = &[
    ("sum", &[]),
    ("avg", &[]),
    ("count", &[]),
    ("min", &[]),
    ("max", &[]),
    ("group", &[]),
    ("stddev", &[]),
    ("stdvar", &[]),
    ("topk", &["1", "2", "5", "0"]),
    ("bottomk", &["1", "3"]),
    ("quantile", &["0", "0.5", "0.9", "1", "-1", "2"]),
    ("count_values", &["\"value\"", "\"job\""]),
];
const ARITHMETIC: &[&str] = &["+", "-", "*", "/", "%", "^", "atan2"];
const COMPARISONS: &[&str] = &["==", "!=", ">", "<", ">=", "<="];
const SETS: &[&str] = &["and", "or", "unless"];
const NUMBERS: &[&str] =
    &["0", "1", "2", "-1", "0.5", "3.14", "1e3", "-0.25", "NaN", "Inf", "-Inf", "0x1F", "7"];
const SHARES: &[&str] = &["0", "0.1", "0.5", "0.9", "0.99", "1", "-0.5", "1.5"];
const RANGES: &[&str] = &["45s", "1m", "5m", "10m", "30m", "1h"];
const SUBQUERIES: &[&str] = &["[10m:1m]", "[5m:30s]", "[20m:]", "[30m:5m]", "[3m:15s]"];
const GROUPINGS: &[&str] =
    &["", " by (job)", " by (job, instance)", " without (instance)", " by ()", " by (code, kind)"];

/// What Prometheus 3 has and 2 has not, experimental functions among it.
const NEWER: &[&str] = &[
    "{\"größe.bytes\"}",
    "{\"größe.bytes\", \"straße\"=\"北京\"}",
    "{__name__=\"größe.bytes\", \"straße\"!~\"m.*\"}",
    "sum by (\"straße\", job) ({\"größe.bytes\"})",
    "avg without (\"straße\") (rate({\"größe.total\"}[5m]))",
    "{\"größe.bytes\"} + on (\"straße\") {\"größe.total\"}",
    "label_replace({\"größe.bytes\"}, \"länge\", \"$1\", \"straße\", \"(.).*\")",
    "label_join({\"größe.bytes\"}, \"a.b\", \"-\", \"straße\", \"job\")",
    "count_values(\"größe\", round({\"größe.bytes\"} / 50))",
    "{'größe.bytes', `straße`=~`.+en`}",
    "SUM BY (job) (queue_length) OR queue_length OFFSET 5m",
    "queue_length offset 60",
    "sum_over_time(queue_length[300])",
    "avg_over_time(queue_length[5m:60])",
    "temperature_celsius @ 2h",
    "2m30s + 0x1F",
    "text_length{text=~\"two.lines\"}",
    "text_length{text=\"two\\nlines\"}",
    "info(rate(requests_total{code=\"200\"}[5m]))",
    "info(queue_length, {region=\"north\"})",
    "info(queue_length, {region=~\".+\", version=~\".*\"})",
    "info(queue_length, {__name__=~\".+_info\"})",
    "double_exponential_smoothing(temperature_celsius[10m], 0.5, 0.3)",
    "double_exponential_smoothing(gappy[1h], 0.1, 0.9)",
    "double_exponential_smoothing(gappy[1h], 1, 0.9)",
    "sort_by_label(temperature_celsius, \"zone\", \"instance\", \"job\")",
    "sort_by_label_desc(requests_total, \"code\", \"instance\", \"method\")",
    "mad_over_time(temperature_celsius[10m])",
    "ts_of_max_over_time(temperature_celsius[10m])",
    "ts_of_min_over_time(odd[10m])",
    "ts_of_last_over_time(gappy[1h])",
    "limitk(3, requests_total)",
    "limitk by (job) (1, queue_length)",
    "limit_ratio(0.5, requests_total)",
    "limit_ratio(-0.3, requests_total)",
    "limit_ratio(2, queue_length)",
    "quantile(NaN, queue_length)",
    "topk(NaN, queue_length)",
    "limitk(NaN, queue_length)",
    "histogram_quantile(NaN, latency_seconds_bucket)",
    "holt_winters(temperature_celsius[10m], 0.5, 0.3)",
];

/// Deepest nesting of what the grammar yields.
const DEPTH_MAX: usize = 4;

pub(super) struct Grammar {
    random: Random,
    /// A moment for `@`, in Unix seconds.
    moment: i64,
    able: Abilities,
}

impl Grammar {
    pub(super) fn new(seed: u64, moment: i64, able: Abilities) -> Self {
        Self { random: Random::new(seed), moment, able }
    }

    /// All queries, the same on every run.
    pub(super) fn queries(&mut self) -> Vec<String> {
        let mut queries = Vec::new();
        for (function, arguments) in FUNCTIONS {
            if arguments.contains('n') && !self.able.native_histograms {
                continue;
            }
            queries.extend((0..3).map(|_| self.call(function, arguments, 1)));
        }
        for aggregation in AGGREGATIONS {
            queries.extend(GROUPINGS.iter().map(|by| self.aggregate(aggregation, by, 1)));
        }
        for operator in ARITHMETIC.iter().chain(COMPARISONS) {
            queries.extend((0..5).map(|form| self.binary(operator, form, 1)));
        }
        for operator in SETS {
            queries.extend((0..4).map(|form| self.set(operator, form, 1)));
        }
        queries.extend((0..40).map(|_| self.selector(true)));
        queries.extend((0..12).map(|_| self.relabel(1)));
        queries.extend((0..8).map(|_| self.scalar(2)));
        queries.extend((0..10).map(|_| self.range(1)));
        queries.extend((0..220).map(|_| self.vector(DEPTH_MAX)));
        if self.able.native_histograms {
            queries.extend((0..120).map(|_| self.native()));
        }
        if self.able.utf8_names {
            queries.extend(NEWER.iter().map(|query| (*query).to_owned()));
        }
        queries
    }

    fn vector(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.selector(true);
        }
        match self.random.below(20) {
            0 | 1 => self.selector(true),
            2..8 => {
                let (name, arguments) = FUNCTIONS[self.random.below(FUNCTIONS.len())];
                match (name, arguments) {
                    ("scalar", _) | (_, "n" | "qn" | "ssn") => self.vector(depth - 1),
                    _ => self.call(name, arguments, depth - 1),
                }
            }
            8..12 => {
                let aggregation = AGGREGATIONS[self.random.below(AGGREGATIONS.len())];
                let by = self.random.one(GROUPINGS);
                self.aggregate(&aggregation, by, depth - 1)
            }
            12..16 => {
                let operators = if self.random.percent(60) { ARITHMETIC } else { COMPARISONS };
                let operator = self.random.one(operators);
                let form = self.random.below(5);
                self.binary(operator, form, depth - 1)
            }
            16 => {
                let operator = self.random.one(SETS);
                let form = self.random.below(4);
                self.set(operator, form, depth - 1)
            }
            17 => self.relabel(depth - 1),
            18 => format!("-{}", self.selector(true)),
            _ => format!("({})", self.vector(depth - 1)),
        }
    }

    fn selector(&mut self, with_time: bool) -> String {
        let (name, labels) = METRICS[self.random.below(METRICS.len())];
        let mut matchers: Vec<String> = Vec::new();
        for (label, values) in labels {
            if self.random.percent(35) {
                matchers.push(self.matcher(label, values));
            }
        }
        let by_name = self.random.percent(8);
        if by_name {
            let matcher = match self.random.below(3) {
                0 => format!("__name__=\"{name}\""),
                1 => format!("__name__=~\"{}.*\"", name.trim_end_matches('s')),
                _ => format!("__name__=~\"{name}|queue_length\""),
            };
            matchers.push(matcher);
        }
        let mut text = if by_name { String::new() } else { name.to_owned() };
        if !matchers.is_empty() {
            text.push_str(&format!("{{{}}}", matchers.join(", ")));
        }
        if with_time { text + &self.time() } else { text }
    }

    fn matcher(&mut self, label: &str, values: &[&str]) -> String {
        let value = self.random.one(values);
        let other = self.random.one(values);
        let plain =
            |text: &str| text.replace('.', "\\\\.").replace('$', "\\\\$").replace('+', "\\\\+");
        match self.random.below(9) {
            0..4 => format!("{label}=\"{value}\""),
            4 => format!("{label}!=\"{value}\""),
            5 => format!("{label}=~\"{}|{}\"", plain(value), plain(other)),
            6 => format!("{label}!~\"{}.*\"", plain(value)),
            7 => format!("{label}=~\".+\""),
            _ => format!("missing=\"\", {label}=~\"{}.*\"", value.chars().next().unwrap_or('x')),
        }
    }

    /// `offset` and `@`, mostly neither.
    fn time(&mut self) -> String {
        let offset = self.random.one(&["30s", "1m", "5m", "10m", "-3m", "1h"]);
        match self.random.below(14) {
            0 | 1 => format!(" offset {offset}"),
            2 => format!(" @ {}", self.moment),
            3 => format!(" @ {} offset {offset}", self.moment),
            4 => format!(" offset {offset} @ end()"),
            5 => " @ start()".to_owned(),
            _ => String::new(),
        }
    }

    fn range(&mut self, depth: usize) -> String {
        if depth > 0 && self.random.percent(30) {
            let inner = self.vector(depth - 1);
            let subquery = self.random.one(SUBQUERIES);
            return format!("({inner}){subquery}{}", self.time());
        }
        let selector = self.selector(false);
        format!("{selector}[{}]{}", self.random.one(RANGES), self.time())
    }

    fn scalar(&mut self, depth: usize) -> String {
        match self.random.below(8) {
            0 => format!("scalar({})", self.vector(depth.min(1))),
            1 => "time()".to_owned(),
            2 => "pi()".to_owned(),
            3 if depth > 0 => {
                let operator = self.random.one(ARITHMETIC);
                format!("({} {operator} {})", self.scalar(depth - 1), self.scalar(depth - 1))
            }
            4 if depth > 0 => {
                let operator = self.random.one(COMPARISONS);
                format!("({} {operator} bool {})", self.scalar(depth - 1), self.scalar(depth - 1))
            }
            _ => self.random.one(NUMBERS).to_owned(),
        }
    }

    fn call(&mut self, function: &str, arguments: &str, depth: usize) -> String {
        let arguments: Vec<String> = arguments
            .chars()
            .map(|kind| match kind {
                'v' => self.vector(depth),
                'r' => self.range(depth),
                's' => self.scalar(0),
                'q' => self.random.one(SHARES).to_owned(),
                'h' => self.buckets(),
                'd' => self.moments(),
                'x' => self.moderate(),
                _ => self.native_vector(),
            })
            .collect();
        format!("{function}({})", arguments.join(", "))
    }

    fn buckets(&mut self) -> String {
        let range = self.random.one(RANGES);
        match self.random.below(5) {
            0 => "broken_bucket".to_owned(),
            1 => format!("rate(broken_bucket{{case!=\"without\"}}[{range}])"),
            2 => format!("sum by (le) (rate(latency_seconds_bucket[{range}]))"),
            3 => format!("sum by (le, job) (increase(latency_seconds_bucket[{range}]))"),
            _ => "latency_seconds_bucket".to_owned(),
        }
    }

    /// None of them beyond what an integer holds: what Go makes of one that is depends on the machine.
    fn moments(&mut self) -> String {
        let moments = ["moment_seconds", "vector(time())", "moment_seconds / 2", "queue_length"];
        self.random.one(&moments).to_owned()
    }

    fn moderate(&mut self) -> String {
        let (selector, time) = (self.selector(false), self.time());
        match self.random.below(3) {
            0 => format!("temperature_celsius{time}"),
            1 => format!("odd{{kind!=\"large\"}}{time}"),
            _ => format!("({selector} % 50)"),
        }
    }

    /// Values of which no two are the same, or which of them come first would be a matter of taste.
    fn distinct(&mut self) -> String {
        let (metric, time) =
            (self.random.one(&["temperature_celsius", "busy_seconds_total"]), self.time());
        match self.random.below(3) {
            0 => format!("{metric}{time}"),
            1 => format!("avg by (instance) ({metric})"),
            _ => format!(
                "avg_over_time({metric}[5m]){}",
                if self.random.percent(30) { " * 2" } else { "" }
            ),
        }
    }

    /// Values that are written as labels, in which the last digit matters.
    fn whole(&mut self) -> String {
        match self.random.below(4) {
            0 => format!("round({})", self.selector(true)),
            1 => "gappy".to_owned(),
            2 => format!("queue_length{}", self.time()),
            _ => format!("odd{}", self.time()),
        }
    }

    fn aggregate(&mut self, aggregation: &(&str, &[&str]), by: &str, depth: usize) -> String {
        let (name, parameters) = aggregation;
        let inner = match *name {
            "topk" | "bottomk" => self.distinct(),
            "count_values" => self.whole(),
            _ => self.vector(depth),
        };
        match parameters {
            [] => format!("{name}{by} ({inner})"),
            _ => format!("{name}{by} ({}, {inner})", self.random.one(parameters)),
        }
    }

    fn binary(&mut self, operator: &str, form: usize, depth: usize) -> String {
        let is_comparison = COMPARISONS.contains(&operator);
        let bool = if is_comparison && self.random.percent(40) { " bool" } else { "" };
        let many = "requests_total{code=\"200\"}";
        match form {
            0 => format!("{} {operator}{bool} {}", self.vector(depth), self.scalar(1)),
            1 => format!("{} {operator}{bool} {}", self.scalar(1), self.vector(depth)),
            2 => {
                let selector = self.selector(true);
                let other = self.random.one(&["memory_total_bytes", "queue_length"]);
                match self.random.below(3) {
                    0 => format!("memory_used_bytes {operator}{bool} {other}"),
                    1 => format!("{selector} {operator}{bool} {selector}"),
                    _ => format!("{selector} {operator}{bool} ({selector} > 3)"),
                }
            }
            3 => {
                let matching = self.random.one(&["on (job)", "ignoring (zone, code)", "on ()"]);
                let (one, other) = (self.vector(depth), self.vector(depth));
                let by = if matching == "on ()" { "" } else { " by (job)" };
                format!("sum{by} ({one}) {operator}{bool} {matching} max{by} ({other})")
            }
            _ => {
                let extra = self.random.one(&["", "version", "job"]);
                match self.random.below(3) {
                    0 => format!(
                        "{many} {operator}{bool} on (job, instance) group_left ({extra}) build_info"
                    ),
                    1 => format!(
                        "build_info {operator}{bool} ignoring (version, code, method) \
                         group_right ({extra}) {many}"
                    ),
                    _ => format!(
                        "{many} {operator}{bool} on (job) group_left () \
                         sum by (job) (queue_length)"
                    ),
                }
            }
        }
    }

    fn set(&mut self, operator: &str, form: usize, depth: usize) -> String {
        let (one, other) = (self.vector(depth), self.vector(depth));
        match form {
            0 => format!("requests_total {operator} requests_total{{code=\"200\"}} offset 5m"),
            1 => format!("{one} {operator} {other}"),
            2 => format!("{one} {operator} on (job, instance) {other}"),
            _ => format!("{one} {operator} ignoring (zone, code, method, kind) {other}"),
        }
    }

    fn relabel(&mut self, depth: usize) -> String {
        let inner = self.vector(depth);
        match self.random.below(6) {
            0 => format!("label_replace({inner}, \"host\", \"$1\", \"instance\", \"(.*):.*\")"),
            1 => format!("label_replace({inner}, \"job\", \"\", \"job\", \"a.*\")"),
            2 => format!(
                "label_replace({inner}, \"to\", \"${{name}}-$2$9\", \"text\", \"(?P<name>.)(.*)\")"
            ),
            3 => {
                format!("label_join({inner}, \"both\", \"/\", \"job\", \"instance\", \"missing\")")
            }
            4 => format!("label_join({inner}, \"job\", \"-\", \"kind\")"),
            _ => format!("label_replace({inner}, \"new\", \"fixed\", \"none\", \"\")"),
        }
    }

    fn native_vector(&mut self) -> String {
        let name = self.random.one(NATIVE);
        let range = self.random.one(RANGES);
        match self.random.below(8) {
            0 | 1 => name.to_owned(),
            2 | 3 => format!("rate({name}[{range}])"),
            4 => format!("sum by (job) (rate({name}[{range}]))"),
            5 => format!("increase({name}{{job=\"api\"}}[{range}])"),
            6 => format!("sum ({name})"),
            _ => format!("avg_over_time({name}[{range}])"),
        }
    }

    fn native(&mut self) -> String {
        let (one, other) = (self.native_vector(), self.native_vector());
        let (name, range) = (self.random.one(NATIVE), self.random.one(RANGES));
        let number = self.random.one(NUMBERS);
        match self.random.below(12) {
            0 => one,
            1 => format!("{one} {} {number}", self.random.one(ARITHMETIC)),
            2 => format!("{number} {} {one}", self.random.one(ARITHMETIC)),
            3 => format!("{one} {} {other}", self.random.one(&["+", "-", "*", "==", "!=", ">"])),
            4 | 5 => {
                let functions = [
                    "rate",
                    "increase",
                    "delta",
                    "irate",
                    "idelta",
                    "resets",
                    "changes",
                    "sum_over_time",
                    "avg_over_time",
                    "count_over_time",
                    "last_over_time",
                    "max_over_time",
                    "present_over_time",
                    "deriv",
                    "stddev_over_time",
                ];
                format!("{}({name}[{range}])", self.random.one(&functions))
            }
            6 | 7 => {
                let names = ["sum", "avg", "count", "min", "max", "group", "stddev"];
                let by = self.random.one(&["", " by (job)", " without (instance)"]);
                format!("{}{by} ({one})", self.random.one(&names))
            }
            8 => format!("topk(2, {one})"),
            9 => format!("count_values(\"value\", {one})"),
            10 => format!("histogram_quantile({}, {one})", self.random.one(SHARES)),
            _ => {
                format!("{}({one})", self.random.one(&["abs", "-", "timestamp", "sort", "absent"]))
            }
        }
    }
}

/// What must be refused, by both sides in the same way.
pub(super) const WRONG: &[&str] = &[
    "",
    "{}",
    "{job=~\".*\"}",
    "sum(",
    "sum)",
    "foo bar",
    "1 +",
    "* 2",
    "foo[5m",
    "foo[5m]]",
    "foo[0s]",
    "foo[-5m]",
    "foo[5m:0s]",
    "foo offset",
    "foo offset 5m offset 5m",
    "foo @ nothing",
    "foo{a=b}",
    "foo{a=\"b\"",
    "foo{a=\"b\",,}",
    "foo{a~\"b\"}",
    "foo{a=~\"(\"}",
    "foo{__name__=\"bar\"}",
    "foo\"bar\"",
    "\"unfinished",
    "'wrong \\q escape'",
    "1 + \"text\"",
    "1 == 2",
    "1 and 2",
    "foo and 1",
    "foo + on (a) group_left (a) bar",
    "foo and on (a) group_left bar",
    "foo + bool bar",
    "foo == on bar",
    "sum(foo[5m])",
    "sum by (job, ) foo",
    "sum(1)",
    "topk(foo)",
    "topk(\"a\", foo)",
    "quantile(foo, foo)",
    "count_values(1, foo)",
    "rate(foo)",
    "rate(foo[5m], 1)",
    "rate()",
    "abs(foo[5m])",
    "abs(1)",
    "nothing(foo)",
    "vector(foo)",
    "scalar(1)",
    "time(1)",
    "-\"text\"",
    "-foo[5m]",
    "foo[5m] + 1",
    "(foo[5m])[5m]",
    "foo[5m][5m]",
    "1[5m:1m] offset",
    "label_replace(foo, \"a\")",
    "label_replace(queue_length, \"a\", \"b\", \"c\", \"(\")",
    "label_join(queue_length, \"\", \"-\", \"job\")",
    "histogram_quantile(foo, foo)",
    "queue_length + on (job) queue_length",
    "queue_length * on (job) group_left queue_length",
    "build_info * on (missing) temperature_celsius",
    "label_replace(queue_length, \"instance\", \"same\", \"job\", \".*\")",
    "label_replace(queue_length, \"instance\", \"\", \"instance\", \".*\")",
    "rate({job=\"api\"}[5m])",
    "5m5",
    "foo[5z]",
    "1e",
    "0x",
    "foo # comment only at the end {",
    "sum without job (foo)",
    "foo{le=\"1\"} @ 1e30",
    "foo[300000y]",
    "on (a) foo",
    "bool",
    "1 bool 2",
];
