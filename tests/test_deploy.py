"""The files of `deploy/` say what the program understands: options, paths, versions. That a container really
runs is not tested here; `make check-deploy` lints them.
"""

import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from crisislens.cli.main import app
from crisislens.core.version import __version__

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text(encoding="utf-8")


def documents(name: str) -> list[dict[str, Any]]:
    """The documents of a YAML file."""
    with (DEPLOY / name).open(encoding="utf-8") as stream:
        return [document for document in yaml.safe_load_all(stream) if document]


def command_lines() -> dict[str, list[str]]:
    """Each command line of `deploy/`, by where it stands."""
    found = {}
    [compose] = documents("compose.yaml")
    for name, service in compose["services"].items():
        if service.get("image") == "crisislens":
            # ${NAME:?…} and ${NAME:-2} become a value that any option takes
            found[f"compose {name}"] = [re.sub(r"\$\{[^}]*\}", "2", word) for word in service["command"]]
    for document in documents("kubernetes.yaml"):
        if document["kind"] == "Deployment":
            [container] = document["spec"]["template"]["spec"]["containers"]
            found[f"kubernetes {container['name']}"] = container["args"]
    job = documents("kuberay.yaml")[0]
    found["kuberay"] = shlex.split(job["spec"]["entrypoint"])[1:]
    # a continued line is one line
    script = (DEPLOY / "slurm.sh").read_text(encoding="utf-8").replace("\\\n", " ")
    [line] = [line for line in script.splitlines() if line.startswith("srun --overlap")]
    found["slurm"] = shlex.split(line.partition("crisislens ")[2])
    [last] = re.findall(r"^CMD \[(\"serve\".*)\]$", CONTAINERFILE, re.MULTILINE)
    found["Containerfile"] = [word.strip(' "') for word in last.split(",")]
    return found


def test_every_part_has_its_command_line() -> None:
    assert set(command_lines()) == {
        "compose serve",
        "compose worker",
        "kubernetes serve",
        "kubernetes worker",
        "kuberay",
        "slurm",
        "Containerfile",
    }


@pytest.mark.parametrize("where", sorted(command_lines()))
def test_the_command_lines_are_understood(where: str) -> None:
    name, *words = command_lines()[where]
    group: Any = typer.main.get_command(app)
    # parsed, not run; a wrong option or value raises
    assert group.commands[name].make_context(name, words).params


def test_the_image_runs_as_nobody_and_answers_for_its_health() -> None:
    users = re.findall(r"^USER (\S+)$", CONTAINERFILE, re.MULTILINE)
    assert users == ["10001:10001"]
    from crisislens.serve.api.health import router

    [path] = re.findall(r"127\.0\.0\.1:8765(/\w+)", CONTAINERFILE)
    assert path in {route.path for route in router.routes}  # type: ignore[attr-defined]
    assert "EXPOSE 8765" in CONTAINERFILE
    for document in documents("kubernetes.yaml"):
        if document["kind"] == "Deployment":
            pod = document["spec"]["template"]["spec"]
            assert pod["securityContext"]["runAsNonRoot"]
            assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"]


def test_what_the_image_copies_is_let_through() -> None:
    ignored = (ROOT / ".containerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignored
    let_through = {line[1:] for line in ignored if line.startswith("!")}
    copied: set[str] = set()
    for words in re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINERFILE, re.MULTILINE):
        copied.update(words.split())
    assert copied == let_through
    for name in copied:
        assert (ROOT / name).exists(), name


def test_versions_are_those_of_the_project() -> None:
    tags = set()
    for name in ("kubernetes.yaml", "kuberay.yaml"):
        tags.update(
            re.findall(r"registry\.example\.org/[\w-]+:(\S+)", (DEPLOY / name).read_text(encoding="utf-8"))
        )
    assert tags == {__version__}
    [ray] = re.findall(r"^ray==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    job, policy = documents("kuberay.yaml")
    assert job["spec"]["rayClusterSpec"]["rayVersion"] == ray
    # the dashboard that takes the job listens beyond its pod, so who may come is said
    assert f"ray[default]=={ray}" in (DEPLOY / "kuberay.yaml").read_text(encoding="utf-8")
    assert policy["kind"] == "NetworkPolicy"
    assert policy["spec"]["policyTypes"] == ["Ingress"]


def test_no_password_stands_in_a_file_or_a_command_line() -> None:
    for path in DEPLOY.iterdir():
        text = path.read_text(encoding="utf-8")
        # a user and a host, and no password between them
        assert not re.search(r"://[^/\s:@]+:[^/\s@]+@", text), path.name
    assert re.search(
        r"^CRISISLENS_DB_PASSWORD=$", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.MULTILINE
    )


def test_compose_itself_says_when_a_service_that_others_wait_for_is_well() -> None:
    """podman builds images in a format that has no HEALTHCHECK."""
    [compose] = documents("compose.yaml")
    services = compose["services"]
    waited_for = {
        name
        for service in services.values()
        for name, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_healthy"
    }
    assert waited_for == {"database", "serve"}
    for name in waited_for:
        assert services[name]["healthcheck"]["test"][0] == "CMD-SHELL", name
    [python, option, script] = shlex.split(services["serve"]["healthcheck"]["test"][1])
    assert (python, option) == ("python", "-c")
    compile(script, "healthcheck", "exec")
    # the same that the image says
    assert script in CONTAINERFILE


def test_a_worker_has_time_to_finish_what_it_holds() -> None:
    pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")
    from crisislens.assess import AssessPool

    patience = inspect.signature(AssessPool.stop).parameters["patience_s"].default
    [compose] = documents("compose.yaml")
    assert int(compose["services"]["worker"]["stop_grace_period"].removesuffix("s")) > patience
    for document in documents("kubernetes.yaml"):
        if document["metadata"]["name"] == "crisislens-worker":
            assert document["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > patience


def test_ray_tells_nobody_that_it_is_used() -> None:
    cluster = documents("kuberay.yaml")[0]["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        [container] = group["template"]["spec"]["containers"]
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"], container["name"]
    assert "RAY_USAGE_STATS_ENABLED=0" in (DEPLOY / "slurm.sh").read_text(encoding="utf-8")
    # Ray's own default is to tell
    assert "`RAY_USAGE_STATS_ENABLED=0` for every `ray start`" in (ROOT / "docs" / "cluster.md").read_text(
        encoding="utf-8"
    )


def test_what_is_added_to_the_image_of_ray_is_added_as_root_and_run_as_nobody() -> None:
    text = (DEPLOY / "kuberay.yaml").read_text(encoding="utf-8")
    added = re.findall(r"^#   ((?:USER|RUN) .+)$", text, re.MULTILINE)
    assert (added[0], added[-1]) == ("USER root", "USER 10001:10001")
    assert any(" wget " in line for line in added)


@pytest.mark.parametrize("page", ["service.md", "operating.md"])
def test_the_units_and_proxies_of_the_docs_tell_visitors_apart(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").replace("\\\n", " ")
    [unit] = re.findall(r"^ExecStart=\S+ serve (.+)$", text, re.MULTILINE)
    assert "--https" in unit
    assert "--proxy 127.0.0.1" in unit
    locations = re.findall(r"location [^{]+\{([^}]*)\}", text)
    assert locations
    for location in locations:
        assert "proxy_set_header X-Forwarded-For $remote_addr;" in location
        assert "proxy_set_header X-Forwarded-Proto https;" in location
    # nginx hands no header of one location to another, so all are set in each
    headers = [sorted(re.findall(r"proxy_set_header (.+);", location)) for location in locations]
    assert all(each == headers[0] for each in headers)
