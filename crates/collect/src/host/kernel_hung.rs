//! Tasks that the kernel found hanging, from `/proc/sys/kernel/hung_task_detect_count`, which recent
//! kernels have. Also under the name that the public dashboard asks for, which no exporter produces.

use model::catalogue::{NODE_KERNEL_HUNG_TASKS, NODE_KERNEL_HUNG_TASKS_TOTAL};

use super::{
    Context, Sampler,
    numbers::{self, Numbers, Unit},
};
use crate::Failure;

const FILE: &str = "proc/sys/kernel/hung_task_detect_count";

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    numbers::open(context, list, "no /proc/sys/kernel/hung_task_detect_count")
}

fn list(context: &Context, numbers: &mut Numbers) {
    for metric in [NODE_KERNEL_HUNG_TASKS, NODE_KERNEL_HUNG_TASKS_TOTAL] {
        numbers.add(context.root.join(FILE), context.series(&metric, &[]), Unit::ONE);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check, *};

    #[test]
    fn readings() {
        check(
            open,
            &[(FILE, "3\n")],
            &["node_kernel_hung_tasks 3", "node_kernel_hung_tasks_total 3"],
        );
    }
}
