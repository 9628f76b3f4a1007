"""What stt_speaches refuses, before it asks the cluster for anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.unit.roles.refusals import Refusal, messages

if TYPE_CHECKING:
    from pathlib import Path

STT = {"name": "stt", "mode": "warm", "peak": "1536Mi", "namespace": "portal-stt"}
GOOD: dict[str, object] = {
    "vram_plan": {"tenants": [STT], "cards": [{"name": "t4"}], "prometheus_url": "http://127.0.0.1:9"},
    "stt_speaches_claim": "models",
}


def plan(**changes: object) -> dict[str, object]:
    """The plan with a changed tenant."""
    return {"vram_plan": {"tenants": [STT | changes], "cards": [{"name": "t4"}]}}


def image_tag(tag: str) -> tuple[dict[str, object], tuple[str, ...]]:
    return {"stt_speaches_image_tag": tag}, (f"stt_speaches_image_tag: '{tag}'", "take a full version with")


REFUSALS = [
    *(
        Refusal(f"tag_{tag or 'empty'}", *image_tag(tag))
        for tag in (
            "latest",
            "",
            "latest-cuda",
            "0.8.3-cuda-12.6.3",
            "0.9.0-rc.2-cuda-12.6.3",
            "0.9.0-rc.3",
            "0.9.0-rc.3-cpu",
            "0.9-cuda",
            "sha-870e1e1-cuda",
        )
    ),
    Refusal("no_digest", {"stt_speaches_image_digest": ""}, ("stt_speaches_image_digest: ''", "skopeo inspect")),
    Refusal("tag_without_its_digest", {"stt_speaches_image_tag": "0.9.1-cuda"}, ("stt_speaches_image_digest: ''",)),
    Refusal("short_digest", {"stt_speaches_image_digest": "sha256:a1"}, ("'sha256:a1' is no digest",)),
    Refusal(
        "bad_digest_though_optional",
        {"stt_speaches_image_digest": "md5:1", "stt_speaches_image_digest_required": False},
        ("'md5:1' is no digest",),
    ),
    *(
        Refusal(f"model_{n}", {"stt_speaches_model": model}, (f"stt_speaches_model: '{model}'", "write owner/name"))
        for n, model in enumerate(("large-v3-turbo", "", "a/b/c", "owner/", "owner/na me", "--help/x"))
    ),
    Refusal(
        "nothing_fills_the_cache",
        {"stt_speaches_claim": "", "stt_speaches_preload": "none"},
        ("stt_speaches_preload: 'none'", "empty stt_speaches_claim", "set stt_speaches_preload to download"),
    ),
    Refusal("negative_idle", {"stt_speaches_idle_seconds": -1}, ("stt_speaches_idle_seconds (-1)", "0 or more")),
    Refusal("no_timeout", {"stt_speaches_proof_timeout": 0}, ("stt_speaches_proof_timeout (0)", "1 or more")),
    Refusal("no_attempts", {"stt_speaches_start_attempts": 0}, ("stt_speaches_start_attempts (0)", "1 or more")),
    Refusal("text_timeout", {"stt_speaches_proof_timeout": "2m"}, ("stt_speaches_proof_timeout", "2m")),
    Refusal("compute_type", {"stt_speaches_compute_type": "int4"}, ("stt_speaches_compute_type", "int8", "int4")),
    Refusal("preload", {"stt_speaches_preload": "always"}, ("stt_speaches_preload", "download, none", "always")),
    Refusal("state", {"stt_speaches_state": "gone"}, ("stt_speaches_state", "present, absent", "gone")),
    Refusal("unknown_tenant", {"stt_speaches_tenant": "sst"}, ("sst", "stt")),
    Refusal("wrong_size", plan(peak="6GB"), ("vram_plan.tenants[0].peak", "6GB")),
    Refusal(
        "gated_target",
        plan(mode="gated", target={"kind": "Deployment", "name": "other"}) | {"stt_speaches_name": "speaches"},
        ("stt_speaches_name: 'speaches'", "tenant stt", "other", "make them the same"),
    ),
]


def test_every_refusal_names_variable_value_and_remedy(tmp_path: Path) -> None:
    # One test and one playbook: started for each refusal, ansible-playbook would take a minute.
    said = messages("stt_speaches", GOOD, REFUSALS, tmp_path)
    wrong = {r.name: said[r.name] for r in REFUSALS if not all(word in said[r.name] for word in r.words)}
    assert wrong == {}
