//! Sensitivity, derived tables and tables of the run.

use super::*;
use crate::query::own::Known;

#[test]
fn half_and_double_of_a_threshold_that_the_select_reads() {
    let engine = Engine::new(some_logins(), chrono_tz::UTC);
    let answer = engine.run(&query(GUESSING), &Overrides::new()).unwrap();
    let found = answer.result.sensitivity.unwrap();
    assert_eq!(
        (found.param.as_str(), found.unit.as_str()),
        ("min_failures", "failures")
    );
    let hits: Vec<(&str, u64)> = found
        .hits
        .iter()
        .map(|hit| (hit.value.as_str(), hit.rows))
        .collect();
    // One client failed twelve times and got in, the client without an address twice; nobody else did.
    assert_eq!(hits, [("1", 2), ("2", 2), ("4", 1)]);
    let overrides = Overrides::from([("min_failures".to_owned(), "12".to_owned())]);
    let answer = engine.run(&query(GUESSING), &overrides).unwrap();
    let hits = answer.result.sensitivity.unwrap().hits;
    let hits: Vec<(&str, u64)> = hits
        .iter()
        .map(|hit| (hit.value.as_str(), hit.rows))
        .collect();
    assert_eq!(hits, [("6", 1), ("12", 1), ("24", 0)]);
}

#[test]
fn advice_is_filled_like_the_sentence() {
    let engine = Engine::new(some_logins(), chrono_tz::UTC);
    let answer = engine.run(&query(GUESSING), &Overrides::new()).unwrap();
    let advice: Vec<&str> = answer
        .findings
        .iter()
        .filter_map(|one| one.advice.as_deref())
        .collect();
    assert!(
        advice.contains(&"Lock the account that 192.0.2.1 got into."),
        "{advice:?}"
    );
}

const DERIVED: &str = r#"-- title    = "Where it goes"
-- question = "Does it grow?"
-- tables   = ["logins"]
-- limits   = "None."
--
-- [derived.trend]
-- with  = "theil_sen"
-- input = "SELECT client_ip AS series, line AS x, 2 * line AS y FROM logins"
--
-- [[columns]]
-- name  = "client_ip"
-- kind  = "text"
-- about = "client"
--
-- [[columns]]
-- name  = "slope"
-- kind  = "number"
-- about = "slope"
SELECT series AS client_ip, slope FROM trend ORDER BY client_ip
"#;

#[test]
fn a_method_makes_a_table() {
    let query = query(DERIVED);
    assert_eq!(check(&query, TABLES), Vec::<String>::new());
    assert_eq!(check_shuffled(&query, &some_logins()), Vec::<String>::new());
    let engine = Engine::new(some_logins(), chrono_tz::UTC);
    let answer = engine.run(&query, &Overrides::new()).unwrap();
    let rows: Vec<Vec<String>> = answer
        .result
        .full
        .iter()
        .map(|row| row.iter().map(|cell| cell.text.clone()).collect())
        .collect();
    assert!(
        rows.contains(&vec!["192.0.2.1".to_owned(), "2".to_owned()]),
        "{rows:?}"
    );
}

#[test]
fn a_method_that_is_not_there_has_its_line() {
    let text = DERIVED.replace("theil_sen", "theil_son");
    let engine = Engine::new(some_logins(), chrono_tz::UTC);
    let error = engine
        .run(&query(&text), &Overrides::new())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(
            "guessing.sql:6: there is no method `theil_son` (hint: did you mean `theil_sen`?)"
        ),
        "{error}"
    );
    let text = DERIVED.replace("line AS x,", "line AS z,");
    let error = engine
        .run(&query(&text), &Overrides::new())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`input` gives no column `x` (hint: theil_sen reads `series`, `x` and `y`)"),
        "{error}"
    );
}

#[test]
fn sql_reads_the_tables_of_the_run() {
    let mut known = Known::default();
    known
        .networks
        .push(("192.0.2.8/32".parse().unwrap(), "relay"));
    known.holidays.insert("2026-12-25".parse().unwrap());
    let engine = Engine::new(some_logins(), chrono_tz::UTC).knowing(known);
    let texts = |sql: &str| {
        let found = engine.sql(sql).unwrap();
        let rows = found.rows.iter();
        rows.map(|row| {
            row.iter()
                .map(|cell| cell.text.clone())
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(
        texts("SELECT client_ip, network FROM clients WHERE kind = 'relay'"),
        ["192.0.2.8 192.0.2.0/24"]
    );
    assert_eq!(texts("SELECT day FROM holidays"), ["2026-12-25"]);
    assert_eq!(texts("SELECT COUNT(*) AS n FROM period"), ["1"]);
}
