"""What one object of a deployment says of another one, and what no object may hold.

    references.py [--chart CHART_YAML] [--brings Kind/name,…] FILE…

Each file is one whole deployment. `--brings` lists what is not the chart's to make.
"""

import argparse
import os
import re
import sys
import tomllib

import yaml

from manifests import name_of, pod_template, read

# What everybody knows from the demo's configuration: fine in a Secret of the demo's, nowhere else.
KNOWN = re.compile(r"wonderland|\$argon2|\b(app1|api-1|demo-rp|batch)-secret\b|\bpassword_hash\b")
# Variables that would hold a secret; those that name a file do not.
SECRET_VARIABLE = re.compile(r"(SECRET|KEY|PASSWORD|TOKEN|HEADERS|^REDIS_URL)$")
INSIDE = re.compile(r"(?:https?://|=)([a-z0-9-]+):(\d+)")


class Deployment:
    """All objects of one rendered file."""

    def __init__(self, path, brings):
        self.path = os.path.basename(path)
        self.objects = read(path)
        self.brings = brings
        self.problems = []
        self.by_name = {}
        for one in self.objects:
            key = (one["kind"], one["metadata"]["name"])
            if key in self.by_name:
                self.wrong(one, "is there twice")
            self.by_name[key] = one
        self.pods = [(one, *pod_template(one)) for one in self.objects if pod_template(one)]
        self.made = self.keys_made()

    def wrong(self, one, what):
        self.problems.append(f"{self.path}: {name_of(one)}: {what}")

    def of(self, *kinds):
        return [one for one in self.objects if one["kind"] in kinds]

    def keys_made(self):
        """Which keys of which Secrets there will be: of the manifests, and by the Job."""
        made = {
            one["metadata"]["name"]: set(one.get("data", {})) | set(one.get("stringData", {}))
            for one in self.of("Secret")
        }
        for one in self.of("ConfigMap"):
            text = (one["data"] or {}).get("secrets.toml")
            if text:
                for secret in tomllib.loads(text)["secrets"]:
                    made.setdefault(secret["name"], set()).update(secret["keys"])
        return made

    def selected(self, selector):
        """The pods that a selector finds."""
        wanted = selector.get("matchLabels", selector).items()
        return [pod for pod in self.pods if all(pod[1].get(key) == value for key, value in wanted)]

    # --- each check -------------------------------------------------------------------

    def nothing_secret(self):
        for one in self.objects:
            text = str(one)
            if one["kind"] != "Secret" and (found := KNOWN.search(text)):
                self.wrong(one, f"holds {found.group()!r}")
            for key, value in (one["metadata"].get("annotations") or {}).items():
                if re.search(r"secret|password", key, re.I):
                    self.wrong(one, f"annotation {key}: {value[:20]}")
        for one, _, spec in self.pods:
            for container in spec["containers"]:
                if "envFrom" in container:
                    self.wrong(one, "envFrom")
                for variable in container.get("env", []):
                    name = variable["name"]
                    if SECRET_VARIABLE.search(name) or "secretKeyRef" in str(variable):
                        self.wrong(one, f"variable {name}: a file is wanted")
                names = [variable["name"] for variable in container.get("env", [])]
                for name in {name for name in names if names.count(name) > 1}:
                    self.wrong(one, f"variable {name} is there twice")

    def restricted(self):
        """The restricted Pod Security Standard, and no token but the Job's."""
        for one, _, spec in self.pods:
            context = spec.get("securityContext", {})
            if not context.get("runAsNonRoot") or context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
                self.wrong(one, "not restricted")
            if spec.get("automountServiceAccountToken") != (one["kind"] == "Job"):
                self.wrong(one, "automountServiceAccountToken")
            for container in spec["containers"]:
                own = container.get("securityContext", {})
                if own.get("allowPrivilegeEscalation") is not False or own.get("capabilities") != {"drop": ["ALL"]}:
                    self.wrong(one, f"{container['name']}: not restricted")
                if own.get("readOnlyRootFilesystem") is not True:
                    self.wrong(one, f"{container['name']}: its root can be written")

    def mounts(self):
        for one, _, spec in self.pods:
            volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
            names = set(volumes) | {claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", [])}
            for container in spec["containers"]:
                for mount in container.get("volumeMounts", []):
                    if mount["name"] not in names:
                        self.wrong(one, f"mounts {mount['name']}, which is no volume")
            for volume in volumes.values():
                for source in [volume, *volume.get("projected", {}).get("sources", [])]:
                    if secret := source.get("secret"):
                        name = secret.get("secretName") or secret["name"]
                        self.has_keys(one, "Secret", name, secret, self.made.get(name))
                    if config := source.get("configMap"):
                        found = self.by_name.get(("ConfigMap", config["name"]))
                        self.has_keys(one, "ConfigMap", config["name"], config, found and set(found["data"]))
            account = ("ServiceAccount", spec["serviceAccountName"])
            if account not in self.by_name:
                self.wrong(one, f"runs as {'/'.join(account)}, which is not there")

    def has_keys(self, one, kind, name, source, keys):
        if source.get("optional") or f"{kind}/{name}" in self.brings:
            return
        if keys is None:
            self.wrong(one, f"needs {kind}/{name}, which nobody makes")
            return
        for item in source.get("items", []):
            if item["key"] not in keys:
                self.wrong(one, f"needs {item['key']} of {kind}/{name}, which nobody makes")

    def services(self):
        for one in self.of("Service"):
            found = self.selected(one["spec"]["selector"])
            if len(found) != 1:
                self.wrong(one, f"selects {len(found)} sets of pods")
                continue
            for port in one["spec"]["ports"]:
                number = self.container_port(found[0], port["targetPort"])
                if number != port["port"]:
                    self.wrong(one, f"port {port['port']} leads to {port['targetPort']} = {number}")

    def container_port(self, pod, name):
        for container in pod[2]["containers"]:
            for port in container.get("ports", []):
                if name in (port["name"], port["containerPort"]):
                    return port["containerPort"]
        return None

    def selectors(self):
        for one in self.of("PodDisruptionBudget"):
            if len(self.selected(one["spec"]["selector"])) != 1:
                self.wrong(one, "selects no pods")
        for one in self.of("HorizontalPodAutoscaler"):
            target = self.by_name.get(("Deployment", one["spec"]["scaleTargetRef"]["name"]))
            if target is None or "replicas" in target["spec"]:
                self.wrong(one, "its Deployment is not there, or counts by itself")
        for one in self.of("ServiceMonitor"):
            wanted = one["spec"]["selector"]["matchLabels"].items()
            services = [s for s in self.of("Service") if all(s["metadata"]["labels"].get(k) == v for k, v in wanted)]
            ports = {port["name"] for service in services for port in service["spec"]["ports"]}
            for endpoint in one["spec"]["endpoints"]:
                if endpoint["port"] not in ports:
                    self.wrong(one, f"scrapes {endpoint['port']}, which no Service has")

    def routes(self):
        for one in self.of("HTTPRoute", "Ingress"):
            for rule in one["spec"]["rules"]:
                backends = [(b["name"], b["port"]) for b in rule.get("backendRefs", [])]
                for path in rule.get("http", {}).get("paths", []):
                    backends.append((path["backend"]["service"]["name"], path["backend"]["service"]["port"]["name"]))
                for name, port in backends:
                    service = self.by_name.get(("Service", name))
                    ports = [value for p in service["spec"]["ports"] for value in (p["name"], p["port"])] if service else []
                    if port not in ports:
                        self.wrong(one, f"leads to {name}:{port}, which is not there")

    def lab(self):
        """The lab controls services by names that stand for all of their pods, and only where
        all of them share its secret."""
        controlled, secret = [], []
        for one, _, spec in self.pods:
            environment = {v["name"]: v.get("value", "") for v in spec["containers"][0].get("env", [])}
            if "LAB_SECRET_FILE" in environment:
                secret.append(one["metadata"]["name"])
            for name in {"LAB_CONTROLS", "LAB_CONNECT", "EVIL_INTERNAL_URL"} & set(environment):
                if "LAB_SECRET_FILE" not in environment:
                    self.wrong(one, f"{name} without the lab's secret")
            controlled += INSIDE.findall(environment.get("LAB_CONTROLS", ""))
        for name, _ in controlled:
            service = self.by_name.get(("Service", name))
            if service and service["spec"].get("clusterIP") != "None":
                self.wrong(service, "stands for one pod at a time, and the lab controls all of them")
            pod = service and self.selected(service["spec"]["selector"])[0][0]
            if pod and pod["metadata"]["name"] not in secret:
                self.wrong(pod, "is controlled by the lab and does not know its secret")

    # --- arrows -----------------------------------------------------------------------

    def allows(self, pod, direction, other, port):
        """Whether the policies of `pod` let `port` through to or from `other`."""
        policies = [
            policy for policy in self.of("NetworkPolicy")
            if pod in self.selected(policy["spec"]["podSelector"])
        ]
        side = {"egress": "to", "ingress": "from"}[direction]
        for policy in policies:
            for rule in policy["spec"].get(direction, []):
                if "ports" in rule and port not in [p["port"] for p in rule["ports"]]:
                    continue
                if side not in rule:
                    return True
                if any(other in self.selected(p["podSelector"]) for p in rule[side] if set(p) == {"podSelector"}):
                    return True
        return not policies

    def arrows(self):
        """Each address inside that a pod is given is a Service's, and both ends of the way
        to it are open; and no policy opens a way that no address asks for."""
        asked = set()
        for pod in self.pods:
            one, _, spec = pod
            words = []
            for container in spec["containers"]:
                # JAEGER_URL is a link for browsers.
                words += [variable.get("value", "") for variable in container.get("env", []) if variable["name"] != "JAEGER_URL"]
                words += container.get("args", [])
            if any(volume["name"] == "redis" for volume in spec.get("volumes", [])):
                words += [f"http://{s['metadata']['name']}:6379" for s in self.of("Service") if s["metadata"]["name"].endswith("-redis")]
            for name, port in INSIDE.findall("\n".join(words).replace(",", "\n,=").replace("=,=", "=")):
                service = self.by_name.get(("Service", name))
                if service is None:
                    if "." not in name and name not in ("idp", "app1", "app2", "api1", "api2", "lab", "spa", "evil"):
                        self.wrong(one, f"calls {name}:{port}, which is not there")
                    continue
                callee = self.selected(service["spec"]["selector"])[0]
                if int(port) not in [p["port"] for p in service["spec"]["ports"]]:
                    self.wrong(one, f"calls {name}:{port}, a port that is not there")
                asked.add((name_of(one), name_of(callee[0]), int(port)))
                if not self.allows(pod, "egress", callee, int(port)):
                    self.wrong(one, f"may not call {name}:{port}")
                if not self.allows(callee, "ingress", pod, int(port)):
                    self.wrong(callee[0], f"does not let {name_of(one)} in at {port}")
        for policy in self.of("NetworkPolicy"):
            callers = self.selected(policy["spec"]["podSelector"])
            if not callers:
                self.wrong(policy, "selects no pods")
            for rule in policy["spec"].get("egress", []):
                for peer in rule.get("to", []):
                    if set(peer) != {"podSelector"}:
                        continue
                    for callee in self.selected(peer["podSelector"]):
                        for port in rule["ports"]:
                            for caller in callers:
                                arrow = (name_of(caller[0]), name_of(callee[0]), port["port"])
                                if arrow not in asked:
                                    self.wrong(policy, f"opens a way that nothing asks for: {arrow}")

    def check(self):
        for check in (
            self.nothing_secret, self.restricted, self.mounts, self.services,
            self.selectors, self.routes, self.lab, self.arrows,
        ):
            check()
        return self.problems


def images(deployments, chart):
    """The images that the chart says it has (Artifact Hub shows them) are those that are run."""
    said = yaml.safe_load(read(chart)[0]["annotations"]["artifacthub.io/images"])
    said = {image["image"] for image in said}
    run = {container["image"] for d in deployments for pod in d.pods for container in pod[2]["containers"]}
    return [f"{chart}: {image}: not in both artifacthub.io/images and the pods" for image in sorted(said ^ run)]


def main():
    flags = argparse.ArgumentParser()
    flags.add_argument("--chart")
    flags.add_argument("--brings", default="")
    flags.add_argument("files", nargs="+")
    given = flags.parse_args()
    problems = []
    deployments = [Deployment(path, set(given.brings.split(","))) for path in given.files]
    for deployment in deployments:
        problems += deployment.check()
    if given.chart:
        problems += images(deployments, given.chart)
    print("\n".join(problems) or f"   {len(given.files)} deployments: what refers is there, every arrow open at both ends, nothing secret")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
