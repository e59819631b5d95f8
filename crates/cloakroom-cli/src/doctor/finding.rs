//! What the doctor found, and how it is told.

use std::fmt;

use anstyle::Style;
use serde_json::json;

use crate::{
    failure::Failure,
    output::{Output, plain, style},
};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// As it should be.
    Ok,
    /// Could not be found out, or is only to be known.
    Note,
    /// Works, and will not under some circumstances.
    Warning,
    /// Sessions are lost, or cannot be used.
    Error,
}

impl Level {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Ok => style::GOOD,
            Self::Note => style::FAINT,
            Self::Warning => style::WARN,
            Self::Error => style::BAD,
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) level: Level,
    /// What was looked at, a word that stays the same from release to release.
    pub(crate) check: &'static str,
    /// What is so.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) advice: Option<&'static str>,
}

impl Finding {
    pub(crate) fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(Level::Ok, check, what, None)
    }

    pub(crate) fn note(check: &'static str, what: impl Into<String>) -> Self {
        Self::new(Level::Note, check, what, None)
    }

    pub(crate) fn warning(
        check: &'static str,
        what: impl Into<String>,
        advice: &'static str,
    ) -> Self {
        Self::new(Level::Warning, check, what, Some(advice))
    }

    pub(crate) fn error(
        check: &'static str,
        what: impl Into<String>,
        advice: &'static str,
    ) -> Self {
        Self::new(Level::Error, check, what, Some(advice))
    }

    fn new(
        level: Level,
        check: &'static str,
        what: impl Into<String>,
        advice: Option<&'static str>,
    ) -> Self {
        Self {
            level,
            check,
            what: what.into(),
            advice,
        }
    }
}

/// Writes findings as they come and remembers the worst.
#[derive(Debug)]
pub(crate) struct Report {
    json: bool,
    counts: [u32; 4],
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            counts: [0; 4],
        }
    }

    pub(crate) fn add(&mut self, finding: &Finding, output: &mut Output) -> Result<(), Failure> {
        self.counts[finding.level as usize] += 1;
        if self.json {
            return output.line(json!({
                "level": finding.level.as_str(),
                "check": finding.check,
                "what": finding.what,
                "advice": finding.advice,
            }));
        }
        let (style, faint) = (finding.level.style(), style::FAINT);
        let level = finding.level.as_str();
        output.line(format_args!(
            "{style}{level:<7}{style:#}  {:<11}  {}",
            finding.check,
            plain(&finding.what)
        ))?;
        if let Some(advice) = finding.advice {
            output.line(format_args!("{:<22}{faint}{advice}{faint:#}", ""))?;
        }
        Ok(())
    }

    /// How many there are of a level.
    pub(crate) fn count(&self, level: Level) -> u32 {
        self.counts[level as usize]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |number: u32| if number == 1 { "" } else { "s" };
        let (errors, warnings) = (self.count(Level::Error), self.count(Level::Warning));
        write!(
            f,
            "{errors} error{}, {warnings} warning{}",
            plural(errors),
            plural(warnings)
        )
    }
}
