//! Takes one of the guarded steps a given number of times, for `bench/guard`, which counts the instructions around it.
//!
//! `guarded STEP TIMES` takes the step; `guarded` lists the steps, each with the allocations that it makes.

use std::{env, process::ExitCode};

use cloakroom::Error;
use cloakroom_guarded::{STEPS, Stage, Step, step};

/// Often enough that what is only done the first time no longer shows.
const OFTEN: u32 = 64;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let done = match &arguments[..] {
        [] => list(),
        [name, times] => take(name, times),
        _ => Err("usage: guarded [STEP TIMES]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guarded: {error}");
            ExitCode::FAILURE
        }
    }
}

fn take(name: &str, times: &str) -> Result<(), Box<dyn std::error::Error>> {
    let step = step(name)?;
    let times = times
        .parse()
        .map_err(|_| format!("TIMES is `{times}`; it must be a number of times"))?;
    Ok(step.take(&Stage::new()?, times)?)
}

fn list() -> Result<(), Box<dyn std::error::Error>> {
    let stage = Stage::new()?;
    for step in STEPS {
        let allocations = allocations(step, &stage)?;
        println!("{}\t{allocations}\t{}", step.name, step.what);
    }
    Ok(())
}

fn allocations(step: Step, stage: &Stage) -> Result<u64, Error> {
    step.take(stage, OFTEN)?;
    let mut taken = Ok(());
    let counted = allocation_counter::measure(|| taken = step.take(stage, OFTEN));
    taken.map(|()| counted.count_total / u64::from(OFTEN))
}
