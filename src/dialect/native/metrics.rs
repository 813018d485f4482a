//! `/metrics`: counters and state, as `OpenMetrics` if that is asked for, else in the text format of
//! Prometheus.

mod tenants;
mod text_format;

use std::fmt;
use std::iter;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, VARY};
use hyper::{HeaderMap, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::TypedMetric;
use prometheus_client::metrics::counter::ConstCounter as Counter;
use prometheus_client::metrics::gauge::ConstGauge as Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::api::status::{SourceStatus, Status, StoreSize};
use crate::caller::Caller;
use crate::caller::usage::Usage;
use crate::dialect::native::metrics::tenants::TenantRows;
use crate::http::access_log::AccessLog;
use crate::http::app::App;
use crate::http::body::Body;
use crate::http::format::{accept, negotiate};
use crate::http::listener::Listener;
use crate::http::meters::Meters;
use crate::http::status;
use lavawall_entropy::Readiness;

/// The prefix of every name.
const PREFIX: &str = "lavawall";

/// `OpenMetrics` 1.0, which the encoder writes and every Prometheus since 2.5 asks for.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a request can accept, the usual one first, and the media type of the answer.
const OFFERS: [(&str, &str); 2] =
    [("text/plain", text_format::MEDIA_TYPE), ("application/openmetrics-text", OPENMETRICS)];

/// Every state. One of them is 1.
const STATES: [Readiness; 4] =
    [Readiness::Starting, Readiness::Ready, Readiness::Degraded, Readiness::Refusing];

/// The answer of `/metrics` at `now`, to a caller's request with these headers.
pub(crate) fn answer(
    app: &App,
    caller: &Caller,
    request: &HeaderMap,
    now: Instant,
) -> Response<Body> {
    let facts = Facts {
        status: status::shown_to(app, caller, now),
        incidents: app.incidents.count(),
        scrub_completed: app.store.as_ref().and_then(|store| store.scrub_progress().completed),
        meters: Arc::clone(&app.meters),
        tenants: TenantRows::of(app, caller),
        token_attempts: app.token_attempts.counts(),
        listeners: tenants::refused_by_listener(app, caller),
        access_log_lost: app.access.log().map(AccessLog::lost_lines),
    };
    let mut text = render(facts);
    // One that accepts neither gets the usual form: a monitor is told nothing by a refusal.
    let accept = accept(request);
    let media_type = negotiate(accept.as_deref(), &OFFERS).unwrap_or(text_format::MEDIA_TYPE);
    if media_type != OPENMETRICS {
        text = text_format::from_openmetrics(&text);
    }
    let mut response = Response::new(Body::whole(text));
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("accept"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn render(facts: Facts) -> String {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(facts));
    let mut text = String::new();
    text::encode(&mut text, &registry).expect("a string takes all that is written to it");
    text
}

/// One answer. It holds no secret and no device's identity.
#[derive(Debug)]
struct Facts {
    status: Status,
    incidents: u64,
    scrub_completed: Option<SystemTime>,
    meters: Arc<Meters>,
    tenants: TenantRows,
    /// Wrong tokens, and calls refused after too many.
    token_attempts: (u64, u64),
    /// For a caller that may know of tenants.
    listeners: Vec<Arc<Listener>>,
    /// Absent without an access log.
    access_log_lost: Option<u64>,
}

impl Collector for Facts {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet(encoder);
        self.write_state(&mut sheet)?;
        self.write_store(&mut sheet)?;
        self.write_traffic(&mut sheet)?;
        self.write_listeners(&mut sheet)?;
        self.write_tenants(&mut sheet)?;
        self.write_sources(&mut sheet)
    }
}

impl Facts {
    fn write_state(&self, to: &mut Sheet<'_>) -> fmt::Result {
        let status = &self.status;
        to.one(
            "build",
            "What runs here",
            None,
            &Info::new([("version", status.version.as_str())]),
        )?;
        let names = STATES.map(|state| state.to_string());
        let one_hot = names
            .iter()
            .map(|name| ([("state", name.as_str())], Gauge::new(u32::from(*name == status.state))));
        to.each("state", "1 for the state the service is in", one_hot)?;
        to.one("generation", "Seeds since the start", None, &Gauge::new(status.generation))?;
        // Before the first seed the metric is absent: a zero would read as a fresh seed.
        if let Some(age) = status.seed_age_seconds {
            to.one("seed_age", "Age of the seed in use", Some(&Unit::Seconds), &Gauge::new(age))?;
        }
        let uptime = Gauge::new(status.uptime_seconds);
        to.one("uptime", "Time since the start", Some(&Unit::Seconds), &uptime)?;
        let present = Gauge::new(status.quorum.present.len());
        to.one("quorum_present", "Independent kinds that are healthy", None, &present)?;
        let needed = Gauge::new(status.quorum.needed);
        to.one("quorum_needed", "Independent kinds that a seed needs", None, &needed)?;
        // Absent while the file is not open: zeros would read as an empty store.
        if let Some(StoreSize { live_bytes, file_bytes }) =
            status.keyring.as_ref().and_then(|keyring| keyring.store)
        {
            let bytes = Some(&Unit::Bytes);
            to.one("store_live", "Size of the store's rows", bytes, &Gauge::new(live_bytes))?;
            to.one("store_file", "Size of the store's file", bytes, &Gauge::new(file_bytes))?;
        }
        let incidents = Counter::new(self.incidents);
        to.one("incidents", "Things an operator must look at", None, &incidents)?;
        let lost = Counter::new(status.log_lines_lost);
        to.one("log_lines_lost", "Lines of the log that could not be written", None, &lost)?;
        if let Some(lost) = self.access_log_lost {
            let help = "Lines of the access log that could not be written";
            to.one("access_log_lines_lost", help, None, &Counter::new(lost))?;
        }
        let suppressed = Counter::new(status.log_lines_suppressed);
        to.one("log_lines_suppressed", "Lines that callers caused, suppressed", None, &suppressed)
    }

    /// Nothing without a keyring: a zero would read as a sound store.
    fn write_store(&self, to: &mut Sheet<'_>) -> fmt::Result {
        let Some(keyring) = &self.status.keyring else { return Ok(()) };
        if let Some(records) = keyring.records.map(Gauge::new) {
            to.one("store_records", "Records in open namespaces", None, &records)?;
        }
        if let Some(damaged) = keyring.damaged.map(Gauge::new) {
            to.one("store_damaged_records", "Records that do not open", None, &damaged)?;
        }
        let read_only = Gauge::new(u32::from(keyring.read_only.is_some()));
        to.one("store_read_only", "1 while the store waits for its repair", None, &read_only)?;
        // Before the first round the metric is absent.
        let Some(completed) = self.scrub_completed else { return Ok(()) };
        let at = completed.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let help = "When the scrub had read every record, since 1970";
        to.one("store_scrub_completed_timestamp", help, Some(&Unit::Seconds), &Gauge::new(at))
    }

    fn write_traffic(&self, to: &mut Sheet<'_>) -> fmt::Result {
        let counts = self.meters.requests();
        let counts: Vec<_> = counts.map(|(at, code, count)| (at, label(code), count)).collect();
        let requests = counts.iter().map(|(endpoint, status, count)| {
            ([("endpoint", *endpoint), ("status", status.as_str())], Counter::new(*count))
        });
        to.each("requests", "Answers by endpoint and status", requests)?;
        let bytes = Counter::new(self.meters.bytes());
        to.one("random_bytes", "Bytes of random answers, in whatever form", None, &bytes)?;
        let (served, turned_away) = self.meters.connections();
        to.one("connections", "Connections served", None, &Counter::new(served))?;
        let help = "Connections refused because all were in use";
        to.one("connections_turned_away", help, None, &Counter::new(turned_away))?;
        let (wrong, slowed) = self.token_attempts;
        let help = "Wrong tokens, but for those from this machine";
        to.one("wrong_tokens", help, None, &Counter::new(wrong))?;
        let help = "Calls refused because too many wrong tokens came from their address";
        to.one("slowed_token_calls", help, None, &Counter::new(slowed))
    }

    /// Nothing for listeners that serve all tenants, and all clients themselves.
    fn write_listeners(&self, to: &mut Sheet<'_>) -> fmt::Result {
        let help = "Tokens refused because the listener does not serve their tenant";
        self.refused(to, "listener_foreign_tokens", help, Listener::foreign_tokens)?;
        let help =
            "Connections refused because they are of no proxy, or have no valid header of one";
        self.refused(to, "listener_refused_headers", help, Listener::refused_headers)
    }

    fn refused(
        &self,
        to: &mut Sheet<'_>,
        name: &str,
        help: &str,
        count: impl Fn(&Listener) -> Option<u64>,
    ) -> fmt::Result {
        let rows = self.listeners.iter().filter_map(|it| Some((it.name(), count(it)?)));
        let mut rows = rows.map(|(name, count)| ([("listener", name)], Counter::new(count)));
        match rows.next() {
            Some(first) => to.each(name, help, iter::once(first).chain(rows)),
            None => Ok(()),
        }
    }

    /// Nothing without tenants.
    fn write_tenants(&self, to: &mut Sheet<'_>) -> fmt::Result {
        let TenantRows { used, kept } = &self.tenants;
        if !kept.is_empty() {
            let records =
                kept.iter().map(|it| ([("tenant", &*it.tenant)], Gauge::new(it.kept.records)));
            to.each("tenant_records", "Records at rest, by tenant", records)?;
            // Absent while they are counted, after a start.
            let bytes = kept
                .iter()
                .filter_map(|it| Some(([("tenant", &*it.tenant)], Gauge::new(it.kept.bytes?))));
            to.each("tenant_stored_bytes", "Bytes at rest, by tenant", bytes)?;
        }
        if used.is_empty() {
            return Ok(());
        }
        let requests = self.tenants(|usage| usage.requests);
        to.each("tenant_requests", "Calls that were answered, by tenant", requests)?;
        let bytes = self.tenants(|usage| usage.bytes);
        to.each("tenant_answer_bytes", "Bytes of answers, by tenant", bytes)?;
        let key_uses = self.tenants(|usage| usage.key_uses);
        to.each("tenant_key_uses", "Calls that used a key, by tenant", key_uses)
    }

    fn tenants<'f>(
        &'f self,
        count: impl Fn(&Usage) -> u64 + 'f,
    ) -> impl Iterator<Item = ([(&'static str, &'f str); 2], Counter<u64>)> {
        self.tenants.used.iter().map(move |row| {
            let labels = [("tenant", &*row.tenant), ("dialect", row.protocol)];
            (labels, Counter::new(count(&row.usage)))
        })
    }

    fn write_sources(&self, to: &mut Sheet<'_>) -> fmt::Result {
        let healthy = |source: &SourceStatus| source.state == "healthy";
        let healthy = self.sources(|source| Gauge::new(u32::from(healthy(source))));
        to.each("source_healthy", "1 while the source passes its health tests", healthy)?;
        let rate = self.sources(|source| Gauge::new(source.credit_bits_per_second));
        to.each(
            "source_credit_rate",
            "Entropy credited over the last minute, in bits per second",
            rate,
        )?;
        let credit = self.sources(|source| Counter::new(source.credited_bits));
        to.each("source_credited_entropy", "Entropy credited since the start, in bits", credit)?;
        let help = "Min-entropy of one symbol in the last window of raw noise, in bits";
        let live = self.sources(|source| source.live.as_ref().map(|live| live.min_entropy));
        let live = live.filter_map(|(labels, h)| Some((labels, Gauge::new(h?))));
        to.each("source_live_min_entropy", help, live)?;
        let samples = self.sources(|source| Counter::new(source.samples));
        to.each("source_samples", "Samples read", samples)?;
        let alarms = self.sources(|source| Counter::new(source.alarms));
        to.each("source_alarms", "Alarms of health tests", alarms)
    }

    /// One value per source, labelled with its name and kind.
    fn sources<'f, M>(
        &'f self,
        value: impl Fn(&SourceStatus) -> M + 'f,
    ) -> impl Iterator<Item = ([(&'static str, &'f str); 2], M)> {
        self.status.sources.iter().map(move |source| {
            ([("source", source.id.as_str()), ("kind", source.kind.as_str())], value(source))
        })
    }
}

/// The text being written.
struct Sheet<'e>(DescriptorEncoder<'e>);

impl Sheet<'_> {
    fn one(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        value: &(impl EncodeMetric + TypedMetric),
    ) -> fmt::Result {
        value.encode(self.0.encode_descriptor(name, help, unit, value.metric_type())?)
    }

    fn each<'l, const N: usize, M: EncodeMetric + TypedMetric>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl Iterator<Item = ([(&'static str, &'l str); N], M)>,
    ) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(name, help, None, M::TYPE)?;
        for (labels, value) in rows {
            value.encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// A status code as a label; rare ones share one.
fn label(code: u16) -> String {
    if code == 0 { "other".to_owned() } else { code.to_string() }
}
