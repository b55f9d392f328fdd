//! What one machine leaves behind in a commit: its paths, its registry mirror, its build products.

use super::Problem;
use super::settings::Settings;
use super::tree::Tree;

/// Folders of a developer's machine. (In parts, or this file would break its rule.)
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Anywhere on its line, it allows a machine's path in an example.
const ALLOW_PATH: &str = "tidy: allow-path";

/// Where registries serve from. A manifest names packages, not servers.
const REGISTRY_HOSTS: &[&str] = &[
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("registry.npmjs", ".org"),
    concat!("files.pythonhosted", ".org"),
    concat!("pypi.org/sim", "ple"),
    concat!("proxy.golang", ".org"),
];

/// The only source that the lock file may name, as cargo writes it for everyone.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Bytes of a file that is not text.
const BINARY_BYTES_MAX: usize = 100_000;

/// No file knows the machine on which it was written.
pub fn machine_paths(tree: &Tree, _: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in tree.texts() {
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.contains(ALLOW_PATH)) {
            for folder in MACHINE_PATHS.iter().filter(|folder| names_folder(line, folder)) {
                let text = format!("`{folder}` is a place on one machine (in an example: `{ALLOW_PATH}`)");
                problems.push(Problem::new(path, index + 1, text));
            }
        }
    }
    problems
}

/// The folder at the root, not below another or in an address.
fn names_folder(line: &str, folder: &str) -> bool {
    let part_of_longer = |before: char| before.is_alphanumeric() || "_-./~}$*".contains(before);
    line.match_indices(folder).any(|(at, _)| !line[..at].ends_with(part_of_longer))
}

/// No file names a registry's server or a mirror of it.
pub fn registries(tree: &Tree, _: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in tree.texts() {
        for (index, line) in text.lines().enumerate() {
            for host in REGISTRY_HOSTS.iter().filter(|host| line.contains(**host)) {
                problems.push(Problem::new(
                    path,
                    index + 1,
                    format!("`{host}` is a registry's server: leave it out"),
                ));
            }
            let source = line.strip_prefix("source = ").filter(|_| path.ends_with("Cargo.lock"));
            if source.is_some_and(|source| source.trim_matches('"') != CRATES_IO) {
                problems.push(Problem::new(path, index + 1, "a dependency that is not from crates.io"));
            }
        }
    }
    problems
}

/// No build product is committed.
pub fn binaries(tree: &Tree, settings: &Settings) -> Vec<Problem> {
    tree.files()
        .filter(|(_, bytes)| bytes.len() > BINARY_BYTES_MAX && std::str::from_utf8(bytes).is_err())
        .filter(|(path, _)| !settings.binaries.iter().any(|exempt| exempt.covers(path)))
        .map(|(path, bytes)| {
            let text = format!(
                "{} bytes that are no text: generate it, or record it in xtask/tidy.toml",
                bytes.len()
            );
            Problem::new(path, 0, text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(rule: fn(&Tree, &Settings) -> Vec<Problem>, path: &str, text: &str) -> usize {
        rule(&Tree::of(&[(path, text)]), &Settings::default()).len()
    }

    #[test]
    fn paths_of_a_machine_are_noticed() {
        let place = MACHINE_PATHS[0];
        assert_eq!(count(machine_paths, "a.md", &format!("see {place}main and \"{place}x\"\n")), 1);
        assert_eq!(count(machine_paths, "a.md", &format!("https://example.com{place}main\n")), 0);
        assert_eq!(count(machine_paths, "a.md", &format!("{place}x # {ALLOW_PATH}\n")), 0);
        assert_eq!(count(machine_paths, "a.md", &format!("$ROOT{place}x\n")), 0);
    }

    #[test]
    fn registries_and_mirrors_are_noticed() {
        assert_eq!(count(registries, "a.json", &format!("https://{}/x\n", REGISTRY_HOSTS[2])), 1);
        assert_eq!(
            count(registries, "Cargo.lock", "source = \"registry+https://mirror.example/index\"\n"),
            1
        );
        assert_eq!(count(registries, "Cargo.lock", &format!("source = \"{CRATES_IO}\"\n")), 0);
    }

    #[test]
    fn large_binaries_are_noticed() {
        let bytes = "\u{0}".repeat(BINARY_BYTES_MAX + 1);
        assert_eq!(count(binaries, "text.txt", &bytes), 0, "long text is text");
        let tree = Tree::of_bytes("a.bin", vec![0xff; BINARY_BYTES_MAX + 1]);
        assert_eq!(binaries(&tree, &Settings::default()).len(), 1);
        let settings =
            Settings::parse("binaries = [{ path = \"a.bin\", reason = \"r\" }]").expect("well formed");
        assert!(binaries(&tree, &settings).is_empty());
    }
}
