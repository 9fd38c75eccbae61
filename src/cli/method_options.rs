//! The options of all methods as arguments of `graft transfer`.

use std::collections::BTreeSet;

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::arguments::{argument, given};
use crate::options::{About, Texts};
use crate::transfer::METHODS;

/// The options of all methods, from their tables.
#[derive(Debug, Default)]
pub struct MethodOptions(pub Texts);

impl Args for MethodOptions {
    fn augment_args(mut command: Command) -> Command {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let tables: Vec<(&str, Vec<&'static About>)> =
            METHODS.iter().map(|kind| (kind.name, (kind.new)().abouts())).collect();
        for about in tables.iter().flat_map(|(_, abouts)| abouts) {
            if seen.insert(about.name) {
                let own =
                    |abouts: &[&'static About]| abouts.iter().find(|own| own.name == about.name).map(|own| own.default);
                let defaults = tables.iter().filter_map(|(method, abouts)| Some((own(abouts)?, method)));
                let defaults: Vec<String> =
                    defaults.map(|(default, method)| format!("{default} of {method}")).collect();
                command = command.arg(argument(about, &defaults.join(", "), false));
            }
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        MethodOptions::augment_args(command)
    }
}

impl FromArgMatches for MethodOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<MethodOptions, clap::Error> {
        let mut options = MethodOptions::default();
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for about in METHODS.iter().flat_map(|kind| (kind.new)().abouts()) {
            self.0.extend(given(matches, about.name).map(|text| (about.name.to_string(), text)));
        }
        Ok(())
    }
}
