//! How fast the store answers.

use std::time::{Duration, Instant};

use cloakroom::{SessionId, Store as _};

use super::finding::Finding;
use crate::{failure::Failure, store::Opened};

/// A median above this is felt: each request waits for it once or twice.
const SLOW: Duration = Duration::from_millis(20);

/// An application gives a call up after 400 ms, with the default options.
const DEADLINE: Duration = Duration::from_millis(400);

/// Asks for a session that does not exist, one question after the other.
pub(super) async fn measure(opened: &Opened, number: u32) -> Result<Finding, Failure> {
    let sessions = opened.sessions();
    let Some(id) = SessionId::parse("cloakroom-doctor") else {
        return Ok(Finding::note("latency", "not measured"));
    };
    // The first one may still open a connection.
    sessions.load(&id).await?;
    let mut times = Vec::new();
    for _ in 0..number {
        let start = Instant::now();
        sessions.load(&id).await?;
        times.push(start.elapsed());
    }
    Ok(judge(&mut times))
}

fn judge(times: &mut [Duration]) -> Finding {
    times.sort_unstable();
    let at = |percent: usize| {
        let index = (times.len() * percent).div_ceil(100).saturating_sub(1);
        times.get(index).copied().unwrap_or_default()
    };
    let (least, median, most) = (at(0), at(50), at(99));
    let what = format!(
        "a load takes {} at least, {} in the median, {} for 99% of {}",
        millis(least),
        millis(median),
        millis(most),
        times.len()
    );
    if most > DEADLINE {
        let advice = "calls are given up after 400 ms by default: bring the store nearer, look for what keeps it busy (SLOWLOG), or raise \
                      `command_timeout` and `deadline`";
        Finding::error("latency", what, advice)
    } else if median > SLOW {
        Finding::warning(
            "latency",
            what,
            "each request waits for this: bring the store nearer to the application",
        )
    } else {
        Finding::ok("latency", what)
    }
}

fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Level;

    #[test]
    fn slow_is_a_warning_and_too_slow_an_error() {
        let judged = |median: u64, most: u64| {
            let mut times: Vec<_> = (0..98).map(|_| Duration::from_millis(median)).collect();
            times.extend([Duration::from_millis(most), Duration::from_millis(most)]);
            judge(&mut times).level
        };
        assert_eq!(judged(1, 1), Level::Ok);
        assert_eq!(judged(21, 30), Level::Warning);
        assert_eq!(judged(1, 401), Level::Error);
        let shown = judge(&mut [Duration::from_micros(1500)]).what;
        assert!(
            shown.contains("1.50 ms at least, 1.50 ms in the median, 1.50 ms for 99% of 1"),
            "{shown}"
        );
    }
}
