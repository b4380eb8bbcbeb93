"""`kiln report`: what a browser shows of a build and of what it changed."""

import uuid
from pathlib import Path

from tests.browser import open_browser
from tests.conftest import Ended, Kiln, change_project

TEMPLATE = Path("app/code/Kiln/Sample/view/frontend/templates/home.phtml")


def push(kiln: Kiln, tree: Path, *options: str) -> str:
    ended = kiln("build", "--push", *options, "--output", "json", cwd=tree)
    assert ended.code == 0, ended.err
    digest: str = ended.json()["digest"]
    return digest


def report(kiln: Kiln, tree: Path, *options: str) -> Ended:
    return kiln("report", "--to", str(tree.parent / "report.html"), *options, cwd=tree)


def test_the_page_compares_with_the_image_that_the_tag_stood_for(
    own: Kiln, tree: Path, tmp_path: Path
) -> None:
    first = push(own, tree, "--tag", "main")
    # Another image in between, which is not this one's predecessor.
    change_project(tree, php={"memory_limit": "1G"})
    other = push(own, tree)
    (tree / TEMPLATE).write_text(f"{(tree / TEMPLATE).read_text()}<!-- {uuid.uuid4().hex} -->\n")
    change_project(tree, php={"memory_limit": "2G"})
    second = push(own, tree, "--tag", "main")
    assert len({first, other, second}) == 3

    ended = own("report", "--image", first, cwd=tree)
    assert ended.code == 0, ended.err
    assert "names no image before it" in Path(ended.out.strip()).read_text()

    ended = report(own, tree)
    assert ended.code == 0, ended.err
    with open_browser(tmp_path / "profile") as browser:

        def text_of(selector: str) -> str:
            return browser.find_element("css selector", selector).text

        browser.get((tmp_path / "report.html").as_uri())
        assert text_of("#digest") == second
        assert text_of("#against").endswith(first)
        assert text_of("#settings tbody") == "kiln.yaml php/memory_limit 768M 2G"
        assert "reused" in text_of("#layers")
        assert text_of("#stages [data-stage=finish]").startswith("finish")
        assert "compiled" in text_of("#cached")
        assert browser.find_elements("css selector", "#treemap rect.new")
        assert browser.find_elements("css selector", "#treemap rect.kept")
        assert len(browser.find_elements("css selector", "#files tbody tr")) == 30
        assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]

    ended = report(own, tree, "--against", other)
    assert ended.code == 0, ended.err
    assert other in (tmp_path / "report.html").read_text()
