//! Reads the list of orders: JSON Lines, of bounded length, no further ahead than what
//! is in flight.

use std::{
    io::{self, BufRead},
    thread,
};

use kit::json;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::client::one_line;

/// The maximum length of a line in bytes, as of a request to the APIs.
const MAX_LINE: usize = 4096;
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";

/// An API that takes orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum Api {
    /// Places an order.
    #[default]
    #[serde(rename = "api-1")]
    Orders,
    /// Reserves stock.
    #[serde(rename = "api-2")]
    Inventory,
}

impl Api {
    /// Its name in a line.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Orders => "api-1",
            Self::Inventory => "api-2",
        }
    }
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    #[serde(default)]
    pub(super) api: Api,
    pub(super) item: String,
    pub(super) quantity: u32,
}

/// A line of the list with its number, from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: u64,
    /// The order, or why the line is none.
    pub(super) order: Result<Order, String>,
}

/// A line is longer than [`MAX_LINE`].
struct TooLong;

/// Reads lines of bounded length.
struct Lines<R> {
    source: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    const fn of(source: R) -> Self {
        Self { source, number: 0 }
    }

    /// The bytes of the next line without its end, or that it is too long; `None` at
    /// the end of the list.
    fn next_line(&mut self) -> io::Result<Option<Result<Vec<u8>, TooLong>>> {
        let (mut line, mut is_too_long, mut is_end) = (Vec::new(), false, true);
        loop {
            let buffer = match self.source.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                buffer => buffer?,
            };
            if buffer.is_empty() {
                break;
            }
            is_end = false;
            let newline = buffer.iter().position(|byte| *byte == b'\n');
            let piece = &buffer[..newline.unwrap_or(buffer.len())];
            is_too_long |= line.len() + piece.len() > MAX_LINE;
            if !is_too_long {
                line.extend_from_slice(piece);
            }
            let used = newline.map_or(buffer.len(), |at| at + 1);
            self.source.consume(used);
            if newline.is_some() {
                break;
            }
        }
        if is_end {
            return Ok(None);
        }
        self.number += 1;
        if self.number == 1 && line.starts_with(UTF8_MARK) {
            line.drain(..UTF8_MARK.len());
        }
        Ok(Some(if is_too_long { Err(TooLong) } else { Ok(line) }))
    }

    /// The next order, past empty lines.
    fn next_order(&mut self) -> io::Result<Option<Line>> {
        while let Some(line) = self.next_line()? {
            let order = match line {
                Err(TooLong) => Err(format!("the line is longer than {MAX_LINE} bytes")),
                Ok(line) if line.trim_ascii().is_empty() => continue,
                Ok(line) => json::object(&line)
                    .map_err(|error| one_line(&format!("this is no order: {error}"))),
            };
            let number = self.number;
            return Ok(Some(Line { number, order }));
        }
        Ok(None)
    }
}

/// The number of orders in `source`.
pub(super) fn count(source: impl BufRead) -> io::Result<u64> {
    let (mut lines, mut count) = (Lines::of(source), 0);
    while lines.next_order()?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// The orders of `source`, read by a thread that is at most `ahead` orders ahead.
pub(super) fn stream(source: impl BufRead + Send + 'static, ahead: usize) -> ReceiverStream<Line> {
    let (sender, receiver) = mpsc::channel(ahead);
    // The runtime would wait for a thread of its own that waits for the standard input.
    thread::spawn(move || {
        let mut lines = Lines::of(source);
        loop {
            let line = match lines.next_order() {
                Ok(None) => return,
                Ok(Some(line)) => line,
                Err(error) => {
                    let number = lines.number + 1;
                    let order = Err(one_line(&format!("the list cannot be read: {error}")));
                    let _ = sender.blocking_send(Line { number, order });
                    return;
                }
            };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    ReceiverStream::new(receiver)
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use tokio_stream::StreamExt as _;

    use super::*;

    fn read(text: &[u8]) -> Vec<Line> {
        // A small buffer, so that lines come in pieces.
        let mut lines = Lines::of(BufReader::with_capacity(7, text));
        let mut all = Vec::new();
        while let Some(line) = lines.next_order().unwrap() {
            all.push(line);
        }
        all
    }

    fn order(api: Api, item: &str, quantity: u32) -> Order {
        let item = item.to_owned();
        Order {
            api,
            item,
            quantity,
        }
    }

    #[test]
    fn a_line_is_an_order_at_api_1_unless_it_names_the_other_api() {
        let text = "\u{feff}{\"item\":\"tea-pot\",\"quantity\":1}\r\n\n  \r\n\
                    {\"api\":\"api-2\",\"item\":\"top-hat\",\"quantity\":2}";
        let lines = read(text.as_bytes());
        let numbers: Vec<_> = lines.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [1, 4]);
        let orders: Vec<_> = lines.into_iter().map(|line| line.order.unwrap()).collect();
        let expected = [
            order(Api::Orders, "tea-pot", 1),
            order(Api::Inventory, "top-hat", 2),
        ];
        assert_eq!(orders, expected);
    }

    #[test]
    fn what_is_no_order_is_one_failed_line_and_the_next_line_counts() {
        for wrong in [
            "[]",
            r#"["api-1","x",1]"#,
            "{}",
            r#"{"item":"x"}"#,
            r#"{"item":"x","quantity":-1}"#,
            r#"{"item":"x","quantity":1,"price":0}"#,
            r#"{"api":"api-3","item":"x","quantity":1}"#,
            "{\"item\":\"\u{1b}[2J\"}",
        ] {
            let lines = read(format!("{wrong}\n{{\"item\":\"x\",\"quantity\":1}}\n").as_bytes());
            let why = lines[0].order.as_ref().unwrap_err();
            assert!(why.starts_with("this is no order: "), "{why}");
            assert!(!why.contains('\u{1b}'), "{why:?}");
            assert!(lines[1].order.is_ok(), "{lines:?}");
        }
        assert!(
            read(b"{\"item\":\"\xff\",\"quantity\":1}")[0]
                .order
                .is_err()
        );
    }

    #[test]
    fn a_line_is_bounded_and_never_held_whole() {
        let good = b"\n{\"item\":\"x\",\"quantity\":1}\n";
        let endless = io::repeat(b'x').take(50_000_000).chain(&good[..]);
        let mut lines = Lines::of(BufReader::new(endless));
        let first = lines.next_order().unwrap().unwrap();
        assert_eq!(
            first.order,
            Err("the line is longer than 4096 bytes".into())
        );
        assert!(lines.next_order().unwrap().unwrap().order.is_ok());
        // The longest line that fits.
        let padded = format!("{:<4096}", r#"{"item":"x","quantity":1}"#);
        assert!(read(padded.as_bytes())[0].order.is_ok());
        assert!(read(format!("{padded} ").as_bytes())[0].order.is_err());
    }

    #[tokio::test]
    async fn the_list_is_read_as_far_as_it_is_needed() {
        struct Counted(std::sync::Arc<std::sync::atomic::AtomicU64>);
        impl Read for Counted {
            fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
                let line = b"{\"item\":\"x\",\"quantity\":1}\n";
                self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                to[..line.len()].copy_from_slice(line);
                Ok(line.len())
            }
        }
        let count = std::sync::Arc::default();
        let source = BufReader::new(Counted(std::sync::Arc::clone(&count)));
        let mut orders = stream(source, 3);
        for number in 1..=5 {
            assert_eq!(orders.next().await.unwrap().number, number);
        }
        drop(orders);
        // Five taken, three in the channel, one in the hand of the thread.
        let read = count.load(std::sync::atomic::Ordering::SeqCst);
        assert!(read <= 9, "{read}");
    }

    #[test]
    fn fuzz_lists_of_orders() {
        let seeds = [
            "{\"item\":\"tea-pot\",\"quantity\":1}\r\n\n{\"api\":\"api-2\",\"item\":\"x\",\"quantity\":2}",
            "\u{feff}{}\n[]\n",
        ];
        fuzz::run(&seeds, |text| {
            let lines = read(text);
            let ends = text.split(|byte| *byte == b'\n').count() as u64;
            let mut before = 0;
            for line in &lines {
                assert!((before + 1..=ends).contains(&line.number));
                before = line.number;
                if let Err(why) = &line.order {
                    assert!(!why.contains(char::is_control), "{why:?}");
                }
            }
            assert_eq!(count(text).unwrap(), lines.len() as u64);
        });
    }
}
