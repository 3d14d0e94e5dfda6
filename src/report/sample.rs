//! A report of made-up but realistic content, hostile strings among it, for tests and for looking at.

use serde_json::{Value, json};

use super::manifest::{ConfigUsed, FileHash, Manifest, OptionUsed, SourceHash};
use super::*;

/// What log lines may bring.
pub const HOSTILE: [&str; 8] = [
    "<script>alert(1)</script>@evil.example",
    "x](javascript:alert(1)) [y](http://evil.example/)",
    "=cmd|'/c calc'!A1",
    "user\u{202e}moc.elpmaxe@\u{202c}\0end\r\nSet-Cookie: x",
    "| # `code` *bold* _it_ ~~no~~ &amp; \"onload='x'\" |",
    "veryveryveryveryveryveryveryveryveryveryveryveryverylongwithoutanybreak@sub.sub.sub.sub.corp.example",
    "{{ report.title }}{% raw %}",
    "日本語 Grüße 🚀 www.evil.example",
];

pub fn column(name: &str, kind: ColumnKind) -> ColumnInfo {
    let about = format!("What {} means.", name.replace('_', " "));
    ColumnInfo {
        name: name.into(),
        kind,
        unit: String::new(),
        about,
    }
}

pub fn text(value: &str) -> Cell {
    Cell {
        value: value.into(),
        text: value.into(),
    }
}

pub fn number(value: f64, kind: ColumnKind) -> Cell {
    let json = if kind == ColumnKind::Count {
        json!(value as i64)
    } else {
        json!(value)
    };
    Cell {
        value: json,
        text: format::number(value, kind),
    }
}

pub fn cell(value: Value) -> Cell {
    let text = match &value {
        Value::Null => "–".to_string(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Cell { value, text }
}

pub fn section(id: &str, results: Vec<QueryResult>) -> Section {
    Section {
        id: id.into(),
        title: id.into(),
        intro: String::new(),
        results,
    }
}

pub fn result(name: &str, columns: &[(&str, ColumnKind)], rows: Vec<Vec<Cell>>) -> QueryResult {
    let id = name.replace('/', "-");
    QueryResult {
        name: name.into(),
        title: title(name),
        question: "What does this answer, in one sentence that an administrator would ask?".into(),
        not_assessable: None,
        columns: columns
            .iter()
            .map(|(name, kind)| column(name, *kind))
            .collect(),
        total: rows.len(),
        csv: format!("tables/{}.csv", id.replacen('-', "_", 1)),
        id,
        params: Vec::new(),
        limits: String::new(),
        controls: Vec::new(),
        sensitivity: None,
        chart: None,
        full: Full::new(rows.clone()),
        rows: rows.into_iter().take(25).collect(),
    }
}

fn title(name: &str) -> String {
    let stem = name.rsplit('/').next().unwrap_or(name).replace('_', " ");
    let mut chars = stem.chars();
    chars
        .next()
        .map(|c| c.to_uppercase().collect::<String>() + chars.as_str())
        .unwrap_or_default()
}

fn all(result: &QueryResult) -> Vec<Vec<Cell>> {
    result.full.iter().collect()
}

fn charted(mut result: QueryResult, kind: &str, x: &str, y: &[&str], label: &str) -> QueryResult {
    let spec = ChartSpec {
        kind: kind.into(),
        x: x.into(),
        y: y.iter().map(|y| y.to_string()).collect(),
        rows: (kind == "heatmap").then(|| "weekday".into()),
        series: None,
        sorted: false,
        label: label.into(),
    };
    result.chart = chart::draw(&spec, &result.columns, &all(&result));
    result
}

/// Numbers that look like a day's traffic, the same in every run.
fn wave(hour: u64, seed: u64) -> f64 {
    let day = [
        2, 1, 1, 1, 2, 4, 9, 22, 48, 66, 70, 61, 52, 60, 64, 58, 50, 38, 24, 16, 12, 9, 6, 3,
    ];
    (day[hour as usize % 24] * 37 + hour * seed * 7919 % 173) as f64
}

use ColumnKind::{Bytes, Count, Date, Seconds, Share, Text};

fn overview() -> QueryResult {
    let columns = [
        ("accepted", Count),
        ("deliveries", Count),
        ("delivered", Count),
        ("delivered_share", Share),
        ("bounced", Count),
        ("deferred", Count),
        ("expired", Count),
        ("rejections", Count),
        ("bytes", Bytes),
    ];
    let values = [
        49_816.0, 51_002.0, 48_977.0, 0.9603, 1_204.0, 3_310.0, 41.0, 22_871.0, 4.31e9,
    ];
    let row = columns
        .iter()
        .zip(values)
        .map(|((_, kind), v)| number(v, *kind))
        .collect();
    result("capacity/overview", &columns, vec![row])
}

fn hourly() -> QueryResult {
    let rows = (0..24).map(|h| {
        vec![
            number(h as f64, Count),
            number(wave(h, 1), Count),
            number(wave(h, 5) * 0.4, Count),
        ]
    });
    let columns = [("hour", Count), ("accepted", Count), ("rejected", Count)];
    let mut hourly = charted(
        result("capacity/hourly_profile", &columns, rows.collect()),
        "columns",
        "hour",
        &["accepted", "rejected"],
        "Messages a day by hour (local time)",
    );
    hourly.limits = "Complete days only; a day with a gap in the log is left out.".into();
    hourly
}

fn heatmap() -> QueryResult {
    let rows = (1..=7u64).flat_map(|d| {
        (0..24).map(move |h| {
            let weekend = if d > 5 { 0.15 } else { 1.0 };
            vec![
                number(d as f64, Count),
                number(h as f64, Count),
                number((wave(h, d) * weekend).round(), Count),
            ]
        })
    });
    let columns = [("weekday", Count), ("hour", Count), ("messages", Count)];
    let table = result("capacity/weekday_hour_heatmap", &columns, rows.collect());
    charted(
        table,
        "heatmap",
        "hour",
        &["messages"],
        "Messages accepted by weekday and hour (mean of weeks)",
    )
}

fn daily() -> QueryResult {
    let rows = (1..=30u64).map(|d| {
        let weekend = if d % 7 > 4 { 0.2 } else { 1.0 };
        let n = |seed: u64, scale: f64| {
            number(
                (wave(d * 5 % 24, seed) * scale * weekend + 40.0).round(),
                Count,
            )
        };
        vec![
            cell(json!(format!("2026-10-{d:02}"))),
            n(3, 1.0),
            n(4, 0.12),
            n(5, 0.07),
            n(6, 0.02),
        ]
    });
    let columns = [
        ("day", Date),
        ("delivered", Count),
        ("deferred", Count),
        ("bounced", Count),
        ("expired", Count),
    ];
    let table = result("capacity/daily_trend", &columns, rows.collect());
    charted(
        table,
        "stacked",
        "day",
        &["delivered", "deferred", "bounced", "expired"],
        "Deliveries by outcome and day",
    )
}

fn queue() -> QueryResult {
    let rows = (0..168u64).filter(|i| !(60..66).contains(i)).map(|i| {
        let at = format!("2026-10-{:02}T{:02}:00:00+02:00", 5 + i / 24, i % 24);
        vec![
            cell(json!(at)),
            number((wave(i, 2) / 6.0 + (i % 31) as f64).round(), Count),
        ]
    });
    let table = result(
        "capacity/queue_depth",
        &[("hour", ColumnKind::Time), ("messages", Count)],
        rows.collect(),
    );
    charted(
        table,
        "area",
        "hour",
        &["messages"],
        "Messages in the queue, highest of the hour",
    )
}

fn delays() -> QueryResult {
    let rows = (0..24u64).map(|h| {
        let p = |scale: f64| number(0.4 + wave(h, 3) / 900.0 * scale, Seconds);
        vec![number(h as f64, Count), p(0.2), p(1.4), p(5.0)]
    });
    let columns = [
        ("hour", Count),
        ("p50", Seconds),
        ("p90", Seconds),
        ("p99", Seconds),
    ];
    let table = result("capacity/delay_percentiles", &columns, rows.collect());
    charted(
        table,
        "line",
        "hour",
        &["p50", "p90", "p99"],
        "Delay from acceptance to delivery",
    )
}

fn senders() -> QueryResult {
    let rows = (0..180usize).map(|i| {
        let who = HOSTILE
            .get(i)
            .map_or_else(|| format!("list-{i}@corp.example"), |t| t.to_string());
        let n = (9000 / (i + 2)) as f64;
        vec![
            text(&who),
            number(n, Count),
            number(n / 49_816.0, Share),
            number(n * 8123.0, Bytes),
            text("mx1.corp.example"),
        ]
    });
    let columns = [
        ("sender", Text),
        ("messages", Count),
        ("share", Share),
        ("bytes", Bytes),
        ("host", Text),
    ];
    result("capacity/top_senders", &columns, rows.collect())
}

fn reasons() -> QueryResult {
    let reasons = [
        ("address", "user-unknown", 611),
        ("reputation", "blocklist", 240),
        ("network", "timeout", 118),
        ("policy", "greylist", 90),
        ("address", "mailbox-full", 77),
        ("dns", "nxdomain", 40),
        ("undetermined", "undetermined", 9),
    ];
    let rows = reasons.iter().map(|(cause, reason, n)| {
        vec![
            text(cause),
            text(reason),
            number(f64::from(*n), Count),
            number(f64::from(*n) / 1204.0, Share),
        ]
    });
    let columns = [
        ("cause", Text),
        ("reason", Text),
        ("attempts", Count),
        ("share", Share),
    ];
    let table = result("delivery/by_reason", &columns, rows.collect());
    charted(
        table,
        "bar",
        "reason",
        &["attempts"],
        "Unsuccessful attempts by reason",
    )
}

fn guessing() -> QueryResult {
    let rows = (0..12usize).map(|i| {
        let user = HOSTILE[i % HOSTILE.len()];
        vec![
            text(&format!("192.0.2.{}", i + 7)),
            number(4321.0 / (i + 1) as f64, Count),
            text(user),
            cell(json!("2026-10-03T04:12:55+02:00")),
            if i == 1 {
                cell(json!("2026-10-03T09:30:01+02:00"))
            } else {
                cell(Value::Null)
            },
        ]
    });
    let columns = [
        ("client_ip", Text),
        ("failures", Count),
        ("last_user", Text),
        ("first_failure", ColumnKind::Time),
        ("first_success", ColumnKind::Time),
    ];
    let mut guessing = result("access/password_guessing", &columns, rows.collect());
    guessing.params = vec![threshold()];
    guessing.limits = "Attempts through a proxy carry the proxy's address.".into();
    guessing.controls = vec!["NIST SP 800-53 AC-7".into(), "ISO/IEC 27001 A.8.5".into()];
    guessing
}

fn threshold() -> Param {
    Param {
        name: "min_failures".into(),
        value: "10".into(),
        unit: "failures an hour".into(),
        source: "NIST SP 800-63B, 5.2.2: no more than 100 consecutive failures".into(),
        changed: false,
    }
}

fn absent() -> QueryResult {
    let mut absent = result(
        "access/auth_summary",
        &[("method", Text), ("logins", Count)],
        Vec::new(),
    );
    absent.not_assessable = Some(
        "The logs have no SASL and no Dovecot login lines: it cannot be said who logged in.".into(),
    );
    absent
}

fn empty() -> QueryResult {
    result(
        "spam/relay_probes",
        &[("client_ip", Text), ("probes", Count)],
        Vec::new(),
    )
}

fn findings() -> Vec<Finding> {
    let finding = |severity, query: &str, title: &str, sentence: &str, total: u64| Finding {
        severity,
        query: query.into(),
        title: title.into(),
        sentence: sentence.into(),
        advice: None,
        thresholds: vec![threshold()],
        evidence: (0..total.min(10))
            .map(|i| Evidence {
                path: format!("mx1/mail.log-2026100{}.gz", i % 4),
                line: 4711 + i * 97,
            })
            .collect(),
        evidence_total: total,
        evidence_file: (total > 0).then(|| "evidence/001_access_password_guessing.txt".into()),
        controls: vec!["NIST SP 800-53 AC-7".into()],
    };
    let hostile = format!(
        "The client 192.0.2.8 guessed 2,160 passwords of {} and then logged in.",
        HOSTILE[0]
    );
    vec![
        finding(
            Severity::High,
            "access/password_guessing",
            "A guessed password worked",
            &hostile,
            2161,
        ),
        finding(
            Severity::Medium,
            "delivery/by_reason",
            "A provider blocks this server",
            "240 of 1,204 failed deliveries (19.9 %) were refused for this server's reputation, 231 of them by bigmail.example.",
            240,
        ),
        finding(
            Severity::Low,
            "capacity/queue_depth",
            "The queue grew at night",
            "The queue held 412 messages at 2026-10-07 03:00, 6.1 times its median of 67.",
            3,
        ),
        finding(
            Severity::Info,
            "capacity/overview",
            "One host was silent",
            "mx2 logged nothing for 6 h 12 min on 2026-10-07.",
            1,
        ),
    ]
}

fn coverage(sources: usize) -> Coverage {
    let row = |i: usize| SourceRow {
        path: format!("mx{}/mail.log-202610{:02}.gz", 1 + i % 2, 1 + i % 28),
        member: None,
        codec: "gzip".into(),
        format: "postfix".into(),
        hosts: format!("mx{}", 1 + i % 2),
        bytes: 1_234_567,
        decoded_bytes: 14_500_000,
        sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
        decoded_sha256: "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752".into(),
        lines: 96_430,
        events: 94_001,
        ignored: 2_400,
        unrecognised: 27,
        undecodable: 2,
        first: Some("2026-10-01T00:00:03+02:00".into()),
        last: Some("2026-10-01T23:59:58+02:00".into()),
        year: Some(2026),
        year_method: "mtime".into(),
        year_confidence: "assumed".into(),
        contradictions: (i == 1).then(|| "the year 2026 is by the file's mtime".into()),
        repeated: 0,
        problem: (i == 2).then(|| "gzip data end at byte 801,220: the rest is lost".into()),
    };
    Coverage {
        sources: (0..sources).map(row).collect(),
        sources_total: sources,
        lines: 964_305,
        events: 940_010,
        ignored: 24_000,
        unrecognised: 275,
        undecodable: 20,
        bytes: 12_345_670,
        decoded_bytes: 145_000_000,
        problems: vec![
            "mx1/mail.log-20261003.gz: gzip data end at byte 801,220; what came before is used."
                .into(),
        ],
        years: vec![
            "10 files have no year in their lines; it was taken from the file's mtime.".into(),
        ],
        undetermined: 9,
        classified_total: 24_075,
        complete: false,
        statement: "12 sources with 964,305 lines of 1 host (mx1). Damaged or not readable: 1 of the sources; 0.03 % of \
                    the lines (275) were not recognised."
            .into(),
        doubts: 0,
        answered: 0,
        questions: vec![Question {
            query: "access/auth_summary".into(),
            title: "Logins".into(),
            not_assessable: Some("the logs hold no authentication line".into()),
            remedy: Some("the log of the server that users log in to".into()),
        }],
    }
}

fn tile(label: &str, value: &str, note: &str, query: &str) -> Tile {
    Tile {
        change: None,
        label: label.into(),
        value: value.into(),
        note: note.into(),
        query: query.into(),
    }
}

fn tiles() -> Vec<Tile> {
    vec![
        tile(
            "Messages accepted",
            "49,816",
            "4.3 GB in all",
            "capacity/overview",
        ),
        tile(
            "Delivered",
            "96.0 %",
            "48,977 of 51,002 deliveries",
            "capacity/overview",
        ),
        tile(
            "Bounced",
            "1,204",
            "2.4 % of deliveries",
            "capacity/overview",
        ),
        tile(
            "Refused in SMTP",
            "22,871",
            "31.5 % of 72,687 offered",
            "capacity/overview",
        ),
        tile(
            "Busiest hour",
            "2,663",
            "2026-10-14 10:00",
            "capacity/overview",
        ),
        tile("Logins", "not assessable", "", "access/auth_summary"),
    ]
}

fn sections() -> Vec<Section> {
    let part = |id: &str, title: &str, results| Section {
        id: id.into(),
        title: title.into(),
        intro: "What passed through the servers, when it peaked, and what is growing.".into(),
        results,
    };
    vec![
        part(
            "volume",
            "Volume",
            vec![overview(), hourly(), heatmap(), daily(), senders()],
        ),
        part("queue", "Queue and delay", vec![queue(), delays()]),
        part("failures", "Failures", vec![reasons(), empty()]),
        part("access", "Logins", vec![absent(), guessing()]),
    ]
}

fn case() -> case::CaseFile {
    case::CaseFile {
        file: "case.toml".into(),
        sha256: Some("00".into()),
        header: case::Case {
            reference: "2026-0417".into(),
            purpose: Some(format!("Who guessed the password of {}?", HOSTILE[0])),
            requester: Some(HOSTILE[1].into()),
            examiner: Some(HOSTILE[3].into()),
            authority: None,
            handling: Some("Confidential; for the addressee alone.".into()),
        },
    }
}

fn muted() -> (Vec<MutedFinding>, Vec<MuteUsed>) {
    let muted = MutedFinding {
        finding: findings().remove(0),
        reason: format!("our monitor {}", HOSTILE[0]),
        until: Some("2026-12-31".into()),
    };
    let used = MuteUsed {
        place: format!("{}.toml:12", HOSTILE[0]),
        query: muted.finding.query.clone(),
        contains: Some(HOSTILE[1].into()),
        reason: muted.reason.clone(),
        until: muted.until.clone(),
        findings: 1,
        note: None,
    };
    let idle = MuteUsed {
        findings: 0,
        note: Some("muted nothing".into()),
        ..used.clone()
    };
    (vec![muted], vec![used, idle])
}

/// A report with everything in it.
pub fn report(kind: &str) -> Report {
    let (muted, mutes) = muted();
    Report {
        kind: kind.into(),
        organisation: Some(HOSTILE[1].into()),
        logo: None,
        title: "Mail audit".into(),
        intro: "For auditors and for those who answer them: what the logs show, on which evidence it rests, and what \
                they cannot say."
            .into(),
        tool: "mtaudit 0.1.0".into(),
        command: ["mtaudit", "report", kind, "--month", "2026-10", "logs/"].map(String::from).to_vec(),
        generated_at: Some("2026-11-02T09:00:00+01:00".into()),
        case: Some(case()),
        rehashed: Some(Rehashed {
            sources: 6,
            changed: vec![format!("{}: other SHA-256 than before", HOSTILE[0])],
            left_out: Vec::new(),
        }),
        manifest_sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".into(),
        period: Period {
            baseline: None,
            since: Some("2026-10-01T00:00:00+02:00".into()),
            until: Some("2026-11-01T00:00:00+01:00".into()),
            first: Some("2026-10-01T00:00:03+02:00".into()),
            last: Some("2026-10-31T23:59:58+01:00".into()),
            timezone: "Europe/Berlin".into(),
        },
        filters: vec!["host mx1".into()],
        tiles: tiles(),
        findings: findings(),
        muted,
        mutes,
        sections: sections(),
        coverage: coverage(6),
        method: vec![
            "Messages are followed by host and queue ID; a re-injected message counts once.".into(),
            "A share is claimed from 20 cases on.".into(),
        ],
    }
}

/// A report on nothing.
pub fn empty_report() -> Report {
    Report {
        tiles: Vec::new(),
        organisation: None,
        findings: Vec::new(),
        muted: Vec::new(),
        mutes: Vec::new(),
        sections: vec![section("none", Vec::new())],
        coverage: Coverage::default(),
        method: Vec::new(),
        period: Period::default(),
        filters: Vec::new(),
        case: None,
        rehashed: None,
        generated_at: None,
        command: Vec::new(),
        intro: String::new(),
        ..report("audit")
    }
}

/// More of everything than any log gives.
pub fn huge_report() -> Report {
    let mut huge = report("audit");
    let long = "<&\u{202e}\"'".repeat(64 * 1024 / 7);
    huge.coverage = coverage(10_000);
    huge.coverage.problems = vec![long.clone(); 1000];
    huge.findings = huge.findings.iter().cycle().take(500).cloned().collect();
    for finding in &mut huge.findings {
        finding.sentence.clone_from(&long);
    }
    let known = huge.muted.iter().cycle().take(500).cloned();
    huge.muted = known.collect();
    for known in &mut huge.muted {
        known.finding.sentence.clone_from(&long);
        known.reason.clone_from(&long);
    }
    huge.mutes = huge.mutes.iter().cycle().take(500).cloned().collect();
    let chart = hourly().chart;
    let results = (0..200).map(|i| {
        let rows = (0..25)
            .map(|_| vec![text("\u{202e}<&x>\u{202e}<&x>"); 20])
            .collect();
        let mut one = result(&format!("capacity/q{i}"), &[("column", Text); 20], rows);
        one.rows[0][0] = text(&long);
        one.chart.clone_from(&chart);
        one
    });
    huge.sections = vec![section("all", results.collect())];
    huge
}

pub fn manifest() -> Manifest {
    Manifest {
        tool: "mtaudit".into(),
        format: super::manifest::FORMAT,
        version: "0.1.0".into(),
        command: vec!["report".into(), "audit".into(), "logs/".into()],
        generated_at: None,
        kind: "audit".into(),
        complete: false,
        options: vec![OptionUsed {
            name: "timezone".into(),
            value: "Europe/Berlin".into(),
        }],
        paths: vec!["logs/".into()],
        parameters: Vec::new(),
        case: Some(case()),
        config: Some(ConfigUsed {
            file: "mtaudit.toml".into(),
            sha256: Some("00".into()),
            logo_sha256: None,
        }),
        sources: vec![SourceHash {
            path: "mx1/mail.log".into(),
            bytes: 3,
            sha256: Some("00".into()),
            decoded_bytes: 3,
            decoded_sha256: Some("00".into()),
            ..SourceHash::default()
        }],
        tables: Vec::new(),
        queries: vec![FileHash {
            name: "capacity/overview".into(),
            sha256: "00".into(),
            origin: "built in".into(),
        }],
        templates: Vec::new(),
        files: vec!["manifest.json".into(), "report.html".into()],
    }
}

/// `MTAUDIT_RENDER=/tmp/x cargo test --lib look_at_the_sample` writes the sample reports there, to be looked at.
#[test]
fn look_at_the_sample() {
    let Some(out) = std::env::var_os("MTAUDIT_RENDER") else {
        return;
    };
    let templates = templates::Templates::load(None).unwrap_or_else(|e| panic!("{e}"));
    for kind in templates.kinds() {
        let folder = folder::prepare(&std::path::Path::new(&out).join(kind))
            .unwrap_or_else(|e| panic!("{e}"));
        folder
            .write(
                &mut report(kind),
                &mut manifest(),
                &templates,
                folder::Evidence::new(),
            )
            .unwrap_or_else(|e| panic!("{e}"));
    }
}
