//! Which operating system this is, from `/etc/os-release` or `/usr/lib/os-release`.

use model::{
    Labels,
    catalogue::{NODE_OS_INFO, NODE_OS_VERSION},
    sample::Batch,
};

use super::{Context, Sampler, first_existing, read::lone_text};
use crate::{Failure, FailureKind};

struct Os {
    series: Vec<(Labels, f64)>,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let path = first_existing(&context.root, &["etc/os-release", "usr/lib/os-release"]);
    let absent = || Failure::new(FailureKind::Absent, format!("{}: nothing in it", path.display()));
    let text = lone_text(&path).ok_or_else(absent)?;
    let value = |name: &str| {
        let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        values.next().map(|value| value.trim().trim_matches(['"', '\'']).to_owned())
    };
    // The variables have the labels' names in capitals.
    let labels = NODE_OS_INFO.labels.iter().map(|label| {
        let value = value(&label.to_ascii_uppercase()).unwrap_or_default();
        (*label, value)
    });
    let owned: Vec<_> = labels.collect();
    let labels: Vec<(&str, &str)> =
        owned.iter().map(|(label, value)| (*label, value.as_str())).collect();
    let mut series = vec![(context.series(&NODE_OS_INFO, &labels), 1.0)];
    let known = |label: &(&str, &str)| NODE_OS_VERSION.labels.contains(&label.0);
    let short: Vec<_> = labels.iter().copied().filter(known).collect();
    if let Some(version) = value("VERSION_ID").as_deref().and_then(number) {
        series.push((context.series(&NODE_OS_VERSION, &short), version));
    }
    Ok(Box::new(Os { series }))
}

/// Major and minor version: `22.04.1` is 22.04.
fn number(version: &str) -> Option<f64> {
    let mut parts = version.split('.');
    let major = parts.next()?;
    let text = parts.next().map_or_else(|| major.to_owned(), |minor| format!("{major}.{minor}"));
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

impl Sampler for Os {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        self.series.iter().for_each(|(labels, value)| batch.push(labels, *value));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::tests::{check, survives},
        *,
    };

    #[test]
    fn readings() {
        let text = "PRETTY_NAME=\"Some Linux 22.04.1\"\nNAME='Some Linux'\nID=some\n\
                    VERSION_ID=\"22.04.1\"\nID_LIKE=debian\nHOME_URL=x\n";
        let expected = [
            r#"node_os_info{id="some", id_like="debian", name="Some Linux", pretty_name="Some Linux 22.04.1", version_id="22.04.1"} 1"#,
            r#"node_os_version{id="some", id_like="debian", name="Some Linux"} 22.04"#,
        ];
        check(open, &[("etc/os-release", text)], &expected);
        check(open, &[("usr/lib/os-release", "ID=b\n")], &[r#"node_os_info{id="b"} 1"#]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn garbage_is_survived(bytes: Vec<u8>) {
            survives(open, "etc/os-release", &bytes);
        }
    }
}
