//! `bench/run`: starts the measured programs on one Redis, loads them in turn, and reports.
//!
//! What is computed from readings ([`median`], [`proc_fs`], [`wrk`], [`redis_info`], [`report`], [`picture`]) is pure; what
//! starts and asks programs ([`process`], [`stage`], [`probe`], [`load`]) decides nothing.

pub mod check;
pub mod facts;
pub mod growth;
pub mod load;
pub mod median;
pub mod options;
pub mod picture;
pub mod probe;
pub mod proc_fs;
pub mod process;
pub mod redis_info;
pub mod report;
pub mod results;
pub mod run;
pub mod stage;
pub mod subject;
pub mod wrk;

use std::error::Error;

/// What went wrong, as a sentence for whoever started it.
pub type Failure = Box<dyn Error + Send + Sync>;
