//! What is not as usual, without a threshold that a person set: peers that differ, levels that moved, hours that are
//! unlike those of other weeks, speed that changed with a restart or an upgrade, floors that rise, disks that fill.
//!
//! Each method looks at stored series only and keeps nothing, so that it says the same after a restart. What it does
//! not do: say why. Its bias: rather late than wrong; how often each is wrong is measured and stated in
//! `docs/baselines.md`.

mod ask;
pub mod detect;
pub mod load;
pub mod peers;
mod reading;
pub mod robust;
pub mod shift;
pub mod signals;
pub mod synthetic;
pub mod trend;
mod watch;
pub mod week;

pub use ask::{Asked, is_over, matchers, shaped, without_name};
pub use reading::{Kind, Reading};
pub use watch::{READINGS_MAX, WORK_MAX, Watch};

/// What values must have before anything is said of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Least {
    /// How many there are.
    pub count: usize,
    /// How far they lie apart: a smaller spread is taken for this one.
    pub spread: f64,
    /// The same as a share of their median.
    pub share: f64,
}
