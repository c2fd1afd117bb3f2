"""Recipes: ours are what was published, people's own are read, wrong ones are one sentence."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.backends.captioning.prompt_text import caption_prompts, caption_verbs, fill, quoted
from pipeline.backends.captioning.recipes import (
    DEFAULT_RECIPE,
    LARGE_MODEL_RECIPE,
    load_recipes,
    parse_recipe,
    recipe_toml,
    shipped_folder,
    user_folder,
)
from pipeline.model.problem import DataError, Severity
from pipeline.model.recipe import (
    PictureOptions,
    PromptParts,
    Reasoning,
    Recipe,
    Representation,
    Sampler,
)
from tests.datasets import REPOSITORY


def test_defaults_are_the_measured_best(tmp_path: Path) -> None:
    book = load_recipes(tmp_path)
    assert not book.problems
    assert book.names[0] == DEFAULT_RECIPE
    small, large = book.get(DEFAULT_RECIPE), book.get(LARGE_MODEL_RECIPE)
    assert (small.representation, small.sampler) == (Representation.COLLAGE, Sampler.UNIFORM)
    assert small.pictures.frames == 6
    assert (small.parts.rules, small.parts.mini_cot) == (("stack",), False)
    assert (large.parts.mini_cot, large.reasoning) == (True, Reasoning.HIGH)
    for recipe in (small, large):
        assert not recipe.parts.marks
        assert not recipe.parts.hand_trace
        assert not recipe.parts.temporal_tokens
        assert not recipe.parts.previous_caption
    rates = [r.rate for r in book.recipes if r.rate is not None]
    assert large.rate == max(rates)
    # Among recipes for the backend's own (small) model none was better than the default.
    assert small.rate == max(r.rate for r in book.recipes if r.rate is not None and not r.model)


def test_every_representation_sampler_and_part_has_a_recipe(tmp_path: Path) -> None:
    recipes = load_recipes(tmp_path).recipes
    assert {r.representation for r in recipes} == set(Representation)
    assert {r.sampler for r in recipes} == set(Sampler)
    for part in ("mini_cot", "temporal_tokens", "marks", "hand_trace", "previous_caption"):
        assert any(getattr(r.parts, part) for r in recipes), part
    assert {rule for r in recipes for rule in r.parts.rules} == set(caption_prompts().rules)


@pytest.mark.parametrize("recipe", load_recipes(Path("none")).recipes, ids=lambda r: r.name)
def test_every_recipe_says_what_it_was_measured_at(recipe: Recipe) -> None:
    assert recipe.title
    assert "Source: " in recipe.about
    if recipe.rate is None:
        words = ("nobody has measured", "Published only", "nearest that was measured")
        assert any(w.lower() in recipe.about.lower() for w in words)
    else:
        assert f"{100 * recipe.rate:.1f} %" in recipe.about
    page = (REPOSITORY / "docs" / "recipes.md").read_text("utf-8")
    assert f"`{recipe.name}`" in page


def test_the_page_tells_the_published_figures() -> None:
    page = (REPOSITORY / "docs" / "recipes.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w-]+)`.* \| ([\d.]+) % \| ([-+]?[\d.]+) \|$", page, re.MULTILINE)
    rates = {r.name: r.rate for r in load_recipes(Path("none")).recipes if r.rate is not None}
    assert {name: float(rate) / 100 for name, rate, _ in rows} == pytest.approx(rates)
    for _, rate, difference in rows:
        assert float(difference) == pytest.approx(float(rate) - 61.0, abs=0.01)


def test_the_example_of_the_page_is_a_recipe() -> None:
    page = (REPOSITORY / "docs" / "recipes.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    recipe = parse_recipe(example, "mugs", "mugs.toml")
    assert recipe.pictures == PictureOptions()
    assert recipe.parts == PromptParts(own_rules=("Say mug, never cup.",))
    keys = re.findall(r"^(\w+) =", recipe_toml(recipe), re.MULTILINE)
    assert keys == re.findall(r"^(\w+) =", example, re.MULTILINE)


def test_shipped_files_are_complete(tmp_path: Path) -> None:
    files = sorted(p.stem for p in shipped_folder().glob("*.toml"))
    assert sorted(load_recipes(tmp_path).names) == files


RECIPES = st.builds(
    Recipe,
    name=st.just("mine"),
    version=st.integers(1, 99),
    title=st.text(max_size=20).map(lambda t: " ".join(t.split())),
    about=st.text(max_size=40).map(lambda t: " ".join(t.split())),
    representation=st.sampled_from(Representation),
    sampler=st.sampled_from(Sampler),
    pictures=st.builds(
        PictureOptions,
        frames=st.integers(1, 24),
        columns=st.integers(1, 4),
        cell_width=st.integers(32, 1024),
        crop_scale=st.floats(1, 64),
        clip_share=st.floats(0.05, 1),
    ),
    parts=st.builds(
        PromptParts,
        vocabulary=st.booleans(),
        rules=st.sampled_from([(), ("stack",), ("stack", "scoop")]),
        own_rules=st.lists(st.text(max_size=30).map(str.strip), max_size=3).map(tuple),
        mini_cot=st.booleans(),
    ),
    model=st.sampled_from(["", "a-model"]),
    reasoning=st.sampled_from(Reasoning),
    temperature=st.floats(0, 2),
    rate=st.none() | st.floats(0, 1),
    origin=st.just("mine.toml"),
)


@given(RECIPES)
def test_a_written_recipe_reads_back(recipe: Recipe) -> None:
    again = parse_recipe(recipe_toml(recipe), "mine", "mine.toml")
    assert again == recipe
    assert again.identity == recipe.identity


def test_identity_follows_what_is_sent_and_nothing_else() -> None:
    recipe = Recipe("a")
    for other in (
        dataclasses.replace(recipe, sampler=Sampler.DP),
        dataclasses.replace(recipe, parts=PromptParts(own_rules=("Say cup.",))),
        dataclasses.replace(recipe, version=2),
    ):
        assert other.identity != recipe.identity
    assert dataclasses.replace(recipe, about="?", origin="x", rate=0.1).identity == recipe.identity


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sampller = 'dp'", "sampller is not known; there are: version, title"),
        ("[pictures]\nframe = 6", "pictures.frame is not known; there are: frames, columns"),
        ("[parts]\nrules = ['stak']", "parts.rules: rule stak is not known; there are: stack"),
        ("sampler = 'best'", "sampler: expected one of uniform, middle, late_last"),
        ("representation = 3", "representation: expected one of collage"),
        ("[pictures]\nframes = 25", "pictures.frames: expected 1 to 24, got 25"),
        ("[pictures]\nframes = true", "pictures.frames: expected a whole number, got true"),
        ("[pictures]\nframes = 6.0", "pictures.frames: expected a whole number, got 6.0"),
        ("[pictures]\nclip_share = nan", "pictures.clip_share: expected 0.05 to 1.0, got nan"),
        ("temperature = 'hot'", 'temperature: expected a number, got "hot"'),
        (f"temperature = {10**400}", "temperature: expected 0.0 to 2.0"),
        ("[parts]\nmini_cot = 1", "parts.mini_cot: expected true or false, got 1"),
        ("[parts]\nrules = 'stack'", "parts.rules: expected a list of texts"),
        ("parts = 1", "parts: expected a table, got 1"),
        ("name = 'x'", "name is not known"),
        ("[pictures]\ncolumns = 8\nframes = 8\ncell_width = 1024", "a grid of 8192 pixels"),
        ("version = 1\nversion = 1", "no TOML"),
        ("about = '" + "x" * 5000 + "'", "about: expected at most 4000 characters"),
        ("# " + "x" * 70_000, "more than a recipe can need"),
    ],
)
def test_what_is_wrong_is_said_by_name(text: str, said: str) -> None:
    with pytest.raises(DataError) as error:
        parse_recipe(text, "mine", "/there/mine.toml")
    assert error.value.code == "bad_recipe"
    assert said in str(error.value)
    assert str(error.value).startswith("/there/mine.toml: ")


@given(st.text(max_size=200))
def test_no_text_does_more_than_a_sentence(text: str) -> None:
    said = ""
    try:
        parse_recipe(text, "mine", "mine.toml")
    except DataError as error:
        said = f"{error.code}: {error}"
    assert not said or said.startswith("bad_recipe: mine.toml: ")
    assert "\n" not in said


def test_own_recipes_stand_beside_ours(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("title = 'Mine'\nsampler = 'dp'\n", "utf-8")
    (tmp_path / "broken.toml").write_text("sampler = 'dp", "utf-8")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "two words.toml").write_text("", "utf-8")
    (tmp_path / "frames.toml").write_text("version = 7\n", "utf-8")
    book = load_recipes(tmp_path)
    assert book.get("mine").sampler is Sampler.DP
    assert book.get("mine").origin == str(tmp_path / "mine.toml")
    assert book.get("hand-collage").origin == "built in"
    assert book.get("frames").version == 7
    said = {p.code: p for p in book.problems}
    assert said["recipe_replaced"].severity is Severity.INFO
    assert "frames.toml is used instead of" in said["recipe_replaced"].message
    bad = [p.message for p in book.problems if p.code == "bad_recipe"]
    assert len(bad) == 3
    assert all(m.endswith("this recipe is left out.") for m in bad)
    with pytest.raises(DataError, match=r"the recipe “broken” cannot be used: .*no TOML"):
        book.get("broken")
    with pytest.raises(DataError, match="no recipe “ken”; there are: "):
        book.get("ken")  # the end of another one's name


def test_an_edited_recipe_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("version = 1\n", "utf-8")
    assert load_recipes(tmp_path).get("mine").version == 1
    path.write_text("version = 22\n", "utf-8")
    assert load_recipes(tmp_path).get("mine").version == 22


def test_own_recipes_lie_in_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DEMOSCOPE_CONFIG_DIR", str(tmp_path))
    folder = user_folder()
    assert folder == tmp_path / "recipes"
    folder.mkdir()
    (folder / "mine.toml").write_text("", "utf-8")
    assert load_recipes().get("mine") == Recipe("mine", origin=str(folder / "mine.toml"))


def test_the_system_text_says_what_the_recipe_wants() -> None:
    prompts = caption_prompts()
    plain = prompts.system(PromptParts(vocabulary=False, rules=()))
    assert "SPECIAL CASE" not in plain
    assert "Use one of these" not in plain
    assert "PREVIOUS" not in plain
    full = prompts.system(
        PromptParts(rules=("stack", "scoop"), own_rules=("Say mug, {not} cup.",), mini_cot=True)
    )
    assert len(caption_verbs()) >= 30
    assert ", ".join(caption_verbs()) in full
    stack, scoop = full.index("SPECIAL CASE -- Stack"), full.index("SPECIAL CASE -- Scoop")
    assert stack < scoop < full.index("Say mug, {not} cup.") < full.index('NEXT ("next")')
    for text in (plain, full):
        for name in ("verb_rule", "rules", "reasoning", "schema", "verbs"):
            assert "{" + name + "}" not in text
        assert '"verb"' in text


def test_revising_keeps_all_of_drafting() -> None:
    parts = PromptParts()
    prompts = caption_prompts()
    assert prompts.system(parts).strip() in prompts.revision_system(parts)


def test_texts_of_others_stay_data() -> None:
    assert quoted('a\n "b"\tc') == '"a \\"b\\" c"'
    assert len(quoted("x" * 9000)) < 4100
    assert fill("{a} {b} {", a="{b}") == "{b} {b} {"
