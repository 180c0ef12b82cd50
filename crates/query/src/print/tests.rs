use proptest::prelude::*;

use super::{Tree, texts};
use crate::parser::parse;

fn printed(text: &str) -> String {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
}

/// What is printed of each text, and that printing it again changes nothing.
fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        assert_eq!(printed(text), *expected, "{text}");
        assert_eq!(printed(expected), *expected, "{text}, twice");
    }
}

#[test]
fn selectors() {
    check(&[
        ("up", "up"),
        ("  up # the engines\n", "up"),
        ("job:up:sum", "job:up:sum"),
        ("up{}", "up"),
        ("up{job='node',}", r#"up{job="node"}"#),
        (
            r#"up{job!="a", instance=~"b.*",zone!~`c\d`}"#,
            r#"up{instance=~"b.*",job!="a",zone!~"c\\d"}"#,
        ),
        (r#"up{b="1",b!="0",a="2"}"#, r#"up{a="2",b!="0",b="1"}"#),
        (r#"{"up"}"#, r#"{__name__="up"}"#),
        (r#"{job="a", "gpu.power"}"#, r#"{__name__="gpu.power",job="a"}"#),
        (r#"{__name__="up"}"#, r#"{__name__="up"}"#),
        (r#"{__name__=~"up|down"}"#, r#"{__name__=~"up|down"}"#),
        (r#"up{"node.name"="x"}"#, r#"up{"node.name"="x"}"#),
        (r#"up{"job"="x"}"#, r#"up{job="x"}"#),
        (r#"{"温度", "1st"="é"}"#, r#"{"1st"="é",__name__="温度"}"#),
        ("sum", "sum"),
        (r#"up{a="\"\\\n\t\u00e9\u200b"}"#, r#"up{a="\"\\\n\té\u200b"}"#),
    ]);
}

#[test]
fn times() {
    check(&[
        ("up[5m]", "up[5m]"),
        ("up[90s]", "up[1m30s]"),
        ("up[3600]", "up[1h]"),
        ("up[0.25]", "up[250ms]"),
        ("up[14d]", "up[2w]"),
        ("up[15d]", "up[15d]"),
        ("up[365d]", "up[1y]"),
        ("up[366d12h]", "up[366d12h]"),
        ("up[1y2w3d4h5m6s7ms]", "up[382d4h5m6s7ms]"),
        ("up offset 5m", "up offset 5m"),
        ("up offset -300", "up offset -5m"),
        ("up OFFSET +1d", "up offset 1d"),
        ("up offset 0s", "up"),
        ("up @ 0", "up @ 0.000"),
        ("up @ -1.5", "up @ -1.500"),
        ("up @ 1m40s", "up @ 100.000"),
        ("up @ 1700000000.1236", "up @ 1700000000.124"),
        ("up @ START()", "up @ start()"),
        ("up offset 1m @ end()", "up @ end() offset 1m"),
        ("up[5m] offset 1m @ 7", "up[5m] @ 7.000 offset 1m"),
        ("up anchored", "up anchored"),
        ("up offset 1m smoothed @ 7", "up @ 7.000 smoothed offset 1m"),
        ("up[5m] offset 1m smoothed @ 7", "up[5m] smoothed @ 7.000 offset 1m"),
        ("up[5m] ANCHORED", "up[5m] anchored"),
        ("up[1h:]", "up[1h:]"),
        ("up[1h:60] offset 1m @ start()", "up[1h:1m] @ start() offset 1m"),
        (
            "max_over_time(rate(up[5m])[1h:1m] offset -1w)",
            "max_over_time(rate(up[5m])[1h:1m] offset -1w)",
        ),
        ("(up-1)[1h:] offset -1y1d", "(up - 1)[1h:] offset -366d"),
    ]);
}

#[test]
fn computed_durations() {
    check(&[
        ("up[5m+1m]", "up[5m + 1m]"),
        ("up[60*5]", "up[60 * 5]"),
        ("up[(5m)]", "up[5m]"),
        ("up[--5m]", "up[5m]"),
        ("up[-5m+(1h)]", "up[-5m + 1h]"),
        ("up[((1m+2))*3]", "up[(1m + 2) * 3]"),
        ("up[2^3^2*1ms]", "up[2 ^ 3 ^ 2 * 1ms]"),
        ("up[(-2)^2]", "up[(-2) ^ 2]"),
        ("up[-2^2+1m]", "up[-2 ^ 2 + 1m]"),
        ("up[step()]", "up[step()]"),
        ("up[Range()/4]", "up[range() / 4]"),
        ("up[+step()%1m]", "up[step() % 1m]"),
        ("up[min_of(5m,max_of(step(),(1m)))]", "up[min_of(5m, max_of(step(), 1m))]"),
        ("up[step()*10:step()]", "up[step() * 10:step()]"),
        ("up offset (1h/2)", "up offset (1h / 2)"),
        ("up offset -(step()+1)", "up offset -(step() + 1)"),
        ("up offset -(5m)", "up offset -5m"),
        ("up offset (0s)", "up"),
        ("up offset -min_of(1m,step())", "up offset -min_of(1m, step())"),
        ("up offset step()*2", "up offset step() * 2"),
        ("up offset -2^2", "up offset -2s ^ 2"),
    ]);
    // The last two are products and powers of vectors, not of durations.
    for text in ["up offset step()*2", "up offset -2^2"] {
        let Tree::Object(fields) = parse(text).unwrap().tree() else { panic!("{text}") };
        assert_eq!(field(&fields, "type"), &Tree::Text("binaryExpr".into()), "{text}");
    }
}

#[test]
fn literals() {
    check(&[
        ("1", "1"),
        ("-1.50", "-1.5"),
        ("+1", "1"),
        ("--1", "1"),
        ("0x1F", "31"),
        ("1_000", "1000"),
        ("017", "15"),
        ("1e3", "1000"),
        ("1e21", "1000000000000000000000"),
        (".5e-7", "0.00000005"),
        ("nan", "NaN"),
        ("inf", "+Inf"),
        ("-INF", "-Inf"),
        ("5m", "5m"),
        ("-90m", "-1h30m"),
        ("0s", "0s"),
        ("-0s", "0s"),
        // Prometheus prints 1s and -1s2ms.
        ("1s1ms", "1s1ms"),
        ("-1s3ms", "-1s3ms"),
        (r"'it\'s'", r#""it's""#),
        (r#"`a"\n`"#, r#""a\"\\n""#),
        (r#""\xff\xc3(\x00\U0001f600""#, r#""\xff\xc3(\x00😀""#),
        ("(((1)))", "(((1)))"),
    ]);
}

#[test]
fn operators() {
    check(&[
        ("1+2*3", "1 + 2 * 3"),
        ("a%b/c atan2 d", "a % b / c atan2 d"),
        ("a^-b^2", "a ^ -b ^ 2"),
        ("-a^2", "-a ^ 2"),
        ("- - a", "--a"),
        ("+a", "+a"),
        ("-(a)", "-(a)"),
        ("-sum(a)", "-sum(a)"),
        ("a AND b Or c UNLESS d", "a and b or c unless d"),
        ("a>=1!=bool 2", "a >= 1 != bool 2"),
        ("1==BOOL 1", "1 == bool 1"),
        ("a</5", "a </ 5"),
        ("a>/ on(x) b", "a >/ on (x) b"),
        ("a-on()b", "a - on () b"),
        ("a-ignoring()b", "a - b"),
        ("a<bool ignoring(x,y)b", "a < bool ignoring (x, y) b"),
        (
            r#"a * On(x, "y.z",) Group_Left("q r",s) b"#,
            r#"a * on (x, "y.z") group_left ("q r", s) b"#,
        ),
        ("a*on(x)group_right b", "a * on (x) group_right () b"),
        ("a*ignoring()group_left b", "a * ignoring () group_left () b"),
        ("a+fill(0)b", "a + fill (0) b"),
        ("a+on(x)fill_left(-1e6)b", "a + on (x) fill_left (-1e+06) b"),
        ("a+fill_right(0.00001)b", "a + fill_right (1e-05) b"),
        ("a+fill_left(1)fill_right(inf)b", "a + fill_left (1) fill_right (+Inf) b"),
        ("a+fill(NaN)b", "a + fill (NaN) b"),
        (
            "a>bool on(x)group_left(y)fill_left(1)b",
            "a > bool on (x) group_left (y) fill_left (1) b",
        ),
        ("a or on(x)(b+c)", "a or on (x) (b + c)"),
    ]);
}

#[test]
fn calls_and_aggregations() {
    check(&[
        ("SUM(a)", "sum(a)"),
        ("sum by()(a)", "sum(a)"),
        ("sum(a)by(x,y,)", "sum by (x, y) (a)"),
        ("sum without()(a)", "sum without () (a)"),
        (r#"avg Without("x.y",z)(a)"#, r#"avg without ("x.y", z) (a)"#),
        ("topk(5,a)by(x)", "topk by (x) (5, a)"),
        ("quantile(1-.1,a)", "quantile(1 - 0.1, a)"),
        ("count_values('v',a)", r#"count_values("v", a)"#),
        ("limitk(2,a) + limit_ratio(-.5,a)", "limitk(2, a) + limit_ratio(-0.5, a)"),
        ("time( )", "time()"),
        ("rate(a{b='c'}[5m])*60", r#"rate(a{b="c"}[5m]) * 60"#),
        ("round(a,1/8)", "round(a, 1 / 8)"),
        ("label_join(a,'b',',','c','d')", r#"label_join(a, "b", ",", "c", "d")"#),
        ("info(a,{b!=''})", r#"info(a, {b!=""})"#),
        ("info(a,{})", "info(a, {})"),
        ("histogram_quantiles(a,'q',.5,.9)", r#"histogram_quantiles(a, "q", 0.5, 0.9)"#),
        ("min_of(step(),range())", "min_of(step(), range())"),
        ("sum(rate(a[5m] # inside\n)) # outside", "sum(rate(a[5m]))"),
    ]);
}

/// Pretty printing of a text, whose lines are joined here by `|`.
fn check_pretty(text: &str, expected: &str) {
    let pretty = parse(text).unwrap().pretty();
    assert_eq!(pretty.lines().collect::<Vec<_>>().join("|"), expected, "{text}");
    assert_eq!(printed(&pretty), printed(text), "{text}");
}

/// A metric name of so many bytes.
fn name(length: usize) -> String {
    "n".repeat(length)
}

#[test]
fn what_is_longer_than_a_hundred_bytes_is_split() {
    let (n48, n60, n95) = (name(48), name(60), name(95));
    let n49 = name(49);
    check_pretty(&format!("{n48} +   {n49}"), &format!("{n48} + {n49}"));
    check_pretty(&format!("{n49} +   {n49}"), &format!("  {n49}|+|  {n49}"));
    check_pretty(&name(120), &name(120));
    check_pretty(&format!("sum({n95})"), &format!("sum({n95})"));
    check_pretty(&format!("sum({n95}x)"), &format!("sum(|  {n95}x|)"));
    check_pretty(
        &format!("topk(3, rate({n95}[5m])) by (x)"),
        &format!("topk by (x) (|  3,|  rate(|    {n95}[5m]|  )|)"),
    );
    check_pretty(
        &format!("{n60} * bool on(x) group_left(y) {n60}").replace("* bool", "== bool"),
        &format!("  {n60}|== bool on (x) group_left (y)|  {n60}"),
    );
    check_pretty(
        &format!("1 + 2 * ({n60} - {n60})"),
        &format!("  1|+|    2|  *|    (|        {n60}|      -|        {n60}|    )"),
    );
    check_pretty(
        &format!("label_replace({n60}, 'a', '$1', 'b', '(.*)') / 2 + {n60}"),
        &format!("    label_replace({n60}, \"a\", \"$1\", \"b\", \"(.*)\")|  /|    2|+|  {n60}"),
    );
    check_pretty(&format!("-abs({n95})"), &format!("-abs({n95})"));
    check_pretty(&format!("-abs({n95}x)"), &format!("-abs(|  {n95}x|)"));
    check_pretty(&format!("1 - -abs({n95}x)"), &format!("  1|-|  -abs(|    {n95}x|  )"));
    check_pretty(&format!("-({n60} + {n60})"), &format!("-(|    {n60}|  +|    {n60}|)"));
    check_pretty(
        &format!("max_over_time(rate({n95}[5m])[1h:1m] @ end() offset 1m)"),
        &format!("max_over_time(|  rate(|    {n95}[5m]|  )[1h:1m] @ end() offset 1m|)"),
    );
    // A short subquery is not indented, as in Prometheus.
    check_pretty(
        &format!("{n95} + sum_over_time({n48}[1h:1m])"),
        &format!("  {n95}|+|  sum_over_time({n48}[1h:1m])"),
    );
    check_pretty(
        &format!("sum_over_time({}[1h:1m])", name(85)),
        &format!("sum_over_time(|{}[1h:1m]|)", name(85)),
    );
}

fn field<'a>(fields: &'a [(&'static str, Tree)], name: &str) -> &'a Tree {
    &fields.iter().find(|(other, _)| *other == name).unwrap().1
}

/// A tree in short: `{name value, ...}`.
fn short(tree: &Tree) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match tree {
        Tree::Null => "null".into(),
        Tree::Flag(flag) => flag.to_string(),
        Tree::Whole(number) => number.to_string(),
        Tree::Float(number) => format!("{number:?}"),
        Tree::Text(text) => format!("{text:?}"),
        Tree::List(items) => format!("[{}]", list(items.iter().map(short).collect())),
        Tree::Object(fields) => {
            let field = |(name, value): &(&str, Tree)| format!("{name} {}", short(value));
            format!("{{{}}}", list(fields.iter().map(field).collect()))
        }
    }
}

#[test]
fn trees() {
    let check = |text: &str, expected: &str| {
        assert_eq!(short(&parse(text).unwrap().tree()), expected, "{text}");
    };
    let number = |value: &str| format!("{{type \"numberLiteral\", val {value:?}}}");
    check("5m", &number("300"));
    check("-inf", &number("-Inf"));
    check(r#""a\xff\xfe""#, "{type \"stringLiteral\", val \"a\u{fffd}\u{fffd}\"}");
    check("(1)", &format!("{{expr {}, type \"parenExpr\"}}", number("1")));
    check(
        "-(1)",
        &format!(
            "{{expr {{expr {}, type \"parenExpr\"}}, op \"-\", type \"unaryExpr\"}}",
            number("1")
        ),
    );
    check(
        "1 < bool 2",
        &format!(
            "{{bool true, lhs {}, matching null, op \"<\", rhs {}, type \"binaryExpr\"}}",
            number("1"),
            number("2")
        ),
    );
    check(
        "up{b='1'} @ end()",
        r#"{anchored false, matchers [{name "b", type "=", value "1"}, {name "__name__", type "=", value "up"}], name "up", offset 0, offsetExpr null, smoothed false, startOrEnd "end", timestamp null, type "vectorSelector"}"#,
    );
    check(
        "{'up'}[step() + 1m] smoothed @ 1.5 offset -((2))",
        r#"{anchored false, matchers [{name "__name__", type "=", value "up"}], name "", offset -2000, offsetExpr null, range 0, rangeExpr {lhs {lhs null, op "step", rhs null, type "durationExpr", wrapped false}, op "+", rhs {duration true, type "numberLiteral", val "60"}, type "durationExpr", wrapped false}, smoothed true, startOrEnd null, timestamp 1500, type "matrixSelector"}"#,
    );
    check(
        "(1)[5m:min_of(range(), 2)] offset -((range()))",
        r#"{expr {expr {type "numberLiteral", val "1"}, type "parenExpr"}, offset 0, offsetExpr {lhs null, op "-", rhs {lhs null, op "range", rhs null, type "durationExpr", wrapped true}, type "durationExpr", wrapped false}, range 300000, rangeExpr null, startOrEnd null, step 0, stepExpr {lhs {lhs null, op "range", rhs null, type "durationExpr", wrapped false}, op "min_of", rhs {duration false, type "numberLiteral", val "2"}, type "durationExpr", wrapped false}, timestamp null, type "subquery"}"#,
    );
    check(
        "pi()",
        r#"{args [], func {argTypes [], name "pi", returnType "scalar", variadic 0}, type "call"}"#,
    );
}

#[test]
fn trees_of_matching_and_grouping() {
    let check = |text: &str, name: &str, expected: &str| {
        let Tree::Object(fields) = parse(text).unwrap().tree() else { panic!("{text}") };
        assert_eq!(short(field(&fields, name)), expected, "{text}");
    };
    check(
        "a + b",
        "matching",
        r#"{card "one-to-one", fillValues {lhs null, rhs null}, include [], labels [], on false}"#,
    );
    check(
        "a + on(x) group_left(y) fill_right(1.5) b",
        "matching",
        r#"{card "many-to-one", fillValues {lhs null, rhs 1.5}, include ["y"], labels ["x"], on true}"#,
    );
    check(
        "a + ignoring(x) group_right b",
        "matching",
        r#"{card "one-to-many", fillValues {lhs null, rhs null}, include [], labels ["x"], on false}"#,
    );
    check(
        "a unless b",
        "matching",
        r#"{card "many-to-many", fillValues {lhs null, rhs null}, include [], labels [], on false}"#,
    );
    check("a + 1", "matching", "null");
    check("sum by (x) (a)", "grouping", r#"["x"]"#);
    check("sum by (x) (a)", "param", "null");
    check("sum without () (a)", "without", "true");
    check("topk(2, a)", "param", r#"{type "numberLiteral", val "2"}"#);
    let of = |name: &str, returns: &str, types: &str, variadic: i64| {
        format!(
            "{{argTypes [{types}], name {name:?}, returnType {returns:?}, variadic {variadic}}}"
        )
    };
    check("scalar(a)", "func", &of("scalar", "scalar", r#""vector""#, 0));
    check("rate(a[5m])", "func", &of("rate", "vector", r#""matrix""#, 0));
    check("hour()", "func", &of("hour", "vector", r#""vector""#, 1));
    check("round(a)", "func", &of("round", "vector", r#""vector", "scalar""#, 1));
    check("sort_by_label(a)", "func", &of("sort_by_label", "vector", r#""vector", "string""#, -1));
    check(
        "histogram_quantiles(a, 'q', 0)",
        "func",
        &of("histogram_quantiles", "vector", r#""vector", "string", "scalar", "scalar""#, 9),
    );
}

/// The tree with the conditions of each selector in one order, whatever theirs was.
fn in_order(tree: Tree) -> Tree {
    match tree {
        Tree::List(items) => Tree::List(items.into_iter().map(in_order).collect()),
        Tree::Object(fields) => {
            let ordered = |(name, value): (&'static str, Tree)| match (name, value) {
                ("matchers", Tree::List(mut items)) => {
                    items.sort_by_key(short);
                    (name, Tree::List(items))
                }
                (name, value) => (name, in_order(value)),
            };
            Tree::Object(fields.into_iter().map(ordered).collect())
        }
        other => other,
    }
}

proptest! {
    #[test]
    fn printing_keeps_what_was_meant(text in texts::query()) {
        let expr = parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let line = expr.to_string();
        let again = parse(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        prop_assert_eq!(again.to_string(), line.clone());
        prop_assert_eq!(short(&in_order(again.tree())), short(&in_order(expr.tree())));
        let pretty = expr.pretty();
        let again = parse(&pretty).unwrap_or_else(|error| panic!("{pretty}: {error}"));
        prop_assert_eq!(again.to_string(), line.clone());
        prop_assert_eq!(pretty == line, line.len() <= 100 || !pretty.contains('\n'));
    }
}

#[test]
fn the_deepest_query_is_printed() {
    let text = format!("{}1{}", "(".repeat(140), ")".repeat(140));
    let expr = parse(&text).unwrap();
    assert_eq!(expr.to_string(), text);
    // Of the parentheses, the innermost 49 fit a line.
    assert_eq!(expr.pretty().lines().count(), 2 * (140 - 49) + 1);
    drop(expr.tree());
}
