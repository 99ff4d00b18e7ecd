"""The chart without a cluster: its Job, its pods and its test are played on this machine,
by the real binaries, from what was rendered.

    rehearsal.py BINARIES FILE…

The secrets Job talks to a small API server that knows Secrets and the Job's Role. From what
is then there each pod gets its files, at paths of its own; names of Services become ports of
loopback. Redis is this machine's, started as the chart starts it. Then the story that
`helm test` plays has to pass, and each service has to end by itself when it is told to.
Where the lab controls the services, each has two replicas, at addresses of loopback that stand
for those of its pods (one with TLS, where names are what certificates are for): the lab's
switches have to reach both, and its programs have to attack, at the public names, which lead
nowhere here.
What is not tried: images, the kubelet, policies, routes, the cluster's names.
"""

import base64
import http.server
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
import urllib.error
import urllib.request

from manifests import pod_template, read
from rehearsed_lab import Lab

# How long everything has to get ready, and a service to end.
READY_S, END_S = 90, 30
TOKEN = "rehearsal"
# The addresses of a service's pods.
REPLICAS = ("127.0.0.1", "127.0.0.2")


class Cluster:
    """Secrets, kept under the Job's Role."""

    def __init__(self, objects, namespace):
        self.secrets, self.version, self.refused = {}, 0, []
        self.prefix = f"/api/v1/namespaces/{namespace}/secrets"
        rules = [rule for one in objects if one["kind"] == "Role" for rule in one["rules"]]
        self.rules = [(set(rule["verbs"]), rule.get("resourceNames")) for rule in rules]

    def may(self, verb, name):
        return any(verb in verbs and (names is None or name in names) for verbs, names in self.rules)

    def answer(self, verb, name, body):
        """Status and object, as the API server would answer."""
        if not self.may(verb, name):
            self.refused.append(f"{verb} {name}")
            return 403, {"reason": "Forbidden", "message": f"{verb} {name}"}
        there = self.secrets.get(name)
        if verb == "get":
            return (200, there) if there else (404, {"reason": "NotFound", "message": name})
        if verb == "create" and there:
            return 409, {"reason": "AlreadyExists", "message": name}
        if verb == "patch" and body["metadata"]["resourceVersion"] != there["metadata"]["resourceVersion"]:
            return 409, {"reason": "Conflict", "message": name}
        self.version += 1
        data = {**(there or {}).get("data", {}), **body["data"]}
        self.secrets[name] = {"metadata": {"name": name, "resourceVersion": str(self.version)}, "data": data}
        return (201 if verb == "create" else 200), self.secrets[name]

    def handler(self):
        cluster = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def serve(self):
                length = int(self.headers.get("content-length", 0))
                body = json.loads(self.rfile.read(length) or b"{}")
                path = self.path.split("?")[0]
                name = path.removeprefix(cluster.prefix).strip("/") or body.get("metadata", {}).get("name")
                verb = {"GET": "get", "POST": "create", "PATCH": "patch"}[self.command]
                if self.headers.get("authorization") != f"Bearer {TOKEN}" or not path.startswith(cluster.prefix):
                    status, answer = 401, {"reason": "Unauthorized", "message": path}
                else:
                    status, answer = cluster.answer(verb, name, body)
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = serve

            def log_message(self, *_):
                pass

        return Handler


def certificate(home):
    """A key and a certificate for 127.0.0.1, which is its own authority."""
    config = os.path.join(home, "tls.conf")
    with open(config, "w", encoding="ascii") as file:
        file.write(
            "[req]\ndistinguished_name=d\nx509_extensions=e\nprompt=no\n[d]\nCN=rehearsal\n"
            "[e]\nbasicConstraints=CA:FALSE\nsubjectAltName=IP:127.0.0.1\n"
        )
    paths = os.path.join(home, "ca.crt"), os.path.join(home, "tls.key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-config", config, "-out", paths[0], "-keyout", paths[1]],
        check=True, capture_output=True,
    )
    return paths


def free_offset():
    """By how much the contract's ports are moved, so that all of them are free here."""
    wanted = [*range(8080, 8088), 8481, 8484, 9081, 9085, *range(9100, 9108)]
    for offset in range(2000 + os.getpid() % 20000, 45000, 97):
        sockets = []
        try:
            for port in wanted:
                sockets += [socket.create_server((host, port + offset)) for host in REPLICAS]
            return offset
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
    raise SystemExit("no free ports")


class Rehearsal:
    def __init__(self, binaries, path, home):
        self.binaries, self.home, self.path = binaries, home, path
        self.objects = read(path)
        self.namespace = next(one["metadata"]["namespace"] for one in self.objects if one["kind"] == "Job")
        self.configs = {one["metadata"]["name"]: one["data"] for one in self.objects if one["kind"] == "ConfigMap"}
        self.cluster = Cluster(self.objects, self.namespace)
        self.offset = free_offset()
        with socket.create_server(("127.0.0.1", 0)) as one:
            self.redis_port = one.getsockname()[1]
        self.running = []
        # The names that stand for all pods of a service.
        self.of_pods = {one["metadata"]["name"] for one in self.objects if one["kind"] == "Service" and one["metadata"]["name"].endswith("-pods")}
        self.is_tls = any(port.get("appProtocol") == "https" and port["name"] == "http" for port in self.ports())
        self.hosts = REPLICAS if self.of_pods and not self.is_tls else REPLICAS[:1]
        for one in self.objects:
            if one["kind"] == "Secret":
                data = {key: base64.b64encode(value.encode()).decode() for key, value in one["stringData"].items()}
                self.cluster.secrets[one["metadata"]["name"]] = {"data": data}

    # --- Secrets ----------------------------------------------------------------------

    def job(self):
        """Runs the Job, twice: the second time changes nothing."""
        job = next(one for one in self.objects if one["kind"] == "Job")
        account = os.path.join(self.home, "account")
        os.makedirs(account)
        ca, key = certificate(account)
        with open(os.path.join(account, "token"), "w", encoding="ascii") as file:
            file.write(TOKEN)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.cluster.handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(ca, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = [f"--service-account={account}", "--kubernetes-host=127.0.0.1", f"--kubernetes-port={server.server_port}"]
        before = None
        for _ in range(2):
            self.once("secrets", job, [*place, "--timeout=20s"])
            now = json.dumps(self.cluster.secrets, sort_keys=True)
            if before not in (None, now):
                raise SystemExit("the Job's second run changed a Secret")
            before = now
        server.shutdown()
        if self.cluster.refused:
            raise SystemExit(f"the Job's Role does not allow: {self.cluster.refused}")

    def bring(self):
        """What a production's owner brings: users, Redis's URL."""
        users = tomllib.loads(self.configs_text("idp.toml")).get("users_file")
        for _, _, spec in self.pods():
            for volume in spec.get("volumes", []):
                for source in [volume, *volume.get("projected", {}).get("sources", [])]:
                    secret = source.get("secret", {})
                    name = secret.get("secretName") or secret.get("name")
                    for item in secret.get("items", []):
                        there = self.cluster.secrets.setdefault(name, {"data": {}})["data"]
                        if item["path"] == "redis-url" and item["key"] not in there:
                            there[item["key"]] = base64.b64encode(f"redis://127.0.0.1:{self.redis_port}/0".encode()).decode()
                        if item["path"] == "users.toml" and item["key"] not in there:
                            assert users
                            there[item["key"]] = base64.b64encode(USERS.encode()).decode()

    def configs_text(self, key):
        return next(data[key] for data in self.configs.values() if key in (data or {}))

    def ports(self):
        return [port for one in self.objects if one["kind"] == "Service" for port in one["spec"]["ports"]]

    # --- pods -------------------------------------------------------------------------

    def pods(self):
        return [(one, *pod_template(one)) for one in self.objects if pod_template(one)]

    def here(self, text, root):
        """A pod's words as this machine knows them: its paths under `root`, Services' names
        as ports of loopback."""
        def port(match):
            number = int(match[3])
            # A certificate is good for the service's names, and not for the address.
            host = f"{site_of(match[2])}.localhost" if match[1] == "https://" else "127.0.0.1"
            return f"{match[1]}{host}:{self.redis_port if number == 6379 else number + self.offset}"
        def pods(match):
            if match[3] not in self.of_pods:
                raise SystemExit(f"{match[0]}: there is no such Service")
            site = site_of(match[1])
            hosts = [f"{site}.localhost"] if match[2] == "https" else self.hosts
            return ",".join(f"{match[1]}={match[2]}://{host}:{int(match[4]) + self.offset}" for host in hosts)
        text = re.sub(r"([a-z0-9-]+)=(https?)://([a-z0-9-]+-pods):(\d+)", pods, text)
        text = re.sub(r"(?m)^port 6379$", f"port {self.redis_port}", text)
        text = re.sub(r"(?m)^bind .*$", "bind 127.0.0.1", text)
        text = re.sub(r"(?<![\w/])/(etc/sso-lab|var/lib/sso-lab|etc/redis|run/secrets|data)\b", rf"{root}/\1", text)
        # A port ends where the digits do: behind a user's name stands a password, which may begin with some.
        return re.sub(r"(https://|//|=|@)sso-lab-([a-z0-9-]+):(\d+)(?![\w@-])", port, text)

    def files(self, name, spec):
        """The pod's volumes, as directories that cannot be written."""
        root = os.path.join(self.home, name)
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        for mount in spec["containers"][0].get("volumeMounts", []):
            at = root + mount["mountPath"]
            os.makedirs(at)
            volume = volumes.get(mount["name"], {})
            for source in [volume, *volume.get("projected", {}).get("sources", [])]:
                for path, content in self.source(source):
                    with open(os.path.join(at, path), "wb") as file:
                        file.write(content)
            if mount.get("readOnly"):
                os.chmod(at, 0o555)
        return root

    def source(self, source):
        if config := source.get("configMap"):
            data = self.configs[config["name"]]
            items = config.get("items") or [{"key": key, "path": key} for key in data]
            root = os.path.join(self.home, "idp" if "idp.toml" in data else "redis")
            yield from ((item["path"], self.here(data[item["key"]], root).encode()) for item in items)
        if secret := source.get("secret"):
            data = self.cluster.secrets[secret.get("secretName") or secret["name"]]["data"]
            for item in secret["items"]:
                if item["key"] in data:
                    content = base64.b64decode(data[item["key"]])
                    if item["path"] == "redis-url":
                        content = self.here(content.decode(), "").encode()
                    yield item["path"], content
                elif not secret.get("optional"):
                    raise SystemExit(f"{item['key']} of {secret} is not there: the pod would wait for good")

    def command(self, name, one, more, host="127.0.0.1"):
        _, spec = pod_template(one)
        container = spec["containers"][0]
        root = self.files(name, spec)
        program = re.sub(r"[:@].*", "", container["image"].rsplit("/", 1)[1])
        words = [os.path.join(self.binaries, program), *container.get("args", []), *more]
        if program == "redis":
            words = container["command"]
        environment = {
            variable["name"]: self.here(variable["value"], root)
            for variable in container.get("env", []) if not variable["name"].startswith("OTEL_")
        }
        environment |= {"PATH": os.environ["PATH"], "BIND": host, "LISTEN_OFFSET": str(self.offset)}
        # A check's own addresses are public names, which it is to reach elsewhere.
        return [self.here(word, root) for word in words], environment

    def once(self, name, one, more=()):
        """A pod that ends by itself."""
        words, environment = self.command(f"{name}-{time.monotonic_ns()}", one, more)
        environment.pop("LISTEN_OFFSET")
        ran = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=240)
        if ran.returncode:
            raise SystemExit(f"{name} ended with {ran.returncode}\n{ran.stdout}{ran.stderr}")
        return ran.stdout

    def start(self, name, one, host="127.0.0.1"):
        words, environment = self.command(name, one, [], host)
        log = open(os.path.join(self.home, f"{name}.log"), "w", encoding="utf-8")  # ends with the process
        process = subprocess.Popen(words, env=environment, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.running.append((name, process, log))

    def tail(self, name):
        with open(os.path.join(self.home, f"{name}.log"), encoding="utf-8") as file:
            return "".join(file.readlines()[-8:])

    def ready(self, name, probe, until):
        # As the kubelet does it: no certificate is checked.
        unchecked = ssl.create_default_context()
        unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
        while True:
            ended = next((n for n, process, _ in self.running if process.poll() is not None), None)
            if ended:
                raise SystemExit(f"{ended} ended:\n{self.tail(ended)}")
            try:
                with urllib.request.urlopen(probe, timeout=5, context=unchecked):
                    return
            except (urllib.error.URLError, OSError) as error:
                if time.monotonic() > until:
                    raise SystemExit(f"{name} is not ready: {error}\n{self.tail(name)}") from None
            time.sleep(0.1)

    def play(self):
        self.job()
        self.bring()
        redis = [one for one in self.objects if one["kind"] == "StatefulSet"]
        if redis:
            self.start("redis", redis[0])
        else:
            log = open(os.path.join(self.home, "redis.log"), "w", encoding="utf-8")
            words = ["redis-server", "--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", self.home]
            self.running.append(("redis", subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT), log))
        probes = {}
        for one in self.objects:
            if one["kind"] == "Deployment" and not one["metadata"]["name"].endswith("-jaeger"):
                container = pod_template(one)[1]["containers"][0]
                probe = container["readinessProbe"]["httpGet"]
                port = next(port["containerPort"] for port in container["ports"] if port["name"] == probe["port"])
                scheme = probe.get("scheme", "HTTP").lower()
                hosts = self.hosts if f"{one['metadata']['name']}-pods" in self.of_pods else REPLICAS[:1]
                for number, host in enumerate(hosts, 1):
                    name = container["name"] if number == 1 else f"{container['name']}-{number}"
                    self.start(name, one, host)
                    probes[name] = f"{scheme}://{host}:{port + self.offset}{probe['path']}"
        until = time.monotonic() + READY_S
        for name, probe in probes.items():
            self.ready(name, probe, until)
        check = next(one for one in self.objects if one["kind"] == "Pod")
        story = self.once("check", check)
        lab = self.lab().play() if self.of_pods else "no lab"
        for name, process, _ in reversed(self.running):
            process.send_signal(signal.SIGTERM)
            if process.wait(END_S) != 0:
                raise SystemExit(f"{name} ended with {process.returncode}:\n{self.tail(name)}")
        return len(probes), next(line for line in reversed(story.splitlines()) if " steps " in line), lab

    def lab(self):
        """The lab, for who has its secret, as a browser on the machine of a kind cluster reaches it."""
        secret = next(data["data"]["lab-secret"] for data in self.cluster.secrets.values() if "lab-secret" in data["data"])
        environment = {"PATH": os.environ["PATH"], "LAB_SECRET": base64.b64decode(secret).decode()}
        words = [os.path.join(self.binaries, "sso-lab"), "keys", "lab"]
        key = subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.strip()
        scheme = "https" if self.is_tls else "http"
        services = {}
        for one in self.objects:
            if one["metadata"]["name"] in self.of_pods:
                component = one["metadata"]["labels"]["app.kubernetes.io/component"]
                services[component] = f"{scheme}://{site_of(component)}.localhost:{one['spec']['ports'][0]['port']}"
        return Lab(f"{scheme}://lab.localhost:8080", key, services, self.hosts, self.offset)

    def stop(self):
        for _, process, log in reversed(self.running):
            if process.poll() is None:
                process.kill()
                process.wait()
            log.close()


def site_of(component):
    return component.removesuffix("-bff").replace("-", "")


# Somebody's own users; nobody signs in as them here.
USERS = """
[[users]]
sub = "u-1"
username = "erin"
name = "Erin"
email = "erin@example.com"
roles = []
password_hash = "$argon2id$v=19$m=19456,t=2,p=1$K3nF5WGH+q/diAqK1TS12w$yoFtfsxDS1jN3hPIP/JruKOZoY672uXBhAkWBrBMMDA"
"""


def main(binaries, *paths):
    for path in paths:
        with tempfile.TemporaryDirectory() as home:
            rehearsal = Rehearsal(os.path.abspath(binaries), path, home)
            try:
                pods, story, lab = rehearsal.play()
            finally:
                rehearsal.stop()
        print(f"   {os.path.basename(path)}: the Job twice, {pods} pods, the check: {story}; {lab}")


if __name__ == "__main__":
    main(*sys.argv[1:])
