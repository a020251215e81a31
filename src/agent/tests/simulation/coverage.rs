//! What must have happened in the lives of `cargo test`, and how often at the least: a simulation that stopped to try something
//! fails here. About half of what was seen when this was written.

use super::chance::Tally;

const HAPPENED: &[(&str, u64)] = &[
    ("activate", 100),
    ("clock ahead for long", 20),
    ("courier", 70),
    ("courier again", 30),
    ("disk fails", 100),
    ("disk mended", 100),
    ("hardware Another", 30),
    ("hardware Itself", 200),
    ("hardware Unreadable", 30),
    ("hardware WithAnotherDisk", 30),
    ("key retired", 15),
    ("license from a drawer", 40),
    ("key revoked", 8),
    ("partition", 150),
    ("portal backed up", 50),
    ("portal restored", 8),
    ("refresh", 400),
    ("portal's clock behind", 20),
    ("release", 25),
    ("renewal", 400),
    ("restart", 80),
    ("resumption", 40),
    ("revocation", 20),
    ("snapshot", 80),
    ("snapshot restored", 20),
    ("state lost", 20),
    ("suspension", 20),
    ("time passes", 700),
    ("weather", 150),
    ("wrong clock", 80),
    // The places of `Place::ALL`.
    ("death at AtTheClock", 25),
    ("death at BeforeCommit", 25),
    ("death at AfterCommit", 25),
    ("death at BeforeSending", 10),
    ("death at AfterPortal", 10),
    ("death at BeforeReceipt", 10),
    ("death at rest", 200),
    ("death at the start", 50),
    ("network delivers late", 25),
    ("network delivers twice", 120),
    ("network gives an old answer", 40),
    ("network is cut", 3_000),
    ("network loses an answer", 300),
    ("network says busy", 150),
    // The answer that was refused: old ones.
    ("answer document-reply", 40),
    ("answer document-sequence", 15),
    // Every state but `invalid`, which none of these accidents brings.
    ("state active", 2_000),
    ("state expiring", 150),
    ("state grace", 70),
    ("state restricted", 600),
    ("state unlicensed", 300),
    ("condition CheckInOverdue", 40),
    ("condition ClockSkewed", 80),
    ("condition CloneSuspected", 40),
    ("condition HardwareChanged", 400),
    ("condition HardwareDrift", 30),
    ("condition HardwareUnreadable", 150),
    ("condition PortalUnreachable", 1_000),
    ("condition StoreDegraded", 200),
    // What is compared with the model, and what is too near to a boundary for that.
    ("expectation exact", 2_500),
];

/// Asserts that all of it happened.
pub(super) fn assert_rich(tally: &Tally) {
    let rare: Vec<_> = HAPPENED.iter().filter(|(what, least)| tally.times(what) < *least).collect();
    assert!(rare.is_empty(), "expected at least {rare:?} in {tally:#?}");
    let (exact, vague) = (tally.times("expectation exact"), tally.times("expectation too near"));
    assert!(vague * 8 < exact, "the model says too little: {vague} of {exact}");
}
