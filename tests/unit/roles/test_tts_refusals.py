"""What tts_chatterbox refuses before it asks the cluster for anything; its config.yaml leaves nothing open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.fakes.chatterbox import SELECTORS
from tests.unit.roles.refusals import ROOT, Refusal, messages

DIGEST = "sha256:" + "a1" * 32
TTS = {
    "name": "tts",
    "mode": "gated",
    "peak": "4Gi",
    "floor": "6Gi",
    "namespace": "tts",
    "target": {"kind": "Deployment", "name": "chatterbox-tts"},
}
GOOD: dict[str, object] = {
    "vram_plan": {"tenants": [TTS], "cards": [{"name": "t4"}]},
    "tts_chatterbox_image": "registry.example.org/chatterbox-tts-server",
    "tts_chatterbox_image_tag": "cu128-68213e75c248",
    "tts_chatterbox_image_digest": DIGEST,
}
ON_DEMAND = {key: value for key, value in TTS.items() if key != "floor"} | {"mode": "on_demand"}

REFUSALS = [
    *(
        Refusal(
            f"tag_{tag or 'empty'}",
            {"tts_chatterbox_image_tag": tag},
            (f"tts_chatterbox_image_tag: '{tag}'", "take the tag of one build"),
        )
        for tag in ("latest", "latest-cu128", "main", "")
    ),
    Refusal("no_digest", {"tts_chatterbox_image_digest": ""}, ("tts_chatterbox_image_digest: ''", "skopeo inspect")),
    Refusal("bad_digest", {"tts_chatterbox_image_digest": DIGEST[:-1]}, ("is no digest",)),
    Refusal("model", {"tts_chatterbox_model": "chatterbox-multilingal"}, ("tts_chatterbox_model", "chatterbox-turbo")),
    *(
        Refusal(
            f"voice_{n}",
            {"tts_chatterbox_default_voice": voice},
            (f"tts_chatterbox_default_voice: '{voice}'", "write them with .wav or .mp3"),
        )
        for n, voice in enumerate(("Emily", "../Emily.wav", ".wav", "Emily.ogg"))
    ),
    Refusal(
        "voices_without_claim",
        {"tts_chatterbox_voices": "volume"},
        ("tts_chatterbox_claim: ''", "(they are volume and True)", "name a claim"),
    ),
    Refusal(
        "offline_without_claim",
        {"tts_chatterbox_download": False},
        ("tts_chatterbox_claim: ''", "(they are bundled and False)", "name a claim"),
    ),
    Refusal("voices", {"tts_chatterbox_voices": "mine"}, ("tts_chatterbox_voices", "bundled, volume", "mine")),
    Refusal(
        "generation_default",
        {"tts_chatterbox_generation_defaults": {"temprature": 1}},
        ("tts_chatterbox_generation_defaults", "temprature", "temperature"),
    ),
    Refusal(
        "on_demand",
        {"vram_plan": {"tenants": [ON_DEMAND], "cards": [{"name": "t4"}]}},
        ("vram_plan: tenant tts has mode on_demand", "declare it gated, or warm"),
    ),
    Refusal("no_image", {"tts_chatterbox_image": ""}, ("tts_chatterbox_image: ''", "build_chatterbox_image")),
    Refusal("tag_in_image", {"tts_chatterbox_image": "r.example/c:1"}, ("'r.example/c:1'", "registry and name")),
    Refusal(
        "another_target",
        {"tts_chatterbox_name": "chatterbox"},
        ("tts_chatterbox_name: 'chatterbox'", "chatterbox-tts", "make them the same"),
    ),
]


def test_every_refusal_names_variable_value_and_remedy(tmp_path: Path) -> None:
    # One test and one playbook: started for each refusal, ansible-playbook would take a minute.
    said = messages("tts_chatterbox", GOOD, REFUSALS, tmp_path)
    wrong = {r.name: said[r.name] for r in REFUSALS if not all(word in said[r.name] for word in r.words)}
    assert wrong == {}


def load(path: str) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((ROOT / "roles/tts_chatterbox" / path).read_text())
    return data


def test_every_selector_that_upstream_knows_is_allowed_and_typed_as_upstream_types_it() -> None:
    types = load("vars/main.yml")["__tts_chatterbox_types"]
    assert isinstance(types, dict)
    assert {selector.lower(): kind for selector, kind in types.items()} == SELECTORS
    options = load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert options["tts_chatterbox_model"]["choices"] == list(types)


# config.py of 68213e7, DEFAULT_CONFIG, and the keys that the server reads besides.
UPSTREAM_KEYS = {
    "server": "host port use_ngrok use_auth auth_username auth_password log_file_path log_file_max_size_mb "
    "log_file_backup_count ssl_certfile ssl_keyfile enable_performance_monitor",
    "model": "repo_id",
    "tts_engine": "device predefined_voices_path reference_audio_path default_voice_id",
    "paths": "model_cache output",
    "generation_defaults": "temperature exaggeration cfg_weight seed speed_factor language",
    "audio_output": "format sample_rate max_reference_duration_sec save_to_disk",
    "audio_processing": "enable_crossfade enable_silence_trimming enable_internal_silence_fix enable_unvoiced_removal",
    "ui_state": "last_text last_voice_mode last_predefined_voice last_reference_file last_seed last_chunk_size "
    "last_split_text_enabled hide_chunk_warning hide_generation_warning theme",
    "ui": "title show_language_select max_predefined_voices_in_dropdown",
    "debug": "save_intermediate_audio",
    "llm_preprocessing": "enabled",
}


def test_config_leaves_no_key_to_a_silent_default() -> None:
    variables = load("vars/main.yml")
    config = variables["__tts_chatterbox_config"]
    assert isinstance(config, dict)
    config["generation_defaults"] = variables["__tts_chatterbox_generation_defaults"]
    assert {section: set(keys) for section, keys in config.items()} == {
        section: set(keys.split()) for section, keys in UPSTREAM_KEYS.items()
    }
