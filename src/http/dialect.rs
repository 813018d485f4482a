//! The contract of a dialect, and the registry that finds the dialect of a path.

use hyper::body::Incoming;
use hyper::{Request, Response};

use crate::caller::{Caller, Peer};
use crate::http::app::App;
use crate::http::body::Body;
use crate::http::call::{Answer, Call};
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

    /// Whether it exists only for peers on the operator's socket.
    fn is_for_peers_only(&self) -> bool {
        false
    }

    /// Identifies the caller: by default a peer, or the holder of one of the service's tokens.
    fn authenticate(
        &self,
        app: &App,
        peer: Option<Peer>,
        request: &Request<Incoming>,
    ) -> Result<Caller, Refusal> {
        app.access.identify(peer, request.headers())
    }

    /// Answers a call of an identified caller.
    fn answer(&self, call: Call<'_>) -> Answer;

    /// Answers a call whose caller was not identified.
    fn turn_away(&self, call: Call<'_>, refusal: Refusal) -> Answer {
        drop(call);
        Answer::Now(self.render(refusal))
    }

    /// A refusal in the shape of this dialect: by default an RFC 9457 problem.
    fn render(&self, refusal: Refusal) -> Response<Body> {
        problem::render(&refusal)
    }
}

/// All dialects.
pub struct Dialects {
    all: Vec<Box<dyn Dialect>>,
    /// Prefix, peers only, dialect, meter.
    mounted: Vec<(&'static str, bool, usize, MeterId)>,
    /// Path, dialect, meter.
    at_root: Vec<(&'static str, usize, MeterId)>,
    /// The labels of the meters.
    labels: Vec<&'static str>,
}

/// The dialect of a path, and the meter of its requests.
pub(crate) struct Destination<'a> {
    pub(crate) dialect: &'a dyn Dialect,
    pub(crate) meter: MeterId,
}

impl Dialects {
    /// The first of `all` has its paths at [`ROOT`], and refuses the paths that no dialect serves.
    pub(crate) fn new(all: Vec<Box<dyn Dialect>>) -> Self {
        let (mut mounted, mut at_root, mut labels) = (Vec::new(), Vec::new(), Vec::new());
        for (number, dialect) in all.iter().enumerate() {
            let prefix = dialect.prefix();
            if prefix == ROOT {
                for path in dialect.endpoints() {
                    at_root.push((path, number, MeterId(labels.len())));
                    labels.push(path);
                }
            } else {
                let meter = MeterId(labels.len());
                mounted.push((prefix, dialect.is_for_peers_only(), number, meter));
                labels.push(prefix.trim_end_matches('/'));
            }
        }
        Self { all, mounted, at_root, labels }
    }

    /// The path templates of all dialects.
    #[cfg(test)]
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &'static str> {
        self.all.iter().flat_map(|dialect| dialect.endpoints())
    }

    /// The labels of the meters. Unknown paths have one label together: callers must not be able to
    /// fill the counters with names.
    pub(crate) fn meter_labels(&self) -> Vec<&'static str> {
        self.labels.iter().copied().chain(["other"]).collect()
    }

    /// The dialect that answers `path`.
    pub(crate) fn find(&self, path: &str, is_peer: bool) -> Destination<'_> {
        let mounted = self.mounted.iter().find(|(prefix, is_for_peers_only, ..)| {
            path.starts_with(prefix) && (is_peer || !is_for_peers_only)
        });
        let (number, meter) = match mounted {
            Some(&(.., number, meter)) => (number, meter),
            None => match self.at_root.iter().find(|(served, ..)| *served == path) {
                Some(&(_, number, meter)) => (number, meter),
                None => (0, MeterId(self.labels.len())),
            },
        };
        Destination { dialect: &*self.all[number], meter }
    }
}
