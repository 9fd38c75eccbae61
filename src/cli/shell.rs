//! `graft completions` and `graft man`: what shells and `man` need to know of the command line.

use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde_json::json;

use super::{Cli, named, tell};
use crate::atomic;
use crate::error::{Error, Result};

/// Write a shell's completions of this command to standard output
#[derive(Args)]
#[command(after_help = "Examples:\n  graft completions bash > ~/.local/share/bash-completion/completions/graft\n  \
    graft completions zsh > \"${fpath[1]}/_graft\"\n  graft completions fish > ~/.config/fish/completions/graft.fish")]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub fn run(&self) -> Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "graft", &mut script);
        let script = String::from_utf8(script).expect("completions are text");
        tell("completions", json!({ "shell": self.shell.to_string(), "script": script }), script.trim_end());
        Ok(())
    }
}

/// Write manual pages, one a command
#[derive(Args)]
#[command(after_help = "Example:\n  graft man --out ~/.local/share/man/man1")]
pub struct Man {
    /// The folder for graft.1, graft-train.1 and so on; older pages there are replaced
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Man {
    pub fn run(&self) -> Result<()> {
        std::fs::create_dir_all(&self.out).map_err(Error::io("create", &self.out))?;
        let mut command = Cli::command().disable_help_subcommand(true);
        command.build();
        let mut pages = vec![self.page(&command)?];
        for subcommand in command.get_subcommands() {
            pages.push(self.page(subcommand)?);
        }
        let pages: Vec<String> = pages.iter().map(named).collect();
        tell("man", json!({ "pages": pages }), pages.join("\n"));
        Ok(())
    }

    fn page(&self, command: &clap::Command) -> Result<PathBuf> {
        // A page is no screen: it has the options, too, that `-h` leaves out.
        let page = clap_mangen::Man::new(command.clone().mut_args(|arg| arg.hide_short_help(false)))
            .source(concat!("graft ", env!("CARGO_PKG_VERSION")));
        let mut text = Vec::new();
        let path = self.out.join(page.get_filename());
        page.render(&mut text).map_err(Error::io("write", &path))?;
        // Examples are lines, which are not to be filled.
        let text = String::from_utf8(text)
            .expect("a page of text")
            .replace("\nExamples:\n", "\n.PP\nExamples:\n.nf\n")
            .replace("\n.SH VERSION", "\n.fi\n.SH VERSION");
        atomic::write(&path, text.as_bytes())?;
        Ok(path)
    }
}
