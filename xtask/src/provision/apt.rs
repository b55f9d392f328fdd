//! Debian packages. Installing a broker's package must not start a broker: while packages are installed a
//! `policy-rc.d` forbids services to start, and the service that came with them is disabled afterwards.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;

/// One thing that a package brings, and whether it is there already.
pub struct Need {
    /// The Debian package.
    pub package: &'static str,
    /// Nothing needs to be installed.
    pub met: bool,
}

impl Need {
    /// A need that is met when the program is found.
    pub fn program(program: &str, package: &'static str) -> Self {
        Self { package, met: process::find_program(program).is_some() }
    }
}

/// Runs as root with the packages as arguments.
const INSTALL: &str = r#"set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM HUP
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q --no-install-recommends "$@"
case " $* " in
    *" mosquitto "*) if command -v systemctl >/dev/null; then systemctl disable mosquitto || true; fi ;;
esac
"#;

/// Installs the packages of all needs that are not met.
pub fn ensure(needs: &[Need]) -> Result<()> {
    let missing = missing_packages(needs);
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if process::find_program("apt-get").is_none() {
        bail!("these programs are missing and this is no Debian: install what Debian calls {list}");
    }
    println!("installing Debian packages: {list}");
    let mut command = as_root()?;
    command.args(["sh", "-c", INSTALL, "install"]).args(&missing);
    process::run(&mut command).with_context(|| format!("could not install {list}"))
}

fn missing_packages(needs: &[Need]) -> Vec<&'static str> {
    needs.iter().filter(|need| !need.met).map(|need| need.package).collect()
}

/// True if this user may do everything.
pub fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// A command that runs the rest of its arguments as root.
fn as_root() -> Result<Command> {
    if is_root() {
        return Ok(Command::new("env"));
    }
    match process::find_program("sudo") {
        Some(sudo) => Ok(Command::new(sudo)),
        None => bail!("installing packages needs root: run this as root, or install sudo"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unmet_needs_are_installed() {
        let needs = [
            Need::program("sh", "dash"),
            Need::program("pondhawk-no-such-program", "absent"),
            Need { package: "python3-venv", met: false },
        ];
        assert_eq!(missing_packages(&needs), ["absent", "python3-venv"]);
    }

    #[test]
    fn nothing_is_run_when_all_needs_are_met() {
        ensure(&[Need { package: "no-such-package", met: true }]).expect("nothing to do");
    }

    #[test]
    fn the_install_script_is_valid_shell() {
        assert!(process::succeeds(Command::new("sh").args(["-n", "-c", INSTALL])));
    }
}
