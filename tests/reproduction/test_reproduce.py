"""The whole reproduction, shrunk, in one process: every code path, finite numbers, and nothing done twice."""

import json
import math
import re
from urllib.parse import urlsplit

import pytest

from scripts.reproduction import workshop
from scripts.reproduction.judging import FAILS, HOLDS, OPEN
from scripts.reproduction.reproduce import reproduce

NEWS = {"before", "1b, 2a", "4a", "4b, 10", "4c", "11a", "11b", "11c", "11d"}
ASSISTANT = {"before", "2e", "2f", "10"}


def numbers(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for item in value for number in numbers(item)]
    return [value] if isinstance(value, float) else []


@pytest.mark.slow
def test_the_shrunk_reproduction(tmp_path, monkeypatch):
    said = []
    results = reproduce(tmp_path, tasks=["news", "assistant"], fast=True, say=said.append)
    told = json.loads((tmp_path / "results.json").read_text())
    assert [chapter["task"] for chapter in told["chapters"]] == ["news", "assistant"]
    for chapter, figures in zip(told["chapters"], (NEWS, ASSISTANT), strict=True):
        assert {finding["figure"] for finding in chapter["findings"]} == figures
    findings = [finding for chapter in told["chapters"] for finding in chapter["findings"]]
    assert {finding["verdict"] for finding in findings} <= {HOLDS, FAILS, OPEN}
    assert sum(told["verdicts"].values()) == sum(finding["figure"] != "before" for finding in findings)
    assert all(finding["effects"] and finding["rule"] and finding["scores"] for finding in findings)
    assert all(math.isfinite(number) for number in numbers(told))
    for finding in findings:
        for effect in finding["effects"]:
            assert effect["interval"][0] <= effect["interval"][1]
    page = results.page.read_text()
    assert "mean nothing" in page
    links = [link for link in re.findall(r'(?:href|src)="([^"#]+)"', page) if not urlsplit(link).scheme]
    assert len(links) > 30
    assert all((tmp_path / link).is_file() for link in links)
    assert all(finding["claim"].split("'")[0] in page for finding in findings)
    assert results.from_scratch >= results.cpu_seconds * 0.5

    def refused(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr(workshop, "train", refused)
    again = reproduce(tmp_path, tasks=["news"], fast=True, say=said.append)
    assert [finding.to_json() for finding in again.findings] == told["chapters"][0]["findings"]
