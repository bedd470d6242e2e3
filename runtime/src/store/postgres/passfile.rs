//! libpq's password file: `host:port:database:user:password`, one per line, `*` for any.

use std::path::Path;

use super::secret::Secret;

/// Whom a password is wanted for.
pub(super) struct Whom<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// The password that a file has, if there is such a file and nobody else can read it.
pub(super) fn look_up(path: &Path, whom: &Whom<'_>) -> Option<Secret> {
    let text = std::fs::read_to_string(path).ok()?;
    if is_open_to_others(path) {
        tracing::warn!(
            path = %path.display(),
            "the password file is not used, for others can read it: `chmod 600` it"
        );
        return None;
    }
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| match_line(line, whom))
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).map_or(true, |found| found.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}

fn match_line(line: &str, whom: &Whom<'_>) -> Option<Secret> {
    let fields = fields(line);
    let [host, port, database, user, password] = &fields[..] else { return None };
    let wanted = [whom.host, &whom.port.to_string(), whom.database, whom.user];
    let fits = [host, port, database, user]
        .into_iter()
        .zip(wanted)
        .all(|(field, wanted)| field == "*" || field == wanted);
    fits.then(|| Secret::new(password))
}

/// The fields of a line: `\` takes away the meaning of a colon.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut field) = (Vec::new(), String::new());
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => field.extend(chars.next()),
            // The password is the rest of the line, colons and all.
            ':' if fields.len() < 4 => fields.push(std::mem::take(&mut field)),
            char => field.push(char),
        }
    }
    fields.push(field);
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOM: Whom<'static> = Whom { host: "db", port: 5432, database: "jobs", user: "ada" };

    #[test]
    fn the_first_line_that_fits_counts() {
        for (line, password) in [
            ("db:5432:jobs:ada:hush", Some("hush")),
            ("*:*:*:*:hush", Some("hush")),
            ("db:*:jobs:*:with\\:colon", Some("with:colon")),
            ("db:*:jobs:*:with:colon", Some("with:colon")),
            ("db:*:jobs:*:back\\\\slash", Some("back\\slash")),
            ("other:*:*:*:hush", None),
            ("db:5433:*:*:hush", None),
            ("db:5432:jobs:ada", None),
        ] {
            assert_eq!(match_line(line, &WHOM), password.map(Secret::new), "{line}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pgpass");
        std::fs::write(&path, "# mine\nother:*:*:*:no\n*:*:*:*:hush\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(look_up(&path, &WHOM), Some(Secret::new("hush")));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(look_up(&path, &WHOM), None);
        assert_eq!(look_up(&folder.path().join("none"), &WHOM), None);
    }
}
