//! The health of a reader of text files, which dashboards ask for. There is no such reader, so nothing
//! can go wrong with it.

use model::{Labels, catalogue::NODE_TEXTFILE_SCRAPE_ERROR, sample::Batch};

use super::{Context, Sampler};
use crate::Failure;

struct TextFile(Labels);

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    Ok(Box::new(TextFile(context.series(&NODE_TEXTFILE_SCRAPE_ERROR, &[]))))
}

impl Sampler for TextFile {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        batch.push(&self.0, 0.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        check(open, &[], &["node_textfile_scrape_error 0"]);
    }
}
