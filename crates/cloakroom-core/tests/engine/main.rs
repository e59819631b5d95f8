//! The engine's rules as tables and properties: record, policy, session, plan and merge, without any I/O.

mod common;
mod debug;
mod decision_table;
mod ended;
mod found;
mod full;
mod json_carried;
mod lifetimes;
mod limits;
mod merge_laws;
mod merge_table;
mod owned;
mod ownership;
mod record;
mod regenerate;
mod renewal;
mod session;
