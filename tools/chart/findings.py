"""What kube-score and checkov find in rendered manifests, less what exceptions.yaml
explains. An exception that explains nothing is a finding too.

    findings.py EXCEPTIONS KUBE_SCORE CHECKOV FILE…
"""

import json
import os
import re
import subprocess
import sys

import yaml

from manifests import name_of, read


def kube_score(program, path):
    """Check, object and what it says, by kube-score."""
    ran = subprocess.run([program, "score", "--output-format", "json", path], capture_output=True, text=True, check=False)
    if not ran.stdout.startswith("["):
        raise SystemExit(f"kube-score: {path}: {ran.stderr[:500]}")
    for scored in json.loads(ran.stdout):
        for check in scored["checks"]:
            if check["skipped"] or check["grade"] == 10:
                continue
            said = "; ".join(comment["summary"] for comment in check["comments"] or [])
            name = f"{scored['type_meta']['kind']}/{scored['object_meta']['name']}"
            yield f"kube-score/{check['check']['id']}", name, said


def checkov(program, paths):
    """The same by checkov, for all files at once: it takes long to start."""
    command = [program, "--framework", "kubernetes", "--skip-download", "--compact", "--quiet", "-o", "json", "-f", *paths]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        answer = json.loads(ran.stdout)
    except json.JSONDecodeError:
        raise SystemExit(f"checkov: {ran.stdout[:200]} {ran.stderr[:500]}") from None
    if answer["summary"]["parsing_errors"] or not answer["summary"]["passed"]:
        raise SystemExit(f"checkov: {answer['summary']}")
    for found in answer["results"]["failed_checks"]:
        kind, _, name = found["resource"].split(".", 2)
        yield f"checkov/{found['check_id']}", f"{kind}/{name}", found["check_name"]


def main(exceptions, kube_score_program, checkov_program, *paths):
    with open(exceptions, encoding="utf-8") as file:
        explained = yaml.safe_load(file)
    if any(len(one["why"]) < 40 for one in explained):
        raise SystemExit("an exception has its reason")
    used, problems = set(), set()

    def judge(found, where):
        check, name, said = found
        for index, one in enumerate(explained):
            if check in one["checks"] and re.search(one.get("on", ""), name):
                used.add((index, check))
                return
        problems.add(f"{where}{check}: {name}: {said}")

    objects = 0
    for path in paths:
        objects += len([name_of(one) for one in read(path)])
        for found in kube_score(kube_score_program, path):
            judge(found, f"{os.path.basename(path)}: ")
    for found in checkov(checkov_program, paths):
        judge(found, "")
    for index, one in enumerate(explained):
        for check in one["checks"]:
            if (index, check) not in used:
                problems.add(f"exceptions.yaml: {check} on {one.get('on', 'everything')}: nothing is found any more")
    print("\n".join(sorted(problems)) or f"   {objects} objects: nothing found but {len(used)} explained exceptions")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
