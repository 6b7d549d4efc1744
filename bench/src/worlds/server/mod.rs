//! Worlds over loopback HTTP: a chat completions provider that keeps its own books.

mod admission;
mod answer;
mod books;
mod call;
mod listener;
mod open_call;
mod requests;
mod routes;
mod state;

pub use books::Books;
pub use listener::WorldServer;
