use super::*;
use crate::license::Purpose;

fn settings(text: &str) -> Result<Settings, ConfigError> {
    let fragment: Fragment = toml::from_str(text).unwrap();
    Settings::from_fragment(fragment)
}

#[test]
fn what_is_left_out_has_a_default() {
    let settings = settings("product = 'p'\n[environment]\npurpose = 'quality'").unwrap();
    assert_eq!(settings.environment_name, "Quality");
    assert_eq!(settings.purpose, Purpose::Quality);
    assert_eq!(settings.portal_url, None);
    assert_eq!(settings.state_directory, std::path::Path::new("/var/lib/entitled"));
}

#[test]
fn what_is_wrong_is_named() {
    let message = |text| settings(text).unwrap_err().to_string();
    assert!(message("").contains("product"));
    assert!(message("product = ' '").contains("product"));
    assert!(message("product = 'p'\nstate_directory = 'x'").contains("state_directory"));
    assert!(message("product = 'p'\n[log]\nformat = 'xml'").contains("log.format"));
    assert!(message("product = 'p'\n[environment]\nname = ''").contains("environment.name"));
}

#[test]
fn unknown_settings_are_refused_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entitled.toml");
    std::fs::write(&path, "product = 'p'\n[portal]\nurll = 'x'\n").unwrap();
    let message = Fragment::read(&path).unwrap_err().to_string();
    assert!(message.contains("line 3") && message.contains("`url`"), "{message}");
}

#[test]
fn drop_ins_go_over_the_file_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entitled.toml");
    std::fs::create_dir(folder.path().join("conf.d")).unwrap();
    let drop_in = |name: &str, text: &str| {
        std::fs::write(folder.path().join("conf.d").join(name), text).unwrap();
    };
    std::fs::write(&path, "product = 'p'\n[environment]\nname = 'A'\n").unwrap();
    drop_in("20-b.toml", "[environment]\nname = 'C'\n");
    drop_in("10-a.toml", "[environment]\nname = 'B'\npurpose = 'quality'\n");
    drop_in("30-c.txt", "not settings");
    let sum = Fragment::read_with_drop_ins(&path).unwrap();
    assert_eq!(sum.environment.name.as_deref(), Some("C"));
    assert_eq!(sum.environment.purpose, Some(Purpose::Quality));
    assert_eq!(sum.product.as_deref(), Some("p"));
}

#[test]
fn an_activation_code_comes_from_its_file_and_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("code");
    let code = crate::codes::ActivationCode::from_content(&[9; 16]);
    std::fs::write(&path, code.expose() + "\n").unwrap();
    let text = format!("product = 'p'\n[activation]\ncode_file = {path:?}");
    let read = settings(&text).unwrap();
    assert_eq!(read.activation_code.as_ref(), Some(&code));
    assert!(!format!("{read:?}").contains(&code.expose()[..27]));
    std::fs::write(&path, "nonsense").unwrap();
    assert!(settings(&text).unwrap_err().to_string().contains("Activation Code"));
}
