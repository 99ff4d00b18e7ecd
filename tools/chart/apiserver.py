"""The chart at a real API server, without nodes: what it takes and refuses, and what helm
does to it. Every object of every profile has to be taken strictly and without a warning,
every pod under the restricted Pod Security Standard; then helm 4 and helm 3 install, upgrade,
roll back and uninstall, and no Secret that the Job made may change.

    apiserver.py TOOLS SSO_LAB FILE…
"""

import copy
import glob
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from manifests import name_of, pod_template, read

ADMIN, NAMESPACE, READY_S = "rehearsal", "sso-lab", 120
CHART = "helm/sso-lab"
KIND = ["--values", f"{CHART}/values-kind.yaml"]
CLIENT = '[{"client_id":"my_job","name":"M","auth":["client_secret_basic"],"grants":["client_credentials"],"audiences":["https://api-1"]}]'


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


class Server:
    def __init__(self, home):
        self.home, self.port, self.processes = home, free_port(), []
        self.config = f"{home}/kubeconfig"

    def begin(self, tools):
        home = self.home
        for words in (("genrsa", "-out", "sa.key"), ("rsa", "-in", "sa.key", "-pubout", "-out", "sa.pub")):
            subprocess.run(["openssl", *words], cwd=home, check=True, capture_output=True)
        with open(f"{home}/tokens", "w", encoding="ascii") as file:
            file.write(f'{ADMIN},admin,1,"system:masters"\n')
        client, peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self.start("etcd", [
            f"{tools}/bin/etcd", "--data-dir=etcd", f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
        ])
        self.start("kube-apiserver", [
            f"{tools}/bin/kube-apiserver", f"--etcd-servers={client}", "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=sa.pub", "--service-account-signing-key-file=sa.key", "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC", "--token-auth-file=tokens", "--bind-address=127.0.0.1", f"--secure-port={self.port}", "--cert-dir=certs",
        ])
        until = time.monotonic() + READY_S
        while self.ready() != 200:
            if time.monotonic() > until or any(process.poll() is not None for process in self.processes):
                raise SystemExit(f"the API server is not ready; its log ends with\n{self.tail()}")
            time.sleep(0.5)
        with open(self.config, "w", encoding="ascii") as file:
            json.dump({
                "apiVersion": "v1", "kind": "Config", "current-context": "x",
                "clusters": [{"name": "c", "cluster": {
                    "server": f"https://127.0.0.1:{self.port}", "certificate-authority": f"{home}/certs/apiserver.crt",
                    "tls-server-name": "kubernetes.default.svc"}}],
                "users": [{"name": "u", "user": {"token": ADMIN}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            }, file)

    def start(self, name, words):
        log = open(f"{self.home}/{name}.log", "w", encoding="utf-8")  # ends with the process
        self.processes.append(subprocess.Popen(words, cwd=self.home, stdout=log, stderr=subprocess.STDOUT))

    def tail(self):
        with open(f"{self.home}/kube-apiserver.log", encoding="utf-8") as file:
            return "".join(file.readlines()[-5:])

    def ready(self):
        try:
            return self.call("GET", "/readyz")[0]
        except OSError:
            return None

    def call(self, method, path, body=None, token=ADMIN):
        """Status, answer and warnings."""
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.port}{path}", method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
        )
        # It made its certificate itself, a moment ago.
        context = ssl._create_unverified_context()
        try:
            answer = urllib.request.urlopen(request, context=context, timeout=30)
        except urllib.error.HTTPError as error:
            answer = error
        text = answer.read()
        return answer.status, json.loads(text) if text.startswith(b"{") else {}, answer.headers.get_all("warning")

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait(30)


def must(holds, what):
    if not holds:
        raise SystemExit(what)


def taken(server, path, one):
    """Tries an object, and keeps nothing."""
    status, answer, warnings = server.call("POST", f"{path}?dryRun=All&fieldValidation=Strict", one)
    must(status == 201 and not warnings, f"{name_of(one)}: {status} {answer.get('message', '')} {warnings or ''}")


def objects(server, paths):
    count = 0
    for path in paths:
        for one in read(path):
            if one["kind"] == "Pod":
                continue
            group, _, version = one["apiVersion"].rpartition("/")
            plural = {"NetworkPolicy": "networkpolicies", "Ingress": "ingresses"}.get(one["kind"], one["kind"].lower() + "s")
            home = f"/apis/{group}/{version}" if group else "/api/v1"
            taken(server, f"{home}/namespaces/{NAMESPACE}/{plural}", one)
            count += 1
    print(f"   {count} objects are taken, without a warning")


def pods(server, paths):
    """Their accounts have to be there: so while a release is installed."""
    count = 0
    for path in paths:
        for one in read(path):
            labels, spec = pod_template(one) or (None, None)
            if not spec:
                continue
            spec = {"restartPolicy": "Always", **copy.deepcopy(spec)}
            for claim in one["spec"].get("volumeClaimTemplates", []):
                spec["volumes"].append({"name": claim["metadata"]["name"], "emptyDir": {}})
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "labels": labels}, "spec": spec}
            taken(server, f"/api/v1/namespaces/{NAMESPACE}/pods", pod)
            count += 1
    print(f"   {count} pods are taken under the restricted standard")


def listed(server, home, kind):
    items = server.call("GET", f"{home}/namespaces/{NAMESPACE}/{kind}")[1]["items"]
    return {item["metadata"]["name"]: item for item in items}


def secrets(server):
    return {name: item["data"] for name, item in listed(server, "/api/v1", "secrets").items() if item["type"] == "Opaque"}


def job(server, program):
    """The Job's work, with its account's token and rights."""
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/sso-lab-secrets/token"
    token = server.call("POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})[1]["status"]["token"]
    spec = next(c["data"]["secrets.toml"] for c in listed(server, "/api/v1", "configmaps").values() if "secrets.toml" in c["data"])
    for name, text in (("token", token), ("secrets.toml", spec)):
        with open(f"{server.home}/{name}", "w", encoding="utf-8") as file:
            file.write(text)
    os.replace(f"{server.home}/certs/apiserver.crt", f"{server.home}/ca.crt")
    os.symlink(f"{server.home}/ca.crt", f"{server.home}/certs/apiserver.crt")
    ran = subprocess.run(
        [program, "secrets", f"--namespace={NAMESPACE}", f"--spec={server.home}/secrets.toml", f"--service-account={server.home}",
         "--kubernetes-host=127.0.0.1", f"--kubernetes-port={server.port}", "--timeout=20s"],
        capture_output=True, text=True, check=False, env={},
    )
    must(ran.returncode == 0, f"the Job: {ran.stderr}")
    home = f"/api/v1/namespaces/{NAMESPACE}"
    for method, what in (("GET", "secrets"), ("GET", "secrets/sso-lab-demo-users"), ("GET", "configmaps"), ("DELETE", "secrets/sso-lab-idp")):
        must(server.call(method, f"{home}/{what}", token=token)[0] == 403, f"the Job's account may {method} {what}")
    print("   the Job's account makes its Secrets, and may do nothing else that was tried")


def helm(server, program):
    """Through a release's life. A Job is there under the name of what it has to do."""
    def run(*words):
        ran = subprocess.run([program, "--kubeconfig", server.config, *words, "--namespace", NAMESPACE], capture_output=True, text=True, check=False)
        must(ran.returncode == 0 and "warning" not in ran.stderr.lower(), f"{program} {words}: {ran.stderr}")
        if before:
            must(secrets(server) == before, f"{program} {words} changed a Secret")
        return set(listed(server, "/apis/batch/v1", "jobs"))

    before = {}
    first = run("install", "sso-lab", CHART, *KIND)
    yield
    before = secrets(server)
    must(len(before) == 6, f"Secrets: {sorted(before)}")
    must(run("upgrade", "sso-lab", CHART, *KIND) == first, "the Job changes at an upgrade that changes nothing")
    must(run("upgrade", "sso-lab", CHART, *KIND, "--set", "image.tag=other") != first, "the Job stays at another image")
    run("upgrade", "sso-lab", CHART, *KIND, "--set", "defaults.autoscaling.enabled=true", "--set-json", f"idp.clients={CLIENT}")
    must(run("rollback", "sso-lab", "1") == first, "the Job is not the first one's after a rollback")
    before = {}
    must(not run("uninstall", "sso-lab"), "a Job outlives the release")
    must(not listed(server, "/apis/apps/v1", "deployments"), "a Deployment outlives the release")
    print(f"   {os.path.basename(program)}: install, upgrades, rollback, uninstall; no Secret changed")


def main(tools, sso_lab, *paths):
    with tempfile.TemporaryDirectory() as home:
        server = Server(home)
        try:
            server.begin(tools)
            for path in glob.glob(f"{tools}/crds/gateway-api/*_httproutes.yaml") + glob.glob(f"{tools}/crds/gateway-api/*_gateways.yaml") \
                    + glob.glob(f"{tools}/crds/prometheus-operator/*_servicemonitors.yaml") + glob.glob(f"{tools}/crds/prometheus-operator/*_prometheusrules.yaml"):
                for crd in read(path):
                    must(server.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)[0] == 201, path)
            labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
            space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
            must(server.call("POST", "/api/v1/namespaces", space)[0] == 201, "namespace")
            objects(server, paths)
            for name in ("helm", "helm3"):
                life = helm(server, f"{tools}/bin/{name}")
                next(life)
                if name == "helm":
                    pods(server, paths)
                    job(server, os.path.abspath(sso_lab))
                next(life, None)
        finally:
            server.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
