//! A hundred thousand sessions in little memory.

use std::{
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Stdio,
    time::Duration,
};

use crate::{stage::program, support::Server};

const SESSIONS: u32 = 100_000;

/// Less than half of what the values alone take.
const MOST_KIB: u64 = 40 * 1024;

/// Writes sessions of `SESSIONS / 10` owners, without waiting for each answer.
fn fill(server: &Server) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(120)))
        .unwrap();
    for chunk in 0..SESSIONS / 1000 {
        let mut commands = String::new();
        for number in chunk * 1000..(chunk + 1) * 1000 {
            let value = format!(
                r#"{{"cookie":{{"originalMaxAge":3600000,"expires":null}},"__ck":{{"owner":"owner-{}","signedIn":1}},"data":"{}"}}"#,
                number % (SESSIONS / 10),
                "x".repeat(800)
            );
            let key = format!("sess:id-{number}");
            let words = ["SET", &key, &value, "PX", "3600000"];
            let _ = write!(commands, "*{}\r\n", words.len());
            for word in words {
                let _ = write!(commands, "${}\r\n{word}\r\n", word.len());
            }
        }
        stream.write_all(commands.as_bytes()).unwrap();
        let mut answers = vec![0; 5 * 1000];
        stream.read_exact(&mut answers).unwrap();
        assert!(answers.chunks(5).all(|answer| answer == b"+OK\r\n"));
    }
}

/// The most memory that a run had, in KiB, as far as it was seen while it ran; and how many lines it wrote.
fn run(server: &Server, arguments: &[&str]) -> (u64, usize) {
    let mut command = program();
    command
        .env("SESSION_STORE", server.url())
        .args(arguments)
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut out = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let (mut buffer, mut lines) = ([0; 65536], 0);
        loop {
            match out.read(&mut buffer).unwrap() {
                0 => return lines,
                read => lines += buffer[..read].iter().filter(|&&byte| byte == b'\n').count(),
            }
        }
    });
    let mut most = 0;
    let exit = loop {
        if let Some(exit) = child.try_wait().unwrap() {
            break exit;
        }
        // The kernel keeps the peak; a process that ends just now has none any more.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().strip_suffix("kB")?.trim().parse().ok());
        most = most.max(peak.unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(exit.success(), "{arguments:?}");
    (most, reader.join().unwrap())
}

#[test]
fn a_hundred_thousand_sessions_take_little_memory() {
    let server = Server::redis();
    fill(&server);
    let (most, _) = run(&server, &["sessions", "stats"]);
    assert!((1..MOST_KIB).contains(&most), "stats: {most} KiB");
    let (most, lines) = run(&server, &["sessions", "ls", "--json"]);
    assert!((1..MOST_KIB).contains(&most), "ls: {most} KiB");
    assert_eq!(lines, 100_000);
}
