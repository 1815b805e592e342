//! The harness of the process tests: a real recorder in a folder of its own, real servers beside it, and an HTTP
//! client that trusts just that recorder. Everything is on loopback, on ports reserved by a file lock, and ended by pid.

pub mod answer;
pub mod call;
pub mod chaos;
pub mod heard;
pub mod http;
pub mod live;
pub mod media;
pub mod node;
pub mod pin;
pub mod pki;
pub mod process;
pub mod receiver;
pub mod rtpengine;
pub mod script;
pub mod servers;
pub mod sip;
pub mod siprec;
pub mod slot;
pub mod switch;
pub mod vector;
pub mod wait;
pub mod wav;

pub use call::Call;
pub use http::Client;
pub use node::Node;
pub use process::Process;
pub use slot::Slot;
pub use switch::Switch;
