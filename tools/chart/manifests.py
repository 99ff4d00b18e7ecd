"""Rendered manifests, read strictly."""

import yaml


class Strict(yaml.SafeLoader):
    """YAML in which a key that is there twice is an error, not the last one's word."""


def _mapping(loader, node):
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise yaml.constructor.ConstructorError(None, None, f"twice: {', '.join(sorted(map(str, twice)))}", node.start_mark)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read(path):
    """The objects of a file."""
    with open(path, encoding="utf-8") as file:
        return [one for one in yaml.load_all(file, Strict) if one]


def name_of(one):
    """`Kind/name`, as messages have it."""
    return f"{one['kind']}/{one['metadata']['name']}"


def pod_template(one):
    """Labels and spec of the pods that an object makes; None where it makes none."""
    if one["kind"] == "Pod":
        return one["metadata"].get("labels", {}), one["spec"]
    if one["kind"] in ("Deployment", "StatefulSet", "Job"):
        template = one["spec"]["template"]
        return template["metadata"].get("labels", {}), template["spec"]
    return None
