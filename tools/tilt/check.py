"""Evaluates the Tiltfile with Tilt's functions recorded, and holds every name in
it against what it names: files, the Dockerfile, the chart as helm renders it, the
cluster's ports. Run by tools/tilt/check, which has the packages for it."""

import pathlib
import re
import subprocess
import sys

import starlark
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CONTEXT = "kind-sso-lab"
problems: list[str] = []


def must(condition, problem):
    if not condition:
        problems.append(problem)


def there(path, what):
    must((ROOT / path).exists(), f"{what}: {path} does not exist")


# --- Tilt's functions, with its parameters: a misspelt one is refused as Tilt does.


class Tilt:
    """Records what the Tiltfile asks for."""

    def __init__(self, context):
        self.context = context
        self.allowed, self.images, self.deployed = [], {}, []
        self.resources, self.local_resources = {}, {}

    def allow_k8s_contexts(self, contexts):
        self.allowed.append(contexts)

    def k8s_context(self):
        return self.context

    def fail(self, message):
        raise ValueError(message)

    def getenv(self, key, default=None):
        return default

    def watch_file(self, file_path):
        there(file_path, "watch_file")

    def local(self, command, quiet=False, command_bat="", echo_off=False, env={}, dir="", stdin=None):
        return subprocess.run(command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout

    def decode_yaml_stream(self, yaml_):
        return [document for document in yaml.safe_load_all(yaml_) if document]

    def encode_yaml_stream(self, objs):
        return "blob:" + yaml.safe_dump_all(objs)

    def k8s_yaml(self, yaml_, allow_duplicates=False):
        if yaml_.startswith("blob:"):
            text = yaml_.removeprefix("blob:")
        else:
            there(yaml_, "k8s_yaml")
            text = (ROOT / yaml_).read_text()
        self.deployed += [document for document in yaml.safe_load_all(text) if document]

    def sync(self, local_path, remote_path):
        return {"sync": [local_path, remote_path]}

    def run(self, cmd, trigger=[], echo_off=False):
        return {"run": cmd}

    def link(self, url, name=None):
        return url

    def docker_build(self, ref, context, build_args={}, dockerfile="Dockerfile", live_update=[], ignore=[], only=[], target="", network="", pull=False):
        must(ref not in self.images, f"docker_build: {ref} is there twice")
        self.images[ref] = {
            "context": context, "build_args": build_args, "dockerfile": dockerfile,
            "live_update": live_update, "only": only, "target": target,
        }

    def local_resource(self, name, cmd="", deps=[], trigger_mode="auto", resource_deps=[], ignore=[], auto_init=True, allow_parallel=False, links=[], env={}, dir="", labels=[]):
        self.local_resources[name] = {"cmd": cmd, "deps": deps, "resource_deps": resource_deps}

    def k8s_resource(self, workload="", new_name="", port_forwards=[], trigger_mode="auto", resource_deps=[], objects=[], auto_init=True, pod_readiness="", links=[], labels=[]):
        name = new_name or workload
        must(name not in self.resources, f"k8s_resource: {name} is there twice")
        self.resources[name] = {"workload": workload, "links": links, "resource_deps": resource_deps}


def evaluate(context):
    tilt = Tilt(context)
    module = starlark.Module()
    for name in (
        "allow_k8s_contexts k8s_context fail watch_file local decode_yaml_stream encode_yaml_stream "
        "k8s_yaml sync run link docker_build local_resource k8s_resource"
    ).split():
        module.add_callable(name, getattr(tilt, name))
    module.add_callable("_getenv", tilt.getenv)
    module["TRIGGER_MODE_MANUAL"] = "manual"
    module["TRIGGER_MODE_AUTO"] = "auto"
    dialect = starlark.Dialect.standard()
    dialect.enable_top_level_stmt = True
    standard = starlark.Globals.extended_by([starlark.LibraryExtension.StructType])
    prelude = starlark.parse("prelude", "os = struct(getenv = _getenv)", dialect=dialect)
    starlark.eval(module, prelude, standard)
    starlark.eval(module, starlark.parse("Tiltfile", (ROOT / "Tiltfile").read_text(), dialect=dialect), standard)
    return tilt


# --- What is named, as it is.


def containers(document):
    template = document.get("spec", {}).get("template")
    return template["spec"]["containers"] if template else []


def repository(image):
    return re.sub(r"(:[^:/]+|@.*)$", "", image)


dockerfile = (ROOT / "Dockerfile").read_text()
stages = set(re.findall(r"^FROM \S+ AS (\S+)$", dockerfile, re.M))
arguments = set(re.findall(r"^ARG (\w+)", dockerfile, re.M))
names = re.findall(r"^FROM runtime AS (\S+)$", dockerfile, re.M)
values = yaml.safe_load((ROOT / "helm/sso-lab/values.yaml").read_text())
images_at = re.search(r"^IMAGES_AT=(\S+)$", (ROOT / "scripts/lib.sh").read_text(), re.M)[1]
chart = [
    document
    for document in yaml.safe_load_all(
        subprocess.run(
            ["helm", "template", "sso-lab", "helm/sso-lab", "--namespace", "sso-lab", "--values", "helm/sso-lab/values-kind.yaml"],
            cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE,
        ).stdout
    )
    if document
]
without_tests = [d for d in chart if "helm.sh/hook" not in d["metadata"].get("annotations", {})]
workloads = {d["metadata"]["name"]: d for d in without_tests if containers(d)}
cluster = yaml.safe_load((ROOT / "deploy/kind/cluster.yaml").read_text())
mapped = {m["containerPort"]: m for node in cluster["nodes"] for m in node["extraPortMappings"]}


def is_ours(document):
    return any(repository(c["image"]).startswith(images_at + "/") for c in containers(document))


def services_of(workload):
    """Those whose pods are the workload's."""
    labels = workload["spec"]["template"]["metadata"]["labels"]
    for document in without_tests:
        selector = document["spec"].get("selector") if document["kind"] == "Service" else None
        if selector and selector.items() <= labels.items():
            yield document


def check_cluster():
    """The host's ports end at the chart's node ports, all of them, each at its own."""
    node_ports = {
        port["nodePort"]: port["port"]
        for d in without_tests if d["kind"] == "Service"
        for port in d["spec"]["ports"] if "nodePort" in port
    }
    must(node_ports.keys() == mapped.keys(), f"cluster.yaml maps {sorted(mapped)}, the chart has the node ports {sorted(node_ports)}")
    for node_port, mapping in mapped.items():
        must(mapping["listenAddress"] == "127.0.0.1", f"cluster.yaml: {mapping} is not on loopback alone")
        must(node_ports.get(node_port) == mapping["hostPort"], f"cluster.yaml: port {mapping['hostPort']} ends at the Service's port {node_ports.get(node_port)}")
    must(CONTEXT == f"kind-{cluster['name']}", f"cluster.yaml: the cluster is called {cluster['name']}")


def check_images(tilt):
    must(f"{values['image']['registry']}/{values['image']['prefix']}" == images_at, "values.yaml and scripts/lib.sh name the images differently")
    must("tag" in values["image"], "values.yaml: image.tag, which kind-up sets, is not there")
    asked = {repository(c["image"]) for d in without_tests for c in containers(d) if is_ours(d)}
    must(asked == tilt.images.keys(), f"the chart wants {sorted(asked)}, the Tiltfile builds {sorted(tilt.images)}")
    must(asked == {f"{images_at}/{name}" for name in names}, f"the chart wants {sorted(asked)}, the Dockerfile has {names}")
    restart = re.search(r'^if \[ "\$\{1:-\}" = (\w+) \]', (ROOT / "deploy/dev/run").read_text(), re.M)[1]
    for ref, image in tilt.images.items():
        name = ref.removeprefix(images_at + "/")
        there(image["dockerfile"], ref)
        there(image["context"], ref)
        must(image["target"] in stages, f"{ref}: the Dockerfile has no stage {image['target']}")
        must(image["build_args"].keys() <= arguments, f"{ref}: the Dockerfile takes no {image['build_args'].keys() - arguments}")
        must(image["build_args"].get("SERVICE") == name, f"{ref}: is given the binary of {image['build_args'].get('SERVICE')}")
        binary = f".run/static/{name}"
        must(set(image["only"]) == {"deploy/dev", binary}, f"{ref}: watches {image['only']}")
        must(".run/static/${SERVICE} /live/${SERVICE}" in dockerfile, f"{ref}: the Dockerfile copies another file")
        if image["live_update"]:
            must(image["live_update"] == [{"sync": [binary, f"/live/{name}"]}, {"run": f"/dev-run {restart}"}], f"{ref}: {image['live_update']}")
    exposed = {name: {int(p) for p in ports.split()} for name, ports in re.findall(r"^COPY --from=build \S+ /(\S+)\nEXPOSE (.*)$", dockerfile, re.M)}
    listens = {c["name"]: {p["containerPort"] for p in c["ports"]} for d in without_tests if is_ours(d) for c in containers(d) if "ports" in c}
    must(exposed == listens, f"the Dockerfile exposes {exposed}, the chart's containers listen at {listens}")
    rust = re.search(r'^rust-version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    must(f"\nARG BUILD_BASE=rust:{rust}-" in dockerfile, f"the Dockerfile builds with another Rust than {rust}")
    made = (ROOT / "tools/tilt/static-binaries").read_text()
    must("< <(image_names)" in made and ".run/static/$name" in made, "tools/tilt/static-binaries makes other files than the Tiltfile copies")


def check_deployed(tilt):
    """All of the chart but its tests, changed in one thing, in the namespace that kind-up uses."""
    expected = [yaml.safe_load((ROOT / "deploy/kind/namespace.yaml").read_text())]
    for document in yaml.safe_load_all(yaml.safe_dump_all(without_tests)):
        if is_ours(document):
            context = document["spec"]["template"]["spec"]["containers"][0]["securityContext"]
            must(context["readOnlyRootFilesystem"] is True, f"{document['metadata']['name']}: its root is writable in the chart")
            context["readOnlyRootFilesystem"] = False
            must(len(containers(document)) == 1, f"{document['metadata']['name']}: the Tiltfile changes one container alone")
        expected.append(document)
    must(tilt.deployed == expected, "the Tiltfile deploys something else than the chart")
    must({d["metadata"].get("namespace", "sso-lab") for d in tilt.deployed} == {"sso-lab"}, "another namespace than sso-lab")
    kind = (ROOT / "scripts/kind.sh").read_text()
    must(f"\nCLUSTER={cluster['name']}\n" in kind and "\nNAMESPACE=sso-lab\n" in kind, "scripts/kind.sh names cluster or namespace differently")

    def plain(value):
        if isinstance(value, dict):
            return all(isinstance(k, str) and plain(v) for k, v in value.items())
        if isinstance(value, list):
            return all(map(plain, value))
        return isinstance(value, (str, int, bool))

    for document in without_tests:
        must(plain(document), f"{document['metadata']['name']}: Tilt's encode_yaml_stream takes no null and no fraction")


def check_resources(tilt):
    named = {r["workload"] for r in tilt.resources.values()}
    must(named == workloads.keys(), f"the Tiltfile knows the workloads {sorted(named)}, the chart has {sorted(workloads)}")
    every = tilt.resources.keys() | tilt.local_resources.keys()
    linked = set()
    for name, resource in tilt.resources.items():
        must(set(resource["resource_deps"]) <= every, f"{name}: waits for {resource['resource_deps']}, of which one is not there")
        workload = workloads.get(resource["workload"])
        if not workload:
            continue
        if is_ours(workload):
            must("binaries" in resource["resource_deps"], f"{name}: does not wait for its binary")
        ends = {p.get("nodePort"): p["port"] for s in services_of(workload) for p in s["spec"]["ports"]}
        for url in resource["links"]:
            host, port = re.fullmatch(r"http://([a-z0-9.]+):(\d+)", url).groups()
            must(host == "localhost" or host.endswith(".localhost"), f"{name}: {url}")
            node_port = next((n for n, m in mapped.items() if m["hostPort"] == int(port)), None)
            must(ends.get(node_port) == int(port), f"{name}: {url} does not end at its Service {ends}")
            linked.add(int(port))
    # A browser without a client certificate has no page at the mTLS ports.
    mtls = {p["port"] for w in workloads.values() for s in services_of(w) for p in s["spec"]["ports"] if p["name"] == "mtls"}
    pages = {m["hostPort"] for m in mapped.values() if not 9000 <= m["hostPort"] < 10000} - mtls
    must(linked == pages, f"links to the ports {sorted(linked)}, pages at {sorted(pages)}")
    # What kind-up and scripts/up print is the same.
    printed = set(re.findall(r"\$\(at (\w+) (\d+)\)", (ROOT / "scripts/lib.sh").read_text()))
    sites = {(m[1], m[2]) for r in tilt.resources.values() for u in r["links"] if (m := re.match(r"http://(\w+)\.localhost:(\d+)", u))}
    must(printed == sites, f"printed are {sorted(printed)}, linked {sorted(sites)}")
    for name, resource in tilt.local_resources.items():
        for path in resource["deps"]:
            there(path, name)
        must(set(resource["resource_deps"]) <= every, f"{name}: waits for {resource['resource_deps']}, of which one is not there")
        program = resource["cmd"].split()[0]
        if program.startswith(".run/static/"):
            must(program.removeprefix(".run/static/") in names, f"{name}: {program} is not built")
        else:
            there(program, name)


def main():
    tilt = evaluate(CONTEXT)
    must(tilt.allowed == [CONTEXT], f"allowed are {tilt.allowed}")
    check_cluster()
    check_images(tilt)
    check_deployed(tilt)
    check_resources(tilt)
    try:
        evaluate("production")
        problems.append("another cluster is not refused")
    except starlark.StarlarkError as error:
        must("kind-up --cluster-only" in str(error), f"another cluster is refused for another reason: {error}")
    for problem in problems:
        print(f"tools/tilt/check: {problem}", file=sys.stderr)
    if problems:
        sys.exit(1)
    print(f"   {len(tilt.images)} images, {len(tilt.deployed)} objects, {len(tilt.resources) + len(tilt.local_resources)} resources: all that the Tiltfile names is there")


main()
