"""The part of check_protocol.py that is about data: types/*.json and providers/*.json."""

import re

from jsonschema import Draft202012Validator

DIALECT = Draft202012Validator(Draft202012Validator.META_SCHEMA)
# Type of a manifest field by type and format of the property that goes to it.
KINDS = {("string", "date"): "date", ("string", "date-time"): "date-time"}


def against(schema, value, file, report):
    for error in Draft202012Validator(schema).iter_errors(value):
        report.add(file, "".join(f"/{step}" for step in error.absolute_path), error.message[:300])


def plain(name):
    """A name as it is compared: without case and punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def check_types(types, schemas, report):
    """Default data schemas are JSON Schemas of the form that schemas/type.json describes. Answers whether they are."""
    if not types or "type" not in schemas:
        report.add("types", "", "no types, or no schemas/type.json")
        return False
    before = len(report.findings)
    titles = [schema.get("title") for schema in types.values()]
    for name, schema in types.items():
        file = f"types/{name}.json"
        for error in DIALECT.iter_errors(schema):
            report.add(file, "", f"is no JSON Schema: {error.message}")
        against(schemas["type"], schema, file, report)
        if titles.count(schema.get("title")) > 1:
            report.add(file, "/title", "is the title of another type too")
    return len(report.findings) == before


def check_known(known, types, providers, report):
    """types.json names every type once, in order, those of the other files among them."""
    file = "types.json"
    names = known.get("known")
    if set(known) != {"description", "known"} or not isinstance(names, list):
        report.add(file, "", "has other members than description and known")
        return
    if names != sorted(set(names)):
        report.add(file, "/known", "is not in order, or names one twice")
    for name in names:
        if not re.fullmatch(r"[a-z]+-[a-z_]+|unspecified", name):
            report.add(file, "/known", f"{name} is not of the form category-resource")
    served = {resource.get("endgrate_type") for manifest in providers.values() for resource in manifest.get("resources", [])}
    for name in sorted((set(types) | served) - set(names)):
        report.add(file, "/known", f"lacks {name}")


def check_providers(providers, types, schemas, report):
    """Manifests have the form that schemas/manifest.json describes, and fit the types."""
    if "local" not in providers or "manifest" not in schemas:
        report.add("providers", "", "no providers/local.json, or no schemas/manifest.json")
        return
    for name, manifest in providers.items():
        file = f"providers/{name}.json"
        before = len(report.findings)
        against(schemas["manifest"], manifest, file, report)
        if len(report.findings) > before:
            continue
        if manifest["name"] != name or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
            report.add(file, "/name", "is not the name of the file, or not of lower-case letters, digits and hyphens")
        resources = {resource["name"]: resource for resource in manifest["resources"]}
        served = {resource["endgrate_type"] for resource in manifest["resources"]}
        if len(resources) != len(manifest["resources"]) or len(served) != len(manifest["resources"]):
            report.add(file, "/resources", "two resources of one name or type")
        for resource in manifest["resources"]:
            schema = types.get(resource["endgrate_type"])
            check_resource(resource, resources, schema, file, report)
            if schema is not None and "http" in manifest:
                check_homes(resource, schema, file, report)
            elif schema is not None:
                check_cover(resource, schema, file, report)


def check_resource(resource, resources, schema, file, report):
    place = f"/resources/{resource['name']}"
    fields = {field["name"]: field for field in resource["fields"]}
    lists = {name: prop["items"]["properties"] for name, prop in (schema or {"properties": {}})["properties"].items()
             if name in resource.get("not_taken", []) and prop["type"] == "array"}
    made = {derived["field"]: derived for derived in resource["derived"] if "normalise" in derived}
    spellings = [plain(word) for field in resource["fields"] for word in [field["name"], *field["synonyms"]]]
    for spelling in sorted(set(spellings)):
        if spellings.count(spelling) > 1:
            report.add(file, place, f"the name or synonym {spelling} is there twice")
    compared = [name for key in resource["match"] for name in key]
    guards = resource.get("match_guards", {})
    named = compared + [name for guard in guards.values() for name in guard] + list(guards)
    for derived in resource["derived"]:
        named += [derived["field"], *derived["from"]]
        member, source = derived.get("member"), derived["from"][0]
        if member is not None and member not in fields.get(source, {}).get("array_of", lists.get(source, {})):
            report.add(file, place, f"derives {derived['field']} from the member {member}, which is not there")
    for name in named:
        if name not in fields and name not in lists and name not in made:
            report.add(file, place, f"names the field {name}, which is not there")
    for name in compared:
        if "normalise" not in made.get(name, fields.get(name, {"normalise": ""})):
            report.add(file, place, f"does not say how {name} is compared")
    for kind, association in resource["associations"].items():
        linked = resources.get(association["resource"])
        if linked is None or linked["endgrate_type"] != kind:
            report.add(file, f"{place}/associations/{kind}", "leads to no resource of this type")
    for field in resource["fields"]:
        if (field["type"] == "array") != ("array_of" in field):
            report.add(file, f"{place}/fields/{field['name']}", "is an array without array_of, or the other way round")


def check_homes(resource, schema, file, report):
    """Every property of the default schema goes to a field, by name, synonym or title, or is known not to."""
    homes = {plain(word) for field in resource["fields"] for word in [field["name"], field["title"], *field["synonyms"]]}
    place = f"/resources/{resource['name']}"
    known = resource.get("not_taken", [])
    for name in schema["properties"]:
        if (plain(name) in homes) == (name in known):
            report.add(file, place, f"{name} has no field and is not among not_taken, or both")
    for name in known:
        if name not in schema["properties"]:
            report.add(file, f"{place}/not_taken", f"{name} is no property of the default schema")


def check_cover(resource, schema, file, report):
    """Every property of the default schema goes to a field of the same name and kind."""
    fields = {field["name"]: field for field in resource["fields"]}
    place = f"/resources/{resource['name']}/fields"
    for name, prop in schema["properties"].items():
        field = fields.pop(name, None)
        kind = KINDS.get((prop["type"], prop.get("format")), prop["type"])
        if field is None or field["type"] != kind or field.get("title") != prop["title"]:
            report.add(file, f"{place}/{name}", "is missing, or has another type or title than the property")
        elif kind == "array":
            members = {key: member["type"] for key, member in prop["items"]["properties"].items()}
            if field["array_of"] != members:
                report.add(file, f"{place}/{name}", "array_of has other members than the property")
    for name in fields:
        report.add(file, f"{place}/{name}", "is no property of the default schema")
