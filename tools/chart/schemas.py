"""Validates rendered manifests against the schemas of several Kubernetes versions and
of the custom resources, strictly: a field that a schema does not know is an error.

    schemas.py CRDS VERSION[,VERSION…] FILE…
"""

import functools
import glob
import importlib.resources
import json
import os
import re
import sys

import jsonschema
import yaml
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from manifests import name_of, read


@functools.cache
def kubernetes(version):
    """Where a version's schemas are, and their common definitions."""
    home = importlib.resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"v{version}-local-strict"
    definitions = json.loads((home / "_definitions.json").read_text())
    found = DRAFT202012.create_resource(definitions)
    return home, Registry().with_resource(definitions.get("$id", "_definitions.json"), found)


@functools.cache
def built_in(version, kind, api_version):
    """The validator of a kind of Kubernetes' own; None where it is none."""
    home, registry = kubernetes(version)
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    try:
        schema = json.loads((home / f"{kind.lower()}-{group}.json").read_text())
    except FileNotFoundError:
        return None
    registry = registry.with_resource(schema.get("$id", ""), Resource.from_contents(schema, DRAFT202012))
    return jsonschema.Draft202012Validator(schema, registry=registry)


def strict(schema):
    """The schema of a custom resource as the API server prunes by it: an object with
    named properties has no others."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) for key, value in schema.items()}
    if "properties" in schema and "additionalProperties" not in schema:
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            schema["additionalProperties"] = False
    if schema.pop("x-kubernetes-int-or-string", False):
        schema.pop("type", None)
        schema["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    return schema


@functools.cache
def custom(home, kind, api_version):
    """The validator of a kind of custom resource; None where it is none."""
    # Only the file that is asked for: together they are a hundred thousand lines.
    for path in glob.glob(os.path.join(home, "*", f"*_{kind.lower()}s.yaml")):
        with open(path, encoding="utf-8") as file:
            crd = yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        for version in crd["spec"]["versions"]:
            if (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"]) == (api_version, kind):
                schema = strict(version["schema"]["openAPIV3Schema"])
                schema["properties"]["metadata"] = {"type": "object"}
                return jsonschema.Draft202012Validator(schema)
    return None


def main(crds, versions, *paths):
    problems = []
    count = 0
    for path in paths:
        for one in read(path):
            kind = (one["kind"], one["apiVersion"])
            for version in versions.split(","):
                validator = built_in(version, *kind) or custom(crds, *kind)
                where = f"{os.path.basename(path)}: {name_of(one)}: Kubernetes {version}"
                if validator is None:
                    problems.append(f"{where}: no schema for {one['apiVersion']} {one['kind']}")
                    continue
                count += 1
                for error in validator.iter_errors(one):
                    at = ".".join(str(part) for part in error.absolute_path)
                    problems.append(f"{where}: {at}: {error.message[:300]}")
    print("\n".join(sorted(problems)) or f"   {count} validations, each object against {versions.replace(',', ', ')}")
    return 1 if problems or not count else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
