//! The dialect of AWS KMS: `POST /` with the operation in `X-Amz-Target`, signed with an access key.
//!
//! Clients work unchanged with the address of this service as their endpoint and an access key of a tenant. The
//! keys are those of the tenant: each has its id as its name there.

mod aliases;
mod ciphertext;
pub(crate) mod due_deletion;
mod fault;
mod key_record;
mod keys;
mod macs;
mod operations;
mod page;
mod random;
pub(crate) mod signature;
mod signed_call;
mod texts;

use std::sync::Arc;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, Uri};

use crate::audit::Asked;
use crate::caller::Caller;
use crate::caller::permission::Needed;
use crate::caller::tenant::Tenant;
use crate::caller::usage::Protocol;
use crate::dialect::aws_kms::fault::Fault;
use crate::dialect::aws_kms::signature::Signature;
use crate::dialect::aws_kms::signed_call::SignedCall;
use crate::http::app::App;
use crate::http::body::Body;
use crate::http::body_reading::BodyLimits;
use crate::http::call::{Call, IdentifiedLate, OwnedCall, Reply};
use crate::http::dialect::{Dialect, ROOT};
use crate::http::interface::Interface;
use crate::http::listener::Ingress;
use crate::http::refusal::Refusal;
use crate::http::respond::ok_of;
use crate::machine::unix_now;

/// The operation.
const TARGET: HeaderName = HeaderName::from_static("x-amz-target");

/// The id of a request, as clients of AWS look for it.
const AMAZON_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Limits of a body: two sealed texts, a description and a context fit.
const BODY: BodyLimits = BodyLimits { bytes: 64 * 1024, copies: 2 };

/// The dialect.
pub(crate) struct AwsKms;

impl Dialect for AwsKms {
    fn prefix(&self) -> &'static str {
        ROOT
    }

    /// Its path is that of a page, too: a header tells them apart.
    fn endpoints(&self) -> Vec<&'static str> {
        Vec::new()
    }

    fn claims(&self, method: &Method, target: &Uri, headers: &HeaderMap) -> bool {
        target.path() == "/" && *method == Method::POST && headers.contains_key(TARGET)
    }

    fn protocol(&self) -> Protocol {
        Protocol::AwsKms
    }

    fn interface(&self, _path: &str) -> Option<Interface> {
        Some(Interface::Aws)
    }

    /// It depends on the operation, and on the signature, which covers the body.
    fn needed(&self, _path: &str) -> Option<Needed<'static>> {
        None
    }

    /// The caller is identified after its body was received.
    fn authenticate(
        &self,
        _app: &App,
        _ingress: &Ingress,
        _request: &Request<Incoming>,
    ) -> Result<Caller, Refusal> {
        Ok(Caller::Anonymous)
    }

    fn answer(&self, call: Call<'_>) -> Reply {
        let ingress = call.ingress.clone();
        let mut call = call.into_owned();
        Reply::later(async move {
            let id = call.id.clone();
            let mut identified = None;
            let answered = answer(&mut call, &ingress, &mut identified).await;
            if matches!(&answered, Err(fault) if fault.is_unidentified()) {
                call.app.record_turned_away(Asked::Keys).await;
            }
            let mut response = answered.unwrap_or_else(|fault| fault.render());
            response.headers_mut().insert(AMAZON_ID, id);
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            if let Some(tenant) = identified {
                response.extensions_mut().insert(IdentifiedLate(tenant));
            }
            call.finish(response).await
        })
    }

    fn render_foreign(&self, refusal: Refusal) -> Response<Body> {
        Fault::from(refusal).render()
    }

    fn render(&self, refusal: Refusal) -> Response<Body> {
        Fault::from(refusal).render()
    }
}

/// Checks who calls, then does what was asked. `identified` gets the tenant once its signature is right.
async fn answer(
    call: &mut OwnedCall,
    ingress: &Ingress,
    identified: &mut Option<Arc<Tenant>>,
) -> Result<Response<Body>, Fault> {
    let signature = Signature::of(&call.request, unix_now())?;
    let target = call.request.headers().get(TARGET).and_then(|target| target.to_str().ok());
    let target = target.unwrap_or_default().to_owned();
    // Else anyone could have the memory of bodies.
    call.app.check_signer(ingress, &signature.access_key)?;
    let body = call.receive(BODY).await?;
    let is_signed = |secret: &str| signature.is_of(secret, &body.bytes);
    let tenant = call.app.identify_signed(ingress, &signature.access_key, is_signed)?;
    let Some(tenant) = tenant else { return Err(Fault::wrong_signature()) };
    tenant.admit(Instant::now()).map_err(Refusal::from)?;
    // Also when its client goes before the answer is there.
    tenant.count_request(Protocol::AwsKms);
    *identified = Some(Arc::clone(&tenant));
    call.caller = Caller::Tenant(Arc::clone(&tenant));
    let (app, region) = (Arc::clone(&call.app), signature.region);
    let done = call
        .operate(move |store, actor| {
            let (tenant, region, body) = (&*tenant, &*region, &*body.bytes);
            let signed = SignedCall { app: &app, store, actor, tenant, region, body };
            Ok(operations::run(&signed, &target))
        })
        .await??;
    let text = done.map(|mut text| std::mem::take(&mut *text)).unwrap_or_default();
    Ok(ok_of(fault::MEDIA_TYPE, text))
}
