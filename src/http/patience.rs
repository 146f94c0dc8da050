//! A connection's patience: a client that sends or reads nothing for too long is cut off.
//!
//! hyper limits how long a request's head may take, but only once it knows the HTTP version, and never how long
//! a client may let an answer wait. [`Patient`] covers both ends around one TCP stream: the first bytes must tell
//! the version within a time, and a write may stand still only so long.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// What an HTTP/2 client sends first (RFC 9113, section 3.4); anything else is HTTP/1.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream that fails with [`io::ErrorKind::TimedOut`] instead of waiting for ever.
#[derive(Debug)]
pub(super) struct Patient<S> {
    stream: S,
    /// Runs until the bytes read tell the HTTP version; `preface_matched` of them look like HTTP/2 so far.
    opening: Option<Pin<Box<Sleep>>>,
    preface_matched: usize,
    /// Runs while a write stands still.
    stall: Pin<Box<Sleep>>,
    stalled: bool,
    write_stall: Duration,
}

impl<S> Patient<S> {
    /// Gives the client `opening` for its first bytes, and `write_stall` for each time it stops reading.
    pub(super) fn new(stream: S, opening: Duration, write_stall: Duration) -> Self {
        Self {
            stream,
            opening: Some(Box::pin(sleep(opening))),
            preface_matched: 0,
            stall: Box::pin(sleep(write_stall)),
            stalled: false,
            write_stall,
        }
    }

    /// Ends the opening once `bytes` decide the HTTP version.
    fn note_read(&mut self, bytes: &[u8]) {
        let expected = &PREFACE[self.preface_matched..];
        let compared = bytes.len().min(expected.len());
        self.preface_matched += compared;
        if bytes[..compared] != expected[..compared] || self.preface_matched == PREFACE.len() {
            self.opening = None;
        }
    }

    /// Passes a finished write on; lets a pending one pend only while patience lasts.
    fn watch<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = false;
            return written;
        }
        if !self.stalled {
            self.stalled = true;
            self.stall.as_mut().reset(Instant::now() + self.write_stall);
        }
        match self.stall.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(timed_out("the client does not read its answer"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn timed_out(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, reason)
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.opening.is_some() {
            self.note_read(&buffer.filled()[before..]);
        }
        match &mut self.opening {
            Some(opening) if read.is_pending() => match opening.as_mut().poll(context) {
                Poll::Ready(()) => Poll::Ready(Err(timed_out("the client sends no request"))),
                Poll::Pending => Poll::Pending,
            },
            _ => read,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(context, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(3_600);

    /// Would catch a connection held open by a client that says nothing, or spells the preface out slowly.
    #[tokio::test]
    async fn an_undecided_opening_is_cut() {
        for opening in [&b""[..], b"PRI * HT"] {
            let (mut client, server) = duplex(64);
            client.write_all(opening).await.unwrap();
            let mut server = Patient::new(server, SHORT, LONG);
            let mut bytes = Vec::new();
            let error = server.read_to_end(&mut bytes).await.unwrap_err();
            assert_eq!((error.kind(), &bytes[..]), (io::ErrorKind::TimedOut, opening));
        }
    }

    /// Would catch a deadline of the opening that cuts a long request or a quiet, open HTTP/2 connection.
    #[tokio::test]
    async fn a_decided_opening_waits_on() {
        for opening in [&b"POST"[..], b"PRI * HTTP/1.1", PREFACE] {
            let (mut client, server) = duplex(64);
            let mut server = Patient::new(server, LONG, LONG);
            client.write_all(opening).await.unwrap();
            let mut bytes = vec![0; opening.len()];
            server.read_exact(&mut bytes).await.unwrap();
            assert!(server.opening.is_none(), "{opening:?}");
        }
    }

    /// Would catch an answer that a client holds in memory for ever by not reading it.
    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut() {
        let (mut client, server) = duplex(4);
        let mut server = Patient::new(server, LONG, SHORT);
        server.write_all(b"1234").await.unwrap();
        assert_eq!(server.write_all(b"5").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        client.read_exact(&mut [0; 4]).await.unwrap();
        server.write_all(b"5678").await.unwrap();
    }
}
