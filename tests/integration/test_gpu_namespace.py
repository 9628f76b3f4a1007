"""The role gpu_namespace against a real API server: what it makes, what it leaves alone, what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient

from tests.integration.applying import Live, role_play
from tests.integration.clusters import wait_for
from tests.integration.plays import Playbooks, Run

Make = Callable[..., Run]
APPLY = "Apply the namespace's objects"
NFS = {"kind": "nfs", "server": "192.0.2.1", "export": "/srv/nfs/", "directory": "models/voice"}


@pytest.fixture
def live(kube: DynamicClient, namespace: str) -> Live:
    """The objects of a namespace that does not exist yet."""
    return Live(kube, namespace)


@pytest.fixture
def make(run_playbook: Playbooks, namespace: str) -> Make:
    """Run the role."""

    def run(*arguments: str, environ: dict[str, str] | None = None, **settings: Any) -> Run:
        variables = {f"gpu_namespace_{name}": value for name, value in {"name": namespace, **settings}.items()}
        return run_playbook(role_play("gpu_namespace"), *arguments, variables=variables, environ=environ)

    return run


@pytest.fixture
def volume(kube: DynamicClient, namespace: str) -> Iterator[Callable[[], dict[str, Any]]]:
    """Read the PersistentVolume of the namespace; it is gone after the test."""
    volumes = kube.resources.get(api_version="v1", kind="PersistentVolume")
    name = f"{namespace}-models"
    yield lambda: json.loads(json.dumps(volumes.get(name=name).to_dict()))
    try:
        volumes.delete(name=name)
    except ApiException as error:
        if error.status != 404:
            raise


def until_bound(live: Live) -> None:
    def bound() -> bool:
        return bool(live.get("PersistentVolumeClaim", "models")["status"].get("phase") == "Bound")

    wait_for(bound, what="the claim to be bound")


def test_check_mode_on_an_empty_cluster_tells_everything_and_makes_nothing(make: Make, live: Live) -> None:
    run = make("--check", "--diff", storage=NFS, quota={"requests.memory": "16Gi"}).ok()
    assert run.changed == 1
    actions = run.task(APPLY)["result"]["actions"]
    assert {item["action"] for item in actions} == {"create"}
    assert [item["object"].split()[0] for item in actions] == [
        "Namespace",
        "ResourceQuota",
        "NetworkPolicy",
        "Job",
        "PersistentVolume",
        "PersistentVolumeClaim",
    ]
    assert f"+++ after: PersistentVolumeClaim {live.namespace}/models (applied)" in run.stdout
    assert not live.there("Namespace", live.namespace)


def test_labels_of_others_stay_and_dropped_ones_of_ours_go(make: Make, live: Live) -> None:
    make(labels={"ours": "1", "kept": "1"}, annotations={"note": "😀"}).ok()
    foreign = {"metadata": {"labels": {"theirs": "2"}}}
    live.api("Namespace").patch(name=live.namespace, body=foreign, content_type="application/merge-patch+json")
    assert make(labels={"kept": "1"}).ok().changed == 1
    metadata = live.api("Namespace").get(name=live.namespace).to_dict()["metadata"]
    assert metadata["labels"]["theirs"] == "2"
    assert metadata["labels"]["kept"] == "1"
    assert "ours" not in metadata["labels"]
    assert "note" not in metadata.get("annotations", {})
    assert make(labels={"kept": "1"}).ok().changed == 0


def test_what_is_switched_off_goes(make: Make, live: Live) -> None:
    limits = [{"type": "Container", "default": {"memory": "1Gi"}}]
    make(quota={"requests.memory": "16Gi"}, limits=limits).ok()
    assert {("ResourceQuota", "tenants"), ("NetworkPolicy", "default-deny")} <= live.names()
    assert live.there("LimitRange", "tenants")
    assert make(default_deny=False).ok().changed == 1
    assert live.names() == set()
    assert not live.there("LimitRange", "tenants")


class TestNfs:
    def test_the_directory_is_made_before_the_claim_is_used(
        self, make: Make, live: Live, volume: Callable[[], dict[str, Any]]
    ) -> None:
        make(storage=NFS).ok()
        (job,) = live.all("Job")
        assert job["status"]["succeeded"] == 1, "the role waits for it"
        pod = job["spec"]["template"]["spec"]
        assert pod["volumes"][0]["nfs"] == {"server": "192.0.2.1", "path": "/srv/nfs/"}, "the export, not the directory"
        assert pod["containers"][0]["args"] == ["/export/models/voice", "0777"]
        assert "ttlSecondsAfterFinished" not in job["spec"]
        assert volume()["spec"]["nfs"] == {"server": "192.0.2.1", "path": "/srv/nfs/models/voice"}
        assert volume()["spec"]["persistentVolumeReclaimPolicy"] == "Retain"
        until_bound(live)
        before = live.state()
        assert make(storage=NFS).ok().changed == 0
        assert live.state() == before

    def test_changed_settings_make_a_new_job_and_touch_no_old_one(self, make: Make, live: Live) -> None:
        make(storage=NFS, bootstrap_image="registry.example/sh:1").ok()
        (first,) = live.all("Job")
        make(storage=NFS, bootstrap_image="registry.example/sh:2").ok()
        jobs = {job["metadata"]["name"]: job for job in live.all("Job")}
        assert len(jobs) == 2
        assert jobs[first["metadata"]["name"]]["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]

    def test_a_moved_export_is_refused_with_the_remedy_and_nothing_half_done(self, make: Make, live: Live) -> None:
        make(storage=NFS).ok()
        before = live.state()
        run = make(storage={**NFS, "server": "192.0.2.2"})
        assert run.rc != 0
        message = run.task(APPLY)["result"]["msg"]
        assert f"PersistentVolume {live.namespace}-models: spec.persistentvolumesource: " in message
        assert "this cannot be changed in place: put the former value back" in message
        assert live.state() == before, "no Job was made for the new server either"

    def test_a_claim_that_was_deleted_gets_its_volume_back(
        self, make: Make, live: Live, volume: Callable[[], dict[str, Any]]
    ) -> None:
        make(storage=NFS).ok()
        until_bound(live)
        live.api("PersistentVolumeClaim").delete(name="models", namespace=live.namespace)
        wait_for(lambda: volume()["status"]["phase"] == "Released", what="the volume to be released")
        assert make(storage=NFS).ok().changed == 1
        until_bound(live)
        assert make(storage=NFS).ok().changed == 0

    @pytest.mark.parametrize("gone", ["Job", "PersistentVolumeClaim", "NetworkPolicy"])
    def test_what_is_missing_is_made_again(self, make: Make, live: Live, gone: str) -> None:
        make(storage=NFS).ok()
        complete = live.names()
        for item in list(live.all(gone)):
            live.api(gone).delete(
                name=item["metadata"]["name"], namespace=live.namespace, body={"propagationPolicy": "Background"}
            )
        wait_for(lambda: live.names() != complete, what=f"the {gone} to be gone")
        assert make(storage=NFS).ok().changed == 1
        assert live.names() == complete

    @pytest.mark.parametrize(
        ("storage", "variable"),
        [
            ({"kind": "nfs", "server": "192.0.2.1", "export": "/srv"}, "gpu_namespace_storage.directory is not set"),
            ({**NFS, "directory": "../secrets"}, "gpu_namespace_storage.directory: '../secrets' does not lie below"),
            ({**NFS, "directory": "/absolute"}, "gpu_namespace_storage.directory: '/absolute' does not lie below"),
            ({**NFS, "directory_mode": 0o777}, "gpu_namespace_storage.directory_mode: 511 is no mode in quotes"),
            ({**NFS, "size": "20GB"}, "gpu_namespace_storage.size: '20GB' is no Kubernetes quantity; write "),
            ({**NFS, "claim": "Models"}, "gpu_namespace_storage.claim: 'Models' is no name of a PersistentVolumeClaim"),
            ({"kind": "tape"}, "value of kind must be one of: nfs, storage_class, existing_claim, ephemeral"),
        ],
    )
    def test_settings_that_cannot_work_end_before_anything_is_made(
        self, make: Make, live: Live, storage: dict[str, Any], variable: str
    ) -> None:
        run = make(storage=storage)
        assert run.rc != 0
        assert variable in " ".join(run.stdout.split())
        assert not live.there("Namespace", live.namespace)


class TestClaims:
    def test_a_storage_class_gets_a_claim_that_survives_absent(self, make: Make, live: Live) -> None:
        storage = {"kind": "storage_class", "storage_class": "fast", "size": "5Gi"}
        make(storage=storage, quota={"pods": "3"}).ok()
        claim = live.get("PersistentVolumeClaim", "models")
        assert claim["spec"]["storageClassName"] == "fast"
        assert claim["spec"]["resources"]["requests"]["storage"] == "5Gi"
        # As -e name=false and an INI inventory give it: text, which would be true.
        run = make(storage=storage, state="absent", purge_storage="false").ok()
        assert live.names() == {("PersistentVolumeClaim", "models")}
        assert "gpu_namespace_purge_storage: true removes them" in " ".join(run.stdout.split())
        make(storage=storage, state="absent", purge_storage="yes").ok()
        assert not live.there("Namespace", live.namespace)

    def test_an_existing_claim_must_exist_before_anything_is_changed(self, make: Make, live: Live) -> None:
        storage = {"kind": "existing_claim", "claim": "weights"}
        run = make(storage=storage)
        assert run.rc != 0
        assert "there is no PersistentVolumeClaim 'weights'" in " ".join(run.stdout.split())
        assert not live.there("Namespace", live.namespace)
        make(default_deny=False).ok()
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        assert make(storage=storage).rc != 0
        assert not live.there("NetworkPolicy", "default-deny"), "nobody who runs there is cut off"
        live.api("PersistentVolumeClaim").create(
            namespace=live.namespace, body={"metadata": {"name": "weights"}, "spec": spec}
        )
        make(storage=storage).ok()
        kept = " ".join(make(storage=storage, state="absent").ok().stdout.split())
        assert "this role did not make the claim and never deletes it" in kept
        assert "removes them" not in kept

    def test_no_cluster_is_told_in_one_sentence(self, make: Make) -> None:
        away = {"K8S_AUTH_KUBECONFIG": "/dev/null", "K8S_AUTH_HOST": "https://127.0.0.1:9"}
        for settings in ({"state": "absent"}, {"storage": {"kind": "existing_claim"}}):
            run = make(environ=away, **settings)
            assert run.rc != 0
            assert "check that KUBECONFIG, or the K8S_AUTH_* variables, name a cluster that runs" in " ".join(
                run.stdout.split()
            )
            assert "Max retries" not in run.stdout


class TestAbsent:
    def test_it_proves_that_the_namespace_is_gone_and_can_be_made_again(
        self, make: Make, live: Live, volume: Callable[[], dict[str, Any]]
    ) -> None:
        make(storage=NFS).ok()
        assert make(storage=NFS, state="absent").ok().changed == 1
        assert not live.there("Namespace", live.namespace)
        with pytest.raises(ApiException):
            volume()
        assert make(storage=NFS, state="absent").ok().changed == 0
        make(storage=NFS).ok()
        until_bound(live)

    def test_what_others_run_and_models_keep_the_namespace(self, make: Make, live: Live) -> None:
        make(storage={"kind": "storage_class", "storage_class": "any"}, timeout=1)
        assert live.there("PersistentVolumeClaim", "models")
        pod = {"containers": [{"name": "a", "image": "registry.example/a:1"}]}
        live.api("Pod").create(namespace=live.namespace, body={"metadata": {"name": "theirs"}, "spec": pod})
        labels = {"app": "gated"}
        template = {"metadata": {"labels": labels}, "spec": pod}
        spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
        live.api("Deployment").create(namespace=live.namespace, body={"metadata": {"name": "gated"}, "spec": spec})
        run = make(state="absent")
        assert run.rc != 0
        told = "still has Pod theirs, PersistentVolumeClaim models, Deployment gated, which would be lost"
        assert told in " ".join(run.stdout.split())
        assert live.there("Namespace", live.namespace)


def test_a_priority_class_is_made_and_stays(make: Make, live: Live, kube: DynamicClient) -> None:
    classes = kube.resources.get(api_version="scheduling.k8s.io/v1", kind="PriorityClass")
    name = f"voice-{live.namespace}"
    try:
        make(priority_class={"name": name, "value": 1000}).ok()
        found = classes.get(name=name)
        assert (found.value, found.preemptionPolicy) == (1000, "Never")
        run = make(priority_class={"name": name, "value": 2000})
        assert run.rc != 0
        assert f"PriorityClass {name}: value: " in run.task(APPLY)["result"]["msg"]
        assert "this cannot be changed in place" in run.task(APPLY)["result"]["msg"]
        make(priority_class={"name": name, "value": 1000}, state="absent").ok()
        assert classes.get(name=name)
    finally:
        classes.delete(name=name)
