//! Measures and reports, or checks; `bench/run` and `bench/check` build the programs and start this. It is one program, since
//! each takes a minute to link.

use std::{env, fs, io, iter, path::Path, process::ExitCode};

use clap::Parser as _;
use cloakroom_bench::harness::{
    Failure, check, growth,
    options::{CheckOptions, RunOptions},
    picture, report, run,
};
use serde::Serialize;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let script = arguments.next().unwrap_or_default();
    let arguments = iter::once(script.clone()).chain(arguments);
    let (name, done) = match script.to_str() {
        Some("run") => {
            let options = RunOptions::parse_from(arguments).settled();
            ("bench/run", run_all(&options))
        }
        Some("check") => {
            let options = CheckOptions::parse_from(arguments);
            ("bench/check", check_all(&options))
        }
        _ => ("harness", Err("start bench/run or bench/check".into())),
    };
    match done {
        Ok(status) => status,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check_all(options: &CheckOptions) -> Result<ExitCode, Failure> {
    let folder = tempfile::tempdir()?;
    let failed = check::run(&options.subjects(), &options.places(), folder.path())?;
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn run_all(options: &RunOptions) -> Result<ExitCode, Failure> {
    let folder = tempfile::tempdir()?;
    if options.growth {
        let growth = growth::run(options, folder.path())?;
        keep(options, "growth", &growth::report(&growth), &growth)?;
    } else {
        let results = run::run(options, folder.path())?;
        keep(options, "results", &report::report(&results), &results)?;
        let kept = options.write.then(|| options.kept().join("page.svg"));
        for path in options.svg.iter().chain(&kept) {
            write(path, &picture::svg(&results)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the report, and writes it and the readings where the options want them.
fn keep(
    options: &RunOptions,
    name: &str,
    report: &str,
    readings: &impl Serialize,
) -> Result<(), Failure> {
    print!("{report}");
    let json = serde_json::to_string_pretty(readings)? + "\n";
    if let Some(path) = &options.json {
        write(path, &json)?;
    }
    if options.write {
        let kept = options.kept().join(name);
        write(&kept.with_extension("md"), report)?;
        write(&kept.with_extension("json"), &json)?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, text));
    written.map_err(|error: io::Error| format!("{} cannot be written: {error}", path.display()))?;
    Ok(())
}
