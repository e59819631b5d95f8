//! The login application.

fn main() {}
