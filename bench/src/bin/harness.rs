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
    if options.growth {
        measure_growth(options)?;
    } else {
        measure(options)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(options: &RunOptions) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let results = run::run(options, folder.path())?;
    let report = report::report(&results);
    print!("{report}");
    if let Some(path) = &options.json {
        write_json(path, &results)?;
    }
    if let Some(path) = &options.svg {
        write(path, &picture::svg(&results)?)?;
    }
    if options.write {
        let kept = options.kept();
        write(&kept.join("page.svg"), &picture::svg(&results)?)?;
        write(&kept.join("results.md"), &report)?;
        write_json(&kept.join("results.json"), &results)?;
    }
    Ok(())
}

fn measure_growth(options: &RunOptions) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let results = growth::run(options, folder.path())?;
    let report = growth::report(&results);
    print!("{report}");
    if let Some(path) = &options.json {
        write_json(path, &results)?;
    }
    if options.write {
        let kept = options.kept();
        write(&kept.join("growth.md"), &report)?;
        write_json(&kept.join("growth.json"), &results)?;
    }
    Ok(())
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    write(path, &(serde_json::to_string_pretty(value)? + "\n"))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = path
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(path, text));
    written.map_err(|error: io::Error| format!("{} cannot be written: {error}", path.display()))?;
    Ok(())
}
