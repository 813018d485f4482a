//! Every route of the `OpenAPI` description against every permission and limit, over every content type. A new
//! route without a line in the table fails. Those of Vault are in `vault_description.rs`.

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::Value;

use crate::TWO_KINDS;
use crate::running::{Answer, NAMESPACES, Running, get};
use crate::tenants::{create, namespace};

/// What a route needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Needs {
    /// Not even a token.
    Nothing,
    /// A tenant, whatever it may do.
    Tenant,
    Random,
    StatusRead,
    Seed,
    /// Reading the namespace.
    Read,
    /// Writing the namespace.
    Write,
    /// Writing namespaces of the title in the body.
    Title,
    /// The operator's socket.
    Socket,
}

use Needs::{Nothing, Random, Read, Seed, Socket, StatusRead, Tenant, Title, Write as Writes};

/// The path below the namespaces.
const SPACE: &str = "/client/v4/accounts/{account_id}/storage/kv/namespaces/{namespace_id}";

const ROUTES: [(&str, &str, Needs); 41] = [
    ("get", "/random", Random),
    ("get", "/random/integers", Random),
    ("get", "/random/uuids", Random),
    ("get", "/random/strings", Random),
    ("get", "/random/shuffle", Random),
    ("get", "/seed", Seed),
    ("post", "/seed", Seed),
    ("get", "/pollen", Random),
    ("post", "/pollen", Random),
    ("get", "/health/live", Nothing),
    ("get", "/health/ready", Nothing),
    ("get", "/status", StatusRead),
    ("get", "/metrics", StatusRead),
    ("get", "/", StatusRead),
    ("get", "/wall.png", StatusRead),
    ("get", "/openapi.json", StatusRead),
    ("get", "/docs", StatusRead),
    ("get", "/tenants/me/usage", Tenant),
    ("get", "/client/v4/user", Tenant),
    ("get", "/client/v4/user/tokens/verify", Tenant),
    ("get", "/client/v4/memberships", Tenant),
    ("get", "/client/v4/accounts", Tenant),
    ("get", "/client/v4/accounts/{account_id}", Tenant),
    // Of those that a tenant may see.
    ("get", "/client/v4/accounts/{account_id}/storage/kv/namespaces", Tenant),
    ("post", "/client/v4/accounts/{account_id}/storage/kv/namespaces", Title),
    ("get", "", Read),
    ("put", "", Writes),
    ("delete", "", Writes),
    ("get", "/keys", Read),
    ("get", "/values/{key_name}", Read),
    ("put", "/values/{key_name}", Writes),
    ("delete", "/values/{key_name}", Writes),
    ("get", "/metadata/{key_name}", Read),
    ("put", "/bulk", Writes),
    ("delete", "/bulk", Writes),
    ("post", "/bulk/delete", Writes),
    ("post", "/bulk/get", Read),
    ("get", "/admin/keyring", Socket),
    ("get", "/admin/tenants", Socket),
    ("post", "/admin/tenants", Socket),
    ("post", "/admin/keyring/seal", Socket),
];

/// Content types of bodies, and a body of each that no call takes.
const CONTENT: [(&str, &str); 5] = [
    ("", ""),
    ("application/json", "{\"x\":"),
    ("text/plain", "x"),
    ("application/x-www-form-urlencoded", "a=b"),
    ("multipart/form-data; boundary=bound", "--bound--\r\n"),
];

/// The whole table: paths below a namespace are whole, and those of the socket are all that the description has.
fn routes(service: &Running) -> Vec<(String, String, Needs)> {
    let description: Value =
        serde_json::from_slice(&get(service, "/openapi.json").body).expect("JSON");
    let paths = description["paths"].as_object().expect("paths");
    let mut described = BTreeSet::new();
    for (path, methods) in paths.iter().filter(|(path, _)| !path.starts_with("/v1/")) {
        for method in ["get", "put", "post", "delete", "patch", "head", "options", "trace"] {
            if methods.get(method).is_some() {
                described.insert((method.to_owned(), path.clone()));
            }
        }
    }
    let of_socket: Vec<_> =
        described.iter().filter(|(_, path)| path.starts_with("/admin/")).cloned().collect();
    let mut routes: Vec<_> = ROUTES
        .iter()
        .filter(|(.., needs)| *needs != Socket)
        .map(|(method, path, needs)| {
            let is_below = matches!(needs, Read | Writes);
            let path = if is_below { format!("{SPACE}{path}") } else { (*path).to_owned() };
            ((*method).to_owned(), path, *needs)
        })
        .collect();
    routes.extend(of_socket.into_iter().map(|(method, path)| (method, path, Socket)));
    let listed = routes.iter().map(|(method, path, _)| (method.clone(), path.clone())).collect();
    assert_eq!(described, listed, "each route of the description has a permission here");
    routes
}

fn ask(
    service: &Running,
    token: &str,
    method: &str,
    path: &str,
    (content, body): (&str, &str),
) -> Answer {
    let mut stream = service.connect();
    let method = method.to_uppercase();
    let content =
        if content.is_empty() { String::new() } else { format!("content-type: {content}\r\n") };
    let ask = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer \
         {token}\r\n{content}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(ask.as_bytes()).expect("sent");
    Answer::read(stream)
}

/// The path of a template, in this namespace.
fn filled(path: &str, namespace: &str) -> String {
    let path = path.replace("{account_id}", "default").replace("{namespace_id}", namespace);
    let path = path.replace("{key_name}", "a").replace("{id}", namespace);
    let path = path.replace("{tenant}", "none").replace("{number}", "1");
    match path.as_str() {
        "/random/integers" => path + "?min=1&max=6",
        "/random/shuffle" => path + "?n=3",
        "/pollen" => path + "?challenge=x",
        "/random/strings" => path + "?length=8&alphabet=abc",
        _ => path,
    }
}

#[test]
fn every_route_is_refused_without_its_permission_and_answered_with_it() {
    let service = Running::start(TWO_KINDS);
    let id = namespace(&service, "acme/data");
    let tenant = |name: &str, allowed: &[&str]| {
        let allowed: Vec<_> = allowed.iter().flat_map(|it| ["--allow", it]).collect();
        create(&service, name, &allowed)
    };
    let none = tenant("none", &["keys:use:none"]);
    let others = ["kv:read:acm", "kv:write:acme", "kv:read:blue/*", "kv:write:acme/dat"];
    let tenants = [
        ("none", none, [].as_slice()),
        ("random", tenant("random", &["random"]), &[Random]),
        ("watch", tenant("watch", &["status:read"]), &[StatusRead]),
        ("seeds", tenant("seeds", &["seed"]), &[Seed]),
        ("reader", tenant("reader", &["kv:read:acme/*"]), &[Read]),
        ("writer", tenant("writer", &["kv:write:acme/*"]), &[Writes, Title]),
        ("others", tenant("others", &others), &[]),
    ];
    let expired = service.done(&["tenant", "token", "none"], "");
    service.done(&["tenant", "token", "none", "--revoke", "2"], "");
    for (method, path, needs) in routes(&service) {
        let path = filled(&path, &id);
        let of_space = matches!(needs, Read | Writes);
        for (name, token, may) in &tenants {
            let is_permitted = matches!(needs, Nothing | Tenant) || may.contains(&needs);
            for content in CONTENT {
                let title = ("application/json", "{\"title\":\"acme/data\"}");
                let content = if needs == Title { title } else { content };
                let said = || format!("{name}: {method} {path} {content:?}");
                if is_permitted && matches!(needs, Writes | Title) {
                    continue;
                }
                let answer = ask(&service, token, &method, &path, content);
                let has_other = of_space && matches!(*name, "reader" | "writer");
                let expected = match needs {
                    _ if is_permitted => {
                        assert!(!matches!(answer.status, 401 | 403 | 429), "{}", said());
                        continue;
                    }
                    Read | Writes if !has_other => 404,
                    Socket if may.contains(&StatusRead) => 404,
                    _ => 403,
                };
                assert_eq!(answer.status, expected, "{}: {}", said(), answer.text());
            }
        }
        // A revoked token is of no one, on any path but health.
        let revoked = ask(&service, expired.trim(), &method, &path, CONTENT[0]).status;
        let is_refused = revoked == 401;
        assert_eq!(is_refused, needs != Nothing, "{method} {path}: {revoked}");
        // No other method gets around it.
        for other in ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "TRACE", "PROPFIND"] {
            if matches!(needs, Nothing | Tenant | Title) {
                continue;
            }
            let status = ask(&service, &tenants[0].1, other, &path, CONTENT[1]).status;
            assert!(matches!(status, 403..=405), "none: {other} {path}: {status}");
        }
    }
    // Those that change something, each with a namespace of its own.
    let writer = &tenants[5].1;
    for (number, (method, path, _)) in
        routes(&service).iter().filter(|(.., needs)| *needs == Writes).enumerate()
    {
        let id = namespace(&service, &format!("acme/n{number}"));
        let status = ask(&service, writer, method, &filled(path, &id), CONTENT[1]).status;
        assert!(!matches!(status, 401 | 403 | 404 | 429), "{method} {path}: {status}");
    }
    let made =
        ask(&service, writer, "POST", NAMESPACES, ("application/json", "{\"title\":\"acme/new\"}"));
    assert_eq!(made.status, 200, "{}", made.text());
}

#[test]
fn every_route_is_under_its_limits_over_every_content_type() {
    let service = Running::start(TWO_KINDS);
    let id = namespace(&service, "acme/data");
    service.done(&["kv", "put", "acme/data", "a", "x"], "");
    let allow = ["random", "status:read", "seed", "kv:read:acme/*", "kv:write:acme/*"];
    let allow: Vec<_> = allow.iter().flat_map(|it| ["--allow", it]).collect();
    let tenant = |name: &str, limit: &[&str]| {
        let token = create(&service, name, &allow);
        service.done(&[&["tenant", "limit", name], limit].concat(), "");
        token
    };
    let spent = tenant("spent", &["--rate", "1/h"]);
    assert_eq!(ask(&service, &spent, "GET", "/random", CONTENT[0]).status, 200);
    let no_bytes = tenant("no-bytes", &["--bytes", "0B/day"]);
    let no_uses = tenant("no-uses", &["--key-uses", "0/day"]);
    // Of the owner, with limits of its own.
    tenant("acme", &["--records", "1", "--namespaces", "1"]);
    let guest = tenant("guest", &["--bytes", "none"]);
    for (method, path, needs) in routes(&service) {
        let path = filled(&path, &id);
        for content in CONTENT {
            let said = format!("{method} {path} {content:?}");
            let status = |token: &str| ask(&service, token, &method, &path, content).status;
            assert_eq!(status(&spent) == 429, needs != Nothing, "{said}");
            let gives_bytes = matches!(needs, Random | Read);
            if gives_bytes {
                assert_eq!(status(&no_bytes), 429, "{said}");
            }
            if matches!(needs, Read | Writes) {
                assert_eq!(status(&no_uses), 429, "{said}");
            } else {
                assert_ne!(status(&no_uses), 429, "{said}");
            }
        }
    }
    let multipart =
        "--bound\r\ncontent-disposition: form-data; name=\"value\"\r\n\r\nv\r\n--bound--\r\n";
    let space = format!("{NAMESPACES}/{id}");
    let bulk = "[{\"key\":\"b\",\"value\":\"x\"}]";
    for (method, path, content) in [
        ("PUT", format!("{space}/values/b"), CONTENT[0]),
        ("PUT", format!("{space}/values/b"), CONTENT[1]),
        ("PUT", format!("{space}/values/b"), CONTENT[2]),
        ("PUT", format!("{space}/values/b?expiration_ttl=600"), CONTENT[2]),
        ("PUT", format!("{space}/values/b"), (CONTENT[4].0, multipart)),
        ("PUT", format!("{space}/bulk"), ("application/json", bulk)),
        ("PUT", format!("{space}/bulk"), ("text/plain", bulk)),
        ("POST", NAMESPACES.to_owned(), ("application/json", "{\"title\":\"acme/new\"}")),
    ] {
        let answer = ask(&service, &guest, method, &path, content);
        assert_eq!(answer.status, 429, "{method} {path} {content:?}: {}", answer.text());
    }
}
