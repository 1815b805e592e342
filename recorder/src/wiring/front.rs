//! The thread of signaling: a runtime of its own, where one thread reads sockets, decides and answers.
//!
//! Its tasks wake each other for every message. On one thread that is a push to a list; between two workers it is a
//! system call and a change of threads.

use std::thread::JoinHandle;

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

use crate::fault::Fault;

/// The running thread. It ends with this value; what still runs on it is dropped then.
pub(crate) struct Front {
    handle: Handle,
    end: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Front {
    pub(crate) fn start() -> Result<Self, Fault> {
        let failed = |error: std::io::Error| Fault::Failed(format!("the runtime of signaling cannot start: {error}"));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        let thread = std::thread::Builder::new().name("signaling".into());
        let thread = thread.spawn(move || drop(runtime.block_on(ended))).map_err(failed)?;
        Ok(Self { handle, end: Some((end, thread)) })
    }

    pub(crate) const fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.end.take() {
            drop(end);
            // It ended by panic: the process has ended with it.
            let _ = thread.join();
        }
    }
}
