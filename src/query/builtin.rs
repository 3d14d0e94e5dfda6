//! The built-in queries: one line each, in the order of their names. A test compares the list with `queries/`.

macro_rules! builtin {
    ($($name:literal,)*) => {
        /// Name and text of every file under `queries/`.
        pub const BUILTIN: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../queries/", $name, ".sql"))),)*
        ];
    };
}

builtin! {
    "access/auth_summary",
    "access/password_guessing",
    "access/success_after_failures",
    "capacity/daily_trend",
    "capacity/delay_percentiles",
    "capacity/hourly_profile",
    "capacity/overview",
    "capacity/peak_windows",
    "capacity/queue_depth",
    "capacity/size_distribution",
    "capacity/top_destinations",
    "capacity/top_recipients",
    "capacity/top_senders",
    "capacity/weekday_hour_heatmap",
    "delivery/by_destination",
    "delivery/by_dsn",
    "delivery/by_reason",
    "delivery/connectivity",
    "delivery/deferral_hotspots",
    "delivery/dns_failures",
    "delivery/expired",
    "delivery/outcomes",
    "delivery/unknown_recipients",
    "evidence/clock",
    "evidence/clock_hosts",
    "evidence/completeness",
    "evidence/gaps",
    "evidence/line_shapes",
    "evidence/rotation",
    "evidence/sequence",
    "evidence/server_events",
    "evidence/sources",
    "spam/blocklisted_clients",
    "spam/rejections_by_client",
    "spam/rejections_by_reason",
    "spam/relay_probes",
    "trace/unresolved",
}

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
