//! A client that is out of the way: threads with sockets, and requests that are bytes already.
//!
//! A debug build of a test hardly slows it down, so that what is measured is the server.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

/// Clock ticks a second in `/proc` (`sysconf(_SC_CLK_TCK)`, which is 100 on every Linux).
const TICKS: u64 = 100;

/// An answer; the body is empty where there is none.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// How long each request took, and all of them together.
pub(crate) struct Run<T> {
    pub(crate) waited: Vec<Duration>,
    pub(crate) took: Duration,
    pub(crate) read: Vec<T>,
}

impl<T> Run<T> {
    /// Answers a second.
    pub(crate) fn rate(&self) -> f64 {
        as_number(self.waited.len()) / self.took.as_secs_f64()
    }

    /// The smallest time that so many of a hundred did not exceed (nearest rank), in milliseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.waited.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted[rank - 1].as_secs_f64() * 1000.0
    }
}

/// The bytes of a request.
pub(crate) fn request(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut lines = vec![
        format!("{method} {target} HTTP/1.1"),
        "Host: 127.0.0.1".to_owned(),
    ];
    lines.extend(
        headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}")),
    );
    lines.push(format!("Content-Length: {}\r\n\r\n", body.len()));
    [lines.join("\r\n").as_bytes(), body].concat()
}

/// Sends each request once, over so many connections; what `read` makes of the answers comes in the order of requests.
pub(crate) fn send_all<T: Send>(
    address: SocketAddr,
    connections: usize,
    requests: &[Vec<u8>],
    read: impl Fn(Answer) -> T + Sync,
) -> Run<T> {
    let begun = Instant::now();
    let mut done: Vec<(usize, Duration, T)> = thread::scope(|scope| {
        let work = |share: usize| {
            let read = &read;
            move || {
                let mut stream = TcpStream::connect(address).expect("a connection");
                stream.set_nodelay(true).expect("an open socket");
                let share = requests.iter().enumerate().skip(share);
                share
                    .step_by(connections)
                    .map(|(place, request)| {
                        let begun = Instant::now();
                        let answer = send(&mut stream, request);
                        (place, begun.elapsed(), read(answer))
                    })
                    .collect::<Vec<_>>()
            }
        };
        let threads: Vec<_> = (0..connections)
            .map(|share| scope.spawn(work(share)))
            .collect();
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        joined.flat_map(|share| share.expect("a share")).collect()
    });
    let took = begun.elapsed();
    done.sort_unstable_by_key(|(place, ..)| *place);
    let mut run = Run {
        waited: Vec::new(),
        took,
        read: Vec::new(),
    };
    for (_, waited, read) in done {
        run.waited.push(waited);
        run.read.push(read);
    }
    run
}

fn send(stream: &mut TcpStream, request: &[u8]) -> Answer {
    stream.write_all(request).expect("the request is taken");
    let mut received = Vec::new();
    let mut chunk = [0; 16 * 1024];
    let mut more = |received: &mut Vec<u8>| {
        let read = stream.read(&mut chunk).expect("an answer");
        assert!(read > 0, "the server hung up");
        received.extend_from_slice(&chunk[..read]);
    };
    let end = loop {
        more(&mut received);
        if let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let length = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(0, |(_, length)| length.parse().expect("a length"));
    while received.len() < end + length {
        more(&mut received);
    }
    Answer {
        status: status.unwrap_or_else(|| panic!("{head}")),
        body: received.split_off(end),
        head,
    }
}

/// What a process has used of all processors; none where there is no `/proc`.
pub(crate) fn cpu_time(process: u32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Fields 14 and 15 (proc(5)); the command's name before them is in parentheses and may hold spaces.
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_millis(
        (ticks()? + ticks()?) * (1000 / TICKS),
    ))
}

pub(crate) fn as_number(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("few enough"))
}

/// A number from the environment.
pub(crate) fn setting(name: &str, otherwise: usize) -> usize {
    let asked = std::env::var(name).ok();
    asked.map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number"))
    })
}
