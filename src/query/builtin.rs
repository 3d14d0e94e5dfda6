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
    "access/cleartext_and_legacy",
    "access/first_seen_source",
    "access/honeypot_names",
    "access/impossible_concurrency",
    "access/password_guessing",
    "access/password_spray",
    "access/service_abuse",
    "access/slow_bruteforce",
    "access/spray_distributed",
    "access/success_after_failures",
    "access/targeted_account",
    "access/user_enumeration",
    "capacity/bottleneck_stage",
    "capacity/busy_hour_ratio",
    "capacity/connection_concurrency",
    "capacity/daily_trend",
    "capacity/delay_percentiles",
    "capacity/delay_sla",
    "capacity/destination_concentration",
    "capacity/forecast",
    "capacity/hourly_profile",
    "capacity/large_messages",
    "capacity/limit_events",
    "capacity/limit_headroom",
    "capacity/overview",
    "capacity/peak_windows",
    "capacity/period_compare",
    "capacity/queue_age",
    "capacity/queue_depth",
    "capacity/queue_growth",
    "capacity/retry_amplification",
    "capacity/size_distribution",
    "capacity/top_destinations",
    "capacity/top_recipients",
    "capacity/top_senders",
    "capacity/transport_mix",
    "capacity/user_ranking",
    "capacity/weekday_hour_heatmap",
    "capacity/what_changed",
    "delivery/auth_policy",
    "delivery/by_destination",
    "delivery/by_dsn",
    "delivery/by_reason",
    "delivery/connectivity",
    "delivery/deferral_hotspots",
    "delivery/delayed_messages",
    "delivery/dns_failures",
    "delivery/expired",
    "delivery/greylist_outcome",
    "delivery/hard_bounce_repeat",
    "delivery/inactivity",
    "delivery/inbound_domain_health",
    "delivery/local_errors",
    "delivery/loops",
    "delivery/mx_failover",
    "delivery/notifications",
    "delivery/outage_windows",
    "delivery/outcomes",
    "delivery/quota_full",
    "delivery/reject_summary",
    "delivery/size_rejected",
    "delivery/throttled",
    "delivery/tls_failures",
    "delivery/typo_domains",
    "delivery/unknown_domains",
    "delivery/unknown_recipients",
    "delivery/we_are_blocked",
    "evidence/clock",
    "evidence/clock_hosts",
    "evidence/completeness",
    "evidence/gaps",
    "evidence/line_shapes",
    "evidence/rotation",
    "evidence/sequence",
    "evidence/server_events",
    "evidence/sources",
    "spam/account_many_ips",
    "spam/account_spread",
    "spam/backscatter_received",
    "spam/backscatter_sent",
    "spam/blocklisted_clients",
    "spam/campaign_cluster",
    "spam/compromised_account",
    "spam/content_verdicts",
    "spam/defer_fail_ratio",
    "spam/dha_distributed",
    "spam/directory_harvest",
    "spam/helo_anomaly",
    "spam/internal_spoof",
    "spam/invalid_rcpt_by_user",
    "spam/new_external_forward",
    "spam/off_hours_sending",
    "spam/open_relay_proof",
    "spam/protocol_abuse",
    "spam/quota_reject_storm",
    "spam/rejections_by_client",
    "spam/rejections_by_reason",
    "spam/relay_probes",
    "spam/sender_burst",
    "spam/sender_fanout",
    "spam/sender_login_mismatch",
    "spam/snowshoe",
    "spam/volume_outlier_client",
    "trace/account_timeline",
    "trace/affected_recipients",
    "trace/entities",
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
