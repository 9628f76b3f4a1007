"""stt_speaches and tts_chatterbox on a real API server: what is deployed is read back from there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.integration.clusters import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kubernetes.dynamic import DynamicClient

    from tests.integration.plays import Playbooks

DIGEST = "sha256:" + "a1" * 32
MODEL = "deepdml/faster-whisper-large-v3-turbo-ct2"
# Data everywhere, and structure nowhere.
ODD_VOICE = 'Zo\u00eb\'s "second": - voice, 100 % \U0001f3a4 #1.wav'
TENANT_KINDS = (
    ("apps/v1", "Deployment"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "Pod"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
)
PUBLIC_HTTPS = {
    "ports": [{"port": 443, "protocol": "TCP"}],
    "to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]}}],
}


def site(*roles: str) -> list[dict[str, Any]]:
    """A play with these roles of the collection."""
    included = [
        {"name": f"Apply {role}", "ansible.builtin.include_role": {"name": f"sharedgpu.voice.{role}"}} for role in roles
    ]
    return [{"name": "Deploy", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": included}]


#: defaults, as -e name=value and INI inventories give them
AS_TEXT = {
    "stt_speaches_vad_on_gpu": "false",
    "stt_speaches_proof_timeout": "120",
    "stt_speaches_start_attempts": "90",
    "tts_chatterbox_bf16": "false",
    "tts_chatterbox_download": "true",
    "tts_chatterbox_start_attempts": "180",
    "gpu_namespace_default_deny": "true",
}
BOTH = site("gpu_namespace", "stt_speaches", "tts_chatterbox")
SERVICES = site("stt_speaches", "tts_chatterbox")


def variables(namespace: str, stt_mode: str = "warm", **more: object) -> dict[str, object]:
    """A plan with a speech to text and a gated text to speech tenant, and what the roles need besides."""
    tts = {"name": "tts", "card": "t4", "mode": "gated", "peak": "4Gi", "floor": "6Gi", "namespace": namespace}
    return {
        "gpu_namespace_name": namespace,
        "vram_plan": {
            "prometheus_url": "http://127.0.0.1:9",
            "cards": [{"name": "t4", "total": "15Gi"}],
            "tenants": [
                {
                    "name": "stt",
                    "card": "t4",
                    "mode": stt_mode,
                    "peak": "1536Mi",
                    "namespace": namespace,
                    "pods": "speaches-.+",
                },
                tts | {"pods": "chatterbox-.+", "target": {"kind": "Deployment", "name": "chatterbox-tts"}},
            ],
        },
        "stt_speaches_image_digest": DIGEST,
        "tts_chatterbox_image": "registry.example.org/chatterbox-tts-server",
        "tts_chatterbox_image_tag": "cu128-68213e75c248",
        "tts_chatterbox_image_digest": DIGEST,
    } | more


class Live:
    """The objects of one namespace as the API server has them."""

    def __init__(self, kube: DynamicClient, namespace: str) -> None:
        self._kube = kube
        self._namespace = namespace

    def get(self, api_version: str, kind: str, name: str) -> dict[str, Any]:
        resource = self._kube.resources.get(api_version=api_version, kind=kind)
        found: dict[str, Any] = resource.get(name=name, namespace=self._namespace).to_dict()
        return found

    def names(self, api_version: str, kind: str) -> set[str]:
        resource = self._kube.resources.get(api_version=api_version, kind=kind)
        ignored = {"kube-root-ca.crt", "default-deny"}
        return {item.metadata.name for item in resource.get(namespace=self._namespace).items} - ignored

    def deployment(self, name: str) -> dict[str, Any]:
        return self.get("apps/v1", "Deployment", name)

    def pod_spec(self, name: str) -> dict[str, Any]:
        spec: dict[str, Any] = self.deployment(name)["spec"]["template"]["spec"]
        return spec

    def container(self, name: str) -> dict[str, Any]:
        (container,) = self.pod_spec(name)["containers"]
        found: dict[str, Any] = container
        return found

    def environment(self, name: str) -> dict[str, object]:
        return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in self.container(name)["env"]}


@pytest.fixture
def live(kube: DynamicClient, namespace: str) -> Live:
    return Live(kube, namespace)


def subset(part: Mapping[str, object], whole: Mapping[str, object]) -> dict[str, object]:
    """What `whole` has under the keys of `part`, to compare where the API server adds defaults."""
    return {key: whole.get(key) for key in part}


def test_both_are_deployed_as_the_plan_says_and_a_second_run_changes_nothing(
    run_playbook: Playbooks, live: Live, namespace: str
) -> None:
    settings = variables(namespace, **AS_TEXT)
    assert run_playbook(BOTH, variables=settings).ok().changed == 3
    assert_speaches(live)
    assert_chatterbox(live)
    assert run_playbook(BOTH, variables=settings).ok().changed == 0
    pods = live.names("v1", "Pod")
    assert [name.rsplit("-", 2)[0] for name in pods] == ["speaches"]


def assert_speaches(live: Live) -> None:
    deployment, pod, container = live.deployment("speaches"), live.pod_spec("speaches"), live.container("speaches")
    assert (deployment["spec"]["replicas"], deployment["status"]["readyReplicas"]) == (1, 1)
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert container["image"] == f"ghcr.io/speaches-ai/speaches:0.9.0-rc.3-cuda-12.6.3@{DIGEST}"
    assert live.environment("speaches") == {
        "STT_MODEL_TTL": "-1",
        "WHISPER__INFERENCE_DEVICE": "cuda",
        "WHISPER__COMPUTE_TYPE": "int8",
        "PRELOAD_MODELS": f'["{MODEL}"]',
        "UNSTABLE_ORT_OPTS__EXCLUDE_PROVIDERS": '["TensorrtExecutionProvider", "CUDAExecutionProvider"]',
        "HF_HUB_CACHE": "/home/ubuntu/.cache/huggingface/hub",
        "ENABLE_UI": "false",
        "LOG_LEVEL": "info",
    }
    proof = ["python3", "/opt/gpu-tenant/prove_transcription.py", f"--model={MODEL}", "--timeout=120"]
    assert container["startupProbe"]["exec"] == {"command": proof}
    assert (container["startupProbe"]["timeoutSeconds"], container["startupProbe"]["failureThreshold"]) == (120, 90)
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/health", "port": "http", "scheme": "HTTP"}
        assert container[probe]["timeoutSeconds"] == 10
    user = {"runAsNonRoot": True, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000}
    assert subset(user, pod["securityContext"]) == user
    assert_locked_down(live, "speaches")
    assert_script(live, "speaches", "stt_speaches", "prove_transcription.py")
    assert_service(live, "speaches", 8000, 8000)
    assert PUBLIC_HTTPS in live.get("networking.k8s.io/v1", "NetworkPolicy", "speaches")["spec"]["egress"]
    assert_labels(deployment, {"app.kubernetes.io/name": "speaches", "sharedgpu.voice/tenant": "stt"})


def assert_chatterbox(live: Live) -> None:
    deployment, container = live.deployment("chatterbox-tts"), live.container("chatterbox-tts")
    assert (deployment["spec"]["replicas"], deployment["status"].get("replicas", 0)) == (0, 0)
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert container["image"] == f"registry.example.org/chatterbox-tts-server:cu128-68213e75c248@{DIGEST}"
    assert live.environment("chatterbox-tts") == {
        "HF_HOME": "/data/hf_cache",
        "HF_HUB_OFFLINE": "0",
        "TTS_BF16": "off",
    }
    proof = ["python3", "/opt/gpu-tenant/prove_model.py", "--type=multilingual", "--voice=Emily.wav", "--timeout=10"]
    assert container["startupProbe"]["exec"] == {"command": proof}
    for probe in ("readinessProbe", "livenessProbe"):
        assert container[probe]["tcpSocket"] == {"port": "http"}
        assert "httpGet" not in container[probe]
    config = yaml.safe_load(live.get("v1", "ConfigMap", "chatterbox-tts-config")["data"]["config.yaml"])
    assert (config["server"]["port"], config["tts_engine"]["device"]) == (8004, "cuda")
    assert config["model"] == {"repo_id": "chatterbox-multilingual"}
    assert config["tts_engine"]["predefined_voices_path"] == "/app/voices"
    (mount,) = [m for m in container["volumeMounts"] if m["mountPath"] == "/app/config.yaml"]
    assert mount["subPath"] == "config.yaml"
    assert_locked_down(live, "chatterbox-tts")
    assert_script(live, "chatterbox-tts", "tts_chatterbox", "prove_model.py")
    assert_service(live, "chatterbox-tts", 8000, 8004)
    assert_labels(deployment, {"app.kubernetes.io/name": "chatterbox", "sharedgpu.voice/mode": "gated"})


def assert_locked_down(live: Live, name: str) -> None:
    """No token, no links, no capabilities, no core dumps, a time slice, disk limits, no scraping."""
    pod, container = live.pod_spec(name), live.container(name)
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["command"] == ["sh", "-c", 'ulimit -c 0 && exec "$@"', "sh"]
    assert container["args"]
    for kind in ("requests", "limits"):
        assert container["resources"][kind]["nvidia.com/gpu"] == "1"
        assert "ephemeral-storage" in container["resources"][kind]
    for annotated in (live.deployment(name)["spec"]["template"], live.get("v1", "Service", name)):
        assert not [key for key in annotated["metadata"].get("annotations") or {} if key.startswith("prometheus.io/")]


def assert_script(live: Live, name: str, role: str, script: str) -> None:
    """What the kubelet runs is the tested file, byte for byte."""
    deployed = live.get("v1", "ConfigMap", f"{name}-scripts")["data"][script]
    assert deployed.encode() == (CHECKOUT / "roles" / role / "files" / script).read_bytes()


def assert_service(live: Live, name: str, port: int, container_port: int) -> None:
    (service_port,) = live.get("v1", "Service", name)["spec"]["ports"]
    assert (service_port["port"], service_port["targetPort"]) == (port, "http")
    (opened,) = live.container(name)["ports"]
    assert (opened["name"], opened["containerPort"]) == ("http", container_port)


def assert_labels(deployment: dict[str, Any], labels: dict[str, str]) -> None:
    for metadata in (deployment["metadata"], deployment["spec"]["template"]["metadata"]):
        assert subset(labels, metadata["labels"]) == labels


def test_on_demand_with_key_and_seeded_cache(run_playbook: Playbooks, live: Live, namespace: str) -> None:
    settings = variables(
        namespace,
        stt_mode="on_demand",
        stt_speaches_preload="none",
        stt_speaches_claim="models",
        stt_speaches_idle_seconds="60",  # as -e and INI inventories give it
        stt_speaches_api_key_secret="stt-key",
        stt_speaches_vad_on_gpu="true",
        gpu_namespace_storage={"kind": "storage_class", "storage_class": "none", "claim": "models"},
        stt_speaches_ready_timeout=1,
    )
    # No volume comes for this class, so the pod waits for one: the role says so, and the objects are there.
    run = run_playbook(site("gpu_namespace", "stt_speaches"), variables=settings)
    assert run.rc == 2, run.stdout
    assert "speaches" in run.stdout
    environment = live.environment("speaches")
    assert (environment["STT_MODEL_TTL"], environment["PRELOAD_MODELS"]) == ("60", "[]")
    assert environment["API_KEY"] == {"secretKeyRef": {"name": "stt-key", "key": "api-key"}}
    assert environment["UNSTABLE_ORT_OPTS__EXCLUDE_PROVIDERS"] == '["TensorrtExecutionProvider"]'
    command = live.container("speaches")["startupProbe"]["exec"]["command"]
    assert command[-1] == "--unload"
    assert not [word for word in command if "key" in word]
    egress = live.get("networking.k8s.io/v1", "NetworkPolicy", "speaches")["spec"]["egress"]
    assert [[port["port"] for port in rule["ports"]] for rule in egress] == [[53, 53]]
    (volume,) = [v for v in live.pod_spec("speaches")["volumes"] if "persistentVolumeClaim" in v]
    assert volume["persistentVolumeClaim"]["claimName"] == "models"
    mounts = {m["name"]: m["mountPath"] for m in live.container("speaches")["volumeMounts"]}
    assert mounts[volume["name"]] == environment["HF_HUB_CACHE"]


def test_voices_on_the_volume_are_seeded_from_the_same_image(
    run_playbook: Playbooks, live: Live, namespace: str
) -> None:
    settings = variables(
        namespace,
        tts_chatterbox_voices="volume",
        tts_chatterbox_default_voice=ODD_VOICE,
        tts_chatterbox_claim="models",
        tts_chatterbox_download="false",
        tts_chatterbox_bf16="true",
        tts_chatterbox_model="ResembleAI/chatterbox-turbo",
        tts_chatterbox_generation_defaults={"temperature": 0.7, "language": "de"},
        gpu_namespace_storage={"kind": "storage_class", "storage_class": "none", "claim": "models"},
        gpu_tenant_node_selector={"example.org/pool": "voice"},
    )
    run_playbook(site("gpu_namespace", "tts_chatterbox"), variables=settings).ok()
    (seeder,) = live.pod_spec("chatterbox-tts")["initContainers"]
    container = live.container("chatterbox-tts")
    assert seeder["image"] == container["image"]
    assert seeder["command"] == ["python3", "/opt/gpu-tenant/seed_voices.py", "/app/voices", "/data/voices"]
    assert_script(live, "chatterbox-tts", "tts_chatterbox", "seed_voices.py")
    # Where pods run is set once for all tenants, in the inventory.
    assert live.pod_spec("chatterbox-tts")["nodeSelector"] == {"example.org/pool": "voice"}
    mounts = {m["name"]: m["mountPath"] for m in seeder["volumeMounts"]}
    assert mounts == subset(mounts, {m["name"]: m["mountPath"] for m in container["volumeMounts"]})
    assert {"models", "scripts"} == set(mounts)
    assert seeder["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    environment = live.environment("chatterbox-tts")
    assert (environment["HF_HUB_OFFLINE"], environment["TTS_BF16"]) == ("1", "on")
    assert "--type=turbo" in container["startupProbe"]["exec"]["command"]
    config = yaml.safe_load(live.get("v1", "ConfigMap", "chatterbox-tts-config")["data"]["config.yaml"])
    engine = config["tts_engine"]
    assert (engine["predefined_voices_path"], engine["default_voice_id"]) == ("/data/voices", ODD_VOICE)
    assert f"--voice={ODD_VOICE}" in container["startupProbe"]["exec"]["command"]
    generation = config["generation_defaults"]
    assert (generation["temperature"], generation["language"], generation["cfg_weight"]) == (0.7, "de", 0.5)


def test_check_mode_tells_and_changes_nothing(run_playbook: Playbooks, kube: DynamicClient, namespace: str) -> None:
    run = run_playbook(BOTH, "--check", "--diff", variables=variables(namespace)).ok()
    assert run.changed == 3
    assert f"Deployment {namespace}/speaches" in run.stdout
    assert f"Deployment {namespace}/chatterbox-tts" in run.stdout
    namespaces = kube.resources.get(api_version="v1", kind="Namespace")
    assert namespace not in {item.metadata.name for item in namespaces.get().items}


def test_the_gate_owns_the_scale_and_absent_removes_everything(
    run_playbook: Playbooks, kube: DynamicClient, live: Live, namespace: str
) -> None:
    settings = variables(namespace)
    run_playbook(BOTH, variables=settings).ok()
    deployments = kube.resources.get(api_version="apps/v1", kind="Deployment")
    deployments.subresources["scale"].patch(
        name="chatterbox-tts",
        namespace=namespace,
        body={"spec": {"replicas": 1}},
        content_type="application/merge-patch+json",
    )
    again = run_playbook(SERVICES, variables=settings | {"tts_chatterbox_bf16": True}).ok()
    assert again.changed == 1
    assert live.deployment("chatterbox-tts")["spec"]["replicas"] == 1
    gone = settings | {"stt_speaches_state": "absent", "tts_chatterbox_state": "absent"}
    assert run_playbook(SERVICES, variables=gone).ok().changed == 2
    assert {kind: live.names(api, kind) for api, kind in TENANT_KINDS} == {kind: set() for _, kind in TENANT_KINDS}
    assert run_playbook(SERVICES, variables=gone).ok().changed == 0


def test_two_tenants_of_one_namespace_do_not_take_each_others_deployment(
    run_playbook: Playbooks, live: Live, namespace: str
) -> None:
    settings = variables(namespace)
    plan: Any = settings["vram_plan"]
    night = {"name": "night", "card": "t4", "mode": "on_demand", "peak": "1Gi", "namespace": namespace}
    plan["tenants"].append({**night, "pods": "night-.+"})
    run_playbook(site("gpu_namespace", "stt_speaches"), variables=settings).ok()
    other = settings | {"stt_speaches_tenant": "night"}
    for state in ("present", "absent"):
        run = run_playbook(site("stt_speaches"), variables=other | {"stt_speaches_state": state})
        assert run.rc != 0
        said = (
            f"stt_speaches_name: 'speaches' is the Deployment of tenant stt in namespace {namespace}; give each tenant"
        )
        assert said in " ".join(run.stdout.split())
    assert live.deployment("speaches")["metadata"]["labels"]["sharedgpu.voice/tenant"] == "stt"
    run_playbook(site("stt_speaches"), variables=other | {"stt_speaches_name": "night"}).ok()
    plan["tenants"][0]["name"] = "speech"
    renamed = settings | {"stt_speaches_tenant": "speech"}
    assert run_playbook(site("stt_speaches"), variables=renamed).ok().changed == 1
