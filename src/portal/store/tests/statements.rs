//! Which statements a piece of work takes, where all of it is done on the test's own thread ([`WriterKind::Inline`](super::WriterKind)).

use std::cell::RefCell;

thread_local! {
    static SEEN: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Takes note of a statement, where somebody counts them.
pub(in crate::portal::store) fn note(sql: &str) {
    SEEN.with_borrow_mut(|seen| {
        if let Some(seen) = seen {
            seen.push(sql.to_owned());
        }
    });
}

/// The statements that `work` takes.
pub(in crate::portal) fn of<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    SEEN.set(Some(Vec::new()));
    let done = work();
    (done, SEEN.take().unwrap_or_default())
}
