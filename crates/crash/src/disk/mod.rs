//! Where the broker's store is: an ordinary folder, a small disk that fills up, or one that forgets at a crash what was not
//! synced.

mod forgetful;
mod mount;
mod small;

pub(crate) use mount::Forgetful;
pub(crate) use small::Small;
