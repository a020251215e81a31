//! As whom, and where the controller is looked for.

use crate::{license::Thumbprint, members::MemberIdentity};

/// As whom and where.
pub(super) struct Attached {
    pub(super) controllers: Vec<String>,
    pub(super) ca: Thumbprint,
    pub(super) identity: MemberIdentity,
    pub(super) next: usize,
}

impl Attached {
    pub(super) fn address(&self) -> Option<&String> {
        self.controllers.get(self.next % self.controllers.len().max(1))
    }

    /// Tries these from now on, first the one that was to be tried before.
    pub(super) fn know(&mut self, controllers: Vec<String>) {
        let at = self.address().and_then(|now| controllers.iter().position(|next| next == now));
        (self.next, self.controllers) = (at.unwrap_or_default(), controllers);
    }
}
