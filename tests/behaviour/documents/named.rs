//! Commands that a page, a message or a script names are commands that there are.

#[allow(dead_code, reason = "the definition alone is wanted")]
#[path = "../../../src/bin/arguments.rs"]
mod arguments;

use clap::{Arg, Command, CommandFactory};
use std::{fs, path::Path};

/// Where operators read commands. Tests name wrong ones on purpose, and are left out.
const PLACES: [&str; 7] =
    ["README.md", "ARCHITECTURE.md", "docs", "packaging", "systemd", "src", "examples"];

/// The programs as they define themselves.
fn programs() -> Vec<Command> {
    let mut programs = vec![
        arguments::Arguments::command(),
        entitled::cli::Arguments::command(),
        entitled::portal::cli::command(),
    ];
    for program in &mut programs {
        program.build();
    }
    programs
}

/// All texts below a path, with their names.
fn texts(path: &Path, found: &mut Vec<(String, String)>) {
    if path.is_dir() {
        let mut entries: Vec<_> =
            fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for entry in entries.iter().filter(|entry| !entry.ends_with("tests")) {
            texts(entry, found);
        }
    } else if let Ok(text) = fs::read_to_string(path) {
        found.push((path.display().to_string(), text));
    }
}

/// What stands between backticks on one line, and the lines of blocks of shell.
fn spans(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in text.replace("\\\n", " ").lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            found.push(line.split_once("$ ").map_or(line, |(_, command)| command).to_owned());
        } else {
            found.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    found
}

/// The words of a command line, up to what the shell does with its output.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for symbol in line.chars() {
        match (quote, symbol) {
            (Some(open), _) if open == symbol => quote = None,
            (None, '\'' | '"') => quote = Some(symbol),
            (None, ' ') => words.push(String::new()),
            (None, '<' | '>' | '#' | ';' | '&' | '…') => break,
            _ => words.last_mut().unwrap().push(symbol),
        }
    }
    // What may be left out stands in brackets in prose.
    let bare = words.iter().map(|word| word.trim_start_matches('[').trim_end_matches([']', ',']));
    bare.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// A word that stands for others.
fn is_placeholder(word: &str) -> bool {
    word.starts_with(['{', '<', '$', '.']) || word.chars().all(|c| !c.is_lowercase())
}

/// What is wrong with a command's words, going down from its program.
fn wrong(program: &Command, words: &[String]) -> Option<String> {
    let (mut command, mut options) = (program, Vec::<&Arg>::new());
    options.extend(program.get_arguments());
    let mut values = 0;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if let Some(long) = word.strip_prefix("--") {
            let (name, joined) =
                long.split_once('=').map_or((long, false), |(name, _)| (name, true));
            let Some(option) = options.iter().find(|option| option.get_long() == Some(name)) else {
                return Some(format!("{} has no --{name}", command.get_name()));
            };
            if !joined && option.get_action().takes_values() {
                words.next();
            }
        } else if let Some(short) = word.strip_prefix('-').and_then(|short| short.chars().next()) {
            let Some(option) = options.iter().find(|option| option.get_short() == Some(short))
            else {
                return Some(format!("{} has no -{short}", command.get_name()));
            };
            if option.get_action().takes_values() && word.len() == 2 {
                words.next();
            }
        } else if let Some(next) = command.find_subcommand(word) {
            command = next;
            options.extend(next.get_arguments());
        } else if is_placeholder(word) && command.has_subcommands() {
            return None;
        } else {
            values += 1;
            let taken: usize = command
                .get_positionals()
                .map(|value| value.get_num_args().map_or(1, |number| number.max_values()))
                .fold(0, usize::saturating_add);
            if values > taken {
                return Some(format!("{} does not take {word}", command.get_name()));
            }
        }
    }
    None
}

/// The program and the rest, also where cargo or another user runs it.
fn command_of(span: &str) -> Option<(&str, &str)> {
    let span = span.trim();
    for (prefix, program) in [
        ("cargo run --release -- ", "entitled"),
        ("cargo run --release --bin entitlectl -- ", "entitlectl"),
        ("cargo run --release --bin entitle-portal -- ", "entitle-portal"),
    ] {
        if let Some(rest) = span.strip_prefix(prefix) {
            return Some((program, rest));
        }
    }
    let span = span.strip_prefix("runuser -u entitle-portal -- ").unwrap_or(span);
    let (program, rest) = span.split_once(' ')?;
    ["entitled", "entitlectl", "entitle-portal"].contains(&program).then_some((program, rest))
}

/// The units that a command of systemd's names, which must be ours where they are called so.
fn unknown_unit(span: &str) -> Option<String> {
    let words = words(span.strip_prefix("systemctl ")?);
    let ours = words.iter().filter(|word| word.starts_with("entitle")).find(|unit| {
        let file = if unit.contains('.') { (*unit).clone() } else { format!("{unit}.service") };
        !Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(file).exists()
    });
    ours.map(|unit| format!("there is no {unit} in systemd"))
}

#[test]
fn every_command_that_is_named_is_one_that_there_is() {
    let programs = programs();
    let mut all = Vec::new();
    for place in PLACES {
        texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join(place), &mut all);
    }
    let (mut seen, mut faults) = (0, Vec::new());
    for (name, text) in &all {
        for span in spans(text) {
            let fault = match command_of(&span) {
                Some((program, rest)) => {
                    seen += 1;
                    let definition = programs.iter().find(|p| p.get_name() == program).unwrap();
                    wrong(definition, &words(rest))
                }
                None => unknown_unit(&span),
            };
            faults.extend(fault.map(|fault| format!("{name}: `{span}`: {fault}")));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    // Else they are written in another way than this looks for.
    assert!(seen > 300, "{seen} of {} texts", all.len());
}

#[test]
fn a_command_that_there_is_not_is_found() {
    let programs = programs();
    for (line, fault) in [
        ("entitlectl activat", Some("does not take activat")),
        ("entitlectl request refresh > FILE", None),
        ("entitlectl license instal FILE", Some("does not take instal")),
        ("entitlectl check --warnin 30d", Some("no --warnin")),
        ("entitlectl usage report --from 2026-11-01 --roots X", Some("no --roots")),
        ("entitlectl status now", Some("does not take now")),
        ("entitle-portal environment survivor ID --branch REQUEST", None),
        ("entitled run --check-config", None),
    ] {
        let (name, rest) = command_of(line).unwrap();
        let program = programs.iter().find(|program| program.get_name() == name).unwrap();
        let found = wrong(program, &words(rest));
        let expected =
            found.as_deref().zip(fault).is_some_and(|(found, fault)| found.contains(fault));
        assert!(expected || (found.is_none() && fault.is_none()), "{line}: {found:?}");
    }
    assert!(unknown_unit("systemctl start entitled-hardwar.service").is_some());
    assert!(unknown_unit("systemctl edit entitle-portal.socket").is_none());
}

/// The unit gives the portal no other settings than those of this file.
#[test]
fn the_portals_settings_that_are_installed_are_those_that_it_reads() {
    let portal = entitled::portal::cli::command();
    let serve = portal.find_subcommand("serve").unwrap();
    let read = serve.get_arguments().filter_map(|option| option.get_env()?.to_str());
    // Where its state is, is the unit's to say.
    let mut read: Vec<_> = read.filter(|name| *name != "ENTITLE_PORTAL_DIR").collect();
    let file = include_str!("../../../packaging/portal.env");
    let shown = file.lines().filter_map(|line| line.strip_prefix('#')?.split_once('='));
    let mut shown: Vec<_> =
        shown.map(|(name, _)| name).filter(|name| name.starts_with("ENTITLE_")).collect();
    read.sort_unstable();
    shown.sort_unstable();
    assert_eq!(shown, read);
}
