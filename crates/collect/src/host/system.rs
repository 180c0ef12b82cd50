//! Identity of the kernel and the wall clock.

use model::{
    Labels,
    catalogue::{NODE_TIME_SECONDS, NODE_UNAME_INFO},
    sample::Batch,
};

use super::{Context, Sampler};
use crate::Failure;

struct System {
    context: Context,
    uname: Labels,
    time: Labels,
}

pub(super) fn open(context: &Context) -> Result<Box<dyn Sampler>, Failure> {
    let uname = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let labels = [
        ("sysname", text(uname.sysname())),
        ("release", text(uname.release())),
        ("version", text(uname.version())),
        ("machine", text(uname.machine())),
        ("nodename", text(uname.nodename())),
        ("domainname", text(uname.domainname())),
    ];
    let labels: Vec<(&str, &str)> =
        labels.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Ok(Box::new(System {
        uname: context.series(&NODE_UNAME_INFO, &labels),
        time: context.series(&NODE_TIME_SECONDS, &[]),
        context: context.clone(),
    }))
}

impl Sampler for System {
    fn sample(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        batch.push(&self.uname, 1.0);
        batch.push(&self.time, self.context.clock.now().seconds());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Clock, UnixMs};

    #[test]
    fn readings() {
        let context =
            Context { root: "/".into(), instance: "n".into(), clock: Clock::manual(UnixMs(1_500)) };
        let mut batch = Batch::default();
        open(&context).unwrap().sample(&mut batch).unwrap();
        assert_eq!(batch.samples[0].0.get("sysname"), Some("Linux"));
        assert_eq!(batch.samples[1].1, 1.5);
    }
}
