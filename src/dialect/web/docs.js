"use strict";
const METHODS = ["get", "post", "put", "delete"];
let api = {};

// Everything is inserted as text, never as markup.
function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== undefined && child !== null && child !== ""));
  return made;
}

const code = (text) => element("code", {}, text);

// The target of a reference within the document.
function resolved(node) {
  if (!node || !node.$ref) return node;
  return node.$ref.slice(2).split("/").reduce((at, name) => at[name], api);
}

function typeOf(schema) {
  if (schema === undefined) return "bytes";
  if (schema === true || Object.keys(schema).every((name) => name === "description")) return "any JSON";
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return element("a", { href: "#schema-" + name }, name);
  }
  if (schema.const !== undefined) return code(JSON.stringify(schema.const));
  if (schema.enum) return element("span", {}, ...between(schema.enum.map((value) => code(String(value))), ", "));
  if (schema.oneOf) return element("span", {}, ...between(schema.oneOf.map(typeOf), " or "));
  if (schema.type === "object" && schema.properties) {
    return element("span", {}, "object with ", ...between(Object.entries(schema.properties)
      .map(([name, of]) => element("span", {}, code(name), ": ", typeOf(of))), ", "));
  }
  if (schema.anyOf) return element("span", {}, ...between(schema.anyOf.map(typeOf), " or "));
  if (schema.type === "array") return element("span", {}, "list of ", typeOf(schema.items));
  return [schema.type].flat().join(" or ") + (schema.format ? " (" + schema.format + ")" : "");
}

function between(items, separator) {
  return items.flatMap((item, place) => (place ? [separator, item] : [item]));
}

function limits(schema) {
  const said = [];
  if (schema.minimum !== undefined && schema.maximum !== undefined) {
    said.push(schema.minimum + " to " + schema.maximum);
  } else if (schema.minimum !== undefined) {
    said.push("at least " + schema.minimum);
  }
  if (schema.minLength !== undefined) said.push(schema.minLength + " to " + schema.maxLength + " characters");
  if (schema.default !== undefined) said.push("default " + schema.default);
  return said.join(", ");
}

function table(...rows) {
  return element("table", {}, element("tbody", {}, ...rows.map((cells) =>
    element("tr", {}, ...cells.map((cell) => element("td", {}, ...[cell].flat()))))));
}

function parameterRow(reference) {
  const parameter = resolved(reference);
  const facts = [typeOf(parameter.schema)];
  const limit = limits(parameter.schema);
  if (limit) facts.push("; " + limit);
  if (parameter.required) facts.push("; required");
  return [code(parameter.name), [element("div", {}, ...facts), element("small", {}, parameter.description ?? "")]];
}

function responseRow([status, reference]) {
  const response = resolved(reference);
  const parts = [element("div", {}, response.description)];
  for (const [media, body] of Object.entries(response.content ?? {})) {
    parts.push(element("div", {}, code(media), " ", body.schema && body.schema.$ref ? typeOf(body.schema) : ""));
  }
  const headers = Object.keys(response.headers ?? {});
  if (headers.length) parts.push(element("small", {}, "headers: " + headers.join(", ")));
  return [element("strong", {}, status), parts];
}

// A call for the shell. The operator's calls are served on a socket.
function example(path, method, operation) {
  const given = (operation.parameters ?? []).map(resolved).filter((each) => each.example !== undefined);
  const query = given.filter((each) => each.in === "query")
    .map((each) => each.name + "=" + encodeURIComponent(each.example)).join("&");
  const filled = path.replace(/{([^}]*)}/g, (mark, name) =>
    encodeURIComponent(given.find((each) => each.name === name)?.example ?? mark));
  const [socket] = api.paths[path].servers ?? [];
  const parts = ["curl"];
  if (socket) parts.push("--unix-socket admin.sock");
  if (method !== "get") parts.push("-X " + method.toUpperCase());
  if (operation.security?.some((each) => each.administrator)) parts.push("-H 'Authorization: Bearer …'");
  if (operation.security?.some((each) => each.vault)) parts.push("-H 'X-Vault-Token: …'");
  const body = operation.requestBody?.content ?? {};
  const json = body["application/json"]?.example;
  if (json !== undefined) parts.push("-d '" + JSON.stringify(json) + "'");
  else if (operation.requestBody) parts.push("--data-binary @value");
  parts.push("'" + (socket?.url ?? location.origin) + filled + (query ? "?" + query : "") + "'");
  return parts.join(" ");
}

function bodyRow([media, body]) {
  return [code(media), body.schema ? typeOf(body.schema) : "bytes"];
}

function call(path, method, operation) {
  const made = element("details", { id: operation.operationId },
    element("summary", {},
      element("h3", {}, element("span", { className: "verb" }, method.toUpperCase()), path),
      element("span", { className: "soft" }, operation.summary)),
    operation.description && element("p", { className: "soft" }, operation.description));
  if (api.paths[path].servers) made.append(element("p", { className: "soft" }, api.paths[path].servers[0].description));
  if (operation.parameters) {
    made.append(element("h4", {}, "Parameters"), table(...operation.parameters.map(parameterRow)));
  }
  if (operation.requestBody) {
    made.append(element("h4", {}, "Body"), table(...Object.entries(operation.requestBody.content).map(bodyRow)));
  }
  made.append(element("h4", {}, "Answers"), table(...Object.entries(operation.responses).map(responseRow)));
  made.append(element("h4", {}, "Try it"), element("pre", {}, example(path, method, operation)));
  return made;
}

function schemaSection([name, schema]) {
  const made = element("section", { id: "schema-" + name }, element("h3", {}, name),
    schema.description && element("p", { className: "soft" }, schema.description));
  const needed = schema.required ?? [];
  // Required members are listed in the order in which they are sent.
  const properties = schema.properties ?? {};
  const names = [...needed, ...Object.keys(properties).filter((name) => !needed.includes(name))];
  const rows = names.map((property) => [property, properties[property]]).map(([property, of]) => [
    code(property),
    [element("div", {}, typeOf(of), needed.includes(property) ? "" : "; optional"),
      element("small", {}, of.description ?? "")],
  ]);
  made.append(rows.length ? table(...rows) : element("p", {}, typeOf(schema)));
  return made;
}

function render() {
  document.getElementById("description").textContent = api.info.description;
  const calls = document.getElementById("calls");
  for (const tag of api.tags) {
    calls.append(element("h2", {}, tag.name), element("p", { className: "soft" }, tag.description));
    for (const [path, item] of Object.entries(api.paths)) {
      for (const method of METHODS) {
        if (item[method] && item[method].tags.includes(tag.name)) calls.append(call(path, method, item[method]));
      }
    }
  }
  document.getElementById("schemas").append(...Object.entries(api.components.schemas).map(schemaSection));
  // What the address points to is further down now.
  const target = document.getElementById(location.hash.slice(1)) ?? document.getElementById("random");
  target.open = true;
  if (location.hash) target.scrollIntoView();
}

fetch("/openapi.json").then((answer) => {
  if (!answer.ok) throw new Error("it says " + answer.status);
  return answer.json();
}).then((description) => { api = description; render() })
  .catch((error) => {
    document.getElementById("description").textContent = "/openapi.json could not be read: " + error.message;
  });
