//! `install-names`: links to this program under Mosquitto's names.

use crate::failure::system_text;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// The names that this program answers to.
pub(crate) const NAMES: [&str; 5] =
    ["mosquitto", "mosquitto_pub", "mosquitto_sub", "mosquitto_rr", "mosquitto_passwd"];

/// Makes the links in `directory`, which is made if it is not there; returns the exit code.
pub(crate) fn install(directory: Option<&Path>) -> i32 {
    let Some(directory) = directory else {
        eprintln!("Error: Say in which directory: pondhawk install-names DIRECTORY.");
        return 1;
    };
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            eprintln!("Error: Unable to find this program: {}.", system_text(&error));
            return 1;
        }
    };
    if let Err(error) = std::fs::create_dir_all(directory) {
        eprintln!("Error: Unable to make the directory {}: {}.", directory.display(), system_text(&error));
        return 1;
    }
    let mut code = 0;
    for name in NAMES {
        let link = directory.join(name);
        match make(&program, &link) {
            Ok(()) => println!("{} -> {}", link.display(), program.display()),
            Err(error) => {
                eprintln!("Error: Unable to make the link {}: {}.", link.display(), system_text(&error));
                code = 1;
            }
        }
    }
    code
}

/// Makes a link; one that is there already is replaced, anything else is left alone.
fn make(program: &Path, link: &Path) -> io::Result<()> {
    match link.symlink_metadata() {
        Ok(found) if found.is_symlink() => std::fs::remove_file(link)?,
        Ok(_) => {
            return Err(io::Error::other("a file of that name is there, and is not a link"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    symlink(program, link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_replaced_and_files_are_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let link = directory.path().join("mosquitto");
        make(Path::new("/first"), &link).expect("made");
        make(Path::new("/second"), &link).expect("replaced");
        assert_eq!(std::fs::read_link(&link).expect("a link"), Path::new("/second"));
        let file = directory.path().join("mosquitto_pub");
        std::fs::write(&file, "mine").expect("written");
        assert!(make(Path::new("/first"), &file).is_err());
        assert_eq!(std::fs::read(&file).expect("there"), b"mine");
    }
}
