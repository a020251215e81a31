//! Writes manual pages and shell completions from the definitions of the commands: `manuals DIRECTORY`, laid out as it will lie
//! on the disk, a folder for each package.

#[path = "../src/bin/arguments.rs"]
mod arguments;

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use std::{
    env, fs,
    path::{Path, PathBuf},
};

fn main() -> anyhow::Result<()> {
    let directory = env::args_os().nth(1).context("usage: manuals DIRECTORY")?;
    let directory = PathBuf::from(directory);
    let (agent, portal) = (directory.join("entitled"), directory.join("entitle-portal"));
    write(&agent, arguments::Arguments::command(), "8")?;
    write(&agent, entitled::cli::Arguments::command(), "1")?;
    write(&portal, entitled::portal::cli::command(), "8")
}

/// Writes the manuals and completions of a program and of its commands.
fn write(package: &Path, mut program: Command, section: &str) -> anyhow::Result<()> {
    let share = package.join("usr/share");
    let name = program.get_name().to_owned();
    for (shell, folder, file) in [
        (Shell::Bash, "bash-completion/completions", name.clone()),
        (Shell::Fish, "fish/vendor_completions.d", format!("{name}.fish")),
        (Shell::Zsh, "zsh/vendor-completions", format!("_{name}")),
    ] {
        let folder = share.join(folder);
        fs::create_dir_all(&folder)?;
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut program.clone(), &name, &mut script);
        fs::write(folder.join(file), script)?;
    }
    let folder = share.join(format!("man/man{section}"));
    fs::create_dir_all(&folder)?;
    program.build();
    pages(&folder, program.display_name(name), section)
}

/// Writes the page of a command and those of its subcommands.
fn pages(folder: &Path, command: Command, section: &str) -> anyhow::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    for subcommand in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        if subcommand.get_name() != "help" {
            pages(folder, subcommand.clone(), section)?;
        }
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).title(name.to_uppercase()).section(section).render(&mut page)?;
    Ok(fs::write(folder.join(format!("{name}.{section}")), page)?)
}
