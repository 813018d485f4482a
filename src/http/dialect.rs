//! The contract of a dialect, and the registry that finds the dialect of a path.

use hyper::body::Incoming;
use hyper::{HeaderMap, Method, Request, Response, Uri};

use crate::caller::Caller;
use crate::caller::permission::Needed;
use crate::caller::usage::Protocol;
use crate::http::app::App;
use crate::http::body::Body;
use crate::http::call::{Call, Reply};
use crate::http::interface::Interface;
use crate::http::listener::Ingress;
use crate::http::meters::MeterId;
use crate::http::problem;
use crate::http::refusal::Refusal;

/// The prefix of dialects that have their paths at the root.
pub(crate) const ROOT: &str = "/";

/// An interface over the service: its paths, its identification of callers, its shape of answers
/// and refusals.
///
/// A dialect is a folder below `dialect/` and a line in its registry. It MUST NOT import another
/// dialect.
pub(crate) trait Dialect: Send + Sync {
    /// The start of its paths. Below a prefix of its own a dialect answers every path, and all its
    /// requests are metered together, because its paths hold names that callers choose. At
    /// [`ROOT`] it answers its endpoints only, and each has a meter.
    fn prefix(&self) -> &'static str;

    /// The templates of the paths that it serves, with `{name}` for a part that callers choose.
    fn endpoints(&self) -> Vec<&'static str>;

    /// The name under which its use is counted.
    fn protocol(&self) -> Protocol;

    /// The interface of a path, which a listener serves or does not; `None` for one that every listener
    /// serves. Of paths that do not exist, too.
    fn interface(&self, path: &str) -> Option<Interface>;

    /// The permission that a call at `path` needs before it is answered; `None` when it needs none, or
    /// one that depends on more than the path: then the dialect checks it.
    fn needed(&self, path: &str) -> Option<Needed<'static>>;

    /// Whether a call is its own although another dialect has the path: by its method, its query or a header.
    fn claims(&self, _method: &Method, _target: &Uri, _headers: &HeaderMap) -> bool {
        false
    }

    /// Whether it exists only for peers on the operator's socket.
    fn is_for_peers_only(&self) -> bool {
        false
    }

    /// Whether a path is a page, to which a link of another site may lead.
    fn is_page(&self, _path: &str) -> bool {
        false
    }

    /// Identifies the caller: by default a peer, the holder of a token, or no one where none is needed.
    fn authenticate(
        &self,
        app: &App,
        ingress: &Ingress,
        request: &Request<Incoming>,
    ) -> Result<Caller, Refusal> {
        app.identify(ingress, request.headers())
    }

    /// Answers a call of an identified caller.
    fn answer(&self, call: Call<'_>) -> Reply;

    /// Answers a call whose caller was not identified.
    fn turn_away(&self, call: Call<'_>, refusal: Refusal) -> Reply {
        drop(call);
        Reply::Now(self.render(refusal))
    }

    /// The refusal of a request for another host, or from another site: by default an RFC 9457 problem.
    fn render_foreign(&self, refusal: Refusal) -> Response<Body> {
        problem::render(&refusal)
    }

    /// A refusal in the shape of this dialect: by default an RFC 9457 problem.
    fn render(&self, refusal: Refusal) -> Response<Body> {
        problem::render(&refusal)
    }
}

/// All dialects.
pub struct Dialects {
    all: Vec<Box<dyn Dialect>>,
    /// The first meter of each.
    first_meters: Vec<MeterId>,
    mounts: Vec<Mount>,
    root_paths: Vec<RootPath>,
    meter_labels: Vec<&'static str>,
    unknown: MeterId,
}

/// A dialect below a prefix of its own, and the meter of all its requests.
struct Mount {
    prefix: &'static str,
    is_for_peers_only: bool,
    dialect: usize,
    meter: MeterId,
}

/// A path at the root, the dialect that serves it, and its meter.
struct RootPath {
    path: &'static str,
    dialect: usize,
    meter: MeterId,
}

/// The dialect of a path, and the meter of the request.
pub(crate) struct Destination<'a> {
    pub(crate) dialect: &'a dyn Dialect,
    pub(crate) meter: MeterId,
}

impl Dialects {
    /// The first of `all` has its paths at [`ROOT`], and refuses the paths that no dialect serves.
    pub(crate) fn new(all: Vec<Box<dyn Dialect>>) -> Self {
        let (mut first_meters, mut mounts, mut root_paths) = (Vec::new(), Vec::new(), Vec::new());
        let mut meter_labels = Vec::new();
        let mut meter = |label| {
            meter_labels.push(label);
            MeterId(meter_labels.len() - 1)
        };
        for (dialect, it) in all.iter().enumerate() {
            let prefix = it.prefix();
            if prefix == ROOT {
                let paths: Vec<_> = it.endpoints().into_iter().map(|it| (it, meter(it))).collect();
                let first = paths.first().map(|(_, meter)| *meter);
                first_meters.push(first.unwrap_or_else(|| meter(it.protocol().name())));
                root_paths.extend(paths.into_iter().map(|(path, meter)| RootPath {
                    path,
                    dialect,
                    meter,
                }));
            } else {
                let is_for_peers_only = it.is_for_peers_only();
                let meter = meter(prefix.trim_end_matches('/'));
                first_meters.push(meter);
                mounts.push(Mount { prefix, is_for_peers_only, dialect, meter });
            }
        }
        // One meter for all: callers must not be able to fill the counters with names.
        let unknown = meter("other");
        Self { all, first_meters, mounts, root_paths, meter_labels, unknown }
    }

    /// The path templates of all dialects.
    #[cfg(test)]
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &'static str> {
        self.all.iter().flat_map(|dialect| dialect.endpoints())
    }

    /// The labels of the meters.
    pub(crate) fn meter_labels(&self) -> &[&'static str] {
        &self.meter_labels
    }

    /// The dialect that answers a call.
    pub(crate) fn find(
        &self,
        method: &Method,
        target: &Uri,
        headers: &HeaderMap,
        is_peer: bool,
    ) -> Destination<'_> {
        let path = target.path();
        if let Some(dialect) = self.all.iter().position(|it| it.claims(method, target, headers)) {
            return Destination { dialect: &*self.all[dialect], meter: self.first_meters[dialect] };
        }
        let mount = self
            .mounts
            .iter()
            .find(|mount| path.starts_with(mount.prefix) && (is_peer || !mount.is_for_peers_only));
        let root_path = || self.root_paths.iter().find(|root_path| root_path.path == path);
        let (dialect, meter) = match mount {
            Some(mount) => (mount.dialect, mount.meter),
            None => root_path().map_or((0, self.unknown), |it| (it.dialect, it.meter)),
        };
        Destination { dialect: &*self.all[dialect], meter }
    }
}
