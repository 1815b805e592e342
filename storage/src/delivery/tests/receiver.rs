//! A receiver of webhooks on loopback: remembers every request and answers as the test says.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// One request as it came.
#[derive(Debug, Clone)]
pub(super) struct Got {
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Vec<u8>,
    /// With what it was answered.
    pub(super) status: u16,
}

impl Got {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Status and further header lines for a request.
type Answer = dyn Fn(&Got) -> (u16, &'static str) + Send + Sync;

/// The receiver; it ends with the test.
#[derive(Clone)]
pub(super) struct Receiver {
    pub(super) url: String,
    got: Arc<Mutex<Vec<Got>>>,
    answer: Arc<Mutex<Arc<Answer>>>,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/hook", listener.local_addr().expect("an address"));
        let answer: Arc<Answer> = Arc::new(|_| (204, ""));
        let receiver = Self { url, got: Arc::default(), answer: Arc::new(Mutex::new(answer)) };
        let own = receiver.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(own.clone().serve(stream));
            }
        });
        receiver
    }

    /// Answers like this from now on.
    pub(super) fn answers(&self, answer: impl Fn(&Got) -> (u16, &'static str) + Send + Sync + 'static) {
        *self.answer.lock().unwrap() = Arc::new(answer);
    }

    /// All requests so far.
    pub(super) fn all(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Those that it took.
    pub(super) fn taken(&self) -> Vec<Got> {
        self.all().into_iter().filter(|got| got.status == 204).collect()
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut octets = Vec::new();
        let head = loop {
            if let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n") {
                break end;
            }
            match stream.read_buf(&mut octets).await {
                Ok(read) if read > 0 => {}
                _ => return,
            }
        };
        let text = String::from_utf8(octets[..head].to_vec()).expect("a head");
        let lines = text.lines().skip(1).filter_map(|line| line.split_once(": "));
        let headers: BTreeMap<String, String> =
            lines.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let length: usize = headers["content-length"].parse().expect("a length");
        while octets.len() < head + 4 + length {
            match stream.read_buf(&mut octets).await {
                Ok(read) if read > 0 => {}
                _ => return,
            }
        }
        let mut got = Got { headers, body: octets.split_off(head + 4), status: 0 };
        let answer = Arc::clone(&self.answer.lock().unwrap());
        let (status, more) = answer(&got);
        got.status = status;
        self.got.lock().unwrap().push(got);
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n{more}\r\n");
        // Whoever asked may have gone.
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}
