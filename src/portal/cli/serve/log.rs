//! Where the log of a portal goes, and how it is written.

use clap::{Args, ValueEnum};
use std::io;
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

#[derive(Args)]
pub(in crate::portal::cli) struct Log {
    /// How to write the log: text or JSON to standard error, or fields of the journal
    #[arg(long, value_enum, env = "ENTITLE_PORTAL_LOG_FORMAT", default_value_t = Format::Text)]
    log_format: Format,
    /// What to log: error, warn, info, debug, or levels by target; `info,access=off` leaves requests out
    #[arg(long, value_name = "FILTER", env = "ENTITLE_PORTAL_LOG", default_value = "info")]
    log: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
    Journal,
}

impl Log {
    /// Starts it; not where a program that embeds this has a log of its own.
    pub(in crate::portal::cli) fn start(&self) {
        let filter = self.log.replace(' ', "").parse();
        let filter = filter.unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
        let registry = tracing_subscriber::registry().with(filter);
        let text = fmt::layer().with_ansi(false).with_writer(io::stderr);
        let started = match self.log_format {
            Format::Text => registry.with(text).try_init(),
            Format::Json => registry.with(text.json()).try_init(),
            Format::Journal => match journal() {
                Ok(journal) => registry.with(journal).try_init(),
                Err(error) => {
                    let started = registry.with(text).try_init();
                    tracing::warn!(%error, "the journal can't be written to: the log goes to standard error");
                    started
                }
            },
        };
        drop(started);
    }
}

/// Fields of the log become fields of the journal: `journalctl ENTITLE_PORTAL_STATUS=503`.
fn journal() -> io::Result<tracing_journald::Layer> {
    use tracing_journald::{Priority, PriorityMappings};
    let priorities = PriorityMappings {
        info: Priority::Informational,
        debug: Priority::Debug,
        ..PriorityMappings::new()
    };
    let layer = tracing_journald::layer()?.with_field_prefix(Some("ENTITLE_PORTAL".to_owned()));
    Ok(layer.with_priority_mappings(priorities).with_syslog_identifier("entitle-portal".to_owned()))
}
