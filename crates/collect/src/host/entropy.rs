//! The kernel's entropy, from `/proc/sys/kernel/random`.

use model::catalogue::{NODE_ENTROPY_AVAILABLE_BITS, NODE_ENTROPY_POOL_SIZE_BITS};

use super::{
    Context, Sampler,
    numbers::{self, Numbers, Unit},
};
use crate::Failure;

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    numbers::open(context, list, "no /proc/sys/kernel/random")
}

fn list(context: &Context, numbers: &mut Numbers) {
    let folder = context.root.join("proc/sys/kernel/random");
    for (file, metric) in
        [("entropy_avail", NODE_ENTROPY_AVAILABLE_BITS), ("poolsize", NODE_ENTROPY_POOL_SIZE_BITS)]
    {
        numbers.add(folder.join(file), context.series(&metric, &[]), Unit::ONE);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        let files = [
            ("proc/sys/kernel/random/entropy_avail", "256\n"),
            ("proc/sys/kernel/random/poolsize", "4096\n"),
        ];
        let expected = ["node_entropy_available_bits 256", "node_entropy_pool_size_bits 4096"];
        check(open, &files, &expected);
    }
}
