//! Password entries that both Mosquitto 2.0 and we can read (PBKDF2, 101 rounds); the password is `secret`.

/// A password file of the named users, out of `alice`, `bob` and `eve`.
pub fn password_file(users: &[&str]) -> String {
    users.iter().map(|user| format!("{user}:{}\n", hash(user))).collect()
}

/// The stored hash of a user.
pub fn hash(user: &str) -> &'static str {
    match user {
        "alice" => {
            "$7$101$CtwXZMptpJR90Bqc$Jj5/JXE4FVN+L+aZ7wEm3VpvY5vK7+fyEQ5AcB+uuUn16aPTiepgLrc59Fm3/+eTLGourU0i2dD6notywe+KWw=="
        }
        "bob" => {
            "$7$101$IR0vHNPoSPtC52t+$1EjCRg3OuBvuUJnCJhdtDlk71XIsX3pWIUswdygBHycdXXXGm5kpmO1Q7mG5aFf07rc1phkhwKVy9BIeWgDtqA=="
        }
        "eve" => {
            "$7$101$tpZIVqNMToLU3+Px$R1CWb8hLFp3yySvWJkwDk9KEEs5fUSZaSuumLdtU8DKiifBx5IfjYz+epmz/a5LlDkf+tNgYjBjoa/ifb4iWFw=="
        }
        other => panic!("no account {other}"),
    }
}

/// The password of every account.
pub const PASSWORD: &str = "secret";
