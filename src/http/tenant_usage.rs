//! What a tenant has used, for the operator and for itself.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hyper::{Response, StatusCode};

use crate::api::tenants::{KeptAmounts, UsageAnswer, UsedAmounts, UsedHour};
use crate::caller::limiter::DAY_SECONDS;
use crate::caller::usage::{DayUsage, Usage};
use crate::http::body::Body;
use crate::http::call::OwnedCall;
use crate::http::query::{self, Invalid};
use crate::http::refusal::Refusal;
use crate::http::respond::json;
use crate::kv::Kept;
use crate::machine::{day_of_date, rfc3339, unix_now};

/// Days of an answer without `from`: a month.
const DAYS: u64 = 31;

/// The parameters: the first and the last day in UTC.
const NAMES: [&str; 2] = ["from", "to"];

/// The days of a query, since 1970: by default the last month.
///
/// # Errors
/// Names the invalid parameter.
pub(crate) fn days(query: &str) -> Result<RangeInclusive<u64>, Invalid> {
    let given = query::parse(query, &NAMES)?;
    let mut days = given.iter().zip(NAMES).map(|(value, name)| {
        let Some(text) = value.as_deref() else { return Ok(None) };
        let invalid = || Invalid::new(name, "this is not a date", "a date as 2026-01-31", text);
        day_of_date(text).ok_or_else(invalid).map(Some)
    });
    let (from, to) = (days.next().transpose()?.flatten(), days.next().transpose()?.flatten());
    let to = to.unwrap_or(unix_now() / DAY_SECONDS);
    let from = from.unwrap_or_else(|| to.saturating_sub(DAYS - 1));
    if from > to {
        let [given, _] = &given;
        let value = given.as_deref().unwrap_or_default();
        return Err(Invalid::new(
            "from",
            "it is after the last day",
            "a date up to that of to",
            value,
        ));
    }
    Ok(from..=to)
}

/// The use of the tenant of this name.
///
/// # Errors
/// When there is none, or the store cannot be read.
pub(crate) async fn answer(
    call: &OwnedCall,
    name: String,
    days: RangeInclusive<u64>,
) -> Result<Response<Body>, Refusal> {
    let tenants = Arc::clone(&call.app.tenants);
    call.on_store(move |store| {
        let used = tenants.usage(store, &name, &days)?;
        let kept = store.kept_below(&format!("{name}/"))?;
        Ok(json(StatusCode::OK, &shown(name, &days, &used, kept)))
    })
    .await
}

fn shown(
    tenant: String,
    days: &RangeInclusive<u64>,
    used: &BTreeMap<u64, DayUsage>,
    kept: Kept,
) -> UsageAnswer {
    let Kept { namespaces, records, bytes } = kept;
    let at_rest = KeptAmounts { namespaces, records, stored_bytes: bytes };
    let mut total = BTreeMap::<String, Usage>::new();
    let mut hours = Vec::new();
    for (day, usage) in used {
        for (hour, usage) in usage {
            let begin = text(day * DAY_SECONDS + u64::from(*hour) * 3600);
            for (protocol, usage) in usage {
                let name = protocol.name().to_owned();
                let sum = total.entry(name.clone()).or_default();
                *sum = sum.plus(*usage);
                hours.push(UsedHour { hour: begin.clone(), protocol: name, used: amounts(*usage) });
            }
        }
    }
    let total = total.into_iter().map(|(name, sum)| (name, amounts(sum))).collect();
    let date = |day: &u64| text(day.saturating_mul(DAY_SECONDS)).chars().take(10).collect();
    UsageAnswer { tenant, from: date(days.start()), to: date(days.end()), total, hours, at_rest }
}

fn text(unix: u64) -> String {
    rfc3339(
        SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(unix)).unwrap_or(SystemTime::now()),
    )
}

fn amounts(Usage { requests, bytes, key_uses }: Usage) -> UsedAmounts {
    UsedAmounts { requests, bytes, key_uses }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::usage::Protocol;

    #[test]
    fn days_are_dates_in_utc_and_by_default_the_last_month() {
        assert_eq!(days("from=2026-11-01&to=2026-11-02"), Ok(20_758..=20_759));
        let month = days("to=2026-11-30").expect("valid");
        assert_eq!(month.count(), 31);
        for query in [
            "from=yesterday",
            "to=2026-11-31",
            "from=2026-11-01T00:00:00Z",
            "since=1",
            "from=2026-11-02&to=2026-11-01",
        ] {
            assert!(days(query).is_err(), "{query}");
        }
    }

    #[test]
    fn hours_are_listed_and_summed_by_protocol() {
        let used = |requests| Usage { requests, bytes: 10 * requests, key_uses: 0 };
        let day = |hour, requests| (hour, BTreeMap::from([(Protocol::Native, used(requests))]));
        let days = BTreeMap::from([
            (20_758, DayUsage::from([day(0, 1), day(23, 2)])),
            (20_759, DayUsage::from([day(5, 4)])),
        ]);
        let answer = shown("acme".to_owned(), &(20_758..=20_759), &days, Kept::none());
        assert_eq!((&*answer.from, &*answer.to), ("2026-11-01", "2026-11-02"));
        assert_eq!(answer.total["native"], amounts(used(7)));
        let hours: Vec<_> = answer.hours.iter().map(|it| &*it.hour).collect();
        let expected = ["2026-11-01T00:00:00Z", "2026-11-01T23:00:00Z", "2026-11-02T05:00:00Z"];
        assert_eq!(hours, expected);
    }
}
