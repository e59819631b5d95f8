//! `bench/check`: each program serves what it must. Nothing is timed.

use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use super::{
    Failure, probe,
    stage::{Redis, Running},
    subject::{Places, Start, Subject},
};

/// Sessions that each program has.
const SESSIONS: u64 = 3;

/// Checks the programs one after the other; the outcome of each is printed. Says how many have failed.
///
/// # Errors
///
/// Redis does not start.
pub fn run(subjects: &[Subject], places: &Places, folder: &Path) -> Result<usize, Failure> {
    let redis = Redis::start(folder)?;
    let mut failed = 0;
    for &subject in subjects {
        match check(subject, places, &redis, folder) {
            Ok(()) => println!("test {} ... ok", subject.name()),
            Err(error) => {
                failed += 1;
                println!("test {} ... FAILED: {error}", subject.name());
            }
        }
    }
    let passed = subjects.len() - failed;
    let outcome = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {outcome}. {passed} passed; {failed} failed");
    Ok(failed)
}

fn check(subject: Subject, places: &Places, redis: &Redis, folder: &Path) -> Result<(), Failure> {
    let folder = folder.join(subject.name());
    fs::create_dir(&folder)?;
    let start = Start {
        redis: redis.port,
        folder: &folder,
        sessions: SESSIONS,
        bytes: 300,
    };
    redis.clear()?;
    let running = Running::start(subject, places, redis, &start)?;
    running.verify()?;
    if subject.uses_redis() {
        renews(&running, redis)?;
    }
    if subject.sends_cookie() {
        let page = probe::get(running.port, "/", Some(&running.cookie(0)?))?;
        if !page.headers.contains_key("set-cookie") {
            return Err("the cookie is not sent with each answer".into());
        }
    }
    let anonymous = probe::get(running.port, "/", None)?;
    if anonymous.status != 302 {
        return Err(format!("status {} to a visitor without a cookie", anonymous.status).into());
    }
    if subject.has_store() && !subject.is_application() {
        counts_up(&running)?;
    }
    Ok(())
}

/// A visit gives the session its whole lifetime again. Ours does so beside the answer, and the near cache may not know at the
/// first visit that the lifetime was cut.
fn renews(running: &Running, redis: &Redis) -> Result<(), Failure> {
    let nearly_over = 600_000;
    redis.expire_all(nearly_over)?;
    let begin = Instant::now();
    while redis.longest()? <= nearly_over.cast_signed() {
        running.verify()?;
        if begin.elapsed() > Duration::from_secs(30) {
            return Err("a visit does not renew the session".into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Each visitor has a count of their own, and the page is the same after counting.
fn counts_up(running: &Running) -> Result<(), Failure> {
    let (first, second) = (running.cookie(0)?, running.cookie(1)?);
    for (cookie, expected) in [(&first, "2"), (&first, "3"), (&second, "2"), (&first, "4")] {
        let answer = probe::get(running.port, "/count", Some(cookie))?;
        if answer.body != expected {
            return Err(format!("counted {:?} in place of {expected}", answer.body).into());
        }
    }
    running.verify()
}
