//! The lock, and the files that hold secrets.

use super::sample::*;
use crate::{codes::ActivationCode, store::*};
use std::{fs, os::unix::fs::PermissionsExt};

fn mode(place: &Place, name: &str) -> u32 {
    fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_second_agent_is_refused_by_the_name_and_number_of_the_first() {
    let place = Place::new();
    let lock = place.directory.lock().unwrap();
    let error = place.directory.lock().unwrap_err();
    assert_eq!(error.code(), "store-locked");
    let message = error.to_string();
    let directory = place.folder.path().to_str().unwrap();
    assert!(message.contains(directory), "{message}");
    assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
    drop(lock);
    drop(place.directory.lock().unwrap());
    assert_eq!(mode(&place, "entitled.lock"), 0o600);
}

#[test]
fn what_a_longer_number_left_in_the_lock_file_is_gone() {
    let place = Place::new();
    fs::write(place.path("entitled.lock"), "4194304 and more").unwrap();
    let _lock = place.directory.lock().unwrap();
    let noted = fs::read_to_string(place.path("entitled.lock")).unwrap();
    assert_eq!(noted, std::process::id().to_string());
}

#[test]
fn a_directory_is_made_for_its_owner_alone_and_one_that_is_there_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b");
    StateDirectory::open(&path).unwrap();
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o700);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o750)).unwrap();
    StateDirectory::open(&path).unwrap();
    assert_eq!(mode(), 0o750);
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(StateDirectory::open(&file).unwrap_err().code(), "store-file");
}

#[test]
fn keys_are_made_once() {
    let place = Place::new();
    let key = place.directory.environment_key().unwrap();
    assert_eq!(place.directory.environment_key().unwrap().thumbprint(), key.thumbprint());
    place.directory.local_secret().unwrap();
    let secret = fs::read(place.path("hardware.secret")).unwrap();
    place.directory.local_secret().unwrap();
    assert_eq!(fs::read(place.path("hardware.secret")).unwrap(), secret);
    for name in ["environment.key", "hardware.secret"] {
        assert_eq!(mode(&place, name), 0o600, "{name}");
    }
}

const DAMAGES: [&[u8]; 4] = [b"", b"garbage", &[0xFF; 64], b"\n\n\n"];

#[test]
fn a_damaged_key_is_named_and_never_replaced() {
    let place = Place::new();
    place.directory.environment_key().unwrap();
    let sound = fs::read(place.path("environment.key")).unwrap();
    for damage in DAMAGES.into_iter().chain([&sound[..sound.len() / 2]]) {
        fs::write(place.path("environment.key"), damage).unwrap();
        let error = place.directory.environment_key().err().unwrap();
        assert_eq!(error.code(), "store-contents", "{damage:?}");
        let message = error.to_string();
        assert!(message.contains("environment.key") && message.contains("backup"), "{message}");
        assert_eq!(fs::read(place.path("environment.key")).unwrap(), damage);
    }
}

#[test]
fn a_next_key_waits_beside_the_environment_key_and_takes_its_place_once() {
    let place = Place::new();
    let first = place.directory.environment_key().unwrap().thumbprint();
    let thumbprint = || place.directory.environment_key().unwrap().thumbprint();
    let next = || place.directory.next_key().unwrap().map(|key| key.thumbprint());
    assert_eq!(next(), None);
    let made = place.directory.make_next_key().unwrap().thumbprint();
    assert_eq!((next(), thumbprint()), (Some(made.clone()), first));
    assert_eq!(mode(&place, "environment.key.next"), 0o600);
    for _ in 0..2 {
        place.directory.promote_next_key().unwrap();
        assert_eq!((next(), thumbprint()), (None, made.clone()));
    }
    assert_eq!(mode(&place, "environment.key"), 0o600);
    place.directory.make_next_key().unwrap();
    place.directory.forget_next_key().unwrap();
    assert_eq!((next(), thumbprint()), (None, made));
}

#[test]
fn a_damaged_next_key_is_set_aside() {
    let place = Place::new();
    for damage in DAMAGES {
        fs::write(place.path("environment.key.next"), damage).unwrap();
        assert!(place.directory.next_key().unwrap().is_none(), "{damage:?}");
        assert_eq!(fs::read(place.path("environment.key.next.damaged")).unwrap(), damage);
    }
}

#[test]
fn a_damaged_secret_is_set_aside_for_a_new_one() {
    let place = Place::new();
    for damage in DAMAGES {
        fs::write(place.path("hardware.secret"), damage).unwrap();
        let new = *place.directory.local_secret().unwrap().expose();
        assert_eq!(*place.directory.local_secret().unwrap().expose(), new);
        assert_eq!(fs::read(place.path("hardware.secret.damaged")).unwrap(), damage);
    }
}

#[test]
fn an_activation_code_is_kept_and_forgotten() {
    let place = Place::new();
    let (one, other) = (ActivationCode::random().unwrap(), ActivationCode::random().unwrap());
    assert_eq!(place.directory.activation_code().unwrap(), None);
    place.directory.forget_activation_code().unwrap();
    for code in [&one, &other] {
        place.directory.keep_activation_code(code).unwrap();
        assert_eq!(place.directory.activation_code().unwrap().as_ref(), Some(code));
        assert_eq!(mode(&place, "activation-code"), 0o600);
    }
    // An administrator may have put it there with an editor.
    fs::write(place.path("activation-code"), format!("{}\n", one.expose())).unwrap();
    assert_eq!(place.directory.activation_code().unwrap(), Some(one));
    place.directory.forget_activation_code().unwrap();
    assert_eq!(place.directory.activation_code().unwrap(), None);
    assert_eq!(place.files("activation-code"), [""; 0]);
}

#[test]
fn a_damaged_activation_code_is_named_and_not_repeated() {
    let place = Place::new();
    let code = ActivationCode::random().unwrap().expose();
    let typing_error = code.replacen(code.chars().next_back().unwrap(), "*", 1);
    fs::write(place.path("activation-code"), &typing_error).unwrap();
    let error = place.directory.activation_code().unwrap_err();
    assert_eq!(error.code(), "store-contents");
    assert!(!error.to_string().contains(&typing_error[..7]), "{error}");
}

#[test]
fn a_file_is_replaced_whole_and_for_its_owner_alone() {
    let place = Place::new();
    let path = place.path("file");
    write_durably(&path, b"first").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    write_durably(&path, b"second").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"second");
    assert_eq!(mode(&place, "file"), 0o600);
    write_durably_for_group(&path, b"third").unwrap();
    assert_eq!((fs::read(&path).unwrap(), mode(&place, "file")), (b"third".to_vec(), 0o640));
    assert_eq!(place.files("").len(), 1, "{:?}", place.files(""));
}

#[test]
fn a_file_that_can_not_be_replaced_stays_whole() {
    let place = Place::new();
    let missing = place.path("no such directory/file");
    let error = write_durably(&missing, b"text").unwrap_err();
    assert_eq!(error.code(), "store-file");
    assert!(error.to_string().contains("no such directory/file"), "{error}");

    let directory = place.path("directory");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("in the way"), "").unwrap();
    write_durably(&directory, b"text").unwrap_err();
    assert!(directory.join("in the way").exists());
}
