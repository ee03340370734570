"""report.html: one offline page, safe and readable."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import handmade
import msgspec
import pytest

from harness.records import Finding
from harness.report import html, join
from harness.report.build import Built
from harness.report.cells import cells
from harness.report.summary import summarise
from harness.resolved import Resolved
from harness.scenario import Scenario

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """Every tag with its attributes, the text of the page, and what was left open."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def source(troubled: Built) -> str:
    return (troubled.path / "report.html").read_text("utf-8")


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    read = Page()
    read.feed(source)
    read.close()
    return read


def test_every_tag_is_closed(page: Page) -> None:
    """The parser, which is strict about nesting here, ends with nothing open."""
    assert [] == page.open


def test_it_needs_nothing_and_runs_nothing(page: Page) -> None:
    """No script, no link out, no inline style or handler; the one style sheet is the one that the policy names."""
    assert not {"script", "link", "iframe", "img", "object", "form"} & {tag for tag, _ in page.tags}
    used = {name for _, attributes in page.tags for name in attributes}
    assert not {name for name in used if name.startswith("on") or name in {"style", "src", "href"}}


def test_the_policy_admits_the_style_sheet_and_nothing_else(source: str, page: Page) -> None:
    """The hash in the policy is that of the style element's text."""
    (policy,) = [attributes["content"] for tag, attributes in page.tags if attributes.get("http-equiv")]
    style = re.findall(r"<style>(.*?)</style>", source, re.DOTALL)
    expected = base64.b64encode(hashlib.sha256(style[0].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{expected}'; base-uri 'none'; form-action 'none'" == policy


def test_hostile_text_stays_text(source: str) -> None:
    """A script tag, ANSI codes and a right-to-left override in an error and in a finding are escaped and disarmed."""
    assert "<script>" not in source
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in source
    assert not {"\x1b", "\u202e"} & set(source)


def test_every_table_is_readable_by_ear(page: Page) -> None:
    """Each has a caption, every header cell a scope, and each section a heading that names it."""
    names = [tag for tag, _ in page.tags]
    assert names.count("table") == names.count("caption") > 5
    assert all(attributes.get("scope") for tag, attributes in page.tags if tag == "th")
    ids = {attributes["id"] for tag, attributes in page.tags if tag == "h2"}
    assert [ids] == [{attributes["aria-labelledby"] for tag, attributes in page.tags if tag == "section"}]
    pictures = [attributes for tag, attributes in page.tags if tag == "svg" and attributes.get("class") == "chart"]
    assert (5, {"img"}) == (len(pictures), {attributes["role"] for attributes in pictures})


def test_verdict_comes_first(page: Page) -> None:
    """Sections stand in the order in which a decision needs them."""
    order = [attributes["aria-labelledby"] for tag, attributes in page.tags if tag == "section"]
    expected = [
        "verdict",
        "scorecard",
        "charts",
        "latency",
        "network",
        "errors",
        "cost",
        "client",
        "findings",
        "unproven",
        "method",
    ]
    assert expected == order


def test_it_says_what_was_seen(page: Page) -> None:
    """Failures by kind with their message, the remedy of a finding, the price's source, and what stays unproven."""
    for words in (
        "http_rate_limited",
        "What to do: run chronyd",
        "contract of the test",
        "neither met nor missed",
        "not reached",
        "of its own load processes inside the measure windows",
    ):
        assert words in page.text


def test_the_client_has_a_row_for_every_level(troubled: Built) -> None:
    """An endpoint's level says how busy signoff was and how late; an INVALID run has the code in its verdict."""
    section = (troubled.path / "report.html").read_text("utf-8").partition('<section aria-labelledby="client">')[2]
    rows = section.partition("</section>")[0].partition("<tbody>")[2].split("<tr")[1:]
    assert len(rows) == sum(len(endpoint.levels) for endpoint in troubled.summary.endpoints.values())
    assert all("<td>30.0 %</td><td>30.0 %</td><td>1.0 %</td><td>990 µs</td>" in row for row in rows)


def test_an_invalid_run_says_so_first(troubled: Built) -> None:
    """The code stands in the verdict at the top of the page."""
    finding = Finding(code="client_limited", what="signoff looked late", why="w", remedy="r", invalid=True)
    broken = msgspec.structs.replace(troubled.summary, valid=False, findings=(finding,))
    assert '<p class="verdict invalid">INVALID(client_limited): signoff looked late.</p>' in html.render(broken, [])


def test_a_run_without_any_success_still_has_a_report(page: Page) -> None:
    """gamma never answered: said once per level, without a table of dashes."""
    assert 1 == page.text.count("gamma at 4 users: no answer came whole.")
    assert 1 == page.text.count("gamma at 16 users: no answer came whole.")
    assert "gamma at 16 users, answers that came whole" not in page.text


def test_the_networks_part_is_told(tmp_path: Path) -> None:
    """Round trips with their share of TTFT, losses, the steps of opening, addresses, and the names that were looked up."""
    opened = {"dns_ns": 2_000_000, "connect_ns": 41_000_000, "proxy_ns": None, "tls_ns": 83_000_000, "address": "192.0.2.7"}
    lost = {"retransmits": 1, "out_of_order": 12_345}
    attempts = [handmade.ok(n, min_rtt_ns=40_000_000, rtt_ns=50_000_000, **opened, **lost) for n in range(6)]
    made = replace(handmade.run(attempts), resolved=[(0, Resolved("api.test", 443, ("192.0.2.7", "192.0.2.8"), 3_000_000))])
    rows = list(cells(made, join.frame(made, {}, graded=False)))
    page = Page()
    page.feed(html.render(summarise(made, Scenario.model_validate(made.manifest.scenario), rows, {}), rows))
    for said in (
        "a at 2 users: one round trip of the network is 40.0 ms to 50.0 ms, 40.0 % to 50.0 % of the median TTFT (100 ms).",
        *("40.0 %to 50.0 %", "74,070", "41.0 ms6", "83.0 ms6", "192.0.2.7 (6)", "192.0.2.7, 192.0.2.8", "3.00 ms"),
    ):
        assert said in page.text
    assert [] == page.open
