//! The notes that this product began with: their commands, as they stand there.
//!
//! `notes/` beside this file has what can be run; [`the_data_is_what_the_notes_say`] compares it with the notes where
//! they can be read (they are not part of this repository). After it: [`super::verbatim`], [`super::snippets`] and
//! [`super::conf_files`] run it.

use std::path::PathBuf;

use crate::foreign;

/// The command lines that are not Docker's, in the notes' order.
pub const COMMANDS: &str = include_str!("notes/commands.txt");
/// The Python program that publishes.
pub const PUBLISH: &str = include_str!("notes/publish.py");
/// The Python program that subscribes (it continues one that has connected).
pub const SUBSCRIBE: &str = include_str!("notes/subscribe.py");
/// The two lines that keep anonymous clients out.
pub const AUTHENTICATION: &str = include_str!("notes/default.conf");

/// Subscribes to everything, without a name.
pub const SUBSCRIBE_TO_ALL: usize = 0;
/// Subscribes to everything, as `user`.
pub const SUBSCRIBE_AS_USER: usize = 1;
/// Publishes `hi there`, without a name.
pub const PUBLISH_HI: usize = 2;
/// Publishes `hello world`, as `user`.
pub const PUBLISH_HELLO: usize = 3;
/// Makes a password file.
pub const MAKE_PASSWORD_FILE: usize = 4;

/// A command line by its number.
pub fn command(number: usize) -> &'static str {
    COMMANDS.lines().nth(number).expect("one of the numbers above")
}

/// The accounts of the notes' system: `user` with the password `expert`, hashed as Mosquitto 1.4 did.
pub const ACCOUNTS: &str = "user:$6$9vN5zCsnZVhlEXeq$Py+NyLqmpO6WcXgW2yuWo8oP9PhnLiVij+yzvskfcPGy0ZVwVXMymJAz/lNH66rhlFwFewzZ8wD3Ol4WwoLLLQ==\n";

/// What stands in a page: fenced blocks, and quoted words within lines.
struct Page {
    fenced: Vec<String>,
    quoted: Vec<String>,
}

impl Page {
    fn read(text: &str) -> Self {
        let mut page = Self { fenced: Vec::new(), quoted: Vec::new() };
        for (index, part) in text.split("```").enumerate() {
            if index % 2 == 1 {
                // The first line is the language.
                let body = part.split_once('\n').map_or("", |(_, body)| body);
                page.fenced.push(body.to_owned());
            } else {
                let quoted = part.split('`').skip(1).step_by(2);
                page.quoted.extend(quoted.map(str::to_owned));
            }
        }
        page
    }

    /// What is quoted and begins with the name of a program.
    fn commands(&self) -> Vec<&str> {
        let quoted = self.quoted.iter().map(String::as_str);
        quoted.filter(|text| text.contains(' ')).collect()
    }
}

#[test]
fn a_page_is_taken_apart() {
    let page = Page::read("a `b c` d\n```python\ne\n  f\n```\n`g` and `h i j`\n```\nk\n```\n");
    assert_eq!(page.fenced, ["e\n  f\n", "k\n"]);
    assert_eq!(page.quoted, ["b c", "g", "h i j"]);
    assert_eq!(page.commands(), ["b c", "h i j"]);
}

#[test]
fn the_data_is_what_the_notes_say() {
    let path: PathBuf = foreign::folder().join("../../../../../shared/seed/notes.md");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: the notes are not at {}", path.display());
        return;
    };
    let page = Page::read(&text);
    let commands: Vec<&str> =
        page.commands().into_iter().filter(|line| !line.starts_with("docker ")).collect();
    assert_eq!(commands, COMMANDS.lines().collect::<Vec<_>>());
    assert_eq!(page.fenced, [PUBLISH, SUBSCRIBE, AUTHENTICATION]);
}
