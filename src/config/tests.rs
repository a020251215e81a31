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
    assert!(!settings.reports_usage, "nothing is told without consent");
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

/// The names of all settings, as they are written in a file.
fn names() -> Vec<String> {
    let all = serde_json::to_value(Fragment::default()).unwrap();
    let mut names = Vec::new();
    for (name, value) in all.as_object().unwrap() {
        match value.as_object() {
            Some(table) => names.extend(table.keys().map(|key| format!("{name}.{key}"))),
            None => names.push(name.clone()),
        }
    }
    names
}

fn page(name: &str) -> String {
    std::fs::read_to_string(format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn the_page_has_a_row_for_each_setting_and_for_no_other() {
    let page = page("docs/settings.md");
    let rows = page.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0));
    let (mut told, mut names): (Vec<_>, _) = (rows.map(str::to_owned).collect(), names());
    told.sort();
    names.sort();
    assert_eq!(told, names);
    for (variable, _) in super::sources::VARIABLES {
        assert!(page.contains(&format!("`{variable}`")), "docs/settings.md has no {variable}");
    }
}

#[test]
fn the_file_that_is_installed_shows_each_setting_and_says_none() {
    let text = page("packaging/entitled.toml");
    let as_shipped: Fragment = toml::from_str(&text).unwrap();
    assert_eq!(as_shipped, Fragment::default(), "nothing is set before somebody sets it");
    let is_setting = |line: &str| line.starts_with('#') && !line.starts_with("# ");
    let taken_up: Vec<_> =
        text.lines().map(|line| if is_setting(line) { &line[1..] } else { line }).collect();
    let taken_up: toml::Value = toml::from_str(&taken_up.join("\n")).unwrap();
    for name in names() {
        let path: Vec<_> = name.split('.').collect();
        let found = path.iter().try_fold(&taken_up, |at, key| at.get(key));
        assert!(found.is_some(), "packaging/entitled.toml does not show {name}");
    }
    let fragment: Result<Fragment, _> = taken_up.try_into();
    assert!(fragment.is_ok(), "{fragment:?}");
}
