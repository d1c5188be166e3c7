"""Names, descriptions, prompts and answers of others on a page: they stay text, whatever they look like."""

import json

import pytest

from rshub.fronts.front import front
from rshub.fronts.report.render import render_report
from rshub.fronts.report.values import Example, ExpertSheet
from rshub.preferences.scores import Scores
from tests.fronts.report.page import Page

HOSTILE = (
    "<script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title></head><body onload=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "<!--",
    "]]>",
    "&lt;script&gt;",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "<meta http-equiv=refresh content='0;url=http://example.org'>",
    "<base href=http://example.org>",
)
PLAIN = {"html", "head", "meta", "link", "title", "style", "body", "header", "h1", "p", "nav", "ul", "li", "a", "main",
         "section", "h2", "dl", "dt", "dd", "div", "table", "caption", "thead", "tr", "th", "tbody", "td", "article",
         "h3", "h4", "figure", "img", "figcaption", "span", "details", "summary", "pre", "footer"}  # fmt: skip


def page_of(text):
    names = (f"a{text}", f"b{text}")
    value = {
        "rewards": {name: {"direction": "max", "spec": text} for name in names},
        "note": {text: [text, {"deep": text}]},
        "points": [
            {"kind": "expert", "coefficients": {names[0]: 1}, "rewards": {names[0]: 1, names[1]: 0}},
            {"kind": "expert", "coefficients": {names[1]: 1}, "rewards": {names[0]: 0, names[1]: 1}},
            {"kind": "soup", "coefficients": dict.fromkeys(names, 0.5), "rewards": dict.fromkeys(names, 0.4)},
            {"kind": "morl", "preference": text, "rewards": dict.fromkeys(names, 0.6)},
        ],
    }
    scores = Scores.parse(json.dumps(value).encode())
    sheet = ExpertSheet(
        label=names[0], place=text, version=text, made_by=text, reward=text, direction=text, spec=text,
        description=text, licence=text, trained=((text, text),), log=({"step": 1, "rewards": {text: 1.0}},),
    )  # fmt: skip
    examples = [Example(prompt=text, answers={text: text, "other": text * 3})]
    result = front(scores=scores, checks=True)
    return render_report(scores, result, experts=[sheet], examples=examples, title=text)


@pytest.mark.parametrize("text", [" ".join(HOSTILE[:6]), " ".join(HOSTILE[6:])])
def test_markup_of_others_is_text(text):
    page = Page(page_of(text))
    assert page.faults == []
    assert {tag for tag, _ in page.elements} <= PLAIN
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert [meta["http-equiv"] for meta in page.all("meta") if "http-equiv" in meta] == ["Content-Security-Policy"]
    assert page.text("title") == page.text("h1") == text
    assert page.text().count(text) > 20


def test_what_turns_or_hides_text_is_written_out():
    hidden = "safe\u202eevil\u2066x\u200bzero\ufeff\x00\x1b[31m"
    kept = "keep\nlines\tand \u0645\u0631\u062d\u0628\u0627 \U0001f468\u200d\U0001f469"
    example = Example(prompt=hidden, answers={"a": kept})
    value = {"rewards": {"a": {"direction": "max"}}, "points": [{"kind": "soup", "rewards": {"a": 1}}]}
    scores = Scores.parse(json.dumps(value).encode())
    data = render_report(scores, front(scores=scores, checks=True), examples=[example], title="lone \ud800")
    text = Page(data).text()
    assert "safe\\u202eevil\\u2066x\\u200bzero\\ufeff\\u0000\\u001b[31m" in text
    assert not set("\u202e\u2066\u200b\ufeff\x00\x1b") & set(data.decode())
    assert kept in text
    assert "lone \\ud800" in text


def test_a_huge_answer_makes_no_huge_page():
    value = {
        "rewards": {"a": {"direction": "max"}},
        "points": [{"kind": "soup", "rewards": {"a": 1}}],
        "x": "y" * 10**6,
    }
    scores = Scores.parse(json.dumps(value).encode())
    examples = [Example(prompt="p" * 10**6, answers={"a": "<" * 10**6})]
    data = render_report(scores, front(scores=scores, checks=True), examples=examples)
    assert len(data) < 100_000
