//! `cloakroom doctor`: is the store set up as sessions need it?

mod cookie;
mod file;
mod finding;
mod latency;
mod rights;
mod server;
mod values;

use clap::Args;

use self::finding::{Finding, Level, Report};
use crate::{
    exit::Exit,
    failure::Failure,
    output::Output,
    secrets::SecretArgs,
    store::{Opened, StoreArgs},
};

/// `cloakroom doctor`.
#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// How many times to ask the store, to see how fast it answers
    #[arg(long, value_name = "NUMBER", default_value = "50", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pings: u32,
    /// How many sessions to look into
    #[arg(long, value_name = "NUMBER", default_value = "1000")]
    sample: u32,
    /// Write nothing to the store; the right to write is then known only where the server says it
    #[arg(long)]
    read_only: bool,
    /// A file with a cookie (its value, or a whole `Cookie` header) to verify; `-` is standard input [env: SESSION_COOKIE holds
    /// the cookie itself]
    #[arg(long, value_name = "FILE")]
    cookie_file: Option<std::path::PathBuf>,
    /// The name of the cookie
    #[arg(long, value_name = "NAME", default_value = "connect.sid")]
    cookie_name: String,
    /// Where the secrets are.
    #[command(flatten)]
    secrets: SecretArgs,
    /// Warnings count as errors for the exit status
    #[arg(long)]
    strict: bool,
    /// Write JSON, one object a line
    #[arg(long)]
    json: bool,
    /// Which store.
    #[command(flatten)]
    store: StoreArgs,
}

/// Looks at everything, whatever is found on the way.
pub(crate) async fn run(args: &DoctorArgs, output: &mut Output) -> Result<Exit, Failure> {
    let mut report = Report::new(args.json);
    let opened = match Opened::open(&args.store).await {
        Ok(opened) => opened,
        Err(failure) if failure.exit() == Exit::Store => {
            let advice = "see --store and --prefix, and that the store is up";
            report.add(
                &Finding::error("connect", failure.to_string(), advice),
                output,
            )?;
            return Ok(Exit::Store);
        }
        Err(failure) => return Err(failure),
    };
    let found = match &opened {
        Opened::Redis(store) => server::look(store).await,
        Opened::Sqlite { store, file, .. } => file::look(store, file),
    };
    tell("store", found, &mut report, output)?;
    let found = match &opened {
        Opened::Redis(store) => rights::look(store, args.read_only).await,
        Opened::Sqlite { store, .. } => Ok(vec![file::rights(store, args.read_only).await]),
    };
    tell("rights", found, &mut report, output)?;
    let found = latency::measure(&opened, args.pings).await;
    tell(
        "latency",
        found.map(|finding| vec![finding]),
        &mut report,
        output,
    )?;
    tell(
        "prefix",
        values::prefixes(&opened).await,
        &mut report,
        output,
    )?;
    let found = values::sample(&opened, args.sample).await;
    tell("values", found, &mut report, output)?;
    tell(
        "cookie",
        cookie::look(args, &opened).await,
        &mut report,
        output,
    )?;
    if !args.json {
        output.line(&report)?;
    }
    let bad = report.count(Level::Error) > 0 || (args.strict && report.count(Level::Warning) > 0);
    Ok(if bad { Exit::No } else { Exit::Done })
}

/// What was found is told at once: the next look may take a while. A look that the store does not allow is a finding too, and
/// the next one may tell why.
fn tell(
    check: &'static str,
    found: Result<Vec<Finding>, Failure>,
    report: &mut Report,
    output: &mut Output,
) -> Result<(), Failure> {
    let found = match found {
        Err(failure) if failure.exit() == Exit::Store => {
            let advice = "this could not be looked at; see the other findings";
            vec![Finding::error(check, failure.to_string(), advice)]
        }
        found => found?,
    };
    for finding in &found {
        report.add(finding, output)?;
    }
    output.flush()
}
