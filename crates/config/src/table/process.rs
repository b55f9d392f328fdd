//! Files, the process, its threads.

use crate::directive::{Directive, Scope, Section};
use crate::value::{fitted, unless_zero};

const fn row(name: &'static str, syntax: &'static str) -> Directive {
    Directive::new(Section::Process, Scope::Global, name, syntax)
}

pub(super) static ROWS: &[Directive] = &[
    row("user", "NAME").default("mosquitto").restart().text(|d, v| d.config.user = v).doc(
        "The account to change to when the broker is started as root, after its ports are open. When the \
         account `mosquitto` does not exist, `nobody` is taken instead; `root` keeps root's privileges. The \
         environment variables `PUID` and `PGID` override it. Without effect for a broker not started as root.",
    ),
    row("pid_file", "PATH").restart().text(|d, v| d.config.pid_file = Some(v.into())).doc(
        "A file that holds the broker's process id while it runs. It is written at start and removed at the \
         end. Not being able to write it ends the start with exit code 14.",
    ),
    row("include_dir", "DIR").repeats().include().doc(
        "Reads every file of the directory whose name ends in `.conf`, as if its lines stood here. The order \
         is that of the names without regard to case; of two equal letters the upper-case one comes first. \
         It is followed in the main file only, and best put at its end.",
    ),
    row("shards", "N")
        .default("0")
        .restart()
        .int(0, 1024, |d, v| d.config.threads.shards = unless_zero(v))
        .doc(
            "Number of threads that serve clients. Each owns its connections and sessions. 0 starts one for \
             each core. A Pondhawk directive.",
        ),
    row("authentication_threads", "N")
        .default("1")
        .restart()
        .int(1, 64, |d, v| d.config.threads.authentication = fitted(v))
        .doc(
            "Number of threads that check passwords, so that a deliberately slow password hash holds up \
             nobody who is already connected. A Pondhawk directive.",
        ),
];
