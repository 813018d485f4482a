//! The schemas of the wire types, for `/openapi.json`: JSON Schema 2020-12, as `OpenAPI` 3.1 has it.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use crate::api::json::Json;
use crate::api::store::{BulkFound, BulkValues, Envelope};
use crate::api::{keys, problem, random, sealed_seed, status, store, tenants};

/// The place of the schemas in the document.
const PLACE: &str = "/components/schemas";

/// Every schema by its name. Requests may leave out a member that has a default; answers may not.
#[must_use]
pub(crate) fn schemas() -> BTreeMap<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|it| it.definitions_path = PLACE.into());
    let settings = settings.with_transform(RecursiveTransform(unwrap_lines));
    let mut requests = settings.clone().for_deserialize().into_generator();
    add::<keys::SealRequest>(&mut requests);
    add::<keys::UnsealRequest>(&mut requests);
    add::<keys::ProofRequest>(&mut requests);
    add::<keys::ConfirmRequest>(&mut requests);
    add::<keys::RevokeRequest>(&mut requests);
    add::<tenants::CreateTenantRequest>(&mut requests);
    add::<tenants::NewTokenRequest>(&mut requests);
    add::<tenants::LimitsRequest>(&mut requests);
    add::<tenants::PermissionsRequest>(&mut requests);
    add::<tenants::RemoveTenantRequest>(&mut requests);
    add::<store::TitleRequest>(&mut requests);
    add::<store::BulkPut>(&mut requests);
    add::<store::BulkGet>(&mut requests);
    add::<sealed_seed::SeedRequest>(&mut requests);
    let settings = settings.with_transform(RecursiveTransform(never_null_if_left_out));
    let mut answers = settings.for_serialize().into_generator();
    add::<random::RandomBytes>(&mut answers);
    add::<random::Integers>(&mut answers);
    add::<random::Texts>(&mut answers);
    add::<sealed_seed::SeedAnswer>(&mut answers);
    add::<sealed_seed::IdentityAnswer>(&mut answers);
    add::<problem::ProblemDocument>(&mut answers);
    add::<status::Status>(&mut answers);
    add::<keys::KeyringAnswer>(&mut answers);
    add::<keys::SealAnswer>(&mut answers);
    add::<keys::KeyList>(&mut answers);
    add::<keys::ClockAnswer>(&mut answers);
    add::<keys::ConfigurationAnswer>(&mut answers);
    add::<tenants::NewTokenAnswer>(&mut answers);
    add::<tenants::RemovedTenant>(&mut answers);
    add::<tenants::TenantList>(&mut answers);
    add::<tenants::TenantEntry>(&mut answers);
    add::<tenants::UsageAnswer>(&mut answers);
    add::<store::RepairAnswer>(&mut answers);
    add::<keys::VersionAnswer>(&mut answers);
    add::<keys::CompactionAnswer>(&mut answers);
    add::<store::Failure>(&mut answers);
    add::<Envelope<()>>(&mut answers);
    add::<Envelope<Json>>(&mut answers);
    add::<Envelope<store::NamespaceEntry>>(&mut answers);
    add::<Envelope<Vec<store::NamespaceEntry>>>(&mut answers);
    add::<Envelope<Vec<store::ListedRecord>>>(&mut answers);
    add::<Envelope<BulkValues<Option<BulkFound<Json>>>>>(&mut answers);
    add::<Envelope<store::BulkCount>>(&mut answers);
    add::<Envelope<store::AccountEntry>>(&mut answers);
    add::<Envelope<Vec<store::AccountEntry>>>(&mut answers);
    add::<Envelope<Vec<store::Membership>>>(&mut answers);
    add::<Envelope<store::StoreUser>>(&mut answers);
    add::<Envelope<store::VerifiedToken>>(&mut answers);
    let mut all: BTreeMap<_, _> = requests.take_definitions(true).into_iter().collect();
    all.extend(answers.take_definitions(true));
    all
}

fn add<T: JsonSchema>(to: &mut SchemaGenerator) {
    let _ = to.subschema_for::<T>();
}

/// Joins the lines of a doc comment.
fn unwrap_lines(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}

/// In an answer, an optional member that is not required is left out instead of null, and no member is
/// filled in by a default.
fn never_null_if_left_out(schema: &mut Schema) {
    schema.remove("default");
    let required = schema.get("required").cloned().unwrap_or_default();
    let Some(Value::Object(members)) = schema.get_mut("properties") else { return };
    for (name, member) in members {
        let is_required = required.as_array().is_some_and(|it| it.contains(&json!(name)));
        if let Some(member) = member.as_object_mut().filter(|_| !is_required) {
            if let Some(Value::Array(types)) = member.get_mut("type") {
                types.retain(|name| name != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    member.insert("type".to_owned(), one);
                }
            }
            if let Some(Value::Array(choices)) = member.get_mut("anyOf") {
                choices.retain(|choice| *choice != json!({ "type": "null" }));
                if let [Value::Object(one)] = choices.as_slice() {
                    let one = one.clone();
                    member.remove("anyOf");
                    member.extend(one);
                }
            }
        }
    }
}
