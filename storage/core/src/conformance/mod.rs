//! The suites that every implementation of a port passes, the in-memory ones included. For tests: they panic.

mod archive;
mod catalog;

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

pub use archive::archive;
pub use catalog::catalog;

/// Runs a suite against an implementation whose futures are ready at once.
pub fn at_once<T>(suite: impl Future<Output = T>) -> T {
    match pin!(suite).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("an in-memory future was not ready at once"),
    }
}
