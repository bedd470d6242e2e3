//! HTTP by hand, over real sockets: requests written byte by byte, so that broken ones can be written as well, and servers
//! that a test scripts. Knows nothing of what is tested.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::wait::soon;

/// A request to be sent.
#[derive(Clone, Debug)]
pub struct Call {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Call {
    /// A POST.
    #[must_use]
    pub fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { method: "POST".into(), path: path.into(), headers: Vec::new(), body: body.into() }
    }

    /// A GET.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self { method: "GET".into(), ..Self::post(path, "") }
    }

    /// With a further header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With these headers.
    #[must_use]
    pub fn headers<'a>(self, pairs: impl IntoIterator<Item = (&'static str, &'a str)>) -> Self {
        pairs.into_iter().fold(self, |call, (name, value)| call.header(name, value))
    }

    /// The bytes that go over the wire; the connection is to be closed after the answer.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut head =
            format!("{} {} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.method != "GET" {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }

    /// Sends it and waits for the answer.
    ///
    /// # Panics
    /// If there is none.
    pub async fn send(&self, to: SocketAddr) -> Reply {
        let bytes = soon("an answer", talk(to, &self.bytes())).await.expect("a connection");
        Reply::parse(&bytes).unwrap_or_else(|| panic!("no answer, but {:?}", String::from_utf8_lossy(&bytes)))
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub text: String,
}

impl Reply {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let pair = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers = lines.filter_map(pair).collect();
        Some(Self { status, headers, text: String::from_utf8_lossy(&bytes[end + 4..]).into_owned() })
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// Sends bytes, and gives all that comes back until the other side closes. A side that closes before it has read all is no
/// error: what it said counts.
///
/// # Errors
/// There is no connection.
pub async fn talk(to: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let (mut reader, mut writer) = TcpStream::connect(to).await?.into_split();
    let write = async {
        // Whoever refuses a body does not read it to its end.
        let _ = writer.write_all(bytes).await;
        std::future::pending::<()>().await;
    };
    let read = async {
        let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(read @ 1..) = reader.read(&mut buffer).await {
            said.extend(&buffer[..read]);
        }
        said
    };
    tokio::select! {
        said = read => Ok(said),
        () = write => unreachable!("it waits for ever"),
    }
}

/// A request as a scripted server has read it.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Method and path.
    pub line: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Heard {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// A server that answers as a test says.
pub struct Scripted {
    /// Where it listens.
    pub address: SocketAddr,
    heard: mpsc::UnboundedReceiver<Heard>,
}

impl Scripted {
    /// A server that answers the `n`th request, counted from 0, with what `answer` gives: a status line's end, such as
    /// `200 OK`, with further header lines and a body after it if need be. `None` closes without an answer; an empty text
    /// is none either, and the connection stays.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn start(answer: impl Fn(usize, &Heard) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (sender, heard) = mpsc::unbounded_channel();
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, answer, count) = (sender.clone(), Arc::clone(&answer), Arc::clone(&count));
                tokio::spawn(async move {
                    let _ = converse(stream, &sender, &*answer, &count).await;
                });
            }
        });
        Self { address, heard }
    }

    /// The next request.
    ///
    /// # Panics
    /// If there is none in time.
    pub async fn next(&mut self) -> Heard {
        soon("a request", self.heard.recv()).await.expect("the server runs")
    }

    /// The requests that have come and were not yet asked for.
    pub fn so_far(&mut self) -> Vec<Heard> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }
}

async fn converse(
    mut stream: TcpStream,
    sender: &mpsc::UnboundedSender<Heard>,
    answer: &(dyn Fn(usize, &Heard) -> Option<String> + Send + Sync),
    count: &std::sync::atomic::AtomicUsize,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
        let pair = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let mut heard = Heard { line, headers: lines.filter_map(pair).collect(), body: Vec::new() };
        let length: usize = heard.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        while bytes.len() < end + 4 + length {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        }
        heard.body = bytes[end + 4..end + 4 + length].to_vec();
        bytes.drain(..end + 4 + length);
        let n = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let answer = answer(n, &heard);
        let _ = sender.send(heard);
        let Some(answer) = answer else { return Ok(()) };
        if answer.is_empty() {
            return std::future::pending().await;
        }
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let text = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(text.as_bytes()).await?;
    }
}

/// Seconds since 1970, `off` from now.
#[must_use]
pub fn seconds(off: i64) -> delay::Timestamp {
    let now = delay::Timestamp::from(SystemTime::now()).as_micros();
    delay::Timestamp::from_micros(now + off * 1_000_000)
}
