//! Capture against real loopback sockets, into a spool in memory whose chunks are opened again and compared.

mod control;
mod harness;
mod plain;
mod secure;
