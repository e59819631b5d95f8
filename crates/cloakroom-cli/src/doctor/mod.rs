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
    /// Which store.
    #[command(flatten)]
    store: StoreArgs,
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
    let mut findings = match &opened {
        Opened::Redis(store) => server::look(store).await?,
        Opened::Sqlite { store, file, .. } => file::look(store, file)?,
    };
    tell(&mut findings, &mut report, output)?;
    let mut findings = vec![latency::measure(&opened, args.pings).await?];
    match &opened {
        Opened::Redis(store) => findings.extend(rights::look(store, args.read_only).await?),
        Opened::Sqlite { store, .. } if !args.read_only => {
            findings.push(file::write_probe(store).await)
        }
        Opened::Sqlite { .. } => {
            findings.push(Finding::note("rights", "not tried, because of --read-only"))
        }
    }
    tell(&mut findings, &mut report, output)?;
    let mut findings = values::prefixes(&opened).await?;
    findings.extend(values::sample(&opened, args.sample).await?);
    tell(&mut findings, &mut report, output)?;
    let mut findings = cookie::look(args, &opened).await?;
    tell(&mut findings, &mut report, output)?;
    if !args.json {
        output.line(&report)?;
    }
    let bad = report.count(Level::Error) > 0 || (args.strict && report.count(Level::Warning) > 0);
    Ok(if bad { Exit::No } else { Exit::Done })
}

/// What was found is told at once: the next look may take a while.
fn tell(
    findings: &mut Vec<Finding>,
    report: &mut Report,
    output: &mut Output,
) -> Result<(), Failure> {
    for finding in findings.drain(..) {
        report.add(&finding, output)?;
    }
    output.flush()
}
