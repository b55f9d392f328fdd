//! The client end of a connection.
