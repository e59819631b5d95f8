//! What is left of a test program that was killed: nothing that would take part of the machine from the next one.

mod support;

use std::{
    io::{BufRead as _, BufReader, ErrorKind},
    net::{Ipv4Addr, TcpStream},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use support::{PATIENCE, Server};

const INNER: &str = "CLOAKROOM_LEFTOVERS";

/// A server that is stopped cannot even be asked to end.
#[test]
fn a_test_program_that_is_killed_leaves_no_server_behind() {
    if std::env::var_os(INNER).is_some() {
        let server = Server::redis();
        server.freeze();
        println!("\nport {}", server.port);
        loop {
            sleep(PATIENCE);
        }
    }
    let name = "a_test_program_that_is_killed_leaves_no_server_behind";
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(INNER, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let port = lines
        .map(Result::unwrap)
        .find_map(|line| line.strip_prefix("port ").map(str::to_owned));
    let port: u16 = port.unwrap().parse().unwrap();
    let address = (Ipv4Addr::LOCALHOST, port).into();
    TcpStream::connect_timeout(&address, PATIENCE).expect("it runs");
    program.kill().unwrap();
    program.wait().unwrap();
    let start = Instant::now();
    // The kernel accepts for a server that is stopped.
    let refused = || {
        let tried = TcpStream::connect_timeout(&address, PATIENCE);
        tried.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    };
    while !refused() {
        assert!(start.elapsed() < PATIENCE, "the server goes on");
        sleep(Duration::from_millis(200));
    }
}
