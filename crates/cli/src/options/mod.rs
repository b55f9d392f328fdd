//! Command lines: one declared table of flags, from which come the parser, the usage text, the man pages and
//! the shells' completions. Before it: the program's arguments. After it: `connect`, `driver` and the tools.

mod check;
pub(crate) mod completion;
mod file;
pub(crate) mod flag;
pub(crate) mod man;
mod number;
pub(crate) mod parse;
mod property;
pub(crate) mod settings;
pub(crate) mod table;
mod url;
pub(crate) mod usage;
