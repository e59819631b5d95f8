//! As much of the protocol as a test needs to talk to a server on its own.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
};

/// A blocking connection.
#[derive(Debug)]
pub struct Wire(BufReader<TcpStream>);

impl Wire {
    pub fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(super::PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a command without waiting for its answer.
    pub fn send(&mut self, command: &[&str]) -> io::Result<()> {
        let mut packed = format!("*{}\r\n", command.len());
        for part in command {
            packed += &format!("${}\r\n{part}\r\n", part.len());
        }
        self.0.get_mut().write_all(packed.as_bytes())
    }

    /// The next answer as text: `nil` for none, the items of an array joined by spaces.
    pub fn receive(&mut self) -> io::Result<Result<String, String>> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (kind, rest) = line.trim_end().split_at(1);
        let count = || rest.parse::<i64>().map_err(io::Error::other);
        Ok(match kind {
            "-" => Err(rest.to_owned()),
            "$" => {
                let Ok(length) = usize::try_from(count()?) else {
                    return Ok(Ok("nil".to_owned()));
                };
                let mut bytes = vec![0; length + 2];
                self.0.read_exact(&mut bytes)?;
                Ok(String::from_utf8_lossy(&bytes[..length]).into_owned())
            }
            "*" => {
                let mut items = Vec::new();
                for _ in 0..count()? {
                    items.push(self.receive()?.unwrap_or_else(|error| error));
                }
                Ok(items.join(" "))
            }
            _ => Ok(rest.to_owned()),
        })
    }

    /// The answer, where errors of the server are errors.
    pub fn try_call(&mut self, command: &[&str]) -> io::Result<String> {
        self.send(command)?;
        self.receive()?.map_err(io::Error::other)
    }

    /// The answer of a command that succeeds.
    pub fn call(&mut self, command: &[&str]) -> String {
        let answer = self.try_call(command);
        answer.unwrap_or_else(|error| panic!("{}: {error}", command[0]))
    }
}
