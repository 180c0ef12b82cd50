use proptest::prelude::*;

use super::*;

struct TestHost;

impl Host for TestHost {
    fn call(&self, function: &str, arguments: &[Value]) -> Result<Value, String> {
        match (function, arguments) {
            ("externalURL", _) => Ok("http://here:9090/x".into()),
            ("pathPrefix", _) => Ok("/x".into()),
            ("query", [Value::Text(query)]) if &**query == "none" => Ok(Value::list([])),
            ("query", [Value::Text(query)]) if &**query == "bad" => Err("no such thing".into()),
            ("query", _) => Ok(Value::list([sample("b", 2.0), sample("a", 1.5)])),
            _ => Err("?".into()),
        }
    }

    fn now(&self) -> Option<UnixMs> {
        Some(UnixMs(1_700_000_060_000))
    }

    fn zone(&self, name: &str, _at: UnixMs) -> Option<(i32, String)> {
        (name == "Asia/Shanghai").then(|| (8 * 3_600, "CST".into()))
    }
}

fn sample(instance: &str, value: f64) -> Value {
    let labels = Value::texts([("instance", instance), ("__value__", "as text")]);
    Value::record([("Labels", labels), ("Value", value.into())])
}

fn alert(status: &str, name: &str) -> Value {
    Value::record([
        ("Status", status.into()),
        ("Labels", Value::key_values([("zone", "z"), ("alertname", name), ("job", "x")])),
        ("StartsAt", Value::Time(Time::utc(UnixMs(1_700_000_000_123)))),
        ("EndsAt", Value::Time(Time::zero())),
    ])
}

/// What all texts below are rendered with.
fn data() -> Value {
    Value::record([
        ("Labels", Value::texts([("instance", "10.0.0.1:9100"), ("job", "node")])),
        ("Value", 1_234_567.0.into()),
        ("Small", 0.25.into()),
        ("Int", Value::Int(17)),
        ("Text", "<a href='x'>\"".into()),
        ("Empty", "".into()),
        ("Nothing", Value::Nil),
        ("List", Value::list(["x", "y", "z"].map(Value::from))),
        ("Alerts", Value::list([alert("firing", "A"), alert("resolved", "B")])),
        ("GroupLabels", Value::key_values([("alertname", "A")])),
        ("CommonLabels", Value::key_values([("a", "1"), ("alertname", "A"), ("b", "2")])),
        ("Any", Value::map([("k", Value::Int(1))])),
    ])
}

fn functions() -> Functions {
    let mut all = Functions::prometheus();
    for name in [
        "join",
        "stringSlice",
        "toJson",
        "date",
        "tz",
        "since",
        "list",
        "append",
        "dict",
        "trimSpace",
    ] {
        if let Some(entry) = Functions::alertmanager().get(name) {
            all.insert(name, entry.arity.clone(), entry.call);
        }
    }
    all
}

fn render(source: &str) -> Result<String, Error> {
    Template::parse(source, &functions())?.render_with(&data(), &TestHost)
}

fn check(source: &str, expected: &str) {
    match render(source) {
        Ok(text) => assert_eq!(text, expected, "{source}"),
        Err(error) => panic!("{source}: {error}"),
    }
}

fn check_fails(source: &str, line: usize, part: &str) {
    let error = render(source).expect_err(source);
    assert!(error.line == line && error.reason.contains(part), "{source}: {error}");
}

/// Each line of a table: a source, `=>`, and what it gives.
fn check_all(table: &str) {
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (source, expected) = line.split_once(" => ").expect(line);
        check(source, expected.trim_matches('~'));
    }
}

#[test]
fn actions_and_pipelines() {
    check_all(
        r#"
        plain => plain
        {{"a"}}b{{`c\n`}} => abc\n
        {{.Value}} => 1.234567e+06
        {{.Small}} {{.Int}} {{true}} {{'a'}} => 0.25 17 true 97
        {{0x1F}} {{1_000}} {{1e3}} {{-2}} {{+0.50}} {{0b11}} {{017}} => 31 1000 1000 -2 0.5 3 15
        {{.Labels.instance}}|{{.Labels.missing}}|{{.Any.missing}}|{{.Nothing}} => 10.0.0.1:9100||<no value>|<no value>
        {{.Any.k | printf "%03d"}} => 001
        {{printf "%s-%s" .Labels.job "x" | toUpper | printf "%q"}} => "NODE-X"
        {{(index .Alerts 0).Labels.alertname}} => A
        {{len (printf "%d" 1000)}} => 4
        a {{- " b " -}} c => a b c
        {{/* nothing */}}x{{- /* trimmed */ -}} y => xy
        {{$x := 1}}{{$x}}{{$x = 2}}{{$x}} => 12
        {{$x := 1}}{{if true}}{{$x := 2}}{{$x = 3}}{{$x}}{{end}}{{$x}} => 31
        {{$.Labels.job}} => node
        {{with $x := .Labels}}{{$x.job}}{{end}} => node
        {{define "t"}}<{{.}}>{{end}}{{template "t" .Int}}{{template "t"}} => <17><<no value>>
        {{block "b" .Labels}}{{.job}}{{end}} => node
        {{define "t"}}{{$}}{{end}}{{$x := 1}}{{template "t" "d"}} => d
    "#,
    );
}

#[test]
fn control() {
    check_all(
        r#"
        {{if .Empty}}a{{else}}b{{end}} => b
        {{if .Empty}}a{{else if .Int}}b{{else}}c{{end}} => b
        {{with .Empty}}a{{else with .Text}}b{{else}}c{{end}} => b
        {{range .List}}{{.}},{{end}} => x,y,z,
        {{range $i, $e := .List}}{{$i}}{{$e}} {{end}} => ~0x 1y 2z ~
        {{range $e := .List}}{{$e}}{{end}} => xyz
        {{range .Labels}}{{.}} {{end}} => ~10.0.0.1:9100 node ~
        {{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}} => instance=10.0.0.1:9100;job=node;
        {{range .Nothing}}a{{else}}none{{end}} => none
        {{range 3}}{{.}}{{end}} => 012
        {{range .List}}{{if eq . "y"}}{{continue}}{{end}}{{.}}{{end}} => xz
        {{range .List}}{{if eq . "y"}}{{break}}{{end}}{{.}}{{end}} => x
        {{$x := "-"}}{{range $x = .List}}{{end}}{{$x}} => z
        {{if and .Int (not .Empty)}}yes{{end}} => yes
        {{or .Empty "default"}} {{and .Int 0}} => default 0
        {{or true (index .List 99)}} => true
    "#,
    );
}

#[test]
fn gos_functions() {
    check_all(
        r#"
        {{eq 1 1}} {{eq "a" "b" "a"}} {{ne 1.5 2.5}} {{lt 1 2}} {{ge "b" "a"}} {{eq .Nothing nil}} => true true true true true true
        {{index .List 1}} {{index .Labels "job"}} {{index .Any "none"}} {{index "abc" 0}} => y node <no value> 97
        {{slice "abcdef" 1 3}} {{slice .List 2}} {{len .Labels}} => bc [z] 2
        {{print 1 2 "a" "b" 3 4}} {{print "a" .Small}} => 1 2ab3 4 a0.25
        {{html .Text}} {{.Text | js}} => &lt;a href=&#39;x&#39;&gt;&#34; \u003Ca href\u003D\'x\'\u003E\"
        {{urlquery "a b&c/d" "é"}} => a+b%26c%2Fd%C3%A9
        {{.List}} {{.Any}} {{.Labels}} => [x y z] map[k:1] map[instance:10.0.0.1:9100 job:node]
    "#,
    );
    check("{{println 1 \"a\"}}", "1 a\n");
}

#[test]
fn printf() {
    check_all(
        r#"
        {{printf "%d|%5d|%-5d|%05d|%+d|% d|%x|%X|%#x|%o|%b|%c|%U" 42 42 42 42 42 42 255 255 255 8 5 65 65}} => 42|   42|42   |00042|+42| 42|ff|FF|0xff|10|101|A|U+0041
        {{printf "%.3d|%8.3d|%q" 7 7 65}} => 007|     007|'A'
        {{printf "%f|%.2f|%8.2f|%-8.1f|%+.1f|%08.3f|%.0f" 1.5 2.345 3.14159 2.5 1.0 -3.14159 2.5}} => 1.500000|2.35|    3.14|2.5     |+1.0|-003.142|2
        {{printf "%e|%.2e|%E|%g|%.3g|%G|%v" 1234.5678 0.00012 1e10 1e21 1234.5 1e-7 100000.0}} => 1.234568e+03|1.20e-04|1.000000E+10|1e+21|1.23e+03|1E-07|100000
        {{printf "%v %v %v %v" 1e6 123456789.0 1e-5 12.5}} => 1e+06 1.23456789e+08 1e-05 12.5
        {{printf "%s|%10s|%-10s|%.2s|%q|%x|%X|% x" "abc" "abc" "abc" "abc" "a\"b" "hi" "hi" "hi"}} => abc|       abc|abc       |ab|"a\"b"|6869|6869|68 69
        {{printf "%5t|%v|%%|%5.1f%%" true false 99.5}} =>  true|false|%| 99.5%
        {{printf "%d" "x"}} {{printf "%s" 1}} {{printf "%d" 1.5}} => %!d(string=x) %!s(int=1) %!d(float64=1.5)
        {{printf "%d %d" 1}} {{printf "%d" 1 2}} {{printf "%!"}} {{printf "%"}} => 1 %!d(MISSING) 1%!(EXTRA int=2) %!!(MISSING) %!(NOVERB)
        {{printf "%[2]d %[1]d" 1 2}} {{printf "%*d|%-*d|%.*f" 4 7 4 7 1 2.55}} => 2 1    7|7   |2.5
        {{printf "%v %s %d" .List .List (list 1 2)}} => [x y z] [x y z] [1 2]
        {{printf "%v %+v" (query "x" | first) (query "x" | first)}} => {map[__value__:as text instance:b] 2} {Labels:map[__value__:as text instance:b] Value:2}
        {{printf "%+v %+d %v %d" 1.5 2 nil nil}} => 1.5 +2 <nil> %!d(<nil>)
        {{printf "%6.2f|%6.2f" 1.005 -1.0}} =>   1.00| -1.00
    "#,
    );
}

#[test]
fn prometheus_functions() {
    check_all(
        r#"
        {{humanize .Value}} {{humanize 0.0123}} {{humanize 0.0}} {{humanize "1500"}} {{humanize 999999.0}} => 1.235M 12.3m 0 1.5k 1000k
        {{humanize1024 1048576.0}} {{humanize1024 100.0}} {{humanize1024 1500.0}} => 1Mi 100 1.465ki
        {{humanizeDuration 0.0}} {{humanizeDuration 0.0351}} {{humanizeDuration 12.34567}} {{humanizeDuration 3700}} {{humanizeDuration -90061.0}} {{humanizeDuration 61}} => 0s 35.1ms 12.35s 1h 1m 40s -1d 1h 1m 1s 1m 1s
        {{humanizePercentage 0.12345}} {{0.5 | humanizePercentage}} => 12.35% 50%
        {{humanizeTimestamp 1435065584.128}} {{humanizeTimestamp 0}} => 2015-06-23 13:19:44.128 +0000 UTC 1970-01-01 00:00:00 +0000 UTC
        {{(toTime 1435065584.128).Format "2006-01-02 15:04"}} {{toDuration 90.5}} {{now | printf "%.0f"}} => 2015-06-23 13:19 1m30.5s 1700000060
        {{parseDuration "1h2m10ms"}} {{parseDuration "2d"}} => 3720.01 172800
        {{stripPort .Labels.instance}} {{stripPort "[::1]:80"}} {{stripPort "x"}} {{stripDomain "a.b.c:80"}} {{stripDomain .Labels.instance}} => 10.0.0.1 ::1 x a:80 10.0.0.1:9100
        {{query "x" | first | value}} {{query "x" | first | label "instance"}} {{query "x" | first | strvalue}} => 2 b as text
        {{range query "x" | sortByLabel "instance"}}{{.Labels.instance}}={{.Value}} {{end}} => ~a=1.5 b=2 ~
        {{with query "none"}}x{{else}}nothing{{end}} => nothing
        {{define "t"}}{{.arg0}}-{{.arg1}}-{{.arg2}}{{end}}{{template "t" (args 1 "b")}} => 1-b-<no value>
        {{define "t"}}[{{.}}]{{end}}{{tmpl "t" 5 | printf "%s%s" "x"}} => x[5]
        {{title "hello wORLD of_x"}} {{toUpper "aß"}} {{toLower "ÀB"}} => Hello WORLD Of_x Aß àb
        {{match "^a.c$" "abc"}} {{reReplaceAll "(a)(b*)" "$2-${1}" "abbc"}} => true bb-ac
        {{graphLink "up == 1"}} {{tableLink "up"}} => /graph?g0.expr=up+%3D%3D+1&g0.tab=0 /graph?g0.expr=up&g0.tab=1
        {{externalURL}} {{pathPrefix}} {{safeHtml "<b>"}} => http://here:9090/x /x <b>
    "#,
    );
}

#[test]
fn alertmanager_functions() {
    check_all(
        r#"
        {{.Alerts.Firing | len}} {{len .Alerts.Resolved}} {{len .Alerts}} => 1 1 2
        {{.GroupLabels.SortedPairs.Values | join " "}} {{.CommonLabels.Names}} {{.CommonLabels}} => A [alertname a b] alertname=A, a=1, b=2
        {{with .CommonLabels.Remove .GroupLabels.Names}}({{.Values | join " "}}){{end}} => (1 2)
        {{range .CommonLabels.SortedPairs}}{{.Name}}={{.Value}} {{end}}{{.CommonLabels.SortedPairs}} => alertname=A a=1 b=2 alertname=A, a=1, b=2
        {{.CommonLabels.alertname}} {{.CommonLabels.none}} => A ~
        {{(index .Alerts 0).StartsAt.Format "Mon, 02 Jan 2006 15:04:05.000 MST"}} => Tue, 14 Nov 2023 22:13:20.123 UTC
        {{(index .Alerts 0).StartsAt}} {{(index .Alerts 0).EndsAt.IsZero}} => 2023-11-14 22:13:20.123 +0000 UTC true
        {{(index .Alerts 0).StartsAt | tz "Asia/Shanghai" | date "2006-01-02 15:04 -07:00 MST _2 3PM Jan"}} => 2023-11-15 06:13 +08:00 CST 15 6AM Nov
        {{since (index .Alerts 0).StartsAt}} => 59.877s
        {{toJson (dict "a" (list 1 1.5 "<x>" nil true))}} {{toJson .GroupLabels}} => {"a":[1,1.5,"\u003cx\u003e",null,true]} {"alertname":"A"}
        {{trimSpace " a "}} {{append (list 1) 2 3}} {{stringSlice "a" "b" | join "-"}} => a [1 2 3] a-b
    "#,
    );
}

#[test]
fn what_cannot_be_parsed_says_where() {
    for (source, line, part) in [
        ("{{", 1, "unclosed action"),
        ("a\n{{ .X", 2, "unclosed action"),
        ("{{if true}}", 1, "has no {{end}}"),
        ("{{end}}", 1, "unexpected {{end}}"),
        ("{{else}}", 1, "unexpected {{else}}"),
        ("x\n\n{{ nope 1 }}", 3, "function \"nope\" not defined"),
        ("{{ $x }}", 1, "undefined variable \"$x\""),
        ("{{if true}}{{$x := 1}}{{end}}{{$x}}", 1, "undefined variable"),
        ("{{break}}", 1, "outside {{range}}"),
        ("{{1 | 2}}", 1, "non executable command"),
        ("{{ 1 | }}", 1, "missing value"),
        ("{{}}", 1, "missing value for command"),
        ("{{(1}}", 1, "unclosed left paren"),
        ("{{1)}}", 1, "unexpected right paren"),
        ("{{\"a}}", 1, "unterminated quoted string"),
        ("{{\"\\z\"}}", 1, "invalid syntax"),
        ("{{/* a }}", 1, "unclosed comment"),
        ("{{ 1x }}", 1, "bad number syntax"),
        ("{{ .a% }}", 1, "bad character"),
        ("{{ $x=1 }}", 1, "bad character '='"),
        ("{{ ? }}", 1, "unexpected '?'"),
        ("{{ $a, $b := .List }}", 1, "too many declarations"),
        ("{{ template x }}", 1, "template clause"),
        ("{{if true}}{{define \"x\"}}{{end}}{{end}}", 1, "unexpected {{define}}"),
        ("{{if 1}}a{{else}}b{{else}}c{{end}}", 1, "found {{else}}"),
        ("{{ \"a\".b }}", 1, "unexpected ."),
    ] {
        check_fails(source, line, part);
    }
}

#[test]
fn what_cannot_be_rendered_says_where() {
    for (source, line, part) in [
        ("\n{{ .Nope }}", 2, "can't evaluate field Nope"),
        ("{{ .Nothing.x }}", 1, "nil data"),
        ("{{ .Int.x }}", 1, "can't evaluate field x in a int"),
        ("{{ gt .Value 5 }}", 1, "incompatible types for comparison"),
        ("{{ lt true false }}", 1, "invalid type for comparison"),
        ("{{ index .List 9 }}", 1, "index out of range: 9"),
        ("{{ humanize }}", 1, "wrong number of args for humanize: want 1 got 0"),
        ("{{ humanize \"x\" }}", 1, "not a number"),
        ("{{ template \"x\" }}", 1, "not defined"),
        ("{{ query \"none\" | first }}", 1, "no elements"),
        ("{{ query \"bad\" }}", 1, "error calling query: no such thing"),
        ("{{ match \"(\" \"a\" }}", 1, "invalid regular expression"),
        ("{{ range .Text }}{{end}}", 1, "can't iterate over a string"),
        ("{{ .Labels.job 1 }}", 1, "not a method but has arguments"),
        ("{{ nil }}", 1, "nil is not a command"),
        ("{{ 1 2 }}", 1, "can't give argument to non-function"),
        ("{{ $x = 1 }}", 1, "undefined variable"),
    ] {
        check_fails(source, line, part);
    }
    let error = Template::parse("{{query \"x\"}}", &functions()).unwrap().render(&data());
    assert_eq!(error.unwrap_err().reason, "error calling query: query cannot be used here");
}

#[test]
fn absurd_templates_are_bounded() {
    for (source, part) in [
        ("{{range 1000000000}}a{{end}}", "steps"),
        ("{{range 1000}}{{range 1000}}{{end}}{{end}}", "steps"),
        ("{{define \"t\"}}{{template \"t\"}}{{end}}{{template \"t\"}}", "nested deeper"),
        ("{{$x := \"aaaaaaaa\"}}{{range 60}}{{$x = print $x $x}}{{end}}", "bytes of text"),
        ("{{$x := args}}{{range 60}}{{$x = args $x $x}}{{end}}", "nested deeper"),
        ("{{$x := args}}{{range 30}}{{$x = args $x $x}}{{end}}{{$x}}", "bytes of text"),
        ("{{$x := args}}{{range 30}}{{$x = args $x $x}}{{end}}{{toJson $x}}", "bytes of text"),
        ("{{range 200}}{{printf \"%10000d\" 1}}{{end}}", "bytes of text"),
        ("{{range 100}}{{match (printf \"a%d\" .) \"a\"}}{{end}}", "regular expressions"),
        ("{{match \"((a{1000}){1000}){1000}\" \"a\"}}", "invalid regular expression"),
        (&"{{if 1}}".repeat(1_000), "nested deeper"),
        (&format!("{{{{{}1", "(".repeat(1_000)), "unclosed action"),
        (&format!("{{{{{}1{}}}}}", "(".repeat(1_000), ")".repeat(1_000)), "nested deeper"),
        (&"a".repeat(SOURCE_BYTES_MAX + 1), "longer than"),
    ] {
        let error = render(source).expect_err(source.get(..40).unwrap_or(source));
        assert!(error.reason.contains(part), "{error}");
    }
    // The deepest that is allowed fits the stack of a thread, also where templates call themselves.
    let (open, close) = ("{{if true}}{{with (1)}}".repeat(45), "{{end}}{{end}}".repeat(45));
    check(&format!("{open}a{close}"), "a");
    let source = format!(
        "{{{{define \"t\"}}}}{open}{{{{template \"t\"}}}}{close}{{{{end}}}}{{{{template \"t\"}}}}"
    );
    assert!(render(&source).unwrap_err().reason.contains("nested deeper"));
}

#[test]
fn files_of_templates() {
    let functions = Functions::alertmanager();
    let mut template = Template::parse("{{template \"x\" .Int}}", &functions).unwrap();
    template.define("{{define \"x\"}}<{{.}}>{{end}} ignored", &functions).unwrap();
    assert_eq!(template.render(&data()).unwrap(), "<17>");
    template.define("{{define \"x\"}}  {{end}}", &functions).unwrap();
    assert_eq!(template.render(&data()).unwrap(), "<17>");
    assert!(!template.is_plain() && Template::parse("a", &functions).unwrap().is_plain());
}

/// Pieces that templates are made of, so that random ones are often nearly right.
const PIECES: [&str; 46] = [
    "{{",
    "}}",
    "{{- ",
    " -}}",
    "if ",
    "else",
    "end",
    "range ",
    "with ",
    "define ",
    "template ",
    "block ",
    "break",
    "continue",
    "\"t\"",
    "`r`",
    "$x",
    "$",
    ":=",
    "=",
    "|",
    ",",
    "(",
    ")",
    ".",
    ".Labels",
    ".List",
    ".Nope",
    "printf ",
    "\"%*d%v\"",
    "index ",
    "len ",
    "query ",
    "humanize ",
    "and ",
    "eq ",
    "1",
    "-2.5",
    "'c'",
    "nil",
    "true",
    " ",
    "\n",
    "/*",
    "*/",
    "é",
];

proptest! {
    #[test]
    fn anything_is_rendered_or_refused(picks in prop::collection::vec(0..PIECES.len(), 0..40)) {
        let source: String = picks.iter().filter_map(|pick| PIECES.get(*pick)).copied().collect();
        let lines = source.matches('\n').count() + 1;
        if let Err(error) = render(&source) {
            prop_assert!((1..=lines).contains(&error.line), "{source:?}: {error}");
        }
    }

    #[test]
    fn text_without_actions_stays(text in "[^{]*") {
        prop_assert_eq!(render(&text), Ok(text));
    }

    #[test]
    fn any_format_is_written(format in "[%a-zA-Z0-9.*+# \\[\\]-]{0,12}", number in any::<f64>(), text in ".*") {
        let values = [Value::from(number), Value::from(text), Value::Int(3), Value::list([Value::Nil])];
        prop_assert!(format::printf(&format, &values).is_ok());
    }

    #[test]
    fn shortest_floats_read_back(number in any::<f64>().prop_filter("finite", |number| number.is_finite())) {
        let text = float::general(number.abs(), None);
        prop_assert_eq!(text.parse::<f64>(), Ok(number.abs()));
    }
}
