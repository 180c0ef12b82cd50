//! Open file handles and their limit, from `/proc/sys/fs/file-nr`.

use model::{
    Labels,
    catalogue::{NODE_FILEFD_ALLOCATED, NODE_FILEFD_MAXIMUM},
    sample::Batch,
};

use super::{
    Context, Sampler,
    read::{Kept, number, words},
};
use crate::Failure;

struct FileHandles {
    file: Kept,
    allocated: Labels,
    maximum: Labels,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    Ok(Box::new(FileHandles {
        file: Kept::open(&context.root, "/proc/sys/fs/file-nr")?,
        allocated: context.series(&NODE_FILEFD_ALLOCATED, &[]),
        maximum: context.series(&NODE_FILEFD_MAXIMUM, &[]),
    }))
}

impl Sampler for FileHandles {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        let mut numbers = words(self.file.read()?).map(number);
        if let Some(Some(allocated)) = numbers.next() {
            batch.push(&self.allocated, allocated as f64);
        }
        if let Some(Some(maximum)) = numbers.nth(1) {
            batch.push(&self.maximum, maximum as f64);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let file = [("proc/sys/fs/file-nr", "1024\t0\t65536\n")];
        let expected = ["node_filefd_allocated 1024", "node_filefd_maximum 65536"];
        check(open, &file, &expected);
    }
}
