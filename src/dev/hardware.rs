//! The hardware of this machine, or what stands in its place where it tells nothing.

use super::{
    DevError,
    error::failed,
    steps::{relative, show},
};
use crate::{
    agent::DaemonError,
    identity::{MintError, Survey},
    store::write_durably,
};
use std::{fs, io, path::Path};
use uuid::Uuid;

/// Shows what the Serial Number is made from; the text of the override where it is not made from hardware.
pub(super) fn override_for(
    directory: &Path,
    shown: &Path,
    survey: &Survey,
) -> Result<Option<String>, DevError> {
    let machine = survey.machine();
    let missing = match survey.mint() {
        Ok(minted) => {
            show("hardware", format_args!("{machine}, Serial Number from {}", minted.source));
            return Ok(None);
        }
        // Each with what was looked for and found is more than a step of this session needs to say.
        Err(MintError::NoEvidence { .. }) => {
            format!("{machine}, in which nothing tells it from all others")
        }
        Err(MintError::Container { engine }) => {
            format!("a container ({engine}), which has no hardware of its own")
        }
        Err(error) => error.to_string(),
    };
    show("hardware", format_args!("{missing} (`entitlectl hardware --root /` shows each fact)"));
    let path = directory.join("override");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let text = format!("entitled dev {}", Uuid::new_v4());
            write_durably(&path, text.as_bytes()).map_err(DaemonError::from)?;
            text
        }
        Err(source) => return Err(failed("read", path.display())(source)),
    };
    let kept = relative(shown, "override");
    show("instead", format_args!("the setting identity.override, with the random text in {kept}"));
    Ok(Some(text))
}
