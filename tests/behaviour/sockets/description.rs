//! The OpenAPI document against what the sockets do.

use crate::stage::Dev;
use serde_json::Value;

/// A schema with its reference followed.
fn resolved<'a>(openapi: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => resolved(openapi, openapi.pointer(&reference[1..]).unwrap()),
        None => schema,
    }
}

/// Compares the members of a document with those of its schema, down through named schemas.
fn compare(openapi: &Value, schema: &Value, value: &Value, place: &str) {
    let schema = resolved(openapi, schema);
    if let Some(Value::Array(choices)) = schema.get("oneOf") {
        if !value.is_null() {
            let is_null = |choice: &&Value| choice["type"] == "null";
            let choice = choices.iter().find(|choice| !is_null(choice)).unwrap();
            compare(openapi, choice, value, place);
        }
        return;
    }
    let Some(Value::Object(properties)) = schema.get("properties") else { return };
    let Value::Object(members) = value else { panic!("{place}: {value} is no object") };
    for (name, member) in members {
        let property =
            properties.get(name).unwrap_or_else(|| panic!("{place}.{name} is not described"));
        compare(openapi, property, member, &format!("{place}.{name}"));
    }
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    for name in required.iter().map(|name| name.as_str().unwrap()) {
        assert!(members.contains_key(name), "{place}.{name} is missing in {value}");
    }
}

/// A path as it is asked for: with a name where it has one, and what it must have after it.
fn with_parameters(path: &str, operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let required = parameters.iter().filter(|p| p["in"] == "query" && p["required"] == true);
    let required: Vec<_> = required
        .map(|parameter| format!("{}=a-text-of-some-length", parameter["name"].as_str().unwrap()))
        .collect();
    format!("{}?{}", path.replace("{name}", "reports"), required.join("&"))
}

#[test]
fn every_route_that_is_described_answers_as_described() {
    let dev = Dev::start();
    let admin = dev.socket.beside("admin.sock");
    let openapi = dev.socket.json("/v1/openapi.json");
    assert_eq!(openapi, admin.json("/v1/openapi.json"));
    assert!(openapi["openapi"].as_str().unwrap().starts_with("3."));
    let mut answered = Vec::new();
    for (path, methods) in openapi["paths"].as_object().unwrap() {
        let Some(get) = methods.get("get") else { continue };
        let tag = get["tags"][0].as_str().unwrap();
        if path != "/v1/watch" {
            let socket = if tag == "admin" { &admin } else { &dev.socket };
            let answer = socket.get(&with_parameters(path, get));
            assert_eq!(answer.status, 200, "{path}: {answer:?}");
            let content = get.pointer("/responses/200/content").unwrap().as_object().unwrap();
            let kind = answer.media_type.split(';').next().unwrap();
            let described =
                content.get(kind).unwrap_or_else(|| panic!("{path}: {kind} in {content:?}"));
            if kind == "application/json" {
                compare(&openapi, &described["schema"], &answer.json(), path);
            }
        }
        answered.push((tag.to_owned(), path));
    }
    let after = &openapi["paths"]["/v1/status"]["get"]["parameters"][0];
    assert_eq!((&after["name"], &after["in"]), (&"after".into(), &"query".into()));
    for expected in ["status", "identity", "license", "health", "admin"] {
        assert!(answered.iter().any(|(tag, _)| tag == expected), "nothing is tagged {expected}");
    }
    assert!(answered.len() >= 14, "{answered:?}");
}

#[test]
fn the_answers_to_changes_are_described() {
    let dev = Dev::start();
    let openapi = dev.socket.json("/v1/openapi.json");
    let done = dev.ctl.json(&["refresh"]);
    let schema = openapi
        .pointer("/paths/~1v1~1refresh/post/responses/200/content/application~1json/schema")
        .unwrap();
    compare(&openapi, schema, &done, "refresh");
    let problem = dev.socket.get("/nothing").json();
    compare(&openapi, &openapi["components"]["schemas"]["Problem"], &problem, "problem");
}
