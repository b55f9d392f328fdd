//! Links between our own pages: a reader who follows one arrives.

use super::Problem;
use super::settings::Settings;
use super::tree::Tree;

/// Every relative link of a page leads to a file or folder of the repository.
pub fn resolve(tree: &Tree, _: &Settings) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (path, text) in tree.texts().filter(|(path, _)| path.ends_with(".md")) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (line, target) in links(text) {
            match destination(folder, target) {
                Some(destination) if tree.has(&destination) => {}
                _ => problems.push(Problem::new(path, line, format!("`{target}` leads nowhere"))),
            }
        }
    }
    problems
}

/// Line and target of each link to a file, outside code.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        // Every second part stands between backticks.
        for part in line.split('`').step_by(2) {
            let targets = part.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
            links.extend(targets.filter(|target| is_file(target)).map(|target| (index + 1, target)));
        }
    }
    links
}

fn is_file(target: &str) -> bool {
    !target.is_empty()
        && !target.starts_with('#')
        && !target.contains("://")
        && !target.starts_with("mailto:")
}

/// The path from the repository's root; none when it leads out of it.
fn destination(folder: &str, target: &str) -> Option<String> {
    let target = target.split('#').next().unwrap_or_default();
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str) -> usize {
        let tree = Tree::of(&[("docs/a.md", text), ("docs/design/b.md", ""), ("README.md", "")]);
        resolve(&tree, &Settings::default()).len()
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        for link in
            ["design/b.md", "./design/b.md#part", "design", "../README.md", "#here", "https://example.com/x"]
        {
            assert_eq!(broken(&format!("see [it]({link}).\n")), 0, "{link}");
        }
    }

    #[test]
    fn links_that_lead_nowhere_do_not() {
        for link in ["b.md", "../../README.md", "design/c.md#part"] {
            assert_eq!(broken(&format!("see [it]({link} \"title\").\n")), 1, "{link}");
        }
    }

    #[test]
    fn code_is_not_read() {
        assert_eq!(broken("```\n[a](gone.md)\n```\n`[a](gone.md)`\n"), 0);
        assert_eq!(broken("`x` [`a`](gone.md)\n"), 1);
    }
}
