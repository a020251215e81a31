//! Why a bundle can't be used.

/// Why a bundle can't be used. Nothing that it holds is ever repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum BundleError {
    #[error(
        "expected a bundle of `entitlectl controller export`, found {found}: choose the file that it wrote"
    )]
    Form { found: String },
    #[error(
        "the bundle was written by a newer entitled (version {found}, this one knows {known}): install that version here as well"
    )]
    Newer { found: u32, known: u32 },
    #[error(
        "the bundle was altered or cut on its way: carry it again, or export once more (`entitlectl controller export`)"
    )]
    Altered,
    #[error(
        "the passphrase is not the one that the bundle was sealed with: give the one that `entitlectl controller export` was given or showed"
    )]
    Passphrase,
    #[error(
        "expected a passphrase of {least} characters or more, found {found}: choose a longer one, or leave it out and let one be made"
    )]
    Short { least: usize, found: usize },
    #[error("the bundle can't be sealed ({reason}): try again")]
    Seal { reason: String },
    #[error("the operating system has no random numbers: {0}")]
    Random(getrandom::Error),
}

impl BundleError {
    /// A stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Form { .. } => "bundle-form",
            Self::Newer { .. } => "bundle-newer",
            Self::Altered => "bundle-altered",
            Self::Passphrase => "bundle-passphrase",
            Self::Short { .. } => "passphrase-short",
            Self::Seal { .. } => "bundle-seal",
            Self::Random(_) => "random",
        }
    }
}
