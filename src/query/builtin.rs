//! The built-in queries: one line each, in the order of their names. A test compares the list with `queries/`.

macro_rules! builtin {
    ($($name:literal,)*) => {
        /// Name and text of every file under `queries/`.
        pub const BUILTIN: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../queries/", $name, ".sql"))),)*
        ];
    };
}

builtin! {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// `section/stem` of the SQL files under `queries/`.
    fn on_disk() -> Vec<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("queries");
        let files = walkdir::WalkDir::new(&root)
            .into_iter()
            .filter_map(Result::ok);
        let names = files.filter_map(|file| {
            let path = file.path().strip_prefix(&root).ok()?.to_str()?;
            path.strip_suffix(".sql")
                .map(|name| name.replace('\\', "/"))
        });
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn the_list_is_the_folder() {
        let listed: Vec<&str> = BUILTIN.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            listed,
            on_disk(),
            "left: src/query/builtin.rs; right: queries/. Add or remove a line of the list, which is sorted."
        );
    }
}
