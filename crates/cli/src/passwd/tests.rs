//! Whole runs of the command, with streams and terminal replaced.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use pondhawk_auth::PasswordFile;

use super::*;

/// What is typed, and whether the echo was switched off and on again around it.
#[derive(Default)]
struct Typed {
    lines: Vec<&'static [u8]>,
    hidden: Vec<bool>,
}

impl PasswordInput for Typed {
    fn begin(&mut self) -> io::Result<()> {
        self.hidden.push(true);
        Ok(())
    }

    fn line(&mut self, bytes_max: usize) -> io::Result<Vec<u8>> {
        assert_eq!(self.hidden.last(), Some(&true), "the echo must be off while a password is typed");
        let line = if self.lines.is_empty() { &[][..] } else { self.lines.remove(0) };
        Ok(line[..line.len().min(bytes_max)].to_vec())
    }

    fn end(&mut self) {
        self.hidden.push(false);
    }
}

struct Run {
    code: i32,
    out: String,
    err: String,
}

struct Place {
    dir: tempfile::TempDir,
    file: PathBuf,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pw");
        Place { dir, file }
    }

    /// Runs with `FILE` standing for the file.
    fn run(&self, args: &str, typed: &[&'static [u8]]) -> Run {
        let args =
            args.split(' ').map(|arg| if arg == "FILE" { self.file.clone().into() } else { arg.into() });
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut input = Typed { lines: typed.to_vec(), hidden: Vec::new() };
        let symlinks = Symlinks::Refuse;
        let code = Session { out: &mut out, err: &mut err, input: &mut input, symlinks }.run(args.collect());
        assert_ne!(input.hidden.last(), Some(&true), "the echo must be on again");
        Run { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
    }

    fn write(&self, text: &str) {
        fs::write(&self.file, text).unwrap();
        fs::set_permissions(&self.file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }

    fn accepts(&self, user: &str, password: &[u8]) -> bool {
        PasswordFile::load(&self.file, Symlinks::Refuse).unwrap().verify(user, password)
    }
}

#[test]
fn a_password_is_asked_for_twice_and_the_file_created() {
    let place = Place::new();
    let run = place.run("-H sha512 -c FILE ann", &[b"secret\n", b"secret\r\n"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert_eq!(run.out, "Password: \nReenter password: \nAdding password for user ann\n");
    assert!(place.accepts("ann", b"secret") && !place.accepts("ann", b"other"));
    assert_eq!(fs::metadata(&place.file).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn the_default_hash_is_argon2id() {
    let place = Place::new();
    assert_eq!(place.run("-b -c FILE ann p", &[]).code, 0);
    assert!(place.text().starts_with("ann:$argon2id$v=19$m=47104,t=1,p=1$"), "{}", place.text());
}

#[test]
fn the_other_hashes_are_made() {
    let place = Place::new();
    assert_eq!(place.run("-H sha512-pbkdf2 -b -c FILE ann p", &[]).code, 0);
    assert!(place.text().starts_with("ann:$7$1000$"));
    assert!(place.accepts("ann", b"p"));
    assert_eq!(place.run("-I 7 -b FILE ann q", &[]).code, 0);
    assert!(place.text().starts_with("ann:$7$7$"));
    assert_eq!(place.run("-H sha512 -b FILE ann r", &[]).code, 0);
    assert!(place.text().starts_with("ann:$6$"));
    assert!(place.accepts("ann", b"r"));
}

#[test]
fn passwords_that_differ_are_refused_with_2() {
    let place = Place::new();
    place.write("bob:x\n");
    for args in ["FILE ann", "-c FILE ann"] {
        let run = place.run(args, &[b"one\n", b"two\n"]);
        assert_eq!((run.code, run.err.as_str()), (2, "Error: Passwords do not match.\n"));
        assert_eq!(place.text(), "bob:x\n");
    }
}

#[test]
fn an_empty_or_endless_password_is_refused() {
    let place = Place::new();
    place.write("");
    for typed in [&[&b"\n"[..], b"\n"][..], &[], &[b"\r\n"]] {
        let run = place.run("FILE ann", typed);
        assert_eq!((run.code, run.err.as_str()), (1, "Error: Empty password.\n"));
    }
    let run = place.run("FILE ann", &[&[b'x'; 70_000]]);
    assert_eq!(run.code, 1);
    assert!(run.err.contains("less than 65536"), "{}", run.err);
}

#[test]
fn users_are_added_updated_and_deleted() {
    let place = Place::new();
    place.write("# staff\n");
    let run = place.run("-H sha512 -b FILE ann a", &[]);
    assert_eq!((run.code, run.out.as_str()), (0, "Adding password for user ann\n"));
    place.run("-H sha512 -b FILE bob b", &[]);
    let run = place.run("-H sha512 -b FILE ann c", &[]);
    assert_eq!((run.code, run.out.as_str()), (0, "Updating password for user ann\n"));
    assert!(place.accepts("ann", b"c") && place.accepts("bob", b"b") && !place.accepts("ann", b"a"));
    let run = place.run("-D FILE ann", &[]);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "", ""));
    assert!(!place.accepts("ann", b"c") && place.text().starts_with("# staff\nbob:$6$"));
    let run = place.run("-D FILE ann", &[]);
    assert_eq!((run.code, run.err.as_str()), (1, "Warning: User ann not found in password file.\n"));
}

#[test]
fn create_overwrites() {
    let place = Place::new();
    place.write("old:x\n");
    assert_eq!(place.run("-H sha512 -b -c FILE ann a", &[]).code, 0);
    assert!(!place.text().contains("old") && place.accepts("ann", b"a"));
}

#[test]
fn a_dash_prints_the_entry_alone() {
    let place = Place::new();
    let run = place.run("-H sha512 -c - ann", &[b"p\n", b"p\n"]);
    assert_eq!((run.code, run.err.as_str()), (0, "Password: \nReenter password: \n"));
    let file = PasswordFile::parse(run.out.as_bytes(), Path::new("-")).unwrap();
    assert!(file.verify("ann", b"p"));
    assert_eq!(fs::read_dir(place.dir.path()).unwrap().count(), 0);
}

#[test]
fn plain_text_is_converted() {
    let place = Place::new();
    place.write("ann:a\nbob:b\n");
    let run = place.run("-H sha512 -U FILE", &[]);
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "", ""));
    assert!(place.accepts("ann", b"a") && place.accepts("bob", b"b"));
    let once = place.text();
    assert_eq!(place.run("-U FILE", &[]).code, 0);
    assert_eq!(place.text(), once);
}

#[test]
fn a_file_that_is_none_is_left_alone() {
    let place = Place::new();
    place.write("ann:a\njunk\n");
    for args in ["-b FILE ann p", "-D FILE ann", "-U FILE"] {
        let run = place.run(args, &[]);
        assert_eq!((run.code, run.err.as_str()), (1, "Error: Corrupt password file at line 2.\n"), "{args}");
        assert_eq!(place.text(), "ann:a\njunk\n");
    }
}

#[test]
fn a_missing_file_is_named_before_anything_is_asked() {
    let place = Place::new();
    for args in ["FILE ann", "-b FILE ann p", "-D FILE ann", "-U FILE"] {
        let run = place.run(args, &[b"p\n", b"p\n"]);
        let name = place.file.display();
        let expected = format!("Error: Unable to open password file {name}. No such file or directory.\n");
        assert_eq!((run.code, run.out.as_str()), (1, ""), "{args}");
        assert!(run.err.starts_with(&expected), "{args}: {}", run.err);
    }
}

#[test]
fn a_link_is_refused_with_its_remedy() {
    let place = Place::new();
    let real = place.dir.path().join("real");
    fs::write(&real, "ann:a\n").unwrap();
    symlink(&real, &place.file).unwrap();
    for args in ["-b FILE ann p", "-b -c FILE ann p"] {
        let run = place.run(args, &[]);
        assert_eq!(run.code, 1);
        assert!(run.err.contains("MOSQUITTO_UNSAFE_ALLOW_SYMLINKS"), "{}", run.err);
        assert_eq!(fs::read_to_string(&real).unwrap(), "ann:a\n");
    }
}

#[test]
fn usage_and_errors_leave_with_1() {
    let place = Place::new();
    let help = place.run("--help", &[]);
    assert_eq!((help.code, help.err.as_str()), (1, ""));
    assert!(help.out.contains("Usage: mosquitto_passwd ") && help.out.ends_with('\n'));
    let wrong = place.run("FILE", &[]);
    assert_eq!((wrong.code, wrong.out.as_str()), (1, ""));
    assert!(wrong.err.contains("Usage: mosquitto_passwd "));
    let clash = place.run("-c -D FILE ann", &[]);
    assert_eq!((clash.code, clash.err.as_str()), (1, "Error: -c and -D cannot be used together.\n"));
}
