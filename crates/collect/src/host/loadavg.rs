//! Load averages, from `/proc/loadavg`. In a container these are the host's.

use model::{
    Labels,
    catalogue::{NODE_LOAD1, NODE_LOAD5, NODE_LOAD15},
    sample::Batch,
};

use super::{
    Context, Sampler,
    read::{Kept, float, words},
};
use crate::Failure;

struct LoadAverage {
    file: Kept,
    series: [Labels; 3],
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let file = Kept::open(&context.root, "/proc/loadavg")?;
    let series = [&NODE_LOAD1, &NODE_LOAD5, &NODE_LOAD15].map(|metric| context.series(metric, &[]));
    Ok(Box::new(LoadAverage { file, series }))
}

impl Sampler for LoadAverage {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        for (labels, word) in self.series.iter().zip(words(self.file.read()?)) {
            if let Some(value) = float(word) {
                batch.push(labels, value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let path = "proc/loadavg";
        let expected = ["node_load1 0.5", "node_load5 1.25", "node_load15 2"];
        check(open, &[(path, "0.50 1.25 2.00 3/456 789\n")], &expected);
        check(open, &[(path, "x 1.25\n")], &["node_load5 1.25"]);
    }
}
