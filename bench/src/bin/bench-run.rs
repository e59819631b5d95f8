//! Measures and reports; `bench/run` builds the programs and starts this.

use std::{fs, io, path::Path, process::ExitCode};

use clap::Parser as _;
use cloakroom_bench::harness::{Failure, growth, options::RunOptions, picture, report, run};
use serde::Serialize;

fn main() -> ExitCode {
    let options = RunOptions::parse().settled();
    let measured = if options.growth {
        measure_growth(&options)
    } else {
        measure(&options)
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench/run: {error}");
            ExitCode::FAILURE
        }
    }
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
